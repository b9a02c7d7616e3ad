-- A leaves as B comes. C is seen for a moment as A leaves and B comes, and once more while B is
-- there, in the same moment as D.
SELECT * FROM co_appearances(0)
