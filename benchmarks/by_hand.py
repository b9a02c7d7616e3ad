"""What a SQL expert would write: from_json, unnest, COPY TO PARQUET; one Type at a time.

No validation, no quarantine, no counts: the floor our flatten step is held against.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

SPAN = '"score":"DOUBLE","from":"DOUBLE","to":"DOUBLE"'
BOX = '"position":{"leftTop":["INTEGER"],"rightBottom":["INTEGER"]}'
DETAIL = '"score":"DOUBLE","startTime":"DOUBLE","endTime":"DOUBLE"'
TRACK = '"trackData":[{"score":"DOUBLE","bbox":["INTEGER"],"timestamp":"DOUBLE"}]'
LABEL = (
    '"labelLevel1":"VARCHAR","labelLevel2":"VARCHAR","label":"VARCHAR",'
    '"appearanceProbability":"DOUBLE","knowledgeInfo":"VARCHAR"'
)
SHAPES = {
    "VideoLabel": (
        f'{{"persons":[{{"name":"VARCHAR","category":"VARCHAR","ratio":"DOUBLE","occurrences":'
        f'[{{{SPAN},{BOX},"timestamp":"DOUBLE","scene":"VARCHAR"}}]}}],"tags":[{{"mainTagName":'
        f'"VARCHAR","subTagName":"VARCHAR","ratio":"DOUBLE","occurrences":[{{{SPAN}}}]}}],'
        f'"classifications":[{{"score":"DOUBLE","category1":"VARCHAR","category2":"VARCHAR"}}]}}'
    ),
    "CPVLabel": (
        '{"type":"VARCHAR",'
        + ",".join(
            f'"{key}":[{{{LABEL},"detailInfo":[{{{DETAIL},{TRACK}}}]}}]'
            for key in ("cates", "entities", "hotwords", "freeTags")
        )
        + "}"
    ),
    "OCR": (
        '{"details":[{"timestamp":"DOUBLE","info":[{"score":"DOUBLE",'
        + BOX
        + ',"content":"VARCHAR"}]}]}'
    ),
    "ASR": '{"details":[{"from":"DOUBLE","to":"DOUBLE","content":"VARCHAR"}]}',
}
CORNERS = (
    'x."position"."leftTop"[1] AS l, x."position"."leftTop"[2] AS t, '
    'x."position"."rightBottom"[1] AS r, x."position"."rightBottom"[2] AS b'
)
PLACE = "job_id, result_index"


def flatten_by_hand(source: Path, target: Path, threads: int) -> int:
    """Flattens the blobs of a jsonl file into one Parquet file a table; returns the rows."""
    con = duckdb.connect(config={"threads": threads})
    con.execute(
        "CREATE TEMP TABLE raw AS SELECT * FROM read_json(?, format='newline_delimited', "
        "columns={job_id:'VARCHAR', result_index:'INT', type:'VARCHAR', data:'VARCHAR'})",
        [str(source)],
    )
    for name, shape in SHAPES.items():
        con.execute(
            f"CREATE TEMP TABLE {name} AS SELECT {PLACE}, from_json(data, '{shape}') AS d "  # noqa: S608 - our own names
            f"FROM raw WHERE type = '{name}'"
        )
    rows = 0

    def unnest(name: str, parent: str, array: str, index: str, keys: str) -> None:
        con.execute(
            f"CREATE TEMP TABLE {name} AS SELECT {keys}, unnest(range(len({array}))) AS {index}, "  # noqa: S608
            f"unnest({array}) AS x FROM {parent}"
        )

    def copy(name: str, keys: str, columns: str) -> None:
        nonlocal rows
        file = target / f"{name}.parquet"
        done = con.execute(
            f"COPY (SELECT {keys}, {columns} FROM {name}) TO '{file}' "  # noqa: S608
            "(FORMAT parquet, COMPRESSION zstd)"
        ).fetchall()
        rows += int(done[0][0])

    one, two, three = f"{PLACE}, i", f"{PLACE}, i, j", f"{PLACE}, i, j, k"
    unnest("persons", "VideoLabel", "d.persons", "i", PLACE)
    copy("persons", one, "x.name, x.category, x.ratio")
    unnest("person_occurrences", "persons", "x.occurrences", "j", one)
    copy("person_occurrences", two, f'x.score, x."from", x."to", {CORNERS}, x."timestamp", x.scene')
    unnest("tags", "VideoLabel", "d.tags", "i", PLACE)
    copy("tags", one, 'x."mainTagName", x."subTagName", x.ratio')
    unnest("tag_occurrences", "tags", "x.occurrences", "j", one)
    copy("tag_occurrences", two, 'x.score, x."from", x."to"')
    unnest("classifications", "VideoLabel", "d.classifications", "i", PLACE)
    copy("classifications", one, "x.score, x.category1, x.category2")
    for key in ("cates", "entities", "hotwords", "freeTags"):
        unnest(key, "CPVLabel", f'd."{key}"', "i", PLACE)
        copy(
            key,
            one,
            'x."labelLevel1", x."labelLevel2", x.label, '
            'x."appearanceProbability", x."knowledgeInfo"',
        )
        unnest(f"{key}_details", key, 'x."detailInfo"', "j", one)
        copy(f"{key}_details", two, 'x.score, x."startTime", x."endTime"')
    unnest("tracks", "entities_details", 'x."trackData"', "k", two)
    copy("tracks", three, 'x.score, x.bbox[1], x.bbox[2], x.bbox[3], x.bbox[4], x."timestamp"')
    unnest("frames", "OCR", "d.details", "i", PLACE)
    copy("frames", one, 'x."timestamp"')
    unnest("texts", "frames", "x.info", "j", one)
    copy("texts", two, f"x.score, {CORNERS}, x.content")
    unnest("segments", "ASR", "d.details", "i", PLACE)
    copy("segments", one, 'x."from", x."to", x.content')
    con.close()
    return rows
