-- Question: What fills more than half of a video?
-- Grain: one row per job and tag that is seen for more than half of the video
-- Reads: tag_screen_time, video_durations
-- Units: seconds; video_share is a ratio
-- The share is of the length of the video as far as its results tell, see video_durations: where
-- that is a lower bound, the share is an upper one. Where tags are seen after the audio has ended,
-- the video lasts until the last of them.
-- Sample answer:
--   job_id | main_tag | tag    | on_screen_seconds | video_share | duration_source
--   show-1 | Logo     | CCTV-1 | 30.0              | 1.0         | last_observation
--   show-2 | 台标     | CCTV-1 | 20.0              | 1.0         | last_observation
WITH ends AS (
    SELECT
        t.job_id,
        max(t.last_seconds) AS last_seconds
    FROM tag_screen_time AS t
    GROUP BY t.job_id
),

lengths AS (
    SELECT
        d.job_id,
        greatest(d.duration_seconds, e.last_seconds) AS duration_seconds,
        CASE
            WHEN e.last_seconds > d.duration_seconds THEN 'last_observation' ELSE d.duration_source
        END AS duration_source
    FROM video_durations AS d
    INNER JOIN ends AS e ON d.job_id = e.job_id
)

SELECT
    t.job_id,
    t.main_tag,
    t.tag,
    t.on_screen_seconds,
    round(t.on_screen_seconds / l.duration_seconds, 3) AS video_share,
    l.duration_source
FROM tag_screen_time AS t
INNER JOIN lengths AS l ON t.job_id = l.job_id
WHERE t.on_screen_seconds > l.duration_seconds / 2
ORDER BY video_share DESC, t.job_id ASC, t.tag ASC, t.main_tag ASC
