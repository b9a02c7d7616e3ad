-- Question: Who is in more than one video, and in which one longest?
-- Grain: one row per person with a name who is in two videos or more
-- Reads: person_screen_time
-- Units: seconds
-- A face without a name is known in its own video only: name it in face_aliases to find it here.
-- Sample answer:
--   person | videos_count | on_screen_seconds | longest_in_job_id | longest_seconds
--   张伟   | 2            | 19.5              | show-1            | 17.0
SELECT
    p.person,
    count(*) AS videos_count,
    round(sum(p.on_screen_seconds), 3) AS on_screen_seconds,
    arg_min(p.job_id, (-p.on_screen_seconds, p.job_id)) AS longest_in_job_id,
    max(p.on_screen_seconds) AS longest_seconds
FROM person_screen_time AS p
WHERE NOT p.is_unknown
GROUP BY p.person
HAVING count(*) > 1
ORDER BY videos_count DESC, on_screen_seconds DESC, p.person ASC
