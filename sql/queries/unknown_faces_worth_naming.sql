-- Question: Which unknown faces are worth a name, and where is each seen best?
-- Grain: one row per job and unknown face that is on screen for 2 seconds or more, the 20 longest
-- Reads: unknown_faces
-- Units: seconds; pixels; times as h:mm:ss from the start of the video
-- Faces smaller than 64 pixels either way are left out: nobody could tell who it is. Write who it
-- is to face_aliases, and the face is a person in all answers.
-- Sample answer:
--   job_id | name      | on_screen_seconds | look_at | box_left | box_top | width | height | scene
--   show-2 | 未知人脸1 | 6.0               | 0:00:12 | 200      | 70      | 300   | 400    | closeUp
--   show-1 | 未知人脸1 | 4.0               | 0:00:09 | 100      | 50      | 200   | 300    | medium
WITH looks AS (
    SELECT
        u.*,
        try_cast(floor(u.at_seconds) AS BIGINT) AS look_second,
        -- Corners may be any whole numbers, and their difference too long for one.
        u.box_right - u.box_left::BIGINT AS width,
        u.box_bottom - u.box_top::BIGINT AS height
    FROM unknown_faces AS u
)

SELECT
    k.job_id,
    k.name,
    k.on_screen_seconds,
    printf(
        '%d:%02d:%02d',
        k.look_second // 3600, k.look_second // 60 % 60, k.look_second % 60
    ) AS look_at,
    k.box_left,
    k.box_top,
    k.width,
    k.height,
    k.scene
FROM looks AS k
WHERE k.on_screen_seconds >= 2 AND k.width >= 64 AND k.height >= 64
ORDER BY k.on_screen_seconds DESC, k.job_id ASC, k.name ASC
LIMIT 20
