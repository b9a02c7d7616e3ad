-- severity: fail
-- Question: Has each name one alias, with a name, a target and a scope there can be?
-- Grain: one row per name with several aliases, or one that is none
-- Reads: face_aliases, tag_aliases
-- Units: none
-- With two, rows of marts would be there twice; with an empty one, labels would be. The files of
-- the lake are held to the same when they are read: what is found here was put in by hand.
WITH aliases AS (
    SELECT
        'face_aliases' AS table_name,
        f.job_id AS scope,
        f.name,
        f.person AS shown_name
    FROM face_aliases AS f
    UNION ALL
    SELECT
        'tag_aliases' AS table_name,
        t.kind AS scope,
        t.name,
        t.label AS shown_name
    FROM tag_aliases AS t
),

blanks AS (
    -- White space as Python strips it off the texts of the files.
    SELECT
        a.*,
        '[\x{09}-\x{0D}\x{1C}-\x{20}\x{85}\p{Z}]*' AS blank
    FROM aliases AS a
),

flawed AS (
    SELECT
        b.*,
        CASE
            WHEN regexp_full_match(b.name, b.blank) THEN 'name is empty'
            WHEN b.shown_name IS NULL OR regexp_full_match(b.shown_name, b.blank)
                THEN 'target is empty'
            WHEN b.table_name = 'face_aliases' AND b.scope = ''
                THEN
                    CASE
                        WHEN regexp_full_match(b.name, concat('未知人脸', b.blank, '\p{Nd}*'))
                            THEN 'an unknown face is somebody else in every job: give its job_id'
                    END
            WHEN b.table_name = 'face_aliases' AND regexp_full_match(b.scope, b.blank)
                THEN 'job_id is blank: empty is every job'
            WHEN
                b.table_name = 'tag_aliases'
                AND b.scope NOT IN ('', 'tag', 'category', 'entity', 'hotword', 'free_tag')
                THEN 'kind is none of tag, category, entity, hotword, free_tag; empty is all'
        END AS flaw
    FROM blanks AS b
)

SELECT
    f.table_name,
    f.scope,
    f.name,
    list(f.shown_name ORDER BY f.shown_name) AS targets,
    concat(
        coalesce(min(f.flaw), concat('name has ', count(*), ' aliases')),
        ': correct the row, or take it out'
    ) AS hint
FROM flawed AS f
GROUP BY f.table_name, f.scope, f.name
HAVING count(*) > 1 OR count(f.flaw) > 0
