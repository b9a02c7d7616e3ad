-- A and B share 0.1 and 0.2 seconds; with C it is a millisecond less.
SELECT
    0.3 AS asked,
    p.*
FROM co_appearances(0.3) AS p
UNION ALL
SELECT
    0.301 AS asked,
    p.*
FROM co_appearances(min_seconds := 0.301) AS p
UNION ALL
SELECT
    NULL AS asked,
    p.*
FROM co_appearances(NULL) AS p
