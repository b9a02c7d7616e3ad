-- Bo is seen from 0 to 12 and from 20 to 30, Ann from 8 to 25, Cy from 11 to 12 and from 100 on:
-- Ann and Bo share 8 to 12 and 20 to 25, Cy shares 11 to 12 with each.
SELECT * FROM co_appearances()
