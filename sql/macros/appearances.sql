-- Question: From when to when is each person, tag or other label seen, small gaps closed?
-- Grain: one row per segment of a label in a video
-- Reads: label_spans
-- Units: seconds from the start of the video; score is a ratio
-- Warning: Rows are of every kind, and a brand is there a second time under its tag or entity:
--     filter by kind before counting. Several labels are seen at once: seconds must not be summed
--     over labels. With a gap_seconds above 0 the gaps inside a segment count as its time.
-- Occurrences of one label that overlap, touch, or lie at most gap_seconds apart are one segment; a
-- moment is a segment of no length. Times are compared to the microsecond: binary fractions decide
-- nothing. A gap that is NULL or negative counts as 0. Persons of one name are one person, whatever
-- their category; other labels of one name are apart in each label_group. A thing without any name
-- has no segments. A label's starts and ends are put in order apart from each other: a segment
-- begins at a start whose place has no end before it within reach, since as many occurrences have
-- ended as have begun.
-- Parameters:
--   gap_seconds [s]: Longest gap inside a segment; default 0. Example: 2.0.
-- Columns:
--   job_id: Id of the job, as given to the service. Example: ****20b48fb04483915d4f2cd8ac****.
--   kind: person, unknown_face, tag, category, entity, hotword, free_tag or brand. Example: person.
--   label: What is seen, see labels; of a brand its name, see brands. Warning: Of an unknown face
--       it is generated, such as 未知人脸1, and means somebody else in every job. Example: 张伟.
--   label_group: What it belongs to, see labels; NULL for persons, unknown faces and brands.
--       Example: Location/Landmark.
--   segment_index: Position among the segments of the label in the video, from 0.
--   start_seconds [s]: Start of the segment, from the start of the video. Example: 2.44.
--   end_seconds [s]: End of the segment. Example: 12.0.
--   occurrences_count: Occurrences it was made of.
--   best_score [ratio]: Highest score among them; NULL when none has one. Example: 0.97.
CREATE OR REPLACE MACRO appearances(gap_seconds := 0) AS TABLE  -- noqa: CP05
    -- What a macro or a lambda is given is no column.
    -- noqa: disable=RF03
    WITH gathered AS (
        SELECT
            s.job_id,
            s.kind,
            s.label,
            s.label_group,
            list_sort(list(row(s.start_seconds, s.end_seconds, s.score))) AS spans
        FROM label_spans AS s
        GROUP BY ALL
    ),

    ordered AS (
        SELECT
            g.job_id,
            g.kind,
            g.label,
            g.label_group,
            list_transform(g.spans, LAMBDA o: o[1]) AS start_times,
            list_sort(list_transform(g.spans, LAMBDA o: o[2])) AS end_times,
            list_transform(g.spans, LAMBDA o: coalesce(o[3], -1)) AS scores
        FROM gathered AS g
    ),

    opened AS (
        SELECT
            o.*,
            -- Lists side by side: a lambda that takes another list copies it for each element.
            list_prepend(
                1,
                list_transform(
                    list_filter(
                        list_zip(
                            o.start_times[2:], o.end_times[:-2], range(2, len(o.start_times) + 1)
                        ),
                        LAMBDA p:
                        round(p[1] - p[2], 6)
                        > round(greatest(coalesce(gap_seconds::DOUBLE, 0), 0), 6)
                    ),
                    LAMBDA p: p[3]
                )
            ) AS firsts
        FROM ordered AS o
    ),

    closed AS (
        SELECT
            o.*,
            list_append(
                list_transform(o.firsts[2:], LAMBDA f: f - 1), len(o.start_times)
            ) AS lasts
        FROM opened AS o
    ),

    -- Segment by segment, the highest score of each at its last place.
    ranked AS (
        SELECT
            s.*,
            list_sort(
                list_zip(
                    flatten(
                        list_transform(
                            list_zip(s.firsts, s.lasts), LAMBDA z: repeat([z[1]], z[2] - z[1] + 1)
                        )
                    ),
                    s.scores
                )
            ) AS ranked_scores
        FROM closed AS s
    )

    SELECT
        r.job_id,
        r.kind,
        r.label,
        r.label_group,
        unnest(range(len(r.firsts)))::INTEGER AS segment_index,
        unnest(list_select(r.start_times, r.firsts)) AS start_seconds,
        unnest(list_select(r.end_times, r.lasts)) AS end_seconds,
        unnest(r.lasts) - unnest(r.firsts) + 1 AS occurrences_count,
        nullif(
            unnest(list_transform(list_select(r.ranked_scores, r.lasts), LAMBDA p: p[2])), -1
        ) AS best_score
    FROM ranked AS r;
