-- Question: Where is $brand on screen while $word is said, or soon before or after?
-- Grain: one row per spoken sentence or subtitle with the word that has the brand within 10 seconds
-- Reads: moments
-- Units: seconds; times as h:mm:ss from the start of the video
-- The brand may be a logo, an entity or text on screen; of several, the nearest is told.
-- Sample parameters: brand = nike, word = mountain
-- Sample answer:
--   job_id | said_at | said                          | shown    | shown_as       | apart_seconds
--   show-1 | 0:00:12 | Welcome to Huangshan Mountain | NIKE AIR | on_screen_text | 0.0
WITH shown AS (
    SELECT
        m.job_id,
        m.kind,
        m.start_seconds,
        m.end_seconds,
        m.text
    FROM moments($brand) AS m
    WHERE m.kind IN ('tag', 'entity', 'on_screen_text')
),

said AS (
    SELECT
        m.job_id,
        m.kind,
        m.start_seconds,
        m.end_seconds,
        m.text
    FROM moments($word) AS m
    WHERE m.kind IN ('sentence', 'subtitle') AND m.end_seconds IS NOT NULL
),

-- 0 while the brand stands there during the sentence, else the gap between the two.
pairs AS (
    SELECT
        a.job_id,
        a.kind,
        a.text AS said,
        a.start_seconds,
        try_cast(floor(a.start_seconds) AS BIGINT) AS start_second,
        b.text AS shown,
        b.kind AS shown_as,
        b.start_seconds AS shown_seconds,
        round(
            greatest(a.start_seconds - b.end_seconds, b.start_seconds - a.end_seconds, 0), 6
        ) AS gap_seconds
    FROM said AS a
    INNER JOIN shown AS b
        ON a.job_id = b.job_id
)

SELECT
    p.job_id,
    printf(
        '%d:%02d:%02d',
        p.start_second // 3600, p.start_second // 60 % 60, p.start_second % 60
    ) AS said_at,
    p.said,
    arg_min(p.shown, (p.gap_seconds, p.shown_seconds, p.shown_as, p.shown)) AS shown,
    arg_min(p.shown_as, (p.gap_seconds, p.shown_seconds, p.shown_as, p.shown)) AS shown_as,
    min(p.gap_seconds) AS apart_seconds
FROM pairs AS p
WHERE p.gap_seconds <= 10
GROUP BY p.job_id, p.start_seconds, p.start_second, p.kind, p.said
ORDER BY p.job_id, p.start_seconds, p.kind, p.said
