-- Each tea has a coffee 3 seconds after it, and all but the first one 7 seconds before.
SELECT
    count(*) AS pairs,
    sum(gap_seconds) AS seconds
FROM moments_near('tea', 'coffee', 7)
