-- severity: fail
-- Question: Has each name one alias?
-- Grain: one row per name with several
-- Reads: face_aliases, tag_aliases
-- Units: none
-- With two, rows of marts would be there twice. One of them was put in by hand: take it out again.
SELECT
    'face_aliases' AS table_name,
    a.job_id AS scope,
    a.name,
    list(a.person ORDER BY a.person) AS targets
FROM face_aliases AS a
GROUP BY a.job_id, a.name
HAVING count(*) > 1
UNION ALL
SELECT
    'tag_aliases' AS table_name,
    a.kind AS scope,
    a.name,
    list(a.label ORDER BY a.label) AS targets
FROM tag_aliases AS a
GROUP BY a.kind, a.name
HAVING count(*) > 1
