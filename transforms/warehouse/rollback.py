"""Goes back to a version that is kept, and holds it there until it is released.

The same atomic swap under the same lock as a publish, so readers are as little disturbed. Without
a hold the next load would publish the build again, whose fault it was; with one, loads and checks
go on, and what is published stays.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from transforms.errors import CognitionError, ConfigurationError
from transforms.plain import plain
from transforms.warehouse.duck import connect, fetch
from transforms.warehouse.hold import Hold, read_hold, remove_hold, write_hold
from transforms.warehouse.query import PUBLISHED
from transforms.warehouse.swap import (
    VERSIONS,
    PublishError,
    alone,
    explained,
    read_digest,
    settle_log,
    swap,
)
from transforms.warehouse.versions import (
    digits_of,
    find_damage,
    find_published,
    flaw_of,
    list_versions,
    time_of,
)

_LIST = "`cognition rollback --list` shows those that are kept"
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """A version that is kept.

    Attributes:
        version: Its name.
        published_at: When it was published first, ISO 8601 UTC.
        bytes: Size of its file.
        batches: Batches it holds, or None where it cannot be used.
        jobs: Jobs it holds, or None where it cannot be used.
        published: Whether it is the published one.
        held: Whether it is the one that is held.
        flaw: Why it cannot be used, as far as opening it tells, or None.
    """

    version: str
    published_at: str
    bytes: int
    batches: int | None
    jobs: int | None
    published: bool
    held: bool
    flaw: str | None


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
    _require_name(version)
    _require_versions(warehouse_dir)
    target = warehouse_dir / PUBLISHED
    command = (
        f"cognition rollback {plain(version)}" if version is not None else "cognition rollback"
    )
    with alone(warehouse_dir), explained(target, command):
        settle_log(target)
        known = read_digest(target)
        whole = find_published(warehouse_dir)
        before = whole or _linked(warehouse_dir)
        if version is not None:
            chosen = _find(warehouse_dir, version)
        else:
            chosen = _before(warehouse_dir, before)
        if chosen == whole:
            _refuse_twice(warehouse_dir, chosen)
        if flaw := find_damage(chosen):
            raise PublishError(f"{chosen.stem} {flaw}: choose another; {_LIST}")
        hold = Hold(chosen.stem, _iso(now or datetime.now(UTC)), reason or None)
        write_hold(warehouse_dir, hold)
        if chosen != whole:
            swap(chosen, target, altered=known is not None and whole is None)
        batches, jobs = _count(chosen)
        return RollbackReport(
            str(target),
            chosen.stem,
            before.stem if before else None,
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


def describe_versions(warehouse_dir: Path) -> tuple[KeptVersion, ...]:
    """Returns what is kept, newest first.

    Raises:
        ConfigurationError: There is a hold that cannot be read.
    """
    hold, published = read_hold(warehouse_dir), find_published(warehouse_dir)
    held, found = hold.version if hold else None, []
    for version in reversed(list_versions(warehouse_dir)):
        with suppress(FileNotFoundError):  # a publish has just taken it away
            shown = _describe(version, published=version == published, held=version.stem == held)
            found.append(shown)
    return tuple(found)


def _describe(version: Path, *, published: bool, held: bool) -> KeptVersion:
    flaw = flaw_of(version)
    batches, jobs = (None, None) if flaw else _count(version)
    size, time = version.stat().st_size, _iso(time_of(version))
    return KeptVersion(version.stem, time, size, batches, jobs, published, held, flaw)


def _iso(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _count(version: Path) -> tuple[int, int]:
    """Returns the batches and jobs of a version."""
    with connect(version, read_only=True) as connection:
        sql = "SELECT (SELECT count(*) FROM batches), (SELECT count(*) FROM jobs)"
        batches, jobs = fetch(connection, sql)[0]
        return int(batches), int(jobs)


def _require_name(version: str | None) -> None:
    """Refuses what a variable that is not set gives, which is part of every name."""
    if version is not None and not _name_in(version):
        raise ConfigurationError(
            "the version is empty: name one, or give no version to go to the one before the "
            f"published one; {_LIST}"
        )


def _name_in(given: str) -> str:
    return Path(given.strip()).name.removesuffix(".duckdb")


def _require_versions(warehouse_dir: Path) -> None:
    if not list_versions(warehouse_dir):
        raise ConfigurationError(
            f"no versions are kept in {warehouse_dir / VERSIONS}: `cognition load` publishes one"
        )


def _linked(warehouse_dir: Path) -> Path | None:
    """Returns the version the published file is a link to, be it written to since."""
    target = warehouse_dir / PUBLISHED
    if not target.exists():
        return None
    linked = (each for each in list_versions(warehouse_dir) if each.samefile(target))
    return next(linked, None)


def _before(warehouse_dir: Path, published: Path | None) -> Path:
    """Returns the version before the published one, or the newest where that is none of them.

    Versions of the published content are none to go back to: what is wrong with it is in them.
    """
    versions = list_versions(warehouse_dir)
    if published is None:
        return versions[-1]
    older = [each for each in versions if each.stem < published.stem]
    for version in reversed(older):
        if not _hold_the_same(version, published):
            return version
    told = "the oldest version that is kept: there is none before it"
    if older:
        told = "all that are kept from before it hold the same"
    raise ConfigurationError(f"{published.stem} is published and {told}; {_LIST}")


def _hold_the_same(version: Path, published: Path) -> bool:
    """Tells whether two versions hold the same; of one that cannot be read its name tells."""
    if digits_of(version) != digits_of(published):
        return False
    with suppress(CognitionError, duckdb.Error):
        return read_digest(version) == read_digest(published)
    return True


def _find(warehouse_dir: Path, given: str) -> Path:
    """Returns the version of a name, or of a part that no other has."""
    name = _name_in(given)
    versions = list_versions(warehouse_dir)
    found = [each for each in versions if each.stem == name]
    found = found or [each for each in versions if name in each.stem]
    if not found:
        raise ConfigurationError(f"no version {plain(given)} is kept; {_LIST}")
    if len(found) > 1:
        names = ", ".join(each.stem for each in found[-_SHOWN:])
        more = " among them" if len(found) > _SHOWN else ""
        raise ConfigurationError(
            f"{plain(given)} is part of {len(found)} names, {names}{more}: give more of it"
        )
    return found[0]


def _refuse_twice(warehouse_dir: Path, version: Path) -> None:
    """Lets a published version be held, but tells that there is nothing to do where it is."""
    try:
        hold = read_hold(warehouse_dir)
    except ConfigurationError:
        return  # about to be written anew
    if hold is not None and hold.version == version.stem:
        raise ConfigurationError(
            f"{version.stem} is published and held already: `cognition rollback --release` lets "
            f"the next load publish the build; {_LIST}"
        )
