-- Question: How long is each brand seen in each video, as logo, as entity and in on-screen text?
-- Grain: one row per job and brand
-- Reads: brands, brand_moments, appearances
-- Units: seconds from the start of the video
-- Warning: Only logos and entities last: a name in on-screen text is a moment, and a brand found in
--     texts alone, or without a time, is seen for 0 seconds. Several are seen at once: seconds must
--     not be summed over brands.
-- Logo and entity at one time count once. For what counts as a brand see brands; for which texts,
-- and what to look for them costs, brand_moments.
-- Columns:
--   job_id: Id of the job, as given to the service. Example: ****20b48fb04483915d4f2cd8ac****.
--   brand: Name of the brand, see brands. Warning: Names that differ, in case too, are two brands
--       unless tag_aliases says otherwise. Example: Li-Ning.
--   exposure_seconds [s]: Time its logo or an entity of it is seen. Example: 12.5.
--   text_moments_count: Sampled moments at which its name is on screen.
--   logo_occurrences_count: Timed occurrences of its logo.
--   entity_occurrences_count: Timed details of its entities.
--   first_seconds [s]: First time it is seen or named on screen. Example: 2.44.
--   last_seconds [s]: Last time. Example: 29.021.
--   sources: What it was found as: logo, entity, text, in this order with commas between them.
--       Example: logo, entity, text.
CREATE OR REPLACE VIEW brand_exposure AS
WITH found AS (
    SELECT
        m.job_id,
        m.brand,
        m.source,
        m.start_seconds,
        m.end_seconds
    FROM brand_moments AS m
    UNION ALL
    SELECT
        b.job_id,
        b.brand,
        b.source,
        NULL AS start_seconds,
        NULL AS end_seconds
    FROM brands AS b
),

counted AS (
    SELECT
        f.job_id,
        f.brand,
        count(DISTINCT f.start_seconds) FILTER (WHERE f.source = 'text') AS text_moments_count,
        count(f.start_seconds) FILTER (WHERE f.source = 'logo') AS logo_occurrences_count,
        count(f.start_seconds) FILTER (WHERE f.source = 'entity') AS entity_occurrences_count,
        min(f.start_seconds) AS first_seconds,
        max(f.end_seconds) AS last_seconds,
        concat_ws(
            ', ',
            max('logo') FILTER (WHERE f.source = 'logo'),
            max('entity') FILTER (WHERE f.source = 'entity'),
            max('text') FILTER (WHERE f.source = 'text')
        ) AS sources
    FROM found AS f
    GROUP BY f.job_id, f.brand
),

seen AS (
    SELECT
        a.job_id,
        a.label AS brand,
        -- A sum of binary fractions depends on their order; microseconds do not.
        round(sum(a.end_seconds - a.start_seconds), 6) AS exposure_seconds
    FROM appearances() AS a
    WHERE a.kind = 'brand'
    GROUP BY a.job_id, a.label
)

SELECT
    n.job_id,
    n.brand,
    coalesce(s.exposure_seconds, 0) AS exposure_seconds,
    n.text_moments_count,
    n.logo_occurrences_count,
    n.entity_occurrences_count,
    n.first_seconds,
    n.last_seconds,
    n.sources
FROM counted AS n
LEFT JOIN seen AS s ON n.job_id = s.job_id AND n.brand = s.brand;
