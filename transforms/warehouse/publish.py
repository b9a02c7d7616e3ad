"""Publishes the build: a copy becomes `warehouse.duckdb` by an atomic swap.

Readers open the published file read-only. One that has it open keeps the old file, whole, until it
opens it again; nobody ever sees half a load. A crash at any point leaves the old file or the new
one. The last versions stay in `versions/`; the published file is a hard link to one of them.

A version is read-only and bears the time of its name, to the second. A published file that bears
another was written to by someone: the build is published anew.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from transforms.errors import CognitionError
from transforms.warehouse.build import BUILD, content_digest, open_build, require_build
from transforms.warehouse.duck import (
    META,
    Connection,
    WarehouseLockedError,
    connect,
    fetch,
    first_lines,
    require_ours,
    wal_of,
)
from transforms.warehouse.query import PUBLISHED

VERSIONS = "versions"
LOCK_SECONDS = 60.0


class PublishError(CognitionError):
    """The build could not be published; what was published stays as it was."""


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
    """

    path: str
    version: str
    changed: bool
    bytes: int
    altered: bool = False


def publish(warehouse_dir: Path, keep: int = 3, *, now: datetime | None = None) -> PublishReport:
    """Publishes the checked build, unless its content is published already.

    Args:
        warehouse_dir: Folder of the DuckDB files.
        keep: Versions to keep, the published one included.
        now: Time for the version's name; default: the present.

    Raises:
        PublishError: The build has not passed its checks, or a file could not be written.
        WarehouseLockedError: A process holds the build, or has the published file open for writing.
        ConfigurationError: There is no build, or the published file is not ours.
    """
    require_build(warehouse_dir)
    target = warehouse_dir / PUBLISHED
    with alone(warehouse_dir), _explained(target):
        with open_build(warehouse_dir) as connection:
            digest = _checked_digest(connection)
            _settle_log(target)
            published = _published_digest(target)
            whole = None if published is None else _version_of(target, published)
            version = whole if published == digest else None
            if changed := version is None:
                fetch(connection, "CHECKPOINT")
                version = _copy_build(warehouse_dir, digest, now or datetime.now(UTC))
        altered = published is not None and whole is None
        if changed:
            _swap(version, target, altered=altered)
        for old in surplus_versions(warehouse_dir, version, keep):
            old.unlink()
        size = target.stat().st_size
        return PublishReport(str(target), version.stem, changed, size, altered)


def read_version(warehouse_dir: Path) -> str | None:
    """Returns the version that is published, or None.

    Raises:
        WarehouseLockedError: A process has the published file open for writing.
        ConfigurationError: The file is not ours.
    """
    target = warehouse_dir / PUBLISHED
    digest = _published_digest(target)
    return None if digest is None else (_version_of(target, digest) or target).stem


def surplus_versions(warehouse_dir: Path, published: Path | None, keep: int) -> list[Path]:
    """Returns the versions that are too many, oldest first; never the published one.

    Args:
        warehouse_dir: Folder of the DuckDB files.
        published: The published version, if there is one.
        keep: Versions to keep, the published one included.
    """
    versions = sorted((warehouse_dir / VERSIONS).glob("warehouse-*.duckdb"))
    old = [path for path in versions if path != published]
    return old[: max(0, len(old) - (keep - (published is not None)))]


@contextmanager
def alone(warehouse_dir: Path) -> Iterator[None]:
    """Lets one publish at a time happen: an older copy never replaces a newer one.

    Raises:
        WarehouseLockedError: Another process publishes, and did not end within a minute.
    """
    try:
        with FileLock(warehouse_dir / "publish.lock", timeout=LOCK_SECONDS):
            yield
    except Timeout:
        raise WarehouseLockedError(
            f"{warehouse_dir} is being published by another process: let it finish, try again"
        ) from None


@contextmanager
def _explained(target: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, duckdb.Error) as error:
        said = first_lines(error) if isinstance(error, duckdb.Error) else error.strerror
        raise PublishError(
            f"cannot publish {target}: {said}. What was published is whole; "
            "free space or correct the folder's rights and run `cognition load`"
        ) from None


