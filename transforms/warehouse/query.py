"""Answers SQL from the published warehouse, and from nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from transforms.errors import ConfigurationError
from transforms.stoppable import Stop, run_stoppable
from transforms.warehouse.duck import (
    LIMITS,
    Connection,
    Limits,
    Parameters,
    QueryError,
    connect,
    require_ours,
)
from transforms.warehouse.refusals import explained, require_values

PUBLISHED = "warehouse.duckdb"


def query_published(
    warehouse_dir: Path,
    sql: str,
    parameters: Parameters | None = None,
    *,
    limits: Limits = LIMITS,
) -> pa.Table:
    """Answers SQL from the published warehouse.

    The SQL may be anyone's, so it can read this one file and nothing else: no write, no COPY, no
    other file, no extension, no change of settings.

    In the main thread a signal whose handler raises ends the statement: see `transforms.stoppable`.

    Args:
        warehouse_dir: Folder of the DuckDB files.
        sql: One statement, or several of which the last one answers.
        parameters: Values of `$name` in the statement.
        limits: What DuckDB may use of the machine.

    Raises:
        ConfigurationError: Nothing is published yet, or the file is not ours.
        QueryError: DuckDB refuses the statement, or the parameters are not those it asks for.
    """
    path = warehouse_dir / PUBLISHED
    if not path.exists():
        raise ConfigurationError(f"no published warehouse at {path}: run `cognition load` first")
    values = dict(parameters or {})

    def ask(stop: Stop) -> pa.Table:
        # DuckDB refuses to close in one thread what another is using.
        with connect(path, read_only=True, sealed=True, limits=limits) as connection:
            stop.interrupt = connection.interrupt
            require_ours(connection, path)
            return _answer(connection, sql, values)

    return run_stoppable(ask)


def published_batches(warehouse_dir: Path) -> dict[str, str]:
    """Returns the commit id of every batch in the published warehouse, by batch id.

    Raises:
        ConfigurationError: Nothing is published yet, or the file is not ours.
    """
    found = query_published(warehouse_dir, "SELECT batch_id, commit_id FROM batches")
    return dict(zip(*(found[name].to_pylist() for name in found.column_names), strict=True))


def _answer(connection: Connection, sql: str, values: dict[str, Any]) -> pa.Table:
    statements: list[duckdb.Statement] = []
    try:
        statements = connection.extract_statements(sql)
        require_values(statements, values)
        relation = connection.sql(sql, params=values or None)
        return pa.table({}) if relation is None else relation.to_arrow_table()
    except duckdb.Error as error:
        raise QueryError(explained(connection, sql, statements, values, error)) from None
