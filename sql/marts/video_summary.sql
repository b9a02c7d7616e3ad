-- Question: What is each video about, in one row, and what does it cost?
-- Grain: one row per job, those without results too
-- Reads: jobs, meta_titles, video_durations, person_screen_time, label_spans, labels,
--     transcript, nlp_chapters, ocr_texts, nlp_audio, subtitle_lines, nlp_summaries, results,
--     quarantine, usages
-- Units: seconds; bytes
-- Warning: A count of 0 means that nothing was found, or that nothing was looked for: result_types
--     tells which. Lists are texts, and a name may hold a comma: to count or join names, take
--     person_screen_time, tag_screen_time or entity_exposure.
-- Where several results of a Type tell of the same speech, chapters or on-screen texts, that with
-- the most of them counts. Lists are texts with commas between the names.
-- Columns:
--   job_id: Id of the job, as given to the service. Example: ****20b48fb04483915d4f2cd8ac****.
--   title: Title of the video; NULL where no result tells it. Example: Forecast.
--   state: What became of the job, see jobs. Warning: Only jobs in state loaded have results:
--       nothing is found in others. Example: loaded.
--   queried_at: When the reply was received, UTC. Warning: When the reply came, not when the video
--       was made or analysed: the service tells neither. Example: 2026-01-14T08:00:00Z.
--   duration_seconds [s]: Length of the video, as far as its results tell; see video_durations.
--       Warning: A lower bound where duration_source is last_observation. Example: 300.0.
--   duration_source: audio (as the service says) or last_observation (a lower bound). Example:
--       audio.
--   persons_count: Different people with a name.
--   unknown_faces_count: Faces without one.
--   persons: Names of the people, those longest on screen first. Example: 张伟, Li Na.
--   tags_count: Different tags.
--   top_tags: The five tags that are longest on screen. Example: Piano, Tiananmen Square.
--   entities_count: Different entities.
--   top_entities: The five entities with the largest share of the video. Example: Huangguoshu
--       Waterfall.
--   sentences_count: Sentences of the NLP result with the most; without any, of that of ASR.
--   words_count: Words of these sentences; ASR does not part them, so 0 where there is no NLP.
--   chapters_count: Chapters of the NLP result with the most.
--   on_screen_texts_count: Lines of text in the sampled frames, of the OCR result with the most;
--       one that stays counts in each frame.
--   languages: Languages of the speech and of subtitles, as the service writes them. Warning: Codes
--       of the service, no ISO codes: cn is Chinese. Example: cn, chinese.
--   summary: Summary of the whole text, the plain part of it. Example: The forecast of the week.
--   result_types: Types of the results. Example: ASR, VideoLabel.
--   results_count: Results in the reply; NULL where it has no place for them.
--   quarantined_count: Parts of the reply in quarantine.
--   unmapped_count: Keys of the results that no schema names.
--   data_bytes [bytes]: Size of the Data of the results. Example: 129673.
--   rows_count: Rows loaded from the results, over all tables.
--   usages: Kinds of usage the job was charged for, each with its quota; NULL where none is told.
--       Warning: The units are not documented: never add up different kinds of usage. Example: ASR
--       60, VideoLabel 60.
CREATE OR REPLACE VIEW video_summary AS
WITH titles AS (
    SELECT
        m.job_id,
        arg_min(m.title, m.result_index) AS title
    FROM meta_titles AS m
    WHERE m.title <> ''
    GROUP BY m.job_id
),

people AS (
    SELECT
        p.job_id,
        count(*) FILTER (WHERE NOT p.is_unknown) AS persons_count,
        count(*) FILTER (WHERE p.is_unknown) AS unknown_faces_count,
        string_agg(p.person, ', ' ORDER BY p.on_screen_seconds DESC, p.person ASC)
        FILTER (WHERE NOT p.is_unknown) AS persons
    FROM person_screen_time AS p
    GROUP BY p.job_id
),

-- A tag may lie under two main tags; where they overlap, it counts once: from the first start to
-- the last end, less the gaps. There is a gap where a start's place has no end before it within
-- reach, see appearances.
tag_times AS (
    SELECT
        s.job_id,
        s.label,
        list_sort(list(s.start_seconds)) AS start_times,
        list_sort(list(s.end_seconds)) AS end_times
    FROM label_spans AS s
    WHERE s.kind = 'tag'
    GROUP BY s.job_id, s.label
),

tag_seconds AS (
    SELECT
        t.job_id,
        t.label,
        -- Lambdas have parameters, not columns.
        -- noqa: disable=RF03
        round(
            t.end_times[-1]
            - t.start_times[1]
            - coalesce(
                list_sum(
                    list_transform(
                        list_zip(t.start_times[2:], t.end_times[:-2]),
                        LAMBDA p: greatest(p[1] - p[2], 0)
                    )
                ),
                0
            ),
            6
        ) AS on_screen_seconds
        -- noqa: enable=RF03
    FROM tag_times AS t
),

tag_names AS (
    SELECT DISTINCT
        l.job_id,
        l.label
    FROM labels AS l
    WHERE l.kind = 'tag' AND l.label IS NOT NULL
),

tags AS (
    SELECT
        t.job_id,
        count(*) AS tags_count,
        array_to_string(
            list_slice(
                list(t.label ORDER BY coalesce(s.on_screen_seconds, 0) DESC, t.label ASC), 1, 5
            ),
            ', '
        ) AS top_tags
    FROM tag_names AS t
    LEFT JOIN tag_seconds AS s ON t.job_id = s.job_id AND t.label = s.label
    GROUP BY t.job_id
),

entity_shares AS (
    SELECT
        l.job_id,
        l.label AS entity,
        max(l.appearance_ratio) AS appearance_ratio
    FROM labels AS l
    WHERE l.kind = 'entity' AND l.label IS NOT NULL
    GROUP BY l.job_id, l.label
),

