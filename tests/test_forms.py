"""Other forms of the same data: each is brought to one, and told as it was written."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pytest
from contract_kit import (
    TYPES,
    Batch,
    Json,
    at_pointer,
    contract_of,
    flatten,
    result,
    success,
    take_out,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_flatten import bring, read_schema, table_names
from strategies import Place, mutated, rewritten, with_unknown_keys, written, written_forms

from transforms.findings import SourceForm
from transforms.forms import Edit, Shape, compile_shape, reshape, summarise, to_source
from transforms.json_text import to_pointer
from transforms.validate import check_blob, gc_paused

NLP, CPV, EVENTS = contract_of("NLP"), contract_of("CPVLabel"), contract_of("EventSplit")
PROPERTY = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FORMED = [kind for kind in TYPES if contract_of(kind).shape is not None]
LINK = "https://bucket.oss-cn-shanghai.aliyuncs.com/a.json?Expires=1"
WORDS = {"paragraphs": [{"paragraphId": "1758265418316500000", "words": [{"text": "我"}]}]}
SUMMARY = {"paragraphSummary": "a", "mindMapSummary": [{"topic": [{}]}]}


def loaded(kind: str, *data: Json) -> Batch:
    """Returns the batch of a reply with results of one Type; text is Data as it is."""
    return flatten(success(*({"Type": kind, "Data": each} for each in data)))


def forms_of(batch: Batch) -> list[tuple[int, str, str, str | None]]:
    """Returns the rows of `source_forms`: result, pointer, form and the key as written."""
    return batch.rows("source_forms", "result_index", "pointer", "form", "written_as")


def rows_of(batch: Batch, kind: str) -> dict[str, list[dict[str, Json]]]:
    """Returns the rows of every table of a Type, whichever result they are of."""
    return {
        name: [{k: v for k, v in row.items() if k != "result_index"} for row in batch.rows(name)]
        for name in table_names(read_schema(kind))
    }


SAME: dict[str, tuple[str, Json, Json, list[tuple[str, str, str | None]]]] = {
    "wrapped object": (
        "NLP",
        {"transcription": WORDS},
        {"transcription": {"transcription": WORDS}},
        [("/transcription", "wrapped", None)],
    ),
    "wrapped array": (
        "NLP",
        {"autoChapters": [{"id": 1}]},
        {"autoChapters": {"autoChapters": [{"id": 1}]}},
        [("/autoChapters", "wrapped", None)],
    ),
    "wrapped object that is a row": (
        "NLP",
        {"summarization": SUMMARY},
        {"summarization": {"summarization": SUMMARY}},
        [("/summarization", "wrapped", None)],
    ),
    "all parts wrapped": (
        "NLP",
        {"meetingAssistance": {"keywords": ["a"]}, "translation": {"paragraphs": []}},
        {
            "meetingAssistance": {"meetingAssistance": {"keywords": ["a"]}},
            "translation": {"translation": {"paragraphs": []}},
        },
        [("/meetingAssistance", "wrapped", None), ("/translation", "wrapped", None)],
    ),
    "misspelt in every row": (
        "NLP",
        {"translation": {"paragraphs": [{"sentences": [{"sentenceId": 1}, {}]}, {}]}},
        {"translation": {"paragraphs": [{"sentences": [{"sentenctId": 1}, {}]}, {}]}},
        [("/translation/paragraphs/*/sentences/*/sentenceId", "spelling", "sentenctId")],
    ),
    "misspelt once": (
        "NLP",
        {"transcription": {"audioInfo": {"size": 7, "language": "cn"}}},
        {"transcription": {"audioInfo": {"Size": 7, "language": "cn"}}},
        [("/transcription/audioInfo/size", "spelling", "Size")],
    ),
    "one object in place of an array": (
        "Subtitle",
        {"details": [{"allResultUrl": "u"}], "success": True},
        {"details": {"allResultUrl": "u"}, "success": True},
        [("/details", "single", None)],
    ),
    "an empty object in place of an array": (
        "Subtitle",
        {"details": [{}]},
        {"details": {}},
        [("/details", "single", None)],
    ),
    "Data is the array": ("EventSplit", {"events": [{}, {}]}, [{}, {}], [("", "bare", None)]),
    "Data is an empty array": ("EventSplit", {"events": []}, [], [("", "bare", None)]),
    "misspelt and single": (
        "EventSplit",
        {"events": [{}]},
        {"EventInfoList": {}},
        [("/events", "spelling", "EventInfoList"), ("/events", "single", None)],
    ),
    "Data is the link": ("Process", {"url": LINK}, LINK, [("", "bare", None)]),
    "another key of the link": (
        "Process",
        {"url": LINK},
        {"ResultUrl": LINK},
        [("/url", "spelling", "ResultUrl")],
    ),
    "JSON in place of its text": (
        "CPVLabel",
        {"entities": [{"knowledgeInfo": '{"name":"a","alias":["b",1.5,null]}'}]},
        {"entities": [{"knowledgeInfo": {"name": "a", "alias": ["b", 1.5, None]}}]},
        [("/entities/*/knowledgeInfo", "json_value", None)],
    ),
    "an array in place of a text": (
        "CPVLabel",
        {"entities": [{"knowledgeInfo": "[]"}, {}]},
        {"entities": [{"knowledgeInfo": []}, {}]},
        [("/entities/*/knowledgeInfo", "json_value", None)],
    ),
    "a number in place of a text": (
        "CPVLabel",
        {"entities": [{"knowledgeInfo": "7"}]},
        {"entities": [{"knowledgeInfo": 7}]},
        [("/entities/*/knowledgeInfo", "json_value", None)],
    ),
}


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("sent", ["object", "text", "text in text"])
def test_each_form_gives_the_rows_of_the_schemas_form(name: str, sent: str) -> None:
    """The rows are the same; `source_forms` alone tells that it was written otherwise."""
    kind, proper, other, forms = SAME[name]
    data = other
    if sent != "object":
        data = json.dumps(other, ensure_ascii=False)
    if sent == "text in text":
        data = json.dumps(data)
    usual, odd = loaded(kind, proper), loaded(kind, data)
    assert rows_of(odd, kind) == rows_of(usual, kind)
    assert any(rows_of(odd, kind).values())
    assert forms_of(usual) == []
    assert forms_of(odd) == [(0, *form) for form in forms]
    assert odd.rows("quarantine") == odd.rows("unmapped_fields") == []
    assert odd.rows("results", "state") == [("loaded",)]


def test_a_row_of_source_forms_by_hand() -> None:
    """Forms are numbered by job, in the order of its results, and name the Type as it was sent."""
    chapters: Json = {"autoChapters": {"autoChapters": []}}
    batch = flatten(
        success(
            {"Type": "eventSplit", "Data": {"eventInfoList": {}}},
            result("NLP", {"autoChapters": []}),
            result("NLP", chapters),
        ),
        success(result("NLP", chapters)),
    )
    row = {"job_id": "job-0", "result_index": 0, "type": "eventSplit", "pointer": "/events"}
    assert batch.rows("source_forms") == [
        {**row, "form_index": 0, "form": "spelling", "written_as": "eventInfoList"},
        {**row, "form_index": 1, "form": "single", "written_as": None},
        {
            "job_id": "job-0",
            "form_index": 2,
            "result_index": 2,
            "type": "NLP",
            "pointer": "/autoChapters",
            "form": "wrapped",
            "written_as": None,
        },
        {
            "job_id": "job-1",
            "form_index": 0,
            "result_index": 0,
            "type": "NLP",
            "pointer": "/autoChapters",
            "form": "wrapped",
            "written_as": None,
        },
    ]


@pytest.mark.parametrize(
    "data",
    [LINK, f'"{LINK}"', f' "{LINK}"\n', {"url": LINK}, f'{{"url":"{LINK}"}}'],
)
def test_a_link_may_stand_for_itself(data: Json) -> None:
    """Data that is a link, as text or as JSON text, is the row of its Type; private in the lake."""
    batch = loaded("Process", data)
    assert batch.rows("process_outputs", "url") == [(LINK,)]
    form = {LINK: "text", f'"{LINK}"': "string in a string", f' "{LINK}"\n': "string in a string"}
    expected = "object" if isinstance(data, dict) else form.get(data, "string")
    assert batch.rows("results", "data_form") == [(expected,)]


@pytest.mark.parametrize("data", ["", "no output", "oss://bucket/key", "{", "see https://a", "tru"])
def test_a_text_that_is_no_link_is_quarantined(data: str) -> None:
    """Text in place of a link keeps the contract or is set aside whole, as it was sent."""
    batch = loaded("Process", data)
    (row,) = batch.rows("quarantine")
    assert (row["scope"], row["reason"], row["keyword"]) == ("result", "contract", "pattern")
    assert json.loads(row["fragment"]) == data
    assert batch.rows("source_forms") == batch.rows("process_outputs") == []


@pytest.mark.parametrize("data", ["events", "https://a", "[{}", '"text"'])
def test_only_types_of_a_text_take_one(data: str) -> None:
    """Where no text may stand alone, text that is no JSON is told as such."""
    for kind in ("EventSplit", "Subtitle", "NLP"):
        assert loaded(kind, data).rows("quarantine", "reason") == [("not_json",)]


def test_a_mixture_is_told_place_by_place() -> None:
    """Where the elements of an array do not agree, each that differs is listed; others are not."""
    sentences = [{"sentenctId": 1}, {"sentenceId": 2}, {}, {"sentenctId": 4}, {"sentenctId": None}]
    blob = {"translation": {"paragraphs": [{}, {"sentences": sentences}]}}
    batch = loaded("NLP", blob)
    place = "/translation/paragraphs/1/sentences"
    assert forms_of(batch) == [
        (0, f"{place}/0/sentenceId", "spelling", "sentenctId"),
        (0, f"{place}/3/sentenceId", "spelling", "sentenctId"),
    ]
    found = batch.rows("nlp_translation_sentences", "sentence_id")
    assert found == [(1,), (2,), (None,), (4,), (None,)]
    assert batch.rows("unmapped_fields") == []


def test_elements_that_agree_are_one_row_of_source_forms() -> None:
    """Ten thousand misspelt keys are one row: `*` stands for every element that has the value."""
    sentences = [{"sentenctId": n} if n % 2 else {} for n in range(10_000)]
    batch = loaded("NLP", {"translation": {"paragraphs": [{"sentences": sentences}] * 2}})
    place = "/translation/paragraphs/*/sentences/*/sentenceId"
    assert forms_of(batch) == [(0, place, "spelling", "sentenctId")]
    assert len(batch.rows("nlp_translation_sentences")) == 20_000


def test_two_spellings_are_told_apart_in_the_summary() -> None:
    """Elements written under different keys do not agree, even if none uses the proper one."""
    shape = Shape(
        properties={"rows": Shape(items=Shape(properties={"a": Shape(spellings=("A", "aa"))}))}
    )
    made = reshape({"rows": [{"A": 1}, {"aa": 2}]}, shape)
    assert made.document == {"rows": [{"a": 1}, {"a": 2}]}
    assert list(summarise(made.document, made.edits)) == [
        SourceForm("/rows/0/a", "spelling", "A"),
        SourceForm("/rows/1/a", "spelling", "aa"),
    ]


@pytest.mark.parametrize(
    ("sentence", "value", "unmapped"),
    [
        ({"sentenceId": 1, "sentenctId": 2}, 1, [("sentenctId", "2")]),
        ({"sentenctId": 2, "sentenceId": 1}, 1, [("sentenctId", "2")]),
        ({"sentenceId": 1, "sentenctId": 1}, 1, [("sentenctId", "1")]),
        ({"sentenceId": 1, "sentenctId": None}, 1, []),
        ({"sentenceId": None, "sentenctId": 2}, 2, []),
        ({"sentenceId": 0, "sentenctId": 2}, 0, [("sentenctId", "2")]),
        ({"sentenceId": None, "sentenctId": None}, None, []),
    ],
)
def test_of_two_spellings_the_proper_one_counts(
    sentence: Json, value: int | None, unmapped: list[tuple[str, str]]
) -> None:
    """The other is kept as an unknown key; of null, which is absent, there is nothing to keep."""
    batch = loaded("NLP", {"translation": {"paragraphs": [{"sentences": [sentence]}]}})
    assert batch.rows("nlp_translation_sentences", "sentence_id") == [(value,)]
    place = "/translation/paragraphs/0/sentences/0"
    found = batch.rows("unmapped_fields", "pointer", "value")
    assert found == [(f"{place}/{key}", text) for key, text in unmapped]


def test_of_several_other_spellings_the_first_counts() -> None:
    """The order is that of the schema, not that of the document; the rest is kept as unknown."""
    batch = loaded("Process", {"FileUrl": LINK + "3", "Url": LINK, "URL": LINK + "2"})
    assert batch.rows("process_outputs", "url") == [(LINK,)]
    assert forms_of(batch) == [(0, "/url", "spelling", "Url")]
    assert batch.rows("unmapped_fields", "pointer", "value") == [
        ("/FileUrl", f'"{LINK}3"'),
        ("/URL", f'"{LINK}2"'),
    ]


def test_what_lies_beside_a_wrapper_is_kept() -> None:
    """Keys beside the inner part are unmapped, known ones too; those inside it as always."""
    inner = {"paragraphs": [{"x": 1}], "y": {"z": 2}, "transcription": {"deeper": 1}}
    blob = {"transcription": {"TaskId": "t", "transcription": inner, "paragraphs": [{}]}, "k": 0}
    batch = loaded("NLP", blob)
    assert batch.rows("nlp_results", "paragraphs_count") == [(1,)]
    assert batch.rows("unmapped_fields", "pointer", "value") == [
        ("/transcription/TaskId", '"t"'),
        ("/transcription/paragraphs", "[{}]"),
        ("/transcription/transcription/paragraphs/0/x", "1"),
        ("/transcription/transcription/y", '{"z":2}'),
        ("/transcription/transcription/transcription", '{"deeper":1}'),
        ("/k", "0"),
    ]
    assert forms_of(batch) == [(0, "/transcription", "wrapped", None)]
    assert batch.rows("results", "unmapped_count") == [(6,)]


@pytest.mark.parametrize("inner", [None, "text", 7, True])
def test_a_key_of_its_own_name_is_no_wrapper_unless_it_holds_a_part(inner: Json) -> None:
    """A scalar or null under its own name is an unknown key; the part is where it stands."""
    batch = loaded("NLP", {"transcription": {"transcription": inner, "paragraphs": [{}]}})
    assert batch.rows("nlp_results", "paragraphs_count") == [(1,)]
    assert forms_of(batch) == []
    assert batch.rows("unmapped_fields", "pointer", "value") == [
        ("/transcription/transcription", json.dumps(inner))
    ]


def test_findings_lead_into_the_document_as_it_was_written() -> None:
    """Pointer, row pointer and fragment of a cut row are those of the source, in every form."""
    blob = {
        "transcription": {"transcription": {"paragraphs": [{}, {"words": 3, "k": 1}]}},
        "summarization": {"summarization": {"paragraphSummary": 7}, "beside": 1},
        "translation": {"paragraphs": [{"sentences": [{"sentenctId": "1"}, {"sentenctId": 2}]}]},
        "autoChapters": {"autoChapters": [{"id": "1"}]},
    }
    batch = loaded("NLP", blob)
    place = ("row_pointer", "pointer", "table_name", "fragment")
    found = {row[0]: row[1:] for row in batch.rows("quarantine", *place)}
    paragraph = "/transcription/transcription/paragraphs/1"
    sentence = "/translation/paragraphs/0/sentences/0"
    summary, chapter = "/summarization/summarization", "/autoChapters/autoChapters/0"
    assert found == {
        paragraph: (f"{paragraph}/words", "nlp_paragraphs", '{"words":3,"k":1}'),
        summary: (f"{summary}/paragraphSummary", "nlp_summaries", '{"paragraphSummary":7}'),
        sentence: (f"{sentence}/sentenctId", "nlp_translation_sentences", '{"sentenctId":"1"}'),
        chapter: (f"{chapter}/id", "nlp_chapters", '{"id":"1"}'),
    }
    assert batch.rows("unmapped_fields", "pointer") == [("/summarization/beside",)]
    assert batch.rows("nlp_translation_sentences", "sentence_index", "sentence_id") == [(1, 2)]


@pytest.mark.parametrize(
    ("kind", "blob", "row", "pointer", "fragment"),
    [
        ("Subtitle", {"details": {"chResultUrl": 5}}, "/details", "/details/chResultUrl", None),
        ("EventSplit", [{}, 7, {}], "/1", "/1", "7"),
        ("EventSplit", {"EventInfoList": [None]}, *["/EventInfoList/0"] * 2, "null"),
        (
            "CPVLabel",
            {"entities": [{"knowledgeInfo": {"a": 1}}, {"knowledgeInfo": [1], "label": 2}]},
            "/entities/1",
            "/entities/1/label",
            '{"knowledgeInfo":[1],"label":2}',
        ),
    ],
)
def test_a_cut_row_of_another_form_is_kept_as_it_was(
    kind: str, blob: Json, row: str, pointer: str, fragment: str | None
) -> None:
    """The fragment is what the pointer leads to in Data; the parent counts it in the array."""
    batch = loaded(kind, json.dumps(blob))
    (found,) = batch.rows("quarantine")
    assert (found["scope"], found["row_pointer"], found["pointer"]) == ("row", row, pointer)
    assert found["fragment"] == fragment or fragment is None
    assert json.loads(found["fragment"]) == at_pointer(blob, row)
    assert found["fragment_bytes"] == len(found["fragment"].encode())
    totals = batch.made.totals[found["table_name"]]
    assert (totals["source"] - totals["loaded"], totals["quarantined"]) == (1, 1)


def test_a_blob_set_aside_whole_is_kept_as_it_was() -> None:
    """A wrong root in another form has the fragment as sent, and tells no form of rows."""
    blob = {"autoChapters": {"autoChapters": [{}], "k": 1}, "success": "yes"}
    batch = loaded("NLP", blob)
    (row,) = batch.rows("quarantine")
    assert (row["scope"], row["pointer"], row["row_pointer"]) == ("result", "/success", None)
    assert json.loads(row["fragment"]) == blob
    assert batch.rows("source_forms") == batch.rows("unmapped_fields") == []
    assert batch.made.totals["nlp_chapters"] == {"source": 1, "loaded": 0, "quarantined": 1}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("NLP", '{"autoChapters":{"autoChapters":[{"id":1,"id":2}]}}'),
        ("NLP", '{"autoChapters":{"autoChapters":[],"autoChapters":[{}]}}'),
        ("NLP", '{"transcription":{"audioInfo":{"Size":1,"Size":2}}}'),
        ("Subtitle", '{"details":{"allResultUrl":"a","allResultUrl":"b"}}'),
        ("EventSplit", '[{"a":1,"a":2}]'),
        ("Process", f'{{"Url":"{LINK}","Url":"{LINK}"}}'),
        ("CPVLabel", '{"entities":[{"knowledgeInfo":{"a":1,"a":2}}]}'),
    ],
)
def test_a_key_given_twice_is_found_in_every_form(kind: str, text: str) -> None:
    """A document that is written anew is searched first: no value is dropped in silence."""
    batch = loaded(kind, text)
    assert batch.rows("quarantine", "scope", "reason", "fragment") == [
        ("result", "duplicate_key", text)
    ]
    assert batch.rows("source_forms") == []


@pytest.mark.parametrize("levels", [150, 250, 500, 1000])
def test_deep_nesting_in_another_form_never_raises(levels: int) -> None:
    """Beside a wrapper, inside it, as JSON in place of a text: loaded, or set aside as a whole."""
    deep = "[" * levels + "]" * levels
    texts = [
        ("NLP", f'{{"autoChapters":{{"autoChapters":[],"x":{deep}}}}}'),
        ("NLP", f'{{"autoChapters":{{"autoChapters":[{{"x":{deep}}}]}}}}'),
        ("EventSplit", f'[{{"x":{deep}}}]'),
        ("CPVLabel", f'{{"entities":[{{"knowledgeInfo":{deep}}}]}}'),
        ("Subtitle", f'{{"details":{{"x":{deep}}}}}'),
    ]
    for kind, text in texts:
        batch = loaded(kind, text)
        if levels < 200:
            assert batch.rows("results", "state") == [("loaded",)], text[:40]
            assert len(batch.rows("source_forms")) == 1
        else:
            found = batch.rows("quarantine", "reason", "fragment")
            assert found == [("unreadable", text)], text[:40]


@pytest.mark.parametrize(
    ("kind", "blob", "pointers"),
    [
        ("NLP", {"transcription": {}, "translation": {}}, ["/transcription", "/translation"]),
        ("NLP", {"meetingAssistance": {"classifications": {}}}, []),
        ("NLP", {"transcription": {"paragraphs": None}}, ["/transcription"]),
        ("NLP", {"transcription": {"paragraphs": []}}, []),
        ("NLP", {"transcription": {"unknown": 1}}, ["/transcription"]),
        ("NLP", {"transcription": None, "autoChapters": []}, []),
        (
            "ImageLabel",
            {"persons": [{"position": {}}, {"position": None}, {"position": {"leftTop": [1, 2]}}]},
            ["/persons/0/position"],
        ),
        (
            "OCR",
            {"details": [{}, {"info": [{}, {"position": {}}]}]},
            ["/details/1/info/1/position"],
        ),
    ],
)
def test_an_object_that_holds_nothing_is_told_from_none(
    kind: str, blob: Json, pointers: list[str]
) -> None:
    """Plain objects leave no row: an empty one, which columns cannot tell from null, is listed."""
    batch = loaded(kind, blob)
    assert forms_of(batch) == [(0, pointer, "empty_object", None) for pointer in pointers]


def test_empty_objects_are_found_beside_rows_that_were_cut() -> None:
    """Their pointers count the elements of the source, not the rows left of them."""
    persons: list[Json] = [{"ratio": "x"}, {"occurrences": [7, {}, {"position": {}}]}, None]
    batch = loaded("VideoLabel", {"persons": persons}, {"persons": [{}, *persons]})
    assert forms_of(batch) == [
        (0, "/persons/1/occurrences/2/position", "empty_object", None),
        (1, "/persons/2/occurrences/2/position", "empty_object", None),
    ]


def test_forms_of_a_blob_the_second_parser_refuses_are_not_told() -> None:
    """A blob set aside by the parser that reads it has neither rows nor forms."""
    text = '{"success":true,"success":true,"persons":[{"position":{}}]}'
    batch = loaded("ImageLabel", text, {"persons": [{"position": {}}]})
    assert forms_of(batch) == [(1, "/persons/0/position", "empty_object", None)]
    assert batch.rows("quarantine", "result_index", "reason") == [(0, "duplicate_key")]


def test_a_document_in_the_schemas_form_is_left_alone() -> None:
    """Nothing is copied where nothing changes, and the given document never is changed."""
    shape = NLP.shape
    assert shape is not None
    document: Json = {"transcription": WORDS, "autoChapters": [{"id": 1}], "unknown": [1]}
    made = reshape(document, shape)
    assert made.document is document
    assert (made.edits, made.left_over) == ((), ())
    other: Json = {"autoChapters": {"autoChapters": []}, "transcription": WORDS}
    before = json.dumps(other)
    changed = reshape(other, shape)
    assert json.dumps(other) == before
    assert changed.document["transcription"] is WORDS


@pytest.mark.parametrize("document", [None, 7, "x", [], [1], {"autoChapters": 7}, {"a": {}}])
def test_whatever_a_document_is_it_can_be_reshaped(document: Json) -> None:
    """What fits no form is left for the contract to judge."""
    shape = NLP.shape
    assert shape is not None
    assert reshape(document, shape).document == document


@pytest.mark.parametrize(
    ("edits", "path", "source"),
    [
        ([], ("a", 0, "b"), ("a", 0, "b")),
        ([Edit(("a",), "wrapped")], ("a", "b"), ("a", "a", "b")),
        ([Edit(("a",), "wrapped")], ("a",), ("a", "a")),
        ([Edit(("a",), "wrapped")], ("b", "a"), ("b", "a")),
        ([Edit(("a",), "single")], ("a", 0, "b"), ("a", "b")),
        ([Edit(("a",), "single")], ("a",), ("a",)),
        ([Edit((), "bare")], ("a", 3, "b"), (3, "b")),
        ([Edit((), "bare")], (), ()),
        ([Edit(("a", 1, "b"), "spelling", "B")], ("a", 1, "b", 0), ("a", 1, "B", 0)),
        ([Edit(("a", 1, "b"), "spelling", "B")], ("a", 2, "b", 0), ("a", 2, "b", 0)),
        (
            [Edit(("a",), "spelling", "A"), Edit(("a",), "wrapped"), Edit(("a",), "single")],
            ("a", 0, "b"),
            ("A", "a", "b"),
        ),
        ([Edit(("a", "b"), "json_value")], ("a", "b"), ("a", "b")),
    ],
)
def test_a_place_is_found_in_the_source(
    edits: Sequence[Edit], path: Place, source: tuple[Any, ...]
) -> None:
    """Each change is undone on the way from the schema's form to the document."""
    assert to_source(path, edits) == source


