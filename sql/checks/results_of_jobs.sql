-- severity: fail
-- Question: Has each job as many results as its reply?
-- Grain: one row per job that has not
-- Reads: jobs, results
-- Units: none
SELECT
    j.job_id,
    j.results_count,
    count(r.job_id) AS results_found
FROM jobs AS j
LEFT JOIN results AS r ON j.job_id = r.job_id
GROUP BY j.job_id, j.results_count
HAVING coalesce(j.results_count, 0) <> count(r.job_id)
