"""An empty warehouse in memory, and rows from CSV files to put into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from transforms.contract import load_contracts
from transforms.warehouse.ddl import OWN_TABLES, create_table, literal, quote
from transforms.warehouse.views import create_views


@contextmanager
def empty_warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """Opens a warehouse with all tables, views and macros, and no row."""
    with duckdb.connect() as connection:
        for table in (*OWN_TABLES, *load_contracts().tables.values()):
            for statement in create_table(table):
                connection.execute(statement).fetchall()
        create_views(connection)
        yield connection


def fill(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Puts the rows of `<table>.csv` into their tables; columns not given are NULL.

    An empty cell is NULL, `""` an empty text.
    """
    for file in sorted(folder.glob("*.csv")):
        if file.stem != "expected":
            connection.execute(
                f"INSERT INTO {quote(file.stem)} BY NAME {read_csv(file)}"
            ).fetchall()


def read_csv(file: Path) -> str:
    """Returns SQL for the rows of a CSV file, all cells as text."""
    return (
        f"SELECT * FROM read_csv({literal(str(file))}, all_varchar = true, header = true, "
        "delim = ',', quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false)"
    )
