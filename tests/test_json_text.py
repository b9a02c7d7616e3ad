"""Depth, duplicate keys, pointers and fragments of JSON text."""

from __future__ import annotations

import json

import orjson
import pytest
from contract_kit import Json, nested
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ANY_JSON

from transforms.json_text import (
    FRAGMENT_LIMIT,
    MAX_DEPTH,
    cut_fragment,
    duplicate_key,
    is_nested_deeper,
    to_pointer,
    without_strings,
)


@pytest.mark.parametrize(
    ("document", "depth"),
    [
        ("a", 0),
        (None, 0),
        ([], 1),
        ({}, 1),
        ([1, "a", None], 1),
        ({"a": {}}, 2),
        ([{}, {"a": [{}]}], 4),
        ({"a": 1, "b": [[], [[]]]}, 4),
    ],
)
def test_depth_counts_objects_and_arrays_in_one_another(document: Json, depth: int) -> None:
    """A document is deeper than one level less than its depth, and not deeper than its depth."""
    assert not is_nested_deeper(document, depth)
    assert depth == 0 or is_nested_deeper(document, depth - 1)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_the_limit_is_what_can_still_be_written(opening: str, closing: str) -> None:
    """A document of the limit can be written again; the deepest that is read is beyond it."""
    allowed = orjson.loads(nested(MAX_DEPTH, opening, closing, "0"))
    assert not is_nested_deeper(allowed)
    orjson.dumps(allowed)
    assert is_nested_deeper(orjson.loads(nested(MAX_DEPTH + 1, opening, closing, "0")))
    assert is_nested_deeper(orjson.loads(nested(1000, opening, closing, "0")))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (b"{}", None),
        (b'{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]}', None),
        (b'{"a":1,"a":1}', "a"),
        (b'{"a":null,"b":2,"a":null}', "a"),
        (b'[{"x":{"y":1,"y":2}}]', "y"),
        (b'{"\\u0061":1,"a":2}', "a"),
        ('{"名":1,"名":2}'.encode(), "名"),
        (b'{"":1,"":2}', ""),
        (b"{", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
    ],
)
def test_duplicate_keys_are_found_in_one_object_only(text: bytes, key: str | None) -> None:
    """A key is given twice only within one object, however it is escaped; no text raises."""
    assert duplicate_key(text) == key


@given(ANY_JSON)
@settings(max_examples=100, deadline=None)
def test_what_is_written_by_a_library_has_no_duplicate_keys(document: Json) -> None:
    """No false alarm on any document whose keys are unique."""
    assert duplicate_key(json.dumps(document).encode()) is None


@given(st.lists(st.one_of(st.text(), st.integers(0, 99)), max_size=4))
@settings(max_examples=100, deadline=None)
def test_pointers_can_be_read_back(path: list[str | int]) -> None:
    """Splitting and unescaping a pointer by RFC 6901 gives the path it was made of."""
    parts = to_pointer(path).split("/")
    assert parts[0] == ""
    unescaped = [part.replace("~1", "/").replace("~0", "~") for part in parts[1:]]
    assert unescaped == [str(part) for part in path]


def test_pointers_escape_tilde_before_slash() -> None:
    """`~` becomes `~0` and `/` becomes `~1`; the whole document is the empty pointer."""
    assert to_pointer(("a/b", 0, "~1", "")) == "/a~1b/0/~01/"
    assert to_pointer(()) == ""


def test_fragments_are_cut_at_the_limit() -> None:
    """A fragment of the limit is whole, a longer one is cut to it."""
    assert cut_fragment("啊" * FRAGMENT_LIMIT) == "啊" * FRAGMENT_LIMIT
    assert cut_fragment("b" * FRAGMENT_LIMIT + "c") == "b" * FRAGMENT_LIMIT


@pytest.mark.parametrize(
    ("text", "values", "left"),
    [
        (b'{"Data":"ab","x":1}', ["ab"], b'{"Data":"","x":1}'),
        (b'[{"Data" :\n"a"},{"Data":"b"}]', ["a", "b"], b'[{"Data" :\n""},{"Data":""}]'),
        (b'{"Data":"a","Data":"b"}', ["b"], b'{"Data":"a","Data":"b"}'),
        (b'{"Data":"\\u00e9"}', ["\u00e9"], b'{"Data":"\\u00e9"}'),
        (b'{"x":1}', ["a"], b'{"x":1}'),
        (b'{"Data":""}', [], b'{"Data":""}'),
    ],
    ids=["one", "two, spaced", "the last of two", "written otherwise", "absent", "none told"],
)
def test_only_strings_that_stand_as_told_are_emptied(
    text: bytes, values: list[str], left: bytes
) -> None:
    """What is not where it should be is left in, to be searched with the rest."""
    assert without_strings(text, "Data", values) == left
