"""Takes away published versions that are too many, and what publishes that died have left."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from transforms.warehouse.publish import read_version
from transforms.warehouse.query import PUBLISHED
from transforms.warehouse.swap import VERSIONS, alone
from transforms.warehouse.versions import list_versions, surplus_versions


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What was taken away, or would be.

    Attributes:
        dry_run: Whether nothing was taken away.
        published: The published version, or None.
        kept: Versions that stay.
        removed: Versions that were taken away, by name, oldest first.
        leftovers: Files of publishes that died, by name.
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
        folder = warehouse_dir / VERSIONS
        published = folder / f"{version}.duckdb" if version else None
        if published is not None and not published.exists():
            published = None  # altered since it was published: a version by no name
        surplus = surplus_versions(warehouse_dir, published, keep)
        # While nobody publishes, nobody writes these.
        left = [*sorted(folder.glob("*.part")), *warehouse_dir.glob(f"{PUBLISHED}.new")]
        kept = len(list_versions(warehouse_dir)) - len(surplus)
        size = sum(file.stat().st_size for file in (*surplus, *left))
        for file in () if dry_run else (*surplus, *left):
            file.unlink()
    removed, leftovers = (tuple(file.name for file in files) for files in (surplus, left))
    return PruneReport(dry_run, version, kept, removed, leftovers, size)
