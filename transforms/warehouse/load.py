"""Loads committed batches of the lake into `build.duckdb`.

The build belongs to the loader alone; readers use the file that `publish` swaps in. It can be
deleted at any time: the lake makes it again, row for row.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from transforms.aliases import read_aliases
from transforms.commit import unsettled_batches
from transforms.contract import Contracts
from transforms.errors import RetryableError
from transforms.lake import (
    Commit,
    find_rows,
    marker_path,
    place_of,
    read_commit,
    read_commits,
    read_lake_id,
)
from transforms.merged.rows import Unmerged
from transforms.reports import Progress, no_progress
from transforms.storage import Storage
from transforms.table_file import CommittedFile
from transforms.warehouse.build import (
    BUILD,
    follow_schemas,
    open_build,
    record_lake,
    require_lake,
)
from transforms.warehouse.ddl import quote
from transforms.warehouse.duck import (
    LIMITS,
    Connection,
    Limits,
    fetch,
    lacks_explained,
    registered,
    transaction,
)
from transforms.warehouse.insert import (
    LoadError,
    batch_row,
    insert_rows,
    insert_table,
    refuse_shared_jobs,
)
from transforms.warehouse.load_aliases import bring_aliases
from transforms.warehouse.load_merged import bring_compaction, loadable


class BatchChangedError(RetryableError):
    """A batch was made again while it was read; load again to get the new one."""


@dataclass(frozen=True, slots=True)
class _Lake:
    """Where batches are read from, and into what tables."""

    storage: Storage
    contracts: Contracts
    unmerged: Unmerged


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load did.

    Attributes:
        loaded: Batches that were new.
        replaced: Batches that had changed.
        removed: Batches that are gone from the lake.
        unchanged: Number of batches left as they were.
        rows: Rows per table that are now in the build.
        aliases: Aliases that are now in it: `faces` and `tags`, and `by_hand` of both.
        aliases_changed: Whether this load changed any.
        notes: What of the aliases' folder was passed over, and why.
    """

    loaded: tuple[str, ...]
    replaced: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int
    rows: dict[str, int]
    aliases: dict[str, int] = field(default_factory=dict)
    aliases_changed: bool = False
    notes: tuple[str, ...] = ()


def load_batches(
    storage: Storage,
    contracts: Contracts,
    warehouse_dir: Path,
    progress: Progress = no_progress,
    *,
    limits: Limits = LIMITS,
) -> LoadReport:
    """Brings the build to the lake: its aliases, and its batches in one transaction each.

    Args:
        storage: The lake.
        contracts: The tables to load into.
        warehouse_dir: Folder of the DuckDB files; made if absent.
        progress: Called with `load`, batches done and batches to do.
        limits: What DuckDB may use of the machine.

    Raises:
        WarehouseLockedError: Another process holds the build.
        ConfigurationError: The build is not ours, holds another lake's batches, or cannot follow
            the schemas; the lake is gone, or a file of its aliases is wrong.
        LoadError: A batch is damaged, or holds a job another batch holds too.
        BatchChangedError: A batch was made again meanwhile.
        BuildWriteError: There is not enough disk or memory.
    """
    commits = read_commits(storage)
    aliases = read_aliases(storage)
    lake_id = read_lake_id(storage)  # after the batches: a lake that went away has no id, either
    build = warehouse_dir / BUILD
    with open_build(warehouse_dir, create=True, limits=limits) as connection:
        require_lake(connection, build, lake_id, place_of(storage))
        follow_schemas(connection, contracts)
        known = dict(fetch(connection, "SELECT batch_id, commit_id FROM batches"))
        if moving := unsettled_batches(storage, commits, known):
            raise BatchChangedError(
                f"{len(moving)} batches are just being made again, {moving[0]} among them: "
                "run `cognition flatten`, then `cognition load` again; nothing was changed"
            )
        record_lake(connection, lake_id)
        named = bring_aliases(connection, aliases)
        removed = sorted(known.keys() - commits.keys())
        changed = [b for b, c in commits.items() if b in known and known[b] != c.commit_id]
        new = [b for b in commits if b not in known]
        stale = {*removed, *changed}
        together = [] if stale else loadable(storage, commits, new)
        loaded = {batch_id for each in together for batch_id in each.batches}
        work = [b for b in (*removed, *changed, *new) if b not in loaded]
        total, done = len(work) + len(loaded), 0
        for each in together:
            progress("load", done, total)
            with lacks_explained(f"load compaction {each.id} into {build}"):
                if not bring_compaction(connection, storage, contracts, each, commits):
                    work += each.batches
                    continue
            done += len(each.batches)
        with Unmerged(storage) as unmerged:
            lake = _Lake(storage, contracts, unmerged)
            for batch_id in work:
                progress("load", done, total)
                with lacks_explained(f"load batch {batch_id} into {build}"):
                    _bring_batch(connection, lake, batch_id, commits.get(batch_id), stale)
                done += 1
        progress("load", total, total)
        rows = {name: _count(connection, name) for name in contracts.tables}
    unchanged = len(commits) - len(new) - len(changed)
    return LoadReport(
        tuple(new),
        tuple(changed),
        tuple(removed),
        unchanged,
        rows,
        named.counts,
        named.changed,
        named.notes,
    )


def _bring_batch(
    connection: Connection,
    lake: _Lake,
    batch_id: str,
    commit: Commit | None,
    stale: AbstractSet[str],
) -> None:
    """Replaces the rows of one batch by what is committed now, or removes them."""
    contracts = lake.contracts
    incoming = _read_jobs(lake, commit)
    with transaction(connection):
        _delete_rows(connection, contracts, batch_id, incoming, stale)
        if commit is None:
            return
        refuse_shared_jobs(connection, incoming)
        for file in commit.files:
            rows = incoming if file.table == "jobs" else _read_rows(lake, commit, file)
            insert_rows(connection, contracts, file.table, rows, file.path)
        row = batch_row(commit, contracts.system["batches"])
        insert_table(connection, "batches", row, marker_path(batch_id))


def _read_jobs(lake: _Lake, commit: Commit | None) -> pa.Table:
    """Returns the jobs of a batch; a batch whose replies were all superseded has none."""
    files = [file for file in commit.files if file.table == "jobs"] if commit else []
    if commit is None or not files:
        return lake.contracts.system["jobs"].arrow_schema.empty_table()
    return _read_rows(lake, commit, files[0])


def _read_rows(lake: _Lake, commit: Commit, file: CommittedFile) -> pa.Table:
    storage = lake.storage
    rows = find_rows(storage, commit, file, unmerged=lake.unmerged)
    if rows is None and not storage.exists(file.path):
        raise _damage(storage, commit, f"{file.path} is committed but missing")
    if rows is None:
        raise _damage(storage, commit, f"{file.path} is not the committed file (sha256)")
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


def _count(connection: Connection, table: str) -> int:
    return int(fetch(connection, f"SELECT count(*) FROM {quote(table)}")[0][0])  # noqa: S608 - quoted
