-- Three seconds every four, and each span twice: 10,000 spans of 5,000 stretches.
INSERT INTO video_tag_occurrences BY NAME
SELECT 'job-a' AS job_id, 0 AS result_index, 0 AS tag_index, i AS occurrence_index,
    i // 2 * 4 AS start_seconds, i // 2 * 4 + 3 AS end_seconds
FROM range(10000) AS r (i);
