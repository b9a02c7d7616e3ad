-- Question: What became of the jobs, and why did some not load?
-- Grain: one row per state and error code
-- Reads: jobs
-- Units: bytes; times in UTC
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
