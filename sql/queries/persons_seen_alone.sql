-- Question: Who is never on screen together with somebody else?
-- Grain: one row per job and person that shares the screen with nobody in that video
-- Reads: appearances
-- Units: seconds
-- Unknown faces are company, too. To follow each other without a gap is not to be together.
-- Sample answer:
--   job_id | person    | is_unknown | appearances_count | on_screen_seconds
--   show-2 | 未知人脸1 | true       | 1                 | 6.0
--   show-2 | 张伟      | false      | 1                 | 2.5
WITH segments AS (
    SELECT
        a.job_id,
        a.kind,
        a.label,
        a.start_seconds,
        a.end_seconds,
        max(a.end_seconds) OVER earlier AS reached_seconds,
        lag(a.start_seconds) OVER in_order AS previous_start_seconds,
        lead(a.start_seconds) OVER in_order AS next_start_seconds
    FROM appearances() AS a
    WHERE a.kind IN ('person', 'unknown_face')
    WINDOW
        in_order AS (PARTITION BY a.job_id ORDER BY a.start_seconds, a.end_seconds, a.label),
        earlier AS (
            PARTITION BY a.job_id
            ORDER BY a.start_seconds, a.end_seconds, a.label
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
)

SELECT
    s.job_id,
    s.label AS person,
    s.kind = 'unknown_face' AS is_unknown,
    count(*) AS appearances_count,
    round(sum(s.end_seconds - s.start_seconds), 3) AS on_screen_seconds
FROM segments AS s
GROUP BY s.job_id, s.kind, s.label
-- Segments of one person never meet: what meets is of two.
HAVING
    NOT coalesce(
        bool_or(
            s.reached_seconds > s.start_seconds
            OR s.previous_start_seconds = s.start_seconds
            OR s.next_start_seconds = s.start_seconds
            OR s.next_start_seconds < s.end_seconds
        ),
        FALSE
    )
ORDER BY on_screen_seconds DESC, s.job_id ASC, person ASC
