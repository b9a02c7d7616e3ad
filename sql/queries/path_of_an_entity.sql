-- Question: How does $entity move through the picture, and how fast?
-- Grain: one row per box of the entity
-- Reads: track
-- Units: seconds from the start of the video; pixels as sent; pixels per second
-- What the four numbers of a box mean is not documented. Its centre is told for both readings: the
-- last two as the opposite corner, or as width and height. Speed is that of the first corner, which
-- is the same in both, since the box before in the same appearance.
-- Sample parameters: entity = 黄山
WITH boxes AS (
    SELECT
        t.*,
        lag(struct_pack(x := t.bbox_1, y := t.bbox_2, at_seconds := t.at_seconds)) OVER (
            PARTITION BY t.job_id, t.result_index, t.entity_index, t.detail_index
            ORDER BY t.at_seconds, t.track_index
        ) AS before
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
        sqrt((b.bbox_1 - b.before.x) ** 2 + (b.bbox_2 - b.before.y) ** 2)
        / nullif(b.at_seconds - b.before.at_seconds, 0),
        1
    ) AS pixels_per_second,
    b.score
FROM boxes AS b
ORDER BY
    b.job_id, b.at_seconds, b.result_index, b.entity_index, b.detail_index, b.track_index
