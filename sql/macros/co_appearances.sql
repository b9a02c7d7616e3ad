-- Question: Who is on screen together, for how long?
-- Grain: one row per job and pair of persons, unknown faces among them, that are on screen at the
--     same time
-- Reads: appearances
-- Units: seconds from the start of the video
-- Warning: A pair has one row, its names in order: look for a person in first_person and in
--     second_person. The name of an unknown face is of its job alone. Several pairs are on screen
--     at once: seconds must not be summed over pairs.
-- Time together is the part that both persons' own appearances, put together, have in common; it is
-- summed in microseconds. Who leaves as the other comes is not together with them; a moment inside
-- the other's appearance is, for no length, so that min_seconds 0 finds the pair. A min_seconds of
-- NULL counts as 0. Two kinds of one name are two persons.
-- Appearances of a video are numbered by their start, so those that begin while one lasts come
-- right after it: pairs are counted out, not searched for.
-- Parameters:
--   min_seconds [s]: Shortest time together, in sum; default 0. Example: 5.0.
-- Columns:
--   job_id: Id of the job, as given to the service. Example: ****20b48fb04483915d4f2cd8ac****.
--   first_person: The person whose name comes first, see labels. Warning: Of an unknown face it is
--       generated, such as 未知人脸1, and means somebody else in every job. Example: Li Na.
--   second_person: The other. Warning: Of an unknown face it is generated, such as 未知人脸1, and means
--       somebody else in every job. Example: 张伟.
--   first_kind: person or unknown_face. Example: person.
--   second_kind: person or unknown_face. Example: person.
--   together_seconds [s]: Time both are on screen. Example: 4.5.
--   meetings_count: Stretches of it.
--   first_seconds [s]: Start of the first of them, from the start of the video. Example: 2.44.
CREATE OR REPLACE MACRO co_appearances(min_seconds := 0) AS TABLE  -- noqa: CP05
    -- What a macro is given is no column.
    -- noqa: disable=RF03
    WITH lasting AS (
        SELECT
            a.job_id,
            a.label AS person,
            a.kind,
            -- Whole microseconds; what lies beyond 100,000 years is a mistake, and still a number.
            round(least(greatest(a.start_seconds, -4e12), 4e12) * 1e6)::BIGINT AS starts_at,
            round(least(greatest(a.end_seconds, -4e12), 4e12) * 1e6)::BIGINT AS ends_at
        FROM appearances(0) AS a
        WHERE a.kind IN ('person', 'unknown_face')
    ),

    seen AS (
        SELECT
            l.*,
            l.ends_at - l.starts_at AS lasts
        FROM lasting AS l
    ),

    numbered AS (
        SELECT
            s.*,
            row_number() OVER (PARTITION BY s.job_id ORDER BY s.starts_at) AS place,
            count(*) OVER (
                PARTITION BY s.job_id
                ORDER BY s.starts_at
                RANGE BETWEEN UNBOUNDED PRECEDING AND s.lasts FOLLOWING
            ) AS last_place
        FROM seen AS s
    ),

    -- For each appearance the places of those that begin while it lasts.
    begun AS (
        SELECT
            n.*,
            unnest(range(n.place + 1, n.last_place + 1)) AS other_place
        FROM numbered AS n
    ),

    meetings AS (
        SELECT
            b.job_id,
            least((b.person, b.kind), (o.person, o.kind)) AS one,
            greatest((b.person, b.kind), (o.person, o.kind)) AS other,
            o.starts_at,
            least(b.ends_at, o.ends_at) - o.starts_at AS microseconds
        FROM begun AS b
        INNER JOIN numbered AS o ON b.job_id = o.job_id AND b.other_place = o.place
        WHERE
            least(b.ends_at, o.ends_at) > o.starts_at
            OR b.starts_at = b.ends_at
            OR o.starts_at = o.ends_at
    ),

    pairs AS (
        SELECT
            m.job_id,
            m.one,
            m.other,
            sum(m.microseconds) AS microseconds,
            count(*) AS meetings_count,
            min(m.starts_at) AS starts_at
        FROM meetings AS m
        WHERE m.one <> m.other
        GROUP BY m.job_id, m.one, m.other
    )

    SELECT
        p.job_id,
        p.one[1] AS first_person,
        p.other[1] AS second_person,
        p.one[2] AS first_kind,
        p.other[2] AS second_kind,
        p.microseconds / 1e6 AS together_seconds,
        p.meetings_count,
        p.starts_at / 1e6 AS first_seconds
    FROM pairs AS p
    WHERE p.microseconds >= round(coalesce(min_seconds::DOUBLE, 0) * 1e6);
