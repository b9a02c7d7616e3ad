"""Which jobs of the lake to replay, and the batches that hold them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from transforms import lake
from transforms.commit import Plan, batch_lock
from transforms.contract import Contracts
from transforms.errors import ConfigurationError
from transforms.merged.rows import Unmerged
from transforms.plain import near, plain
from transforms.storage import Storage, name_of


@dataclass(frozen=True, slots=True)
class Selection:
    """Which jobs of the lake to replay: those that meet all that is given.

    Attributes:
        jobs: One of these jobs.
        types: With a result, or with `quarantined` a part in quarantine, of one of these Types;
            see `type_names`.
        since: With a reply of this time, in UTC, or later.
        quarantined: With a part in quarantine.
    """

    jobs: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    since: datetime | None = None
    quarantined: bool = False


@dataclass(frozen=True, slots=True)
class Selected:
    """What a selection found.

    Attributes:
        batches: Batches that hold selected jobs.
        jobs: Number of selected jobs.
        missing: Jobs asked for by id that no batch holds.
    """

    batches: frozenset[str]
    jobs: int
    missing: tuple[str, ...]


def parse_since(text: str) -> datetime:
    """Returns a date, or date and time, as a time in UTC.

    Raises:
        ConfigurationError: It is neither.
    """
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
    except (ValueError, OverflowError):  # in UTC it may lie before the year 1 or after 9999
        raise ConfigurationError(
            "--since takes a date such as 2026-01-31, or 2026-01-31T12:00:00, in UTC"
        ) from None


def type_names(
    given: Iterable[str], contracts: Contracts, *, others: Sequence[str] = ()
) -> tuple[str, ...]:
    """Returns Types by their own names, each once.

    Args:
        given: Names or aliases, one or several by comma each.
        contracts: The schemas.
        others: What may be named, too, and is no Type.

    Raises:
        ConfigurationError: No schema has one of them, or none is named.
    """
    known = [*(contract.type for contract in contracts.distinct), *others]
    own = {name: contract.type for name, contract in contracts.types.items()}
    own |= {name: name for name in others}
    found: dict[str, None] = {}
    for text in given:
        names = [name.strip() for name in text.split(",") if name.strip()]
        if not names:
            raise ConfigurationError(f"--type names no Type: give one of {', '.join(known)}")
        for name in names:
            if name not in own:
                remedy = near(name, known) or (
                    f"give one of {', '.join(known)}, or add its schema to the folder "
                    "COGNITION_SCHEMAS names"
                )
                raise ConfigurationError(f"no schema has the Type {plain(name)}: {remedy}")
            found[own[name]] = None
    return tuple(found)


def wire_names(types: Iterable[str], contracts: Contracts) -> frozenset[str]:
    """Returns the names, aliases among them, that some Types come under."""
    named = [contracts.types[name] for name in types]
    return frozenset(name for each in named for name in (each.type, *each.aliases))


def select(
    storage: Storage,
    plan: Plan,
    selection: Selection,
    names: frozenset[str],
    *,
    dry_run: bool,
) -> Selected:
    """Returns what a selection finds among the committed batches.

    A batch that another process is just making is waited for, but for a dry run.

    Args:
        storage: The lake.
        plan: What is committed.
        selection: What to look for.
        names: The selection's Types, see `wire_names`.
        dry_run: Write nothing, not even a lock.

    Raises:
        ConfigurationError: Nothing is committed yet.
        LakeFormatError: A file of the lake is damaged.
        RetryableError: With `dry_run`: a batch is just being made again.
    """
    batches: set[str] = set()
    missing, count, committed = dict.fromkeys(selection.jobs), 0, 0
    with Unmerged(storage) as unmerged:
        for batch_id in sorted({*plan.commits, *map(name_of, plan.inputs)}):
            with lock_unless_dry(storage, batch_id, dry_run=dry_run):
                commit = lake.read_commit(storage, batch_id)
                if commit is None:
                    continue
                found, held = _selected_jobs(storage, commit, selection, names, unmerged)
            committed += 1
            for job in missing.keys() & held:
                del missing[job]
            count += len(found)
            batches |= {batch_id} if found else set()
    if not committed:
        raise ConfigurationError("no batch is committed yet: run `cognition flatten` first")
    return Selected(frozenset(batches), count, tuple(missing))


def _selected_jobs(
    storage: Storage,
    commit: lake.Commit,
    selection: Selection,
    names: frozenset[str],
    unmerged: Unmerged,
) -> tuple[set[str], set[str]]:
    """Returns the selected jobs of a batch, and all of them."""
    rows = _values(storage, commit, unmerged, "jobs", "job_id", "queried_at")
    held = {job for job, _ in rows}
    found = {job for job, at in rows if selection.since is None or at >= selection.since}
    if selection.jobs:
        found &= set(selection.jobs)
    if found and selection.quarantined:
        parts = _values(storage, commit, unmerged, "quarantine", "job_id", "type")
        found &= {job for job, kind in parts if not names or kind in names}
    elif found and names:
        results = _values(storage, commit, unmerged, "results", "job_id", "type")
        found &= {job for job, kind in results if kind in names}
    return found, held


def _values(
    storage: Storage, commit: lake.Commit, unmerged: Unmerged, table: str, *columns: str
) -> list[tuple[Any, ...]]:
    """Returns some columns of a table of a batch, row by row."""
    files = [file for file in commit.files if file.table == table]
    rows = [lake.read_rows(storage, commit, file, columns, unmerged=unmerged) for file in files]
    return [row for each in rows for row in zip(*(c.to_pylist() for c in each), strict=True)]


def lock_unless_dry(
    storage: Storage, batch_id: str, *, dry_run: bool
) -> AbstractContextManager[object]:
    """Returns the lock of a batch; a dry run takes none, as it would leave a file."""
    return nullcontext() if dry_run else batch_lock(storage, batch_id)
