-- Question: How much video was indexed each month, and what did it use?
-- Grain: one row per month in which jobs were answered
-- Reads: jobs, results, usages, video_durations
-- Units: minutes of video; bytes
-- Warning: The month is that in which the reply was received: neither when a video was made nor
--     when it was analysed is told. Minutes of a video whose audio is not told are a lower
--     bound, and of jobs_without_duration_count jobs there are none.
-- A month is one in UTC. Jobs that failed have no minutes. Quotas are kept apart by kind: they have
-- no unit in common.
-- Columns:
--   month: First day of the month. Example: 2026-01-01.
--   jobs_count: Jobs that were answered in it, in whichever state.
--   loaded_jobs_count: Those of them that were loaded.
--   minutes [min]: Length of their videos, as far as it is known; see video_durations. Example:
--       1250.5.
--   lower_bound_minutes [min]: The part of it that is a lower bound. Example: 310.25.
--   jobs_without_duration_count: Jobs whose length nothing tells.
--   results_count: Results of the jobs.
--   data_bytes [bytes]: Size of the Data of these results. Example: 129673.
--   rows_count: Rows loaded from them.
--   usages: Quota by kind of usage, by name and with commas between them; NULL where none is told.
--       Warning: The units are not documented: never add up different kinds of usage. Example: ASR
--       60, VideoLabel 60.
CREATE OR REPLACE VIEW indexed_minutes AS
WITH months AS (
    SELECT
        j.job_id,
        j.state,
        date_trunc('month', j.queried_at)::DATE AS month
    FROM jobs AS j
),

videos AS (
    SELECT
        m.month,
        count(*) AS jobs_count,
        count(*) FILTER (WHERE m.state = 'loaded') AS loaded_jobs_count,
        coalesce(sum(d.duration_seconds), 0) / 60 AS minutes,
        coalesce(
            sum(d.duration_seconds) FILTER (WHERE d.duration_source = 'last_observation'), 0
        ) / 60 AS lower_bound_minutes,
        count(*) FILTER (WHERE d.duration_seconds IS NULL) AS jobs_without_duration_count
    FROM months AS m
    LEFT JOIN video_durations AS d ON m.job_id = d.job_id
    GROUP BY m.month
),

sizes AS (
    SELECT
        m.month,
        count(*) AS results_count,
        coalesce(sum(r.data_bytes), 0)::BIGINT AS data_bytes,
        coalesce(sum(r.rows_count), 0)::BIGINT AS rows_count
    FROM months AS m
    INNER JOIN results AS r ON m.job_id = r.job_id
    GROUP BY m.month
),

quotas AS (
    SELECT
        m.month,
        u.usage_type,
        sum(u.quota)::BIGINT AS quota
    FROM months AS m
    INNER JOIN usages AS u ON m.job_id = u.job_id
    GROUP BY m.month, u.usage_type
),

charges AS (
    SELECT
        q.month,
        string_agg(
            nullif(concat_ws(' ', q.usage_type, q.quota), ''), ', ' ORDER BY q.usage_type
        ) AS usages
    FROM quotas AS q
    GROUP BY q.month
)

SELECT
    v.month,
    v.jobs_count,
    v.loaded_jobs_count,
    v.minutes,
    v.lower_bound_minutes,
    v.jobs_without_duration_count,
    coalesce(s.results_count, 0) AS results_count,
    coalesce(s.data_bytes, 0) AS data_bytes,
    coalesce(s.rows_count, 0) AS rows_count,
    c.usages
FROM videos AS v
-- A month is never NULL but for a job without a time, which is a month of its own.
LEFT JOIN sizes AS s ON v.month IS NOT DISTINCT FROM s.month
LEFT JOIN charges AS c ON v.month IS NOT DISTINCT FROM c.month
ORDER BY v.month;
