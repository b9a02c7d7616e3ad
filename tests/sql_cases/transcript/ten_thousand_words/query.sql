-- All is as it must be: sentence n lasts from second 10n to 10n + 10, and has these ten numbers
-- with nine spaces between them. Digits: 10 * 1 + 90 * 2 + 900 * 3 + 9000 * 4 = 38890.
SELECT
    count(*) AS sentences,
    sum(words_count) AS words,
    count(*) FILTER (
        WHERE
        start_seconds = 10 * sentence_index
        AND end_seconds = start_seconds + 10
        AND sentence_id = sentence_index
        AND text = array_to_string(range(10 * sentence_index, 10 * sentence_index + 10), ' ')
    ) AS right_sentences,
    sum(length(replace(text, ' ', ''))) AS digits,
    sum(length(text)) - sum(length(replace(text, ' ', ''))) AS spaces
FROM transcript
