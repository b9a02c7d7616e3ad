-- Question: Where do the results differ from the schemas, or from what they were?
-- Grain: one row per Type, path and kind of drift
-- Reads: path_counts, batches, jobs
-- Units: jobs_share is a ratio of the jobs that have results of the Type
CREATE OR REPLACE VIEW drift AS
WITH typed AS (
    SELECT
        p.type,
        b.queried_to,
        p.jobs_count
    FROM path_counts AS p
    INNER JOIN batches AS b ON p.batch_id = b.batch_id
    WHERE p.path = ''
),

paths AS (
    SELECT
        p.type,
        p.path,
        max(p.table_name) AS table_name,
        max(p.column_name) AS column_name,
        bool_or(p.is_known) AS is_known,
        sum(p.jobs_count) AS jobs_count,
        sum(p.values_count) AS values_count,
        string_split(string_agg(p.json_types, ','), ',') AS json_types,
        sum(p.retyped_count) AS retyped_count,
        sum(p.retyped_jobs_count) AS retyped_jobs_count,
        sum(p.unexpected_count) AS unexpected_count,
        sum(p.unexpected_jobs_count) AS unexpected_jobs_count,
        arg_min(p.first_job_id, p.first_seen_at) AS first_job_id,
        min(p.first_seen_at) AS first_seen_at,
        max(p.last_seen_at) AS last_seen_at,
        max(b.queried_to) FILTER (WHERE p.jobs_count > 0) AS last_batch_at
    FROM path_counts AS p
    INNER JOIN batches AS b ON p.batch_id = b.batch_id
    WHERE p.path <> ''
    GROUP BY p.type, p.path
),

counted AS (
    SELECT
        p.* REPLACE (list_sort(list_distinct(p.json_types)) AS json_types),
        -- Parts of the reply itself are of no Type: all jobs could have them.
        coalesce(
            (
                SELECT sum(t.jobs_count)
                FROM typed AS t
                WHERE t.type = p.type
            ),
            (SELECT count(*) FROM jobs)
        ) AS type_jobs_count,
        (
            SELECT sum(t.jobs_count)
            FROM typed AS t
            WHERE t.type = p.type AND t.queried_to <= p.last_batch_at
        ) AS jobs_until,
        (
            SELECT sum(t.jobs_count)
            FROM typed AS t
            WHERE t.type = p.type AND t.queried_to > p.last_batch_at
        ) AS jobs_since
    FROM paths AS p
),

told AS (
    SELECT
        c.*,
        'new' AS kind,
        c.jobs_count AS kind_jobs_count,
        c.values_count AS kind_values_count,
        'not in the schema; ' || array_to_string(c.json_types, ' or ') AS detail
    FROM counted AS c
    WHERE NOT c.is_known AND c.jobs_count > 0
    UNION ALL
    SELECT
        c.*,
        'vanished' AS kind,
        c.jobs_count AS kind_jobs_count,
        c.values_count AS kind_values_count,
        'in none of the last ' || c.jobs_since || ' jobs, in ' || c.jobs_count || ' of '
        || c.jobs_until || ' before' AS detail
    FROM counted AS c
    WHERE
        c.jobs_since > 0
        -- Were its share what it was, so long a gap would be seen less than once in a thousand.
        AND pow(1 - c.jobs_count / (c.jobs_until + 1.0), c.jobs_since) < 0.001
    UNION ALL
    SELECT
        c.*,
        'retyped' AS kind,
        c.retyped_jobs_count AS kind_jobs_count,
        c.retyped_count AS kind_values_count,
        'of another type than the schema has; the rows are in quarantine' AS detail
    FROM counted AS c
    WHERE c.retyped_count > 0
    UNION ALL
    SELECT
        c.*,
        'retyped' AS kind,
        c.jobs_count AS kind_jobs_count,
        c.values_count AS kind_values_count,
        'not in the schema, and of several types: '
        || array_to_string(c.json_types, ', ') AS detail
    FROM counted AS c
    WHERE len(c.json_types) - list_contains(c.json_types, 'null')::INTEGER > 1
    UNION ALL
    SELECT
        c.*,
        'unexpected' AS kind,
        c.unexpected_jobs_count AS kind_jobs_count,
        c.unexpected_count AS kind_values_count,
        'values the schema does not expect; they are loaded' AS detail
    FROM counted AS c
    WHERE c.unexpected_count > 0
)

SELECT
    t.type,
    t.path,
    t.table_name,
    t.column_name,
    t.kind,
    t.kind_jobs_count AS jobs_count,
    t.kind_jobs_count / t.type_jobs_count AS jobs_share,
    t.kind_values_count AS values_count,
    t.first_job_id,
    t.first_seen_at,
    t.last_seen_at,
    t.detail
FROM told AS t
ORDER BY t.type, t.path, t.kind;

COMMENT ON VIEW drift IS 'One row per Type, path and kind (new, vanished, retyped, unexpected).';
