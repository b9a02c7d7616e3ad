-- Question: Who is on screen longest?
-- Grain: one row per person; an unknown face is one person of one video
-- Reads: video_persons, video_person_occurrences
-- Units: seconds
-- Overlapping appearances count once. The service numbers unknown faces anew in each video
-- (未知人脸1, ...), so they are kept apart by job and marked.
WITH appearances AS (
    SELECT
        p.job_id,
        p.name,
        coalesce(p.category, '') = 'unknown' OR coalesce(p.name, '') = '' AS is_unknown,
        o.start_seconds,
        o.end_seconds
    FROM video_persons AS p
    INNER JOIN video_person_occurrences AS o
        ON
            p.job_id = o.job_id
            AND p.result_index = o.result_index
            AND p.person_index = o.person_index
    WHERE o.end_seconds >= o.start_seconds
),

-- Seconds not covered by any earlier appearance of the same person in the same video.
uncovered AS (
    SELECT
        a.job_id,
        a.name,
        a.is_unknown,
        a.end_seconds - greatest(
            a.start_seconds,
            least(a.end_seconds, coalesce(max(a.end_seconds) OVER earlier, a.start_seconds))
        ) AS on_screen_seconds
    FROM appearances AS a
    WINDOW earlier AS (
        PARTITION BY a.job_id, a.name, a.is_unknown
        ORDER BY a.start_seconds, a.end_seconds
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
)

SELECT
    coalesce(nullif(u.name, ''), '(unnamed)') AS person,
    u.is_unknown,
    if(u.is_unknown, u.job_id, NULL) AS only_in_job_id,
    count(DISTINCT u.job_id) AS videos_count,
    count(*) AS appearances_count,
    round(sum(u.on_screen_seconds), 3) AS on_screen_seconds
FROM uncovered AS u
GROUP BY ALL
ORDER BY on_screen_seconds DESC, person ASC, only_in_job_id ASC
LIMIT 20
