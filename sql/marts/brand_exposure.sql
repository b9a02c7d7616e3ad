-- Question: How long is each brand seen in each video, as logo, as entity and in on-screen text?
-- Grain: one row per job and brand
-- Reads: brands, brand_moments, appearances
-- Units: seconds from the start of the video
-- Logo and entity at one time count once. Texts are moments, so they have a count and no length.
-- What counts as a brand: see brands; which texts, and what to look for them costs: brand_moments.
-- A brand found without a time is seen for 0 seconds.
-- Columns:
--   job_id: Id of the job, as given to the service.
--   brand: Name of the brand, see brands.
--   exposure_seconds [s]: Time its logo or an entity of it is seen.
--   text_moments_count: Sampled moments at which its name is on screen.
--   logo_occurrences_count: Timed occurrences of its logo.
--   entity_occurrences_count: Timed details of its entities.
--   first_seconds [s]: First time it is seen or named on screen.
--   last_seconds [s]: Last time.
--   sources: What it was found as: logo, entity, text, in this order with commas between them.
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
