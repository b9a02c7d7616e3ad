-- Question: In which minutes of which video are the most different people on screen?
-- Grain: one row per job and minute, the 20 busiest
-- Reads: label_spans, timeline
-- Units: minute 0 is the first; seconds of the minute in which somebody speaks
-- Speech is that of the sentences of ASR and of the stretches NLP takes for speech; where they
-- overlap, it counts once. A face with an alias is the person it names.
-- Sample answer:
--   job_id | video_minute | people_count | people                 | speech_seconds
--   show-1 | 0            | 3            | Li Na, 张伟, 未知人脸1 | 7.0
--   show-2 | 0            | 2            | 张伟, 未知人脸1        | 0.0
WITH seen AS (
    SELECT DISTINCT
        s.job_id,
        s.kind,
        s.label,
        unnest(
            range(
                try_cast(floor(s.start_seconds / 60) AS BIGINT),
                try_cast(floor(s.end_seconds / 60) AS BIGINT) + 1
            )
        ) AS video_minute
    FROM label_spans AS s
    -- A span of more than a day is a mistake, not an appearance; nor does a video last ten days.
    WHERE
        s.kind IN ('person', 'unknown_face')
        AND s.start_seconds >= 0
        AND s.end_seconds <= 864000
        AND s.end_seconds - s.start_seconds <= 86400
),

people AS (
    SELECT
        s.job_id,
        s.video_minute,
        count(*) AS people_count,
        string_agg(s.label, ', ' ORDER BY s.label) AS people
    FROM seen AS s
    GROUP BY s.job_id, s.video_minute
),

speech AS (
    SELECT
        t.job_id,
        t.start_seconds,
        t.end_seconds,
        unnest(
            range(
                try_cast(floor(t.start_seconds / 60) AS BIGINT),
                try_cast(floor(t.end_seconds / 60) AS BIGINT) + 1
            )
        ) AS video_minute
    FROM timeline AS t
    WHERE
        t.kind IN ('sentence', 'speech')
        AND t.start_seconds >= 0
        AND t.end_seconds <= 864000
        AND t.end_seconds - t.start_seconds <= 86400
),

pieces AS (
    SELECT
        s.job_id,
        s.video_minute,
        greatest(s.start_seconds, s.video_minute * 60) AS start_seconds,
        least(s.end_seconds, s.video_minute * 60 + 60) AS end_seconds
    FROM speech AS s
    SEMI JOIN people AS p ON s.job_id = p.job_id AND s.video_minute = p.video_minute
),

-- Of each piece what none of the earlier ones has covered.
reached AS (
    SELECT
        p.*,
        max(p.end_seconds) OVER (
            PARTITION BY p.job_id, p.video_minute
            ORDER BY p.start_seconds, p.end_seconds
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS reached_seconds
    FROM pieces AS p
),

spoken AS (
    SELECT
        r.job_id,
        r.video_minute,
        sum(
            greatest(r.end_seconds - greatest(r.start_seconds, r.reached_seconds), 0)
        ) AS speech_seconds
    FROM reached AS r
    GROUP BY r.job_id, r.video_minute
)

SELECT
    p.job_id,
    p.video_minute,
    p.people_count,
    p.people,
    coalesce(round(s.speech_seconds, 3), 0) AS speech_seconds
FROM people AS p
LEFT JOIN spoken AS s ON p.job_id = s.job_id AND p.video_minute = s.video_minute
ORDER BY p.people_count DESC, speech_seconds DESC, p.job_id ASC, p.video_minute ASC
LIMIT 20