def test_a_schema_without_other_forms_has_no_shape() -> None:
    """Only Types that are known in other forms are looked at for them."""
    assert {kind for kind in TYPES if contract_of(kind).shape is None} == {
        "VideoLabel",
        "ImageLabel",
        "TextLabel",
        "ASR",
        "OCR",
        "Meta",
    }
    assert compile_shape({"type": "object", "properties": {"a": {"type": "string"}}}) is None
    assert [kind for kind in TYPES if contract_of(kind).may_be_text] == ["Process"]


def test_many_cut_rows_in_another_form_take_time_in_proportion() -> None:
    """Ten times the wrong rows take about ten times as long, also where pointers are led back."""

    def seconds(rows: int) -> float:
        text = json.dumps({"autoChapters": {"autoChapters": [{"id": "x"}] * rows}})
        with gc_paused():  # as in the product
            start = time.process_time()
            assert len(check_blob(text, NLP).findings) == rows
            return time.process_time() - start

    few = min(seconds(300) for _ in range(3))
    assert min(seconds(3_000) for _ in range(3)) < 25 * few


def expanded(form: SourceForm, document: Json) -> Iterator[tuple[Place, str, str | None]]:
    """Yields the places a row of `source_forms` speaks of, in a document of the schema's form."""

    def walk(node: Json, parts: list[str], place: Place) -> Iterator[Place]:
        if node is None:
            return
        if not parts:
            yield place
        elif isinstance(node, list):
            for number in range(len(node)) if parts[0] == "*" else [int(parts[0])]:
                yield from walk(node[number], parts[1:], (*place, number))
        else:
            yield from walk(node.get(parts[0]), parts[1:], (*place, parts[0]))

    for place in walk(document, form.pointer.split("/")[1:], ()):
        yield place, form.form, form.written_as


