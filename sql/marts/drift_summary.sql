-- Question: Which Types have drifted from their schemas, how far, and since when?
-- Grain: one row per Type and kind of drift
-- Reads: drift
-- Units: counts; times in UTC
-- Warning: A job may have drift of several kinds: jobs_count must not be summed. It is that of
--     one path: there may be more jobs with another.
-- The kinds are those of drift, which has each path by itself.
-- Columns:
--   type: Type of the results, or reply for parts of the reply itself. Example: CPVLabel.
--   kind: new, vanished, retyped, unexpected, set_aside or unknown_type. Example: new.
--   paths_count: Paths that have drifted so.
--   jobs_count: Jobs that have the one of these paths that most jobs have.
--   first_seen_at: When the first job with any of them was answered, UTC. Example:
--       2026-01-14T08:00:00Z.
--   last_seen_at: When the last job with any of them was answered, UTC. Example:
--       2026-01-14T08:00:00Z.
--   paths: The five of them that most jobs have, with commas between them; (result) is the result
--       itself. Warning: Five at most: paths_count says how many there are. Example:
--       /entities/*/mood.
CREATE OR REPLACE VIEW drift_summary AS
SELECT
    d.type,
    d.kind,
    count(*) AS paths_count,
    max(d.jobs_count)::BIGINT AS jobs_count,
    min(d.first_seen_at) AS first_seen_at,
    max(d.last_seen_at) AS last_seen_at,
    array_to_string(
        list_slice(
            list(
                coalesce(nullif(d.path, ''), '(result)') ORDER BY d.jobs_count DESC, d.path ASC
            ),
            1,
            5
        ),
        ', '
    ) AS paths
FROM drift AS d
GROUP BY d.type, d.kind
ORDER BY d.type, d.kind;
