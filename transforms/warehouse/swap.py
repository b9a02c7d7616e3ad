"""Puts a version in the place of `warehouse.duckdb`: alone, whole, and with no log beside it.

The published file is a symbolic link to its version. DuckDB resolves the link once and opens what
it names several times to connect: a swap in between cannot mix the header of one version with the
rows of the next, as it would with a file that is itself renamed. The link is relative, so that the
folder may be mounted anywhere. A version's file is named like the published one, and so is the
catalog that BI tools see.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from transforms.errors import CognitionError
from transforms.warehouse.build import content_digest
from transforms.warehouse.duck import (
    WarehouseLockedError,
    connect,
    fetch,
    first_lines,
    require_ours,
    wal_of,
)

LOCK_SECONDS = 60.0


class PublishError(CognitionError):
    """Nothing else could be published; what was published stays as it was."""


@contextmanager
def alone(warehouse_dir: Path) -> Iterator[None]:
    """Lets one publish or rollback at a time happen: an older copy never replaces a newer one.

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
def explained(target: Path, command: str) -> Iterator[None]:
    """Tells what the system refused, and which command to run once that is put right.

    Raises:
        PublishError: A file could not be read or written.
    """
    try:
        yield
    except (OSError, duckdb.Error) as error:
        said = first_lines(error) if isinstance(error, duckdb.Error) else _said_of(error)
        raise PublishError(
            f"cannot publish {target}: {said}. What was published is whole; "
            f"free space or correct the folder's rights and run `{command}`"
        ) from None


def _said_of(error: OSError) -> str:
    place = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{place}"


def settle_log(target: Path) -> None:
    """Lets no write-ahead log lie beside the target when another file takes its name.

    A log is left by someone who wrote to the published file and was killed: it goes into that file,
    as it should. Beside a copy, DuckDB 1.5 would replay it into the next; 2.0 would refuse to open.

    Raises:
        PublishError: It lies there still: someone writes to the published file.
    """
    log = _log_of(target)
    if not target.exists():
        log.unlink(missing_ok=True)  # of a file that is gone
    elif log.exists():
        _set_mode(target, target.stat().st_mode | stat.S_IWUSR)
        with connect(target, read_only=False) as connection:
            fetch(connection, "CHECKPOINT")
    _refuse_log(target)


def read_digest(target: Path) -> str | None:
    """Returns the content that is published; opening it also tells whether someone writes to it.

    Where someone took away what tells the content, it is no build's: "".

    Raises:
        WarehouseLockedError: A process has the published file open for writing.
        ConfigurationError: The file is not ours.
    """
    if not target.exists():
        return None
    with connect(target, read_only=True) as connection:
        require_ours(connection, target)
        with suppress(duckdb.ProgrammingError):
            return content_digest(connection)
    return ""


def can_link(target: Path) -> bool:
    """Tells whether a symbolic link can take the place of the published file."""
    link = link_of(target)
    link.unlink(missing_ok=True)
    try:
        link.symlink_to(target.name)
    except OSError:  # a filesystem without symbolic links
        return False
    link.unlink()
    return True


def swap(version: Path, target: Path) -> None:
    """Makes a version the published file: by a link or, where links fail, a copy.

    Args:
        version: The file of a version.
        target: The published file.

    Raises:
        PublishError: Someone began to write to the published file.
        OSError: A file could not be written.
    """
    link = link_of(target)
    link.unlink(missing_ok=True)
    try:
        try:
            link.symlink_to(version.relative_to(target.parent))
        except OSError:  # a filesystem without symbolic links
            shutil.copyfile(version, link)
            seal(link, int(version.stat().st_mtime))
        _refuse_log(target)
        link.replace(target)
        sync(target.parent)
    finally:
        link.unlink(missing_ok=True)
    if target.is_symlink():
        wal_of(target).unlink(missing_ok=True)  # of the copy that was there
    _refuse_log(target)


def link_of(target: Path) -> Path:
    """Returns the name a link bears until it takes that of the published file."""
    return target.with_name(f"{target.name}.new")


def seal(file: Path, seconds: int) -> None:
    """Gives a copy the time of its version, takes from all the right to write, and syncs it."""
    give_to_owner(file)
    os.utime(file, (seconds, seconds))
    _set_mode(file, file.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    sync(file)


def give_to_owner(path: Path) -> None:
    """Gives what root makes to the owner of the folder it lies in, who reads and removes it."""
    owner = path.parent.stat()
    with suppress(OSError):  # only root may give away
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def sync(path: Path) -> None:
    """Has a file or folder written to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _log_of(target: Path) -> Path:
    """Returns where DuckDB keeps the log of the published file: beside the version it links to."""
    return wal_of(Path(os.path.realpath(target)) if target.exists() else target)


def _refuse_log(target: Path) -> None:
    log = _log_of(target)
    if log.exists():
        raise PublishError(
            f"{log} appeared: someone writes to the published file. Close that program, delete "
            f"{log.name}, publish again; open {target.name} read-only"
        )


def _set_mode(file: Path, mode: int) -> None:
    with suppress(OSError):  # a filesystem without modes, or someone else's file
        file.chmod(stat.S_IMODE(mode))
