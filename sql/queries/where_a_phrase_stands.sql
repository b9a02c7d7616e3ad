-- Question: Where is $phrase said, shown, tagged or summed up?
-- Grain: one row per text of a video that contains the phrase
-- Reads: moments
-- Units: times as h:mm:ss from the start of the video; score is a ratio
-- Summaries have no time of their own: they come last in their video.
-- Sample parameters: phrase = 黄山
WITH found AS (
    SELECT
        m.*,
        CASE WHEN m.end_seconds IS NOT NULL THEN floor(m.start_seconds)::BIGINT END AS start_second
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
