"""Where everything stands, derived from ledger, raw, lake and the published warehouse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from transforms import kept_tables, lake, ledger, raw
from transforms.aliases import read_aliases
from transforms.commit import make_plan
from transforms.contract import Contracts, load_contracts
from transforms.errors import CognitionError
from transforms.expiry import expiry_of
from transforms.merged.rows import Unmerged
from transforms.reports import Status
from transforms.settings import Settings
from transforms.storage import Storage, name_of
from transforms.warehouse import PUBLISHED, published_batches
from transforms.warehouse.hold import Hold, read_hold
from transforms.warehouse.load_aliases import are_published


def read_status(settings: Settings, *, now: datetime | None = None) -> Status:
    """Returns counts per stage, what is pending or set aside, and how far publishing lags.

    Raises:
        ConfigurationError: There is no lake yet.
    """
    storage = lake.open_lake(settings.lake_root)
    known = ledger.read_jobs(storage)
    contracts = load_contracts(settings.schemas)
    plan = make_plan(storage, contracts)
    commits, newest = plan.commits, raw.newest_rows(plan.index)
    published, error = _published(settings)
    place = settings.warehouse_dir / PUBLISHED
    waiting = {
        batch for batch, commit in commits.items() if published.get(batch) != commit.commit_id
    }
    waiting |= published.keys() - commits.keys()
    waiting |= {name_of(path) for path in plan.stale}
    unpublished = [r.queried_at for r in newest.values() if name_of(r.raw_file) in waiting]
    latest = max((row.queried_at for row in newest.values()), default=None)
    expiry = expiry_of(known, newest, settings, now=now)
    hold, hold_error = _hold(settings)
    waiting_aliases, aliases_error = _aliases(storage, settings)
    return Status(
        known=len(known),
        pending=expiry.pending,
        jobs=_count(storage, commits.values(), "jobs", "state"),
        raw_files=len(plan.inputs),
        raw_replies=len(plan.index),
        raw_bytes=sum(row.body_bytes for row in plan.index),
        batches=len(commits),
        stale_batches=len(plan.stale),
        rows=_rows(commits.values()),
        quarantine=_count(storage, commits.values(), "quarantine", "reason"),
        unknown_types=_count(storage, commits.values(), "unknown_results", "type"),
        published=str(place) if place.exists() and error is None else None,
        published_error=error,
        published_batches=len(published),
        waiting_batches=len(waiting),
        newest_reply=latest.isoformat() if latest else None,
        lag_seconds=_age(min(unpublished), now) if unpublished else 0.0,
        schemas_error=_schemas_error(storage, contracts),
        expiring=expiry.expiring,
        first_expires_at=expiry.first_expires_at,
        expired=expiry.expired,
        held_version=hold.version if hold else None,
        held_at=hold.held_at if hold else None,
        held_reason=hold.reason if hold else None,
        hold_error=hold_error,
        waiting_aliases=waiting_aliases,
        aliases_error=aliases_error,
    )


def _schemas_error(storage: Storage, contracts: Contracts) -> str | None:
    """Returns why the schemas do not fit the lake, or None."""
    try:
        kept_tables.require_compatible(storage, contracts)
    except CognitionError as error:
        return str(error)
    return None


def _published(settings: Settings) -> tuple[Mapping[str, str], str | None]:
    """Returns the published batches, or why they cannot be told."""
    if not (settings.warehouse_dir / PUBLISHED).exists():
        return {}, None
    try:
        return published_batches(settings.warehouse_dir), None
    except CognitionError as error:
        return {}, str(error)


def _hold(settings: Settings) -> tuple[Hold | None, str | None]:
    """Returns the hold, or why it cannot be told."""
    try:
        return read_hold(settings.warehouse_dir), None
    except CognitionError as error:
        return None, str(error)


def _aliases(storage: Storage, settings: Settings) -> tuple[bool, str | None]:
    """Returns whether aliases wait for a load, and why they cannot be read, or None."""
    try:
        return not are_published(read_aliases(storage), settings.warehouse_dir), None
    except CognitionError as error:
        return True, str(error)


def _age(moment: datetime, now: datetime | None) -> float:
    return ((now or datetime.now(UTC)).replace(tzinfo=None) - moment).total_seconds()


def _rows(commits: Iterable[lake.Commit]) -> dict[str, int]:
    rows: Counter[str] = Counter()
    for commit in commits:
        rows.update({file.table: file.rows for file in commit.files})
    return dict(sorted(rows.items()))


def _count(
    storage: Storage, commits: Iterable[lake.Commit], table: str, column: str
) -> dict[str, int]:
    """Counts the values of one column of a small table over all batches."""
    counts: Counter[str] = Counter()
    with Unmerged(storage) as unmerged:
        for commit in commits:
            for file in commit.files:
                if file.table == table:
                    rows = lake.read_rows(storage, commit, file, [column], unmerged=unmerged)
                    counts.update(rows[column].to_pylist())
    return dict(counts.most_common())
