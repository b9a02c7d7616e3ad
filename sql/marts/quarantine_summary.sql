-- Question: What is set aside for which reason, and since when?
-- Grain: one row per Type, scope, table, reason, keyword and place
-- Reads: quarantine, jobs
-- Units: counts; times in UTC
-- Warning: A job may have several kinds of violation: jobs_count must not be summed. What is
--     counted here is missing from its table.
-- One mistake in many elements is one row, as positions in its pointer are written as *.
-- Columns:
--   type: Type of the result; NULL where it has none, or the reply itself is meant. Example:
--       CPVLabel.
--   scope: What was set aside: reply, result or row. Example: row.
--   table_name: Table the row would have gone to. Example: cpv_entity_tracks.
--   reason: not_json, duplicate_key, too_large, contract, error_reply or unreadable. Example:
--       contract.
--   keyword: JSON Schema keyword that was violated. Example: type.
--   place: JSON pointer to the violation, with * for every number in it. Example:
--       /entities/*/detailInfo/*/trackData/*/score.
--   jobs_count: Jobs that have it.
--   parts_count: Parts that were set aside for it.
--   first_queried_at: When the first of these jobs was answered, UTC. Example:
--       2026-01-14T08:00:00Z.
--   last_queried_at: When the last of them was answered, UTC. Example: 2026-01-14T08:00:00Z.
--   example_job_id: The first of these jobs. Example: ****20b48fb04483915d4f2cd8ac****.
--   example_pointer: JSON pointer to the first violation of that job. Example:
--       /entities/1/detailInfo/4/trackData/9/score.
--   example_message: What is wrong there, in words. Example: '0.879s' is not of type 'number',
--       'null'.
CREATE OR REPLACE VIEW quarantine_summary AS
WITH placed AS (
    SELECT
        q.type,
        q.scope,
        q.table_name,
        q.reason,
        q.keyword,
        -- Twice, as neighbours share the slash between them.
        regexp_replace(
            regexp_replace(q.pointer, '/[0-9]+(/|$)', '/*\1', 'g'), '/[0-9]+(/|$)', '/*\1', 'g'
        ) AS place,
        q.job_id,
        q.quarantine_index,
        q.pointer,
        q.message,
        j.queried_at
    FROM quarantine AS q
    LEFT JOIN jobs AS j ON q.job_id = j.job_id
),

grouped AS (
    SELECT
        p.type,
        p.scope,
        p.table_name,
        p.reason,
        p.keyword,
        p.place,
        count(DISTINCT p.job_id) AS jobs_count,
        count(*) AS parts_count,
        min(p.queried_at) AS first_queried_at,
        max(p.queried_at) AS last_queried_at,
        arg_min(
            struct_pack(job_id := p.job_id, pointer := p.pointer, message := p.message),
            (p.queried_at, p.job_id, p.quarantine_index)
        ) AS example
    FROM placed AS p
    GROUP BY p.type, p.scope, p.table_name, p.reason, p.keyword, p.place
)

SELECT
    g.type,
    g.scope,
    g.table_name,
    g.reason,
    g.keyword,
    g.place,
    g.jobs_count,
    g.parts_count,
    g.first_queried_at,
    g.last_queried_at,
    g.example.job_id AS example_job_id,
    g.example.pointer AS example_pointer,
    g.example.message AS example_message
FROM grouped AS g
ORDER BY g.parts_count DESC, g.type ASC, g.scope ASC, g.table_name ASC, g.place ASC;
