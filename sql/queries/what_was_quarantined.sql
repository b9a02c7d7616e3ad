-- Question: What was set aside, and which rule did it break?
-- Grain: one row per Type, table, reason, keyword and place in the Data
-- Reads: quarantine
-- Units: counts
-- Positions in the pointer are written as *, so that the same mistake is counted once.
-- Sample answer:
--   type | set_aside_from | reason | keyword | place | parts_count | jobs_count | example_message
--   VideoLabel | video_tags | contract | type | /tags/*/subTagName | 1 | 1 | 7 is not of type 'string'
SELECT
    q.type,
    coalesce(q.table_name, '(whole ' || q.scope || ')') AS set_aside_from,
    q.reason,
    q.keyword,
    regexp_replace(q.pointer, '/[0-9]+', '/*', 'g') AS place,
    count(*) AS parts_count,
    count(DISTINCT q.job_id) AS jobs_count,
    min(q.message) AS example_message
FROM quarantine AS q
GROUP BY ALL
ORDER BY parts_count DESC, q.type ASC, set_aside_from ASC, place ASC
