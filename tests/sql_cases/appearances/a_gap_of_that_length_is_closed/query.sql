-- In binary fractions 1.3 - 1 is more than 0.3, and so is 0.1 + 0.2; 3.301 - 3 is more indeed.
SELECT
    0.3 AS asked,
    s.*
FROM appearances(0.3) AS s
UNION ALL
SELECT
    0.299999 AS asked,
    s.*
FROM appearances(gap_seconds := 0.299999) AS s
UNION ALL
SELECT
    0.301 AS asked,
    s.*
FROM appearances(0.1::DOUBLE + 0.2::DOUBLE + 0.001::DOUBLE) AS s
