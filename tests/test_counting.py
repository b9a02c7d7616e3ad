"""Counting what a document holds, table by table, without making rows of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from contract_kit import TYPES, Json, contract_of, counted
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_flatten import bring, flatten_blob, read_schema
from strategies import ANY_JSON, written_forms

from transforms.counting import count_elements, split_text

META, VIDEO, CPV = contract_of("Meta"), contract_of("VideoLabel"), contract_of("CPVLabel")
NLP, TEXT = contract_of("NLP"), contract_of("TextLabel")


def test_counts_by_hand() -> None:
    """Every table's elements are counted in the source, and apart what is left of them."""
    document: Json = {
        "cates": [],
        "entities": [
            {"detailInfo": [{"trackData": [{}, {}]}, {"trackData": None}, {}]},
            {"detailInfo": None},
            None,
            {"detailInfo": [None, {"trackData": [{}, None]}]},
        ],
        "freeTags": None,
        "unknown": [{}, {}],
    }
    counts = count_elements(CPV.root, document)
    root = {"cpv_results": 1}
    assert counted(CPV, counts.source) == root | {
        "cpv_entities": 4,
        "cpv_entity_details": 5,
        "cpv_entity_tracks": 4,
    }
    assert counted(CPV, counts.present) == root | {
        "cpv_entities": 3,
        "cpv_entity_details": 4,
        "cpv_entity_tracks": 3,
    }
    assert counts.none == (0,) * len(CPV.tables)


@pytest.mark.parametrize(
    "document", [None, [], "a", {"entities": {"detailInfo": []}}, {"cates": 3}]
)
def test_counting_minds_no_shape(document: Json) -> None:
    """Whatever the document is, it is one element of its root table."""
    assert counted(CPV, count_elements(CPV.root, document).source) == {"cpv_results": 1}


def test_counts_go_through_plain_objects() -> None:
    """An array below a plain object is found by its path, also where the object is null."""
    meta = META.root
    inner = replace(VIDEO.root.children[0], path=("a", "b"), children=())
    root = replace(meta, children=(inner,))
    assert count_elements(root, {"a": {"b": [{}, {}]}}).source == (1, 2)
    assert count_elements(root, {"a": None}).source == (1, 0)


def test_an_object_that_is_a_row_counts_where_it_is_there() -> None:
    """Whatever stands in its place is one element, null is none; its arrays count as others do."""
    whole: Json = {"conversationalSummary": [{}, None], "questionsAnsweringSummary": None}
    document: Json = {
        "transcription": {"audioInfo": {}},
        "summarization": whole,
        "meetingAssistance": {"classifications": None, "keywords": ["a", None, "", None]},
    }
    counts = count_elements(NLP.root, document)
    found = {"nlp_results": 1, "nlp_audio": 1, "nlp_summaries": 1}
    assert counted(NLP, counts.source) == found | {"nlp_speaker_summaries": 2, "nlp_keywords": 4}
    assert counted(NLP, counts.present) == found | {"nlp_speaker_summaries": 1, "nlp_keywords": 2}
    odd = count_elements(NLP.root, {"transcription": {"audioInfo": []}, "summarization": "x"})
    assert counted(NLP, odd.source) == found


def test_the_nodes_of_a_tree_count_on_all_levels() -> None:
    """Each node is one element, null and misshapen ones too; what is no array holds none."""
    tree = [
        {"topic": [{"topic": [{}, {"topic": []}]}, None, "x"]},
        {"topic": None},
        {"topic": {"topic": [{}]}},
        None,
    ]
    counts = count_elements(NLP.root, {"summarization": {"mindMapSummary": tree}})
    assert counted(NLP, counts.source)["nlp_mind_map_nodes"] == 9
    assert counted(NLP, counts.present)["nlp_mind_map_nodes"] == 7
    none = count_elements(NLP.root, {"summarization": {"mindMapSummary": {"topic": [{}]}}})
    assert "nlp_mind_map_nodes" not in counted(NLP, none.source)


def test_a_tree_of_any_depth_is_counted() -> None:
    """Counting goes down as far as a document can, without a stack of its own."""
    node: Json = {}
    for _ in range(5000):
        node = {"topic": [node]}
    counts = count_elements(NLP.root, {"summarization": {"mindMapSummary": [node]}})
    assert counted(NLP, counts.source)["nlp_mind_map_nodes"] == 5001


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", [""]),
        ("a", ["a"]),
        (" a , ,b,", ["a", "", "b", ""]),
        ("\u3000a\u3000b\u3000,\r\n\t", ["a\u3000b", ""]),
        ("\u00a0", ["\u00a0"]),
    ],
)
def test_a_text_is_split_and_trimmed(text: str, parts: list[str]) -> None:
    """Empty parts stay in the list, so that the others keep their positions."""
    assert split_text(text, ",") == parts


def test_the_parts_of_a_text_count_where_they_are_not_empty() -> None:
    """Empty parts and values that are no text are no elements; parts are never set aside."""
    document = {"tags": [{"value": "a,,b, "}, {"value": None}, {"value": 7}, None, {"value": "c"}]}
    counts = count_elements(TEXT.root, document)
    assert counted(TEXT, counts.source)["text_tag_values"] == 3
    assert counted(TEXT, counts.present)["text_tag_values"] == 3


@pytest.mark.parametrize("kind", TYPES)
@given(drawn=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_counts_are_those_of_the_second_flattener(kind: str, drawn: st.DataObject) -> None:
    """Of a blob that keeps its contract, as many elements are counted as it has rows."""
    document = drawn.draw(written_forms(kind))
    rows = flatten_blob(kind, document, "j", 0)
    counts = count_elements(contract_of(kind).root, bring(read_schema(kind), document))
    assert counted(contract_of(kind), counts.source) == {t: len(r) for t, r in rows.items() if r}
    assert counts.present == counts.source


@given(document=ANY_JSON.map(json.dumps).map(json.loads))
@settings(max_examples=50, deadline=None)
def test_any_document_can_be_counted(document: Json) -> None:
    """Counting minds no shape and finds no more elements than a document has values."""
    for kind in TYPES:
        counts = count_elements(contract_of(kind).root, document)
        assert counts.source[0] == 1
        assert all(a >= b for a, b in zip(counts.source, counts.present, strict=True))
