"""What was validated is what is flattened: no Data is read otherwise by the second parser."""

from __future__ import annotations

import json

import pytest
from contract_kit import Batch, dumps, flatten, nested, success
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms.json_text import MAX_DEPTH

TITLE = '{"title":"a"}'

# Data of a Meta result that is set aside whole, and the reason.
SET_ASIDE = {
    "not a number": ('{"title":"a","x":NaN}', "not_json"),
    "infinity": ('{"title":"a","x":Infinity}', "not_json"),
    "minus infinity": ('{"title":"a","x":-Infinity}', "not_json"),
    "a number beyond doubles": ('{"title":"a","x":1e400}', "not_json"),
    "a leading zero": ('{"title":"a","x":01}', "not_json"),
    "a bare fraction": ('{"title":"a","x":.5}', "not_json"),
    "a lone surrogate": ('{"title":"\\ud800"}', "not_json"),
    "surrogates the wrong way round": ('{"title":"\\udfac\\ud83c"}', "not_json"),
    "a raw control character": ('{"title":"a\x01"}', "not_json"),
    "a raw line end in a text": ('{"title":"a\nb"}', "not_json"),
    "a byte-order mark": (f"\ufeff{TITLE}", "not_json"),
    "two documents": (TITLE + TITLE, "not_json"),
    "two documents, one a line": (f"{TITLE}\n{TITLE}", "not_json"),
    "a comment": ('{"title":"a"/*x*/}', "not_json"),
    "a comma too many": ('{"title":"a",}', "not_json"),
    "an odd space between tokens": ('{\x0b"title":"a"}', "not_json"),
    "a space of no parser": ('{\u00a0"title":"a"}', "not_json"),
    "a known key twice": ('{"title":"a","title":"b"}', "duplicate_key"),
    "a known key twice, once escaped": ('{"title":"a","\\u0074itle":"b"}', "duplicate_key"),
    "an unknown key twice": ('{"title":"a","x":1,"x":2}', "duplicate_key"),
    "a key twice, deep down": ('{"title":"a","x":[{"y":{"z":1,"z":1}}]}', "duplicate_key"),
    "a key twice that is null": ('{"title":null,"title":"b"}', "duplicate_key"),
    "deeper than any parser goes": (f'{{"title":"a","x":{nested(10_000)}}}', "not_json"),
    "deeper than we go": (f'{{"title":"a","x":{nested(MAX_DEPTH)}}}', "unreadable"),
    "objects ten thousand deep": (
        f'{{"title":"a","x":{nested(10_000, chr(123) + chr(34) + "k" + chr(34) + ":", "}", "1")}}}',
        "not_json",
    ),
}

# The value of a number, and what its column holds.
READ_ALIKE = {
    "-0.0": 0.0,
    "-0": 0.0,
    "0.33292606472969055": 0.33292606472969055,
    "0.1000000000000000055511151231257827": 0.1,
    "1e-400": 0.0,
    "5e-324": 5e-324,
    "1.7976931348623157e308": 1.7976931348623157e308,
    "9007199254740992": 2.0**53,
    "9007199254740994": 2.0**53 + 2,
    "-9223372036854775808": -(2.0**63),
    "9223372036854775808": 2.0**63,
    "18446744073709551616": 2.0**64,
    "1E2": 100.0,
}

# Whole numbers between those that a double holds.
BETWEEN_DOUBLES = ["9007199254740993", "-9007199254740993", "9223372036854775807"]


def meta(data: str) -> Batch:
    """Returns the batch of one Meta result."""
    return flatten(dumps({"JobStatus": "Success", "Results": [{"Type": "Meta", "Data": data}]}))


def speech(start: str) -> Batch:
    """Returns the batch of one ASR result of two segments, the first with this start."""
    data = f'{{"details":[{{"from":{start}}},{{"from":1}}]}}'
    return flatten(dumps({"JobStatus": "Success", "Results": [{"Type": "ASR", "Data": data}]}))


@pytest.mark.parametrize("name", SET_ASIDE)
def test_what_two_parsers_might_read_otherwise_is_set_aside(name: str) -> None:
    """A document that is no JSON, ambiguous or too deep goes to quarantine whole, and says why."""
    data, reason = SET_ASIDE[name]
    batch = meta(data)
    assert batch.rows("quarantine", "scope", "reason") == [("result", reason)]
    assert batch.rows("meta_titles") == []


@pytest.mark.parametrize("depth", [1, MAX_DEPTH - 1])
def test_nesting_up_to_the_limit_is_kept(depth: int) -> None:
    """An unknown key may be as deep as the limit; its value is kept as it was sent."""
    batch = meta(f'{{"title":"a","x":{nested(depth)}}}')
    assert batch.rows("meta_titles", "title") == [("a",)]
    assert batch.rows("unmapped_fields", "pointer", "value") == [("/x", nested(depth))]


@pytest.mark.parametrize("space", ["\n", "\r\n", "\r", "\t", " \n \n"])
def test_line_ends_between_tokens_are_spaces(space: str) -> None:
    """A document over several lines is one document, those in its texts stay."""
    batch = meta(f'{space}{{{space}"title"{space}:{space}"a\\nb"{space}}}{space}')
    assert batch.rows("meta_titles", "title") == [("a\nb",)]


@pytest.mark.parametrize("text", ["\\u0000", "\\ud83c\\udfac", "\u2028", "\\\\n", "\\/"])
def test_texts_are_read_alike(text: str) -> None:
    """NUL, escaped pairs and odd line ends are text like any other."""
    data = f'{{"title":"{text}"}}'
    assert meta(data).rows("meta_titles", "title") == [(json.loads(data)["title"],)]


