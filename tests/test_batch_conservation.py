"""No row is lost or made up: totals, the second parser, and what stops a batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from contract_kit import (
    TYPES,
    Json,
    contract_of,
    flatten,
    golden_blob,
    result,
    success,
    titles,
)
from reference_flatten import AGAIN, read_schema

from transforms import batch as batch_module
from transforms import type_rows
from transforms.contract import Contract, load_contracts
from transforms.errors import ConservationError
from transforms.flatten import Flattened, flatten_blobs, read_blobs
from transforms.json_text import to_pointer
from transforms.validate import Verdict, check_blob

META = result("Meta", {"title": "a"})


def test_totals_balance_by_hand() -> None:
    """Per table, elements of the source are those loaded and those set aside with their parents."""
    blob = {
        "persons": [
            {"occurrences": [{"from": 1}, {"from": "x"}, {"from": 2}]},
            {"name": 1, "occurrences": [{}, {}]},
        ],
        "tags": [None, {"occurrences": [{}]}],
    }
    wrong_root = {"success": 1, "tags": [{}, {}]}
    batch = flatten(success(result("VideoLabel", blob), result("VideoLabel", wrong_root)))
    totals = {
        name: (each["source"], each["loaded"], each["quarantined"])
        for name, each in batch.made.totals.items()
        if name.startswith("video_")
    }
    assert totals == {
        "video_results": (2, 1, 1),
        "video_persons": (2, 1, 1),
        "video_person_occurrences": (5, 2, 3),
        "video_tags": (4, 1, 3),
        "video_tag_occurrences": (1, 1, 0),
        "video_classifications": (0, 0, 0),
    }
    for name, (_, loaded, _) in totals.items():
        assert batch.counts.get(name, 0) == loaded


def test_a_known_key_given_twice_costs_one_blob() -> None:
    """The second parser refuses it; it alone is set aside, and the whole text is its fragment."""
    twice = '{"title":"one","title":"two","message":"m"}'
    batch = flatten(
        success(META, {"Type": "Meta", "Data": twice}, META),
        success({"Type": "Meta", "Data": twice}),
    )
    assert titles(batch) == [("job-0", 0, "a"), ("job-0", 2, "a")]
    place = ("job_id", "result_index", "scope", "reason", "message", "fragment", "fragment_bytes")
    expected = (
        "result",
        "duplicate_key",
        "the key 'title' is given twice in one object",
        twice,
        len(twice),
    )
    assert batch.rows("quarantine", *place) == [("job-0", 1, *expected), ("job-1", 0, *expected)]
    assert batch.rows("results", "state", "rows_count", "quarantined_count") == [
        ("loaded", 1, 0),
        ("quarantined", 0, 1),
        ("loaded", 1, 0),
        ("quarantined", 0, 1),
    ]
    assert batch.made.totals["meta_titles"] == {"source": 4, "loaded": 2, "quarantined": 2}


def test_a_type_may_lose_all_its_blobs_to_the_second_parser() -> None:
    """Where no blob of a Type is left, its tables are absent and the other Types load."""
    twice = {"Type": "Meta", "Data": '{"title":"a","title":"a"}'}
    batch = flatten(success(twice, result("ASR", {"details": [{}]})))
    assert titles(batch) == []
    assert batch.counts["asr_segments"] == 1
    assert batch.rows("quarantine", "reason") == [("duplicate_key",)]


def test_what_only_the_second_parser_refuses_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A blob let through the gate that cannot be read is set aside with the parser's words."""
    wrong = b'{"title":[1]}'

    def let_through(data: Any, contract: Contract) -> Verdict:  # noqa: ANN401 - any JSON
        if data == wrong:
            return Verdict(wrong, "string", (1,), (1,))
        return check_blob(data, contract)

    monkeypatch.setattr(batch_module, "check_blob", let_through)
    batch = flatten(success(META, {"Type": "Meta", "Data": wrong.decode()}, META))
    assert titles(batch) == [("job-0", 0, "a"), ("job-0", 2, "a")]
    (row,) = batch.rows("quarantine")
    assert (row["reason"], row["result_index"], row["fragment"]) == (
        "unreadable",
        1,
        wrong.decode(),
    )
    assert row["message"].startswith("Data: JSON parse error")
    assert row["fragment_bytes"] == len(wrong)


Tamper = Callable[[dict[str, Flattened]], None]
PERSONS = "video_person_occurrences"


def drop_row(name: str) -> Tamper:
    """Returns what loses the last row of a table."""

    def tamper(tables: dict[str, Flattened]) -> None:
        found = tables[name]
        tables[name] = Flattened(found.rows.slice(0, found.rows.num_rows - 1), found.owners[:-1])

    return tamper


def repeat_row(name: str) -> Tamper:
    """Returns what makes the first row of a table up once more."""

    def tamper(tables: dict[str, Flattened]) -> None:
        found = tables[name]
        rows = pa.concat_tables([found.rows.slice(0, 1), found.rows])
        tables[name] = Flattened(rows, np.concatenate([found.owners[:1], found.owners]))

    return tamper


