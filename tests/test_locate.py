"""Places in JSON texts: exact, whatever the text looks like, and quick for long ones."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from contract_kit import nested
from hypothesis import given
from hypothesis import strategies as st
from strategies import ANY_JSON, TEXTS

from transforms.locate import locate

Path = tuple[str | int, ...]
SPACES = st.text(" \t\r\n", max_size=2)


def cut(text: str, *path: str | int) -> str:
    """Returns the text of the value at a path."""
    start, end = locate(text, path)
    return text[start:end]


@st.composite
def spelled(draw: st.DrawFn, value: Any) -> str:  # noqa: ANN401 - any JSON
    """Returns JSON text of a value with space between any two tokens and texts escaped or not."""

    def text(inner: Any) -> str:  # noqa: ANN401 - any JSON
        before, after = draw(SPACES), draw(SPACES)
        return f"{before}{bare(inner)}{after}"

    def bare(inner: Any) -> str:  # noqa: ANN401 - any JSON
        if isinstance(inner, dict):
            members = (f"{text(key)}:{text(each)}" for key, each in inner.items())
            return f"{{{','.join(members) or draw(SPACES)}}}"
        if isinstance(inner, list):
            return f"[{','.join(map(text, inner)) or draw(SPACES)}]"
        return json.dumps(inner, ensure_ascii=draw(st.booleans()))

    return text(value)


def places(value: Any) -> list[tuple[Path, Any]]:  # noqa: ANN401 - any JSON
    """Returns path and value of everything in a document."""
    found: list[tuple[Path, Any]] = [((), value)]
    inner: Any = ()
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in inner:
        found += [((key, *path), below) for path, below in places(each)]
    return found


@given(st.data())
def test_every_place_of_any_document_is_found(data: st.DataObject) -> None:
    """What is cut out is the value a parser finds there, without the space around it."""
    document = data.draw(ANY_JSON | st.dictionaries(TEXTS, ANY_JSON))
    text = data.draw(spelled(document))
    for path, value in places(document):
        found = cut(text, *path)
        assert json.loads(found) == value
        assert found == found.strip(" \t\r\n")


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "\n", '"']), ANY_JSON), min_size=1))
def test_of_equal_keys_the_last_counts(members: list[tuple[str, Any]]) -> None:
    """An object that gives keys twice is read as parsers read it."""
    text = "{" + ",".join(f"{json.dumps(k)}:{json.dumps(v)}" for k, v in members) + "}"
    for key, value in json.loads(text).items():
        assert json.loads(cut(text, key)) == value


def test_nothing_is_written_anew() -> None:
    """Space, escapes, digits and the order of keys stay as they are."""
    inner = '{ "b" :1.50,"a":"\\u00e9\\/é" ,\n"n":1E2}'
    text = f'[0,{{"x\\"y": [ "skipped ]}}\\\\" , {inner} ]}}]'
    assert cut(text, 1, 'x"y', 1) == inner
    assert cut(text, 1, 'x"y', 1, "b") == "1.50"
    assert cut(text, 1, 'x"y', 1, "a") == '"\\u00e9\\/é"'


@pytest.mark.parametrize("escaped", ['{"\\u006bey": 7}', '{"k\\u0065\\u0079":7}', '{"key" :7 }'])
def test_keys_are_known_however_they_are_written(escaped: str) -> None:
    """A key with escapes is the key it stands for."""
    assert cut(escaped, "key") == "7"


def test_positions_may_come_from_a_pointer() -> None:
    """A position given as text is a position in an array and a key in an object."""
    text = '[10, {"1": 20, "01": 30}]'
    assert cut(text, "0") == "10"
    assert cut(text, "1", "1") == "20"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("[1, 2]", (2,)),
        ("[]", (0,)),
        ("[1]", (-1,)),
        ("[1]", ("a",)),
        ('{"a": 1}', ("b",)),
        ("{ }", ("a",)),
        ('"text"', (0,)),
        ("1", ("a",)),
    ],
)
def test_a_place_that_is_not_there(text: str, path: Path) -> None:
    """A place the document does not have is told as such."""
    with pytest.raises(LookupError):
        locate(text, path)


@pytest.mark.parametrize(
    "text", ["", " ", "[1", "[1 2]", '{"a" 1}', "{a: 1}", '{"a": ]', '["a', '[{"a": [}', "[,1]"]
)
def test_what_is_no_json_ends(text: str) -> None:
    """A text that is no JSON on the way is refused, not searched for ever."""
    with pytest.raises(ValueError, match="expected"):
        locate(text, ("a",) if text.startswith("{") else (1,) if text.startswith("[") else ())


def test_depth_is_no_limit() -> None:
    """Parts nested deeper than any parser goes are skipped, and can be gone into."""
    deep = nested(20_000)
    assert cut(f'{{"x": {deep}, "y": 1}}', "y") == "1"
    assert cut(nested(300, '{"k":', "}", "7"), *["k"] * 300) == "7"


@pytest.mark.parametrize(
    "long",
    ['"' + '\\"a' * 200_000 + '"', "[" + '"a",' * 200_000 + '"]"]', "[" + "[1]," * 30_000 + "1]"],
    ids=["escapes", "texts", "arrays"],
)
def test_skipping_takes_no_memory(long: str) -> None:
    """A part of many tokens is passed over without being held a second time."""
    text = f'{{"long": {long}, "short": 1}}'
    tracemalloc.start()
    try:
        assert cut(text, "short") == "1"
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
