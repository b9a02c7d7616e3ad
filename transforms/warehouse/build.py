"""The file `build.duckdb`: made, opened, and kept in step with the schemas and `sql/`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transforms import paths
from transforms.contract import Contracts
from transforms.errors import ConfigurationError
from transforms.storage import sha256_of
from transforms.warehouse.ddl import (
    FACE_ALIASES,
    HAND_ROWS,
    OWN_TABLES,
    TAG_ALIASES,
    create_table,
    migrate,
    read_catalog,
)
from transforms.warehouse.duck import (
    FORMAT,
    LIMITS,
    META,
    Connection,
    Limits,
    connect,
    fetch,
    require_ours,
    transaction,
    wal_of,
)
from transforms.warehouse.views import FOLDERS, create_views, drop_views

BUILD = "build.duckdb"


@contextmanager
def open_build(
    warehouse_dir: Path,
    *,
    create: bool = False,
    limits: Limits = LIMITS,
) -> Iterator[Connection]:
    """Opens the build for writing; a killed loader's committed work is in it.

    Raises:
        ConfigurationError: There is no build and `create` is false, or the file is not ours.
        WarehouseLockedError: Another process holds it.
    """
    path = warehouse_dir / BUILD
    if create and not path.exists():
        _create_build(path)
    require_build(warehouse_dir)
    with connect(path, read_only=True, limits=limits) as connection:
        require_ours(connection, path)
    with connect(path, read_only=False, limits=limits) as connection:
        yield connection


def require_build(warehouse_dir: Path) -> Path:
    """Returns the path of the build.

    Raises:
        ConfigurationError: There is none.
    """
    path = warehouse_dir / BUILD
    if not path.exists():
        raise ConfigurationError(f"no {path}: run `cognition load` first")
    return path


def content_digest(connection: Connection) -> str:
    """Returns a sha256 over what makes the content: format, schemas, SQL, batches and aliases.

    Two warehouses with equal digests hold the same rows, views and comments.
    """
    meta = fetch(connection, f"SELECT format, schemas_digest, sql_digest FROM {META}")  # noqa: S608 - a constant
    batches = fetch(connection, "SELECT batch_id, commit_id FROM batches ORDER BY batch_id")
    aliases = [
        (table, *row)
        for table in (FACE_ALIASES, TAG_ALIASES)
        for row in fetch(connection, f"SELECT * FROM {table} ORDER BY ALL")  # noqa: S608 - a constant
    ]
    return sha256_of("\n".join(map(repr, (*meta, *batches, *aliases))).encode())


def sql_digest(folder: Path | None = None) -> str:
    """Returns a sha256 over the SQL that is part of a warehouse: views, macros and checks."""
    folder = folder or paths.sql_dir()
    names = sorted(p for sub in (*FOLDERS, "checks") for p in (folder / sub).glob("*.sql"))
    parts = (f"{p.relative_to(folder)}\n".encode() + p.read_bytes() for p in names)
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _create_build(path: Path) -> None:
    """Makes an empty build under another name first, so that a build always bears our mark."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f"{BUILD}.new")
    for leftover in (staged, wal_of(staged), wal_of(path)):  # logs of files that are gone
        leftover.unlink(missing_ok=True)
    with connect(staged, read_only=False) as connection, transaction(connection):
        for table in OWN_TABLES:
            for statement in create_table(table):
                fetch(connection, statement)
        fetch(connection, f"INSERT INTO {META} (format) VALUES ($f)", {"f": FORMAT})  # noqa: S608 - a constant
    staged.replace(path)


def require_lake(connection: Connection, build: Path, lake_id: str, place: str) -> None:
    """Checks that the build holds no batches but this lake's.

    An empty lake in a mistyped or unmounted place would otherwise take every job away.

    Raises:
        ConfigurationError: It holds another lake's.
    """
    if _lake_of(connection) not in {None, lake_id}:
        raise ConfigurationError(
            f"{build} was loaded from another lake than {place}: give that lake, or another "
            f"--warehouse, or delete {build.name} to build it from this lake; nothing was changed. "
            f"{HAND_ROWS}"
        )


def record_lake(connection: Connection, lake_id: str) -> None:
    """Notes whose batches the build holds from now on."""
    if fetch(connection, f"SELECT lake_id FROM {META}") != [(lake_id,)]:  # noqa: S608 - a constant
        fetch(connection, f"UPDATE {META} SET lake_id = $id", {"id": lake_id})  # noqa: S608 - a constant


def follow_schemas(connection: Connection, contracts: Contracts) -> None:
    """Makes tables, columns, comments and views what the schemas and `sql/` say."""
    tables = (*OWN_TABLES, *contracts.tables.values())
    statements = migrate(tables, read_catalog(connection))
    wanted = (contracts.digest, sql_digest())
    meta = fetch(connection, f"SELECT schemas_digest, sql_digest FROM {META}")  # noqa: S608 - a constant
    if not statements and meta == [wanted]:
        return
    with transaction(connection):
        drop_views(connection)
        for statement in statements:
            fetch(connection, statement)
        create_views(connection)
        fetch(
            connection,
            f"UPDATE {META} SET schemas_digest = $schemas, sql_digest = $sql",  # noqa: S608 - a constant
            {"schemas": wanted[0], "sql": wanted[1]},
        )


def _lake_of(connection: Connection) -> str | None:
    """Returns the id of the lake the batches are from, or None where there are none to lose."""
    found = read_catalog(connection)
    if "batches" not in found or not fetch(connection, "SELECT 1 FROM batches LIMIT 1"):
        return None
    if "lake_id" not in found[META].columns:  # made before lakes had ids
        return ""
    return str(fetch(connection, f"SELECT lake_id FROM {META}")[0][0] or "")  # noqa: S608 - a constant
