-- Occurrence n lasts from second 3n to 3n + 1, but every tenth to 3n + 3, where the next begins.
-- They come in disorder: 7,919 and 10,000 have no common divisor.
INSERT INTO video_tag_occurrences BY NAME
SELECT
    'job-a' AS job_id,
    0 AS result_index,
    0 AS tag_index,
    i AS occurrence_index,
    3.0 * (i * 7919 % 10000) AS start_seconds,
    3.0 * (i * 7919 % 10000) + if(i * 7919 % 10 = 0, 3, 1) AS end_seconds,
    (i * 7919 % 10000) / 10000 AS score
FROM range(10000) AS r (i);
