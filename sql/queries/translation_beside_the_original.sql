-- Question: How was each sentence of job $job_id translated?
-- Grain: one row per sentence of the original, and per translation without one
-- Reads: transcript, nlp_translation_sentences
-- Units: seconds from the start of the video
-- A sentence and its translation share their sentence_id; parts of it in several paragraphs are
-- put together.
-- Sample parameters: job_id = talk-1
-- Sample answer:
--   result_index | sentence_id | start_seconds | original                 | translation
--   0            | 1           | 1.0           | We ship on Friday.       | NULL
--   0            | 2           | 4.0           | Who tells the customers? | NULL
--   0            | 3           | 10.0          | 我来通知                 | I will tell them
WITH originals AS (
    SELECT
        t.job_id,
        t.result_index,
        t.sentence_id,
        min(t.start_seconds) AS start_seconds,
        string_agg(t.text, ' ' ORDER BY t.sentence_index) AS original
    FROM transcript AS t
    WHERE t.job_id = $job_id AND t.source = 'NLP' AND t.sentence_id IS NOT NULL
    GROUP BY t.job_id, t.result_index, t.sentence_id
),

translations AS (
    SELECT
        s.job_id,
        s.result_index,
        s.sentence_id,
        min(s.start_seconds) AS start_seconds,
        string_agg(s.text, ' ' ORDER BY s.paragraph_index, s.sentence_index) AS translation
    FROM nlp_translation_sentences AS s
    WHERE s.job_id = $job_id AND s.sentence_id IS NOT NULL
    GROUP BY s.job_id, s.result_index, s.sentence_id
)

SELECT
    coalesce(o.result_index, t.result_index) AS result_index,
    coalesce(o.sentence_id, t.sentence_id) AS sentence_id,
    coalesce(o.start_seconds, t.start_seconds) AS start_seconds,
    o.original,
    t.translation
FROM originals AS o
FULL JOIN translations AS t
    ON
        o.job_id = t.job_id
        AND o.result_index = t.result_index
        AND o.sentence_id = t.sentence_id
ORDER BY result_index, start_seconds, sentence_id
