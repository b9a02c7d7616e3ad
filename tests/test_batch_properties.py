"""The same raw gives the same bytes, and whatever a reply holds is accounted for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from contract_kit import (
    LIMIT,
    NOON,
    TYPES,
    Batch,
    Json,
    contract_of,
    dumps,
    flatten,
    golden_blob,
    nested,
    raw_table,
    read_examples,
    result,
    success,
    titles,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_flatten import flatten_blob
from strategies import ANY_JSON, mutated, with_unknown_keys, written, written_forms

from transforms import batch as batch_module
from transforms import lake
from transforms.batch import flatten_raw
from transforms.contract import Contracts, load_contracts
from transforms.storage import Storage

HERE = Path(__file__).parent
META = result("Meta", {"title": "a"})


DIRTY = [
    success(*(result(kind, json.loads(golden_blob(kind))) for kind in TYPES)),
    success(*(result(e.type, e.blob) for e in read_examples("examples")), Usages={"b": 1, "a": 2}),
    success(*(result(e.type, e.blob) for e in read_examples("counterexamples"))),
    success(
        {"Type": "Meta", "Data": '{"title":"a","title":"b"}'}, result("Music", {"z": 1, "a": 2})
    ),
    dumps({"JobStatus": "Fail", "Message": "m"}),
    b"not JSON",
]
PROGRAM = """
import sys
import pyarrow.parquet as pq
from pathlib import Path
from transforms import lake
from transforms.batch import flatten_raw
from transforms.contract import load_contracts
from transforms.storage import Storage
raw = pq.read_table(sys.argv[1])
storage = Storage.at(sys.argv[2])
made = flatten_raw(raw, load_contracts(), "batch-1", max_blob_bytes=1 << 20)
for name, table in made.tables.items():
    lake.write_parquet(storage, lake.table_path(name, "2026-01", "batch-1"), table)
"""


def files_below(folder: Path) -> dict[str, bytes]:
    """Returns the files of a folder by relative path."""
    files = sorted(path for path in folder.rglob("*.parquet"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_same_raw_gives_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    """Two processes with other hash seeds write byte-identical Parquet for every table."""
    raw_file = tmp_path / "raw.parquet"
    pq.write_table(raw_table(*DIRTY), raw_file)
    found = []
    for seed in ("0", "12345"):
        folder = tmp_path / seed
        folder.mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", PROGRAM, str(raw_file), str(folder)]
        subprocess.run(command, env=environment, check=True, cwd=HERE.parent)
        found.append(files_below(folder))
    assert found[0] == found[1]
    assert len(found[0]) > 25


def test_row_order_does_not_depend_on_the_size_of_raw_batches() -> None:
    """Rows are those of each reply alone, one after the other, but for the numbers of time."""
    together = flatten(*DIRTY)
    for number, body in enumerate(DIRTY):
        job = f"job-{number}"
        raw = raw_table(*DIRTY[: number + 1]).slice(number, 1)
        alone = Batch(flatten_raw(raw, load_contracts(), "batch-1", max_blob_bytes=LIMIT))
        for name, rows in together.made.tables.items():
            if name == "path_counts":  # counts of a whole batch
                continue
            mine = rows.filter(pc.field("job_id") == job)
            assert alone.rows(name) == mine.to_pylist(), (name, body[:40])


@pytest.mark.parametrize("number", [64, 65, 200])
def test_many_jobs_are_read_to_the_last(number: int) -> None:
    """Replies are taken from raw in small groups; none is left out at their edges."""
    bodies = [success(result("Meta", {"title": str(n)})) for n in range(number)]
    rows = titles(flatten(*bodies))
    assert sorted(int(title or -1) for _, _, title in rows) == list(range(number))
    facts = flatten(*bodies).made.facts
    assert facts["queried_to"] == (NOON + timedelta(minutes=number - 1)).isoformat()


@st.composite
def spoiled_results(draw: st.DrawFn) -> Json:
    """Returns a result whose Data was spoiled in one place."""
    kind = draw(st.sampled_from(TYPES))
    blobs = st.one_of(written_forms(kind), with_unknown_keys(kind, written_forms(kind)))
    return {"Type": kind, "Data": draw(written(mutated(blobs)))}


@given(
    replies=st.lists(
        st.lists(
            st.one_of(
                spoiled_results(),
                st.fixed_dictionaries({"Type": st.sampled_from([*TYPES, "X"]), "Data": ANY_JSON}),
                ANY_JSON,
            ),
            max_size=4,
        ),
        min_size=1,
        max_size=3,
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_everything_is_loaded_quarantined_or_kept(replies: list[list[Json]]) -> None:
    """Whatever results a reply holds, the batch is made, and each result is accounted for."""
    batch = flatten(*(success(*items) for items in replies))
    states = batch.rows("results", "job_id", "result_index", "state", "quarantined_count")
    assert [(job, index) for job, index, _, _ in states] == [
        (f"job-{n}", index) for n, items in enumerate(replies) for index in range(len(items))
    ]
    aside = batch.rows("quarantine", "job_id", "result_index")
    unknown = batch.rows("unknown_results", "job_id", "result_index")
    for job, index, state, quarantined in states:
        assert aside.count((job, index)) == quarantined
        assert (state in {"quarantined", "partly_loaded"}) == (quarantined > 0)
        assert ((job, index) in unknown) == (state == "unknown_type")
    for total in batch.made.totals.values():
        assert total["source"] == total["loaded"] + total["quarantined"]
    for name, total in batch.made.totals.items():
        assert batch.counts.get(name, 0) == total["loaded"]


@pytest.mark.parametrize("kind", TYPES)
def test_golden_blobs_go_through_a_whole_batch(kind: str) -> None:
    """The second flattener's rows are in the batch, beside those of other jobs and Types."""
    body = success(META, {"Type": kind, "Data": golden_blob(kind)})
    batch = flatten(success(META), body)
    expected = flatten_blob(kind, json.loads(golden_blob(kind)), "job-1", 1)
    for name, rows in expected.items():
        found = [
            row for row in batch.rows(name) if (row["job_id"], row["result_index"]) == ("job-1", 1)
        ]
        assert found == rows


