"""The versions that are kept: which is published, which holds what, and whether each is whole.

The file of a version is read-only and bears the time of its name, to the second: one that bears
another was written to.
"""

from __future__ import annotations

from contextlib import suppress
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
from transforms.warehouse.folders import digits_of, list_versions, name_of, time_of
from transforms.warehouse.hold import read_hold
from transforms.warehouse.query import PUBLISHED
from transforms.warehouse.swap import read_digest


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
    return linked if linked in same_time else next(iter(same_time), None)


def find_linked(warehouse_dir: Path) -> Path | None:
    """Returns the version the published file is a link to, be it written to since."""
    for version in list_versions(warehouse_dir):
        with suppress(OSError):  # nothing is published, or a publish took this one away
            if version.samefile(warehouse_dir / PUBLISHED):
                return version
    return None


def surplus_versions(warehouse_dir: Path, published: Path | None, keep: int) -> list[Path]:
    """Returns the versions that are too many, oldest first; never the published or a held one.

    Args:
        warehouse_dir: Folder of the DuckDB files.
        published: The published version, if there is one.
        keep: Versions to keep, the published one included.

    Raises:
        ConfigurationError: There is a hold that cannot be read.
    """
    hold, versions = read_hold(warehouse_dir), list_versions(warehouse_dir)
    held = hold.version if hold else None
    old = [path for path in versions if path != published and name_of(path) != held]
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
