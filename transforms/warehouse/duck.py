"""DuckDB files: how they are opened, whose they are, and what their errors mean.

Two files lie in the warehouse folder: `build.duckdb`, owned by the loader, and `warehouse.duckdb`,
the published one. Both hold the table `cognition_meta`; a file without it is not ours and is only
ever opened for reading. Only what DuckDB 1.5 and 2.0 have in common is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from transforms.errors import CognitionError, ConfigurationError, LakeFormatError, RetryableError

FORMAT = 1
META = "cognition_meta"
STORAGE_VERSION = "v1.5.0"  # the newest that DuckDB 1.5, which many drivers still carry, can open

# Of the system, not of the rows; a fatal one is what a full disk can lead to.
LACKS = (duckdb.OperationalError, duckdb.FatalException)

Connection = duckdb.DuckDBPyConnection
Parameters = Mapping[str, Any]
Config = dict[str, str | bool | int | float | list[str]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What DuckDB may use of the machine.

    Attributes:
        threads: Threads.
        memory_bytes: Memory; what needs more works in files of a folder beside the database, which
            is gone when that is closed.
    """

    threads: int = 2
    memory_bytes: int = 3 * 1024**3


LIMITS = Limits()
"""Unless the settings say otherwise."""


class WarehouseLockedError(RetryableError):
    """Another process holds a DuckDB file; nothing was written."""


class BuildWriteError(CognitionError):
    """DuckDB lacked disk or memory; what was committed before stays."""


class QueryError(CognitionError):
    """A statement was refused: wrong SQL, or more than reading the published warehouse."""


@contextmanager
def connect(
    path: Path,
    *,
    read_only: bool,
    sealed: bool = False,
    limits: Limits = LIMITS,
) -> Iterator[Connection]:
    """Opens one DuckDB file, in UTC and without reaching for extensions.

    Args:
        path: The file; it is made when `read_only` is false.
        read_only: Open beside other readers.
        sealed: Keep every other file out of reach and settings fixed, for SQL that is not ours.
        limits: What DuckDB may use of the machine.

    Raises:
        WarehouseLockedError: Another process holds it.
        ConfigurationError: It cannot be opened, or is not a DuckDB file.
    """
    try:
        connection = _open(path, read_only=read_only, config=_config(limits, sealed))
    except duckdb.Error as error:
        raise _opening_error(path, error) from None
    try:
        connection.execute("SET TimeZone = 'UTC'").fetchall()
        if sealed:
            connection.execute("SET lock_configuration = true").fetchall()
        yield connection
    finally:
        connection.close()


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Commits what happens inside, or nothing of it."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):  # DuckDB has rolled back already after a fatal error
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def registered(connection: Connection, name: str, rows: pa.Table) -> Iterator[None]:
    """Makes an Arrow table readable as `name`."""
    connection.register(name, rows)
    try:
        yield
    finally:
        with suppress(duckdb.Error):  # refused in a failed transaction, whose error matters more
            connection.unregister(name)


@contextmanager
def lacks_explained(work: str) -> Iterator[None]:
    """Tells what DuckDB lacked for some work, be it at a statement or at the commit.

    Raises:
        BuildWriteError: It lacked disk or memory.
    """
    try:
        yield
    except LACKS as error:
        short_of_memory = isinstance(error, duckdb.OutOfMemoryException)
        remedy = "give the process more memory" if short_of_memory else "free space on its disk"
        raise BuildWriteError(
            f"cannot {work}: {str(error).splitlines()[0]}; what was loaded before stays: {remedy} "
            "and run `cognition load`"
        ) from None


def fetch(
    connection: Connection, sql: str, parameters: Parameters | None = None
) -> list[tuple[Any, ...]]:
    """Returns all rows of a statement; none are left pending, which DuckDB 2.0 would refuse."""
    rows: list[tuple[Any, ...]] = connection.execute(sql, parameters or None).fetchall()
    return rows


def require_ours(connection: Connection, path: Path) -> None:
    """Checks that a file was made by this package, in a format this version reads.

    Raises:
        ConfigurationError: It is some other DuckDB file.
        LakeFormatError: It was made by a newer version.
    """
    try:
        found = fetch(connection, f"SELECT format FROM {META}")  # noqa: S608 - a constant
    except duckdb.Error:
        found = []
    if not found:
        raise ConfigurationError(
            f"{path} is a DuckDB file of something else: move it away, nothing was written to it"
        )
    if found[0][0] > FORMAT:
        raise LakeFormatError(
            f"{path} has warehouse format {found[0][0]}, this version reads {FORMAT}: upgrade"
        )


def first_lines(error: Exception) -> str:
    """Returns what DuckDB says, on one line and without the quoted statement."""
    text = str(error).split("\n\nLINE ")[0].split("\nLINE ")[0]
    return " ".join(text.split())


def wal_of(path: Path) -> Path:
    """Returns where DuckDB keeps the write-ahead log of a file."""
    return path.with_name(f"{path.name}.wal")


def _open(path: Path, *, read_only: bool, config: Config) -> Connection:
    """Opens a file, again if another took its name meanwhile.

    Where the published file had to be a copy instead of a link, see `swap`, a publish in between
    would mix the header of one version with the rows of the next.
    """
    while True:
        before = _identity(path)
        try:
            connection = duckdb.connect(path, read_only=read_only, config=config)
        except duckdb.Error:
            if not read_only or _identity(path) == before:
                raise
            continue
        if not read_only or _identity(path) == before:
            return connection
        connection.close()


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _config(limits: Limits, sealed: bool) -> Config:  # noqa: FBT001 - private
    config: Config = {
        "threads": limits.threads,
        "memory_limit": f"{limits.memory_bytes}B",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
    }
    if int(duckdb.__version__.split(".")[0]) >= 2:  # noqa: PLR2004 - 1.5 writes what it reads anyhow
        config["storage_compatibility_version"] = STORAGE_VERSION
    if sealed:
        config["enable_external_access"] = False
    return config


def _opening_error(path: Path, error: duckdb.Error) -> CognitionError:
    said = first_lines(error)
    if "Conflicting lock" in said or "Could not set lock" in said:
        holder = said.partition("Conflicting lock is held in ")[2].partition(")")[0]
        by = f"{holder})" if holder else "another process"
        return WarehouseLockedError(f"{path} is held by {by}: let it finish or stop it, try again")
    if "different configuration" in said:
        return WarehouseLockedError(f"{path} is open in this process: close that connection first")
    if "not a valid DuckDB database" in said or "Extension" in said:  # SQLite's, for one
        return ConfigurationError(
            f"{path} is not a DuckDB file: move it away, it was left as it is"
        )
    if "WAL" in said:
        return ConfigurationError(
            f"{wal_of(path)} does not belong to {path.name}: move it away and try again ({said})"
        )
    return ConfigurationError(f"{path} cannot be opened: {said}")
