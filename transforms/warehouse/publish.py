"""Publishes the build: a copy becomes `warehouse.duckdb` by an atomic swap.

Readers open the published file read-only. One that has it open keeps the old file, whole, until it
opens it again; nobody ever sees half a load. A crash at any point leaves the old file or the new
one. The last versions stay in `versions/`; the published file is a link to one of them.

A published file that does not bear the time of its version was written to by someone: the build is
published anew. Content that a version holds already is not copied again: that version is published.
A version that is held stays published until it is released, see `rollback`.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from transforms.warehouse.build import BUILD, content_digest, open_build, require_build
from transforms.warehouse.duck import META, Connection, fetch, wal_of
from transforms.warehouse.folders import (
    PART,
    adopt_flat,
    file_of,
    list_parts,
    make_folder,
    name_of,
    name_version,
    remove_left,
    try_remove_version,
)
from transforms.warehouse.hold import Hold, read_hold
from transforms.warehouse.query import PUBLISHED
from transforms.warehouse.swap import (
    PublishError,
    alone,
    can_link,
    explained,
    read_digest,
    seal,
    settle_log,
    swap,
    sync,
)
from transforms.warehouse.versions import (
    find_content,
    find_damage,
    find_linked,
    find_published,
    surplus_versions,
)

__all__ = ["PublishError", "PublishReport", "publish", "read_version"]


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What is published now.

    Attributes:
        path: The published file.
        version: Name of its version: UTC time of the publish and 8 digits of the content's digest.
        changed: Whether this call published it; false when nothing had changed.
        bytes: Size of the file.
        altered: Whether the file published before was not as it had been published: someone had
            written to it, or taken its version away.
        held: Whether the version is held, and the build was left unpublished for that.
        held_at: Since when, ISO 8601 UTC, or None.
        held_reason: What the operator said, or None.
    """

    path: str
    version: str
    changed: bool
    bytes: int
    altered: bool = False
    held: bool = False
    held_at: str | None = None
    held_reason: str | None = None


def publish(warehouse_dir: Path, keep: int = 3, *, now: datetime | None = None) -> PublishReport:
    """Publishes the checked build, unless its content is published already or a version is held.

    Args:
        warehouse_dir: Folder of the DuckDB files.
        keep: Versions to keep, the published one included; the one it takes the place of stays
            until the next, in any case.
        now: Time for the version's name; default: the present.

    Raises:
        PublishError: The build has not passed its checks, a version that is held cannot be used,
            or a file could not be written.
        WarehouseLockedError: A process holds the build, or has the published file open for writing.
        ConfigurationError: There is no build, the published file is not ours, or the hold cannot
            be read.
    """
    require_build(warehouse_dir)
    target = warehouse_dir / PUBLISHED
    with alone(warehouse_dir), explained(target, "cognition load"):
        with open_build(warehouse_dir) as connection:
            adopt_flat(warehouse_dir)
            digest = _checked_digest(connection)
            settle_log(target)
            published, whole = read_digest(target), find_published(warehouse_dir)
            linked = find_linked(warehouse_dir)
            hold = read_hold(warehouse_dir)
            if hold is not None:
                version = _held_version(warehouse_dir, hold, whole)
            elif whole is not None and published == digest:
                version = whole
            elif (kept := find_content(warehouse_dir, digest)) is not None:
                version = kept
            else:
                fetch(connection, "CHECKPOINT")
                version = _copy_build(warehouse_dir, digest, now or datetime.now(UTC))
        altered = whole is None and os.path.lexists(target)
        if changed := version != whole:
            swap(version, target)
        elif not target.is_symlink() and can_link(target) and find_damage(version) is None:
            swap(version, target)  # a link in place of a hard link, as once, or of a copy
        if altered and linked is not None:
            try_remove_version(linked)
        for old in surplus_versions(warehouse_dir, version, keep):
            if old != linked:  # who read the link just before the swap opens it just after
                try_remove_version(old)
        size = target.stat().st_size
        report = PublishReport(str(target), name_of(version), changed, size, altered)
        if hold is None:
            return report
        return replace(report, held=True, held_at=hold.held_at, held_reason=hold.reason)


def read_version(warehouse_dir: Path) -> str | None:
    """Returns the version that is published, or None.

    Raises:
        WarehouseLockedError: A process has the published file open for writing.
        ConfigurationError: The file is not ours.
    """
    target = warehouse_dir / PUBLISHED
    if read_digest(target) is None:
        return None
    found = find_published(warehouse_dir)
    return name_of(found) if found else target.stem


def _checked_digest(connection: Connection) -> str:
    digest = content_digest(connection)
    if fetch(connection, f"SELECT checked_digest FROM {META}") != [(digest,)]:  # noqa: S608 - a constant
        raise PublishError("the build has not passed its checks: run `cognition load`")
    return digest


def _held_version(warehouse_dir: Path, hold: Hold, published: Path | None) -> Path:
    """Returns the version that is held; one that is not published yet, or no more, must be whole.

    Raises:
        PublishError: It is not.
    """
    version = file_of(warehouse_dir, hold.version)
    if version == published:
        return version
    if flaw := find_damage(version) if version.exists() else "is not kept any more":
        raise PublishError(
            f"{hold.version} is held and {flaw}: `cognition rollback VERSION` goes to another, "
            "or `cognition rollback --release` and `cognition load` publish the build"
        )
    return version


def _copy_build(warehouse_dir: Path, digest: str, now: datetime) -> Path:
    """Copies the checkpointed build into `versions/`, on disk before it gets its name.

    The caller's connection holds DuckDB's lock meanwhile, so that nobody writes to the build.
    """
    build = warehouse_dir / BUILD
    if wal_of(build).exists():
        raise PublishError(f"{wal_of(build)} is still there after CHECKPOINT: publish again")
    for left in list_parts(warehouse_dir):
        with suppress(OSError):
            remove_left(left)
    name, moment = name_version(warehouse_dir, digest, now)
    part = make_folder(warehouse_dir, f"{name}{PART}")
    version = file_of(warehouse_dir, name)
    try:
        shutil.copyfile(build, part)
        seal(part, int(moment.timestamp()))
        sync(part.parent)
        part.parent.replace(version.parent)
        sync(version.parent.parent)
    finally:
        with suppress(OSError):
            remove_left(part.parent)
    return version
