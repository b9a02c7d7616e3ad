"""Keeps the lake's batches what raw, schemas and code say they should be.

What a batch should be is derived, never remembered: its inputs are written down as text, and a
batch whose marker says other inputs is made again. So a new schema, a newer reply of a job and a
crash half-way are one case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from time import perf_counter

import pyarrow as pa
from filelock import FileLock

from transforms import lake, raw
from transforms.batch import FLATTEN_VERSION, FlattenedBatch, flatten_raw
from transforms.contract import Contracts
from transforms.merged.marker import PREFIX, list_ids
from transforms.merged.swap import dissolve, month_lock, without_batch
from transforms.reports import FlattenReport
from transforms.storage import LOCKS, Storage, name_of, sha256_of
from transforms.subtitles import archive
from transforms.subtitles.rows import INPUT, inputs_of
from transforms.table_file import CommittedFile


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        inputs: What each raw file's batch is a function of, by raw file.
        stale: Raw files whose batch is absent or was made from other inputs.
        gone: Batches whose raw file is no more, whole or as a crash left them.
        unchanged: Number of batches that are as they should be.
        index: Where every reply lies, as read for the plan.
        commits: The committed batches, as read for the plan.
    """

    inputs: Mapping[str, Mapping[str, str]]
    stale: tuple[str, ...]
    gone: tuple[lake.Commit, ...]
    unchanged: int
    index: Sequence[raw.RawRow]
    commits: Mapping[str, lake.Commit]


@dataclass(frozen=True, slots=True)
class MadeBatch:
    """A batch ready to be written.

    Attributes:
        commit: What its marker will say.
        contents: Content of its files, in their order.
        flattened: Its tables.
        body_bytes: Bytes of the replies it was made from.
    """

    commit: lake.Commit
    contents: tuple[pa.Buffer, ...]
    flattened: FlattenedBatch
    body_bytes: int


def make_plan(storage: Storage, contracts: Contracts) -> Plan:
    """Compares what raw says with what is committed; reads no reply."""
    # Listed before raw: so a batch that is just being made is found there, and is no orphan.
    written = lake.list_tables(storage)
    merged = {f"{PREFIX}{each}" for each in list_ids(storage)}
    index = raw.read_index(storage)
    inputs = _wanted_inputs(storage, contracts, index)
    commits = lake.read_commits(storage)
    stale = tuple(path for path, wanted in inputs.items() if not _made(commits, path, wanted))
    gone = tuple(c for c in commits.values() if c.inputs["raw_file"] not in inputs)
    orphans = _orphans(written, {*commits, *map(name_of, inputs), *merged})
    unchanged = len(inputs) - len(stale)
    return Plan(inputs, stale, gone + orphans, unchanged, index, commits)


def commit_raw_file(
    storage: Storage, contracts: Contracts, raw_file: str, plan: Plan, *, max_blob_bytes: int
) -> FlattenReport:
    """Flattens one raw file and commits its batch in place of an older one of its name.

    Raises:
        ConservationError: Rows would be lost or made up; the batch is left as it was.
    """
    started = perf_counter()
    batch_id = name_of(raw_file)
    with batch_lock(storage, batch_id):
        storage.clean_staging()
        older = lake.read_commit(storage, batch_id)
        wanted = settled_inputs(storage, contracts, raw_file, plan, older)
        if older is not None and older.inputs == wanted:
            return FlattenReport(unchanged=1)
        made = make_batch(storage, contracts, wanted, max_blob_bytes=max_blob_bytes)
        write_batch(storage, made)
    return _report(made.flattened, made.body_bytes, perf_counter() - started)


def make_batch(
    storage: Storage, contracts: Contracts, inputs: Mapping[str, str], *, max_blob_bytes: int
) -> MadeBatch:
    """Returns the batch that its inputs make; writes nothing.

    Raises:
        ConservationError: Rows would be lost or made up.
    """
    raw_file = inputs["raw_file"]
    batch_id, month = name_of(raw_file), month_of(raw_file)
    content = storage.read(raw_file)
    rows = without_superseded(raw.parse_raw(content, raw_file), inputs["superseded"])
    flattened = flatten_raw(
        rows,
        contracts,
        batch_id,
        max_blob_bytes=max_blob_bytes,
        subtitles=archive.read_named(storage, inputs.get(INPUT, "")),
    )
    encoded = [
        lake.encode_parquet(lake.table_path(name, month, batch_id), table)
        for name, table in flattened.tables.items()
    ]
    facts = {
        **flattened.facts,
        "raw_sha256": sha256_of(content),
        "package_version": version("cognition-warehouse"),
    }
    files = tuple(file for file, _ in encoded)
    return MadeBatch(
        lake.Commit(batch_id, inputs, facts, flattened.totals, files),
        tuple(parquet for _, parquet in encoded),
        flattened,
        sum(rows["body_bytes"].to_pylist()),
    )


def write_batch(storage: Storage, made: MadeBatch) -> None:
    """Writes a batch in place of an older one of its name.

    The older one's marker goes first, so a crash leaves a batch that `cognition flatten` makes.
    """
    commit = made.commit
    month = month_of(commit.inputs["raw_file"])
    with without_batch(storage, month, commit.batch_id):
        lake.clear(storage, month, commit.batch_id)
    for file, content in zip(commit.files, made.contents, strict=True):
        lake.write_content(storage, file, content)
    lake.write_commit(storage, commit)


def retract(storage: Storage, commit: lake.Commit) -> None:
    """Removes a batch, or files that belong to none."""
    if not commit.inputs:
        lake.retract(storage, commit)
        return
    with without_batch(storage, month_of(commit.inputs["raw_file"]), commit.batch_id):
        lake.retract(storage, commit)


