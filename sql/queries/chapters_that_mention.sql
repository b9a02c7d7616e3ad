-- Question: Which chapters are about $phrase, or have it said in them?
-- Grain: one row per chapter that has $phrase in its headline, its summary or its speech
-- Reads: chapters, moments
-- Units: seconds from the start of the video
-- Where ASR and NLP both heard the speech, sentences count once: those of who heard more.
-- Sample parameters: phrase = customers
-- Sample answer:
--   job_id | title | headline | start_seconds | end_seconds | is_its_topic | sentences_with_it
--   talk-1 | Weekly review | Customers | 8.0 | 60.0 | true | 0
--   talk-1 | Weekly review | Release plan | 0.0 | 8.0 | false | 1
WITH said AS (
    SELECT
        m.job_id,
        m.table_name,
        m.result_index,
        m.start_seconds
    FROM moments($phrase) AS m
    WHERE m.kind = 'sentence' AND m.end_seconds IS NOT NULL
),

counts AS (
    SELECT
        c.job_id,
        c.result_index,
        c.chapter_index,
        count(*) FILTER (WHERE s.table_name = 'asr_segments') AS asr_count,
        count(*) FILTER (
            WHERE s.table_name = 'nlp_paragraphs' AND s.result_index = c.result_index
        ) AS nlp_count
    FROM chapters AS c
    INNER JOIN said AS s
        ON
            c.job_id = s.job_id
            AND c.start_seconds <= s.start_seconds
            AND c.end_seconds > s.start_seconds
    GROUP BY c.job_id, c.result_index, c.chapter_index
),

mentions AS (
    SELECT
        c.*,
        contains(lower(concat_ws(' ', c.headline, c.summary)), lower($phrase)) AS is_its_topic,
        coalesce(greatest(n.asr_count, n.nlp_count), 0) AS sentences_with_it
    FROM chapters AS c
    LEFT JOIN counts AS n
        ON
            c.job_id = n.job_id
            AND c.result_index = n.result_index
            AND c.chapter_index = n.chapter_index
)

SELECT
    m.job_id,
    m.title,
    m.headline,
    m.start_seconds,
    m.end_seconds,
    m.is_its_topic,
    m.sentences_with_it
FROM mentions AS m
WHERE m.is_its_topic OR m.sentences_with_it > 0
ORDER BY
    m.is_its_topic DESC,
    m.sentences_with_it DESC,
    m.job_id ASC,
    m.result_index ASC,
    m.chapter_index ASC
