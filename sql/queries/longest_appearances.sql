-- Question: Who or what stays in the picture longest without a break?
-- Grain: one row per segment of a person, tag, entity or brand, the 20 longest of all videos
-- Reads: appearances
-- Units: seconds; times as h:mm:ss from the start of the video
-- A break of up to a second is a blink, or a cut to somebody else and back.
-- Sample answer:
--   kind         | label        | job_id | starts_at | length_seconds | occurrences_count
--   brand        | CCTV-1       | show-1 | 0:00:00   | 30.0           | 1
--   tag          | CCTV-1       | show-1 | 0:00:00   | 30.0           | 1
--   brand        | CCTV-1       | show-2 | 0:00:00   | 20.0           | 1
--   tag          | CCTV-1       | show-2 | 0:00:00   | 20.0           | 1
--   person       | 张伟         | show-1 | 0:00:00   | 12.0           | 2
--   person       | Li Na        | show-1 | 0:00:10   | 10.0           | 1
--   tag          | 公寓         | show-2 | 0:00:05   | 10.0           | 1
--   unknown_face | 未知人脸1    | show-2 | 0:00:10   | 6.0            | 1
--   person       | 张伟         | show-1 | 0:00:20   | 5.0            | 1
--   tag          | Piano        | show-1 | 0:00:06   | 5.0            | 2
--   entity       | 黄山         | show-1 | 0:00:02   | 4.0            | 1
--   unknown_face | 未知人脸1    | show-1 | 0:00:08   | 4.0            | 1
--   person       | 张伟         | show-2 | 0:00:00   | 2.5            | 2
--   brand        | Nike         | show-1 | 0:00:16   | 2.0            | 1
--   entity       | Running shoe | show-1 | 0:00:16   | 2.0            | 1
--   entity       | 黄山         | show-1 | 0:00:14   | 1.0            | 1
WITH segments AS (
    SELECT
        a.job_id,
        a.kind,
        a.label,
        try_cast(floor(a.start_seconds) AS BIGINT) AS start_second,
        round(a.end_seconds - a.start_seconds, 3) AS length_seconds,
        a.occurrences_count
    FROM appearances(1) AS a
    WHERE a.kind IN ('person', 'unknown_face', 'tag', 'entity', 'brand')
)

SELECT
    s.kind,
    s.label,
    s.job_id,
    printf(
        '%d:%02d:%02d',
        s.start_second // 3600, s.start_second // 60 % 60, s.start_second % 60
    ) AS starts_at,
    s.length_seconds,
    s.occurrences_count
FROM segments AS s
ORDER BY
    s.length_seconds DESC, s.kind ASC, s.label ASC, s.job_id ASC, s.start_second ASC
LIMIT 20