def _checked_digest(connection: Connection) -> str:
    digest = content_digest(connection)
    if fetch(connection, f"SELECT checked_digest FROM {META}") != [(digest,)]:  # noqa: S608 - a constant
        raise PublishError("the build has not passed its checks: run `cognition load`")
    return digest


def _settle_log(target: Path) -> None:
    """Lets no write-ahead log lie beside the target when another file takes its name.

    DuckDB 1.5 would replay it into the new file, 2.0 would refuse to open that. A log is left by
    someone who wrote to the published file and was killed: it goes into that file, as it should.
    """
    log = wal_of(target)
    if not target.exists():
        log.unlink(missing_ok=True)  # of a file that is gone
    elif log.exists():
        _set_mode(target, target.stat().st_mode | stat.S_IWUSR)
        with connect(target, read_only=False) as connection:
            fetch(connection, "CHECKPOINT")
    _refuse_log(target)


def _refuse_log(target: Path) -> None:
    log = wal_of(target)
    if log.exists():
        raise PublishError(
            f"{log} appeared: someone writes to the published file. Close that program, delete "
            f"{log.name}, publish again; open {target.name} read-only"
        )


def _published_digest(target: Path) -> str | None:
    """Returns the content that is published; opening it also tells whether someone writes to it.

    Where someone took away what tells the content, it is no build's: "".
    """
    if not target.exists():
        return None
    with connect(target, read_only=True) as connection:
        require_ours(connection, target)
        with suppress(duckdb.ProgrammingError):
            return content_digest(connection)
    return ""


def _copy_build(warehouse_dir: Path, digest: str, now: datetime) -> Path:
    """Copies the checkpointed build into `versions/`, on disk before it gets its name.

    The caller's connection holds DuckDB's lock meanwhile, so that nobody writes to the build.
    """
    build, folder = warehouse_dir / BUILD, warehouse_dir / VERSIONS
    if wal_of(build).exists():
        raise PublishError(f"{wal_of(build)} is still there after CHECKPOINT: publish again")
    folder.mkdir(exist_ok=True)
    for leftover in folder.glob("*.part"):
        leftover.unlink()
    name = _name_version(now, digest)
    part, version = folder / f"{name}.part", folder / f"{name}.duckdb"
    try:
        shutil.copyfile(build, part)
        _seal(part, int(now.timestamp()))
        part.replace(version)
        _sync(folder)
    finally:
        part.unlink(missing_ok=True)
    return version


def _name_version(moment: datetime, digest: str) -> str:
    return f"warehouse-{moment.astimezone(UTC):%Y%m%dT%H%M%S}-{digest[:8]}"


def _seal(file: Path, seconds: int) -> None:
    """Gives a copy the time of its version, takes from all the right to write, and syncs it."""
    os.utime(file, (seconds, seconds))
    _set_mode(file, file.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    _sync(file)


def _set_mode(file: Path, mode: int) -> None:
    with suppress(OSError):  # a filesystem without modes, or someone else's file
        file.chmod(stat.S_IMODE(mode))


def _swap(version: Path, target: Path, *, altered: bool) -> None:
    """Makes the version the published file; an altered one is not kept as a version, either."""
    if altered:
        for damaged in (target.parent / VERSIONS).glob("warehouse-*.duckdb"):
            if damaged.samefile(target):
                damaged.unlink()
    link = target.with_name(f"{PUBLISHED}.new")
    link.unlink(missing_ok=True)
    try:
        try:
            os.link(version, link)
        except OSError:  # a filesystem without hard links
            shutil.copyfile(version, link)
            _seal(link, int(version.stat().st_mtime))
        _refuse_log(target)
        link.replace(target)
        _sync(target.parent)
    finally:
        link.unlink(missing_ok=True)
    _refuse_log(target)


def _version_of(target: Path, digest: str) -> Path | None:
    """Returns the version the target is a link to, or a copy of; None if it was written to since.

    Its time tells, to the nanosecond: a hard link shares what is written with its version.
    """
    seconds, more = divmod(target.stat().st_mtime_ns, 10**9)
    name = _name_version(datetime.fromtimestamp(seconds, UTC), digest)
    version = target.parent / VERSIONS / f"{name}.duckdb"
    return version if more == 0 and version.exists() else None


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
