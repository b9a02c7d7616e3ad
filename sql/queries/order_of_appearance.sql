-- Question: In which order do people come on screen?
-- Grain: one row per job and person with a time, by their first appearance
-- Reads: person_screen_time
-- Units: seconds; times as h:mm:ss from the start of the video
-- Sample answer:
--   job_id | place | person    | category  | first_at | on_screen_seconds
--   show-1 | 1     | 张伟      | celebrity | 0:00:00  | 17.0
--   show-1 | 2     | 未知人脸1 | unknown   | 0:00:08  | 4.0
--   show-1 | 3     | Li Na     | celebrity | 0:00:10  | 10.0
--   show-2 | 1     | 张伟      | celebrity | 0:00:00  | 2.5
--   show-2 | 2     | 未知人脸1 | unknown   | 0:00:10  | 6.0
WITH firsts AS (
    SELECT
        p.*,
        try_cast(floor(p.first_seconds) AS BIGINT) AS first_second
    FROM person_screen_time AS p
    WHERE p.first_seconds IS NOT NULL
)

SELECT
    f.job_id,
    -- Who comes at the same moment has the same place.
    rank() OVER (PARTITION BY f.job_id ORDER BY f.first_seconds) AS place,
    f.person,
    f.category,
    printf(
        '%d:%02d:%02d',
        f.first_second // 3600, f.first_second // 60 % 60, f.first_second % 60
    ) AS first_at,
    f.on_screen_seconds
FROM firsts AS f
ORDER BY f.job_id, f.first_seconds, f.person
