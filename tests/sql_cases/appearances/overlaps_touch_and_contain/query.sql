-- Contained and touching ones merge, a millisecond apart does not; of what has no end or one before
-- its start there is a moment, and nothing of what has no start.
SELECT * FROM appearances()
