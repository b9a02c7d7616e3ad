-- A is seen from 10n to 10n + 4 and B from 10n + 3 to 10n + 6, ten thousand times; C all along.
INSERT INTO video_person_occurrences BY NAME
SELECT
    'job-a' AS job_id,
    0 AS result_index,
    p AS person_index,
    i AS occurrence_index,
    10.0 * i + 3 * p AS start_seconds,
    10.0 * i + 4 + 2 * p AS end_seconds
FROM range(10000) AS r (i), range(2) AS s (p)
UNION ALL
SELECT
    'job-a' AS job_id,
    0 AS result_index,
    2 AS person_index,
    0 AS occurrence_index,
    0 AS start_seconds,
    100000 AS end_seconds;
