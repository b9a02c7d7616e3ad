"""Goes back to a version that is kept, and holds it there until it is released.

The same atomic swap under the same lock as a publish, so readers are as little disturbed. Without
a hold the next load would publish the build again, whose fault it was; with one, loads and checks
go on, and what is published stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from transforms.errors import ConfigurationError
from transforms.plain import plain
from transforms.warehouse.choice import LIST, choose_version, require_choice
from transforms.warehouse.folders import VERSIONS, adopt_flat, name_of, try_remove_version
from transforms.warehouse.hold import Hold, read_hold, remove_hold, write_hold
from transforms.warehouse.kept import count_rows, iso
from transforms.warehouse.query import PUBLISHED
from transforms.warehouse.swap import (
    PublishError,
    alone,
    explained,
    read_digest,
    settle_log,
    swap,
)
from transforms.warehouse.versions import find_damage, find_linked, find_published


@dataclass(frozen=True, slots=True)
class RollbackReport:
    """What is published now, and held.

    Attributes:
        path: The published file.
        version: The version it is now.
        before: The version it was, or None where it was none that is kept.
        changed: Whether another version was put in place; false where it was only held.
        bytes: Size of the file.
        batches: Batches it holds.
        jobs: Jobs it holds.
        held_at: Since when it is held, ISO 8601 UTC.
        held_reason: What the operator said, or None.
    """

    path: str
    version: str
    before: str | None
    changed: bool
    bytes: int
    batches: int
    jobs: int
    held_at: str
    held_reason: str | None


@dataclass(frozen=True, slots=True)
class ReleaseReport:
    """What became of the hold.

    Attributes:
        released: Whether there was one.
        version: The version that was held, or None where there was no hold that could be read.
    """

    released: bool
    version: str | None


def rollback(
    warehouse_dir: Path,
    version: str | None = None,
    *,
    reason: str | None = None,
    now: datetime | None = None,
) -> RollbackReport:
    """Publishes a version that is kept, and holds it.

    Args:
        warehouse_dir: Folder of the DuckDB files.
        version: Its name, or a part that no other has; default: the newest before the published
            one that holds something else.
        reason: Why, for those who meet the hold.
        now: Time of the hold; default: the present.

    Raises:
        ConfigurationError: There is no such version, the name is empty, or it is published and
            held already.
        PublishError: The version is damaged, or a file could not be written.
        WarehouseLockedError: Another process publishes, or writes to the published file.
    """
    require_choice(warehouse_dir, version)
    target = warehouse_dir / PUBLISHED
    command = (
        f"cognition rollback {plain(version)}" if version is not None else "cognition rollback"
    )
    with alone(warehouse_dir), explained(target, command):
        adopt_flat(warehouse_dir)
        settle_log(target)
        read_digest(target)  # refused where someone writes to it, or it is not ours
        whole = find_published(warehouse_dir)
        before = whole or find_linked(warehouse_dir)
        chosen = choose_version(warehouse_dir, version, before)
        if chosen == whole:
            _refuse_twice(warehouse_dir, chosen)
        if flaw := find_damage(chosen):
            raise PublishError(f"{name_of(chosen)} {flaw}: choose another; {LIST}")
        hold = Hold(name_of(chosen), iso(now or datetime.now(UTC)), reason or None)
        write_hold(warehouse_dir, hold)
        if chosen != whole:
            swap(chosen, target)
        if whole is None and before is not None:  # someone wrote to it
            try_remove_version(before)
        batches, jobs = count_rows(chosen)
        return RollbackReport(
            str(target),
            name_of(chosen),
            name_of(before) if before else None,
            chosen != whole,
            target.stat().st_size,
            batches,
            jobs,
            hold.held_at,
            hold.reason,
        )


def release(warehouse_dir: Path) -> ReleaseReport:
    """Lifts the hold, if there is one: the next load publishes the build.

    Raises:
        PublishError: The folder cannot be written to.
        WarehouseLockedError: Another process publishes.
    """
    if not (warehouse_dir / VERSIONS).is_dir():
        return ReleaseReport(released=False, version=None)
    command = "cognition rollback --release"
    with alone(warehouse_dir), explained(warehouse_dir / PUBLISHED, command):
        try:
            hold = read_hold(warehouse_dir)
        except ConfigurationError:
            hold = None
        return ReleaseReport(remove_hold(warehouse_dir), hold.version if hold else None)


def _refuse_twice(warehouse_dir: Path, version: Path) -> None:
    """Lets a published version be held, but tells that there is nothing to do where it is."""
    try:
        hold = read_hold(warehouse_dir)
    except ConfigurationError:
        return  # about to be written anew
    if hold is not None and hold.version == name_of(version):
        raise ConfigurationError(
            f"{hold.version} is published and held already: `cognition rollback --release` lets "
            f"the next load publish the build; {LIST}"
        )
