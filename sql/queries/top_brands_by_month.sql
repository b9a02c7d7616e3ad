-- Question: Which brands were seen longest in each month?
-- Grain: one row per month and brand, the ten longest of each month
-- Reads: brand_exposure, jobs
-- Units: seconds; the month, in UTC, is that in which the service answered
-- Texts have no length: a brand that is only written ranks by how often, after those that are seen.
-- Sample answer:
--   month      | place | brand  | videos_count | exposure_seconds | text_moments_count
--   2024-05-01 | 1     | CCTV-1 | 2            | 50.0             | 1
--   2024-05-01 | 2     | Nike   | 1            | 2.0              | 1
WITH monthly AS (
    SELECT
        date_trunc('month', j.queried_at)::DATE AS month,
        b.brand,
        count(*) AS videos_count,
        round(sum(b.exposure_seconds), 3) AS exposure_seconds,
        sum(b.text_moments_count)::BIGINT AS text_moments_count
    FROM brand_exposure AS b
    INNER JOIN jobs AS j ON b.job_id = j.job_id
    GROUP BY ALL
)

SELECT
    m.month,
    row_number() OVER (
        PARTITION BY m.month
        ORDER BY m.exposure_seconds DESC, m.text_moments_count DESC, m.brand ASC
    ) AS place,
    m.brand,
    m.videos_count,
    m.exposure_seconds,
    m.text_moments_count
FROM monthly AS m
QUALIFY place <= 10
ORDER BY m.month ASC, place ASC
