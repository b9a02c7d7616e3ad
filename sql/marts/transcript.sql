-- Question: What was said when, by whom, sentence by sentence?
-- Grain: one row per spoken sentence of a result: of ASR as it is, of NLP put together from words
-- Reads: asr_segments, nlp_words, nlp_paragraphs, nlp_speaker_summaries
-- Units: seconds from the start of the video
-- Warning: A video with results of ASR and of NLP has its speech twice: filter by source before
--     counting, and by result_index where a Type came twice. A sentence without a time comes last.
-- Words are one sentence where they share paragraph and sentence_id; those without an id are one
-- sentence of their paragraph. A space goes between two words of scripts that use it (Latin,
-- Cyrillic, Greek, Hangul, digits), after their punctuation as well, and none beside Chinese. Times
-- are put right as in timeline, but what has no time was said all the same: it comes last, without
-- one. What has no text is no sentence.
-- Columns:
--   job_id: Id of the job, as given to the service. Example: ****20b48fb04483915d4f2cd8ac****.
--   source: ASR or NLP, the Type it comes from. Example: NLP.
--   result_index: Position of the result in the reply, from 0.
--   sentence_index: Position of the sentence in its result by time, from 0.
--   speaker_id: Who speaks, as NLP numbers voices; NULL for ASR. Warning: Numbers the speakers of
--       one result: speaker 1 is somebody else in every job. Example: 2.
--   speaker_name: Name of the speaker in the summaries of NLP; NULL where they give none. Warning:
--       May be generated, such as 发言人2 for speaker 2, and then is no name of a person. Example:
--       发言人2.
--   start_seconds [s]: Start of it, from the start of the video; NULL where none is told. Example:
--       0.021.
--   end_seconds [s]: End of it, never before its start. Example: 3.895.
--   text: What was said. Example: At the moment, it is raining.
--   words_count: Words of the sentence; NULL for ASR, which does not part them.
--   paragraph_index: Paragraph of the NLP result, see nlp_paragraphs; NULL for ASR.
--   sentence_id: Id of the sentence in the NLP result, which translations and minutes share.
--       Warning: Of one result only: join on job_id and result_index, too. Example: 1.
CREATE OR REPLACE VIEW transcript AS
WITH segments AS (
    SELECT
        a.job_id,
        a.result_index,
        a.segment_index,
        CASE
            WHEN a.start_seconds BETWEEN -864000 AND 864000 THEN a.start_seconds
        END AS start_seconds,
        CASE
            WHEN a.start_seconds NOT BETWEEN -864000 AND 864000 THEN NULL
            WHEN a.end_seconds BETWEEN a.start_seconds AND 864000 THEN a.end_seconds
            ELSE a.start_seconds
        END AS end_seconds,
        trim(a.content) AS text
    FROM asr_segments AS a
),

words AS (
    SELECT
        w.job_id,
        w.result_index,
        w.paragraph_index,
        w.sentence_id,
        w.word_index,
        CASE
            WHEN w.start_seconds BETWEEN -864000 AND 864000 THEN w.start_seconds
        END AS start_seconds,
        CASE
            WHEN w.start_seconds NOT BETWEEN -864000 AND 864000 THEN NULL
            WHEN w.end_seconds BETWEEN w.start_seconds AND 864000 THEN w.end_seconds
            ELSE w.start_seconds
        END AS end_seconds,
        -- A mark at each side where a space may stand; where two meet, there is one.
        CASE
            WHEN regexp_matches(w.text, '^[\p{Latin}\p{Cyrillic}\p{Greek}\p{Hangul}\p{Nd}]')
                THEN chr(31)
            ELSE ''
        END
        || w.text
        || CASE
            WHEN
                regexp_matches(
                    w.text,
                    '[\p{Latin}\p{Cyrillic}\p{Greek}\p{Hangul}\p{Nd}\p{M},.;:!?%)\]]$'
                )
                THEN chr(31)
            ELSE ''
        END AS marked_text
    FROM nlp_words AS w
    WHERE w.text <> ''
),

sentences AS (
    SELECT
        w.job_id,
        w.result_index,
        w.paragraph_index,
        w.sentence_id,
        min(w.word_index) AS first_word_index,
        min(w.start_seconds) AS start_seconds,
        max(w.end_seconds) AS end_seconds,
        trim(
            replace(
                replace(
                    string_agg(w.marked_text, '' ORDER BY w.word_index), chr(31) || chr(31), ' '
                ),
                chr(31),
                ''
            )
        ) AS text,
        count(*) AS words_count
    FROM words AS w
    GROUP BY w.job_id, w.result_index, w.paragraph_index, w.sentence_id
),

speakers AS (
    SELECT
        s.job_id,
        s.result_index,
        s.speaker_id,
        arg_min(s.speaker_name, s.speaker_summary_index) AS speaker_name
    FROM nlp_speaker_summaries AS s
    WHERE s.speaker_id <> '' AND s.speaker_name <> ''
    GROUP BY s.job_id, s.result_index, s.speaker_id
)

SELECT
    a.job_id,
    'ASR' AS source,
    a.result_index,
    row_number() OVER (
        PARTITION BY a.job_id, a.result_index
        ORDER BY a.start_seconds NULLS LAST, a.end_seconds NULLS LAST, a.segment_index
    ) - 1 AS sentence_index,
    NULL AS speaker_id,
    NULL AS speaker_name,
    a.start_seconds,
    a.end_seconds,
    a.text,
    NULL AS words_count,
    NULL AS paragraph_index,
    NULL AS sentence_id
FROM segments AS a
WHERE a.text <> ''
UNION ALL
SELECT
    s.job_id,
    'NLP' AS source,
    s.result_index,
    row_number() OVER (
        PARTITION BY s.job_id, s.result_index
        ORDER BY
            s.start_seconds NULLS LAST,
            s.end_seconds NULLS LAST,
            s.paragraph_index,
            s.first_word_index
    ) - 1 AS sentence_index,
    nullif(p.speaker_id, '') AS speaker_id,
    n.speaker_name,
    s.start_seconds,
    s.end_seconds,
    s.text,
    s.words_count,
    s.paragraph_index,
    s.sentence_id
FROM sentences AS s
LEFT JOIN nlp_paragraphs AS p
    ON
        s.job_id = p.job_id
        AND s.result_index = p.result_index
        AND s.paragraph_index = p.paragraph_index
LEFT JOIN speakers AS n
    ON
        s.job_id = n.job_id
        AND s.result_index = n.result_index
        AND p.speaker_id = n.speaker_id;
