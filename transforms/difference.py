"""What differs between two states of a table: rows added, removed and changed, by key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from transforms.layout import Table
from transforms.reports import TableDifference
from transforms.warehouse.ddl import quote
from transforms.warehouse.duck import Connection, fetch, registered

PLACES = {
    "quarantine": (("job_id", "result_index", "pointer"), "quarantine_index"),
    "source_forms": (("job_id", "result_index", "pointer", "form"), "form_index"),
    "unmapped_fields": (("job_id", "result_index", "pointer"), "unmapped_index"),
}
"""Tables whose key ends in a number of ours, which moves when a row before it goes: what tells
their rows apart, and that number."""
_NTH = "_nth"  # no schema can name a column so


@contextmanager
def differ() -> Iterator[Connection]:
    """Opens a DuckDB in memory for `difference_of`."""
    connection = duckdb.connect(":memory:", config={"threads": 2})
    try:
        connection.execute("SET TimeZone = 'UTC'").fetchall()
        yield connection
    finally:
        connection.close()


def difference_of(
    connection: Connection, table: Table, old: pa.Table | None, new: pa.Table | None
) -> TableDifference:
    """Returns how many rows differ between two states of a table.

    A column that only one state has counts as NULL in the other.

    Args:
        connection: What `differ` opened.
        table: The table; its keys tell the rows apart.
        old: Rows before, or None where there are none.
        new: Rows after, likewise.
    """
    if old is None or new is None:
        return TableDifference(
            added=new.num_rows if new is not None else 0,
            removed=old.num_rows if old is not None else 0,
        )
    keys, number = PLACES.get(table.name, (tuple(key.name for key in table.keys), None))
    with registered(connection, "old_rows", old), registered(connection, "new_rows", new):
        ((added, removed, changed),) = fetch(
            connection,
            f"WITH o AS ({_select('old_rows', keys, number)}), "  # noqa: S608 - names of the schemas, quoted
            f"n AS ({_select('new_rows', keys, number)}) "
            "SELECT count(*) FILTER (WHERE o._held IS NULL), "
            "count(*) FILTER (WHERE n._held IS NULL), "
            f"count(*) FILTER (WHERE o._held AND n._held AND ({_differs(old, new, keys, number)})) "
            f"FROM o FULL OUTER JOIN n ON {_same(keys, number)}",
        )
    return TableDifference(added, removed, changed)


def _select(rows: str, keys: Sequence[str], number: str | None) -> str:
    if number is None:
        return f"SELECT *, true AS _held FROM {rows}"  # noqa: S608 - as above
    place, order = ", ".join(map(quote, keys)), quote(number)
    nth = f"row_number() OVER (PARTITION BY {place} ORDER BY {order})"
    return f"SELECT *, true AS _held, {nth} AS {_NTH} FROM {rows}"  # noqa: S608 - as above


def _same(keys: Sequence[str], number: str | None) -> str:
    names = [*map(quote, keys), *([_NTH] if number else [])]
    return " AND ".join(f"o.{name} IS NOT DISTINCT FROM n.{name}" for name in names)


def _differs(old: pa.Table, new: pa.Table, keys: Sequence[str], number: str | None) -> str:
    """Returns the condition under which two rows of one key have other values."""
    before = {name for name in old.column_names if name not in keys and name != number}
    after = {name for name in new.column_names if name not in keys and name != number}
    conditions = [
        *(f"o.{quote(name)} IS DISTINCT FROM n.{quote(name)}" for name in sorted(before & after)),
        *(f"o.{quote(name)} IS NOT NULL" for name in sorted(before - after)),
        *(f"n.{quote(name)} IS NOT NULL" for name in sorted(after - before)),
    ]
    return " OR ".join(conditions) or "false"
