-- Each two texts once, the earlier first; none with itself, however the phrase is written.
SELECT
    'same' AS asked,
    n.*
FROM moments_near('tea', ' Tea', 10) AS n
UNION ALL
SELECT
    'part' AS asked,
    n.*
FROM moments_near('tea', 'tea and', 10) AS n
UNION ALL
SELECT
    'default' AS asked,
    n.*
FROM moments_near('tea one', 'tea two') AS n
