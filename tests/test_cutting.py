"""Cutting rows out of a document: which, in what order, and what is told of them."""

from __future__ import annotations

import json

import orjson
import pytest
from contract_kit import TYPES, Example, Json, contract_of, counted, only, read_examples

from transforms import validate
from transforms.cutting import Violation, cut_rows, inexact_numbers, value_at, violations
from transforms.errors import ConservationError
from transforms.findings import Finding
from transforms.validate import Verdict, check_blob

VIDEO, CPV, ASR = contract_of("VideoLabel"), contract_of("CPVLabel"), contract_of("ASR")
NLP, TEXT = contract_of("NLP"), contract_of("TextLabel")
COUNTEREXAMPLES = [e for e in read_examples("counterexamples") if e.rows is not None]


def document_of(verdict: Verdict) -> Json:
    """Returns the accepted part of a blob, decoded."""
    assert verdict.line is not None
    return orjson.loads(verdict.line)


def person(*occurrences: Json, **more: Json) -> dict[str, Json]:
    """Returns a person of VideoLabel."""
    return {"occurrences": list(occurrences), **more}


def test_only_the_row_that_is_wrong_is_cut() -> None:
    """The rows beside it stay where they are, and the finding names row, place and rule."""
    blob = {
        "persons": [
            person({"from": 1}, {"from": "2"}, {"from": 3}, name="A"),
            person(name="B", ratio="0.5"),
            person({"from": 4}, name="C"),
        ],
        "tags": [{"mainTagName": "m"}],
    }
    verdict = check_blob(json.dumps(blob), VIDEO)
    assert document_of(verdict) == {
        "persons": [
            person({"from": 1}, None, {"from": 3}, name="A"),
            None,
            person({"from": 4}, name="C"),
        ],
        "tags": [{"mainTagName": "m"}],
    }
    assert verdict.findings == (
        Finding(
            scope="row",
            reason="contract",
            message="'2' is not of type 'number', 'null'",
            pointer="/persons/0/occurrences/1/from",
            row_pointer="/persons/0/occurrences/1",
            keyword="type",
            table_name="video_person_occurrences",
            errors_count=1,
            fragment='{"from":"2"}',
            fragment_bytes=12,
        ),
        Finding(
            scope="row",
            reason="contract",
            message="'0.5' is not of type 'number', 'null'",
            pointer="/persons/1/ratio",
            row_pointer="/persons/1",
            keyword="type",
            table_name="video_persons",
            errors_count=1,
            fragment='{"occurrences":[],"name":"B","ratio":"0.5"}',
            fragment_bytes=43,
        ),
    )


def test_a_wrong_row_takes_the_rows_inside_it_along() -> None:
    """An invalid parent is one finding with all violations inside it, named by the outermost."""
    blob = {"persons": [person({"from": "a"}, {"to": [], "scene": 1}, {"from": 1}, name=5)]}
    verdict = check_blob(blob, VIDEO)
    finding = only(verdict.findings)
    assert (finding.table_name, finding.pointer, finding.keyword) == (
        "video_persons",
        "/persons/0/name",
        "type",
    )
    assert finding.errors_count == 4
    assert finding.fragment == orjson.dumps(blob["persons"][0]).decode()
    assert document_of(verdict) == {"persons": [None]}
    assert counted(VIDEO, verdict.source) == {
        "video_results": 1,
        "video_persons": 1,
        "video_person_occurrences": 3,
    }
    assert counted(VIDEO, verdict.expected) == {"video_results": 1}


def test_a_wrong_array_or_object_is_cut_with_the_row_that_holds_it() -> None:
    """Where an array of rows has another type, the row around it is cut, not the result."""
    blob = {"entities": [{"detailInfo": {"score": 1}}, {"detailInfo": [{"trackData": 3}, {}]}]}
    verdict = check_blob(blob, CPV)
    assert [(f.table_name, f.pointer, f.keyword) for f in verdict.findings] == [
        ("cpv_entities", "/entities/0/detailInfo", "type"),
        ("cpv_entity_details", "/entities/1/detailInfo/0/trackData", "type"),
    ]
    assert document_of(verdict) == {"entities": [None, {"detailInfo": [None, {}]}]}


def test_a_null_row_is_cut_like_any_other() -> None:
    """A null among rows is an element of the source that is quarantined, not one that vanished."""
    verdict = check_blob({"tags": [None, {"ratio": 1}, None]}, VIDEO)
    assert [(f.pointer, f.keyword, f.fragment) for f in verdict.findings] == [
        ("/tags/0", "type", "null"),
        ("/tags/2", "type", "null"),
    ]
    assert counted(VIDEO, verdict.source)["video_tags"] == 3
    assert counted(VIDEO, verdict.expected)["video_tags"] == 1


def test_findings_are_in_source_order() -> None:
    """The tenth row comes after the second."""
    tags = [{"ratio": "x"} if place in {2, 10} else {} for place in range(12)]
    pointers = [f.pointer for f in check_blob({"tags": tags}, VIDEO).findings]
    assert pointers == ["/tags/2/ratio", "/tags/10/ratio"]


