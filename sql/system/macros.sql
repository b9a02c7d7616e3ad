-- Question: Which macros are there, what do they answer, and what do they take?
-- Grain: one row per macro
-- Reads: DuckDB's catalog
-- Units: none
-- Warning: A macro is called, as in FROM moments('word'): its name without brackets is no table.
--     In a file that is attached under a name, it is found after USE and that name.
-- All that is known of a macro is in its comment, as DuckDB has none for parameters and columns of
-- macros. The question comes first; the rest follows in parts, each after an empty line.
-- Columns:
--   macro_name: Name of the macro; it stands where a table does, as in FROM macro_name(...).
--       Example: appearances.
--   parameter_names: Names of its parameters, in order, with commas between them. Example:
--       gap_seconds.
--   question: What it answers. Example: Who is on screen together, for how long?.
--   grain: What one row of the answer is. Example: One row per box of the entity.
--   warning: What misleads who counts, joins or sums the rows; NULL where nothing is known to.
--       Example: Several pairs are on screen at once.
--   parameters: What each parameter means, a line each, with its default, an example and its unit;
--       one without a default has to be given. Example: gap_seconds: Longest gap inside a segment.
--   answer_columns: What each column of the answer holds, a line each, as dictionary has it of
--       views. Example: end_seconds: End of the segment.
CREATE OR REPLACE VIEW macros AS
WITH warehouses AS (
    -- The file may be attached under any name; it is known by this table.
    SELECT database_name FROM duckdb_tables()
    WHERE table_name = 'cognition_meta'
)

SELECT
    f.function_name AS macro_name,
    array_to_string(f.parameters, ', ') AS parameter_names,
    split_part(f.comment, chr(10), 1) AS question,
    nullif(regexp_extract(f.comment, '(?s)\n\nGrain: (.*?)(\n\n|$)', 1), '') AS grain,
    nullif(regexp_extract(f.comment, '(?s)\n\nWarning: (.*?)(\n\n|$)', 1), '') AS warning,
    nullif(
        regexp_extract(f.comment, '(?s)\n\nParameters:\n(.*?)(\n\n|$)', 1), ''
    ) AS parameters,  -- noqa: RF04
    nullif(regexp_extract(f.comment, '(?s)\n\nColumns:\n(.*?)(\n\n|$)', 1), '') AS answer_columns
FROM duckdb_functions() AS f
WHERE
    f.function_type = 'table_macro'
    AND NOT f.internal
    AND f.database_name IN (SELECT w.database_name FROM warehouses AS w)
ORDER BY f.function_name;