@pytest.mark.parametrize("kind", FORMED)
@given(drawn=st.data())
@PROPERTY
def test_any_form_is_brought_to_the_schemas(kind: str, drawn: st.DataObject) -> None:
    """Written in other forms, a blob is the same document, and each place is told just once."""
    each = drawn.draw(rewritten(kind))
    contract = contract_of(kind)
    assert contract.shape is not None
    made = reshape(each.document, contract.shape)
    assert made.document == each.canonical
    assert made.left_over == ()
    forms = [
        place
        for form in summarise(made.document, made.edits)
        for place in expanded(form, made.document)
    ]
    assert sorted(forms, key=str) == sorted(each.forms, key=str)
    assert bring(read_schema(kind), each.document) == bring(read_schema(kind), each.canonical)


@pytest.mark.parametrize("kind", TYPES)
@given(drawn=st.data())
@PROPERTY
def test_unknown_keys_lead_into_the_document_as_it_was_written(
    kind: str, drawn: st.DataObject
) -> None:
    """Their pointers find their values in Data; without them there is no unknown key left."""
    text = drawn.draw(written(with_unknown_keys(kind, written_forms(kind))))
    document = json.loads(text)
    verdict = check_blob(text, contract_of(kind))
    assert verdict.findings == ()
    for each in verdict.unmapped:
        found = at_pointer(document, each.pointer)
        assert json.loads(each.value) == json.loads(orjson.dumps(orjson.loads(json.dumps(found))))
    for each in verdict.unmapped:
        take_out(document, each.pointer)
    rest = check_blob(document, contract_of(kind))
    assert (rest.unmapped, rest.findings) == ((), ())
    assert rest.expected == verdict.expected
    assert rest.forms == verdict.forms


