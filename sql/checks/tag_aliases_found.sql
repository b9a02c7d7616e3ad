-- severity: warn
-- Question: Is each label that has an alias found, as the kind the alias is for?
-- Grain: one row per alias of a name that is not; none while there are no labels
-- Reads: tag_aliases, labels
-- Units: none
WITH found AS (
    SELECT DISTINCT
        l.kind,
        l.source_label
    FROM labels AS l
    WHERE l.kind NOT IN ('person', 'unknown_face') AND l.source_label IS NOT NULL
),

near AS (
    SELECT
        a.kind,
        a.name,
        coalesce(bool_or(f.source_label = a.name AND a.kind IN ('', f.kind)), FALSE) AS is_found,
        list(DISTINCT f.kind) FILTER (f.source_label = a.name) AS kinds,
        min(f.source_label) FILTER (f.source_label <> a.name) AS other_spelling
    FROM tag_aliases AS a
    LEFT JOIN found AS f
        ON lower(trim(nfc_normalize(a.name))) = lower(trim(nfc_normalize(f.source_label)))
    GROUP BY a.kind, a.name
)

SELECT
    a.kind,
    a.name,
    a.label,
    a.source,
    CASE
        WHEN n.kinds IS NOT NULL
            THEN concat('found as ', array_to_string(list_sort(n.kinds), ', '))
        WHEN nfc_normalize(n.other_spelling) = nfc_normalize(a.name)
            THEN
                concat(
                    'the service writes ', n.other_spelling,
                    ', in another Unicode form: copy the name from there'
                )
        WHEN n.other_spelling IS NOT NULL THEN concat('the service writes ', n.other_spelling)
        ELSE 'no result has this name; no harm if it is a step to another'
    END AS hint
FROM tag_aliases AS a
INNER JOIN near AS n ON a.kind = n.kind AND a.name = n.name
WHERE NOT n.is_found AND (SELECT count(*) > 0 FROM found)
