-- A tab, line ends, spaces wide and hard; a full-width year; an accent of its own.
INSERT INTO asr_segments BY NAME
SELECT
    'job-a' AS job_id,
    0 AS result_index,
    i AS segment_index,
    i AS start_seconds,
    i + 1 AS end_seconds,
    said AS content
FROM (
    VALUES
    (0, 'In the CAFÉ'),
    (1, 'in' || chr(9) || chr(13) || chr(10) || 'the  cafe' || chr(769)),
    (2, 'Ｉｎ　ｔｈｅ' || chr(160) || 'café'),
    (3, 'inthe café'),
    (4, 'in the cafe'),
    (5, '２０２４年ＡＩ'),
    (6, '2024年ai'),
    (7, chr(63764) || '器'),
    (8, 'Café au' || chr(8195) || 'lait')
) AS s (i, said);
