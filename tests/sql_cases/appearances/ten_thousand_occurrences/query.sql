-- At gap 0 each tenth is one with its next: 9,000 segments, 1,000 of 4 seconds and 8,000 of 1.
-- A gap of 2 seconds closes all. Scores of the first are 1/10000 (it and the next), the best of
-- all is 9999/10000.
SELECT
    'gap 0' AS asked,
    count(*) AS segments,
    sum(s.occurrences_count) AS occurrences,
    round(sum(s.end_seconds - s.start_seconds), 6) AS seconds,
    max(s.segment_index) AS last_index,
    min(s.best_score) AS lowest,
    max(s.best_score) AS highest
FROM appearances(0) AS s
UNION ALL
SELECT
    'gap 2' AS asked,
    count(*) AS segments,
    sum(s.occurrences_count) AS occurrences,
    round(sum(s.end_seconds - s.start_seconds), 6) AS seconds,
    max(s.segment_index) AS last_index,
    min(s.best_score) AS lowest,
    max(s.best_score) AS highest
FROM appearances(2) AS s
