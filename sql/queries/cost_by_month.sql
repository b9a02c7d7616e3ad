-- Question: What did each month cost, and how much of it brought nothing?
-- Grain: one row per month
-- Reads: indexed_minutes
-- Units: minutes; megabytes of 1,000,000 bytes; shares from 0 to 1
-- Where lower_bound_share is not 0, more was indexed than can be told; see indexed_minutes.
-- Sample answer:
--   month | jobs_count | not_loaded_share | minutes | lower_bound_share | data_megabytes | rows_per_minute | usages
--   2024-05-01 | 2 | 0.0 | 0.8 | 1.0 | 0.005 | 64.8 | ASR 30, VideoLabel 30
--   2024-06-01 | 3 | 0.667 | 1.0 | 0.0 | 0.003 | 36.0 | NLP 60
SELECT
    m.month,
    m.jobs_count,
    round(1 - m.loaded_jobs_count / m.jobs_count, 3) AS not_loaded_share,
    round(m.minutes, 1) AS minutes,
    round(m.lower_bound_minutes / nullif(m.minutes, 0), 3) AS lower_bound_share,
    round(m.data_bytes / 1000000, 3) AS data_megabytes,
    round(m.rows_count / nullif(m.minutes, 0), 1) AS rows_per_minute,
    m.usages
FROM indexed_minutes AS m
ORDER BY m.month
