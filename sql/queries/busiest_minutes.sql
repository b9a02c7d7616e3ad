-- Question: In which minutes of which video are the most different people on screen?
-- Grain: one row per job and minute, the 20 busiest
-- Reads: video_persons, video_person_occurrences, asr_segments
-- Units: minute 0 is the first; seconds of speech that starts in the minute
-- Sample answer:
--   job_id | video_minute | people_count | people                 | speech_seconds
--   show-1 | 0            | 3            | Li Na, 张伟, 未知人脸1 | 7.0
--   show-2 | 0            | 2            | 张伟, 未知人脸1        | 0.0
WITH on_screen AS (
    SELECT DISTINCT
        o.job_id,
        coalesce(nullif(p.name, ''), 'face ' || p.person_index) AS person,
        unnest(
            range(floor(o.start_seconds / 60)::BIGINT, floor(o.end_seconds / 60)::BIGINT + 1)
        ) AS video_minute
    FROM video_person_occurrences AS o
    INNER JOIN video_persons AS p
        ON
            o.job_id = p.job_id
            AND o.result_index = p.result_index
            AND o.person_index = p.person_index
    -- A span of more than a day is a mistake, not an appearance.
    WHERE o.start_seconds >= 0 AND o.end_seconds - o.start_seconds BETWEEN 0 AND 86400
),

people AS (
    SELECT
        s.job_id,
        s.video_minute,
        count(*) AS people_count,
        string_agg(s.person, ', ' ORDER BY s.person) AS people
    FROM on_screen AS s
    GROUP BY s.job_id, s.video_minute
),

speech AS (
    SELECT
        a.job_id,
        floor(a.start_seconds / 60)::BIGINT AS video_minute,
        sum(a.end_seconds - a.start_seconds) AS speech_seconds
    FROM asr_segments AS a
    GROUP BY ALL
)

SELECT
    p.job_id,
    p.video_minute,
    p.people_count,
    p.people,
    coalesce(round(s.speech_seconds, 3), 0) AS speech_seconds
FROM people AS p
LEFT JOIN speech AS s ON p.job_id = s.job_id AND p.video_minute = s.video_minute
ORDER BY p.people_count DESC, speech_seconds DESC, p.job_id ASC, p.video_minute ASC
LIMIT 20
