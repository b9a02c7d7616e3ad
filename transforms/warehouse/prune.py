"""Takes away published versions that are too many, and what publishes have left behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISDIR

from transforms.warehouse.folders import (
    adopt_flat,
    list_hollow,
    list_parts,
    list_versions,
    name_of,
    remove_left,
    remove_version,
    stats_below,
)
from transforms.warehouse.publish import read_version
from transforms.warehouse.query import PUBLISHED
from transforms.warehouse.swap import PublishError, alone, link_of
from transforms.warehouse.versions import find_linked, find_published, surplus_versions


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What was taken away, or would be.

    Attributes:
        dry_run: Whether nothing was taken away.
        published: The published version, or None.
        kept: Versions that stay.
        removed: Versions that were taken away, by name, oldest first.
        leftovers: What publishes that died have left, and folders of versions long gone, by name.
        bytes: Their sizes together; disk space only where no reader holds them open.
    """

    dry_run: bool
    published: str | None = None
    kept: int = 0
    removed: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    bytes: int = 0


def prune(
    warehouse_dir: Path, keep: int, *, dry_run: bool = False, now: datetime | None = None
) -> PruneReport:
    """Keeps the newest versions; the published one, or one that is held, always stays, be it old.

    Args:
        warehouse_dir: Folder of the DuckDB files.
        keep: Versions to keep, the published one included.
        dry_run: Tell what would go and take nothing away.
        now: Time by which a folder is of long ago; default: the present.

    Raises:
        PublishError: Something could not be taken away.
        WarehouseLockedError: Another process publishes, or writes to the published file.
        ConfigurationError: The published file is not ours, or there is a hold that cannot be read.
    """
    if not warehouse_dir.is_dir():
        return PruneReport(dry_run)
    with nullcontext() if dry_run else alone(warehouse_dir):
        if not dry_run:
            adopt_flat(warehouse_dir)
        version = read_version(warehouse_dir)
        published = find_published(warehouse_dir) or find_linked(warehouse_dir)
        surplus = surplus_versions(warehouse_dir, published, keep)
        left = _list_left(warehouse_dir, now or datetime.now(UTC))
        kept = len(list_versions(warehouse_dir)) - len(surplus)
        size = sum(map(_size, (*surplus, *left)))
        if not dry_run:
            refused = [*_refused(remove_version, surplus), *_refused(remove_left, left)]
            if refused:  # all that can be taken away is gone
                raise PublishError(
                    f"cannot take away {refused[0]}. What is published is whole; correct the "
                    "rights of its folder and run `cognition maintain --only prune`"
                )
    removed, leftovers = tuple(map(name_of, surplus)), tuple(path.name for path in left)
    return PruneReport(dry_run, version, kept, removed, leftovers, size)


def _list_left(warehouse_dir: Path, now: datetime) -> list[Path]:
    link = link_of(warehouse_dir / PUBLISHED)
    left = [*list_parts(warehouse_dir), *list_hollow(warehouse_dir, now)]
    return [*left, link] if os.path.lexists(link) else left


def _refused(remove: Callable[[Path], None], paths: Iterable[Path]) -> Iterator[str]:
    """Takes away what can be; yields what cannot, and why."""
    for path in paths:
        try:
            remove(path)
        except OSError as error:
            yield f"{path}: {error.strerror or error}"


def _size(path: Path) -> int:
    """Returns the bytes of a file, or of the files below a folder."""
    found = stats_below(path) if path.is_dir() and not path.is_symlink() else [path.lstat()]
    return sum(each.st_size for each in found if not S_ISDIR(each.st_mode))
