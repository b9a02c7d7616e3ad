SELECT * FROM co_appearances(1)
