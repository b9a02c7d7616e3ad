"""Accept, cut or set aside: what becomes of one blob, good, bad and hostile."""

from __future__ import annotations

import contextlib
import gc
import json
import time
from dataclasses import replace
from typing import Any

import orjson
import pytest
from contract_kit import TYPES, Json, contract_of, counted, nested, only, read_examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from reference_flatten import SetAside, bring_marked
from strategies import ANY_JSON, blobs, mutated, written, written_forms

from transforms.contract import compile_gate
from transforms.findings import Unmapped
from transforms.flatten import read_blobs
from transforms.json_text import FRAGMENT_LIMIT, MAX_DEPTH, to_pointer
from transforms.validate import Examined, Verdict, check_blob, examine, gc_paused

META, VIDEO, CPV = contract_of("Meta"), contract_of("VideoLabel"), contract_of("CPVLabel")
DEPTHS = [1, 100, MAX_DEPTH - 1, MAX_DEPTH, 253, 254, 255, 256, 500, 900, 990, 1022, 1023, 2000]


def document_of(verdict: Verdict) -> Json:
    """Returns the accepted part of a blob, decoded."""
    assert verdict.line is not None
    return orjson.loads(verdict.line)


def person(*occurrences: Json, **more: Json) -> dict[str, Json]:
    """Returns a person of VideoLabel."""
    return {"occurrences": list(occurrences), **more}


@pytest.mark.parametrize(
    ("data", "reason", "keyword", "form"),
    [
        pytest.param("", "not_json", None, "string", id="empty"),
        pytest.param("   ", "not_json", None, "string", id="blank"),
        pytest.param("null", "contract", "type", "string", id="null"),
        pytest.param("true", "contract", "type", "string", id="true"),
        pytest.param("0", "contract", "type", "string", id="number"),
        pytest.param("-1.5e3", "contract", "type", "string", id="fraction"),
        pytest.param("[]", "contract", "type", "string", id="list"),
        pytest.param('"text"', "not_json", None, "string in a string", id="text in text"),
        pytest.param('""', "not_json", None, "string in a string", id="empty in text"),
        pytest.param("no label found", "not_json", None, "string", id="a sentence"),
        pytest.param("{'title': 'a'}", "not_json", None, "string", id="Python"),
        pytest.param('{"title":"a",}', "not_json", None, "string", id="comma too many"),
        pytest.param('{"title":"a"', "not_json", None, "string", id="cut short"),
        pytest.param('{"title":"a"} // done', "not_json", None, "string", id="comment"),
        pytest.param('{"title":NaN}', "not_json", None, "string", id="NaN"),
        pytest.param('{"title":"a","x":NaN}', "not_json", None, "string", id="unknown NaN"),
        pytest.param('{"title":"a","x":-Infinity}', "not_json", None, "string", id="Infinity"),
        pytest.param('{"title":"a","x":1e400}', "not_json", None, "string", id="1e400"),
        pytest.param('{"title":"a","x":01}', "not_json", None, "string", id="leading zero"),
        pytest.param('{"title":"\\ud800"}', "not_json", None, "string", id="lone surrogate"),
        pytest.param('{"title":"\ud800"}', "not_json", None, "string", id="surrogate itself"),
        pytest.param('{"title":"a\nb"}', "not_json", None, "string", id="raw line end in text"),
        pytest.param('{"title":"\x00"}', "not_json", None, "string", id="raw NUL"),
        pytest.param('{"title":"a"}{"title":"b"}', "not_json", None, "string", id="two documents"),
        pytest.param('{"title":"a"}\n{"title":"b"}', "not_json", None, "string", id="two lines"),
        pytest.param('\ufeff{"title":"a"}', "not_json", None, "string", id="byte-order mark"),
        pytest.param(b'{"title":"\xff"}', "not_json", None, "string", id="not UTF-8"),
        pytest.param({"other": 2**70}, "contract", "required", "object", id="beyond 64 bits"),
        pytest.param({"title": {1}}, "not_json", None, "object", id="no JSON object"),
        pytest.param([{"title": "a"}], "contract", "type", "object", id="a list as it is"),
        pytest.param(7, "contract", "type", "object", id="a number as it is"),
        pytest.param({}, "contract", "required", "object", id="anchor missing"),
        pytest.param(None, "contract", "required", "absent", id="absent"),
        pytest.param(
            '{"x":1,"title":"a","x":2}', "duplicate_key", None, "string", id="unknown twice"
        ),
        pytest.param(
            '{"title":"a","x":{"y":1,"y":1}}', "duplicate_key", None, "string", id="inside"
        ),
        pytest.param('{"title":1,"title":2}', "duplicate_key", None, "string", id="known, invalid"),
        pytest.param(
            json.dumps(json.dumps(json.dumps({"title": "a"}))),
            "contract",
            "type",
            "string in a string",
            id="encoded three times",
        ),
    ],
)
def test_a_blob_that_cannot_be_used_is_set_aside_whole(
    data: Json, reason: str, keyword: str | None, form: str
) -> None:
    """No line comes out, nothing is expected, and one finding says why with the text itself."""
    verdict = check_blob(data, META)
    finding = only(verdict.findings)
    assert (finding.scope, finding.reason, finding.keyword) == ("result", reason, keyword)
    assert (finding.pointer, finding.table_name, finding.errors_count) == ("", None, 1)
    assert (verdict.line, verdict.form, verdict.unmapped) == (None, form, ())
    assert verdict.expected == (0,)


