-- A phrase ends with its sentence: 黄山风景 lies in two, and Latin words have a space between them.
SELECT
    p.phrase AS asked,
    m.*
FROM (VALUES ('们去黄'), ('黄山风景'), ('to huang shan'), ('huangshan')) AS p (phrase), (
    FROM moments('们去黄')
    UNION ALL
    FROM moments('黄山风景')
    UNION ALL
    FROM moments('to huang shan')
    UNION ALL
    FROM moments('huangshan')
) AS m
WHERE m.phrase = p.phrase
