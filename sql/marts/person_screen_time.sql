-- Question: How long is each person on screen in each video?
-- Grain: one row per job and person; an unknown face is a person of its video
-- Reads: appearances, labels
-- Units: seconds from the start of the video
-- Warning: Unknown faces are numbered anew in each video: those of two jobs are two, and counting
--     or joining them by name mixes people. Persons of one name are one person. Several are
--     on screen at once: seconds must not be summed over persons.
-- Overlapping occurrences count once. Who is listed without any occurrence that has a time is on
-- screen for 0 seconds.
-- Columns:
--   job_id: Id of the job, as given to the service. Example: ****20b48fb04483915d4f2cd8ac****.
--   person: Name, see labels. Warning: Of an unknown face it is generated, such as 未知人脸1, and means
--       somebody else in every job. Example: 张伟.
--   is_unknown: Whether it is a face that nobody has named. Example: false.
--   category: Category the service gives; of several the first by alphabet. Example: celebrity.
--   occurrences_count: Timed occurrences in the source.
--   appearances_count: Stretches on screen they make, without a gap in between.
--   on_screen_seconds [s]: Time on screen. Example: 17.0.
--   first_seconds [s]: Start of the first occurrence. Example: 2.44.
--   last_seconds [s]: End of the last one. Example: 29.021.
CREATE OR REPLACE VIEW person_screen_time AS
WITH people AS (
    SELECT
        l.job_id,
        l.kind,
        l.label,
        -- Who has a name by an alias is not of the category unknown any more.
        min(l.label_group) FILTER (
            WHERE l.kind = 'unknown_face' OR l.label_group <> 'unknown'
        ) AS category
    FROM labels AS l
    WHERE l.table_name = 'video_persons'
    GROUP BY l.job_id, l.kind, l.label
),

seen AS (
    SELECT
        a.job_id,
        a.kind,
        a.label,
        sum(a.occurrences_count)::BIGINT AS occurrences_count,
        count(*) AS appearances_count,
        -- A sum of binary fractions depends on their order; microseconds do not.
        round(sum(a.end_seconds - a.start_seconds), 6) AS on_screen_seconds,
        min(a.start_seconds) AS first_seconds,
        max(a.end_seconds) AS last_seconds
    FROM appearances() AS a
    WHERE a.kind IN ('person', 'unknown_face')
    GROUP BY a.job_id, a.kind, a.label
)

SELECT
    p.job_id,
    p.label AS person,
    p.kind = 'unknown_face' AS is_unknown,
    p.category,
    coalesce(s.occurrences_count, 0) AS occurrences_count,
    coalesce(s.appearances_count, 0) AS appearances_count,
    coalesce(s.on_screen_seconds, 0) AS on_screen_seconds,
    s.first_seconds,
    s.last_seconds
FROM people AS p
LEFT JOIN seen AS s ON p.job_id = s.job_id AND p.kind = s.kind AND p.label = s.label;
