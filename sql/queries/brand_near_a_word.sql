-- Question: Where is $brand on screen while $word is said, or soon before or after?
-- Grain: one row per spoken sentence or subtitle with the word that has the brand within 10 seconds
-- Reads: moments_near
-- Units: seconds; times as h:mm:ss from the start of the video
-- The brand may be a logo, an entity or text on screen; of several, the nearest is told.
-- Sample parameters: brand = nike, word = mountain
-- Sample answer:
--   job_id | said_at | said                          | shown    | shown_as       | apart_seconds
--   show-1 | 0:00:12 | Welcome to Huangshan Mountain | NIKE AIR | on_screen_text | 0.0
WITH pairs AS (
    SELECT
        n.job_id,
        n.b_kind,
        n.b_text AS said,
        n.b_start_seconds AS start_seconds,
        floor(n.b_start_seconds)::BIGINT AS start_second,
        n.a_text AS shown,
        n.a_kind AS shown_as,
        n.a_start_seconds,
        n.gap_seconds
    FROM moments_near($brand, $word, 10) AS n
    WHERE
        n.a_kind IN ('tag', 'entity', 'on_screen_text')
        AND n.b_kind IN ('sentence', 'subtitle')
)

SELECT
    p.job_id,
    printf(
        '%d:%02d:%02d',
        p.start_second // 3600, p.start_second // 60 % 60, p.start_second % 60
    ) AS said_at,
    p.said,
    arg_min(p.shown, (p.gap_seconds, p.a_start_seconds, p.shown_as, p.shown)) AS shown,
    arg_min(p.shown_as, (p.gap_seconds, p.a_start_seconds, p.shown_as, p.shown)) AS shown_as,
    min(p.gap_seconds) AS apart_seconds
FROM pairs AS p
GROUP BY p.job_id, p.start_seconds, p.start_second, p.b_kind, p.said
ORDER BY p.job_id, p.start_seconds, p.b_kind, p.said