def dissolve_stale(storage: Storage, plan: Plan) -> None:
    """Undoes the compactions that hold a batch which is to be made again."""
    months: dict[str, list[str]] = {}
    for raw_file in plan.stale:
        months.setdefault(month_of(raw_file), []).append(name_of(raw_file))
    for month, batches in months.items():
        with month_lock(storage, month):
            dissolve(storage, month, batches)


def unsettled_batches(
    storage: Storage, commits: Mapping[str, lake.Commit], loaded: Iterable[str]
) -> list[str]:
    """Returns batches that are just being made again, or wait for it after a crash.

    To load the lake without them would take away jobs that are only moving.

    Args:
        storage: The lake.
        commits: Its committed batches, as read for this load.
        loaded: Batches that were loaded before.
    """
    landed = {name_of(path) for path in raw.list_raw(storage)}
    moving = {batch for batch in loaded if batch not in commits and batch in landed}
    dropped = {name: _row_numbers(c.inputs.get("superseded", "")) for name, c in commits.items()}
    if any(dropped.values()):
        index = raw.read_index(storage)
        newest = raw.newest_rows(index)
        left = {r.job_id for r in index if r.row in dropped.get(name_of(r.raw_file), ())}
        moving |= {name_of(newest[job].raw_file) for job in left} - commits.keys()
    return sorted(moving)


def is_up_to_date(
    storage: Storage,
    contracts: Contracts,
    raw_file: str,
    index: Sequence[raw.RawRow],
    archived: Sequence[archive.Entry],
) -> bool:
    """Tells whether one raw file's batch is committed as it should be; see `make_plan`.

    Args:
        storage: The lake.
        contracts: The schemas.
        raw_file: The raw file.
        index: Where every reply lies.
        archived: Where every archived subtitle file lies.

    Raises:
        LakeFormatError: The batch's marker cannot be read.
    """
    commit = lake.read_commit(storage, name_of(raw_file))
    wanted = _inputs(contracts, [raw_file], index, archived)
    return commit is not None and commit.inputs == wanted[raw_file]


def _wanted_inputs(
    storage: Storage, contracts: Contracts, index: Sequence[raw.RawRow]
) -> dict[str, dict[str, str]]:
    return _inputs(contracts, raw.list_raw(storage), index, archive.read_archived(storage))


def _inputs(
    contracts: Contracts,
    raw_files: Iterable[str],
    index: Sequence[raw.RawRow],
    archived: Iterable[archive.Entry],
) -> dict[str, dict[str, str]]:
    """Returns what the batches of some raw files are functions of; `index` is of all."""
    newest = raw.newest_rows(index)
    superseded: dict[str, list[int]] = {path: [] for path in raw_files}
    for row in index:
        if row.raw_file in superseded and newest[row.job_id] is not row:
            superseded[row.raw_file].append(row.row)
    subtitles = inputs_of(archived, {job: row.raw_file for job, row in newest.items()})
    return {
        path: {
            "raw_file": path,
            "superseded": ",".join(map(str, rows)),
            "schemas_digest": contracts.digest,
            "flatten_version": str(FLATTEN_VERSION),
            **({INPUT: subtitles[path]} if path in subtitles else {}),
        }
        for path, rows in superseded.items()
    }


def settled_inputs(
    storage: Storage, contracts: Contracts, raw_file: str, plan: Plan, older: lake.Commit | None
) -> Mapping[str, str]:
    """Returns the batch's inputs; raw that landed since the plan may have superseded its replies.

    Were a newer batch replaced by an older plan, a superseded reply would come back.
    """
    if older is None or list(plan.inputs) == raw.list_raw(storage):
        return plan.inputs[raw_file]
    return _wanted_inputs(storage, contracts, raw.read_index(storage))[raw_file]


def _orphans(written: Iterable[str], known: Container[str]) -> tuple[lake.Commit, ...]:
    """Returns, as commits without a marker, files that belong to no batch: half retracted ones."""
    found: dict[str, list[CommittedFile]] = {}
    for path in written:
        if name_of(path) not in known:
            file = CommittedFile(path.split("/")[1], path, rows=0, bytes=0, sha256="")
            found.setdefault(name_of(path), []).append(file)
    return tuple(lake.Commit(name, {}, {}, {}, tuple(files)) for name, files in found.items())


def _made(commits: Mapping[str, lake.Commit], raw_file: str, wanted: Mapping[str, str]) -> bool:
    commit = commits.get(name_of(raw_file))
    return commit is not None and commit.inputs == wanted


def batch_lock(storage: Storage, batch_id: str) -> AbstractContextManager[object]:
    """Returns the lock under which a batch is made.

    Two processes never make one batch at once; on an object store the scheduler sees to it.

    The lock's empty file stays, one a batch: were it removed, a process that waits for the removed
    one and a process that makes a new one would both go on.
    """
    if storage.local is None:
        return nullcontext()
    folder = storage.local / LOCKS
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{batch_id}.lock")


def month_of(raw_file: str) -> str:
    """Returns the month, YYYY-MM, that a raw file and its batch belong to."""
    return raw_file.split("/")[1].removeprefix("month=")


def without_superseded(rows: pa.Table, superseded: str) -> pa.Table:
    """Returns the rows of a raw file that count; `superseded` is as in a batch's inputs."""
    dropped = _row_numbers(superseded)
    if not dropped:
        return rows
    kept = [number for number in range(rows.num_rows) if number not in dropped]
    return rows.take(pa.array(kept, pa.int64()))


def _row_numbers(superseded: str) -> set[int]:
    return {int(number) for number in superseded.split(",") if number}


def _report(batch: FlattenedBatch, body_bytes: int, seconds: float) -> FlattenReport:
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
        bytes=body_bytes,
        seconds=seconds,
    )