def test_a_wrong_root_sets_the_whole_blob_aside() -> None:
    """A violation outside every row costs the blob; all violations are counted."""
    blob = {"success": "yes", "message": 1, "tags": [{"ratio": "x"}, {"ratio": 1}]}
    verdict = check_blob(blob, VIDEO)
    finding = only(verdict.findings)
    assert (finding.scope, finding.table_name) == ("result", None)
    assert (finding.pointer, finding.keyword) == ("/message", "type")
    assert finding.errors_count == 2
    assert json.loads(finding.fragment or "") == blob
    assert verdict.line is None
    assert counted(VIDEO, verdict.source) == {"video_results": 1, "video_tags": 2}
    assert counted(VIDEO, verdict.expected) == {}


def test_an_object_that_is_a_row_is_cut_alone() -> None:
    """It leaves null; what lies beside it stays, what lies in it goes with it as one finding."""
    blob = {
        "transcription": {"audioInfo": {"size": "big"}, "paragraphs": [{}]},
        "summarization": {"paragraphSummary": 1, "questionsAnsweringSummary": [{"answer": 2}, {}]},
        "meetingAssistance": {"classifications": [], "keywords": ["a"]},
    }
    verdict = check_blob(json.dumps(blob), NLP)
    assert document_of(verdict) == {
        "transcription": {"audioInfo": None, "paragraphs": [{}]},
        "summarization": None,
        "meetingAssistance": {"classifications": None, "keywords": ["a"]},
    }
    told = {(f.table_name, f.row_pointer, f.pointer, f.errors_count) for f in verdict.findings}
    assert told == {
        ("nlp_audio", "/transcription/audioInfo", "/transcription/audioInfo/size", 1),
        ("nlp_summaries", "/summarization", "/summarization/paragraphSummary", 2),
        ("nlp_scene_scores", *["/meetingAssistance/classifications"] * 2, 1),
    }
    assert {f.fragment for f in verdict.findings} == {
        '{"size":"big"}',
        '{"paragraphSummary":1,"questionsAnsweringSummary":[{"answer":2},{}]}',
        "[]",
    }
    lost = [a - b for a, b in zip(verdict.source, verdict.expected, strict=True)]
    gone = {"nlp_audio": 1, "nlp_summaries": 1, "nlp_scene_scores": 1, "nlp_questions": 2}
    assert counted(NLP, lost) == gone


def test_texts_and_pairs_are_cut_one_by_one() -> None:
    """An element of an array of scalars or pairs is a row; the others keep their positions."""
    blob = {
        "meetingAssistance": {"keywords": ["a", 1, "b", None]},
        "transcription": {"audioSegments": [[1, 2], [1, "2"], [1], [3.0, 4]]},
    }
    verdict = check_blob(json.dumps(blob), NLP)
    assert document_of(verdict) == {
        "meetingAssistance": {"keywords": ["a", None, "b", None]},
        "transcription": {"audioSegments": [[1, 2], None, None, [3.0, 4]]},
    }
    keywords, segments = "/meetingAssistance/keywords", "/transcription/audioSegments"
    assert [(f.row_pointer, f.pointer, f.keyword, f.fragment) for f in verdict.findings] == [
        (f"{keywords}/1", f"{keywords}/1", "type", "1"),
        (f"{keywords}/3", f"{keywords}/3", "type", "null"),
        (f"{segments}/1", f"{segments}/1/1", "type", '[1,"2"]'),
        (f"{segments}/2", f"{segments}/2", "minItems", "[1]"),
    ]


def test_a_text_to_be_split_is_cut_with_its_row() -> None:
    """A value that is no text costs the tag it stands in, and none of the other tags' values."""
    verdict = check_blob({"tags": [{"value": "a,b"}, {"value": ["c"]}, {"value": "d"}]}, TEXT)
    finding = only(verdict.findings)
    assert (finding.table_name, finding.row_pointer) == ("text_tags", "/tags/1")
    assert counted(TEXT, verdict.expected) == {
        "text_results": 1,
        "text_tags": 2,
        "text_tag_values": 3,
    }


@pytest.mark.parametrize("example", COUNTEREXAMPLES, ids=lambda example: example.id)
def test_counterexamples_cost_their_rows_only(example: Example) -> None:
    """Of a counterexample that tells its rows, these are set aside and nothing else is."""
    verdict = check_blob(example.blob, contract_of(example.type))
    found = {(f.row_pointer, f.table_name) for f in verdict.findings}
    assert found == set(example.rows or ())
    assert len(found) == len(verdict.findings)
    assert verdict.line is not None


