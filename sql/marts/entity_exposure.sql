-- Question: How long is each entity seen in each video, and what is known of it?
-- Grain: one row per job, levels and entity of CPVLabel; one named by aliases has one pair of levels
-- Reads: appearances, labels, cpv_entities, cpv_entity_details
-- Units: seconds from the start of the video; degrees; score is a ratio
-- Warning: An entity of one name under two levels is two rows, unless aliases give that name.
--     Several are seen at once: seconds must not be summed over entities. One without any time is
--     seen for 0 seconds.
-- Overlapping details count once. An entity whose name aliases give has the levels of the first.
-- What is known is of one row of cpv_entities, the first that has any knowledge, so that longitude
-- and latitude are of one place.
-- Columns:
--   job_id: Id of the job, as given to the service. Example: ****20b48fb04483915d4f2cd8ac****.
--   entity: Name, see labels. Example: Huangguoshu Waterfall.
--   label_level1: First level of its label; NULL where the service gives none. Example: Location.
--   label_level2: Second level of its label; NULL where the service gives none. Example: Landmark.
--   exposure_seconds [s]: Time it is seen. Example: 12.5.
--   occurrences_count: Timed details in the source.
--   tracks_count: Bounding boxes that follow it, as far as the source has tracks.
--   best_score [ratio]: Highest score of its details; NULL when none has one. Example: 0.97.
--   first_seconds [s]: Start of the first detail. Example: 2.44.
--   last_seconds [s]: End of the last one. Example: 29.021.
--   knowledge_name: Name in the knowledge graph. Example: Huangguoshu Waterfall.
--   knowledge_name_en: English name in the knowledge graph. Example: Huangguoshu Waterfall.
--   knowledge_alias: Other names in the knowledge graph. Example: Yellow Fruit Tree Waterfall.
--   knowledge_description: Description in the knowledge graph. Example: One of the four largest
--       waterfalls in Asia.
--   knowledge_brand_name: Brand in the knowledge graph. Example: Li-Ning.
--   knowledge_address: Address in the knowledge graph. Example: Anshun, Guizhou.
--   knowledge_longitude [deg]: Longitude in the knowledge graph, as sent. Warning: The service does
--       not say which datum: in China it is often GCJ-02, hundreds of metres off WGS 84. Example:
--       105.67.
--   knowledge_latitude [deg]: Latitude in the knowledge graph, as sent. Warning: The service does
--       not say which datum: in China it is often GCJ-02, hundreds of metres off WGS 84. Example:
--       25.99.
CREATE OR REPLACE VIEW entity_exposure AS
WITH tracks AS (
    SELECT
        d.job_id,
        d.result_index,
        d.entity_index,
        sum(d.tracks_count) AS tracks_count
    FROM cpv_entity_details AS d
    GROUP BY d.job_id, d.result_index, d.entity_index
),

listed AS (
    SELECT
        l.job_id,
        l.label,
        l.label_group,
        (e.result_index, e.entity_index) AS place,
        struct_pack(level1 := l.label_level1, level2 := l.label_level2) AS levels,
        t.tracks_count,
        struct_pack(
            name := nullif(e.knowledge_name, ''),
            name_en := nullif(e.knowledge_name_en, ''),
            alias := nullif(e.knowledge_alias, ''),
            description := nullif(e.knowledge_description, ''),
            brand_name := nullif(e.knowledge_brand_name, ''),
            address := nullif(e.knowledge_address, ''),
            longitude := e.knowledge_longitude,
            latitude := e.knowledge_latitude
        ) AS knowledge
    FROM labels AS l
    INNER JOIN cpv_entities AS e
        ON
            l.job_id = e.job_id
            AND l.result_index = e.result_index
            AND l.thing_index = e.entity_index
    LEFT JOIN tracks AS t
        ON
            e.job_id = t.job_id
            AND e.result_index = t.result_index
            AND e.entity_index = t.entity_index
    WHERE l.table_name = 'cpv_entities' AND l.label IS NOT NULL
),

entities AS (
    SELECT
        i.job_id,
        i.label,
        i.label_group,
        arg_min(i.levels, i.place) AS levels,
        coalesce(sum(i.tracks_count), 0)::BIGINT AS tracks_count,
        arg_min(i.knowledge, i.place) FILTER (
            WHERE
            coalesce(
                i.knowledge.name,
                i.knowledge.name_en,
                i.knowledge.alias,
                i.knowledge.description,
                i.knowledge.brand_name,
                i.knowledge.address,
                i.knowledge.longitude::VARCHAR,
                i.knowledge.latitude::VARCHAR
            ) IS NOT NULL
        ) AS knowledge
    FROM listed AS i
    GROUP BY i.job_id, i.label, i.label_group
),

seen AS (
    SELECT
        a.job_id,
        a.label,
        a.label_group,
        -- A sum of binary fractions depends on their order; microseconds do not.
        round(sum(a.end_seconds - a.start_seconds), 6) AS exposure_seconds,
        sum(a.occurrences_count)::BIGINT AS occurrences_count,
        max(a.best_score) AS best_score,
        min(a.start_seconds) AS first_seconds,
        max(a.end_seconds) AS last_seconds
    FROM appearances() AS a
    WHERE a.kind = 'entity'
    GROUP BY a.job_id, a.label, a.label_group
)

SELECT
    e.job_id,
    e.label AS entity,
    e.levels.level1 AS label_level1,
    e.levels.level2 AS label_level2,
    coalesce(s.exposure_seconds, 0) AS exposure_seconds,
    coalesce(s.occurrences_count, 0) AS occurrences_count,
    e.tracks_count,
    s.best_score,
    s.first_seconds,
    s.last_seconds,
    e.knowledge.name AS knowledge_name,
    e.knowledge.name_en AS knowledge_name_en,
    e.knowledge.alias AS knowledge_alias,
    e.knowledge.description AS knowledge_description,
    e.knowledge.brand_name AS knowledge_brand_name,
    e.knowledge.address AS knowledge_address,
    e.knowledge.longitude AS knowledge_longitude,
    e.knowledge.latitude AS knowledge_latitude
FROM entities AS e
LEFT JOIN seen AS s
    ON
        e.job_id = s.job_id
        AND e.label = s.label
        AND e.label_group IS NOT DISTINCT FROM s.label_group;
