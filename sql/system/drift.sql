-- Question: Where do the results differ from the schemas, or from what they were?
-- Grain: one row per Type, path and kind of drift
-- Reads: path_counts, batches, jobs
-- Units: jobs_share is a ratio of the jobs that have results of the Type
-- Warning: A job may have several rows: jobs_count must not be summed. vanished is a judgement:
--     were the path as frequent as before, so long an absence would be chance less than once in a
--     thousand.
-- Kinds: new (no schema names the path), vanished (its absence is no chance any more), retyped
--     (values of another type), unexpected (values the schema does not expect, loaded), set_aside
--     (whole results in quarantine), unknown_type (results of a Type without a schema)
-- Columns:
--   type: Type of the results, or reply for parts of the reply itself. Example: CPVLabel.
--   path: JSON pointer with * for every element; empty for the result itself. Example:
--       /entities/*/mood.
--   table_name: Table of the path; NULL when no schema names it. Example: cpv_entity_tracks.
--   column_name: Column of the path; NULL when no schema names it. Example: score.
--   kind: new, vanished, retyped, unexpected, set_aside or unknown_type. Example: new.
--   jobs_count: Jobs that have it.
--   jobs_share [ratio]: Share of the jobs that have results of the Type. Example: 0.05.
--   values_count: Places that have it.
--   first_job_id: Job that had it first. Example: ****20b48fb04483915d4f2cd8ac****.
--   first_seen_at: When that job was answered, UTC. Example: 2026-01-14T08:00:00Z.
--   last_seen_at: When the last job that has it was answered, UTC. Example: 2026-01-14T08:00:00Z.
--   detail: What is meant, in words. Example: not in the schema; string.
CREATE OR REPLACE VIEW drift AS
WITH typed AS (
    SELECT
        p.type,
        b.queried_to,
        p.kind,
        p.jobs_count
    FROM path_counts AS p
    INNER JOIN batches AS b ON p.batch_id = b.batch_id
    WHERE p.path = ''
),

totals AS (
    SELECT
        type,
        sum(jobs_count) AS type_jobs_count
    FROM typed
    WHERE kind IN ('given', 'set_aside')
    GROUP BY type
),

paths AS (
    SELECT
        p.type,
        p.path,
        p.kind,
        max(p.table_name) AS table_name,
        max(p.column_name) AS column_name,
        sum(p.jobs_count) AS jobs_count,
        sum(p.values_count) AS values_count,
        list_sort(
            list_distinct(string_split(string_agg(p.json_types, ','), ','))
        ) AS json_types,
        arg_min(p.first_job_id, p.first_seen_at) AS first_job_id,
        min(p.first_seen_at) AS first_seen_at,
        max(p.last_seen_at) AS last_seen_at,
        max(b.queried_to) AS last_batch_at
    FROM path_counts AS p
    INNER JOIN batches AS b ON p.batch_id = b.batch_id
    GROUP BY p.type, p.path, p.kind
),

-- How many jobs of its Type there were until a path was last given, and since.
absences AS (
    SELECT
        p.type,
        p.path,
        sum(t.jobs_count) FILTER (WHERE t.queried_to <= p.last_batch_at) AS jobs_until,
        coalesce(sum(t.jobs_count) FILTER (WHERE t.queried_to > p.last_batch_at), 0) AS jobs_since
    FROM paths AS p
    INNER JOIN typed AS t ON p.type = t.type AND t.kind = 'given'
    WHERE p.kind = 'given' AND p.path <> ''
    GROUP BY p.type, p.path
),

told AS (
    SELECT
        p.*,
        'new' AS drift_kind,
        'not in the schema; ' || array_to_string(p.json_types, ' or ') AS detail
    FROM paths AS p
    WHERE p.kind = 'unmapped'
    UNION ALL
    SELECT
        p.*,
        'retyped' AS drift_kind,
        'not in the schema, and of several types: '
        || array_to_string(p.json_types, ', ') AS detail
    FROM paths AS p
    WHERE
        p.kind = 'unmapped'
        AND len(p.json_types) - list_contains(p.json_types, 'null')::INTEGER > 1
    UNION ALL
    SELECT
        p.*,
        'vanished' AS drift_kind,
        'in none of the last ' || a.jobs_since || ' jobs, in ' || p.jobs_count || ' of '
        || a.jobs_until || ' before' AS detail
    FROM paths AS p
    INNER JOIN absences AS a ON p.type = a.type AND p.path = a.path
    WHERE
        p.kind = 'given'
        AND a.jobs_since > 0
        -- Were its share what it was, so long a gap would be seen less than once in a thousand.
        AND pow(1 - p.jobs_count / (a.jobs_until + 1.0), a.jobs_since) < 0.001
    UNION ALL
    SELECT
        p.*,
        'retyped' AS drift_kind,
        'of another type than the schema has; the rows are in quarantine' AS detail
    FROM paths AS p
    WHERE p.kind = 'retyped' AND p.path <> ''
    UNION ALL
    SELECT
        p.*,
        CASE WHEN p.table_name IS NULL THEN 'unknown_type' ELSE 'set_aside' END AS drift_kind,
        CASE
            WHEN p.table_name IS NULL THEN 'results of a Type without a schema, kept whole'
            ELSE 'whole results in quarantine'
        END AS detail
    FROM paths AS p
    WHERE p.kind = 'set_aside'
    UNION ALL
    SELECT
        p.*,
        'unexpected' AS drift_kind,
        'values the schema does not expect; they are loaded' AS detail
    FROM paths AS p
    WHERE p.kind = 'unexpected'
)

SELECT
    t.type,
    t.path,
    t.table_name,
    t.column_name,
    t.drift_kind AS kind,
    t.jobs_count,
    -- Parts of the reply itself are of no Type: all jobs could have them.
    t.jobs_count / coalesce(n.type_jobs_count, (SELECT count(*) FROM jobs)) AS jobs_share,
    t.values_count,
    t.first_job_id,
    t.first_seen_at,
    t.last_seen_at,
    t.detail
FROM told AS t
LEFT JOIN totals AS n ON t.type = n.type
ORDER BY t.type, t.path, kind;
