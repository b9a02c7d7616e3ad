-- Question: Which brands and landmarks appear, and in how many videos?
-- Grain: one row per kind and name
-- Reads: video_tags, cpv_entities
-- Units: counts
-- Names of tags are Chinese in China regions, English elsewhere: both are looked for.
WITH tags AS (
    SELECT
        t.job_id,
        t.sub_tag_name AS found_name,
        if(
            lower(t.main_tag_name) IN ('logo', 'brand', '标识', '品牌', '商标', '台标'), 'brand',
            if(lower(t.main_tag_name) IN ('landmark', '地标'), 'landmark', NULL)
        ) AS kind,
        NULL AS address
    FROM video_tags AS t
),

entities AS (
    SELECT
        e.job_id,
        coalesce(e.knowledge_brand_name, e.knowledge_name, nullif(e.label, '')) AS found_name,
        CASE
            WHEN
                lower(e.label_level1) IN ('logo', 'brand', '标识', '品牌', '商标')
                OR lower(e.label_level2) IN ('logo', 'brand', '标识', '品牌', '商标')
                OR e.knowledge_brand_name IS NOT NULL
                THEN 'brand'
            WHEN
                lower(e.label_level1) IN ('landmark', '地标')
                OR lower(e.label_level2) IN ('landmark', '地标')
                THEN 'landmark'
        END AS kind,
        e.knowledge_address AS address
    FROM cpv_entities AS e
),

found AS (
    SELECT * FROM tags
    UNION ALL
    SELECT * FROM entities
)

SELECT
    f.kind,
    f.found_name,
    count(DISTINCT f.job_id) AS videos_count,
    count(*) AS findings_count,
    any_value(f.address) AS address
FROM found AS f
WHERE f.kind IS NOT NULL AND f.found_name <> ''
GROUP BY f.kind, f.found_name
ORDER BY f.kind ASC, videos_count DESC, findings_count DESC, f.found_name ASC
