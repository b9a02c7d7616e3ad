-- Question: From when to when is $person on screen?
-- Grain: one row per job and segment; gaps of up to two seconds do not part segments
-- Reads: appearances
-- Units: seconds; times as h:mm:ss from the start of the video
-- An edit list: what a cutter needs to find the person again.
-- Sample parameters: person = 张伟
-- Sample answer:
--   job_id | starts_at | ends_at | length_seconds | occurrences_count | best_score
--   show-1 | 0:00:00   | 0:00:12 | 12.0           | 2                 | 0.97
--   show-1 | 0:00:20   | 0:00:25 | 5.0            | 1                 | 0.9
--   show-2 | 0:00:00   | 0:00:03 | 2.5            | 2                 | 0.91
WITH seen AS (
    SELECT
        a.job_id,
        a.segment_index,
        try_cast(floor(a.start_seconds) AS BIGINT) AS start_second,
        try_cast(ceil(a.end_seconds) AS BIGINT) AS end_second,
        round(a.end_seconds - a.start_seconds, 3) AS length_seconds,
        a.occurrences_count,
        a.best_score
    FROM appearances(2) AS a
    WHERE a.kind IN ('person', 'unknown_face') AND lower(a.label) = lower($person)
)

SELECT
    s.job_id,
    printf(
        '%d:%02d:%02d',
        s.start_second // 3600, s.start_second // 60 % 60, s.start_second % 60
    ) AS starts_at,
    printf(
        '%d:%02d:%02d',
        s.end_second // 3600, s.end_second // 60 % 60, s.end_second % 60
    ) AS ends_at,
    s.length_seconds,
    s.occurrences_count,
    s.best_score
FROM seen AS s
ORDER BY s.job_id, s.start_second, s.segment_index
