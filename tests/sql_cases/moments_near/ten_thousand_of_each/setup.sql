-- Tea is said at 10n and shown at 10n + 3, for no time, ten thousand times.
INSERT INTO asr_segments BY NAME
SELECT
    'job-a' AS job_id,
    0 AS result_index,
    i AS segment_index,
    10.0 * i AS start_seconds,
    10.0 * i AS end_seconds,
    'tea' AS content
FROM range(10000) AS r (i);
INSERT INTO subtitle_lines BY NAME
SELECT
    'job-a' AS job_id,
    1 AS result_index,
    0 AS file_index,
    'en' AS language,
    i AS line_index,
    10.0 * i + 3 AS start_seconds,
    10.0 * i + 3 AS end_seconds,
    'coffee' AS text
FROM range(10000) AS r (i);
