"""What keeps lake and warehouse in order, step by step.

The DAGs `maintain_lake` and `replay_results` and the command `cognition maintain` call it. Nothing
here asks the service. Each step can be run again at any time and then finds nothing left to do.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from transforms import lake, raw
from transforms import replay as replaying
from transforms.compaction import CompactionReport, compact
from transforms.contract import load_contracts
from transforms.expiry import read_expiry
from transforms.ledger_merge import merge_ledger
from transforms.reports import ExpiryReport, Progress, ReplayReport, no_progress
from transforms.selection import Selection
from transforms.settings import Settings
from transforms.storage import LOCKS, Storage, name_of
from transforms.warehouse.prune import PruneReport, prune

COMPACT, PRUNE, EXPIRY, CLEAN = "compact", "prune", "expiry", "clean"
STEPS = (COMPACT, PRUNE, EXPIRY, CLEAN)
STALE_LOCK_DAYS = 7
_BATCH_LOCK = re.compile(r"\d{8}T\d{6}-[0-9a-f]{12}\.lock")


@dataclass(frozen=True, slots=True)
class CleanReport:
    """What was cleaned up, or would be.

    Attributes:
        dry_run: Whether nothing was changed.
        staged_files: Files that writers left behind when they died.
        lock_files: Locks of batches that are no more.
        ledger_files: Ledger files that were merged.
        merged_files: Ledger files they became: one for each source and day.
    """

    dry_run: bool
    staged_files: int = 0
    lock_files: int = 0
    ledger_files: int = 0
    merged_files: int = 0


@dataclass(frozen=True, slots=True)
class MaintenanceReport:
    """What each step did, or would do; None for a step that was left out."""

    dry_run: bool
    compact: CompactionReport | None = None
    prune: PruneReport | None = None
    expiry: ExpiryReport | None = None
    clean: CleanReport | None = None


def maintain(
    settings: Settings,
    steps: Collection[str] = STEPS,
    *,
    keep: int | None = None,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> MaintenanceReport:
    """Does some steps one after the other, in the order of `STEPS`.

    Args:
        settings: Where everything lies.
        steps: Which of `STEPS`.
        keep: Published versions to keep in place of the setting.
        dry_run: Tell what would be done and do nothing.
        progress: Told how far compaction came.

    Raises:
        ConfigurationError: There is no lake, or a file of the ledger is none.
    """
    lake.open_lake(settings.lake_root)
    return MaintenanceReport(
        dry_run,
        compact_lake(settings, dry_run=dry_run, progress=progress) if COMPACT in steps else None,
        prune_versions(settings, keep=keep, dry_run=dry_run) if PRUNE in steps else None,
        report_expiry(settings) if EXPIRY in steps else None,
        clean(settings, dry_run=dry_run) if CLEAN in steps else None,
    )


def compact_lake(
    settings: Settings, *, dry_run: bool = False, progress: Progress = no_progress
) -> CompactionReport:
    """Makes few big files of the many small ones of months that are over.

    Args:
        settings: Where the lake lies, and how big a file shall be.
        dry_run: Tell what would be done and write nothing.
        progress: Told how far it came.

    Raises:
        ConfigurationError: There is no lake.
        LakeFormatError: A file of the lake is damaged.
    """
    storage = lake.open_lake(settings.lake_root)
    return compact(
        storage,
        load_contracts(settings.schemas),
        compact_bytes=settings.compact_bytes,
        dry_run=dry_run,
        progress=progress,
    )


def prune_versions(
    settings: Settings, *, keep: int | None = None, dry_run: bool = False
) -> PruneReport:
    """Takes away published versions beyond the newest, and what publishes have left behind.

    Args:
        settings: Where the warehouse lies, and how many versions to keep.
        keep: Versions to keep in place of that setting.
        dry_run: Tell what would go and take nothing away.

    Raises:
        WarehouseLockedError: Another process publishes, or writes to the published file.
    """
    return prune(settings.warehouse_dir, keep or settings.keep_versions, dry_run=dry_run)


def report_expiry(settings: Settings, *, now: datetime | None = None) -> ExpiryReport:
    """Tells which pending jobs expire soon or are past their time.

    Raises:
        ConfigurationError: There is no lake, or a file of the ledger is none.
    """
    return read_expiry(lake.open_lake(settings.lake_root), settings, now=now)


def clean(settings: Settings, *, dry_run: bool = False, now: datetime | None = None) -> CleanReport:
    """Removes what dead writers left and locks of batches that are no more; merges the ledger.

    Args:
        settings: Where the lake lies.
        dry_run: Count only.
        now: A time that knows its zone; default: the present.

    Raises:
        ConfigurationError: There is no lake, or a file of the ledger is none.
    """
    storage = lake.open_lake(settings.lake_root)
    staged = len(storage.abandoned()) if dry_run else storage.clean_staging()
    locks = sum(dry_run or _unlock(lock) for lock in _stale_locks(storage, now))
    merged = merge_ledger(storage, now=now, dry_run=dry_run)
    return CleanReport(dry_run, staged, locks, merged.files, merged.merged)


def replay(
    settings: Settings,
    selection: Selection,
    *,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> ReplayReport:
    """Flattens jobs of the lake again with today's schemas; the warehouse is left to its loader.

    Args:
        settings: Where the lake lies.
        selection: Which jobs.
        dry_run: Tell what would change and write nothing.
        progress: Told how far it came.

    Raises:
        ConfigurationError: A Type has no schema, the schemas have no place for rows of the lake, or
            nothing is committed yet; nothing was written.
    """
    return replaying.replay(
        lake.open_lake(settings.lake_root),
        load_contracts(settings.schemas),
        selection,
        max_blob_bytes=settings.max_blob_bytes,
        dry_run=dry_run,
        progress=progress,
    )


def _stale_locks(storage: Storage, now: datetime | None) -> Iterator[Path]:
    """Yields lock files of batches that are no more: neither in raw nor committed.

    The lock of a batch that is there must stay, see `commit.batch_lock`. That of one that is gone
    is asked for by nobody but a process whose plan is older than `STALE_LOCK_DAYS`.
    """
    if storage.local is None:
        return
    moment = time.time() if now is None else now.timestamp()
    locks = [lock for lock in (storage.local / LOCKS).glob("*.lock") if _is_batch_lock(lock)]
    alive = {*map(name_of, raw.list_raw(storage)), *map(name_of, storage.list(lake.MARKERS))}
    for lock in locks:
        old = moment - lock.stat().st_mtime > STALE_LOCK_DAYS * 86_400
        if old and lock.stem not in alive:
            yield lock


def _is_batch_lock(lock: Path) -> bool:
    return _BATCH_LOCK.fullmatch(lock.name) is not None


def _unlock(lock: Path) -> bool:
    """Removes a lock that nobody holds; tells whether it did."""
    try:
        with FileLock(lock, timeout=0):
            lock.unlink(missing_ok=True)
    except Timeout:
        return False
    return True
