-- Question: In which videos was speech looked for, and none found?
-- Grain: one row per job with a result of ASR or NLP, and without a sentence
-- Reads: video_summary, asr_results, nlp_results
-- Units: seconds
-- What is on screen tells whether it is a silent film, or a recognition that failed.
-- Sample answer:
--   job_id | title | duration_seconds | duration_source | languages | persons_count | on_screen_texts_count | quarantined_count | top_tags
--   show-2 | NULL | 20.0 | last_observation | chinese | 1 | 0 | 0 | CCTV-1, 公寓
WITH heard AS (
    SELECT a.job_id FROM asr_results AS a
    UNION
    SELECT n.job_id FROM nlp_results AS n
)

SELECT
    v.job_id,
    v.title,
    v.duration_seconds,
    v.duration_source,
    v.languages,
    v.persons_count,
    v.on_screen_texts_count,
    v.quarantined_count,
    v.top_tags
FROM video_summary AS v
INNER JOIN heard AS h ON v.job_id = h.job_id
WHERE v.sentences_count = 0
ORDER BY v.duration_seconds DESC NULLS LAST, v.job_id ASC
