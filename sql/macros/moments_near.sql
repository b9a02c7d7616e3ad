-- Question: Where are two phrases said, shown or tagged close to each other?
-- Grain: one row per pair of texts of a video, one with each phrase, that are close in time
-- Reads: moments
-- Units: seconds from the start of the video
-- Warning: Pairs multiply: ASR and NLP tell the same speech, and a text on screen comes again in
--     every sampled frame. Count videos or times, not rows. What has no time of its own, as a
--     summary, takes no part.
-- For what counts as a phrase and where it is looked for see moments. Texts that overlap or touch
-- are 0 seconds apart, and a text with both phrases is a pair with itself. When the two phrases are
-- the same, a text is no pair with itself, and two texts are one pair, the earlier first. A
-- within_seconds that is NULL or negative counts as 0; times are compared to the microsecond. With
-- the first text's time widened by within_seconds, two texts are close where one of them begins
-- while the other lasts: those that do are counted out by their place in the order of starts, not
-- searched for.
-- Parameters:
--   a: One phrase, taken literally as in moments. Example: 黄山.
--   b: The other phrase. Example: Li Na.
--   within_seconds [s]: Longest time between the end of one text and the start of the other;
--       default 10. Example: 10.
-- Columns:
--   job_id: Id of the job, as given to the service. Example: ****20b48fb04483915d4f2cd8ac****.
--   a_kind: Kind of the text with the first phrase, see moments. Example: sentence.
--   a_start_seconds [s]: Start of it, from the start of the video. Example: 3.0.
--   a_end_seconds [s]: End of it. Example: 5.0.
--   a_text: The text. Example: 欢迎来到黄山.
--   b_kind: Kind of the text with the other phrase. Example: person.
--   b_start_seconds [s]: Start of it, from the start of the video. Example: 8.0.
--   b_end_seconds [s]: End of it. Example: 12.0.
--   b_text: The text. Example: Li Na.
--   gap_seconds [s]: Time between the two; 0 where they overlap. Example: 3.0.
CREATE OR REPLACE MACRO moments_near(a, b, within_seconds := 10) AS TABLE  -- noqa: CP05
    -- What a macro is given is no column.
    -- noqa: disable=RF02,RF03
    WITH found AS (
        SELECT
            'a' AS side,
            m.*,
            least(greatest(coalesce(within_seconds::DOUBLE, 0), 0), 2e12) AS widened_seconds
        FROM moments(a) AS m
        UNION ALL
        SELECT
            'b' AS side,
            m.*,
            0 AS widened_seconds
        FROM moments(b) AS m
    ),

    -- Whole microseconds; what lies beyond 60,000 years is a mistake, and still a number.
    timed AS (
        SELECT
            f.side,
            f.job_id,
            struct_pack(
                start_seconds := f.start_seconds,
                end_seconds := f.end_seconds,
                kind := f.kind,
                text := f.text,
                table_name := f.table_name,
                result_index := f.result_index,
                row_key := f.row_key,
                phrase := f.phrase
            ) AS moment,
            round(least(greatest(f.start_seconds, -2e12), 2e12) * 1e6)::BIGINT
            - round(f.widened_seconds * 1e6)::BIGINT AS starts_at,
            round(least(greatest(f.end_seconds, -2e12), 2e12) * 1e6)::BIGINT
            + round(f.widened_seconds * 1e6)::BIGINT AS ends_at
        FROM found AS f
        WHERE f.end_seconds IS NOT NULL
    ),

    -- Videos with both phrases; of the others nothing is put in order. In lists: joined with itself,
    -- DuckDB looked through all videos when asked about one.
    both_in AS (
        SELECT
            t.job_id,
            unnest(list(row(t.side, t.moment, t.starts_at, t.ends_at))) AS one
        FROM timed AS t
        GROUP BY t.job_id
        HAVING min(t.side) < max(t.side)
    ),

    lasting AS (
        SELECT
            b.job_id,
            b.one[1] AS side,
            b.one[2] AS moment,
            b.one[3] AS starts_at,
            b.one[4] - b.one[3] AS lasts
        FROM both_in AS b
    ),

    -- Of two that begin together, the first phrase's is taken to last while the other's begins.
    numbered AS (
        SELECT
            l.*,
            row_number() OVER (PARTITION BY l.job_id, l.side ORDER BY l.starts_at) AS place,
            CASE
                WHEN l.side = 'a'
                    THEN
                        count(*) FILTER (WHERE l.side = 'b') OVER (
                            PARTITION BY l.job_id
                            ORDER BY l.starts_at
                            RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                        )
                ELSE
                    count(*) FILTER (WHERE l.side = 'a') OVER (
                        PARTITION BY l.job_id
                        ORDER BY l.starts_at
                        RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
                    )
            END AS others_before,
            CASE
                WHEN l.side = 'a'
                    THEN
                        count(*) FILTER (WHERE l.side = 'b') OVER (
                            PARTITION BY l.job_id
                            ORDER BY l.starts_at
                            RANGE BETWEEN UNBOUNDED PRECEDING AND l.lasts FOLLOWING
                        )
                ELSE
                    count(*) FILTER (WHERE l.side = 'a') OVER (
                        PARTITION BY l.job_id
                        ORDER BY l.starts_at
                        RANGE BETWEEN UNBOUNDED PRECEDING AND l.lasts FOLLOWING
                    )
            END AS others_until
        FROM lasting AS l
    ),

    -- Each text with the places of those of the other phrase that begin while it lasts; in lists,
    -- too.
    gathered AS (
        SELECT
            n.job_id,
            list(n.moment ORDER BY n.place) FILTER (WHERE n.side = 'a') AS a_moments,
            list(n.moment ORDER BY n.place) FILTER (WHERE n.side = 'b') AS b_moments,
            unnest(list(row(n.side, n.place, n.others_before, n.others_until))) AS begun
        FROM numbered AS n
        GROUP BY n.job_id
    ),

    begun AS (
        SELECT
            g.job_id,
            g.a_moments,
            g.b_moments,
            g.begun[1] AS side,
            g.begun[2] AS place,
            unnest(range(g.begun[3] + 1, g.begun[4] + 1)) AS other_place
        FROM gathered AS g
    ),

    pairs AS (
        SELECT
            g.job_id,
            g.a_moments[CASE WHEN g.side = 'a' THEN g.place ELSE g.other_place END] AS one,
            g.b_moments[CASE WHEN g.side = 'a' THEN g.other_place ELSE g.place END] AS other
        FROM begun AS g
    )

    SELECT
        p.job_id,
        p.one.kind AS a_kind,
        p.one.start_seconds AS a_start_seconds,
        p.one.end_seconds AS a_end_seconds,
        p.one.text AS a_text,
        p.other.kind AS b_kind,
        p.other.start_seconds AS b_start_seconds,
        p.other.end_seconds AS b_end_seconds,
        p.other.text AS b_text,
        round(
            greatest(
                p.one.start_seconds - p.other.end_seconds,
                p.other.start_seconds - p.one.end_seconds,
                0
            ),
            6
        ) AS gap_seconds
    FROM pairs AS p
    WHERE p.one.phrase <> p.other.phrase OR p.one < p.other;