@pytest.mark.parametrize("data", ["{", b"{", '{"title":"\xe9', "\ud800"])
def test_text_that_is_not_json_is_kept(data: str | bytes) -> None:
    """The fragment holds the text that was sent, as it can be written in UTF-8, and its size."""
    finding = only(check_blob(data, META).findings)
    encoded = data if isinstance(data, bytes) else data.encode(errors="replace")
    assert finding.fragment == encoded.decode()
    assert finding.fragment_bytes == len(encoded)
    assert finding.message.startswith("Data: ")


def test_a_long_fragment_is_cut_but_its_size_is_told() -> None:
    """A fragment stops after the limit; its size is that of the whole part, in bytes."""
    text = "啊" * (FRAGMENT_LIMIT + 5)
    finding = only(check_blob(text, META).findings)
    assert finding.fragment == text[:FRAGMENT_LIMIT]
    assert finding.fragment_bytes == 3 * (FRAGMENT_LIMIT + 5)
    row = only(check_blob({"tags": [{"ratio": text}]}, VIDEO).findings)
    assert row.fragment == ('{"ratio":"' + text)[:FRAGMENT_LIMIT]
    assert row.fragment_bytes == 3 * (FRAGMENT_LIMIT + 5) + len('{"ratio":""}')


def test_a_message_does_not_repeat_a_long_value() -> None:
    """A message is cut at 300 characters: the fragment holds the value."""
    finding = only(check_blob({"title": ["x" * 1000]}, META).findings)
    assert finding.message == "['" + "x" * 298 + "..."


@pytest.mark.parametrize(
    ("data", "form", "line"),
    [
        ('{"title":"a"}', "string", b'{"title":"a"}'),
        (b'{"title":"a"}', "string", b'{"title":"a"}'),
        ({"title": "a"}, "object", b'{"title":"a"}'),
        ('"{\\"title\\":\\"a\\"}"', "string in a string", b'{"title":"a"}'),
        (' \t{"title":"a"} ', "string", b' \t{"title":"a"} '),
        ('{\n"title":\r\n"a"\n}\n', "string", b'{ "title":  "a" } '),
        (json.dumps('{\n"title":"a"}'), "string in a string", b'{ "title":"a"}'),
        ('{\r"title":"a"}', "string", b'{ "title":"a"}'),
        ('{"title":"a\\nb"}', "string", b'{"title":"a\\nb"}'),
        ('{"title":"\\u0000"}', "string", b'{"title":"\\u0000"}'),
        ('{"title":"\u2028\x85"}', "string", '{"title":"\u2028\x85"}'.encode()),
        ('{"title":"\\ud83c\\udfac"}', "string", b'{"title":"\\ud83c\\udfac"}'),
        ('{"title":null}', "string", b'{"title":null}'),
    ],
)
def test_an_accepted_blob_is_one_line_of_its_own_text(data: Json, form: str, line: bytes) -> None:
    """The text goes on as it was sent, but for line ends between tokens."""
    assert check_blob(data, META) == Verdict(line, form, (1,), (1,))


def test_a_known_key_given_twice_is_left_to_the_second_parser() -> None:
    """Looking for duplicates in every accepted blob would cost more than reading it again."""
    assert check_blob('{"title":"a","title":"b"}', META).findings == ()


@pytest.mark.parametrize(
    ("number", "keyword"),
    [
        ("10", None),
        ("10.0", None),
        ("1e2", None),
        ("-0.0", None),
        ("2147483647", None),
        ("-2147483648", None),
        ("10.5", "type"),
        ("2147483648", "maximum"),
        ("2147483648.0", "maximum"),
        ("-2147483649", "minimum"),
        ("9223372036854775808", "maximum"),
        ("123456789012345678901234567890", "maximum"),
        ("1e300", "maximum"),
        ("true", "type"),
        ("null", "type"),
        ('"10"', "type"),
    ],
)
def test_a_pixel_is_a_whole_number_of_32_bits(number: str, keyword: str | None) -> None:
    """10 and 10.0 are one value; fractions, truth values, text and larger numbers are cut."""
    text = '{"persons":[{"occurrences":[{"position":{"leftTop":[N,0]}}]}]}'.replace("N", number)
    verdict = check_blob(text, VIDEO)
    if keyword is None:
        assert verdict.findings == ()
        assert verdict.line == text.encode()
    else:
        finding = only(verdict.findings)
        assert (finding.pointer, finding.keyword, finding.table_name) == (
            "/persons/0/occurrences/0/position/leftTop/0",
            keyword,
            "video_person_occurrences",
        )


