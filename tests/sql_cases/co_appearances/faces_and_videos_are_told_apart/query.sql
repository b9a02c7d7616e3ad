-- 张伟 of both results is one person, seen from 7 to 12; in the other video nobody meets.
SELECT * FROM co_appearances()
