-- Question: What is the video of job $job_id about?
-- Grain: one row, none if there is no such job
-- Reads: video_summary, chapters
-- Units: minutes
-- Sample parameters: job_id = talk-1
-- Sample answer:
--   title | minutes | languages | summary | headlines | persons | top_tags | top_entities
--   Weekly review | 1.0 | en | The team ships on Friday. | Release plan / Customers | NULL | NULL | NULL
WITH parts AS (
    SELECT
        c.job_id,
        string_agg(
            c.headline, ' / ' ORDER BY c.start_seconds, c.result_index, c.chapter_index
        ) AS headlines
    FROM chapters AS c
    GROUP BY c.job_id
)

SELECT
    v.title,
    round(v.duration_seconds / 60, 1) AS minutes,
    v.languages,
    v.summary,
    p.headlines,
    v.persons,
    v.top_tags,
    v.top_entities
FROM video_summary AS v
LEFT JOIN parts AS p ON v.job_id = p.job_id
WHERE v.job_id = $job_id