@pytest.mark.parametrize(
    ("number", "accepted"),
    [
        ("9223372036854775808", True),
        ("1.7976931348623157e308", True),
        ("5e-324", True),
        ("true", False),
        ('"1"', False),
        ("[1]", False),
    ],
)
def test_a_ratio_is_any_number(number: str, accepted: bool) -> None:  # noqa: FBT001 - a case
    """Every finite number is a number; a truth value or a text is none."""
    verdict = check_blob(f'{{"tags":[{{"ratio":{number}}}]}}', VIDEO)
    assert (verdict.findings == ()) == accepted
    assert counted(VIDEO, verdict.expected).get("video_tags", 0) == int(accepted)


@pytest.mark.parametrize("levels", DEPTHS)
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_never_raises(levels: int, opening: str, closing: str) -> None:
    """Up to the limit deep values are like others; beyond it the blob is set aside."""
    deep = nested(levels, opening, closing, "0")
    unknown = check_blob(f'{{"title":"a","x":{deep}}}', META)
    known = check_blob(f'{{"title":{deep}}}', META)
    if levels < MAX_DEPTH:  # the object around it is one level, too
        assert unknown.unmapped == (Unmapped("/x", deep),)
        assert only(known.findings).keyword == "type"
    else:
        for finding in (only(unknown.findings), only(known.findings)):
            readable = levels <= 1023
            assert finding.reason == ("unreadable" if readable else "not_json")
            assert finding.fragment is not None
            assert deep in finding.fragment
    if levels <= 1023:
        as_object = check_blob({"title": orjson.loads(deep)}, META)
        assert only(as_object.findings).scope == "result"


def test_unknown_keys_are_reported_with_pointer_and_value() -> None:
    """Every unknown key is found at every level, its pointer escaped, its value as JSON."""
    blob = {
        "a/b": 1,
        "~": None,
        "": [True],
        "persons": [
            {"name": "A", "人脸": {"id": "f"}},
            person({"position": {"leftTop": [1, 2], "angle": 1.5}}, {"position": None}),
        ],
        "tags": None,
    }
    verdict = check_blob(json.dumps(blob), VIDEO)
    assert verdict.findings == ()
    assert verdict.unmapped == (
        Unmapped("/a~1b", "1"),
        Unmapped("/~0", "null"),
        Unmapped("/", "[true]"),
        Unmapped("/persons/0/人脸", '{"id":"f"}'),
        Unmapped("/persons/1/occurrences/0/position/angle", "1.5"),
    )


def test_unknown_keys_of_a_cut_row_go_with_its_fragment() -> None:
    """A cut row is quarantined whole; unknown keys of the rows beside it are reported."""
    verdict = check_blob({"tags": [{"ratio": "x", "k": 1}, {"k": 2}], "k": 3}, VIDEO)
    assert only(verdict.findings).fragment == '{"ratio":"x","k":1}'
    assert verdict.unmapped == (Unmapped("/tags/1/k", "2"), Unmapped("/k", "3"))


def test_duplicate_keys_are_looked_for_only_in_given_text() -> None:
    """A decoded document cannot tell; its text can."""
    assert examine({"title": "a", "x": 1}, META.gate) == Examined(
        {"title": "a", "x": 1}, (), (Unmapped("/x", "1"),)
    )
    found = examine({"title": "a", "x": 1}, META.gate, b'{"title":"a","x":2,"x":1}')
    assert found.document is None
    assert only(found.findings).message == "the key 'x' is given twice in one object"


def test_a_deep_document_without_its_text_is_set_aside() -> None:
    """What nests too deep even to be written is set aside without a fragment."""
    document = {"x": orjson.loads(nested(1000))}
    finding = only(examine(document, META.gate).findings)
    assert (finding.reason, finding.fragment, finding.fragment_bytes) == ("unreadable", None, None)
    assert finding.message == "nested more than 200 levels deep"


def test_a_disagreement_of_the_engines_is_quarantined() -> None:
    """A document only the fast engine refuses is set aside whole and says so."""
    refuses = compile_gate({"type": "object", "not": {}})
    gate = replace(META.gate, accepts=refuses.accepts, accepts_known=refuses.accepts_known)
    verdict = check_blob({"title": "a"}, replace(META, gate=gate))
    finding = only(verdict.findings)
    assert verdict.line is None
    assert (finding.scope, finding.reason, finding.keyword) == ("result", "contract", None)
    assert finding.message.startswith("the two engines disagree on this document")
    assert finding.fragment == '{"title":"a"}'


