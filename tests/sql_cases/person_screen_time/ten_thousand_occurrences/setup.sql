-- Each overlaps the next by a quarter of a second: one stretch, to 9999 * 0.75 + 1.
INSERT INTO video_person_occurrences BY NAME
SELECT 'chain' AS job_id, 0 AS result_index, 0 AS person_index, i AS occurrence_index,
    i * 0.75 AS start_seconds, i * 0.75 + 1 AS end_seconds
FROM range(10000) AS r (i);
-- A second on, a second off.
INSERT INTO video_person_occurrences BY NAME
SELECT 'apart' AS job_id, 0 AS result_index, 0 AS person_index, i AS occurrence_index,
    i * 2 AS start_seconds, i * 2 + 1 AS end_seconds
FROM range(10000) AS r (i);
-- Each inside the one before: as long as the longest.
INSERT INTO video_person_occurrences BY NAME
SELECT 'nested' AS job_id, 0 AS result_index, 0 AS person_index, i AS occurrence_index,
    i AS start_seconds, 20000 - i AS end_seconds
FROM range(10000) AS r (i);
