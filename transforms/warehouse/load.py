"""Loads committed batches of the lake into `build.duckdb`.

The build belongs to the loader alone; readers use the file that `publish` swaps in. It can be
deleted at any time: the lake makes it again, row for row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.commit import unsettled_batches
from transforms.contract import Contracts
from transforms.errors import FatalError, RetryableError
from transforms.lake import (
    Commit,
    CommittedFile,
    marker_path,
    place_of,
    read_commit,
    read_commits,
    read_lake_id,
)
from transforms.layout import Table
from transforms.reports import Progress, no_progress
from transforms.storage import Storage, sha256_of
from transforms.warehouse.build import (
    BUILD,
    follow_schemas,
    open_build,
    record_lake,
    require_lake,
)
from transforms.warehouse.ddl import quote, without_queries
from transforms.warehouse.duck import (
    DEFAULT_THREADS,
    LACKS,
    Connection,
    fetch,
    first_lines,
    lacks_explained,
    registered,
    transaction,
)


class LoadError(FatalError):
    """A committed batch is not what its marker says; what was loaded before it stays."""


class BatchChangedError(RetryableError):
    """A batch was made again while it was read; load again to get the new one."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load did.

    Attributes:
        loaded: Batches that were new.
        replaced: Batches that had changed.
        removed: Batches that are gone from the lake.
        unchanged: Number of batches left as they were.
        rows: Rows per table that are now in the build.
    """

    loaded: tuple[str, ...]
    replaced: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int
    rows: dict[str, int]


def load_batches(
    storage: Storage,
    contracts: Contracts,
    warehouse_dir: Path,
    progress: Progress = no_progress,
    *,
    threads: int = DEFAULT_THREADS,
) -> LoadReport:
    """Brings the build to the committed batches of the lake, one transaction a batch.

    Args:
        storage: The lake.
        contracts: The tables to load into.
        warehouse_dir: Folder of the DuckDB files; made if absent.
        progress: Called with `load`, batches done and batches to do.
        threads: Threads DuckDB may use.

    Raises:
        WarehouseLockedError: Another process holds the build.
        ConfigurationError: The build is not ours, holds another lake's batches, or cannot follow
            the schemas; or the lake is gone.
        LoadError: A batch is damaged, or holds a job another batch holds too.
        BatchChangedError: A batch was made again meanwhile.
        BuildWriteError: There is not enough disk or memory.
    """
    commits = read_commits(storage)
    lake_id = read_lake_id(storage)  # after the batches: a lake that went away has no id, either
    build = warehouse_dir / BUILD
    with open_build(warehouse_dir, create=True, threads=threads) as connection:
        require_lake(connection, build, lake_id, place_of(storage))
        follow_schemas(connection, contracts)
        known = dict(fetch(connection, "SELECT batch_id, commit_id FROM batches"))
        if moving := unsettled_batches(storage, commits, known):
            raise BatchChangedError(
                f"{len(moving)} batches are just being made again, {moving[0]} among them: "
                "run `cognition flatten`, then `cognition load` again; nothing was changed"
            )
        record_lake(connection, lake_id)
        removed = sorted(known.keys() - commits.keys())
        changed = [b for b, c in commits.items() if b in known and known[b] != c.commit_id]
        new = [b for b in commits if b not in known]
        stale = {*removed, *changed}
        work = (*removed, *changed, *new)
        for done, batch_id in enumerate(work):
            progress("load", done, len(work))
            with lacks_explained(f"load batch {batch_id} into {build}"):
                _bring_batch(connection, storage, contracts, batch_id, commits.get(batch_id), stale)
        progress("load", len(work), len(work))
        rows = {name: _count(connection, name) for name in contracts.tables}
    unchanged = len(commits) - len(new) - len(changed)
    return LoadReport(tuple(new), tuple(changed), tuple(removed), unchanged, rows)


def _bring_batch(  # noqa: PLR0913, PLR0917 - a batch is told by lake, tables and its state
    connection: Connection,
    storage: Storage,
    contracts: Contracts,
    batch_id: str,
    commit: Commit | None,
    stale: AbstractSet[str],
) -> None:
    """Replaces the rows of one batch by what is committed now, or removes them."""
    incoming = _read_jobs(storage, commit, contracts)
    with transaction(connection):
        _delete_rows(connection, contracts, batch_id, incoming, stale)
        if commit is None:
            return
        _refuse_shared_jobs(connection, batch_id, incoming)
        for file in commit.files:
            rows = incoming if file.table == "jobs" else _read_rows(storage, commit, file)
            _insert_rows(connection, contracts, file, rows)
        row = _batch_row(commit, contracts.system["batches"])
        _insert_table(connection, "batches", row, marker_path(batch_id))


def _read_jobs(storage: Storage, commit: Commit | None, contracts: Contracts) -> pa.Table:
    """Returns the jobs of a batch; a batch whose replies were all superseded has none."""
    files = [file for file in commit.files if file.table == "jobs"] if commit else []
    if commit is None or not files:
        return contracts.system["jobs"].arrow_schema.empty_table()
    return _read_rows(storage, commit, files[0])


def _read_rows(storage: Storage, commit: Commit, file: CommittedFile) -> pa.Table:
    try:
        content = storage.read(file.path)
    except FileNotFoundError:
        raise _damage(storage, commit, f"{file.path} is committed but missing") from None
    if sha256_of(content) != file.sha256:
        raise _damage(storage, commit, f"{file.path} is not the committed file (sha256)")
    rows = pq.ParquetFile(pa.BufferReader(content)).read()
    if rows.num_rows != file.rows:
        raise _damage(storage, commit, f"{file.path} has {rows.num_rows} rows, not {file.rows}")
    return rows


def _damage(storage: Storage, commit: Commit, what: str) -> LoadError | BatchChangedError:
    """Tells a damaged batch from one that was made again since its marker was read."""
    now = read_commit(storage, commit.batch_id)
    if now is None or now.commit_id != commit.commit_id:
        return BatchChangedError(
            f"batch {commit.batch_id} was made again during the load: run `cognition load` again"
        )
    marker = marker_path(commit.batch_id)
    return LoadError(f"{what}: delete {marker} and run `cognition flatten` to make it again")


def _delete_rows(
    connection: Connection,
    contracts: Contracts,
    batch_id: str,
    incoming: pa.Table,
    stale: AbstractSet[str],
) -> None:
    """Deletes the batch's rows, and those of its jobs in batches that are still to be redone."""
    with registered(connection, "incoming_jobs", incoming.select(["job_id"])):
        victims = fetch(
            connection,
            "SELECT job_id FROM jobs WHERE batch_id = $batch OR (list_contains($stale, batch_id) "
            "AND job_id IN (SELECT i.job_id FROM incoming_jobs AS i))",
            {"batch": batch_id, "stale": sorted(stale)},
        )
    if victims:
        ids = pa.table({"job_id": [job for (job,) in victims]})
        with registered(connection, "deleted_jobs", ids):
            for name in _job_tables(contracts):
                fetch(
                    connection,
                    f"DELETE FROM {quote(name)} "  # noqa: S608 - a table of the schemas, quoted
                    "WHERE job_id IN (SELECT d.job_id FROM deleted_jobs AS d)",
                )
    for name in _batch_tables(contracts):
        fetch(
            connection,
            f"DELETE FROM {quote(name)} WHERE batch_id = $batch",  # noqa: S608 - as above
            {"batch": batch_id},
        )