entities AS (
    SELECT
        e.job_id,
        count(*) AS entities_count,
        array_to_string(
            list_slice(
                list(e.entity ORDER BY e.appearance_ratio DESC NULLS LAST, e.entity ASC), 1, 5
            ),
            ', '
        ) AS top_entities
    FROM entity_shares AS e
    GROUP BY e.job_id
),

-- What two results of one Type tell is the same speech and the same picture.
spoken_by_result AS (
    SELECT
        s.job_id,
        s.source,
        count(*) AS sentences_count,
        sum(s.words_count)::BIGINT AS words_count
    FROM transcript AS s
    GROUP BY s.job_id, s.source, s.result_index
),

speech AS (
    SELECT
        s.job_id,
        max(row(s.sentences_count, s.words_count)) FILTER (WHERE s.source = 'NLP') AS nlp_counts,
        max(s.sentences_count) FILTER (WHERE s.source = 'ASR') AS asr_count
    FROM spoken_by_result AS s
    GROUP BY s.job_id
),

parts_by_result AS (
    SELECT
        c.job_id,
        count(*) AS chapters_count
    FROM nlp_chapters AS c
    GROUP BY c.job_id, c.result_index
),

parts AS (
    SELECT
        c.job_id,
        max(c.chapters_count) AS chapters_count
    FROM parts_by_result AS c
    GROUP BY c.job_id
),

texts_by_result AS (
    SELECT
        o.job_id,
        count(*) AS on_screen_texts_count
    FROM ocr_texts AS o
    WHERE o.content <> ''
    GROUP BY o.job_id, o.result_index
),

texts AS (
    SELECT
        o.job_id,
        max(o.on_screen_texts_count) AS on_screen_texts_count
    FROM texts_by_result AS o
    GROUP BY o.job_id
),

spoken AS (
    SELECT
        a.job_id,
        a.language
    FROM nlp_audio AS a
    WHERE a.language <> ''
    UNION
    SELECT
        s.job_id,
        s.language
    FROM subtitle_lines AS s
    -- A file of all languages tells of none.
    WHERE s.language <> 'all'
),

languages AS (
    SELECT
        s.job_id,
        string_agg(s.language, ', ' ORDER BY s.language) AS languages
    FROM spoken AS s
    GROUP BY s.job_id
),

plain AS (
    SELECT
        n.job_id,
        n.result_index,
        regexp_replace(split_part(n.paragraph_summary, '@#', 1), '^\s+|\s+$', '', 'g') AS summary
    FROM nlp_summaries AS n
),

summaries AS (
    SELECT
        p.job_id,
        arg_min(p.summary, p.result_index) AS summary
    FROM plain AS p
    WHERE p.summary <> ''
    GROUP BY p.job_id
),

loads AS (
    SELECT
        r.job_id,
        string_agg(DISTINCT r.type, ', ' ORDER BY r.type) AS result_types,
        sum(r.unmapped_count)::BIGINT AS unmapped_count,
        sum(r.data_bytes)::BIGINT AS data_bytes,
        sum(r.rows_count)::BIGINT AS rows_count
    FROM results AS r
    GROUP BY r.job_id
),

set_aside AS (
    SELECT
        q.job_id,
        count(*) AS quarantined_count
    FROM quarantine AS q
    GROUP BY q.job_id
),

charges AS (
    SELECT
        u.job_id,
        string_agg(
            nullif(concat_ws(' ', u.usage_type, u.quota), ''), ', ' ORDER BY u.usage_index
        ) AS usages
    FROM usages AS u
    GROUP BY u.job_id
)

SELECT
    j.job_id,
    t.title,
    j.state,
    j.queried_at,
    d.duration_seconds,
    d.duration_source,
    coalesce(p.persons_count, 0) AS persons_count,
    coalesce(p.unknown_faces_count, 0) AS unknown_faces_count,
    p.persons,
    coalesce(g.tags_count, 0) AS tags_count,
    g.top_tags,
    coalesce(e.entities_count, 0) AS entities_count,
    e.top_entities,
    coalesce(s.nlp_counts[1], s.asr_count, 0) AS sentences_count,
    coalesce(s.nlp_counts[2], 0) AS words_count,
    coalesce(c.chapters_count, 0) AS chapters_count,
    coalesce(o.on_screen_texts_count, 0) AS on_screen_texts_count,
    l.languages,
    m.summary,
    r.result_types,
    j.results_count,
    coalesce(q.quarantined_count, 0) AS quarantined_count,
    coalesce(r.unmapped_count, 0) AS unmapped_count,
    coalesce(r.data_bytes, 0) AS data_bytes,
    coalesce(r.rows_count, 0) AS rows_count,
    u.usages
FROM jobs AS j
LEFT JOIN titles AS t ON j.job_id = t.job_id
LEFT JOIN video_durations AS d ON j.job_id = d.job_id
LEFT JOIN people AS p ON j.job_id = p.job_id
LEFT JOIN tags AS g ON j.job_id = g.job_id
LEFT JOIN entities AS e ON j.job_id = e.job_id
LEFT JOIN speech AS s ON j.job_id = s.job_id
LEFT JOIN parts AS c ON j.job_id = c.job_id
LEFT JOIN texts AS o ON j.job_id = o.job_id
LEFT JOIN languages AS l ON j.job_id = l.job_id
LEFT JOIN summaries AS m ON j.job_id = m.job_id
LEFT JOIN loads AS r ON j.job_id = r.job_id
LEFT JOIN set_aside AS q ON j.job_id = q.job_id
LEFT JOIN charges AS u ON j.job_id = u.job_id;
