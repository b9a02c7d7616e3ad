-- Each of the sixteen is seen: 1 + 2 + ... + 16 = 136.
SELECT
    count(*) AS videos_count,
    sum(duration_seconds) AS seconds
FROM video_durations
