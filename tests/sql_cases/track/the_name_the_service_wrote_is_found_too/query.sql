SELECT
    'old' AS asked,
    b.*
FROM track('黄果树瀑布') AS b
UNION ALL
SELECT
    'new' AS asked,
    b.*
FROM track('huangguoshu waterfall') AS b
UNION ALL
SELECT
    'none' AS asked,
    b.*
FROM track(NULL) AS b
