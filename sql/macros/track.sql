-- Question: Where in the picture is an entity, moment by moment?
-- Grain: one row per box of the entity
-- Reads: labels, cpv_entity_details, cpv_entity_tracks
-- Units: seconds from the start of the video; pixels, as sent; score is a ratio
-- The entity is named as it is called now or as the service wrote it, in any letter case and with
-- white space around it or not; nothing but the whole name is taken. What the four numbers of a
-- box mean is not documented: two corners, or a corner and a size. Boxes come in the order of time,
-- video by video; one without a time comes last. A score of -1 stands for none, as in timeline.
-- Parameters:
--   entity: Name of the entity.
-- Columns:
--   job_id: Id of the job, as given to the service.
--   entity: The entity as it is called now, see labels.
--   at_seconds [s]: Moment of the box, from the start of the video.
--   bbox_1 [px]: First number of the box, as sent.
--   bbox_2 [px]: Second number of the box, as sent.
--   bbox_3 [px]: Third number of the box, as sent.
--   bbox_4 [px]: Fourth number of the box, as sent.
--   score [ratio]: Confidence in the box; NULL where there is none.
--   start_seconds [s]: Start of the appearance the box belongs to, from the start of the video.
--   end_seconds [s]: End of that appearance, never before its start.
--   result_index: Position of the result in the reply, from 0.
--   entity_index: Position of the entity in the result, from 0.
--   detail_index: Position of the appearance, from 0.
--   track_index: Position of the box, from 0.
CREATE OR REPLACE MACRO track(entity) AS TABLE  -- noqa: CP05
    SELECT
        l.job_id,
        l.label AS entity,
        t.at_seconds,
        t.bbox_1,
        t.bbox_2,
        t.bbox_3,
        t.bbox_4,
        nullif(t.score, -1) AS score,
        d.start_seconds,
        CASE
            WHEN d.end_seconds >= d.start_seconds THEN d.end_seconds ELSE d.start_seconds
        END AS end_seconds,
        t.result_index,
        t.entity_index,
        t.detail_index,
        t.track_index
    FROM labels AS l
    INNER JOIN cpv_entity_tracks AS t
        ON
            l.job_id = t.job_id
            AND l.result_index = t.result_index
            AND l.thing_index = t.entity_index
    LEFT JOIN cpv_entity_details AS d
        ON
            t.job_id = d.job_id
            AND t.result_index = d.result_index
            AND t.entity_index = d.entity_index
            AND t.detail_index = d.detail_index
    WHERE
        l.table_name = 'cpv_entities'
        AND (
            lower(l.label) = lower(trim(entity::VARCHAR))
            OR lower(l.source_label) = lower(trim(entity::VARCHAR))
        )
    ORDER BY
        l.job_id,
        t.at_seconds NULLS LAST,
        t.result_index,
        t.entity_index,
        t.detail_index,
        t.track_index;
