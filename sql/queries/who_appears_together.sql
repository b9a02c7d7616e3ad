-- Question: Who is on screen together most?
-- Grain: one row per pair of persons with a name, over all videos, the 20 longest together
-- Reads: co_appearances
-- Units: seconds
-- A face without a name is known in its own video only: name it in face_aliases to count it here.
-- Sample answer:
--   first_person | second_person | videos_count | meetings_count | together_seconds | longest_in_job_id
--   Li Na        | 张伟          | 1            | 1              | 2.0              | show-1
SELECT
    c.first_person,
    c.second_person,
    count(*) AS videos_count,
    sum(c.meetings_count)::BIGINT AS meetings_count,
    round(sum(c.together_seconds), 3) AS together_seconds,
    arg_max(c.job_id, (c.together_seconds, c.job_id)) AS longest_in_job_id
FROM co_appearances(0) AS c
WHERE c.first_kind = 'person' AND c.second_kind = 'person'
GROUP BY c.first_person, c.second_person
ORDER BY together_seconds DESC, c.first_person ASC, c.second_person ASC
LIMIT 20
