-- Question: Where is $phrase said while it can be read on screen?
-- Grain: one row per spoken sentence with $phrase that has it on screen within 10 seconds
-- Reads: moments_near
-- Units: seconds; times as h:mm:ss from the start of the video
-- Sentences are those of ASR and NLP; of several texts on screen, the nearest is told. For what
-- counts as the phrase see moments.
-- Sample parameters: phrase = 黄山
-- Sample answer:
--   job_id | said_at | said         | shown      | apart_seconds
--   show-1 | 0:00:03 | 欢迎来到黄山 | 黄山风景区 | 0.0
WITH near AS (
    SELECT
        n.job_id,
        -- Of one phrase, the earlier text of a pair is the first.
        n.a_kind = 'sentence' AS is_said_first,
        CASE WHEN is_said_first THEN n.a_start_seconds ELSE n.b_start_seconds END AS start_seconds,
        CASE WHEN is_said_first THEN n.a_text ELSE n.b_text END AS said,
        CASE WHEN is_said_first THEN n.b_start_seconds ELSE n.a_start_seconds END AS at_seconds,
        CASE WHEN is_said_first THEN n.b_text ELSE n.a_text END AS shown,
        n.gap_seconds
    FROM moments_near($phrase, $phrase, 10) AS n
    WHERE
        (n.a_kind = 'sentence' AND n.b_kind = 'on_screen_text')
        OR (n.a_kind = 'on_screen_text' AND n.b_kind = 'sentence')
),

pairs AS (
    SELECT
        n.*,
        try_cast(floor(n.start_seconds) AS BIGINT) AS start_second
    FROM near AS n
)

SELECT
    p.job_id,
    printf(
        '%d:%02d:%02d',
        p.start_second // 3600, p.start_second // 60 % 60, p.start_second % 60
    ) AS said_at,
    p.said,
    arg_min(p.shown, (p.gap_seconds, p.at_seconds, p.shown)) AS shown,
    round(min(p.gap_seconds), 3) AS apart_seconds
FROM pairs AS p
GROUP BY p.job_id, p.start_seconds, p.start_second, p.said
ORDER BY p.job_id, p.start_seconds, p.said
