"""The versions that are kept: their names, their order, and whether each is whole.

A version is a folder, `versions/warehouse-<UTC time>-<8 digits of the content's digest>/`, with its
`warehouse.duckdb`. The file is read-only and bears the time of the name, to the second: one that
bears another was written to. Each is at least a second later than the one before, so their names
sort as they were published. What is being made, or taken away, is a folder that ends in `.part`.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from transforms.errors import CognitionError, LakeFormatError
from transforms.warehouse.ddl import quote
from transforms.warehouse.duck import (
    WarehouseLockedError,
    connect,
    fetch,
    first_lines,
    require_ours,
    wal_of,
)
from transforms.warehouse.hold import read_hold
from transforms.warehouse.query import PUBLISHED
from transforms.warehouse.swap import VERSIONS, link_of, read_digest

_NAME = re.compile(r"warehouse-(\d{8}T\d{6})-[0-9a-f]{8}")
_TIME = "%Y%m%dT%H%M%S"
PART = ".part"


def list_versions(warehouse_dir: Path) -> list[Path]:
    """Returns the files of the versions that are kept, oldest first."""
    files = (warehouse_dir / VERSIONS).glob(f"warehouse-*/{PUBLISHED}")
    return sorted(file for file in files if _NAME.fullmatch(name_of(file)))


def file_of(warehouse_dir: Path, name: str) -> Path:
    """Returns where the file of a version lies, be it there or not."""
    return warehouse_dir / VERSIONS / name / PUBLISHED


def name_of(version: Path) -> str:
    """Returns the name of a version."""
    return version.parent.name


def remove_version(version: Path) -> None:
    """Takes a version away, at once: killed meanwhile, what is left is no version any more."""
    left = version.parent.with_name(f"{name_of(version)}{PART}")
    version.parent.replace(left)
    shutil.rmtree(left)


def list_leftovers(warehouse_dir: Path) -> list[Path]:
    """Returns what publishes that died have left behind; nobody may publish meanwhile."""
    link = link_of(warehouse_dir / PUBLISHED)
    parts = sorted((warehouse_dir / VERSIONS).glob(f"*{PART}"))
    return [*parts, link] if os.path.lexists(link) else parts


def remove_leftover(path: Path) -> None:
    """Takes away a file or folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def adopt_files(warehouse_dir: Path) -> None:
    """Gives each version a folder that is a file of its own, as versions were before."""
    for file in (warehouse_dir / VERSIONS).glob("warehouse-*.duckdb"):
        if _NAME.fullmatch(file.stem) and file.is_file():
            file.with_suffix("").mkdir(exist_ok=True)
            file.replace(file_of(warehouse_dir, file.stem))


def name_version(warehouse_dir: Path, digest: str, now: datetime) -> tuple[str, datetime]:
    """Returns the name of the next version and its time, a whole second.

    Args:
        warehouse_dir: Folder of the DuckDB files.
        digest: Of the version's content.
        now: The present; a clock that stands behind the newest version gives way to it.
    """
    moment = now.astimezone(UTC).replace(microsecond=0)
    if kept := list_versions(warehouse_dir):
        moment = max(moment, time_of(kept[-1]) + timedelta(seconds=1))
    return f"warehouse-{moment:{_TIME}}-{digest[:8]}", moment


def time_of(version: Path) -> datetime:
    """Returns when a version was published, to the second, UTC."""
    return datetime.strptime(name_of(version).split("-")[1], _TIME).replace(tzinfo=UTC)


def digits_of(version: Path) -> str:
    """Returns the digits of the content's digest that a version bears in its name."""
    return name_of(version).rpartition("-")[2]


def find_content(warehouse_dir: Path, digest: str) -> Path | None:
    """Returns the newest version that is whole and holds a content, or None.

    Args:
        warehouse_dir: Folder of the DuckDB files.
        digest: Of the content.
    """
    for version in reversed(list_versions(warehouse_dir)):
        if not digest.startswith(digits_of(version)) or find_damage(version):
            continue
        if read_digest(version) == digest:
            return version
    return None


def find_published(warehouse_dir: Path) -> Path | None:
    """Returns the version the published file is a link to, or a copy of.

    None where nothing is published, the version is gone, or someone has written to the file since:
    the time tells, to the nanosecond.
    """
    target = warehouse_dir / PUBLISHED
    if not target.exists():
        return None
    found = target.stat()
    same_time = [v for v in list_versions(warehouse_dir) if found.st_mtime_ns == _time_ns(v)]
    linked = find_linked(warehouse_dir)
    if linked in same_time:
        return linked
    return same_time[0] if same_time else None


def find_linked(warehouse_dir: Path) -> Path | None:
    """Returns the version the published file is a link to, be it written to since."""
    target = warehouse_dir / PUBLISHED
    if not target.exists():
        return None
    linked = (each for each in list_versions(warehouse_dir) if each.samefile(target))
    return next(linked, None)


def surplus_versions(warehouse_dir: Path, needed: Collection[Path | None], keep: int) -> list[Path]:
    """Returns the versions that are too many, oldest first; never one that is needed or held.

    Args:
        warehouse_dir: Folder of the DuckDB files.
        needed: The published version, and one that readers may be about to open.
        keep: Versions to keep, the needed ones included.

    Raises:
        ConfigurationError: There is a hold that cannot be read.
    """
    hold, versions = read_hold(warehouse_dir), list_versions(warehouse_dir)
    held = hold.version if hold else None
    old = [path for path in versions if path not in needed and name_of(path) != held]
    staying = len(versions) - len(old)
    return old[: max(0, len(old) - max(0, keep - staying))]


def flaw_of(version: Path) -> str | None:
    """Returns why a version cannot be used, as far as opening it tells, or None."""
    if version.stat().st_mtime_ns != _time_ns(version):
        return "was written to after it was published"
    if wal_of(version).exists():
        return f"has a log of someone's changes beside it, {wal_of(version).name}"
    try:
        with connect(version, read_only=True) as connection:
            require_ours(connection, version)
    except WarehouseLockedError:
        return "is open for writing in another process"
    except LakeFormatError:
        return "was made by a newer version of cognition"
    except CognitionError:
        return "cannot be opened as a warehouse"
    return None


def find_damage(version: Path) -> str | None:
    """Returns why a version cannot be used, or None; reads each of its rows once.

    DuckDB compares every block it reads with the block's checksum.
    """
    if flaw := flaw_of(version):
        return flaw
    names = "SELECT table_name FROM duckdb_tables() WHERE NOT internal"
    try:
        with connect(version, read_only=True) as connection:
            for (name,) in fetch(connection, names):
                fetch(connection, f"SELECT bit_xor(hash(t)) FROM {quote(name)} AS t")  # noqa: S608 - quoted
    except duckdb.Error as error:
        return f"is damaged: {first_lines(error)}"
    return None


def _time_ns(version: Path) -> int:
    return int(time_of(version).timestamp()) * 10**9
