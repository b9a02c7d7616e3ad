-- Question: What was set aside, and which rule did it break?
-- Grain: one row per Type, table (or scope), reason, keyword and place in the Data
-- Reads: quarantine_summary
-- Units: counts
-- Positions in the pointer are written as *, so that the same mistake is counted once; the example
-- is the message of the first job that has it.
-- Sample answer:
--   type | set_aside_from | reason | keyword | place | parts_count | jobs_count | example_message
--   VideoLabel | video_tags | contract | type | /tags/*/subTagName | 1 | 1 | 7 is not of type 'string'
SELECT
    q.type,
    coalesce(q.table_name, '(whole ' || q.scope || ')') AS set_aside_from,
    q.reason,
    q.keyword,
    q.place,
    q.parts_count,
    q.jobs_count,
    q.example_message
FROM quarantine_summary AS q
ORDER BY
    q.parts_count DESC,
    q.type ASC,
    set_aside_from ASC,
    q.place ASC,
    q.reason ASC,
    q.keyword ASC
