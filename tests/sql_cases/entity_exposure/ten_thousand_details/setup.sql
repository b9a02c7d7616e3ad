-- The two rows take turns of a second each: one exposure of 10,000 seconds, one track a detail.
INSERT INTO cpv_entity_details BY NAME
SELECT 'job-a' AS job_id, 0 AS result_index, i % 2 AS entity_index, i // 2 AS detail_index,
    i AS start_seconds, i + 1 AS end_seconds, i / 10000 AS score, 1 AS tracks_count
FROM range(10000) AS r (i);
