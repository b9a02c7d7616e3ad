-- Question: What is to be done, and who said so?
-- Grain: one row per to-do item of the minutes
-- Reads: nlp_actions, transcript, meta_titles
-- Units: times as h:mm:ss from the start of the video
-- An item from 0 to 0 has no time of its own; its sentence has. A sentence that goes on in another
-- paragraph is put together again.
-- Sample answer:
--   job_id | title         | action_item         | speaker   | said               | said_at
--   talk-1 | Weekly review | Tell the customers  | Speaker 2 | 我来通知           | 0:00:10
--   talk-1 | Weekly review | Prepare the release | Speaker 1 | We ship on Friday. | 0:00:01
WITH sentences AS (
    SELECT
        a.job_id,
        a.result_index,
        a.action_index,
        string_agg(t.text, ' ' ORDER BY t.sentence_index) AS said,
        arg_min(coalesce(t.speaker_name, t.speaker_id), t.sentence_index) AS speaker,
        min(t.start_seconds) AS start_seconds
    FROM nlp_actions AS a
    INNER JOIN transcript AS t
        ON
            t.source = 'NLP'
            AND a.job_id = t.job_id
            AND a.result_index = t.result_index
            AND a.sentence_id = t.sentence_id
    GROUP BY a.job_id, a.result_index, a.action_index
),

titles AS (
    SELECT
        m.job_id,
        arg_min(m.title, m.result_index) AS title
    FROM meta_titles AS m
    WHERE m.title <> ''
    GROUP BY m.job_id
),

items AS (
    SELECT
        a.job_id,
        a.result_index,
        a.action_index,
        a.text AS action_item,
        s.said,
        s.speaker,
        CASE
            WHEN a.start_seconds > 0 OR a.end_seconds > 0 THEN a.start_seconds
            ELSE s.start_seconds
        END AS start_seconds
    FROM nlp_actions AS a
    LEFT JOIN sentences AS s
        ON
            a.job_id = s.job_id
            AND a.result_index = s.result_index
            AND a.action_index = s.action_index
)

SELECT
    i.job_id,
    t.title,
    i.action_item,
    i.speaker,
    i.said,
    printf(
        '%d:%02d:%02d',
        try_cast(floor(i.start_seconds) AS BIGINT) // 3600,
        try_cast(floor(i.start_seconds) AS BIGINT) // 60 % 60,
        try_cast(floor(i.start_seconds) AS BIGINT) % 60
    ) AS said_at
FROM items AS i
LEFT JOIN titles AS t ON i.job_id = t.job_id
ORDER BY i.job_id, i.result_index, i.action_index
