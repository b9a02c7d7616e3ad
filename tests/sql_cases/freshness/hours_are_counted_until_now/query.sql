-- A minute is room enough for a slow machine.
SELECT
    type,
    hours_since_last BETWEEN 36 AND 36 + 1 / 60 AS day_and_a_half,
    hours_since_last BETWEEN 8760 AND 8760 + 1 / 60 AS year
FROM freshness
