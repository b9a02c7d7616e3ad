"""The page of source quirks has every one of them, each with tests that exist."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from transforms.contract import load_contracts

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/source-quirks.md").read_text("utf-8")
ENTRIES = {
    int(number): entry
    for number, entry in re.findall(
        r"^### (\d+)\. [^\n]+\n\n(.*?)(?=\n#|\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
}
TEST = re.compile(r"`(tests/test_\w+\.py)::(test_\w+)`")


@cache
def names_in(file: str) -> Counter[str]:
    """Returns the tests of a file by name, as pytest would collect them."""
    body = ast.parse((ROOT / file).read_text("utf-8")).body
    return Counter(node.name for node in body if isinstance(node, ast.FunctionDef))


def test_every_quirk_is_there_once() -> None:
    """The headings are numbered from 1 to 36, each number once, in order within its section."""
    numbers = [int(number) for number in re.findall(r"^### (\d+)\. ", PAGE, re.MULTILINE)]
    assert sorted(numbers) == [*range(1, 37)]
    assert ENTRIES.keys() == set(numbers)
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE):
        found = [int(number) for number in re.findall(r"^### (\d+)\. ", section, re.MULTILINE)]
        assert found == sorted(found)


@pytest.mark.parametrize("number", ENTRIES)
def test_an_entry_is_whole(number: int) -> None:
    """An entry says what the page has, what is known, what is done, and names its tests."""
    parts = re.findall(r"^- (\w+): \S", ENTRIES[number], re.MULTILINE)
    assert parts == ["Page", "Known", "Here", "Tests"]
    named = ENTRIES[number].partition("\n- Tests: ")[2].strip()
    assert re.fullmatch(rf"{TEST.pattern}(,\s+{TEST.pattern})*", named)


def test_every_test_that_is_named_exists() -> None:
    """No name of a test on the page is out of date or misspelt."""
    named = TEST.findall(PAGE)
    assert [(file, name) for file, name in named if names_in(file)[name] != 1] == []


def test_no_test_proves_two_quirks() -> None:
    """Each test is named once: what covers everything shows nothing in particular."""
    assert [name for name, count in Counter(TEST.findall(PAGE)).items() if count > 1] == []


def test_every_test_of_quirks_is_named() -> None:
    """What tests/test_quirks.py proves is on the page."""
    named = {name for file, name in TEST.findall(PAGE) if file == "tests/test_quirks.py"}
    found = {name for name in names_in("tests/test_quirks.py") if name.startswith("test_")}
    assert named == found


def test_assumptions_are_those_of_the_schemas() -> None:
    """Names of subtitles, and the numbers of Types, spellings and columns, are the schemas'."""
    contracts = load_contracts()
    subtitles = contracts.types["Subtitle"]
    names = {name for name, each in contracts.types.items() if each is subtitles}
    listed = ENTRIES[8].partition("**Assumption**: ")[2].partition(". Under")[0]
    assert set(re.findall(r"`(\w+)`", listed)) == names
    assert len(contracts.distinct) == 11
    assert "eleven Types have a schema" in ENTRIES[6]
    spellings = contracts.types["Process"].gate.schema["properties"]["url"]["x-spellings"]
    assert len(spellings) == 8
    assert "one of eight\n  spellings" in ENTRIES[9]
    entities = contracts.types["CPVLabel"].gate.schema["properties"]["entities"]["items"]
    assert len(entities["properties"]["knowledgeInfo"]["x-json"]["properties"]) == 8
    assert "eight fields become columns" in ENTRIES[29]
