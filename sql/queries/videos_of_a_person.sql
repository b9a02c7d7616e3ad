-- Question: In which videos is $person, from when on, and how long?
-- Grain: one row per job with that person, the longest first
-- Reads: person_screen_time, video_durations
-- Units: seconds; times as h:mm:ss from the start of the video; video_share is a ratio
-- The share is of the length of the video as far as its results tell, see video_durations. Where
-- the person is seen after the audio has ended, the video lasts until then.
-- Sample parameters: person = 张伟
-- Sample answer:
--   job_id | on_screen_seconds | appearances_count | first_at | video_share | duration_source
--   show-1 | 17.0              | 2                 | 0:00:00  | 0.567       | last_observation
--   show-2 | 2.5               | 1                 | 0:00:00  | 0.125       | last_observation
WITH found AS (
    SELECT
        p.job_id,
        p.on_screen_seconds,
        p.appearances_count,
        p.last_seconds,
        try_cast(floor(p.first_seconds) AS BIGINT) AS first_second
    FROM person_screen_time AS p
    WHERE p.person = $person
)

SELECT
    f.job_id,
    f.on_screen_seconds,
    f.appearances_count,
    printf(
        '%d:%02d:%02d',
        f.first_second // 3600, f.first_second // 60 % 60, f.first_second % 60
    ) AS first_at,
    round(
        f.on_screen_seconds / nullif(greatest(d.duration_seconds, f.last_seconds), 0), 3
    ) AS video_share,
    CASE
        WHEN f.last_seconds > d.duration_seconds THEN 'last_observation' ELSE d.duration_source
    END AS duration_source
FROM found AS f
LEFT JOIN video_durations AS d ON f.job_id = d.job_id
ORDER BY f.on_screen_seconds DESC, f.job_id ASC
