-- Question: Which places are in the videos, and where are they on a map?
-- Grain: one row per entity and coordinates
-- Reads: entity_exposure
-- Units: degrees as the service sent them; seconds
-- The service does not say which datum: in China it is often GCJ-02, hundreds of metres off WGS 84.
-- Sample answer:
--   place | longitude | latitude | address | videos_count | exposure_seconds
--   黄山  | 118.17    | 30.13    | 安徽    | 1            | 5.0
SELECT
    e.entity AS place,
    e.knowledge_longitude AS longitude,
    e.knowledge_latitude AS latitude,
    min(e.knowledge_address) AS address,
    count(DISTINCT e.job_id) AS videos_count,
    round(sum(e.exposure_seconds), 3) AS exposure_seconds
FROM entity_exposure AS e
WHERE e.knowledge_longitude IS NOT NULL AND e.knowledge_latitude IS NOT NULL
GROUP BY e.entity, e.knowledge_longitude, e.knowledge_latitude
ORDER BY exposure_seconds DESC, place ASC, longitude ASC, latitude ASC
