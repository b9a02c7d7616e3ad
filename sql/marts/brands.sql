-- Question: Which tags and entities are brands, and under which name?
-- Grain: one row per tag or entity of a result that is a brand
-- Reads: labels, cpv_entities, tag_aliases
-- Units: none
-- Warning: A brand has a row for every tag and entity of a result: count distinct brand. Names that
--     differ, in case too, are two brands unless tag_aliases says otherwise.
-- A brand is a tag or entity one of whose levels is called logo, brand, 标识, 品牌, 商标 or 台标, and any
-- entity whose knowledge names a brand: that name, else its own. What has no name but its level is
-- none. The brand of an entity goes by the aliases of entities.
-- Columns:
--   job_id: Id of the job, as given to the service. Example: ****20b48fb04483915d4f2cd8ac****.
--   source: logo (a tag) or entity. Example: entity.
--   brand: Its name: that of tag_aliases, else source_name. Example: Li-Ning.
--   source_name: Name the service wrote. Example: Li-Ning.
--   table_name: Table it comes from. Example: cpv_entities.
--   result_index: Position of the result in the reply, from 0.
--   thing_index: Last key of its row in that table.
CREATE OR REPLACE VIEW brands AS
WITH seen AS (
    -- Columns to join by: beside a constant in an outer join, DuckDB 2.0.0 forgets a LIMIT,
    -- and beside two columns of the left side 1.5 compares all with all.
    SELECT
        a.*,
        CASE WHEN a.table_name = 'cpv_entities' THEN a.thing_index END AS entity_index,
        'entity' AS entity_kind,
        '' AS any_kind
    FROM labels AS a
)

SELECT
    l.job_id,
    CASE WHEN l.kind = 'tag' THEN 'logo' ELSE 'entity' END AS source,
    coalesce(own.label, every.label, nullif(e.knowledge_brand_name, ''), l.label) AS brand,
    coalesce(nullif(e.knowledge_brand_name, ''), l.source_label) AS source_name,
    l.table_name,
    l.result_index,
    l.thing_index
FROM seen AS l
LEFT JOIN cpv_entities AS e
    ON
        l.job_id = e.job_id
        AND l.result_index = e.result_index
        AND l.entity_index = e.entity_index
-- The brand an entity's knowledge names is no label, so labels has not looked for its alias.
LEFT JOIN tag_aliases AS own
    ON l.entity_kind = own.kind AND own.name = nullif(e.knowledge_brand_name, '')
LEFT JOIN tag_aliases AS every
    ON l.any_kind = every.kind AND every.name = nullif(e.knowledge_brand_name, '')
WHERE
    l.table_name IN ('video_tags', 'cpv_entities')
    AND (
        e.knowledge_brand_name <> ''
        OR (
            (
                lower(l.label_level1) IN ('logo', 'brand', '标识', '品牌', '商标', '台标')
                OR lower(l.label_level2) IN ('logo', 'brand', '标识', '品牌', '商标', '台标')
            )
            AND l.source_label NOT IN (
                coalesce(l.label_level1, ''), coalesce(l.label_level2, '')
            )
        )
    );
