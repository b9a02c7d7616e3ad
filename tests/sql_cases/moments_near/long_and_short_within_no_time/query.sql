-- No time between them is asked for in three ways.
SELECT
    'zero' AS asked,
    n.*
FROM moments_near('tea', 'coffee', 0) AS n
UNION ALL
SELECT
    'none' AS asked,
    n.*
FROM moments_near('tea', 'coffee', NULL) AS n
UNION ALL
SELECT
    'less' AS asked,
    n.*
FROM moments_near('tea', 'coffee', within_seconds := -5) AS n
UNION ALL
SELECT
    'turned' AS asked,
    n.*
FROM moments_near('coffee', 'tea', 0) AS n
