"""Takes away published versions that are too many, and what publishes that died have left."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from transforms.warehouse.publish import read_version
from transforms.warehouse.swap import alone
from transforms.warehouse.versions import (
    find_linked,
    find_published,
    list_leftovers,
    list_versions,
    name_of,
    remove_leftover,
    remove_version,
    surplus_versions,
)


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What was taken away, or would be.

    Attributes:
        dry_run: Whether nothing was taken away.
        published: The published version, or None.
        kept: Versions that stay.
        removed: Versions that were taken away, by name, oldest first.
        leftovers: What publishes that died have left, by name.
        bytes: Their sizes together; disk space only where no reader holds them open.
    """

    dry_run: bool
    published: str | None = None
    kept: int = 0
    removed: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    bytes: int = 0


def prune(warehouse_dir: Path, keep: int, *, dry_run: bool = False) -> PruneReport:
    """Keeps the newest versions; the published one, or one that is held, always stays, be it old.

    Args:
        warehouse_dir: Folder of the DuckDB files.
        keep: Versions to keep, the published one included.
        dry_run: Tell what would go and take nothing away.

    Raises:
        WarehouseLockedError: Another process publishes, or writes to the published file.
        ConfigurationError: The published file is not ours, or there is a hold that cannot be read.
    """
    if not warehouse_dir.is_dir():
        return PruneReport(dry_run)
    with nullcontext() if dry_run else alone(warehouse_dir):
        version = read_version(warehouse_dir)
        needed = (find_published(warehouse_dir), find_linked(warehouse_dir))
        surplus = surplus_versions(warehouse_dir, needed, keep)
        left = list_leftovers(warehouse_dir)
        kept = len(list_versions(warehouse_dir)) - len(surplus)
        size = sum(map(_size, (*surplus, *left)))
        for each in () if dry_run else surplus:
            remove_version(each)
        for each in () if dry_run else left:
            remove_leftover(each)
    removed, leftovers = tuple(map(name_of, surplus)), tuple(path.name for path in left)
    return PruneReport(dry_run, version, kept, removed, leftovers, size)


def _size(path: Path) -> int:
    """Returns the bytes of a file, or of the files in a folder."""
    files = [path] if not path.is_dir() else list(path.iterdir())
    return sum(file.lstat().st_size for file in files)
