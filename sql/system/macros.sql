-- Question: Which macros are there, what do they answer, and what do they take?
-- Grain: one row per macro
-- Reads: DuckDB's catalog
-- Units: none
-- Columns:
--   macro_name: Name of the macro; it stands where a table does, as in FROM macro_name(...).
--   parameter_names: Names of its parameters, in order, with commas between them.
--   question: What it answers.
CREATE OR REPLACE VIEW macros AS
WITH warehouses AS (
    -- The file may be attached under any name; it is known by this table.
    SELECT database_name FROM duckdb_tables()
    WHERE table_name = 'cognition_meta'
)

SELECT
    f.function_name AS macro_name,
    array_to_string(f.parameters, ', ') AS parameter_names,
    f.comment AS question
FROM duckdb_functions() AS f
WHERE
    f.function_type = 'table_macro'
    AND NOT f.internal
    AND f.database_name IN (SELECT w.database_name FROM warehouses AS w)
ORDER BY f.function_name;
