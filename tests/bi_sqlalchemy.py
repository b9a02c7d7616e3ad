"""Reads a DuckDB file through SQLAlchemy as Superset does, with whichever dialect is installed.

It runs in the process of the tests, and once more with what Superset brings: DuckDB 1.5 and
`duckdb-engine` on SQLAlchemy 1.4. So it imports nothing but SQLAlchemy.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

Found = dict[str, Any]


def engine_of(path: object) -> Any:  # noqa: ANN401 - an engine of either SQLAlchemy
    """Returns an engine as docs/bi.md sets Superset up: read-only, no connection kept."""
    return create_engine(f"duckdb:///{path}", connect_args={"read_only": True}, poolclass=NullPool)


def look(path: object) -> Found:
    """Returns what a BI tool finds: tables and views with comments, columns and rows."""
    warnings.simplefilter("ignore")  # the dialects say that they do not reflect indexes
    engine = engine_of(path)
    with engine.connect() as connection:
        inspector = inspect(connection)
        tables, views = inspector.get_table_names(), inspector.get_view_names()
        keys = {name: inspector.get_pk_constraint(name) for name in tables}
        return {
            "dialect": type(engine.dialect).__module__,
            "schema": inspector.default_schema_name,
            "tables": {name: _look(connection, inspector, name) for name in tables},
            "views": {name: _try(connection, inspector, name) for name in views},
            "macros": {
                name: _call(connection, name, *names) for name, names in _macros(connection)
            },
            "keys": {name: key["constrained_columns"] for name, key in keys.items()},
            "refused": _refused(connection, f"CREATE TABLE mine AS FROM {tables[0]}"),
        }


def ask(connection: Any, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:  # noqa: ANN401 - as above
    """Returns names and rows the way SQL Lab gets them: from the driver's own cursor."""
    cursor = connection.connection.cursor()
    cursor.execute(sql)
    return [column[0] for column in cursor.description], [tuple(row) for row in cursor.fetchall()]


def _look(connection: Any, inspector: Any, name: str) -> Found:  # noqa: ANN401 - as above
    columns = inspector.get_columns(name)
    shown, _ = ask(connection, f'SELECT * FROM "{name}" LIMIT 0')
    _, [(rows,)] = ask(connection, f'SELECT count(*) FROM "{name}"')
    return {
        "comment": inspector.get_table_comment(name)["text"],
        "types": {column["name"]: str(column["type"]) for column in columns},
        "comments": {column["name"]: column["comment"] for column in columns},
        "required": [column["name"] for column in columns if not column["nullable"]],
        "shown": shown,
        "first": len(ask(connection, f'SELECT * FROM "{name}" LIMIT 1')[1]),
        "rows": rows,
    }


def _try(connection: Any, inspector: Any, name: str) -> Found:  # noqa: ANN401 - as above
    try:
        return {"error": "", **_look(connection, inspector, name)}
    except Exception as error:  # noqa: BLE001 - all views are tried, however one fails
        return {"error": str(error)}


def _macros(connection: Any) -> list[tuple[str, list[str]]]:  # noqa: ANN401 - as above
    ours = "NOT internal AND function_type = 'table_macro'"
    asks = f"SELECT function_name, parameters FROM duckdb_functions() WHERE {ours}"
    return ask(connection, asks)[1]  # type: ignore[return-value]


def _call(connection: Any, name: str, *names: str) -> str:  # noqa: ANN401 - as above
    """Returns the error of a call, or nothing; what is no number of seconds is taken for text."""
    arguments = ", ".join("1" if each.endswith("seconds") else "'x'" for each in names)
    try:
        ask(connection, f"SELECT * FROM {name}({arguments}) LIMIT 1")
    except Exception as error:  # noqa: BLE001 - as above
        return str(error)
    return ""


def _refused(connection: Any, sql: str) -> str:  # noqa: ANN401 - as above
    try:
        ask(connection, sql)
    except Exception as error:  # noqa: BLE001 - the two dialects raise different ones
        return str(error)
    return ""


if __name__ == "__main__":
    json.dump(look(sys.argv[1]), sys.stdout)
