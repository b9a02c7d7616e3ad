"""The folders of versions: what they are called, and how they come and go.

A version is a folder, `versions/warehouse-<UTC time>-<8 digits of the content's digest>/`, with its
`warehouse.duckdb`. Each is at least a second later than the one before, so their names sort as they
were published. What is being made is a folder that ends in `.part`.

DuckDB works beside the file it reads when a query needs more than memory. So the folder of a
version that is taken away stays, hollow, and readers that keep the file open go on as before.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from transforms.warehouse.duck import wal_of
from transforms.warehouse.query import PUBLISHED
from transforms.warehouse.swap import give_to_owner

VERSIONS = "versions"
PART = ".part"
HOLLOW_DAYS = 7
_NAME = re.compile(r"warehouse-(\d{8}T\d{6})-[0-9a-f]{8}")
_TIME = "%Y%m%dT%H%M%S"


def list_versions(warehouse_dir: Path) -> list[Path]:
    """Returns the files of the versions that are kept, oldest first."""
    found = []
    for folder in _list_folders(warehouse_dir):
        with suppress(PermissionError):  # another user's: whatever is in it, it is of no use
            if (folder / PUBLISHED).exists():
                found.append(folder / PUBLISHED)
    return found


def file_of(warehouse_dir: Path, name: str) -> Path:
    """Returns where the file of a version lies, be it there or not."""
    return warehouse_dir / VERSIONS / name / PUBLISHED


def name_of(version: Path) -> str:
    """Returns the name of a version."""
    return version.parent.name


def time_of(version: Path) -> datetime:
    """Returns when a version was published, to the second, UTC."""
    return _moment_in(name_of(version))


def digits_of(version: Path) -> str:
    """Returns the digits of the content's digest that a version bears in its name."""
    return name_of(version).rpartition("-")[2]


def name_version(warehouse_dir: Path, digest: str, now: datetime) -> tuple[str, datetime]:
    """Returns the name of the next version and its time, a whole second.

    Args:
        warehouse_dir: Folder of the DuckDB files.
        digest: Of the version's content.
        now: The present; a clock that stands behind the newest version gives way to it.
    """
    moment = now.astimezone(UTC).replace(microsecond=0)
    if folders := _list_folders(warehouse_dir):
        moment = max(moment, _moment_in(folders[-1].name) + timedelta(seconds=1))
    return f"warehouse-{moment:{_TIME}}-{digest[:8]}", moment


def make_folder(warehouse_dir: Path, name: str) -> Path:
    """Makes the folder of a version; returns the file that shall lie in it.

    It is given to the owner of the folder around it: what root publishes, another can take away.
    """
    version = file_of(warehouse_dir, name)
    for folder in (version.parent.parent, version.parent):
        if not folder.is_dir():
            folder.mkdir()
            give_to_owner(folder)
    return version


def remove_version(version: Path) -> None:
    """Takes a version away, all but its folder.

    Raises:
        OSError: It could not be removed.
    """
    version.unlink()
    wal_of(version).unlink(missing_ok=True)


def try_remove_version(version: Path) -> None:
    """Takes a version away if it can be: what is published, is, and prune tells of what stays."""
    with suppress(OSError):
        remove_version(version)


def list_parts(warehouse_dir: Path) -> list[Path]:
    """Returns what publishes that died have left in `versions/`; nobody may publish meanwhile."""
    return sorted((warehouse_dir / VERSIONS).glob(f"*{PART}"))


def list_hollow(warehouse_dir: Path, now: datetime) -> list[Path]:
    """Returns the folders of versions that are gone, in which nothing happened for a week.

    A version that cannot be read just now, as a link to a disk that is away, is not gone.
    """
    long_ago = (now - timedelta(days=HOLLOW_DAYS)).timestamp()
    hollow = []
    for folder in _list_folders(warehouse_dir):
        with suppress(OSError):
            is_hollow = folder / PUBLISHED not in folder.iterdir()
            if is_hollow and _last_change(folder) < long_ago:
                hollow.append(folder)
    return hollow


def remove_left(path: Path) -> None:
    """Takes away a file, or a folder with all that lies in it, if it is there.

    Raises:
        OSError: It could not be removed.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def stats_below(folder: Path) -> Iterator[os.stat_result]:
    """Yields what the system says of all that lies below a folder; readers may be at work there."""
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            with suppress(FileNotFoundError):  # a reader has just done with it
                yield os.lstat(os.path.join(place, name))  # noqa: PTH118 - as os.walk has it


def list_flat(warehouse_dir: Path) -> list[Path]:
    """Returns the versions that are files in `versions/`, as all were before they had folders."""
    files = (warehouse_dir / VERSIONS).glob("warehouse-*.duckdb")
    return [file for file in files if _is_name(file.stem) and file.is_file()]


def adopt_flat(warehouse_dir: Path) -> None:
    """Gives each version that is a file in `versions/` its folder; nobody may publish meanwhile."""
    for file in list_flat(warehouse_dir):
        version = make_folder(warehouse_dir, file.stem)
        if wal_of(file).exists():
            wal_of(file).replace(wal_of(version))
        file.replace(version)


def _list_folders(warehouse_dir: Path) -> list[Path]:
    found = (warehouse_dir / VERSIONS).glob("warehouse-*/")
    return sorted(folder for folder in found if _is_name(folder.name))


def _is_name(name: str) -> bool:
    if not _NAME.fullmatch(name):
        return False
    try:
        _moment_in(name)
    except ValueError:  # its digits are no time
        return False
    return True


def _moment_in(name: str) -> datetime:
    return datetime.strptime(name.split("-")[1], _TIME).replace(tzinfo=UTC)


def _last_change(folder: Path) -> float:
    return max(each.st_mtime for each in (folder.lstat(), *stats_below(folder)))
