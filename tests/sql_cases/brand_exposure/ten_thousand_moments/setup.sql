-- Logo and entity meet at half of each second; every other text has the name.
INSERT INTO video_tag_occurrences BY NAME
SELECT 'job-a' AS job_id, 0 AS result_index, 0 AS tag_index, i AS occurrence_index,
    i * 2 AS start_seconds, i * 2 + 1 AS end_seconds
FROM range(10000) AS r (i);
INSERT INTO cpv_entity_details BY NAME
SELECT 'job-a' AS job_id, 1 AS result_index, 0 AS entity_index, i AS detail_index,
    i * 2 + 0.5 AS start_seconds, i * 2 + 1.5 AS end_seconds
FROM range(10000) AS r (i);
INSERT INTO ocr_frames BY NAME
SELECT 'job-a' AS job_id, 2 AS result_index, i + 1 AS frame_index, i + 1 AS at_seconds
FROM range(10000) AS r (i);
INSERT INTO ocr_texts BY NAME
SELECT 'job-a' AS job_id, 2 AS result_index, i + 1 AS frame_index, 0 AS text_index,
    if(i % 2 = 0, 'Nike ' || i, 'Nikes ' || i) AS content
FROM range(10000) AS r (i);