def _job_tables(contracts: Contracts) -> list[str]:
    return [t.name for t in contracts.tables.values() if t.keys[0].name == "job_id"]


def _batch_tables(contracts: Contracts) -> list[str]:
    return [t.name for t in contracts.tables.values() if t.keys[0].name == "batch_id"]


def _refuse_shared_jobs(connection: Connection, batch_id: str, incoming: pa.Table) -> None:
    with registered(connection, "incoming_jobs", incoming.select(["job_id"])):
        shared = fetch(
            connection,
            "SELECT j.job_id, j.batch_id FROM jobs AS j "
            "INNER JOIN incoming_jobs AS i ON j.job_id = i.job_id ORDER BY j.job_id LIMIT 1",
        )
    if shared:
        job_id, other = shared[0]
        raise LoadError(
            f"job {job_id} is in two committed batches, {other} and {batch_id}: "
            "run `cognition flatten`, which leaves it in the newer one"
        )


def _insert_rows(
    connection: Connection, contracts: Contracts, file: CommittedFile, rows: pa.Table
) -> None:
    if file.table not in contracts.tables or file.table == "batches":
        raise LoadError(f"{file.path}: the schemas have no table {file.table}: run the newest code")
    by_name = {column.name: column for column in contracts.tables[file.table].columns}
    private = {name: by_name[name].private for name in rows.column_names if name in by_name}
    public = rows.select([name for name in rows.column_names if private.get(name) != "all"])
    links = [name for name, what in private.items() if what == "links"]
    _insert_table(connection, file.table, public, file.path, links)


def _insert_table(
    connection: Connection, table: str, rows: pa.Table, place: str, links: Sequence[str] = ()
) -> None:
    """Inserts by name: a column the file lacks is NULL; `links` are texts that may hold some."""
    cleaned = ", ".join(f"{without_queries(name)} AS {quote(name)}" for name in links)
    columns = f"* REPLACE ({cleaned})" if cleaned else "*"
    with registered(connection, "incoming_rows", rows):
        try:
            inserted = fetch(
                connection,
                f"INSERT INTO {quote(table)} BY NAME SELECT {columns} FROM incoming_rows",  # noqa: S608 - quoted
            )
        except LACKS:
            raise
        except duckdb.Error as error:
            raise LoadError(
                f"{place} does not fit the table {table}: {first_lines(error)}; "
                "run `cognition flatten`, which makes out-of-date batches again"
            ) from None
    if inserted != [(rows.num_rows,)]:
        raise LoadError(f"{place}: {rows.num_rows} rows gave {inserted}: report it with the file")


def _batch_row(commit: Commit, table: Table) -> pa.Table:
    """Returns the row of `batches`: what the marker says, by name."""
    known: Mapping[str, object] = {
        **commit.inputs,
        **commit.facts,
        "batch_id": commit.batch_id,
        "commit_id": commit.commit_id,
    }
    schema = table.arrow_schema
    row = {f.name: _as_time(known.get(f.name), f.type) for f in schema}
    return pa.Table.from_pylist(
        [row], schema=pa.schema([f.with_nullable(nullable=True) for f in schema])
    )


def _as_time(value: object, kind: pa.DataType) -> object:
    if not (pa.types.is_timestamp(kind) and isinstance(value, str)):
        return value
    time = datetime.fromisoformat(value)
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time


def _count(connection: Connection, table: str) -> int:
    return int(fetch(connection, f"SELECT count(*) FROM {quote(table)}")[0][0])  # noqa: S608 - quoted
