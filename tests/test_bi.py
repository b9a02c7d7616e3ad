"""The published warehouse as BI tools read it: through SQLAlchemy and ADBC, beside publishes."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import adbc_driver_duckdb
import adbc_driver_manager.dbapi as adbc
import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from bi_kit import (
    OLD_DUCKDB,
    READERS,
    Published,
    by_key,
    published_below,
    run,
    unchanged,
    warehouse_types,
)
from bi_sqlalchemy import engine_of, look
from lake_kit import Landing, titled
from sqlalchemy import text
from warehouse_lake import Helper

from transforms.contract import load_contracts
from transforms.lake import read_commits
from transforms.storage import Storage
from transforms.warehouse.ddl import INDEXED, OWN_TABLES, column_comment, table_comment

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("bi")]
SQL_TYPES = {
    "VARCHAR": pa.string(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "FLOAT": pa.float64(),  # SQLAlchemy 1.4 has no other name for DOUBLE
    "BOOLEAN": pa.bool_(),
    "TIMESTAMP": pa.timestamp("us"),
}
"""What SQLAlchemy calls the types of the warehouse; a time zone would be said."""
Found = dict[str, Any]
DOCUMENT = Path(__file__).parents[1] / "docs" / "bi.md"

READS = """
import sys
from bi_sqlalchemy import ask, engine_of
engine = engine_of(sys.argv[1])
def say(connection):
    asks = "SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM batches)"
    [counts] = ask(connection, asks)[1]
    print("%s jobs, %s batches" % counts, flush=True)
with engine.connect() as connection:
    say(connection)
    input()
    say(connection)
input()
with engine.connect() as connection:
    say(connection)
"""
CONNECTS = """
import sys, duckdb
path, asks = sys.argv[1], "SELECT count(*) FROM {}jobs"
def count(connection, prefix=""):
    return connection.execute(asks.format(prefix)).fetchone()[0]
kept = duckdb.connect(path, read_only=True)
print(count(kept), flush=True)
input()
with duckdb.connect(path, read_only=True) as second:
    print(count(second), "connected", flush=True)
    print(second.execute("SELECT current_database()").fetchone()[0], flush=True)
with duckdb.connect() as other:
    other.execute(f"ATTACH '{path}' (READ_ONLY)")
    print(count(other, "warehouse."), "attached", flush=True)
