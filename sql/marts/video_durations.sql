-- Question: How long is each video, as far as its results tell?
-- Grain: one row per job with anything timed in its results
-- Reads: nlp_audio, video_person_occurrences, video_tag_occurrences, cpv_category_details,
--     cpv_entity_details, cpv_hotword_details, cpv_free_tag_details, asr_segments, nlp_words,
--     nlp_audio_segments, nlp_chapters, nlp_key_sentences, nlp_actions, nlp_mind_map_nodes,
--     nlp_translation_sentences, ocr_frames, subtitle_lines
-- Units: seconds
-- Warning: Only the length of audio is told by the service. Where duration_source is
--     last_observation, the video may be longer: averages and shares of it mislead.
-- Where the length of the audio is not told, the video lasts at least until the end of the last
-- thing observed. Ends are those of timeline, taken from its tables: to name what was observed is
-- not needed here, and took six times as long. Tracks end with their details. A length of audio
-- beyond the bound of timeline, ten days, counts as none.
-- Columns:
--   job_id: Id of the job, as given to the service. Example: ****20b48fb04483915d4f2cd8ac****.
--   duration_seconds [s]: Length of the audio, else a lower bound of that of the video. Example:
--       300.0.
--   duration_source: audio (as the service says) or last_observation (a lower bound). Example:
--       audio.
CREATE OR REPLACE VIEW video_durations AS
WITH told AS (
    SELECT
        a.job_id,
        max(a.duration_seconds) AS duration_seconds
    FROM nlp_audio AS a
    WHERE a.duration_seconds > 0 AND a.duration_seconds <= 864000
    GROUP BY a.job_id
),

observed AS (
    SELECT
        job_id,
        coalesce(start_seconds, at_seconds) AS start_seconds,
        coalesce(end_seconds, at_seconds) AS end_seconds
    FROM video_person_occurrences
    UNION ALL
    SELECT
        job_id,
        start_seconds,
        end_seconds
    FROM video_tag_occurrences
    UNION ALL
    SELECT
        job_id,
        start_seconds,
        end_seconds
    FROM cpv_category_details
    UNION ALL
    SELECT
        job_id,
        start_seconds,
        end_seconds
    FROM cpv_entity_details
    UNION ALL
    SELECT
        job_id,
        start_seconds,
        end_seconds
    FROM cpv_hotword_details
    UNION ALL
    SELECT
        job_id,
        start_seconds,
        end_seconds
    FROM cpv_free_tag_details
    UNION ALL
    SELECT
        job_id,
        start_seconds,
        end_seconds
    FROM asr_segments
    UNION ALL
    SELECT
        job_id,
        start_seconds,
        end_seconds
    FROM nlp_words
    UNION ALL
    SELECT
        job_id,
        start_seconds,
        end_seconds
    FROM nlp_audio_segments
    UNION ALL
    SELECT
        job_id,
        start_seconds,
        end_seconds
    FROM nlp_chapters
    UNION ALL
    SELECT
        job_id,
        start_seconds,
        end_seconds
    FROM nlp_key_sentences
    UNION ALL
    SELECT
        job_id,
        start_seconds,
        end_seconds
    FROM nlp_actions
    UNION ALL
    SELECT
        job_id,
        start_seconds,
        start_seconds AS end_seconds
    FROM nlp_mind_map_nodes
    UNION ALL
    SELECT
        job_id,
        start_seconds,
        end_seconds
    FROM nlp_translation_sentences
    UNION ALL
    SELECT
        job_id,
        at_seconds AS start_seconds,
        at_seconds AS end_seconds
    FROM ocr_frames
    UNION ALL
    SELECT
        job_id,
        start_seconds,
        end_seconds
    FROM subtitle_lines
),

ends AS (
    SELECT
        o.job_id,
        max(
            CASE
                WHEN o.end_seconds BETWEEN o.start_seconds AND 864000 THEN o.end_seconds
                ELSE o.start_seconds
            END
        ) AS end_seconds
    FROM observed AS o
    WHERE o.start_seconds BETWEEN -864000 AND 864000
    GROUP BY o.job_id
)

SELECT
    coalesce(t.job_id, e.job_id) AS job_id,
    coalesce(t.duration_seconds, e.end_seconds) AS duration_seconds,
    CASE
        WHEN t.duration_seconds IS NULL THEN 'last_observation' ELSE 'audio'
    END AS duration_source
FROM told AS t
FULL JOIN ends AS e ON t.job_id = e.job_id
-- What was seen in the very first frame alone tells nothing of a length.
WHERE t.duration_seconds IS NOT NULL OR e.end_seconds > 0;
