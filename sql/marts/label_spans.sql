-- Question: What is seen from when to when, by name?
-- Grain: one row per timed observation of a label, and one per logo or entity of a brand
-- Reads: timeline, brand_moments
-- Units: seconds from the start of the video; score is a ratio
-- Warning: Spans of one label overlap: their lengths must not be summed; the macro appearances
--     joins them to segments. A brand is there a second time under the kind of its label: filter by
--     kind before counting.
-- What appearances and the screen times lay over each other. Persons of one name are one person,
-- whatever their category, and so are brands; other labels of one name are apart in each
-- label_group, which a name that aliases give does not have. A thing without any name is left out.
-- Columns:
--   job_id: Id of the job, as given to the service. Example: ****20b48fb04483915d4f2cd8ac****.
--   kind: person, unknown_face, tag, category, entity, hotword, free_tag or brand. Example: tag.
--   label: What is seen, see labels; of a brand its name, see brands. Warning: Of an unknown face
--       it is generated, such as 未知人脸1, and means somebody else in every job. Example: Piano.
--   label_group: What it belongs to, see labels; NULL for persons, unknown faces, brands and names
--       that aliases give. Example: Object.
--   start_seconds [s]: Start of it, from the start of the video. Example: 2.44.
--   end_seconds [s]: End of it. Example: 5.32.
--   score [ratio]: Confidence; NULL where there is none. Example: 0.97.
CREATE OR REPLACE VIEW label_spans AS
SELECT
    t.job_id,
    t.kind,
    t.label,
    CASE WHEN t.kind NOT IN ('person', 'unknown_face') THEN t.label_group END AS label_group,
    t.start_seconds,
    t.end_seconds,
    t.score
FROM timeline AS t
WHERE
    t.kind IN ('person', 'unknown_face', 'tag', 'category', 'entity', 'hotword', 'free_tag')
    AND t.label IS NOT NULL
UNION ALL
SELECT
    b.job_id,
    'brand' AS kind,
    b.brand AS label,
    NULL AS label_group,
    b.start_seconds,
    b.end_seconds,
    b.score
FROM brand_moments AS b
WHERE b.source <> 'text';
