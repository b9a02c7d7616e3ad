-- Question: Where is $phrase said while it can be read on screen?
-- Grain: one row per spoken sentence with $phrase that has it on screen within 10 seconds
-- Reads: asr_segments, ocr_frames, ocr_texts
-- Units: seconds; times as h:mm:ss from the start of the video
-- Sample parameters: phrase = 黄山
-- Sample answer:
--   job_id | said_at | said         | shown      | apart_seconds
--   show-1 | 0:00:03 | 欢迎来到黄山 | 黄山风景区 | 0.0
WITH spoken AS (
    SELECT
        s.job_id,
        s.start_seconds,
        s.end_seconds,
        s.content
    FROM asr_segments AS s
    WHERE contains(lower(s.content), lower($phrase))
),

shown AS (
    SELECT
        t.job_id,
        f.at_seconds,
        t.content
    FROM ocr_texts AS t
    INNER JOIN ocr_frames AS f
        ON
            t.job_id = f.job_id
            AND t.result_index = f.result_index
            AND t.frame_index = f.frame_index
    WHERE contains(lower(t.content), lower($phrase))
),

-- 0 while the text stands during the sentence, else the gap between the two.
pairs AS (
    SELECT
        a.job_id,
        a.start_seconds,
        floor(a.start_seconds)::BIGINT AS start_second,
        a.content AS said,
        o.content AS shown,
        o.at_seconds,
        greatest(a.start_seconds - o.at_seconds, o.at_seconds - a.end_seconds, 0) AS apart_seconds
    FROM spoken AS a
    INNER JOIN shown AS o ON a.job_id = o.job_id
)

SELECT
    p.job_id,
    printf(
        '%d:%02d:%02d',
        p.start_second // 3600, p.start_second // 60 % 60, p.start_second % 60
    ) AS said_at,
    p.said,
    arg_min(p.shown, (p.apart_seconds, p.at_seconds)) AS shown,
    round(min(p.apart_seconds), 3) AS apart_seconds
FROM pairs AS p
WHERE p.apart_seconds <= 10
GROUP BY p.job_id, p.start_seconds, p.start_second, p.said
ORDER BY p.job_id, p.start_seconds
