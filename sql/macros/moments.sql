-- Question: When is a phrase said, shown or tagged, and in which summaries does it stand?
-- Grain: one row per text of a video that contains the phrase
-- Reads: timeline, asr_segments, nlp_words, nlp_chapters, nlp_summaries,
--     nlp_speaker_summaries, nlp_questions, nlp_mind_map_nodes, nlp_actions
-- Units: seconds from the start of the video; score is a ratio
-- Warning: A video with results of ASR and NLP has its sentences twice, and a text on screen has a
--     row in every sampled frame that shows it: count videos or times, not rows. What has no time
--     of its own, as a summary, holds from 0 on, without an end.
-- The phrase is taken as it is, so that % and _ stand for themselves. Letter case, white space
-- around it and how much of it stands between words, full-width letters and digits, and how an
-- accent is composed make no difference. A phrase that is NULL or blank is nowhere. Speech is
-- searched by the sentence, so that a phrase of several words is found. Names of persons and labels
-- are searched as they are called now and as the service wrote them. Summaries have no time of
-- their own, and chapters, topics, actions and sentences may be without one.
-- Parameters:
--   pattern: The phrase, taken literally: no wildcards, no regular expression; Chinese or English.
--       Example: 黄山.
-- Columns:
--   job_id: Id of the job, as given to the service. Example: ****20b48fb04483915d4f2cd8ac****.
--   kind: Kind of what contains it, see timeline; sentence also for NLP, and summary. Example:
--       sentence.
--   start_seconds [s]: Start of it, from the start of the video. Example: 0.021.
--   end_seconds [s]: End of it; NULL where it has no time of its own. Example: 3.895.
--   text: What contains the phrase: label, sentence, text on screen, or summary. Example: At the
--       moment, it is raining.
--   score [ratio]: Confidence; NULL where there is none. Example: 0.97.
--   table_name: Table of the row it comes from; of a sentence put together from words, that of its
--       paragraph. Example: asr_segments.
--   result_index: Position of the result in the reply, from 0.
--   row_key: The other keys of that row, as cognition explain takes them after job and result.
--       Example: 0.
--   phrase: The phrase as it was searched for: in lower case, with single spaces. Example: at the
--       moment.
CREATE OR REPLACE MACRO moments(pattern) AS TABLE  -- noqa: CP05
    -- What a macro is given is no column.
    -- noqa: disable=RF03
    WITH
    -- Sentences of NLP with a word that has the longest part of the phrase that no two words share:
    -- letters and digits of scripts with spaces in one piece, else one character. Only these are
    -- put together.
    likely AS (
        SELECT DISTINCT
            w.job_id,
            w.result_index,
            w.paragraph_index,
            w.sentence_id
        FROM nlp_words AS w
        WHERE
            regexp_matches(
                w.text,
                '[\x{09}-\x{0D}\x{85}\x{A0}\x{2000}-\x{200A}\x{202F}\x{205F}'
                || '\x{3000}０-９Ａ-Ｚａ-ｚ\p{M}\x{1100}-\x{11FF}'
                || '\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}]|  '
            )
            OR contains(
                lower(w.text),
                CASE
                    WHEN
                        regexp_matches(
                            pattern::VARCHAR,
                            '[\x{09}-\x{0D}\x{85}\x{A0}\x{2000}-\x{200A}\x{202F}\x{205F}'
                            || '\x{3000}０-９Ａ-Ｚａ-ｚ\p{M}\x{1100}-\x{11FF}'
                            || '\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}]|  '
                        )
                        THEN ''
                    ELSE
                        list_max(
                            list_transform(
                                regexp_extract_all(
                                    lower(pattern::VARCHAR),
                                    '[\p{Latin}\p{Cyrillic}\p{Greek}\p{Hangul}\p{Nd}]+|[^\s]'
                                ),
                                LAMBDA x: row(length(x), x)
                            )
                        )[2]
                END
            )
    ),

    words AS (
        SELECT
            w.job_id,
            w.result_index,
            w.paragraph_index,
            w.sentence_id,
            w.word_index,
            -- Times and spaces as in transcript.
            CASE
                WHEN w.start_seconds BETWEEN -864000 AND 864000 THEN w.start_seconds
            END AS start_seconds,
            CASE
                WHEN w.start_seconds NOT BETWEEN -864000 AND 864000 THEN NULL
                WHEN w.end_seconds BETWEEN w.start_seconds AND 864000 THEN w.end_seconds
                ELSE w.start_seconds
            END AS end_seconds,
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
        INNER JOIN likely AS l
            ON
                w.job_id = l.job_id
                AND w.result_index = l.result_index
                AND w.paragraph_index = l.paragraph_index
                AND w.sentence_id IS NOT DISTINCT FROM l.sentence_id
        WHERE w.text <> ''
    ),

    sentences AS (
        SELECT
            w.job_id,
            w.result_index,
            w.paragraph_index,
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
            ) AS text
        FROM words AS w
        GROUP BY w.job_id, w.result_index, w.paragraph_index, w.sentence_id
    ),

    texts AS (
        SELECT
            t.job_id,
            t.kind,
            t.start_seconds,
            t.end_seconds,
            t.label AS text,
            -- Two names are two texts: nothing is found across this character.
            CASE
                WHEN t.source_label <> t.label THEN t.label || chr(31) || t.source_label
                ELSE t.label
            END AS searched,
            t.score,
            t.table_name,
            t.result_index,
            concat_ws(' ', t.index_1, t.index_2) AS row_key
        FROM timeline AS t
        WHERE
            t.kind IN ('person', 'unknown_face', 'tag', 'category', 'entity', 'hotword', 'free_tag')
        UNION ALL
        SELECT
            t.job_id,
            t.kind,
            t.start_seconds,
            t.end_seconds,
            t.label AS text,
            t.label AS searched,
            t.score,
            t.table_name,
            t.result_index,
            concat_ws(
                ' ', t.index_1, CASE WHEN t.kind = 'subtitle' THEN t.label_group END, t.index_2
            ) AS row_key
        FROM timeline AS t
        WHERE
            t.kind IN (
                'sentence',
                'on_screen_text',
                'chapter',
                'key_sentence',
                'action',
                'topic',
                'subtitle',
                'translation'
            )
        UNION ALL
        SELECT
            s.job_id,
            'sentence' AS kind,
            coalesce(s.start_seconds, 0) AS start_seconds,
            s.end_seconds,
            s.text,
            s.text AS searched,
            NULL AS score,
            'nlp_paragraphs' AS table_name,
            s.result_index,
            s.paragraph_index::VARCHAR AS row_key
        FROM sentences AS s
        UNION ALL
        SELECT
            t.job_id,
            t.kind,
            t.start_seconds,
            t.end_seconds,
            c.summary AS text,
            c.summary AS searched,
            t.score,
            t.table_name,
            t.result_index,
            t.index_1::VARCHAR AS row_key
        FROM timeline AS t
        INNER JOIN nlp_chapters AS c
            ON
                t.job_id = c.job_id
                AND t.result_index = c.result_index
                AND t.index_1 = c.chapter_index
        WHERE t.kind = 'chapter'
        UNION ALL
        SELECT
            w.job_id,
            w.kind,
            0 AS start_seconds,
            NULL AS end_seconds,
            w.text,
            w.text AS searched,
            NULL AS score,
            w.table_name,
            w.result_index,
            w.row_key
        FROM (
            SELECT
                job_id,
                'summary' AS kind,
                paragraph_summary AS text,
                'nlp_summaries' AS table_name,
                result_index,
                '' AS row_key
            FROM nlp_summaries
            UNION ALL
            SELECT
                job_id,
                'summary' AS kind,
                summary AS text,
                'nlp_speaker_summaries' AS table_name,
                result_index,
                speaker_summary_index::VARCHAR AS row_key
            FROM nlp_speaker_summaries
            UNION ALL
            SELECT
                job_id,
                'summary' AS kind,
                concat_ws(chr(10), question, answer) AS text,
                'nlp_questions' AS table_name,
                result_index,
                question_index::VARCHAR AS row_key
            FROM nlp_questions
            UNION ALL
            SELECT
                job_id,
                'topic' AS kind,
                title AS text,
                'nlp_mind_map_nodes' AS table_name,
                result_index,
                node_index::VARCHAR AS row_key
            FROM nlp_mind_map_nodes
            WHERE start_seconds IS NULL OR start_seconds NOT BETWEEN -864000 AND 864000
            UNION ALL
            SELECT
                job_id,
                'action' AS kind,
                text,
                'nlp_actions' AS table_name,
                result_index,
                action_index::VARCHAR AS row_key
            FROM nlp_actions
            WHERE
                start_seconds IS NULL
                OR start_seconds NOT BETWEEN -864000 AND 864000
                OR (start_seconds = 0 AND end_seconds = 0)
            UNION ALL
            SELECT
                job_id,
                'chapter' AS kind,
                concat_ws(chr(10), headline, summary) AS text,
                'nlp_chapters' AS table_name,
                result_index,
                chapter_index::VARCHAR AS row_key
            FROM nlp_chapters
            WHERE start_seconds IS NULL OR start_seconds NOT BETWEEN -864000 AND 864000
            UNION ALL
            SELECT
                job_id,
                'sentence' AS kind,
                content AS text,
                'asr_segments' AS table_name,
                result_index,
                segment_index::VARCHAR AS row_key
            FROM asr_segments
            WHERE start_seconds IS NULL OR start_seconds NOT BETWEEN -864000 AND 864000
        ) AS w
    ),

    asked AS (
        SELECT
            t.*,
            trim(
                regexp_replace(
                    translate(
                        lower(nfc_normalize(pattern::VARCHAR)),
                        '０１２３４５６７８９ａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ',
                        '0123456789abcdefghijklmnopqrstuvwxyz'
                    ),
                    '[\s\x{0B}\x{85}\x{A0}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}]+', ' ', 'g'
                )
            ) AS phrase
        FROM texts AS t
    )

    SELECT
        a.job_id,
        a.kind,
        a.start_seconds,
        a.end_seconds,
        a.text,
        a.score,
        a.table_name,
        a.result_index,
        a.row_key,
        a.phrase
    FROM asked AS a
    WHERE
        a.phrase <> ''
        -- Names are asked once for all their occurrences: DuckDB asks where it reads them what has
        -- no regular expression. The first word may be there, or full-width letters or digits.
        AND (
            a.table_name NOT IN (
                'video_person_occurrences',
                'video_tag_occurrences',
                'cpv_category_details',
                'cpv_entity_details',
                'cpv_hotword_details',
                'cpv_free_tag_details'
            )
            OR contains(lower(nfc_normalize(a.searched)), split_part(a.phrase, ' ', 1))
            OR contains(hex(a.searched), 'EFBC')
            OR contains(hex(a.searched), 'EFBD')
        )
        AND contains(
            CASE
                -- Few texts have what needs more than lower case, and it costs much more.
                WHEN
                    regexp_matches(
                        a.searched,
                        '[\x{09}-\x{0D}\x{85}\x{A0}\x{2000}-\x{200A}\x{202F}\x{205F}'
                        || '\x{3000}０-９Ａ-Ｚａ-ｚ\p{M}\x{1100}-\x{11FF}'
                        || '\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}]|  '
                    )
                    THEN trim(
                        regexp_replace(
                            translate(
                                lower(nfc_normalize(a.searched)),
                                '０１２３４５６７８９ａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ',
                                '0123456789abcdefghijklmnopqrstuvwxyz'
                            ),
                            '[\s\x{0B}\x{85}\x{A0}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}]+',
                            ' ',
                            'g'
                        )
                    )
                ELSE lower(a.searched)
            END,
            a.phrase
        );