def swap_owner(name: str) -> Tamper:
    """Returns what gives a row of the last blob to the first one: the sum is right."""

    def tamper(tables: dict[str, Flattened]) -> None:
        found = tables[name]
        owners = found.owners.copy()
        owners[-1] = owners[0]
        tables[name] = Flattened(found.rows, owners)

    return tamper


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (drop_row("video_results"), "job job-1: video_results has 0 rows for 1 elements"),
        (drop_row(PERSONS), f"job job-1: {PERSONS} has 1 rows for 2 elements"),
        (repeat_row(PERSONS), f"job job-0: {PERSONS} has 3 rows for 2 elements"),
        (repeat_row("video_tags"), "job job-0: video_tags has 3 rows for 2 elements"),
        (swap_owner(PERSONS), f"job job-0: {PERSONS} has 3 rows for 2 elements"),
    ],
)
def test_a_row_lost_or_made_up_stops_the_batch(
    tamper: Tamper, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conservation is checked per array and blob; the error names both, and nothing is returned."""

    def tampered(
        contract: Contract, array: pa.StructArray, jobs: list[str], indices: list[int]
    ) -> dict[str, Flattened]:
        tables = flatten_blobs(contract, array, jobs, indices)
        tamper(tables)
        return tables

    body = success({"Type": "VideoLabel", "Data": golden_blob("VideoLabel")})
    assert flatten(body, body).counts[PERSONS] == 4
    monkeypatch.setattr(type_rows, "flatten_blobs", tampered)
    with pytest.raises(ConservationError, match=message) as error:
        flatten(body, body)
    assert str(error.value).endswith("nothing was committed, report it with the reply")


def test_conservation_looks_at_every_table_of_every_type() -> None:
    """The check covers each array of each Type: one element too many expected is found in each."""
    for contract in load_contracts().distinct:
        text = golden_blob(contract.type)
        verdict = check_blob(text, contract)
        assert verdict.line is not None
        array = read_blobs(contract, [verdict.line])
        tables = flatten_blobs(contract, array, ["j"], [0])
        type_rows.conserve(contract, tables, [verdict.expected], ["j"])
        for place, table in enumerate(contract.tables):
            expected = list(verdict.expected)
            expected[place] += 1
            with pytest.raises(ConservationError, match=f"job j: {table.name} has"):
                type_rows.conserve(contract, tables, [tuple(expected)], ["j"])


@dataclass(frozen=True, slots=True)
class Part:
    """One table of a Type: the schema of its array, object or text, and the way to it."""

    kind: str
    table: str
    node: Json
    way: tuple[str | int, ...]

    @property
    def sort(self) -> str:
        """Returns `root`, `array`, `object`, `tree` or `split`."""
        if not self.way:
            return "root"
        if "x-split" in self.node:
            return "split"
        if "items" not in self.node:
            return "object"
        return "tree" if "x-tree" in self.node else "array"


def parts_of(kind: str) -> list[Part]:
    """Returns every table of a Type with its place: the first element of each array around it."""
    schema = read_schema(kind)
    return [Part(kind, schema["x-table"], schema, ()), *_inner_parts(kind, schema, ())]


def _inner_parts(kind: str, schema: Json, way: tuple[str | int, ...]) -> Iterator[Part]:
    for key, node in schema.get("properties", {}).items():
        here = (*way, key)
        if "x-table" in node:
            yield Part(kind, node["x-table"], node, here)
        if "x-split" in node:
            yield Part(kind, node["x-split"]["x-table"], node, here)
        if "items" in node:
            yield from _inner_parts(kind, node["items"], (*here, 0))
        else:
            yield from _inner_parts(kind, node, here)


PARTS = [part for kind in TYPES for part in parts_of(kind)]
ARRAYS = [part for part in PARTS if part.sort in {"array", "tree"}]
ROWS = [part for part in PARTS if part.sort in {"root", "object"}]


def holding(way: Sequence[str | int], value: Json) -> Json:
    """Returns the smallest document that has a value at a place; arrays have that one element."""
    for step in reversed(way):
        value = [value] if isinstance(step, int) else {step: value}
    return value


def sound(node: Json, number: int) -> Json:
    """Returns an element that keeps the contract of an array's items."""
    kinds = node["type"]
    if kinds == "array":
        return [number] * node["minItems"]
    return {"object": {}, "string": f"text {number}", "integer": number}[kinds]


def spoiled(node: Json, how: str) -> tuple[Json, str]:
    """Returns a value that breaks the contract, and the pointer to the breach inside it."""
    if how == "itself" or not node.get("properties"):
        return True, ""
    for key, inner in node["properties"].items():
        if "x-tree" not in inner and inner is not AGAIN and "array" not in inner["type"]:
            return {key: [["wrong"]]}, f"/{key}"
    key = next(iter(node["properties"]))
    return {key: 7}, f"/{key}"


def test_every_table_is_among_those_tried() -> None:
    """The parts derived from the schema files are all tables of all Types."""
    every = [table.name for contract in load_contracts().distinct for table in contract.tables]
    assert sorted(part.table for part in PARTS) == sorted(every)
    assert {part.sort for part in PARTS} == {"root", "array", "object", "tree", "split"}


@pytest.mark.parametrize("how", ["itself", "a field"])
@pytest.mark.parametrize("part", ARRAYS, ids=lambda part: part.table)
def test_one_wrong_element_of_three_costs_itself_only(part: Part, how: str) -> None:
    """The two beside it load at 0 and 2, it is in quarantine, and its parent still counts three."""
    wrong, inside = spoiled(part.node["items"], how)
    elements = [sound(part.node["items"], 1), wrong, sound(part.node["items"], 2)]
    batch = flatten(success(result(part.kind, holding(part.way, elements))))

    loaded = batch.rows(part.table)
    assert [row[part.node["x-index"]] for row in loaded] == [0, 2]
    outer = [key.name for key in load_contracts().tables[part.table].keys[1:-1]]
    assert [[row[name] for name in outer] for row in loaded] == [[0] * len(outer)] * 2
    (row,) = batch.rows("quarantine")
    place = to_pointer((*part.way, 1))
    found = (row["table_name"], row["scope"], row["row_pointer"], row["keyword"], row["reason"])
    assert found == (part.table, "row", place, "type", "contract")
    assert row["pointer"] == place + inside
    assert (row["errors_count"], json.loads(row["fragment"])) == (1, wrong)
    assert row["fragment_bytes"] == len(row["fragment"])

    parent, count = parent_of(part)
    assert [row[count] for row in batch.rows(parent)] == [3]
    for name, total in batch.made.totals.items():
        assert total["source"] == total["loaded"] + total["quarantined"]
        assert total["quarantined"] == (1 if name == part.table else 0)
        assert total["loaded"] == batch.counts.get(name, 0)
    assert batch.made.totals[part.table]["source"] == 3
    facts = batch.rows("results", "state", "quarantined_count", "rows_count")
    rows = sum(total["loaded"] for total in batch.made.totals.values())
    assert facts == [("partly_loaded", 1, rows)]


def parent_of(part: Part) -> tuple[str, str]:
    """Returns the table above a part and its column that counts it."""
    tables = contract_of(part.kind).tables
    ((parent, child),) = ((p, c) for p in tables for c in p.children if c.name == part.table)
    (count,) = (c.name for c in parent.columns if c.kind == "count" and c.path == child.path)
    return parent.name, count


@pytest.mark.parametrize("how", ["itself", "a field"])
@pytest.mark.parametrize("part", ROWS, ids=lambda part: part.table)
def test_one_wrong_object_of_three_results_costs_itself_only(part: Part, how: str) -> None:
    """Of three results of a Type the others load whole, and what lies around the wrong object."""
    wrong, inside = spoiled(part.node, how)
    proper = json.loads(golden_blob(part.kind))
    blob = holding(part.way, wrong)
    if part.sort == "root" and how == "a field":
        blob = proper | wrong
    batch = flatten(success(*(result(part.kind, each) for each in (proper, blob, proper))))
    assert [row["result_index"] for row in batch.rows(part.table)] == [0, 2]
    (row,) = batch.rows("quarantine")
    place = to_pointer(part.way)
    whole = part.sort == "root"
    assert row["result_index"] == 1
    assert (row["scope"], row["row_pointer"]) == (("result", None) if whole else ("row", place))
    assert row["table_name"] == (None if whole else part.table)
    assert (row["keyword"], row["pointer"]) == ("type", place + inside)
    assert json.loads(row["fragment"]) == (blob if whole else wrong)
    total = batch.made.totals[part.table]
    assert total == {"source": 3, "loaded": 2, "quarantined": 1}
    states = ["loaded", "quarantined" if whole else "partly_loaded", "loaded"]
    assert [state for (state,) in batch.rows("results", "state")] == states
    around = contract_of(part.kind).root.name
    assert len(batch.rows(around)) == (2 if whole else 3)


@pytest.mark.parametrize("part", [p for p in PARTS if p.sort == "split"], ids=lambda p: p.table)
def test_one_wrong_text_of_three_costs_its_row_only(part: Part) -> None:
    """Parts of a text that is none are gone with their row; those of the others load."""
    *way, _, key = part.way
    rows = [{key: "a,b"}, {key: 7}, {key: "c"}]
    batch = flatten(success(result(part.kind, holding(way, rows))))
    names = ("tag_index", "value_index", "value")
    assert batch.rows(part.table, *names) == [(0, 0, "a"), (0, 1, "b"), (2, 0, "c")]
    assert batch.made.totals[part.table] == {"source": 3, "loaded": 3, "quarantined": 0}
    (row,) = batch.rows("quarantine")
    assert (row["row_pointer"], row["fragment"]) == (to_pointer((*way, 1)), '{"value":7}')
