-- Ten days to either side are times still; what has none comes last, in the order of the source.
SELECT
    row_number() OVER () AS n,
    b.*
FROM track('Bus') AS b