print(count(kept), "kept", flush=True)
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """The home that all tests of BI tools read."""
    return published_below(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module", params=["duckdb_sqlalchemy", "duckdb_engine"])
def found(
    request: pytest.FixtureRequest, published: Published, tmp_path_factory: pytest.TempPathFactory
) -> Found:
    """What SQLAlchemy finds: with DuckDB 2 and its dialect of today, and with what Superset has."""
    if request.param == "duckdb_sqlalchemy":
        told = look(published.warehouse)
    else:
        home = tmp_path_factory.mktemp("superset")
        paths = (READERS, OLD_DUCKDB)
        told = json.loads(run("bi_sqlalchemy.py", published.warehouse, paths=paths, home=home))
    assert told["dialect"] == request.param
    return told


@pytest.fixture(scope="module")
def counts(published: Published) -> dict[str, int]:
    """The rows each table has by the lake; the batches are its markers."""
    batches = len(read_commits(Storage.at(published.settings.lake_root)))
    return {name: rows.num_rows for name, rows in published.rows.items()} | {"batches": batches}


# --- SQLAlchemy ---------------------------------------------------------------------------------


def test_each_table_is_found_with_its_rows_and_types(found: Found, counts: dict[str, int]) -> None:
    """Every table of the schemas is listed, with the columns, types and rows they say."""
    tables = found["tables"]
    assert set(counts) == set(load_contracts().tables)
    assert {name: tables[name]["rows"] for name in counts} == counts
    types = {
        name: {column: SQL_TYPES[kind] for column, kind in table["types"].items()}
        for name, table in tables.items()
    }
    assert types.items() >= warehouse_types().items()
    assert all(table["shown"] == list(table["types"]) for table in tables.values())


def test_comments_and_keys_are_found(found: Found) -> None:
    """Tables and columns bring their descriptions; key columns are the ones that are required."""
    for table in (*load_contracts().tables.values(), *OWN_TABLES):
        seen = found["tables"][table.name]
        assert seen["comment"] == table_comment(table)
        columns = [c for c in (*table.keys, *table.columns) if c.private != "all"]
        assert seen["comments"] == {c.name: column_comment(c) for c in columns}
        assert seen["required"] == [key.name for key in table.keys]


def test_primary_keys_are_found_by_the_dialect_that_can(found: Found) -> None:
    """`duckdb-sqlalchemy` tells the primary keys there are; `duckdb-engine` knows of none."""
    tables = load_contracts().tables
    can = found["dialect"] == "duckdb_sqlalchemy"
    wanted = {name: [key.name for key in tables[name].keys] if can else [] for name in INDEXED}
    assert {name: found["keys"][name] for name in INDEXED} == wanted


def test_each_view_is_found_and_answers(found: Found, published: Published) -> None:
    """Every view is listed apart from the tables, answers, and has types any BI tool knows."""
    views = found["views"]
    assert {name: view["error"] for name, view in views.items() if view["error"]} == {}
    assert set(views) == _named(
        published, "SELECT view_name FROM duckdb_views() WHERE NOT internal"
    )
    assert views.keys() >= {"dictionary", "drift"}
    assert not views.keys() & found["tables"].keys()
    assert {name: view["first"] for name, view in views.items()} == {
        name: min(view["rows"], 1) for name, view in views.items()
    }
    assert all(view["shown"] == list(view["types"]) for view in views.values())
    plain = {*SQL_TYPES, "DATE"}
    kinds = {(name, kind) for name, view in views.items() for kind in view["types"].values()}
    assert {each for each in kinds if each[1] not in plain} == set()


def test_each_macro_answers(found: Found, published: Published) -> None:
    """Every table macro can be called in a query of the BI tool's own."""
    asks = "SELECT function_name FROM duckdb_functions() WHERE function_type = 'table_macro'"
    assert found["macros"] == dict.fromkeys(_named(published, f"{asks} AND NOT internal"), "")


def test_nothing_can_be_written(found: Found, published: Published) -> None:
    """The connection of docs/bi.md refuses to write, and leaves the file and its folder alone."""
    assert "read-only" in found["refused"]
    assert not published.warehouse.with_name("warehouse.duckdb.wal").exists()


def test_pandas_reads_each_table(published: Published, counts: dict[str, int]) -> None:
    """`pandas.read_sql` gives each table's rows; times have no zone, text stays text."""
    with engine_of(published.warehouse).connect() as connection:
        for name, types in warehouse_types(own=False).items():
            frame = pd.read_sql(text(f'SELECT * FROM "{name}"'), connection)
            assert (list(frame.columns), len(frame)) == (list(types), counts[name])
            times = {column for column, kind in types.items() if pa.types.is_timestamp(kind)}
            shown = frame.dtypes[list(times)].map(str)
            assert set(shown) <= {"datetime64[us]"}, name


def _named(published: Published, sql: str) -> set[str]:
    with duckdb.connect(str(published.warehouse), read_only=True) as connection:
        return {name for (name,) in connection.execute(sql).fetchall()}


# --- ADBC ---------------------------------------------------------------------------------------


def test_adbc_reads_each_table_as_arrow(published: Published, counts: dict[str, int]) -> None:
    """ADBC gives the Arrow types of the schemas and, links apart, the very values of the lake."""
    tables = load_contracts().tables
    with _adbc(published) as connection, connection.cursor() as cursor:
        for name, types in warehouse_types().items():
            cursor.execute(f'SELECT * FROM "{name}"')
            rows = cursor.fetch_arrow_table()
            assert dict(zip(rows.schema.names, rows.schema.types, strict=True)) == types
            assert name not in counts or rows.num_rows == counts[name]
            if name in published.rows:
                columns = unchanged(name)
                wanted = published.rows[name].select(columns)
                seen = by_key(rows, tables[name]).select(columns)
                assert seen.cast(wanted.schema) == wanted.replace_schema_metadata(), name


@pytest.mark.parametrize("library", ["duckdb", "sqlalchemy", "adbc"])
def test_the_connections_of_the_document_are_read_only(library: str, published: Published) -> None:
    """The Python of docs/bi.md connects as it stands there, answers, and cannot write."""
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    [block] = [each for each in blocks if re.match(rf"(import|from) {library}", each)]
    shown = '"/srv/cognition/warehouse/warehouse.duckdb"'
    assert shown in block
    names: dict[str, Any] = {}
    exec(block.replace(shown, repr(str(published.warehouse))), names)
    with closing(names["connection"]) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("SELECT count(*) FROM jobs")
        assert cursor.fetchall() == [(5,)]
        with pytest.raises(Exception, match="read-only"):
            cursor.execute("DELETE FROM jobs")


def test_adbc_lists_tables_and_refuses_to_write(published: Published) -> None:
    """The catalog of ADBC has the tables and views, and its read-only connection is one."""
    with _adbc(published) as connection:
        catalogs = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
        [main] = [each for each in catalogs if each["catalog_name"] == "warehouse"]
        [schema] = [each for each in main["catalog_db_schemas"] if each["db_schema_name"] == "main"]
        names = {each["table_name"] for each in schema["db_schema_tables"]}
        assert names >= {*load_contracts().tables, "dictionary", "drift"}
        with connection.cursor() as cursor, pytest.raises(adbc.Error, match="read-only"):
            cursor.execute("DELETE FROM jobs")


def _adbc(published: Published) -> Any:  # noqa: ANN401 - ships no type information
    return adbc.connect(
        driver=adbc_driver_duckdb.driver_path(),
        entrypoint="duckdb_adbc_init",
        db_kwargs={"path": str(published.warehouse), "access_mode": "READ_ONLY"},
    )


# --- beside publishes ---------------------------------------------------------------------------


def test_a_publish_waits_for_nobody(published: Published, tmp_path: Path) -> None:
    """Who is connected keeps the old version whole; who connects next has the new one."""
    home = published.copy(tmp_path / "home")
    with Helper(READS, home.warehouse) as reader:
        before = reader.hear()
        home.publish(Landing("new", titled("new")))
        reader.tell()
        assert reader.hear() == before == "5 jobs, 3 batches"
        reader.tell()
        assert reader.hear() == "6 jobs, 4 batches"


@pytest.mark.parametrize("duckdb_of", ["2", "1.5"])
def test_each_connection_of_a_process_opens_what_is_published_then(
    published: Published, tmp_path: Path, duckdb_of: str
) -> None:
    """A pool that never empties sees a publish, too; the name of the catalog stays as it is."""
    home = published.copy(tmp_path / "home")
    paths = (OLD_DUCKDB,) if duckdb_of == "1.5" else ()
    with Helper(CONNECTS, home.warehouse, paths=paths) as reader:
        assert reader.hear() == "5"
        home.publish(Landing("new", titled("new")))
        reader.tell()
        said = [reader.hear() for _ in range(4)]
    assert said == ["6 connected", "warehouse", "6 attached", "5 kept"]


def test_views_and_macros_work_under_any_name(published: Published) -> None:
    """Attached under another name, every view answers, before USE and after it; then macros do."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{published.warehouse}' AS anything (READ_ONLY)")
        asks = "SELECT view_name FROM duckdb_views() WHERE database_name = 'anything'"
        views = [name for (name,) in connection.execute(asks).fetchall()]
        assert "drift" in views
        for prefix in ("anything.", ""):
            for view in views:
                connection.execute(f'SELECT * FROM {prefix}"{view}" LIMIT 1')
            connection.execute("USE anything")
        assert connection.execute("SELECT count(*) FROM appearances(1.0)").fetchall()[0][0] > 0
