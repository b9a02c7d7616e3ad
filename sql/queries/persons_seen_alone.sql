-- Question: Who is never on screen together with somebody else?
-- Grain: one row per job and person that shares the screen with nobody in that video
-- Reads: person_screen_time, co_appearances
-- Units: seconds
-- Unknown faces are company, too. For what it is to be together see co_appearances: to follow each
-- other without a gap is not. Who has no appearance with a time is left out.
-- Sample answer:
--   job_id | person    | is_unknown | appearances_count | on_screen_seconds
--   show-2 | 未知人脸1 | true       | 1                 | 6.0
--   show-2 | 张伟      | false      | 1                 | 2.5
WITH together AS (
    SELECT DISTINCT
        c.job_id,
        unnest([(c.first_person, c.first_kind), (c.second_person, c.second_kind)]) AS one
    FROM co_appearances(0) AS c
)

SELECT
    p.job_id,
    p.person,
    p.is_unknown,
    p.appearances_count,
    round(p.on_screen_seconds, 3) AS on_screen_seconds
FROM person_screen_time AS p
ANTI JOIN together AS t
    ON
        p.job_id = t.job_id
        AND p.person = t.one[1]
        AND p.is_unknown = (t.one[2] = 'unknown_face')
WHERE p.appearances_count > 0
ORDER BY on_screen_seconds DESC, p.job_id ASC, p.person ASC
