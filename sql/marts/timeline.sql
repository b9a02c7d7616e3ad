-- Question: What was observed when?
-- Grain: one row per timed observation of every Type
-- Reads: labels, video_person_occurrences, video_tag_occurrences, cpv_category_details,
--     cpv_entity_details, cpv_entity_tracks, cpv_hotword_details, cpv_free_tag_details,
--     asr_segments, nlp_paragraphs, nlp_words, nlp_audio_segments, ocr_frames, ocr_texts,
--     nlp_chapters, nlp_key_sentences, nlp_actions, nlp_mind_map_nodes, subtitle_lines,
--     nlp_translation_sentences
-- Units: seconds from the start of the video; score is a ratio
-- Warning: Kinds tell the same thing again: speech is there by sentence, by word and by stretch, an
--     entity also as its boxes: filter by kind before counting. Spans of one label overlap: their
--     lengths must not be summed; the macro appearances joins them to segments.
-- The one place where times and scores are put right, for all that reads it: what has no start is
-- no timed observation; one without an end, or with one before its start (the checks tell of it),
-- is a moment; a time more than ten days (864,000 seconds) from the start of the video, before or
-- after it, is a mistake and counts as none; score -1, which stands for a face without a name, is
-- none.
-- Columns:
--   job_id: Id of the job, as given to the service. Example: ****20b48fb04483915d4f2cd8ac****.
--   kind: person, unknown_face, tag, category, entity, entity_track, hotword, free_tag, sentence
--       (ASR), word and speech (NLP), on_screen_text, chapter, key_sentence, action, topic,
--       subtitle or translation. Example: person.
--   label: What was observed: its name, see labels, or what was said or written. Warning: Of an
--       unknown face it is generated, such as 未知人脸1, and means somebody else in every job. Example:
--       张伟.
--   label_group: What it belongs to: see labels; the speaker of a word, the language of a subtitle.
--       Example: celebrity.
--   start_seconds [s]: Start of it, from the start of the video. Example: 2.44.
--   end_seconds [s]: End of it, never before its start; a moment ends where it starts. Example:
--       5.32.
--   score [ratio]: Confidence; NULL where the service gives none or writes -1. Example: 0.97.
--   source_label: The label as the service wrote it. Example: 张伟.
--   table_name: Table of the row it comes from. Example: video_person_occurrences.
--   result_index: Position of the result in the reply, from 0.
--   index_1: First key of that row after result_index, as person_index. Of persons, tags and the
--       labels of CPVLabel it is thing_index of labels. Warning: Numbers begin anew in each
--       table: join labels by kind, too, where a track has the kind entity.
--   index_2: Second key of that row, as occurrence_index; NULL where it has none. Of a line of
--       subtitles it is line_index, the third key, after language (label_group).
--   index_3: Third key of that row, as track_index; NULL where it has none.
CREATE OR REPLACE VIEW timeline AS
WITH observed AS (
    SELECT
        o.job_id,
        l.kind,
        l.label,
        l.label_group,
        l.source_label,
        coalesce(o.start_seconds, o.at_seconds) AS start_seconds,
        coalesce(o.end_seconds, o.at_seconds) AS end_seconds,
        o.score,
        'video_person_occurrences' AS table_name,
        o.result_index,
        o.person_index AS index_1,
        o.occurrence_index AS index_2,
        NULL AS index_3
    FROM video_person_occurrences AS o
    INNER JOIN labels AS l
        ON
            l.table_name = 'video_persons'
            AND o.job_id = l.job_id
            AND o.result_index = l.result_index
            AND o.person_index = l.thing_index
    UNION ALL
    SELECT
        o.job_id,
        l.kind,
        l.label,
        l.label_group,
        l.source_label,
        o.start_seconds,
        o.end_seconds,
        o.score,
        'video_tag_occurrences' AS table_name,
        o.result_index,
        o.tag_index AS index_1,
        o.occurrence_index AS index_2,
        NULL AS index_3
    FROM video_tag_occurrences AS o
    INNER JOIN labels AS l
        ON
            l.table_name = 'video_tags'
            AND o.job_id = l.job_id
            AND o.result_index = l.result_index
            AND o.tag_index = l.thing_index
    UNION ALL
    SELECT
        o.job_id,
        l.kind,
        l.label,
        l.label_group,
        l.source_label,
        o.start_seconds,
        o.end_seconds,
        o.score,
        'cpv_category_details' AS table_name,
        o.result_index,
        o.category_index AS index_1,
        o.detail_index AS index_2,
        NULL AS index_3
    FROM cpv_category_details AS o
    INNER JOIN labels AS l
        ON
            l.table_name = 'cpv_categories'
            AND o.job_id = l.job_id
            AND o.result_index = l.result_index
            AND o.category_index = l.thing_index
    UNION ALL
    SELECT
        o.job_id,
        l.kind,
        l.label,
        l.label_group,
        l.source_label,
        o.start_seconds,
        o.end_seconds,
        o.score,
        'cpv_entity_details' AS table_name,
        o.result_index,
        o.entity_index AS index_1,
        o.detail_index AS index_2,
        NULL AS index_3
    FROM cpv_entity_details AS o
    INNER JOIN labels AS l
        ON
            l.table_name = 'cpv_entities'
            AND o.job_id = l.job_id
            AND o.result_index = l.result_index
            AND o.entity_index = l.thing_index
    UNION ALL
    SELECT
        o.job_id,
        l.kind,
        l.label,
        l.label_group,
        l.source_label,
        o.start_seconds,
        o.end_seconds,
        o.score,
        'cpv_hotword_details' AS table_name,
        o.result_index,
        o.hotword_index AS index_1,
        o.detail_index AS index_2,
        NULL AS index_3
    FROM cpv_hotword_details AS o
    INNER JOIN labels AS l
        ON
            l.table_name = 'cpv_hotwords'
            AND o.job_id = l.job_id
            AND o.result_index = l.result_index
            AND o.hotword_index = l.thing_index
    UNION ALL
    SELECT
        o.job_id,
        l.kind,
        l.label,
        l.label_group,
        l.source_label,
        o.start_seconds,
        o.end_seconds,
        o.score,
        'cpv_free_tag_details' AS table_name,
        o.result_index,
        o.free_tag_index AS index_1,
        o.detail_index AS index_2,
        NULL AS index_3
    FROM cpv_free_tag_details AS o
    INNER JOIN labels AS l
        ON
            l.table_name = 'cpv_free_tags'
            AND o.job_id = l.job_id
            AND o.result_index = l.result_index
            AND o.free_tag_index = l.thing_index
    UNION ALL
    SELECT
        o.job_id,
        'entity_track' AS kind,
        l.label,
        l.label_group,
        l.source_label,
        o.at_seconds AS start_seconds,
        o.at_seconds AS end_seconds,
        o.score,
        'cpv_entity_tracks' AS table_name,
        o.result_index,
        o.entity_index AS index_1,
        o.detail_index AS index_2,
        o.track_index AS index_3
    FROM cpv_entity_tracks AS o
    INNER JOIN labels AS l
        ON
            l.table_name = 'cpv_entities'
            AND o.job_id = l.job_id
            AND o.result_index = l.result_index
            AND o.entity_index = l.thing_index
    UNION ALL
    SELECT
        o.job_id,
        'sentence' AS kind,
        o.content AS label,
        NULL AS label_group,
        o.content AS source_label,
        o.start_seconds,
        o.end_seconds,
        NULL AS score,
        'asr_segments' AS table_name,
        o.result_index,
        o.segment_index AS index_1,
        NULL AS index_2,
        NULL AS index_3
    FROM asr_segments AS o
    UNION ALL
    SELECT
        o.job_id,
        'word' AS kind,
        o.text AS label,
        p.speaker_id AS label_group,
        o.text AS source_label,
        o.start_seconds,
        o.end_seconds,
        NULL AS score,
        'nlp_words' AS table_name,
        o.result_index,
        o.paragraph_index AS index_1,
        o.word_index AS index_2,
        NULL AS index_3
    FROM nlp_words AS o
    INNER JOIN nlp_paragraphs AS p
        ON
            o.job_id = p.job_id
            AND o.result_index = p.result_index
            AND o.paragraph_index = p.paragraph_index
    UNION ALL
    SELECT
        o.job_id,
        'speech' AS kind,
        NULL AS label,
        NULL AS label_group,
        NULL AS source_label,
        o.start_seconds,
        o.end_seconds,
        NULL AS score,
        'nlp_audio_segments' AS table_name,
        o.result_index,
        o.segment_index AS index_1,
        NULL AS index_2,
        NULL AS index_3
    FROM nlp_audio_segments AS o
    UNION ALL
    SELECT
        o.job_id,
        'on_screen_text' AS kind,
        o.content AS label,
        NULL AS label_group,
        o.content AS source_label,
        f.at_seconds AS start_seconds,
        f.at_seconds AS end_seconds,
        o.score,
        'ocr_texts' AS table_name,
        o.result_index,
        o.frame_index AS index_1,
        o.text_index AS index_2,
        NULL AS index_3
    FROM ocr_texts AS o
    INNER JOIN ocr_frames AS f
        ON
            o.job_id = f.job_id
            AND o.result_index = f.result_index
            AND o.frame_index = f.frame_index
    UNION ALL
    SELECT
        o.job_id,
        'chapter' AS kind,
        o.headline AS label,
        NULL AS label_group,
        o.headline AS source_label,
        o.start_seconds,
        o.end_seconds,
        NULL AS score,
        'nlp_chapters' AS table_name,
        o.result_index,
        o.chapter_index AS index_1,
        NULL AS index_2,
        NULL AS index_3
    FROM nlp_chapters AS o
    UNION ALL
    SELECT
        o.job_id,
        'key_sentence' AS kind,
        o.text AS label,
        NULL AS label_group,
        o.text AS source_label,
        o.start_seconds,
        o.end_seconds,
        NULL AS score,
        'nlp_key_sentences' AS table_name,
        o.result_index,
        o.key_sentence_index AS index_1,
        NULL AS index_2,
        NULL AS index_3
    FROM nlp_key_sentences AS o
    UNION ALL
    SELECT
        o.job_id,
        'action' AS kind,
        o.text AS label,
        NULL AS label_group,
        o.text AS source_label,
        o.start_seconds,
        o.end_seconds,
        NULL AS score,
        'nlp_actions' AS table_name,
        o.result_index,
        o.action_index AS index_1,
        NULL AS index_2,
        NULL AS index_3
    FROM nlp_actions AS o
    -- From 0 to 0 stands for no time at all.
    WHERE o.start_seconds <> 0 OR o.end_seconds <> 0
    UNION ALL
    SELECT
        o.job_id,
        'topic' AS kind,
        o.title AS label,
        NULL AS label_group,
        o.title AS source_label,
        o.start_seconds,
        o.start_seconds AS end_seconds,
        NULL AS score,
        'nlp_mind_map_nodes' AS table_name,
        o.result_index,
        o.node_index AS index_1,
        NULL AS index_2,
        NULL AS index_3
    FROM nlp_mind_map_nodes AS o
    UNION ALL
    SELECT
        o.job_id,
        'subtitle' AS kind,
        o.text AS label,
        o.language AS label_group,
        o.text AS source_label,
        o.start_seconds,
        o.end_seconds,
        NULL AS score,
        'subtitle_lines' AS table_name,
        o.result_index,
        o.file_index AS index_1,
        o.line_index AS index_2,
        NULL AS index_3
    FROM subtitle_lines AS o
    UNION ALL
    SELECT
        o.job_id,
        'translation' AS kind,
        o.text AS label,
        NULL AS label_group,
        o.text AS source_label,
        o.start_seconds,
        o.end_seconds,
        NULL AS score,
        'nlp_translation_sentences' AS table_name,
        o.result_index,
        o.paragraph_index AS index_1,
        o.sentence_index AS index_2,
        NULL AS index_3
    FROM nlp_translation_sentences AS o
)

SELECT
    o.job_id,
    o.kind,
    o.label,
    o.label_group,
    o.start_seconds,
    CASE
        WHEN o.end_seconds BETWEEN o.start_seconds AND 864000 THEN o.end_seconds
        ELSE o.start_seconds
    END AS end_seconds,
    nullif(o.score, -1) AS score,
    o.source_label,
    o.table_name,
    o.result_index,
    o.index_1,
    o.index_2,
    o.index_3
FROM observed AS o
WHERE o.start_seconds BETWEEN -864000 AND 864000;
