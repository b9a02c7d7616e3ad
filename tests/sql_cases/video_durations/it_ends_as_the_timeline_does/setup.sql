-- One row in each table of timed things, the longest in the last of them: 1, 2, 3, ... seconds.
INSERT INTO video_person_occurrences (job_id, start_seconds, end_seconds, result_index, person_index, occurrence_index)
VALUES ('video_person_occurrences', 0, 1, 0, 0, 0);
INSERT INTO video_tag_occurrences (job_id, start_seconds, end_seconds, result_index, tag_index, occurrence_index)
VALUES ('video_tag_occurrences', 0, 2, 0, 0, 0);
INSERT INTO cpv_category_details (job_id, start_seconds, end_seconds, result_index, category_index, detail_index)
VALUES ('cpv_category_details', 0, 3, 0, 0, 0);
INSERT INTO cpv_entity_details (job_id, start_seconds, end_seconds, result_index, entity_index, detail_index)
VALUES ('cpv_entity_details', 0, 4, 0, 0, 0);
INSERT INTO cpv_hotword_details (job_id, start_seconds, end_seconds, result_index, hotword_index, detail_index)
VALUES ('cpv_hotword_details', 0, 5, 0, 0, 0);
INSERT INTO cpv_free_tag_details (job_id, start_seconds, end_seconds, result_index, free_tag_index, detail_index)
VALUES ('cpv_free_tag_details', 0, 6, 0, 0, 0);
INSERT INTO asr_segments (job_id, start_seconds, end_seconds, result_index, segment_index)
VALUES ('asr_segments', 0, 7, 0, 0);
INSERT INTO nlp_words (job_id, start_seconds, end_seconds, result_index, paragraph_index, word_index)
VALUES ('nlp_words', 0, 8, 0, 0, 0);
INSERT INTO nlp_audio_segments (job_id, start_seconds, end_seconds, result_index, segment_index)
VALUES ('nlp_audio_segments', 0, 9, 0, 0);
INSERT INTO ocr_frames (job_id, at_seconds, result_index, frame_index)
VALUES ('ocr_frames', 10, 0, 0);
INSERT INTO nlp_chapters (job_id, start_seconds, end_seconds, result_index, chapter_index)
VALUES ('nlp_chapters', 0, 11, 0, 0);
INSERT INTO nlp_key_sentences (job_id, start_seconds, end_seconds, result_index, key_sentence_index)
VALUES ('nlp_key_sentences', 0, 12, 0, 0);
INSERT INTO nlp_actions (job_id, start_seconds, end_seconds, result_index, action_index)
VALUES ('nlp_actions', 0, 13, 0, 0);
INSERT INTO nlp_mind_map_nodes (job_id, start_seconds, result_index, node_index, depth, sibling_index)
VALUES ('nlp_mind_map_nodes', 14, 0, 0, 0, 0);
INSERT INTO subtitle_lines (job_id, start_seconds, end_seconds, result_index, file_index, language, line_index)
VALUES ('subtitle_lines', 0, 15, 0, 0, 'english', 0);
INSERT INTO nlp_translation_sentences (job_id, start_seconds, end_seconds, result_index, paragraph_index, sentence_index)
VALUES ('nlp_translation_sentences', 0, 16, 0, 0, 0);
