-- severity: fail
-- Question: Has each batch the jobs, results and quarantined parts it was committed with?
-- Grain: one row per batch that has not
-- Reads: batches, jobs, results, quarantine
-- Units: none
WITH results_of_job AS (
    SELECT
        r.job_id,
        count(*) AS results_count
    FROM results AS r
    GROUP BY r.job_id
),

quarantined_of_job AS (
    SELECT
        q.job_id,
        count(*) AS quarantined_count
    FROM quarantine AS q
    GROUP BY q.job_id
),

found AS (
    SELECT
        j.batch_id,
        count(*) AS jobs_count,
        coalesce(sum(r.results_count), 0) AS results_count,
        coalesce(sum(q.quarantined_count), 0) AS quarantined_count
    FROM jobs AS j
    LEFT JOIN results_of_job AS r ON j.job_id = r.job_id
    LEFT JOIN quarantined_of_job AS q ON j.job_id = q.job_id
    GROUP BY j.batch_id
)

SELECT
    b.batch_id,
    b.jobs_count,
    f.jobs_count AS jobs_found,
    b.results_count,
    f.results_count AS results_found,
    b.quarantined_count,
    f.quarantined_count AS quarantined_found
FROM batches AS b
LEFT JOIN found AS f ON b.batch_id = f.batch_id
WHERE
    b.jobs_count <> coalesce(f.jobs_count, 0)
    OR b.results_count <> coalesce(f.results_count, 0)
    OR b.quarantined_count <> coalesce(f.quarantined_count, 0)
