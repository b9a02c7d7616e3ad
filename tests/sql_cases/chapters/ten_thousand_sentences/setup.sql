-- A sentence each second from 0 to 9999, and a hundred chapters of a hundred seconds.
INSERT INTO asr_segments BY NAME
SELECT
    'job-a' AS job_id,
    1 AS result_index,
    s.n AS segment_index,
    s.n AS start_seconds,
    s.n + 0.5 AS end_seconds,
    'word' AS content
FROM range(10000) AS s (n);
INSERT INTO nlp_chapters BY NAME
SELECT
    'job-a' AS job_id,
    0 AS result_index,
    c.n AS chapter_index,
    100 * c.n AS start_seconds,
    100 * c.n + 100 AS end_seconds
FROM range(100) AS c (n);
