-- Question: What fills more than half of a video?
-- Grain: one row per job and tag that is seen for more than half of the video
-- Reads: tag_screen_time, video_durations
-- Units: seconds; video_share is a ratio
-- The share is of the length of the video as far as its results tell, see video_durations: where
-- that is a lower bound, the share is an upper one.
-- Sample answer:
--   job_id | main_tag | tag    | on_screen_seconds | video_share | duration_source
--   show-1 | Logo     | CCTV-1 | 30.0              | 1.0         | last_observation
--   show-2 | 台标     | CCTV-1 | 20.0              | 1.0         | last_observation
SELECT
    t.job_id,
    t.main_tag,
    t.tag,
    t.on_screen_seconds,
    round(t.on_screen_seconds / d.duration_seconds, 3) AS video_share,
    d.duration_source
FROM tag_screen_time AS t
INNER JOIN video_durations AS d ON t.job_id = d.job_id
WHERE t.on_screen_seconds > d.duration_seconds / 2
ORDER BY video_share DESC, t.job_id ASC, t.tag ASC, t.main_tag ASC
