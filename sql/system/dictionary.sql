-- Question: What does each table and column hold, and in which unit?
-- Grain: one row per column of a table
-- Reads: DuckDB's catalog; comments come from the schemas
-- Units: none
CREATE OR REPLACE VIEW dictionary AS
WITH warehouses AS (
    -- The file may be attached under any name; it is known by this table.
    SELECT database_oid FROM duckdb_tables()
    WHERE table_name = 'cognition_meta'
)

SELECT
    c.table_name,
    c.column_index AS column_position,
    c.column_name,
    c.data_type AS column_type,
    nullif(regexp_extract(c.comment, ' Unit: ([^ ]+)\.$', 1), '') AS unit,
    NOT c.is_nullable AS is_key,
    regexp_replace(c.comment, ' Unit: [^ ]+\.$', '') AS description,
    t.comment AS grain
FROM duckdb_columns() AS c
INNER JOIN duckdb_tables() AS t
    ON c.database_oid = t.database_oid AND c.table_oid = t.table_oid
WHERE c.database_oid IN (SELECT w.database_oid FROM warehouses AS w)
ORDER BY c.table_name, c.column_index;

COMMENT ON VIEW dictionary IS 'One row per column of a table: its type, unit and meaning.';
