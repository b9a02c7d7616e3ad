-- Question: How long is each tag seen in each video?
-- Grain: one row per job, main tag and tag of VideoLabel; a tag named by aliases has one main tag
-- Reads: appearances, labels
-- Units: seconds from the start of the video
-- Warning: A tag of one name under two main tags is two rows, unless aliases give that name.
--     Several are seen at once: seconds must not be summed over tags. One without any time is seen
--     for 0 seconds.
-- Overlapping occurrences count once.
-- Columns:
--   job_id: Id of the job, as given to the service. Example: ****20b48fb04483915d4f2cd8ac****.
--   main_tag: Main tag, of several the first by alphabet; NULL where the service gives none.
--       Warning: Chinese in China regions, such as 场景 for Scene: a filter by English names alone
--       finds nothing there. Example: Object.
--   tag: Name, see labels; the main tag where there is no other. Warning: Chinese in China regions,
--       such as 公寓 for an apartment; tag_aliases merges synonyms. Example: Piano.
--   occurrences_count: Timed occurrences in the source.
--   appearances_count: Stretches they make, without a gap in between.
--   on_screen_seconds [s]: Time it is seen. Example: 5.0.
--   first_seconds [s]: Start of the first occurrence. Example: 2.44.
--   last_seconds [s]: End of the last one. Example: 29.021.
CREATE OR REPLACE VIEW tag_screen_time AS
WITH tags AS (
    SELECT
        l.job_id,
        l.label_group,
        l.label,
        min(l.label_level1) AS main_tag
    FROM labels AS l
    WHERE l.table_name = 'video_tags' AND l.label IS NOT NULL
    GROUP BY l.job_id, l.label_group, l.label
),

seen AS (
    SELECT
        a.job_id,
        a.label_group,
        a.label,
        sum(a.occurrences_count)::BIGINT AS occurrences_count,
        count(*) AS appearances_count,
        -- A sum of binary fractions depends on their order; microseconds do not.
        round(sum(a.end_seconds - a.start_seconds), 6) AS on_screen_seconds,
        min(a.start_seconds) AS first_seconds,
        max(a.end_seconds) AS last_seconds
    FROM appearances() AS a
    WHERE a.kind = 'tag'
    GROUP BY a.job_id, a.label_group, a.label
)

SELECT
    t.job_id,
    t.main_tag,
    t.label AS tag,
    coalesce(s.occurrences_count, 0) AS occurrences_count,
    coalesce(s.appearances_count, 0) AS appearances_count,
    coalesce(s.on_screen_seconds, 0) AS on_screen_seconds,
    s.first_seconds,
    s.last_seconds
FROM tags AS t
LEFT JOIN seen AS s
    ON
        t.job_id = s.job_id
        AND t.label = s.label
        AND t.label_group IS NOT DISTINCT FROM s.label_group;
