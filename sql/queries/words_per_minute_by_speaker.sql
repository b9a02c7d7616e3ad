-- Question: Who speaks how much, and how fast?
-- Grain: one row per job, NLP result and speaker
-- Reads: transcript
-- Units: seconds of their sentences; words per minute of them; speaking_share is a ratio
-- Voices are numbered anew in each result. Words are as the service parts them; in Chinese they have
-- one character or several.
-- Sample answer:
--   job_id | result_index | speaker   | sentences_count | words_count | speaking_seconds | words_per_minute | speaking_share
--   talk-1 | 0            | Speaker 1 | 2               | 8           | 4.0              | 120.0            | 0.667
--   talk-1 | 0            | Speaker 2 | 1               | 2           | 2.0              | 60.0             | 0.333
WITH spoken AS (
    SELECT
        t.job_id,
        t.result_index,
        coalesce(t.speaker_name, t.speaker_id, '(unknown)') AS speaker,
        count(*) AS sentences_count,
        sum(t.words_count)::BIGINT AS words_count,
        -- Words without a time count neither as words nor as time of the speed.
        sum(t.words_count) FILTER (WHERE t.end_seconds IS NOT NULL) AS timed_words_count,
        round(sum(t.end_seconds - t.start_seconds), 3) AS speaking_seconds
    FROM transcript AS t
    WHERE t.source = 'NLP'
    GROUP BY ALL
)

SELECT
    s.job_id,
    s.result_index,
    s.speaker,
    s.sentences_count,
    s.words_count,
    s.speaking_seconds,
    round(60 * s.timed_words_count / nullif(s.speaking_seconds, 0), 1) AS words_per_minute,
    round(
        s.speaking_seconds
        / nullif(sum(s.speaking_seconds) OVER (PARTITION BY s.job_id, s.result_index), 0),
        3
    ) AS speaking_share
FROM spoken AS s
ORDER BY s.job_id ASC, s.result_index ASC, s.speaking_seconds DESC NULLS LAST, s.speaker ASC