@pytest.mark.parametrize("number", READ_ALIKE)
def test_numbers_are_read_alike(number: str) -> None:
    """A number both parsers read as one double loads as that double."""
    batch = speech(number)
    assert batch.rows("asr_segments", "start_seconds") == [(READ_ALIKE[number],), (1.0,)]
    assert batch.rows("quarantine") == []


@pytest.mark.parametrize("number", BETWEEN_DOUBLES)
def test_a_number_no_double_holds_costs_its_row(number: str) -> None:
    """A whole number the column would change is set aside with its row, digit for digit."""
    batch = speech(number)
    assert batch.rows("asr_segments", "segment_index") == [(1,)]
    (row,) = batch.rows("quarantine")
    assert (row["keyword"], row["row_pointer"], row["pointer"]) == (
        "x-exact",
        "/details/0",
        "/details/0/from",
    )
    assert row["fragment"] == f'{{"from":{number}}}'


LONG = "123456789012345678901234567890"


@pytest.mark.parametrize("form", ["text", "object"])
@pytest.mark.parametrize("value", [LONG, f"[-{LONG},1.5]", f'{{"a":{{"b":{LONG}}}}}'])
def test_an_unknown_whole_number_of_any_length_is_kept(value: str, form: str) -> None:
    """Keys nobody knows keep whole numbers no parser of ours holds, digit by digit."""
    data = f'{{"title":"a","x":{value}}}'
    sent = data if form == "object" else json.dumps(data)
    body = f'{{"JobStatus":"Success","Results":[{{"Type":"Meta","Data":{sent}}}],"y":{value}}}'
    batch = flatten(body.encode())
    assert batch.rows("unmapped_fields", "pointer", "value") == [("/y", value), ("/x", value)]
    assert batch.rows("quarantine") == []


@pytest.mark.parametrize("form", ["text", "object"])
def test_a_long_whole_number_in_a_number_costs_its_row(form: str) -> None:
    """However Data is sent, the row is in quarantine with all digits."""
    data = f'{{"details":[{{"from":{LONG}}},{{"from":1}}]}}'
    sent = data if form == "object" else json.dumps(data)
    batch = flatten(
        f'{{"JobStatus":"Success","Results":[{{"Type":"ASR","Data":{sent}}}]}}'.encode()
    )
    assert batch.rows("quarantine", "keyword", "fragment") == [("x-exact", f'{{"from":{LONG}}}')]
    assert batch.rows("asr_segments", "segment_index") == [(1,)]


@pytest.mark.parametrize("data", ["9007199254740993", "1e17", LONG, "[9007199254740993]"])
def test_data_that_is_a_number_costs_only_itself(data: str) -> None:
    """A number in place of Data, beside an unknown key, is set aside and nothing raises."""
    body = f'{{"JobStatus":"Success","Results":[{{"Type":"Meta","Data":{data}}}],"x":1}}'
    batch = flatten(body.encode(), dumps({"JobStatus": "Success"}))
    assert [row["job_id"] for row in batch.rows("jobs")] == ["job-0", "job-1"]
    assert batch.rows("quarantine", "scope", "reason") == [("result", "contract")]


def test_a_whole_number_may_be_written_as_a_fraction() -> None:
    """`10.0` is a whole number, as JSON Schema has it; 10.5 is none and costs its row."""
    corners = ("[10.0,1e1]", "[10.5,1]")
    persons = ",".join(f'{{"position":{{"leftTop":{corner}}}}}' for corner in corners)
    data = f'{{"tags":[],"persons":[{persons}]}}'
    reply = {"JobStatus": "Success", "Results": [{"Type": "ImageLabel", "Data": data}]}
    batch = flatten(dumps(reply))
    assert batch.rows("image_persons", "person_index", "box_left", "box_top") == [(0, 10, 10)]
    assert batch.rows("quarantine", "keyword", "pointer") == [
        ("type", "/persons/1/position/leftTop/0")
    ]


@given(
    number=st.one_of(
        st.floats(allow_nan=False, allow_infinity=False).map(repr),
        st.integers().map(str),
        st.decimals(allow_nan=False, allow_infinity=False).map(str),
        st.from_regex(r"\A-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?\Z"),
    )
)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_number_is_read_alike_or_set_aside(number: str) -> None:
    """However a number is written, the column holds what the validator saw, or no row does."""
    batch = speech(number)
    aside = batch.rows("quarantine", "reason", "keyword")
    starts = [start for (start,) in batch.rows("asr_segments", "start_seconds")]
    if aside in ([("not_json", None)], [("unreadable", None)]):
        assert starts == []
    elif aside:
        assert (aside, starts) == ([("contract", "x-exact")], [1.0])
        assert int(float(number)) != int(number)
    else:
        assert starts == [float(number), 1.0]


@pytest.mark.slow
@pytest.mark.proof
@pytest.mark.timeout(900)
def test_two_hundred_megabytes_are_one_result_like_any_other() -> None:
    """A Data of 200 MB loads whole; where the limit is lower it is set aside with the reason."""
    segment = f'{{"from":1.25,"to":2.5,"content":"{"word " * 20}"}}'
    count = 200_000_000 // (len(segment) + 1) + 1
    data = f'{{"details":[{",".join([segment] * count)}]}}'
    assert len(data) > 200_000_000
    body = success({"Type": "ASR", "Data": data})
    whole = flatten(body, limit=256 << 20)
    assert whole.counts["asr_segments"] == count
    assert "quarantine" not in whole.counts
    limited = flatten(body, limit=100 << 20)
    (row,) = limited.rows("quarantine")
    assert (row["reason"], row["fragment"], row["fragment_bytes"]) == ("too_large", None, len(data))
    assert "asr_segments" not in limited.counts
