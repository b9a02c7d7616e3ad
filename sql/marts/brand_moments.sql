-- Question: When is each brand seen, and as what?
-- Grain: one row per timed logo or entity of a brand, and per on-screen text and brand named in it
-- Reads: brands, timeline, tag_aliases
-- Units: seconds from the start of the video; score is a ratio
-- Warning: A name on screen has a row in every sampled frame that shows it, and one inside a longer
--     one counts for both; logo and entity overlap, and brand_exposure counts every second once. To
--     search the texts of all videos takes seconds: ask for one job_id, or for source <> 'text'.
-- Texts are searched for the names of all brands of the warehouse and for what their aliases take
-- in. Letter case, how much white space stands between words, full-width letters and digits, and
-- how an accent is composed make no difference. A name in Latin letters or digits is found as whole
-- words: LG is not in "algorithm". A name of one character is not looked for.
-- Columns:
--   job_id: Id of the job, as given to the service. Example: ****20b48fb04483915d4f2cd8ac****.
--   brand: Name of the brand, see brands. Example: CCTV-1.
--   source: logo (a tag), entity or text. Example: logo.
--   label: What was observed, see labels; of a text, all of it. Example: CCTV-1.
--   start_seconds [s]: Start of it, from the start of the video. Example: 2.44.
--   end_seconds [s]: End of it; a text is a moment. Example: 5.32.
--   score [ratio]: Confidence; NULL where there is none. Example: 0.97.
--   table_name: Table of the row it comes from. Example: video_tag_occurrences.
--   result_index: Position of the result in the reply, from 0.
--   index_1: First key of that row after result_index, as tag_index, see timeline.
--   index_2: Second key of that row, as occurrence_index.
CREATE OR REPLACE VIEW brand_moments AS
WITH names AS (
    SELECT
        b.source_name AS spelling,
        b.brand
    FROM brands AS b
    UNION
    SELECT
        b.brand AS spelling,
        b.brand
    FROM brands AS b
    UNION
    SELECT
        a.name AS spelling,
        b.brand
    FROM tag_aliases AS a
    INNER JOIN brands AS b ON a.label = b.brand
    WHERE a.kind IN ('', 'tag', 'entity')
),

folded AS (
    SELECT DISTINCT
        n.brand,
        trim(
            regexp_replace(
                translate(
                    lower(nfc_normalize(n.spelling)),
                    '０１２３４５６７８９ａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ',
                    '0123456789abcdefghijklmnopqrstuvwxyz'
                ),
                '[\s\x{0B}\x{85}\x{A0}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}]+', ' ', 'g'
            )
        ) AS spelling
    FROM names AS n
),

spellings AS (
    SELECT
        f.brand,
        f.spelling
    FROM folded AS f
    WHERE length(f.spelling) >= 2
),

-- A text is looked up by its words and characters, a name by its longest Latin word, or where it
-- has none by its first character: most texts meet no name, however many names there are.
sought AS (
    SELECT
        s.brand,
        s.spelling,
        coalesce(
            nullif(
                list_max(
                    list_transform(
                        string_split(regexp_replace(s.spelling, '[^\p{Latin}0-9]+', ' ', 'g'), ' '),
                        LAMBDA w: row(length(w), w)  -- noqa: RF03
                    )
                )[2],
                ''
            ),
            left(s.spelling, 1)
        ) AS token
    FROM spellings AS s
),

-- What stands on many frames is searched once.
texts AS (
    SELECT DISTINCT
        t.job_id,
        t.label
    FROM timeline AS t
    WHERE t.table_name = 'ocr_texts'
),

searched AS (
    SELECT
        t.job_id,
        t.label,
        CASE
            -- Few texts have what needs more than lower case, and it costs much more.
            WHEN
                regexp_matches(
                    t.label,
                    '[\x{09}-\x{0D}\x{85}\x{A0}\x{2000}-\x{200A}\x{202F}\x{205F}'
                    || '\x{3000}０-９Ａ-Ｚａ-ｚ\p{M}\x{1100}-\x{11FF}'
                    || '\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}]|  '
                )
                THEN trim(
                    regexp_replace(
                        translate(
                            lower(nfc_normalize(t.label)),
                            '０１２３４５６７８９ａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ',
                            '0123456789abcdefghijklmnopqrstuvwxyz'
                        ),
                        '[\s\x{0B}\x{85}\x{A0}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}]+', ' ', 'g'
                    )
                )
            ELSE lower(t.label)
        END AS folded_label
    FROM texts AS t
),

tokens AS (
    SELECT
        t.job_id,
        t.label,
        t.folded_label,
        unnest(
            list_concat(
                string_split(regexp_replace(t.folded_label, '[^\p{Latin}0-9]+', ' ', 'g'), ' '),
                string_split(t.folded_label, '')
            )
        ) AS token
    FROM searched AS t
),

-- By itself, so that the few texts that have a name are looked at closely, and no others.
candidates AS MATERIALIZED (
    SELECT DISTINCT
        t.job_id,
        t.label,
        t.folded_label,
        n.brand,
        n.spelling
    FROM tokens AS t
    INNER JOIN sought AS n ON t.token = n.token
    WHERE contains(t.folded_label, n.spelling)
),

-- Spaces around each Latin word, in text and name, make a match one of whole words.
named AS (
    SELECT DISTINCT
        c.job_id,
        c.label,
        c.brand
    FROM candidates AS c
    WHERE
        contains(
            regexp_replace(c.folded_label, '\s*([\p{Latin}0-9]+)\s*', ' \1 ', 'g'),
            regexp_replace(c.spelling, '\s*([\p{Latin}0-9]+)\s*', ' \1 ', 'g')
        )
)

SELECT
    t.job_id,
    b.brand,
    b.source,
    t.label,
    t.start_seconds,
    t.end_seconds,
    t.score,
    t.table_name,
    t.result_index,
    t.index_1,
    t.index_2
FROM timeline AS t
INNER JOIN brands AS b
    ON
        t.job_id = b.job_id
        AND t.result_index = b.result_index
        AND t.index_1 = b.thing_index
        AND CASE WHEN t.kind = 'tag' THEN 'logo' ELSE 'entity' END = b.source
WHERE t.table_name IN ('video_tag_occurrences', 'cpv_entity_details')
UNION ALL
SELECT
    t.job_id,
    n.brand,
    'text' AS source,
    t.label,
    t.start_seconds,
    t.end_seconds,
    t.score,
    t.table_name,
    t.result_index,
    t.index_1,
    t.index_2
FROM timeline AS t
INNER JOIN named AS n ON t.job_id = n.job_id AND t.label = n.label
WHERE t.table_name = 'ocr_texts';
