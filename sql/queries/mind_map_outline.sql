-- Question: What is the mind map of job $job_id, as an outline?
-- Grain: one row per topic, each below the one it belongs to
-- Reads: nlp_mind_map_nodes
-- Units: seconds from the start of the video; NULL where the topic has no time
-- Sample parameters: job_id = talk-1
-- Sample answer:
--   result_index | topic         | start_seconds
--   0            | Weekly review | NULL
--   0            |     Release   | 1.0
--   0            |     Customers | 4.0
WITH RECURSIVE outline AS (
    SELECT
        n.job_id,
        n.result_index,
        n.node_index,
        n.title,
        n.start_seconds,
        0 AS indents,
        [n.sibling_index] AS place
    FROM nlp_mind_map_nodes AS n
    WHERE n.job_id = $job_id AND n.parent_node_index IS NULL
    UNION ALL
    SELECT
        n.job_id,
        n.result_index,
        n.node_index,
        n.title,
        n.start_seconds,
        o.indents + 1 AS indents,
        list_append(o.place, n.sibling_index) AS place
    FROM nlp_mind_map_nodes AS n
    INNER JOIN outline AS o
        ON
            n.job_id = o.job_id
            AND n.result_index = o.result_index
            AND n.parent_node_index = o.node_index
)

SELECT
    o.result_index,
    repeat('    ', o.indents) || coalesce(nullif(o.title, ''), '(untitled)') AS topic,
    o.start_seconds
FROM outline AS o
ORDER BY o.result_index, o.place
