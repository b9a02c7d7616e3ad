"""Keeps the lake's batches what raw, schemas and code say they should be.

What a batch should be is derived, never remembered: its inputs are written down as text, and a
batch whose marker says other inputs is made again. So a new schema, a newer reply of a job and a
crash half-way are one case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from time import perf_counter

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from transforms import lake, raw
from transforms.batch import FLATTEN_VERSION, FlattenedBatch, flatten_raw
from transforms.contract import Contracts
from transforms.reports import FlattenReport
from transforms.storage import STAGING, Storage, name_of, sha256_of


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        inputs: What each raw file's batch is a function of, by raw file.
        stale: Raw files whose batch is absent or was made from other inputs.
        gone: Commits whose raw file is no more.
        unchanged: Number of batches that are as they should be.
    """

    inputs: Mapping[str, Mapping[str, str]]
    stale: tuple[str, ...]
    gone: tuple[lake.Commit, ...]
    unchanged: int


def make_plan(storage: Storage, contracts: Contracts) -> Plan:
    """Compares what raw says with what is committed; reads no reply."""
    index = raw.read_index(storage)
    newest = raw.newest_rows(index)
    superseded: dict[str, list[int]] = {path: [] for path in raw.list_raw(storage)}
    for row in index:
        if newest[row.job_id] is not row:
            superseded[row.raw_file].append(row.row)
    inputs = {
        path: {
            "raw_file": path,
            "superseded": ",".join(map(str, rows)),
            "schemas_digest": contracts.digest,
            "flatten_version": str(FLATTEN_VERSION),
        }
        for path, rows in superseded.items()
    }
    commits = lake.read_commits(storage)
    stale = tuple(path for path, wanted in inputs.items() if not _made(commits, path, wanted))
    gone = tuple(c for c in commits.values() if c.inputs["raw_file"] not in inputs)
    return Plan(inputs, stale, gone, len(inputs) - len(stale))


def commit_raw_file(
    storage: Storage, contracts: Contracts, raw_file: str, plan: Plan, *, max_blob_bytes: int
) -> FlattenReport:
    """Flattens one raw file and commits its batch in place of an older one of its name.

    Raises:
        ConservationError: Rows would be lost or made up; the batch is left as it was.
    """
    started = perf_counter()
    batch_id = name_of(raw_file)
    with _lock(storage, batch_id):
        wanted = plan.inputs[raw_file]
        older = lake.read_commit(storage, batch_id)
        if older is not None and older.inputs == wanted:
            return FlattenReport(unchanged=1)
        content = storage.read(raw_file)
        rows = _without(pq.read_table(pa.BufferReader(content)), wanted["superseded"])
        flattened = flatten_raw(rows, contracts, batch_id, max_blob_bytes=max_blob_bytes)
        if older is not None:
            lake.retract(storage, older)
        month = raw_file.split("/")[1].removeprefix("month=")
        files = tuple(
            lake.write_parquet(storage, lake.table_path(name, month, batch_id), table)
            for name, table in flattened.tables.items()
        )
        facts = {
            **flattened.facts,
            "raw_sha256": sha256_of(content),
            "package_version": version("cognition-warehouse"),
        }
        lake.write_commit(storage, lake.Commit(batch_id, wanted, facts, flattened.totals, files))
    return _report(flattened, rows["body_bytes"], perf_counter() - started)


def _made(commits: Mapping[str, lake.Commit], raw_file: str, wanted: Mapping[str, str]) -> bool:
    commit = commits.get(name_of(raw_file))
    return commit is not None and commit.inputs == wanted


def _lock(storage: Storage, batch_id: str) -> AbstractContextManager[object]:
    """Two processes never make one batch at once; on an object store the scheduler sees to it."""
    if storage.local is None:
        return nullcontext()
    folder = storage.local / STAGING
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{batch_id}.lock")


def _without(rows: pa.Table, superseded: str) -> pa.Table:
    dropped = {int(number) for number in superseded.split(",") if number}
    if not dropped:
        return rows
    return rows.take([number for number in range(rows.num_rows) if number not in dropped])


def _report(batch: FlattenedBatch, body_bytes: pa.ChunkedArray, seconds: float) -> FlattenReport:
    rows = {name: table.num_rows for name, table in batch.tables.items()}
    jobs = batch.tables.get("jobs")
    states = Counter(jobs["state"].to_pylist() if jobs is not None else ())
    return FlattenReport(
        batches=1,
        jobs=rows.get("jobs", 0),
        results=rows.get("results", 0),
        rows=rows,
        quarantined=rows.get("quarantine", 0),
        rejected=states["rejected"],
        unknown_types=rows.get("unknown_results", 0),
        unmapped=rows.get("unmapped_fields", 0),
        bytes=sum(body_bytes.to_pylist()),
        seconds=seconds,
    )
