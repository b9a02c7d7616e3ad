-- No phrase is found across two names.
SELECT * FROM moments('张伟')
UNION ALL
SELECT * FROM moments('人脸1')
UNION ALL
SELECT * FROM moments('张伟未知')