def test_the_collector_is_paused_and_comes_back() -> None:
    """Garbage collection is off inside, on again after an error, and left off where it was off."""
    assert gc.isenabled()
    with contextlib.suppress(KeyError), gc_paused():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()
    gc.disable()
    try:
        with gc_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


SURROGATES = st.text(st.characters(exclude_categories=()), max_size=8)


@pytest.mark.parametrize("kind", TYPES)
@given(
    data=st.one_of(
        st.text(),
        SURROGATES,
        st.binary(),
        ANY_JSON,
        written(ANY_JSON),
        written(written(ANY_JSON)),
        written(ANY_JSON).map(lambda text: text[:-1]),
    )
)
@settings(max_examples=60, deadline=None)
@example(data="\ud800")
@example(data=b"\xed\xa0\x80")
def test_no_data_raises(kind: str, data: Any) -> None:  # noqa: ANN401 - any data at all
    """Whatever Data holds, the verdict is a line or a reason, never an exception."""
    contract = contract_of(kind)
    verdict = check_blob(data, contract)
    whole = [finding for finding in verdict.findings if finding.scope == "result"]
    assert (verdict.line is None) == bool(whole)
    if verdict.line is not None:
        assert b"\n" not in verdict.line
        assert len(read_blobs(contract, [verdict.line])) == 1


@pytest.mark.parametrize("kind", TYPES)
@given(drawn=st.data())
@settings(max_examples=40, deadline=None)
def test_both_engines_agree_on_mutated_blobs(kind: str, drawn: st.DataObject) -> None:
    """On blobs with one place spoiled, both engines find the same violations at the same places."""
    agree(kind, drawn)


@pytest.mark.slow
@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", TYPES)
@given(drawn=st.data())
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
def test_both_engines_agree_on_a_thousand_mutated_blobs(kind: str, drawn: st.DataObject) -> None:
    """The same for a thousand blobs a Type."""
    agree(kind, drawn)


def agree(kind: str, drawn: st.DataObject) -> None:
    """Asserts that both engines find the same in a blob with one place spoiled."""
    gate = contract_of(kind).gate
    examples = st.sampled_from([e.blob for e in read_examples("examples") if e.type == kind])
    document = drawn.draw(mutated(st.one_of(examples, blobs(kind))))
    slow = {
        (to_pointer(tuple(e.absolute_path)), e.validator)
        for e in gate.reference.iter_errors(document)
    }
    fast = {(to_pointer(e.instance_path), e.kind.name) for e in gate.accepts.iter_errors(document)}
    assert slow == fast
    assert gate.accepts.is_valid(document) == gate.reference.is_valid(document) == (not slow)


@pytest.mark.parametrize("kind", TYPES)
@given(drawn=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_left_keeps_the_contract(kind: str, drawn: st.DataObject) -> None:
    """Without the rows set aside, as their pointers tell, a blob is accepted with as many rows."""
    contract = contract_of(kind)
    document = drawn.draw(mutated(st.one_of(blobs(kind), written_forms(kind))))
    verdict = check_blob(json.dumps(document), contract)
    lost = [s - e for s, e in zip(verdict.source, verdict.expected, strict=True)]
    if verdict.line is None:
        assert len(verdict.findings) == 1
        assert sum(verdict.expected) == 0
        return
    assert {finding.scope for finding in verdict.findings} <= {"row"}
    assert len(verdict.findings) <= sum(lost)
    assert bool(verdict.findings) == bool(sum(lost))
    rest = bring_marked(kind, document, [f.row_pointer or "" for f in verdict.findings])
    kept = without_marks(rest)
    assert contract.gate.reference.is_valid(kept)
    assert check_blob(kept, contract).expected == verdict.expected


def without_marks(node: Json) -> Json:
    """Returns a document without what was set aside: gone from arrays, null elsewhere."""
    if isinstance(node, list):
        return [without_marks(each) for each in node if not isinstance(each, SetAside)]
    if isinstance(node, dict):
        return {key: without_marks(value) for key, value in node.items()}
    return None if isinstance(node, SetAside) else node


def test_many_wrong_rows_take_time_in_proportion() -> None:
    """Ten times the wrong rows take about ten times as long, not a hundred times."""

    def seconds(rows: int) -> float:
        blob = {"details": [{"from": "x"}] * rows}
        start = time.process_time()
        verdict = check_blob(blob, contract_of("ASR"))
        assert len(verdict.findings) == rows
        return time.process_time() - start

    seconds(2_000)
    assert seconds(20_000) < 25 * seconds(2_000)
