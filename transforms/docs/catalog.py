"""The marts, system views and macros, as a warehouse without rows has them.

All of it is read from a DuckDB in memory that is made from the schemas and `sql/`, as the loader
makes `build.duckdb`; only what DuckDB keeps no comment for (questions of views, columns and
parameters of macros) is read from the headers of the files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Literal

import duckdb

from transforms.contract import Contracts
from transforms.warehouse.ddl import OWN_TABLES, create_table, quote
from transforms.warehouse.duck import Connection, fetch, transaction
from transforms.warehouse.views import ColumnText, ViewFile, create_views, read_views

Kind = Literal["mart", "macro", "system view"]


@dataclass(frozen=True, slots=True)
class Field:
    """A column, or a parameter of a macro, whose type is not declared and therefore empty."""

    name: str
    type: str
    unit: str
    description: str
    warning: str = ""
    example: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """A mart, a system view or a macro.

    Attributes:
        name: Its name.
        kind: What of the three it is.
        question: What it answers.
        grain: What one row is.
        reads: Tables, views and macros it reads.
        columns: Columns of its rows.
        parameters: What it takes; only a macro does.
        warning: What misleads who counts, joins or sums its rows, or nothing.
    """

    name: str
    kind: Kind
    question: str
    grain: str
    reads: tuple[str, ...]
    columns: tuple[Field, ...]
    parameters: tuple[Field, ...] = ()
    warning: str = ""


def read_catalog(contracts: Contracts) -> tuple[View, ...]:
    """Returns every view and macro, in the order of their files.

    Raises:
        ConfigurationError: The SQL of one of them is wrong.
    """
    with closing(duckdb.connect()) as connection:
        with transaction(connection):
            for table in (*OWN_TABLES, *contracts.tables.values()):
                for statement in create_table(table):
                    fetch(connection, statement)
            create_views(connection)
        files = sorted(read_views(), key=lambda file: file.path)
        names = {*contracts.tables, *(t.name for t in OWN_TABLES), *(f.name for f in files)}
        views = {view.name: view for view in _views(connection, files)}
        macros = {file.name: _macro(connection, file) for file in files if file.is_macro}
    found = (views.get(file.name) or macros[file.name] for file in files)
    return tuple(
        replace(view, reads=tuple(name for name in view.reads if name in names)) for view in found
    )


def _views(connection: Connection, files: Sequence[ViewFile]) -> Iterator[View]:
    """Yields the marts and system views, as the view `dictionary` tells of them."""
    rows = fetch(
        connection,
        "SELECT table_name, kind, grain, coalesce(table_warning, ''), column_name, column_type, "
        "coalesce(unit, ''), coalesce(description, ''), coalesce(warning, ''), "
        "coalesce(example, '') "
        "FROM dictionary WHERE kind <> 'table' ORDER BY table_name, column_position",
    )
    for file in files:
        own = [row[1:] for row in rows if row[0] == file.name]
        if own:
            kind, grain, warning, *_ = own[0]
            columns = tuple(Field(*row[3:]) for row in own)
            yield View(file.name, kind, file.question, grain, file.reads, columns, warning=warning)


def _macro(connection: Connection, file: ViewFile) -> View:
    [(names, question, grain, warning)] = fetch(
        connection,
        "SELECT parameter_names, question, grain, coalesce(warning, '') "
        "FROM macros WHERE macro_name = $name",
        {"name": file.name},
    )
    parameters = names.split(", ") if names else []
    call = f"{quote(file.name)}({', '.join(['NULL'] * len(parameters))})"
    types = {name: kind for name, kind, *_ in fetch(connection, f"DESCRIBE FROM {call}")}
    return View(
        name=file.name,
        kind="macro",
        question=question,
        grain=grain,
        reads=file.reads,
        columns=tuple(_field(name, kind, file.columns[name]) for name, kind in types.items()),
        parameters=tuple(_field(name, "", file.parameters[name]) for name in parameters),
        warning=warning,
    )


def _field(name: str, kind: str, told: ColumnText) -> Field:
    return Field(name, kind, told.unit, told.description, told.warning, told.example)
