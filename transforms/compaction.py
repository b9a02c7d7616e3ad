"""Merges the small batches of months that are over into larger files, without changing any row.

Which batches lie together is derived: in order of time, until the largest table of a group is about
as large as is asked for. A batch stays what its marker says, so nothing is loaded again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from time import perf_counter

import pyarrow as pa
import pyarrow.parquet as pq

from transforms import lake
from transforms.commit import Plan, make_plan, month_of
from transforms.contract import Contracts
from transforms.errors import ConfigurationError
from transforms.merged import marker, swap
from transforms.merged.marker import Compaction
from transforms.merged.merge import merge, prove
from transforms.merged.rows import JOBS, Unmerged, owners_of
from transforms.plain import plain
from transforms.reports import Progress, no_progress
from transforms.storage import Storage
from transforms.table_file import CommittedFile

MOST_ROWS = 4 * 1024 * 1024
"""Rows of a table that are merged at once: what bounds the memory that takes."""
FULL = 0.5
"""Share of what is asked for from which on a file is left as it is."""
MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")

Commits = Mapping[str, lake.Commit]


@dataclass(frozen=True, slots=True)
class CompactionReport:
    """What compacting did, or would do; sizes in bytes, time in seconds.

    Attributes:
        dry_run: Whether nothing was written.
        months: Months in which batches were merged.
        waiting: Months that are over and were left: batches of theirs are out of date, or are just
            being made.
        compactions: Compactions that were made.
        batches: Batches whose rows were moved into merged files, or from smaller into larger ones.
        files_before: Parquet files those rows lay in.
        files_after: Parquet files they lie in now.
        bytes_before: Size of the files they lay in.
        bytes_after: Size of the files they lie in now; for a dry run that of before, as how much
            merging saves is not known beforehand.
        finished: Compactions that a crash had left half-way.
        seconds: Time taken.
    """

    dry_run: bool = False
    months: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    compactions: int = 0
    batches: int = 0
    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    finished: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Item:
    """What is merged as a whole: a batch with files of its own, or a compaction.

    Attributes:
        batches: Ids of its batches.
        files: Its Parquet files.
        compaction: The compaction, if it is one.
    """

    batches: tuple[str, ...]
    files: tuple[CommittedFile, ...]
    compaction: Compaction | None = None


@dataclass(frozen=True, slots=True)
class _Month:
    """A month that is over.

    Attributes:
        name: YYYY-MM.
        commits: Its committed batches, by id.
        settled: Whether all of them are what raw and schemas say they should be.
    """

    name: str
    commits: Commits
    settled: bool


def compact(  # noqa: PLR0913 - what to merge, how far, and whom to tell
    storage: Storage,
    contracts: Contracts,
    *,
    compact_bytes: int,
    months: Iterable[str] | None = None,
    dry_run: bool = False,
    now: datetime | None = None,
    progress: Progress = no_progress,
) -> CompactionReport:
    """Merges the batches of months that are over; a month that is merged already is left alone.

    On an object store nobody may flatten meanwhile; a local lake has locks for that.

    Args:
        storage: The lake.
        contracts: The schemas its batches were made with.
        compact_bytes: Size that the largest merged file of a group of batches is to have.
        months: Which months, YYYY-MM; default: all that are over.
        dry_run: Tell what would be merged and write nothing.
        now: Time it is, UTC.
        progress: Called with `compact`, months done and months to do.

    Raises:
        ConfigurationError: A month is none, or is not over yet.
        ConservationError: A row would not come back; nothing was changed.
        LakeFormatError: A file of the lake is damaged.
    """
    started = perf_counter()
    present = (now or datetime.now(UTC)).strftime("%Y-%m")
    chosen = None if months is None else _read_months(months, present)
    finished = 0
    if not dry_run:
        storage.clean_staging()
        finished = swap.finish(storage)
    over = (month for month in _months(make_plan(storage, contracts)) if month.name < present)
    work = [month for month in over if chosen is None or month.name in chosen]
    made: list[tuple[str, list[Item], list[Item]]] = []
    waiting: list[str] = []
    for done, month in enumerate(work):
        progress("compact", done, len(work))
        items = _compact_month(storage, month, compact_bytes, dry_run=dry_run)
        if items is None:
            waiting.append(month.name)
        elif items[0] != items[1]:
            made.append((month.name, *items))
    progress("compact", len(work), len(work))
    before = [item for _, old, new in made for item in old if item not in new]
    after = [item for _, old, new in made for item in new if item not in old]
    return CompactionReport(
        dry_run=dry_run,
        months=tuple(name for name, *_ in made),
        waiting=tuple(waiting),
        compactions=len(after),
        batches=sum(len(item.batches) for item in before),
        files_before=sum(len(item.files) for item in before),
        files_after=sum(len(item.files) for item in after),
        bytes_before=_bytes(before),
        bytes_after=_bytes(after),
        finished=finished,
        seconds=perf_counter() - started,
    )


def groups_of(items: Iterable[Item], compact_bytes: int) -> list[list[Item]]:
    """Returns what is to be merged with what, in order of time; what is full stays alone.

    Once a group has been merged, it is full, or nothing else is left: the next run leaves it.
    """
    found: list[list[Item]] = [[]]
    for item in sorted(items, key=lambda each: each.batches):
        if _share([item], compact_bytes) >= FULL:
            continue
        if _share([*found[-1], item], compact_bytes) > 1:
            found.append([])
        found[-1].append(item)
    return [group for group in found if len(group) > 1]


def _share(items: Sequence[Item], compact_bytes: int) -> float:
    """Returns how much of what is asked for the largest table of some items makes up together."""
    sizes: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    for item in items:
        for file in item.files:
            sizes[file.table] += file.bytes
            rows[file.table] += file.rows
    largest, longest = max(sizes.values(), default=0), max(rows.values(), default=0)
    return max(largest / compact_bytes, longest / MOST_ROWS)


def _read_months(months: Iterable[str], present: str) -> frozenset[str]:
    """Returns months, having checked that they are some and are over."""
    found = frozenset(months)
    for month in sorted(found):
        if not MONTH.fullmatch(month):
            raise ConfigurationError(f"{plain(month)} is no month: give one such as 2026-01")
        if month >= present:
            raise ConfigurationError(
                f"{month} is not over, and batches may still be added to it: give a month before "
                f"{present}, in UTC"
            )
    return found


def _months(plan: Plan) -> Iterator[_Month]:
    """Yields the months that batches are in, as planned."""
    found: dict[str, dict[str, lake.Commit]] = {}
    for batch_id, commit in plan.commits.items():
        found.setdefault(month_of(commit.inputs["raw_file"]), {})[batch_id] = commit
    gone = {month_of(each.inputs["raw_file"]) for each in plan.gone if each.inputs}
    unsettled = {month_of(raw_file) for raw_file in plan.stale} | gone
    for month in sorted(found):
        yield _Month(month, found[month], month not in unsettled)


def _compact_month(
    storage: Storage, month: _Month, compact_bytes: int, *, dry_run: bool
) -> tuple[list[Item], list[Item]] | None:
    """Returns what there was and what there is now; None where the month is to wait."""
    if not month.settled:
        return None
    if dry_run:
        items = _items(storage, month)
        groups = groups_of(items, compact_bytes)
        return items, _exchanged(items, groups, [_planned(month, group) for group in groups])
    with swap.month_lock(storage, month.name):
        swap.recover(storage, month.name)
        if not _is_as_planned(storage, month):
            return None
        _dissolve_outdated(storage, month)
        before = items = _items(storage, month)
        while groups := groups_of(items, compact_bytes):
            merged = [_merge(storage, month, group) for group in groups]
            items = _exchanged(items, groups, merged)
    return before, items


def _is_as_planned(storage: Storage, month: _Month) -> bool:
    """Tells whether nobody has made batches of the month again, or merged newer ones, meanwhile."""
    held = {b for each in marker.read_compactions(storage, month.name) for b in each.batches}
    return all(
        lake.read_commit(storage, batch) == month.commits.get(batch)
        for batch in month.commits.keys() | held
    )


def _dissolve_outdated(storage: Storage, month: _Month) -> None:
    """Undoes compactions of batches that were made again, as may be where there are no locks."""
    for compaction in marker.read_compactions(storage, month.name):
        if not _is_current(month, compaction):
            swap.dissolve(storage, month.name, compaction.batches)


def _is_current(month: _Month, compaction: Compaction) -> bool:
    """Tells whether every batch is committed as it was merged."""
    known = {batch: commit.commit_id for batch, commit in month.commits.items()}
    return compaction.batches.items() <= known.items()


def _items(storage: Storage, month: _Month) -> list[Item]:
    """Returns what can be merged; a batch without rows has nothing to be."""
    every = marker.read_compactions(storage, month.name)
    compactions = [each for each in every if _is_current(month, each)]
    held = {batch for compaction in compactions for batch in compaction.batches}
    loose = [c for batch, c in month.commits.items() if batch not in held and c.files]
    return [
        *(Item(tuple(sorted(c.batches)), c.files, c) for c in compactions),
        *(Item((commit.batch_id,), commit.files) for commit in loose),
    ]


def _exchanged(
    items: Iterable[Item], groups: Iterable[Sequence[Item]], merged: Sequence[Item]
) -> list[Item]:
    """Returns the items with each group in one."""
    gone = {item.batches for group in groups for item in group}
    return [*(item for item in items if item.batches not in gone), *merged]


def _planned(month: _Month, group: Sequence[Item]) -> Item:
    """Returns what merging a group would make, were nothing saved by it."""
    batches = _batches(month, group)
    rows: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for file in (file for item in group for file in item.files):
        rows[file.table] += file.rows
        sizes[file.table] += file.bytes
    paths = {table: marker.merged_path(table, marker.id_of(month.name, batches)) for table in rows}
    files = tuple(CommittedFile(t, path, rows[t], sizes[t], "") for t, path in paths.items())
    return Item(tuple(sorted(batches)), files)


def _merge(storage: Storage, month: _Month, group: Sequence[Item]) -> Item:
    """Merges a group; its rows are in the merged files alone from then on."""
    batches = _batches(month, group)
    compaction_id = marker.id_of(month.name, batches)
    swap.begin(storage, compaction_id)
    try:
        files = tuple(_stage_tables(storage, month, compaction_id, sorted(batches)))
    except BaseException:
        swap.give_up(storage, compaction_id)
        raise
    replaces = tuple(item.compaction.id for item in group if item.compaction is not None)
    compaction = Compaction(compaction_id, batches, files, replaces)
    swap.carry_out(storage, compaction)
    return Item(tuple(sorted(batches)), files, compaction)


def _stage_tables(
    storage: Storage, month: _Month, compaction_id: str, batches: Sequence[str]
) -> Iterator[CommittedFile]:
    """Merges one table after the other, proves it, and stages it."""
    files: dict[str, dict[str, CommittedFile]] = {}
    for batch in batches:
        for file in month.commits[batch].files:
            files.setdefault(file.table, {})[batch] = file
    owners = owners_of(tuple(batches), None)
    with Unmerged(storage) as unmerged:

        def read(table: str, batch: str) -> pa.Table:
            file = files[table][batch]
            return lake.read_rows(storage, month.commits[batch], file, unmerged=unmerged)

        for table in sorted(files, key=lambda name: (name != JOBS, name)):
            rows = [read(table, batch) for batch in files[table]]
            merged, content = merge(marker.merged_path(table, compaction_id), rows)
            del rows  # what the proof needs is as large again
            if table == JOBS:
                owners = owners_of(tuple(batches), pq.ParquetFile(pa.BufferReader(content)))
            prove(content, owners, files[table], partial(read, table))
            swap.stage(storage, compaction_id, table, content)
            yield merged


def _batches(month: _Month, group: Iterable[Item]) -> dict[str, str]:
    """Returns the `commit_id` of every batch of a group."""
    return {batch: month.commits[batch].commit_id for item in group for batch in item.batches}


def _bytes(items: Iterable[Item]) -> int:
    return sum(file.bytes for item in items for file in item.files)
