-- severity: fail
-- Question: Does each job appear once, in a batch that is loaded?
-- Grain: one row per job that does not
-- Reads: jobs, batches
-- Units: none
SELECT
    j.job_id,
    count(*) AS times_seen,
    list(DISTINCT j.batch_id) AS batch_ids
FROM jobs AS j
LEFT JOIN batches AS b ON j.batch_id = b.batch_id
GROUP BY j.job_id
HAVING count(*) > 1 OR count(b.batch_id) < count(*)
