"""Blobs into rows: golden files, a second flattener, and every batch size."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction

import orjson
import pyarrow as pa
import pytest
from contract_kit import GOLDEN, TYPES, Json, contract_of, golden_blob
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from reference_flatten import Tables, flatten_blob, read_schema, table_names
from strategies import blobs, mutated, with_unknown_keys, written, written_forms

from transforms.flatten import Flattened, flatten_blobs, read_blobs
from transforms.validate import check_blob

PROPERTY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def product(
    kind: str, lines: Sequence[bytes], jobs: Sequence[str], indices: Sequence[int]
) -> Tables:
    """Returns the product's rows of some blobs as dictionaries."""
    contract = contract_of(kind)
    flattened = flatten_blobs(contract, read_blobs(contract, lines), jobs, indices)
    return {name: each.rows.to_pylist() for name, each in flattened.items()}


def reference(
    kind: str, documents: Sequence[Json], aside: Sequence[Sequence[str]] | None = None
) -> Tables:
    """Returns the second flattener's rows of some blobs, one job each; `aside` are lost rows."""
    lost = aside or [()] * len(documents)
    found = [flatten_blob(kind, d, f"job-{n}", n % 3, lost[n]) for n, d in enumerate(documents)]
    return {
        name: [row for tables in found for row in tables[name]]
        for name in table_names(read_schema(kind))
    }


def keys_of(number: int) -> tuple[list[str], list[int]]:
    """Returns job ids and result indices of so many blobs."""
    return [f"job-{n}" for n in range(number)], [n % 3 for n in range(number)]


def golden_tables(kind: str) -> dict[str, Json]:
    """Returns the expected tables of a Type's golden files: columns and rows by hand."""
    tables: dict[str, Json] = json.loads((GOLDEN / kind / "tables.json").read_bytes())
    return tables


