"""Marts and macros on cases: folders of input rows and of the rows that are expected.

`tests/sql_cases/<view or macro>/<case>/` holds

- `<table>.csv`: rows of a table; columns that are not given are NULL, so is an empty cell
  (`""` is an empty text);
- `setup.sql`, where rows are too many to write down;
- `query.sql`: what is asked; without it, all rows of the view;
- `expected.csv`: the answer in any order, worked out by hand; columns it lacks do not matter.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sql_kit import empty_warehouse, fill, read_csv

from transforms.warehouse.ddl import quote
from transforms.warehouse.views import read_views

CASES = Path(__file__).parent / "sql_cases"
FOLDERS = sorted(path.parent for path in CASES.glob("*/*/expected.csv"))

Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty warehouse."""
    with empty_warehouse() as connection:
        yield connection


def _fill(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    fill(connection, folder)
    if (folder / "setup.sql").exists():
        connection.execute((folder / "setup.sql").read_text(encoding="utf-8")).fetchall()


def _ordered(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: [(value is not None, str(value)) for value in row])


def _compared(folder: Path) -> list[str]:
    """Returns the columns a case compares."""
    with (folder / "expected.csv").open(encoding="utf-8", newline="") as lines:
        return next(csv.reader(lines))


@pytest.mark.parametrize(
    "folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}"
)
def test_a_case_gives_the_expected_rows(warehouse: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Each view and macro answers the rows of each of its cases as worked out by hand."""
    asked = folder / "query.sql"
    name = folder.parent.name
    query = asked.read_text(encoding="utf-8") if asked.exists() else f"SELECT * FROM {name}"
    columns = ", ".join(map(quote, _compared(folder)))
    warehouse.execute("BEGIN")
    try:
        _fill(warehouse, folder)
        warehouse.execute(f"CREATE TEMP TABLE answer AS SELECT {columns} FROM ({query})").fetchall()
        warehouse.execute("CREATE TEMP TABLE expected AS SELECT * FROM answer LIMIT 0").fetchall()
        warehouse.execute(
            f"INSERT INTO expected BY NAME {read_csv(folder / 'expected.csv')}"
        ).fetchall()
        answer, expected = (
            _ordered(warehouse.execute(f"FROM {table}").fetchall())
            for table in ("answer", "expected")
        )
    finally:
        warehouse.execute("ROLLBACK")
    assert answer == expected


def test_every_mart_and_macro_has_a_case() -> None:
    """No view and no macro is shipped without a case."""
    wanted = {file.name for file in read_views() if file.path.parent.name in {"marts", "macros"}}
    assert wanted - {folder.parent.name for folder in FOLDERS} == set()


def test_every_column_is_compared_in_a_case() -> None:
    """No column of a mart or macro is shipped whose values no case has worked out."""
    compared: dict[str, set[str]] = {}
    for folder in FOLDERS:
        compared.setdefault(folder.parent.name, set()).update(_compared(folder))
    for file in read_views():
        if file.path.parent.name in {"marts", "macros"}:
            assert file.columns.keys() - compared[file.name] == set(), file.name


def test_headers_name_the_columns(warehouse: duckdb.DuckDBPyConnection) -> None:
    """A header tells of every column of its view, of no other, and in their order."""
    for file in read_views():
        if not file.is_macro:
            found = warehouse.execute(f"DESCRIBE {quote(file.name)}").fetchall()
            assert list(file.columns) == [row[0] for row in found], file.name


def test_headers_name_what_is_read(warehouse: duckdb.DuckDBPyConnection) -> None:
    """A header names every table, view and macro its SQL reads, and no other."""
    known = {row[0] for row in warehouse.execute("SHOW TABLES").fetchall()}
    known |= {file.name for file in read_views()}
    for file in read_views():
        sql = file.path.read_text(encoding="utf-8")
        body = " ".join(
            line.partition("--")[0] for line in sql[sql.index("CREATE OR") :].splitlines()
        )
        words = set(re.findall(r"(?<!\.)\b[a-z_0-9]+\b", re.sub(r"'[^']*'", "", body)))
        own = set(file.columns) | {file.name}
        assert {r for r in file.reads if r in known} - words == set(), file.name
        assert (words & known) - set(file.reads) - own == set(), file.name
