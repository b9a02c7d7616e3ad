"""Answers SQL from the published warehouse, and from nothing else."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa

from transforms.errors import ConfigurationError
from transforms.warehouse.duck import (
    LIMITS,
    Limits,
    Parameters,
    QueryError,
    connect,
    first_lines,
    require_ours,
)

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

    Args:
        warehouse_dir: Folder of the DuckDB files.
        sql: One statement, or several of which the last one answers.
        parameters: Values of `$name` in the statement.
        limits: What DuckDB may use of the machine.

    Raises:
        ConfigurationError: Nothing is published yet, or the file is not ours.
        QueryError: DuckDB refuses the statement.
    """
    path = warehouse_dir / PUBLISHED
    if not path.exists():
        raise ConfigurationError(f"no published warehouse at {path}: run `cognition load` first")
    with connect(path, read_only=True, sealed=True, limits=limits) as connection:
        require_ours(connection, path)
        try:
            relation = connection.sql(sql, params=dict(parameters) if parameters else None)
            return pa.table({}) if relation is None else relation.to_arrow_table()
        except duckdb.Error as error:
            unknown_name = isinstance(error, duckdb.CatalogException | duckdb.BinderException)
            hint = " (`FROM dictionary` lists the tables and columns)" if unknown_name else ""
            raise QueryError(first_lines(error) + hint) from None


def published_batches(warehouse_dir: Path) -> dict[str, str]:
    """Returns the commit id of every batch in the published warehouse, by batch id.

    Raises:
        ConfigurationError: Nothing is published yet, or the file is not ours.
    """
    found = query_published(warehouse_dir, "SELECT batch_id, commit_id FROM batches")
    return dict(zip(*(found[name].to_pylist() for name in found.column_names), strict=True))