def test_each_part_of_a_type_with_objects_has_such_a_counterexample() -> None:
    """Every table of NLP but its root can lose a row alone, and an example shows it."""
    shown = {table for e in COUNTEREXAMPLES if e.type == "NLP" for _, table in e.rows or ()}
    assert shown == {table.name for table in NLP.tables[1:]}


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        ("9007199254740991", True),
        ("9007199254740992", True),
        ("9007199254740993", False),
        ("9007199254740994", True),
        ("-9007199254740993", False),
        ("-9007199254740992", True),
        ("1152921504606846976", True),
        ("1152921504606846977", False),
        ("9223372036854775807", False),
        ("9223372036854775808", True),
        ("18446744073709551615", False),
        ("9007199254740993.0", True),
        ("1e300", True),
        ("0.1", True),
    ],
)
def test_a_whole_number_a_double_would_change_costs_its_row(
    number: str,
    kept: bool,  # noqa: FBT001 - a case
) -> None:
    """Columns of numbers are DOUBLE: a whole number that does not fit is set aside as it was."""
    text = f'{{"details":[{{"content":"a"}},{{"from":{number}}},{{"to":1}}]}}'
    verdict = check_blob(text, ASR)
    if kept:
        assert verdict.findings == ()
        assert verdict.line == text.encode()
        return
    finding = only(verdict.findings)
    assert (finding.keyword, finding.pointer) == ("x-exact", "/details/1/from")
    assert (finding.table_name, finding.row_pointer) == ("asr_segments", "/details/1")
    assert finding.message == f"{number} has more digits than a DOUBLE holds"
    assert finding.fragment == f'{{"from":{number}}}'
    assert document_of(verdict) == {"details": [{"content": "a"}, None, {"to": 1}]}


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        ("18446744073709551616", True),
        ("18446744073709551617", False),
        ("-9223372036854775809", False),
        ("123456789012345678901", False),
    ],
)
def test_whole_numbers_beyond_64_bits_are_held_to_the_same(
    number: str,
    kept: bool,  # noqa: FBT001 - a case
) -> None:
    """A whole number longer than 64 bits that a double would change costs its row, too."""
    verdict = check_blob(f'{{"details":[{{"from":{number}}},{{}}]}}', ASR)
    assert [finding.keyword for finding in verdict.findings] == ([] if kept else ["x-exact"])


def test_inexact_numbers_are_found_in_known_fields_only() -> None:
    """Unknown fields keep their text, texts and integers have other rules; nodes are gone into."""
    big = 2**53 + 1
    document = {
        "tags": [{"ratio": big, "x": big, "mainTagName": big}, {"occurrences": [{"from": -big}]}],
        "x": [big],
    }
    schema = VIDEO.gate.schema
    found = list(inexact_numbers(document, schema, schema))
    assert [(each.path, each.keyword) for each in found] == [
        (("tags", 0, "ratio"), "x-exact"),
        (("tags", 1, "occurrences", 0, "from"), "x-exact"),
    ]
    assert list(inexact_numbers([True, "a", None], schema, schema)) == []


def test_inexact_numbers_and_other_breaches_are_one_finding_a_row() -> None:
    """A row with both is cut once, and counts both."""
    verdict = check_blob({"tags": [{"ratio": 2**53 + 1, "mainTagName": 3}, {}]}, VIDEO)
    assert only(verdict.findings).errors_count == 2


@pytest.mark.parametrize("kind", TYPES)
def test_every_row_of_a_schema_can_be_told_from_its_path(kind: str) -> None:
    """A violation in the first element of every table names that table, by path alone."""
    contract = contract_of(kind)
    for table in contract.tables[1:]:
        if table.kind == "split":
            continue
        document, path = nest(contract.root.children, table.name)
        cut = only(cut_rows(document, [Violation(path, "type", "wrong")], contract.gate.schema))
        assert (cut.path, cut.error_path, cut.finding.table_name) == (path, path, table.name)
        assert value_at(document, path) is None


def nest(children: Json, name: str, path: tuple[str | int, ...] = ()) -> tuple[Json, Json]:
    """Returns a document with one element of a table, and the path to it."""
    for child in children:
        inside = [*child.path] if child.kind == "object" else [*child.path, 0]
        if child.name == name:
            return build((*path, *inside)), (*path, *inside)
        found = nest(child.children, name, (*path, *inside))
        if found[1]:
            return found
    return None, ()


def build(path: tuple[str | int, ...]) -> Json:
    """Returns the smallest document that has something at a path."""
    document: Json = "wrong"
    for part in reversed(path):
        document = [document] if isinstance(part, int) else {part: document}
    return document


def test_violations_are_told_with_path_and_keyword() -> None:
    """The reference engine's errors come with the path to the value and the rule it breaks."""
    document = {"details": [{"from": "1"}], "success": 3}
    found = violations(document, ASR.gate)
    assert sorted((each.path, each.keyword) for each in found) == [
        (("details", 0, "from"), "type"),
        (("success",), "type"),
    ]


def test_a_row_taken_out_and_not_told_of_stops_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set aside is counted against what is told of: a lost finding commits nothing."""
    cut = validate.cut_rows
    monkeypatch.setattr(validate, "cut_rows", lambda *given: cut(*given)[:-1])
    data = {"details": [{"from": "x"}, {"from": "y"}, {"from": 1}]}
    with pytest.raises(ConservationError, match="asr_segments: 2 elements were taken out and 1"):
        check_blob(data, ASR)
