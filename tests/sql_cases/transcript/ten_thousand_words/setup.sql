-- 10,000 words of one second each, ten to a sentence, in one paragraph, last word first:
-- the word of second n is the number n.
INSERT INTO nlp_words BY NAME
SELECT
    'job-a' AS job_id,
    0 AS result_index,
    0 AS paragraph_index,
    w.n AS word_index,
    w.n // 10 AS sentence_id,
    w.n AS start_seconds,
    w.n + 1 AS end_seconds,
    w.n::VARCHAR AS text
FROM range(9999, -1, -1) AS w (n);
INSERT INTO nlp_paragraphs (job_id, result_index, paragraph_index, speaker_id)
VALUES ('job-a', 0, 0, '1');
