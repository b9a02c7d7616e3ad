-- The box is widest at the middle look; before and after it, it grows and shrinks.
INSERT INTO video_person_occurrences BY NAME
SELECT 'job-a' AS job_id, 0 AS result_index, 0 AS person_index, i AS occurrence_index,
    i * 2 AS start_seconds, i * 2 + 1 AS end_seconds, i * 2 + 0.5 AS at_seconds,
    0 AS box_left, 0 AS box_top, 6000 - abs(i - 5000) AS box_right, 10 AS box_bottom
FROM range(10000) AS r (i);
