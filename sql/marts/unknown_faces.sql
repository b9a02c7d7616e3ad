-- Question: Which faces has nobody named yet, and where is the clearest look at each?
-- Grain: one row per job and unknown face
-- Reads: labels, person_screen_time, video_person_occurrences
-- Units: seconds from the start of the video; pixels
-- Warning: A name is of its job alone: one face has other names in other videos, and to count names
--     over jobs mixes people. Faces without any name are one row of a job.
-- Look at the frame, then write who it is to face_aliases: the face leaves this view and is in
-- person_screen_time under its name. The clearest look is the biggest box; of equal ones the
-- earliest.
-- Columns:
--   job_id: Id of the job, as given to the service. Example: ****20b48fb04483915d4f2cd8ac****.
--   name: Name the service made up, unique in its job only; NULL where it wrote none. Warning: It
--       is generated and means somebody else in every job. Example: 未知人脸1.
--   on_screen_seconds [s]: Time on screen, see person_screen_time. Example: 5.0.
--   occurrences_count: Timed occurrences in the source.
--   first_seconds [s]: Start of the first occurrence. Example: 2.44.
--   last_seconds [s]: End of the last one. Example: 29.021.
--   at_seconds [s]: Frame of the clearest look; NULL where none is told. Example: 4.56.
--   box_left [px]: Left of the face in that frame. Example: 455.
--   box_top [px]: Top of the face in that frame. Example: 51.
--   box_right [px]: Right of the face in that frame. Example: 1117.
--   box_bottom [px]: Bottom of the face in that frame. Example: 389.
--   scene: Shot size of that frame. Example: medium-closeUp.
--   result_index: Position of the result of that look in the reply, from 0.
--   person_index: Position of its person in the result, from 0.
--   occurrence_index: Position of the look among the occurrences of the person, from 0.
CREATE OR REPLACE VIEW unknown_faces AS
WITH looks AS (
    SELECT
        l.job_id,
        l.label,
        l.source_label,
        -- As in timeline.
        coalesce(
            CASE WHEN o.at_seconds BETWEEN -864000 AND 864000 THEN o.at_seconds END,
            CASE WHEN o.start_seconds BETWEEN -864000 AND 864000 THEN o.start_seconds END
        ) AS at_seconds,
        o.box_left,
        o.box_top,
        o.box_right,
        o.box_bottom,
        o.scene,
        o.result_index,
        o.person_index,
        o.occurrence_index,
        -- Corners may be any whole numbers, and their product too long for one.
        coalesce(
            greatest(o.box_right - o.box_left::DOUBLE, 0)
            * greatest(o.box_bottom - o.box_top::DOUBLE, 0),
            0
        ) AS box_area
    FROM labels AS l
    LEFT JOIN video_person_occurrences AS o
        ON
            l.job_id = o.job_id
            AND l.result_index = o.result_index
            AND l.thing_index = o.person_index
    WHERE l.table_name = 'video_persons' AND l.kind = 'unknown_face'
),

clearest AS (
    SELECT
        k.job_id,
        k.label,
        min(k.source_label) AS source_label,
        arg_min(
            struct_pack(
                at_seconds := k.at_seconds,
                box_left := k.box_left,
                box_top := k.box_top,
                box_right := k.box_right,
                box_bottom := k.box_bottom,
                scene := k.scene,
                result_index := k.result_index,
                person_index := k.person_index,
                occurrence_index := k.occurrence_index
            ),
            (-k.box_area, k.at_seconds, k.result_index, k.person_index, k.occurrence_index)
        ) AS look
    FROM looks AS k
    GROUP BY k.job_id, k.label
)

SELECT
    c.job_id,
    c.source_label AS name,  -- noqa: RF04
    p.on_screen_seconds,
    p.occurrences_count,
    p.first_seconds,
    p.last_seconds,
    unnest(c.look)  -- noqa: AL03
FROM clearest AS c
INNER JOIN person_screen_time AS p
    ON c.job_id = p.job_id AND c.label = p.person
WHERE p.is_unknown;
