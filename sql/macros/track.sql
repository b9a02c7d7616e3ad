-- Question: Where in the picture is an entity, moment by moment?
-- Grain: one row per box of the entity
-- Reads: labels, cpv_entity_details, cpv_entity_tracks
-- Units: seconds from the start of the video; pixels, as sent; score is a ratio
-- Warning: What the four numbers of a box mean is not documented: two corners, or a corner and a
--     size; look at some on the picture before computing sizes. Appearances may overlap, and each
--     has boxes of its own: a moment may have several rows.
-- The entity is named as it is called now or as the service wrote it, in any letter case and with
-- white space around it or not; nothing but the whole name is taken. Boxes come in the order of
-- time, video by video; one without a time comes last. A time beyond ten days and a score of -1
-- stand for none, as in timeline.
-- Parameters:
--   entity: Name of the entity, the whole of it, in any letter case; no wildcards. Example:
--       Huangguoshu Waterfall.
-- Columns:
--   job_id: Id of the job, as given to the service. Example: ****20b48fb04483915d4f2cd8ac****.
--   entity: The entity as it is called now, see labels. Example: Huangguoshu Waterfall.
--   at_seconds [s]: Moment of the box, from the start of the video; NULL where there is none.
--       Example: 4.56.
--   bbox_1 [px]: First number of the box. Example: 23.
--   bbox_2 [px]: Second number of the box. Example: 43.
--   bbox_3 [px]: Third number of the box. Example: 45.
--   bbox_4 [px]: Fourth number of the box. Example: 67.
--   score [ratio]: Confidence in the box; NULL where there is none. Example: 0.97.
--   start_seconds [s]: Start of the appearance the box belongs to; NULL where there is none.
--       Example: 2.44.
--   end_seconds [s]: End of it, never before its start. Example: 6.908.
--   result_index: Position of the result in the reply, from 0.
--   entity_index: Position of the entity in the result, from 0.
--   detail_index: Position of the appearance, from 0.
--   track_index: Position of the box, from 0.
CREATE OR REPLACE MACRO track(entity) AS TABLE  -- noqa: CP05
    SELECT
        l.job_id,
        l.label AS entity,
        CASE WHEN t.at_seconds BETWEEN -864000 AND 864000 THEN t.at_seconds END AS at_seconds,
        t.bbox_1,
        t.bbox_2,
        t.bbox_3,
        t.bbox_4,
        nullif(t.score, -1) AS score,
        CASE
            WHEN d.start_seconds BETWEEN -864000 AND 864000 THEN d.start_seconds
        END AS start_seconds,
        CASE
            WHEN d.start_seconds NOT BETWEEN -864000 AND 864000 THEN NULL
            WHEN d.end_seconds BETWEEN d.start_seconds AND 864000 THEN d.end_seconds
            ELSE d.start_seconds
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
        CASE
            WHEN t.at_seconds BETWEEN -864000 AND 864000 THEN t.at_seconds
        END NULLS LAST,
        t.result_index,
        t.entity_index,
        t.detail_index,
        t.track_index;
