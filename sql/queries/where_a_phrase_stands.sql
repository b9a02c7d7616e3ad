-- Question: Where is $phrase said, shown, tagged or summed up?
-- Grain: one row per text of a video that contains the phrase
-- Reads: moments
-- Units: times as h:mm:ss from the start of the video; score is a ratio
-- Summaries have no time of their own: they come last in their video. So does what has a time that
-- is no number of seconds.
-- Sample parameters: phrase = 黄山
-- Sample answer:
--   job_id | starts_at | kind           | text         | score
--   show-1 | 0:00:02   | entity         | 黄山         | 0.9
--   show-1 | 0:00:03   | sentence       | 欢迎来到黄山 | NULL
--   show-1 | 0:00:04   | on_screen_text | 黄山风景区   | 0.95
--   show-1 | 0:00:14   | entity         | 黄山         | 0.8
--   show-1 | 0:00:21   | sentence       | 黄山再见     | NULL
--   show-2 | 0:00:03   | subtitle       | 我们在黄山   | NULL
WITH found AS (
    SELECT
        m.*,
        CASE
            WHEN m.end_seconds IS NOT NULL THEN try_cast(floor(m.start_seconds) AS BIGINT)
        END AS start_second
    FROM moments($phrase) AS m
)

SELECT
    f.job_id,
    printf(
        '%d:%02d:%02d',
        f.start_second // 3600, f.start_second // 60 % 60, f.start_second % 60
    ) AS starts_at,
    f.kind,
    f.text,
    f.score
FROM found AS f
ORDER BY
    f.job_id ASC,
    f.start_second ASC NULLS LAST,
    f.start_seconds ASC,
    f.kind ASC,
    f.table_name ASC,
    f.result_index ASC,
    f.row_key ASC