@pytest.mark.parametrize("kind", TYPES)
@given(drawn=st.data())
@PROPERTY
def test_cut_rows_lead_into_the_document_as_it_was_written(kind: str, drawn: st.DataObject) -> None:
    """The fragment of every row set aside is what its pointer leads to in Data."""
    text = json.dumps(drawn.draw(mutated(with_unknown_keys(kind, written_forms(kind)))))
    document = orjson.loads(text)
    for finding in check_blob(text, contract_of(kind)).findings:
        pointer = "" if finding.row_pointer is None else finding.row_pointer
        assert finding.fragment is not None
        if finding.scope == "row":
            assert orjson.loads(finding.fragment) == at_pointer(document, pointer)
            assert finding.pointer.startswith(pointer)
        elif finding.reason == "contract":
            assert orjson.loads(finding.fragment) == document


def test_pointers_of_forms_name_the_keys_of_the_schema() -> None:
    """A form inside another is told by the schema's way to it, not by the way it was written."""
    blob = {"transcription": {"transcription": {"audioInfo": {"Size": 7}}}}
    pointers = [(pointer, form) for _, pointer, form, _ in forms_of(loaded("NLP", blob))]
    assert pointers == [
        ("/transcription", "wrapped"),
        (to_pointer(("transcription", "audioInfo", "size")), "spelling"),
    ]
