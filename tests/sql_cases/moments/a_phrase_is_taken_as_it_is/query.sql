SELECT * FROM moments('100%')
UNION ALL
SELECT * FROM moments('a_b')
UNION ALL
SELECT * FROM moments('(.*)')
UNION ALL
SELECT * FROM moments('it''s \d')
UNION ALL
SELECT * FROM moments('')
UNION ALL
SELECT * FROM moments(' ')
UNION ALL
SELECT * FROM moments(NULL)
