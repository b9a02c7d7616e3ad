-- severity: warn
-- Question: Is each face that has an alias seen, in its video or in any?
-- Grain: one row per alias of a name that is not; none for a job that is not there yet
-- Reads: face_aliases, video_persons, jobs
-- Units: none
-- Aliases for every job are of known persons: an unknown face is somebody else in each.
WITH faces AS (
    SELECT
        p.job_id,
        p.name,
        bool_or(coalesce(p.category, '') <> 'unknown') AS is_known
    FROM video_persons AS p
    WHERE p.name <> ''
    GROUP BY p.job_id, p.name
),

seen AS (
    SELECT
        a.job_id,
        a.name,
        a.person,
        a.source,
        count(f.name) FILTER (f.name = a.name) AS videos_count,
        coalesce(bool_or(f.is_known) FILTER (f.name = a.name), FALSE) AS is_known,
        min(f.name) FILTER (f.name <> a.name) AS other_form
    FROM face_aliases AS a
    LEFT JOIN faces AS f
        ON
            nfc_normalize(a.name) = nfc_normalize(f.name)
            AND (a.job_id = '' OR a.job_id = f.job_id)
    GROUP BY a.job_id, a.name, a.person, a.source
),

named AS (
    SELECT
        f.job_id,
        list(f.name ORDER BY f.name)[:5] AS face_names
    FROM faces AS f
    GROUP BY f.job_id
)

SELECT
    s.job_id,
    s.name,
    s.person,
    s.source,
    CASE
        WHEN s.videos_count = 0 AND s.other_form IS NOT NULL
            THEN
                concat(
                    'the service writes ', s.other_form,
                    ', in another Unicode form: copy the name from there'
                )
        WHEN s.job_id <> '' AND n.job_id IS NULL THEN 'no face of this job has a name'
        WHEN s.job_id <> '' THEN concat('faces of this job: ', array_to_string(n.face_names, ', '))
        WHEN s.videos_count > 0 THEN 'it is an unknown face: give the job'
        ELSE 'no video has this name; no harm if it is a step to another'
    END AS hint
FROM seen AS s
LEFT JOIN named AS n ON s.job_id = n.job_id
LEFT JOIN jobs AS j ON s.job_id = j.job_id
WHERE
    (s.job_id = '' AND NOT s.is_known)
    OR (s.job_id <> '' AND j.job_id IS NOT NULL AND s.videos_count = 0)
