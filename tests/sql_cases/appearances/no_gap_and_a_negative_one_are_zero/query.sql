SELECT
    'NULL' AS asked,
    s.*
FROM appearances(NULL) AS s
UNION ALL
SELECT
    '-1' AS asked,
    s.*
FROM appearances(-1) AS s
