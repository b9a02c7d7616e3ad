-- Question: How old is what the warehouse knows, for each Type?
-- Grain: one row per Type of result, and one for all jobs
-- Reads: jobs, results
-- Units: hours; times in UTC
-- Warning: The row all counts every job once more, and a job counts for each of its Types: counts
--     must not be summed over rows. When a job was submitted, and so when the service will delete
--     it, no reply tells.
-- The row for all jobs is there even while there are none, and counts those without results too.
-- Columns:
--   type: Type of the results as the service sent it, (none) where it sent none; all: every job.
--       Example: VideoLabel.
--   jobs_count: Jobs that have results of the Type.
--   results_count: Results of the Type.
--   oldest_queried_at: When the first of these jobs was answered, UTC. Example:
--       2026-01-14T08:00:00Z.
--   last_queried_at: When the last of them was answered, UTC. Example: 2026-01-14T08:00:00Z.
--   hours_since_last [h]: Hours from then until now. Example: 26.5.
--   last_batch_id: Batch that holds the last of them; see the table batches. Example:
--       20260114T080000-56b0c67277b9.
CREATE OR REPLACE VIEW freshness AS
WITH typed AS (
    SELECT
        coalesce(nullif(r.type, ''), '(none)') AS type,
        j.job_id,
        j.queried_at,
        j.batch_id
    FROM results AS r
    INNER JOIN jobs AS j ON r.job_id = j.job_id
),

answered AS (
    SELECT
        'all' AS type,
        count(*) AS jobs_count,
        (SELECT count(*) FROM results) AS results_count,
        min(j.queried_at) AS oldest_queried_at,
        max(j.queried_at) AS last_queried_at,
        arg_max(j.batch_id, (j.queried_at, j.job_id)) AS last_batch_id
    FROM jobs AS j
    UNION ALL
    SELECT
        t.type,
        count(DISTINCT t.job_id) AS jobs_count,
        count(*) AS results_count,
        min(t.queried_at) AS oldest_queried_at,
        max(t.queried_at) AS last_queried_at,
        arg_max(t.batch_id, (t.queried_at, t.job_id)) AS last_batch_id
    FROM typed AS t
    GROUP BY t.type
)

SELECT
    a.type,
    a.jobs_count,
    a.results_count,
    a.oldest_queried_at,
    a.last_queried_at,
    (epoch_us(now()) - epoch_us(a.last_queried_at)) / 3600000000 AS hours_since_last,
    a.last_batch_id
FROM answered AS a
ORDER BY a.type;
