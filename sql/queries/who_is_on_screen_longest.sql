-- Question: Who is on screen longest?
-- Grain: one row per person; an unknown face is one person of one video
-- Reads: person_screen_time
-- Units: seconds
-- Overlapping occurrences count once, and without a gap between them are one appearance. The service
-- numbers unknown faces anew in each video (未知人脸1, ...), so they are kept apart by job and marked.
-- Sample answer:
--   person    | is_unknown | only_in_job_id | videos_count | appearances_count | on_screen_seconds
--   张伟      | false      | NULL           | 2            | 3                 | 19.5
--   Li Na     | false      | NULL           | 1            | 1                 | 10.0
--   未知人脸1 | true       | show-2         | 1            | 1                 | 6.0
--   未知人脸1 | true       | show-1         | 1            | 1                 | 4.0
SELECT
    p.person,
    p.is_unknown,
    CASE WHEN p.is_unknown THEN p.job_id END AS only_in_job_id,
    count(*) AS videos_count,
    sum(p.appearances_count)::BIGINT AS appearances_count,
    round(sum(p.on_screen_seconds), 3) AS on_screen_seconds
FROM person_screen_time AS p
GROUP BY p.person, p.is_unknown, only_in_job_id
ORDER BY on_screen_seconds DESC, p.person ASC, only_in_job_id ASC
LIMIT 20
