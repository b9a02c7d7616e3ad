"""Validates and flattens jobs again from raw, with today's schemas, and tells what that changes.

The service is not asked. Beside the batches that hold the selected jobs, those are made that raw
itself has made out of date: where a newer reply has taken a job away from one batch, the batch that
holds it now must follow, or the job would be nowhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter

import pyarrow as pa

from transforms import kept_tables, lake
from transforms.commit import (
    MadeBatch,
    Plan,
    make_batch,
    make_plan,
    retract,
    settled_inputs,
    write_batch,
)
from transforms.contract import Contracts
from transforms.difference import differ, difference_of
from transforms.merged.rows import Unmerged
from transforms.reports import Progress, ReplayReport, TableDifference, no_progress
from transforms.selection import Selection, lock_unless_dry, select, type_names, wire_names
from transforms.storage import Storage, name_of
from transforms.table_file import CommittedFile
from transforms.warehouse.duck import Connection

QUARANTINE = "quarantine"
MADE_WITH = frozenset({"schemas_digest", "flatten_version"})
"""Inputs of a batch that did not land."""


def replay(  # noqa: PLR0913 - what to do, how, and whom to tell
    storage: Storage,
    contracts: Contracts,
    selection: Selection,
    *,
    max_blob_bytes: int,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> ReplayReport:
    """Makes the batches of the selected jobs again; one that comes out as it was is not touched.

    Args:
        storage: The lake.
        contracts: The schemas to flatten with.
        selection: Which jobs.
        max_blob_bytes: A longer Data is quarantined unread.
        dry_run: Compare only; nothing at all is written.
        progress: Called with `replay`, batches done and batches to do.

    Raises:
        ConfigurationError: A Type has no schema, the schemas have no place for rows of the lake, or
            nothing is committed yet.
        LakeFormatError: A file of the lake is damaged.
        RetryableError: With `dry_run`: another process is just making a batch.
    """
    started = perf_counter()
    names = wire_names(type_names(selection.types, contracts), contracts)
    kept_tables.require_compatible(storage, contracts)
    plan = make_plan(storage, contracts)
    found = select(storage, plan, selection, names, dry_run=dry_run)
    landed = {row.job_id for row in plan.index}
    tally = _Tally()
    if found.batches:
        work = [
            path for path in plan.inputs if name_of(path) in found.batches or _moved(plan, path)
        ]
        if not dry_run:
            kept_tables.keep_tables(storage, contracts)
        for commit in plan.gone:
            tally.add(
                commit, None, {f.table: TableDifference(removed=f.rows) for f in commit.files}
            )
            if not dry_run:
                retract(storage, commit)
        with differ() as connection, Unmerged(storage) as unmerged:
            again = _Again(storage, contracts, plan, max_blob_bytes, dry_run, connection, unmerged)
            for done, raw_file in enumerate(work):
                progress("replay", done, len(work))
                tally.add(*again.make(raw_file))
            progress("replay", len(work), len(work))
    return ReplayReport(
        dry_run=dry_run,
        jobs=found.jobs,
        missing_jobs=tuple(job for job in found.missing if job not in landed),
        # Where anything is made, batches that were absent are, too.
        unflattened_jobs=tuple(j for j in found.missing if j in landed and not found.batches),
        batches=tally.batches,
        changed_batches=tally.changed,
        retracted=len(plan.gone) if found.batches else 0,
        differences=tally.differences,
        quarantine_before=tally.before,
        quarantine_after=tally.after,
        seconds=perf_counter() - started,
    )


@dataclass(slots=True)
class _Tally:
    """Adds up what became of the batches."""

    batches: int = 0
    changed: int = 0
    before: int = 0
    after: int = 0
    rows: dict[str, Counter[str]] = field(default_factory=dict)

    def add(
        self,
        older: lake.Commit | None,
        newer: lake.Commit | None,
        differences: dict[str, TableDifference],
    ) -> None:
        self.before += _count(older, QUARANTINE)
        self.after += _count(newer, QUARANTINE)
        if newer is not None:
            self.batches += 1
            self.changed += older is None or older.files != newer.files
        for table, each in differences.items():
            counts = {"added": each.added, "removed": each.removed, "changed": each.changed}
            self.rows.setdefault(table, Counter()).update(counts)

    @property
    def differences(self) -> dict[str, TableDifference]:
        found = sorted((name, counts) for name, counts in self.rows.items() if counts.total())
        return {name: TableDifference(**counts) for name, counts in found}


@dataclass(frozen=True, slots=True)
class _Again:
    """Makes one batch after the other again."""

    storage: Storage
    contracts: Contracts
    plan: Plan
    max_blob_bytes: int
    dry_run: bool
    connection: Connection
    unmerged: Unmerged

    def make(
        self, raw_file: str
    ) -> tuple[lake.Commit | None, lake.Commit, dict[str, TableDifference]]:
        """Returns the batch before and after, and how their tables differ."""
        batch_id = name_of(raw_file)
        with lock_unless_dry(self.storage, batch_id, dry_run=self.dry_run):
            older = lake.read_commit(self.storage, batch_id)
            inputs = settled_inputs(self.storage, self.contracts, raw_file, self.plan, older)
            made = make_batch(
                self.storage, self.contracts, inputs, max_blob_bytes=self.max_blob_bytes
            )
            differences = self._differences(older, made)
            if not self.dry_run:
                self._write(older, made)
        return older, made.commit, differences

    def _write(self, older: lake.Commit | None, made: MadeBatch) -> None:
        self.storage.clean_staging()
        if older is None or older.files != made.commit.files:
            write_batch(self.storage, made)
        elif older != made.commit:  # other inputs, the same bytes: only the marker is out of date
            lake.write_commit(self.storage, made.commit)

    def _differences(
        self, older: lake.Commit | None, made: MadeBatch
    ) -> dict[str, TableDifference]:
        before = {file.table: file for file in older.files} if older is not None else {}
        after = {file.table: file for file in made.commit.files}
        found = {}
        for name in before.keys() | after.keys():
            old = None if name not in before else self._rows(older, before[name])
            if name not in self.contracts.tables:
                found[name] = TableDifference(removed=before[name].rows)
            elif before.get(name) != after.get(name):
                table, new = self.contracts.tables[name], made.flattened.tables.get(name)
                found[name] = difference_of(self.connection, table, old, new)
        return found

    def _rows(self, older: lake.Commit | None, file: CommittedFile) -> pa.Table:
        return lake.read_rows(self.storage, older, file, unmerged=self.unmerged)


def _moved(plan: Plan, raw_file: str) -> bool:
    """Tells whether anything but schemas and code made a batch out of date."""
    commit, wanted = plan.commits.get(name_of(raw_file)), plan.inputs[raw_file]
    return commit is None or _landed(commit.inputs) != _landed(wanted)


def _landed(inputs: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in inputs.items() if name not in MADE_WITH}


def _count(commit: lake.Commit | None, table: str) -> int:
    return sum(file.rows for file in commit.files if file.table == table) if commit else 0
