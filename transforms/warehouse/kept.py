"""What is kept: every version with its size, its batches, and whether it can be used."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from transforms.errors import CognitionError
from transforms.warehouse.duck import connect, fetch
from transforms.warehouse.folders import adopt_flat, list_flat, list_versions, name_of, time_of
from transforms.warehouse.hold import read_hold
from transforms.warehouse.swap import alone
from transforms.warehouse.versions import find_published, flaw_of


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


def describe_versions(warehouse_dir: Path) -> tuple[KeptVersion, ...]:
    """Returns what is kept, newest first.

    Raises:
        ConfigurationError: There is a hold that cannot be read.
    """
    if list_flat(warehouse_dir):
        with suppress(OSError), alone(warehouse_dir):  # unless one may only read
            adopt_flat(warehouse_dir)
    hold, published = read_hold(warehouse_dir), find_published(warehouse_dir)
    held, found = hold.version if hold else None, []
    for version in reversed(list_versions(warehouse_dir)):
        try:
            is_held = name_of(version) == held
            found.append(_describe(version, published=version == published, held=is_held))
        except (CognitionError, FileNotFoundError):
            if version.exists():  # else a publish has just taken it away
                raise
    return tuple(found)


def _describe(version: Path, *, published: bool, held: bool) -> KeptVersion:
    flaw = flaw_of(version)
    batches, jobs = (None, None) if flaw else count_rows(version)
    size, time = version.stat().st_size, iso(time_of(version))
    return KeptVersion(name_of(version), time, size, batches, jobs, published, held, flaw)


def iso(moment: datetime) -> str:
    """Returns a time as ISO 8601 with Z, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def count_rows(version: Path) -> tuple[int, int]:
    """Returns the batches and jobs of a version."""
    with connect(version, read_only=True) as connection:
        sql = "SELECT (SELECT count(*) FROM batches), (SELECT count(*) FROM jobs)"
        batches, jobs = fetch(connection, sql)[0]
        return int(batches), int(jobs)
