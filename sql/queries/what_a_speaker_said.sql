-- Question: What did $speaker say, in which video, and when?
-- Grain: one row per sentence of a speaker of that name or number
-- Reads: transcript
-- Units: seconds; times as h:mm:ss from the start of the video
-- Numbers of speakers begin anew in each video: 1 is somebody else in the next.
-- Sample parameters: speaker = speaker 1
-- Sample answer:
--   job_id | speaker   | said_at | length_seconds | text
--   talk-1 | Speaker 1 | 0:00:01 | 2.0            | We ship on Friday.
--   talk-1 | Speaker 1 | 0:00:04 | 2.0            | Who tells the customers?
WITH said AS (
    SELECT
        t.job_id,
        t.result_index,
        t.sentence_index,
        coalesce(t.speaker_name, t.speaker_id) AS speaker,
        try_cast(floor(t.start_seconds) AS BIGINT) AS start_second,
        round(t.end_seconds - t.start_seconds, 3) AS length_seconds,
        t.text
    FROM transcript AS t
    WHERE lower(t.speaker_name) = lower($speaker) OR t.speaker_id = $speaker
)

SELECT
    s.job_id,
    s.speaker,
    printf(
        '%d:%02d:%02d',
        s.start_second // 3600, s.start_second // 60 % 60, s.start_second % 60
    ) AS said_at,
    s.length_seconds,
    s.text
FROM said AS s
ORDER BY s.job_id, s.result_index, s.sentence_index