def golden_rows(kind: str) -> Tables:
    """Returns the expected rows as dictionaries."""
    return {
        name: [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
        for name, table in golden_tables(kind).items()
    }


def test_every_type_has_golden_files() -> None:
    """Each Type has a blob and its tables, and there are none of other Types."""
    assert {folder.name for folder in GOLDEN.iterdir()} == set(TYPES)


@pytest.mark.parametrize("kind", TYPES)
def test_golden_files(kind: str) -> None:
    """Rows written by hand, rows of the second flattener and rows of the product are the same."""
    verdict = check_blob(golden_blob(kind), contract_of(kind))
    assert verdict.findings == ()
    assert verdict.unmapped == ()
    assert verdict.line is not None
    by_hand = golden_rows(kind)
    assert reference(kind, [json.loads(golden_blob(kind))]) == by_hand
    assert product(kind, [verdict.line], *keys_of(1)) == by_hand


@pytest.mark.parametrize("kind", TYPES)
def test_golden_columns(kind: str) -> None:
    """Tables and columns stand in the order written by hand, keys first."""
    columns = {name: table["columns"] for name, table in golden_tables(kind).items()}
    assert {t.name: t.arrow_schema.names for t in contract_of(kind).tables} == columns


@pytest.mark.parametrize("kind", TYPES)
def test_golden_counts(kind: str) -> None:
    """What is counted in a golden blob is what its tables hold."""
    verdict = check_blob(golden_blob(kind), contract_of(kind))
    by_hand = tuple(len(table["rows"]) for table in golden_tables(kind).values())
    assert verdict.source == verdict.expected == by_hand


@pytest.mark.parametrize("kind", TYPES)
def test_rows_have_the_types_of_the_layout(kind: str) -> None:
    """Every table has the Arrow schema of its layout, metadata included, with or without rows."""
    contract = contract_of(kind)
    line = check_blob(golden_blob(kind), contract).line or b""
    flattened = flatten_blobs(contract, read_blobs(contract, [line]), ["job-0"], [0])
    for table in contract.tables:
        rows = flattened[table.name].rows
        assert rows.schema.equals(table.arrow_schema, check_metadata=True)
        rows.validate(full=True)


def test_ordinals_keep_source_positions_where_rows_were_cut() -> None:
    """A null stands for a row that was set aside: its position stays unused."""
    document = {
        "persons": [
            None,
            {"name": "B", "occurrences": [{"from": 0}, None, {"from": 2}, None]},
            None,
            {"name": "D", "occurrences": [None]},
            {"name": "E", "occurrences": []},
        ],
        "tags": [None],
    }
    rows = product("VideoLabel", [orjson.dumps(document)], ["j"], [4])
    assert [
        (r["person_index"], r["name"], r["occurrences_count"]) for r in rows["video_persons"]
    ] == [
        (1, "B", 4),
        (3, "D", 1),
        (4, "E", 0),
    ]
    found = rows["video_person_occurrences"]
    assert [(r["person_index"], r["occurrence_index"], r["start_seconds"]) for r in found] == [
        (1, 0, 0.0),
        (1, 2, 2.0),
    ]
    assert {(r["job_id"], r["result_index"]) for r in found} == {("j", 4)}
    root = rows["video_results"][0]
    assert (root["persons_count"], root["tags_count"], root["classifications_count"]) == (
        5,
        1,
        None,
    )
    assert rows["video_tags"] == rows["video_tag_occurrences"] == []


@pytest.mark.parametrize(
    ("blob", "count"),
    [
        ('{"details":[]}', 0),
        ('{"details":null}', None),
        ('{"details":[{}]}', 1),
        ('{"details":[{},{}]}', 2),
    ],
)
def test_an_empty_array_counts_zero_and_null_none(blob: str, count: int | None) -> None:
    """`<children>_count` tells an empty array from an absent one."""
    rows = product("ASR", [blob.encode()], *keys_of(1))
    assert rows["asr_results"][0]["segments_count"] == count
    assert len(rows["asr_segments"]) == (count or 0)


def test_an_empty_object_is_a_row_of_nulls() -> None:
    """An element without any key is a row: only its keys are filled."""
    rows = product("OCR", [b'{"details":[{},{"info":[{}]}]}'], *keys_of(1))
    base = {"job_id": "job-0", "result_index": 0}
    assert rows["ocr_frames"] == [
        {**base, "frame_index": 0, "at_seconds": None, "texts_count": None},
        {**base, "frame_index": 1, "at_seconds": None, "texts_count": 1},
    ]
    empty = dict.fromkeys(["score", "box_left", "box_top", "box_right", "box_bottom", "content"])
    assert rows["ocr_texts"] == [{**base, "frame_index": 1, "text_index": 0, **empty}]


def test_a_null_object_gives_nulls_in_its_columns() -> None:
    """A box that is null, absent or half there leaves just its own columns NULL."""
    boxes = [
        None,
        {},
        {"leftTop": None, "rightBottom": [3, 4]},
        {"leftTop": [1, 2]},
    ]
    persons = [{"position": box} for box in boxes]
    rows = product("ImageLabel", [orjson.dumps({"persons": persons})], *keys_of(1))
    corners = ("box_left", "box_top", "box_right", "box_bottom")
    assert [tuple(row[c] for c in corners) for row in rows["image_persons"]] == [
        (None, None, None, None),
        (None, None, None, None),
        (None, None, 3, 4),
        (1, 2, None, None),
    ]


@pytest.mark.parametrize(
    ("text", "name", "alias", "longitude"),
    [
        (None, None, None, None),
        ("", None, None, None),
        ("null", None, None, None),
        ("not JSON", None, None, None),
        ("[1,2]", None, None, None),
        ('"name"', None, None, None),
        ("7", None, None, None),
        ('{"name":"a"', None, None, None),
        ('{"name":"\\ud800"}', None, None, None),
        ("{}", None, None, None),
        ('{"name":"","alias":null,"longitude":""}', None, None, None),
        ('{"name":"黄果树","alias":["a","b"],"longitude":105.5}', "黄果树", '["a","b"]', 105.5),
        ('{"name":7,"alias":{"en":"x"},"longitude":"-105.50"}', "7", '{"en":"x"}', -105.5),
        ('{"name":true,"alias":0,"longitude":106}', "true", "0", 106.0),
        ('{"longitude":"105°40\'E"}', None, None, None),
        ('{"longitude":[105]}', None, None, None),
        ('{"longitude":true}', None, None, None),
        ('{"longitude":"nan"}', None, None, None),
        ('{"longitude":"1e999"}', None, None, None),
        ('{"name":"a","longitude":"inf"}', "a", None, None),
        ('{"name":' + "[" * 500 + "]" * 500 + "}", None, None, None),
    ],
)
def test_knowledge_is_read_as_best_it_can(
    text: str | None, name: str | None, alias: str | None, longitude: float | None
) -> None:
    """What is no JSON object, and fields that do not fit, are NULL; the text itself is kept."""
    line = orjson.dumps({"entities": [{"knowledgeInfo": text}]})
    row = product("CPVLabel", [line], *keys_of(1))["cpv_entities"][0]
    assert row["knowledge_info"] == text
    found = (row["knowledge_name"], row["knowledge_alias"], row["knowledge_longitude"])
    assert found == (name, alias, longitude)


def test_the_same_knowledge_is_given_to_every_row() -> None:
    """A text that comes again is parsed once and lands in each of its rows, NULL in between."""
    texts = ['{"name":"a"}', None, '{"name":"b"}', '{"name":"a"}']
    blob = {"entities": [{"knowledgeInfo": text} for text in texts]}
    rows = product("CPVLabel", [orjson.dumps(blob)] * 2, *keys_of(2))["cpv_entities"]
    assert [row["knowledge_name"] for row in rows] == ["a", None, "b", "a"] * 2


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_batch_of_any_size_gives_the_same_rows(size: int) -> None:
    """Blobs flattened together give the rows they give alone, in the order of the blobs."""
    texts = [
        '{"details":[]}',
        '{"details":null}',
        golden_blob("OCR"),
        '{"details":[{"info":[{}]}]}',
    ]
    lines = [orjson.dumps(json.loads(text)) for text in (*texts, golden_blob("OCR"))]
    jobs, indices = keys_of(len(lines))
    together: Tables = {name: [] for name in table_names(read_schema("OCR"))}
    for start in range(0, len(lines), size):
        part = slice(start, start + size)
        for name, rows in product("OCR", lines[part], jobs[part], indices[part]).items():
            together[name] += rows
    assert together == reference("OCR", [orjson.loads(line) for line in lines])


def test_owners_name_the_blob_of_each_row() -> None:
    """For every row the position of its blob is known, so that rows can be counted by blob."""
    contract = contract_of("OCR")
    lines = [
        b'{"details":[{"info":[{},{}]},{}]}',
        b'{"details":[]}',
        b'{"details":[{"info":[{}]}]}',
    ]
    found = flatten_blobs(contract, read_blobs(contract, lines), *keys_of(3))
    owners = {name: each.owners.tolist() for name, each in found.items()}
    assert owners == {"ocr_results": [0, 1, 2], "ocr_frames": [0, 0, 2], "ocr_texts": [0, 0, 2]}
    assert all(isinstance(each, Flattened) for each in found.values())


@pytest.mark.parametrize(
    "line",
    [
        b'{"title":1}',
        b'{"title":"a","title":"b"}',
        b'{"title":"a"}\n{"title":"b"}',
        b'{"title":"a"} {"title":"b"}',
        b'{"title"',
        b"",
    ],
)
def test_what_does_not_read_as_one_blob_is_refused(line: bytes) -> None:
    """A blob of another type, a known key given twice, and two blobs in a line never pass."""
    contract = contract_of("Meta")
    with pytest.raises(pa.ArrowInvalid):
        read_blobs(contract, [b'{"title":"before"}', line])


def test_unknown_keys_are_passed_over() -> None:
    """Unknown keys are no columns, whatever lies in them."""
    line = b'{"x":{"title":1},"title":"a","y":[[{}]]}'
    assert product("Meta", [line], *keys_of(1))["meta_titles"][0]["title"] == "a"


def test_an_object_that_is_a_row_may_be_absent() -> None:
    """An object with a table is a row where it is there, even if it holds nothing, else none."""
    documents: list[Json] = [
        {"transcription": {"audioInfo": {}}},
        {"transcription": {"audioInfo": None}},
        {"transcription": {}},
        {"transcription": None},
        {"transcription": {"audioInfo": {"size": 7}}, "summarization": {"mindMapSummary": []}},
    ]
    rows = product("NLP", [orjson.dumps(each) for each in documents], *keys_of(5))
    assert [(row["job_id"], row["size_bytes"]) for row in rows["nlp_audio"]] == [
        ("job-0", None),
        ("job-4", 7),
    ]
    (summaries,) = rows["nlp_summaries"]
    assert (summaries["job_id"], summaries["mind_map_nodes_count"]) == ("job-4", 0)
    assert summaries["questions_count"] is None
    assert len(rows["nlp_results"]) == 5


def test_what_lies_in_an_object_that_is_a_row_has_its_keys() -> None:
    """Rows below such an object carry the key of the result, and are told apart by their blob."""
    documents = [
        {"summarization": {"conversationalSummary": [{"speakerName": name}, {}]}}
        for name in ("a", "b")
    ]
    lines = [orjson.dumps(documents[0]), b'{"autoChapters":[]}', orjson.dumps(documents[1])]
    rows = product("NLP", lines, *keys_of(3))["nlp_speaker_summaries"]
    keys = ("job_id", "result_index", "speaker_summary_index", "speaker_name")
    assert [tuple(row[key] for key in keys) for row in rows] == [
        ("job-0", 0, 0, "a"),
        ("job-0", 0, 1, None),
        ("job-2", 2, 0, "b"),
        ("job-2", 2, 1, None),
    ]


def test_arrays_of_scalars_and_pairs_are_rows() -> None:
    """Each text or pair is a row under its position; one set aside leaves its position unused."""
    document = {
        "meetingAssistance": {"keywords": ["a", None, ""]},
        "transcription": {"audioSegments": [None, [1, 2.0], [1500, -1]]},
    }
    rows = product("NLP", [orjson.dumps(document)], *keys_of(1))
    key = {"job_id": "job-0", "result_index": 0}
    assert rows["nlp_keywords"] == [
        {**key, "keyword_index": 0, "keyword": "a"},
        {**key, "keyword_index": 2, "keyword": ""},
    ]
    assert rows["nlp_audio_segments"] == [
        {**key, "segment_index": 1, "start_seconds": 0.001, "end_seconds": 0.002},
        {**key, "segment_index": 2, "start_seconds": 1.5, "end_seconds": -0.001},
    ]
    root = rows["nlp_results"][0]
    assert (root["keywords_count"], root["audio_segments_count"]) == (3, 3)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (None, {}),
        ("", {}),
        (" ", {}),
        (",", {}),
        ("a", {0: "a"}),
        ("a,b", {0: "a", 1: "b"}),
        (",a,,b,", {1: "a", 3: "b"}),
        ("  a b \t,\r\n,\u3000北 京\u3000", {0: "a b", 2: "北 京"}),
        ("a\uff0cb;c", {0: "a\uff0cb;c"}),
        ("\u00a0a\u2028", {0: "\u00a0a\u2028"}),
        ('"a, b"', {0: '"a', 1: 'b"'}),
        ("a\x00,b", {0: "a\x00", 1: "b"}),
    ],
)
def test_a_text_is_split_at_ascii_commas(text: str | None, values: dict[int, str]) -> None:
    """Parts lose the blanks around them; empty ones are no rows but keep their position."""
    blob = {"tags": [{"value": "before"}, {"value": text}, {"value": "after,"}]}
    rows = product("TextLabel", [orjson.dumps(blob)], *keys_of(1))
    found = [(r["tag_index"], r["value_index"], r["value"]) for r in rows["text_tag_values"]]
    assert found == [
        (0, 0, "before"),
        *((1, place, value) for place, value in values.items()),
        (2, 0, "after"),
    ]
    assert rows["text_tags"][1]["value"] == text