def test_a_deep_reply_does_not_stop_the_batch() -> None:
    """Replies and blobs nested too deep are set aside, whatever their form; the others load."""
    deep = nested(600)
    batch = flatten(
        success(META, {"Type": "Meta", "Data": f'{{"title":"a","x":{deep}}}'}),
        f'{{"JobStatus":"Success","Results":[{{"Type":"Meta","Data":{{"x":{deep}}}}}]}}'.encode(),
        f'{{"JobStatus":"Fail","UserData":{deep}}}'.encode(),
        success(META),
    )
    assert titles(batch) == [("job-0", 0, "a"), ("job-3", 0, "a")]
    assert batch.rows("quarantine", "job_id", "result_index", "scope", "reason") == [
        ("job-0", 1, "result", "unreadable"),
        ("job-1", None, "reply", "unreadable"),
        ("job-2", None, "reply", "unreadable"),
    ]


def test_rows_of_jobs_do_not_hold_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is collected for `jobs` is small: the items of a reply are let go."""
    held: list[dict[str, Json]] = []
    collect = batch_module._job_row

    def spy(*arguments: Any) -> dict[str, Json]:  # noqa: ANN401 - passed on as they are
        held.append(collect(*arguments))
        return held[-1]

    monkeypatch.setattr(batch_module, "_job_row", spy)
    flatten(success(result("Meta", {"title": "x" * 10_000})))
    assert len(orjson.dumps(held[0], default=str)) < 1_000


def test_a_type_without_a_schema_is_no_longer_loaded() -> None:
    """Taking a Type out of the contracts keeps its results whole in `unknown_results`."""
    known = load_contracts()
    fewer: Contracts = replace(known, types={"ASR": contract_of("ASR")})
    batch = flatten(success(META), contracts=fewer)
    assert batch.rows("unknown_results", "type", "data") == [("Meta", META["Data"])]


def test_parquet_keeps_rows_and_metadata(tmp_path: Path) -> None:
    """Written to the lake and read back, a table is what it was."""
    storage = Storage.at(str(tmp_path))
    for name, table in flatten(*DIRTY).made.tables.items():
        path = lake.table_path(name, "2026-01", "batch-1")
        lake.write_parquet(storage, path, table)
        back = pq.ParquetFile(tmp_path / path).read()
        assert back.equals(table)
        assert back.schema.metadata[b"key"] == table.schema.metadata[b"key"]
