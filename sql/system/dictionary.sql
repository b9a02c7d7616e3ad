-- Question: What does each table, mart and column hold, in which unit, and what misleads?
-- Grain: one row per column of a table or view
-- Reads: DuckDB's catalog
-- Units: none
-- Warning: Macros have no rows here: see macros. Columns of the lake that the warehouse leaves out
--     are missing, too.
-- Columns:
--   table_name: Name of the table or view. Example: asr_segments.
--   kind: table, mart (a view that answers a question) or system view (of the warehouse itself).
--       Example: table.
--   column_position: Position of the column, from 1.
--   column_name: Name of the column. Example: start_seconds.
--   column_type: Type of the column in DuckDB. Example: DOUBLE.
--   unit: Unit of its numbers; NULL where they have none. Example: s.
--   is_key: Whether it is part of the primary key; views have none. Example: false.
--   description: What the column holds. Example: Start of the sentence.
--   warning: What misleads who reads the column; NULL where nothing is known to. Example: A moment,
--       no span.
--   example: A value it may have; NULL for positions and counts. Example: 0.021.
--   grain: What one row of the table or view is. Example: One row per spoken sentence.
--   table_warning: What misleads who counts or joins the rows; NULL where nothing is known to.
--       Example: Only where the query asked for ASR.
CREATE OR REPLACE VIEW dictionary AS
WITH warehouses AS (
    -- The file may be attached under any name; it is known by this table.
    SELECT database_oid FROM duckdb_tables()
    WHERE table_name = 'cognition_meta'
),

relations AS (
    SELECT
        database_oid,
        table_oid AS relation_oid,
        'table' AS kind,
        comment
    FROM duckdb_tables()
    UNION ALL
    SELECT
        database_oid,
        view_oid,
        CASE
            WHEN view_name IN ('dictionary', 'drift', 'macros') THEN 'system view'
            ELSE 'mart'
        END AS kind,
        comment
    FROM duckdb_views()
)

SELECT
    c.table_name,
    r.kind,
    c.column_index AS column_position,
    c.column_name,
    c.data_type AS column_type,
    nullif(regexp_extract(c.comment, ' Unit: ([^ ]+)\.$', 1), '') AS unit,
    NOT c.is_nullable AS is_key,
    regexp_replace(c.comment, '( Warning: .*| Example: .*| Unit: [^ ]+\.)$', '') AS description,
    nullif(
        regexp_extract(c.comment, ' Warning: (.*?)( Example: .*| Unit: [^ ]+\.)?$', 1), ''
    ) AS warning,
    nullif(regexp_extract(c.comment, ' Example: (.*?)\.( Unit: [^ ]+\.)?$', 1), '') AS example,
    regexp_replace(r.comment, ' Warning: .*$', '') AS grain,
    nullif(regexp_extract(r.comment, ' Warning: (.*)$', 1), '') AS table_warning
FROM duckdb_columns() AS c
INNER JOIN relations AS r
    ON c.database_oid = r.database_oid AND c.table_oid = r.relation_oid
WHERE c.database_oid IN (SELECT w.database_oid FROM warehouses AS w)
ORDER BY c.table_name, c.column_index;
