"""No row is lost or made up: totals, the second parser, and what stops a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from contract_kit import (
    flatten,
    golden_blob,
    result,
    success,
    titles,
)

from transforms import batch as batch_module
from transforms import type_rows
from transforms.contract import Contract, load_contracts
from transforms.errors import ConservationError
from transforms.flatten import Flattened, flatten_blobs, read_blobs
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
