"""What differs between two states of a table, counted by key."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from transforms.contract import load_contracts
from transforms.difference import differ, difference_of
from transforms.layout import Column, Table
from transforms.reports import TableDifference
from transforms.warehouse.duck import Connection

WORDS = Table(
    "words",
    "One row per word.",
    (Column("job_id", pa.string(), "key", "J."), Column("word_index", pa.int32(), "key", "W.")),
    columns=(Column("text", pa.string(), "value", "T."),),
)
Row = dict[str, object]


@pytest.fixture
def connection() -> Iterator[Connection]:
    """Opens what differences are counted with."""
    with differ() as opened:
        yield opened


def word(job: str, index: int, **values: object) -> Row:
    """Returns a row."""
    return {"job_id": job, "word_index": index, **values}


def rows(*given: Row) -> pa.Table:
    """Returns rows as a table."""
    return pa.Table.from_pylist(list(given))


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (
            [word("a", 0, text="x"), word("a", 1, text="y")],
            [word("a", 1, text="y"), word("a", 0, text="x")],
            (0, 0, 0),
        ),
        ([word("a", 0, text="x")], [word("a", 0, text="z")], (0, 0, 1)),
        ([word("a", 0, text="x")], [word("a", 0, text=None)], (0, 0, 1)),
        ([word("a", 0, text=None)], [word("a", 0, text=None)], (0, 0, 0)),
        (
            [word("a", 0, text="x"), word("b", 0, text="x")],
            [word("a", 0, text="x"), word("a", 1, text="x"), word("c", 0, text="x")],
            (2, 1, 0),
        ),
        (
            [word("a", 0, score=float("nan")), word("a", 1, score=1.5)],
            [word("a", 0, score=float("nan")), word("a", 1, score=2.5)],
            (0, 0, 1),
        ),
        (
            [word("a", 0, text="x"), word("a", 1, text="y")],
            [word("a", 0, text="x", tone=None), word("a", 1, text="y", tone="low")],
            (0, 0, 1),
        ),
        (
            [word("a", 0, text="x", tone=None), word("a", 1, text="y", tone="low")],
            [word("a", 0, text="x"), word("a", 1, text="y")],
            (0, 0, 1),
        ),
        ([word("a", 0)], [word("a", 0), word("a", 1)], (1, 0, 0)),
    ],
    ids=[
        "order",
        "value",
        "value to null",
        "nulls",
        "rows",
        "not a number",
        "new column",
        "column gone",
        "keys alone",
    ],
)
def test_rows_are_told_apart_by_key(
    connection: Connection, old: list[Row], new: list[Row], found: tuple[int, int, int]
) -> None:
    """Added, removed and changed rows are counted; a column's absence is NULL in every row."""
    assert difference_of(connection, WORDS, rows(*old), rows(*new)) == TableDifference(*found)


def test_a_table_that_one_state_lacks(connection: Connection) -> None:
    """Where a state has no rows at all, all of the other are added or removed."""
    held = rows(word("a", 0), word("a", 1))
    assert difference_of(connection, WORDS, None, held) == TableDifference(added=2)
    assert difference_of(connection, WORDS, held, None) == TableDifference(removed=2)
    assert difference_of(connection, WORDS, None, None) == TableDifference()


def part(index: int, pointer: str, message: str, result: int | None = 0) -> Row:
    """Returns a part in quarantine."""
    place = {"job_id": "a", "quarantine_index": index, "result_index": result}
    return {**place, "pointer": pointer, "message": message}


def test_parts_in_quarantine_are_told_apart_by_place(connection: Connection) -> None:
    """A part that goes leaves the parts after it as they are, though their number moves."""
    quarantine = load_contracts().tables["quarantine"]
    old = rows(
        part(0, "/JobStatus", "m", None), part(1, "/a", "m"), part(2, "/b", "m"), part(3, "/b", "n")
    )
    new = rows(part(0, "/JobStatus", "m", None), part(1, "/b", "m"), part(2, "/b", "o"))
    found = difference_of(connection, quarantine, old, new)
    assert found == TableDifference(added=0, removed=1, changed=1)


def test_keys_of_unmapped_fields_are_places_too(connection: Connection) -> None:
    """A key that has found a column goes; the ones after it stay as they are."""
    table = load_contracts().tables["unmapped_fields"]

    def field(index: int, pointer: str) -> Row:
        place = {"job_id": "a", "unmapped_index": index, "result_index": 0}
        return {**place, "pointer": pointer, "value": "1"}

    found = difference_of(
        connection, table, rows(field(0, "/a"), field(1, "/b")), rows(field(0, "/b"))
    )
    assert found == TableDifference(removed=1)


def form(index: int, pointer: str, name: str, written_as: str | None = None) -> Row:
    """Returns a place that was written in another form than the schema's."""
    place = {"job_id": "a", "form_index": index, "result_index": 0, "type": "ASR"}
    return {**place, "pointer": pointer, "form": name, "written_as": written_as}


def test_source_forms_are_told_apart_by_place_and_form(connection: Connection) -> None:
    """A form seen before three others is one row added, and another spelling is one changed."""
    table = load_contracts().tables["source_forms"]
    old = rows(form(0, "/a", "single"), form(1, "/b", "spelling", "B"), form(2, "/b", "single"))
    moved = [form(1, "/a", "single"), form(2, "/b", "spelling", "B"), form(3, "/b", "single")]
    new = rows(form(0, "", "bare"), *moved)
    assert difference_of(connection, table, old, new) == TableDifference(added=1)
    moved[1]["written_as"] = "bee"
    found = difference_of(connection, table, old, rows(form(0, "", "bare"), *moved))
    assert found == TableDifference(added=1, changed=1)
