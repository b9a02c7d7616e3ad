-- Question: Which questions are asked and answered, and in which words?
-- Grain: one row per question the service found
-- Reads: nlp_questions, nlp_question_sentences, nlp_answer_sentences, transcript
-- Units: seconds from the start of the video
-- Question and answer are the service's words; the sentences they were drawn from stand beside.
-- Sample answer:
--   job_id | question | answer | asked_seconds | asked_as | answered_as
--   talk-1 | Who tells the customers? | Speaker 2 does. | 4.0 | Who tells the customers? | 我来通知
WITH sentences AS (
    SELECT
        t.job_id,
        t.result_index,
        t.sentence_id,
        t.sentence_index,
        t.start_seconds,
        t.text
    FROM transcript AS t
    WHERE t.source = 'NLP' AND t.sentence_id IS NOT NULL
),

asked AS (
    SELECT
        q.job_id,
        q.result_index,
        q.question_index,
        min(s.start_seconds) AS asked_seconds,
        string_agg(s.text, ' ' ORDER BY s.sentence_index) AS asked_as
    FROM nlp_question_sentences AS q
    INNER JOIN sentences AS s
        ON
            q.job_id = s.job_id
            AND q.result_index = s.result_index
            AND q.sentence_id = s.sentence_id
    GROUP BY q.job_id, q.result_index, q.question_index
),

answered AS (
    SELECT
        a.job_id,
        a.result_index,
        a.question_index,
        string_agg(s.text, ' ' ORDER BY s.sentence_index) AS answered_as
    FROM nlp_answer_sentences AS a
    INNER JOIN sentences AS s
        ON
            a.job_id = s.job_id
            AND a.result_index = s.result_index
            AND a.sentence_id = s.sentence_id
    GROUP BY a.job_id, a.result_index, a.question_index
)

SELECT
    q.job_id,
    q.question,
    q.answer,
    a.asked_seconds,
    a.asked_as,
    w.answered_as
FROM nlp_questions AS q
LEFT JOIN asked AS a
    ON
        q.job_id = a.job_id
        AND q.result_index = a.result_index
        AND q.question_index = a.question_index
LEFT JOIN answered AS w
    ON
        q.job_id = w.job_id
        AND q.result_index = w.result_index
        AND q.question_index = w.question_index
ORDER BY q.job_id, q.result_index, q.question_index
