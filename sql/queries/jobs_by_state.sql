-- Question: What became of the jobs, and why did some not load?
-- Grain: one row per state and error code
-- Reads: jobs
-- Units: bytes; times in UTC
-- Sample answer:
--   state | error_code | jobs_count | reply_bytes | first_queried_at | last_queried_at | example_reason
--   loaded | NULL | 3 | 9500 | 2024-05-06 07:08:09 | 2024-06-03 09:30:00 | NULL
--   failed | NULL | 1 | 90 | 2024-06-03 09:32:00 | 2024-06-03 09:32:00 | no such file
--   rejected | JobNotFound | 1 | 80 | 2024-06-03 09:31:00 | 2024-06-03 09:31:00 | JobNotFound: gone
SELECT
    j.state,
    j.error_code,
    count(*) AS jobs_count,
    sum(j.body_bytes)::BIGINT AS reply_bytes,
    min(j.queried_at) AS first_queried_at,
    max(j.queried_at) AS last_queried_at,
    any_value(j.reason) AS example_reason
FROM jobs AS j
GROUP BY j.state, j.error_code
ORDER BY jobs_count DESC, j.state ASC, j.error_code ASC
