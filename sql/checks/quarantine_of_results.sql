-- severity: fail
-- Question: Does each result say as many quarantined parts as there are in quarantine?
-- Grain: one row per result that does not
-- Reads: results, quarantine
-- Units: none
SELECT
    r.job_id,
    r.result_index,
    r.state,
    r.quarantined_count,
    count(q.job_id) AS quarantined_found
FROM results AS r
LEFT JOIN quarantine AS q ON r.job_id = q.job_id AND r.result_index = q.result_index
GROUP BY ALL
HAVING
    coalesce(r.quarantined_count, 0) <> count(q.job_id)
    OR (r.state IN ('loaded', 'unknown_type')) <> (count(q.job_id) = 0)
