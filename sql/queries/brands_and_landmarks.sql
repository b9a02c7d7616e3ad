-- Question: Which brands and landmarks appear, and in how many videos?
-- Grain: one row per kind and name
-- Reads: brands, labels, entity_exposure
-- Units: counts of videos and of findings, tags and entities of a result
-- Names of tags are Chinese in China regions, English elsewhere: both are looked for.
-- Sample answer:
--   kind     | found_name | videos_count | findings_count | address
--   brand    | CCTV-1     | 2            | 2              | NULL
--   brand    | Nike       | 1            | 1              | NULL
--   landmark | 黄山       | 1            | 1              | 安徽
WITH found AS (
    SELECT
        b.job_id,
        'brand' AS kind,
        b.brand AS found_name,
        NULL AS address
    FROM brands AS b
    UNION ALL
    SELECT
        l.job_id,
        'landmark' AS kind,
        l.label AS found_name,
        NULL AS address
    FROM labels AS l
    WHERE l.kind = 'tag' AND lower(l.label_level1) IN ('landmark', '地标')
    UNION ALL
    SELECT
        e.job_id,
        'landmark' AS kind,
        coalesce(e.knowledge_name, e.entity) AS found_name,
        e.knowledge_address AS address
    FROM entity_exposure AS e
    WHERE
        (
            lower(e.label_level1) IN ('landmark', '地标')
            OR lower(e.label_level2) IN ('landmark', '地标')
        )
        -- What has no name but its level is no landmark.
        AND coalesce(e.knowledge_name, e.entity) NOT IN (
            coalesce(e.label_level1, ''), coalesce(e.label_level2, '')
        )
)

SELECT
    f.kind,
    f.found_name,
    count(DISTINCT f.job_id) AS videos_count,
    count(*) AS findings_count,
    min(f.address) AS address
FROM found AS f
GROUP BY f.kind, f.found_name
ORDER BY f.kind ASC, videos_count DESC, findings_count DESC, f.found_name ASC
