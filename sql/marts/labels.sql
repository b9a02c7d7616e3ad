-- Question: What was found in each video, and under which name?
-- Grain: one row per person, tag, category, entity, watch-list word or free keyword of a result
-- Reads: video_persons, video_tags, cpv_categories, cpv_entities, cpv_hotwords, cpv_free_tags,
--     face_aliases, tag_aliases
-- Units: appearance_ratio is a share of the video
-- Warning: A thing may be listed several times in a job, by two results or under two names that are
--     one: count distinct label by kind. The name of an unknown face is of its job alone.
-- The one place where names are chosen, an alias if there is one, else what the service wrote.
-- What aliases call the same is one thing, also of different main tags or levels, and so is what
-- the service already calls by that name: such labels have no label_group.
-- Columns:
--   job_id: Id of the job, as given to the service. Example: ****20b48fb04483915d4f2cd8ac****.
--   kind: person, unknown_face (a face nobody has named), tag, category, entity, hotword or
--       free_tag. Example: tag.
--   label: Its name: that of face_aliases or tag_aliases, else the one the service wrote. Warning:
--       Of an unknown face it is generated, such as 未知人脸1, and means somebody else in every job.
--       Example: Piano.
--   label_group: What it belongs to, which tells things of one name apart: category of a person,
--       main tag, or levels of a label; NULL for a name that tag_aliases gives. Between two levels
--       is a slash, before a second without a first too; slashes and backslashes in levels have a
--       backslash before them. Example: Object.
--   label_level1: Main tag of a tag, first level of a label; NULL for persons. Warning: Chinese in
--       China regions, such as 场景 for Scene: a filter by English names alone finds nothing there.
--       Example: Object.
--   label_level2: Second level of a label. Example: Landmark.
--   source_label: Name the service wrote; of a label without one, its level. Example: Piano.
--   appearance_ratio [ratio]: Share of the video the service says it is seen for. Warning: A share
--       of the video's length, no confidence: score in timeline says how sure the service is.
--       Example: 0.252.
--   occurrences_count: Appearances in the source; NULL when they are absent.
--   table_name: Table it comes from. Example: video_tags.
--   result_index: Position of the result in the reply, from 0.
--   thing_index: Last key of its row in that table.
CREATE OR REPLACE VIEW labels AS
WITH people AS (
    -- A column to join by: beside a constant in an outer join, DuckDB 2.0.0 forgets a LIMIT.
    SELECT
        v.*,
        '' AS any_job
    FROM video_persons AS v
),

found AS (
    SELECT
        t.job_id,
        t.result_index,
        t.tag_index AS thing_index,
        'tag' AS kind,
        coalesce(nullif(t.sub_tag_name, ''), nullif(t.main_tag_name, '')) AS source_label,
        nullif(t.main_tag_name, '') AS label_level1,
        NULL AS label_level2,
        t.appearance_ratio,
        t.occurrences_count,
        'video_tags' AS table_name
    FROM video_tags AS t
    UNION ALL
    SELECT
        c.job_id,
        c.result_index,
        c.category_index AS thing_index,
        'category' AS kind,
        coalesce(
            nullif(c.label, ''), nullif(c.label_level2, ''), nullif(c.label_level1, '')
        ) AS source_label,
        nullif(c.label_level1, '') AS label_level1,
        nullif(c.label_level2, '') AS label_level2,
        c.appearance_ratio,
        c.details_count AS occurrences_count,
        'cpv_categories' AS table_name
    FROM cpv_categories AS c
    UNION ALL
    SELECT
        e.job_id,
        e.result_index,
        e.entity_index AS thing_index,
        'entity' AS kind,
        coalesce(
            nullif(e.label, ''),
            nullif(e.knowledge_name, ''),
            nullif(e.label_level2, ''),
            nullif(e.label_level1, '')
        ) AS source_label,
        nullif(e.label_level1, '') AS label_level1,
        nullif(e.label_level2, '') AS label_level2,
        e.appearance_ratio,
        e.details_count AS occurrences_count,
        'cpv_entities' AS table_name
    FROM cpv_entities AS e
    UNION ALL
    SELECT
        h.job_id,
        h.result_index,
        h.hotword_index AS thing_index,
        'hotword' AS kind,
        coalesce(
            nullif(h.label, ''), nullif(h.label_level2, ''), nullif(h.label_level1, '')
        ) AS source_label,
        nullif(h.label_level1, '') AS label_level1,
        nullif(h.label_level2, '') AS label_level2,
        h.appearance_ratio,
        h.details_count AS occurrences_count,
        'cpv_hotwords' AS table_name
    FROM cpv_hotwords AS h
    UNION ALL
    SELECT
        f.job_id,
        f.result_index,
        f.free_tag_index AS thing_index,
        'free_tag' AS kind,
        coalesce(
            nullif(f.label, ''), nullif(f.label_level2, ''), nullif(f.label_level1, '')
        ) AS source_label,
        nullif(f.label_level1, '') AS label_level1,
        nullif(f.label_level2, '') AS label_level2,
        f.appearance_ratio,
        f.details_count AS occurrences_count,
        'cpv_free_tags' AS table_name
    FROM cpv_free_tags AS f
),