@given(
    times=st.lists(
        st.one_of(
            st.integers(-(10**15), 10**15),
            st.integers(0, 10**7),
            st.integers(10**15 - 2000, 10**15),
            st.integers(-(10**15), -(10**15) + 2000),
        ),
        min_size=1,
        max_size=50,
    )
)
@example(times=[10**15, -(10**15), 10**15 - 1, 1 - 10**15, 0, 1, -1, 999, 4503599627371])
@PROPERTY
def test_milliseconds_become_seconds_and_back(times: list[int]) -> None:
    """Seconds are the double nearest to ms / 1000, and rounding them gives the milliseconds."""
    blob = {
        "autoChapters": [{"start": ms} for ms in times],
        "transcription": {"audioSegments": [[ms, float(ms)] for ms in times]},
    }
    verdict = check_blob(json.dumps(blob), contract_of("NLP"))
    assert verdict.findings == ()
    rows = product("NLP", [verdict.line or b""], *keys_of(1))
    seconds = [row["start_seconds"] for row in rows["nlp_chapters"]]
    assert [round(each * 1000) for each in seconds] == times
    assert [Fraction(each) for each in seconds] == [
        Fraction(float(Fraction(t, 1000))) for t in times
    ]
    pairs = [(row["start_seconds"], row["end_seconds"]) for row in rows["nlp_audio_segments"]]
    assert pairs == [(each, each) for each in seconds]


