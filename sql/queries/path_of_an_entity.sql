-- Question: How does $entity move through the picture, and how fast?
-- Grain: one row per box of the entity
-- Reads: track
-- Units: seconds from the start of the video; pixels as sent; pixels per second
-- What the four numbers of a box mean is not documented. Its centre is told for both readings: the
-- last two as the opposite corner, or as width and height. Speed is that of the first corner, which
-- is the same in both, since the box before in the same appearance.
-- Sample parameters: entity = 黄山
-- Sample answer:
--   job_id | at_seconds | centre_x_of_corners | centre_y_of_corners | centre_x_of_sizes | centre_y_of_sizes | pixels_per_second | score
--   show-1 | 2.0        | 60.0                | 120.0               | 65.0              | 130.0             | NULL              | 0.9
--   show-1 | 3.0        | 90.0                | 160.0               | 110.0             | 190.0             | 50.0              | 0.92
--   show-1 | 5.0        | 90.0                | 160.0               | 110.0             | 190.0             | 0.0               | 0.88
WITH boxes AS (
    SELECT
        t.* REPLACE (
            -- The numbers of a box may be any whole ones, and their sum too long for one.
            t.bbox_1::BIGINT AS bbox_1,
            t.bbox_2::BIGINT AS bbox_2,
            t.bbox_3::BIGINT AS bbox_3,
            t.bbox_4::BIGINT AS bbox_4
        ),
        lag(
            struct_pack(
                x_px := t.bbox_1::BIGINT,
                y_px := t.bbox_2::BIGINT,
                at_seconds := t.at_seconds
            )
        ) OVER (
            PARTITION BY t.job_id, t.result_index, t.entity_index, t.detail_index
            ORDER BY t.at_seconds, t.track_index
        ) AS previous_box
    FROM track($entity) AS t
    WHERE t.at_seconds IS NOT NULL
)

SELECT
    b.job_id,
    b.at_seconds,
    (b.bbox_1 + b.bbox_3) / 2 AS centre_x_of_corners,
    (b.bbox_2 + b.bbox_4) / 2 AS centre_y_of_corners,
    b.bbox_1 + b.bbox_3 / 2 AS centre_x_of_sizes,
    b.bbox_2 + b.bbox_4 / 2 AS centre_y_of_sizes,
    round(
        sqrt((b.bbox_1 - b.previous_box.x_px) ** 2 + (b.bbox_2 - b.previous_box.y_px) ** 2)
        / nullif(b.at_seconds - b.previous_box.at_seconds, 0),
        1
    ) AS pixels_per_second,
    b.score
FROM boxes AS b
ORDER BY
    b.job_id, b.at_seconds, b.result_index, b.entity_index, b.detail_index, b.track_index