tags AS (
    SELECT
        f.*,
        '' AS any_kind
    FROM found AS f
),

called AS (
    SELECT
        t.*,
        coalesce(own.label, every.label, t.source_label) AS label
    FROM tags AS t
    LEFT JOIN tag_aliases AS own ON t.kind = own.kind AND t.source_label = own.name
    LEFT JOIN tag_aliases AS every ON t.source_label = every.name AND t.any_kind = every.kind
),

kinds AS (
    SELECT unnest(['tag', 'category', 'entity', 'hotword', 'free_tag']) AS kind
),

-- Names that aliases give: what has one of them is one thing, whatever it belongs to.
given AS (
    SELECT DISTINCT
        k.kind,
        a.label
    FROM tag_aliases AS a
    INNER JOIN kinds AS k ON a.kind IN ('', k.kind)
)

SELECT
    p.job_id,
    CASE
        WHEN coalesce(own.person, every.person) IS NOT NULL THEN 'person'
        WHEN p.category = 'unknown' OR coalesce(p.name, '') = '' THEN 'unknown_face'
        ELSE 'person'
    END AS kind,
    coalesce(own.person, every.person, nullif(p.name, ''), '(unnamed)') AS label,
    nullif(p.category, '') AS label_group,
    NULL AS label_level1,
    NULL AS label_level2,
    nullif(p.name, '') AS source_label,
    p.appearance_ratio,
    p.occurrences_count,
    'video_persons' AS table_name,
    p.result_index,
    p.person_index AS thing_index
FROM people AS p
LEFT JOIN face_aliases AS own ON p.job_id = own.job_id AND p.name = own.name
-- What is called the same in every video is no one person where the service made up the name.
LEFT JOIN face_aliases AS every
    ON
        p.name = every.name
        AND p.any_job = every.job_id
        AND coalesce(p.category, '') <> 'unknown'
UNION ALL
SELECT
    c.job_id,
    c.kind,
    c.label,
    CASE
        WHEN g.label IS NOT NULL THEN NULL
        WHEN c.kind = 'tag' THEN c.label_level1
        WHEN c.label_level2 IS NULL
            THEN replace(replace(c.label_level1, '\', '\\'), '/', '\/')
        ELSE
            replace(replace(coalesce(c.label_level1, ''), '\', '\\'), '/', '\/')
            || '/'
            || replace(replace(c.label_level2, '\', '\\'), '/', '\/')
    END AS label_group,
    c.label_level1,
    c.label_level2,
    c.source_label,
    c.appearance_ratio,
    c.occurrences_count,
    c.table_name,
    c.result_index,
    c.thing_index
FROM called AS c
LEFT JOIN given AS g ON c.kind = g.kind AND c.label = g.label;