@pytest.mark.parametrize("kind", TYPES)
@given(drawn=st.data())
@PROPERTY
def test_rows_are_those_of_the_second_flattener(kind: str, drawn: st.DataObject) -> None:
    """On any blobs that keep the contract, however written, both flatteners agree row by row."""
    documents = with_unknown_keys(kind, st.one_of(blobs(kind), written_forms(kind)))
    texts = drawn.draw(st.lists(written(documents), min_size=1, max_size=3))
    verdicts = [check_blob(text, contract_of(kind)) for text in texts]
    assert [verdict.findings for verdict in verdicts] == [()] * len(texts)
    lines = [verdict.line for verdict in verdicts if verdict.line is not None]
    made = product(kind, lines, *keys_of(len(texts)))
    assert made == reference(kind, [json.loads(text) for text in texts])
    counts = [sum(v.expected[n] for v in verdicts) for n in range(len(made))]
    assert [len(rows) for rows in made.values()] == counts


@pytest.mark.parametrize("kind", TYPES)
@given(drawn=st.data())
@PROPERTY
def test_rows_beside_a_spoiled_place_are_the_same(kind: str, drawn: st.DataObject) -> None:
    """Of a blob with one place spoiled, what is left gives the rows both flatteners agree on."""
    document = drawn.draw(mutated(st.one_of(blobs(kind), written_forms(kind))))
    verdict = check_blob(json.dumps(document), contract_of(kind))
    if verdict.line is not None:
        made = product(kind, [verdict.line], *keys_of(1))
        aside = [finding.row_pointer or "" for finding in verdict.findings]
        assert made == reference(kind, [document], [aside])
        assert tuple(len(rows) for rows in made.values()) == verdict.expected


@pytest.mark.parametrize("written", ["0.00001", "1e-7", "1.0", "1e+16", "-0.0"])
def test_a_number_in_place_of_json_text_is_kept_as_text(written: str) -> None:
    """A number where JSON text is expected stays in the column, equal to the last bit."""
    verdict = check_blob(f'{{"entities":[{{"knowledgeInfo":{written}}}]}}', contract_of("CPVLabel"))
    rows = product("CPVLabel", [verdict.line or b""], *keys_of(1))["cpv_entities"]
    assert [row["knowledge_info"] for row in rows] == [written]
