-- Chapters touch, and no sentence counts twice: a hundred each.
SELECT
    count(*) AS chapters_count,
    min(sentences_count) AS fewest,
    max(sentences_count) AS most
FROM chapters
