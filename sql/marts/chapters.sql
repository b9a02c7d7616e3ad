-- Question: Which chapters does each video have, and how much is said in them?
-- Grain: one row per chapter
-- Reads: nlp_chapters, meta_titles, transcript
-- Units: seconds from the start of the video
-- Warning: A video with two NLP results has the chapters of both: filter by result_index before
--     counting. A sentence that goes on into the next chapter counts where it starts.
-- Times are put right as in timeline. A sentence belongs to a chapter if it starts in it, the end
-- of the chapter not included: that is where the next one starts.
-- Columns:
--   job_id: Id of the job, as given to the service. Example: ****20b48fb04483915d4f2cd8ac****.
--   result_index: Position of the result in the reply, from 0.
--   chapter_index: Position of the chapter in its result, from 0.
--   title: Title of the video; NULL where no result tells it. Example: Forecast.
--   headline: Headline of the chapter. Example: Forecast of the week.
--   summary: What the chapter is about. Example: Rain in the south, and what it means for travel.
--   start_seconds [s]: Start of it, from the start of the video; NULL where none is told. Example:
--       14.58.
--   end_seconds [s]: End of it, never before its start. Example: 245.45.
--   length_seconds [s]: Time from start to end. Example: 230.87.
--   sentences_count: Sentences of the same NLP result that start in it; without any, those of ASR.
--       NULL where no start is told.
CREATE OR REPLACE VIEW chapters AS
WITH timed AS (
    SELECT
        c.job_id,
        c.result_index,
        c.chapter_index,
        nullif(c.headline, '') AS headline,
        nullif(c.summary, '') AS summary,
        CASE
            WHEN c.start_seconds BETWEEN -864000 AND 864000 THEN c.start_seconds
        END AS start_seconds,
        CASE
            WHEN c.start_seconds NOT BETWEEN -864000 AND 864000 THEN NULL
            WHEN c.end_seconds BETWEEN c.start_seconds AND 864000 THEN c.end_seconds
            ELSE c.start_seconds
        END AS end_seconds
    FROM nlp_chapters AS c
),

titles AS (
    SELECT
        m.job_id,
        arg_min(m.title, m.result_index) AS title
    FROM meta_titles AS m
    WHERE m.title <> ''
    GROUP BY m.job_id
),

counts AS (
    SELECT
        c.job_id,
        c.result_index,
        c.chapter_index,
        count(*) FILTER (WHERE s.source = 'NLP' AND s.result_index = c.result_index) AS nlp_count,
        count(*) FILTER (WHERE s.source = 'ASR') AS asr_count
    FROM timed AS c
    INNER JOIN transcript AS s
        ON
            c.job_id = s.job_id
            AND c.start_seconds <= s.start_seconds
            AND c.end_seconds > s.start_seconds
    GROUP BY c.job_id, c.result_index, c.chapter_index
)

SELECT
    c.job_id,
    c.result_index,
    c.chapter_index,
    t.title,
    c.headline,
    c.summary,
    c.start_seconds,
    c.end_seconds,
    c.end_seconds - c.start_seconds AS length_seconds,
    CASE
        WHEN c.start_seconds IS NOT NULL THEN coalesce(nullif(n.nlp_count, 0), n.asr_count, 0)
    END AS sentences_count
FROM timed AS c
LEFT JOIN titles AS t ON c.job_id = t.job_id
LEFT JOIN counts AS n
    ON
        c.job_id = n.job_id
        AND c.result_index = n.result_index
        AND c.chapter_index = n.chapter_index;
