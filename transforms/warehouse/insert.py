"""Inserts rows of the lake into the tables of the build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from transforms.contract import Contracts
from transforms.errors import FatalError
from transforms.lake import Commit
from transforms.layout import Table
from transforms.warehouse.ddl import quote, without_queries
from transforms.warehouse.duck import LACKS, Connection, fetch, first_lines, registered


class LoadError(FatalError):
    """A committed batch is not what its marker says; what was loaded before it stays."""


def insert_rows(
    connection: Connection, contracts: Contracts, table: str, rows: pa.Table, place: str
) -> None:
    """Inserts rows of a table of the lake, without what stays out of the warehouse.

    Args:
        connection: The build.
        contracts: The tables.
        table: Name of the table.
        rows: The rows.
        place: Where they are from, for messages.

    Raises:
        LoadError: There is no such table, or they do not fit into it.
    """
    if table not in contracts.tables or table == "batches":
        raise LoadError(f"{place}: the schemas have no table {table}: run the newest code")
    by_name = {column.name: column for column in contracts.tables[table].columns}
    private = {name: by_name[name].private for name in rows.column_names if name in by_name}
    public = rows.select([name for name in rows.column_names if private.get(name) != "all"])
    links = [name for name, what in private.items() if what == "links"]
    insert_table(connection, table, public, place, links)


def insert_table(
    connection: Connection, table: str, rows: pa.Table, place: str, links: Sequence[str] = ()
) -> None:
    """Inserts by name: a column the file lacks is NULL; `links` are texts that may hold some.

    Raises:
        LoadError: The rows do not fit.
    """
    cleaned = ", ".join(f"{without_queries(name)} AS {quote(name)}" for name in links)
    columns = f"* REPLACE ({cleaned})" if cleaned else "*"
    with registered(connection, "incoming_rows", rows):
        try:
            inserted = fetch(
                connection,
                f"INSERT INTO {quote(table)} BY NAME SELECT {columns} FROM incoming_rows",  # noqa: S608 - quoted
            )
        except LACKS:
            raise
        except duckdb.Error as error:
            raise LoadError(
                f"{place} does not fit the table {table}: {first_lines(error)}; "
                "run `cognition flatten`, which makes out-of-date batches again"
            ) from None
    if inserted != [(rows.num_rows,)]:
        raise LoadError(f"{place}: {rows.num_rows} rows gave {inserted}: report it with the file")


def refuse_shared_jobs(connection: Connection, incoming: pa.Table) -> None:
    """Checks that no job is there already.

    Raises:
        LoadError: Two committed batches hold a job.
    """
    with registered(connection, "incoming_jobs", incoming.select(["job_id", "batch_id"])):
        shared = fetch(
            connection,
            "SELECT j.job_id, j.batch_id, i.batch_id FROM jobs AS j "
            "INNER JOIN incoming_jobs AS i ON j.job_id = i.job_id ORDER BY j.job_id LIMIT 1",
        )
    if shared:
        job_id, other, batch_id = shared[0]
        raise LoadError(
            f"job {job_id} is in two committed batches, {other} and {batch_id}: "
            "run `cognition flatten`, which leaves it in the newer one"
        )


def batch_row(commit: Commit, table: Table) -> pa.Table:
    """Returns the row of `batches`: what the marker says, by name."""
    known: Mapping[str, object] = {
        **commit.inputs,
        **commit.facts,
        "batch_id": commit.batch_id,
        "commit_id": commit.commit_id,
    }
    schema = table.arrow_schema
    row = {f.name: _as_time(known.get(f.name), f.type) for f in schema}
    return pa.Table.from_pylist(
        [row], schema=pa.schema([f.with_nullable(nullable=True) for f in schema])
    )


def _as_time(value: object, kind: pa.DataType) -> object:
    if not (pa.types.is_timestamp(kind) and isinstance(value, str)):
        return value
    time = datetime.fromisoformat(value)
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
