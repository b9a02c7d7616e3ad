"""The views and macros of a warehouse: files of `sql/`, each made after those it reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import takewhile
from pathlib import Path

import duckdb

from transforms import paths
from transforms.errors import ConfigurationError
from transforms.warehouse.ddl import literal, quote
from transforms.warehouse.duck import Connection, fetch, first_lines

FOLDERS = ("macros", "marts", "system")
_NEEDED = ("Question", "Grain", "Reads", "Units")
_FIELD = re.compile(r"-- ([A-Z][a-z ]*):(?: (.*))?$")
_COLUMN = re.compile(r"   ([a-z][a-z0-9_]*)(?: \[([^\]]+)\])?: (.+)")


@dataclass(frozen=True, slots=True)
class ColumnText:
    """What a column of a view or macro holds, or a parameter means, and in which unit."""

    description: str
    unit: str | None


@dataclass(frozen=True, slots=True)
class ViewFile:
    """A file that makes the view or macro of its name.

    Attributes:
        path: The file.
        question: What it answers.
        grain: What one row is.
        reads: Tables, views and macros it reads.
        units: Units of its columns.
        columns: What each column holds.
        parameters: What a macro takes, in order; empty for a view.
        is_macro: Whether it is a macro, which takes parameters.
    """

    path: Path
    question: str
    grain: str
    reads: tuple[str, ...]
    units: str
    columns: dict[str, ColumnText]
    parameters: dict[str, ColumnText]
    is_macro: bool

    @property
    def name(self) -> str:
        """Returns the name of the view or macro."""
        return self.path.stem


def read_views(folder: Path | None = None) -> list[ViewFile]:
    """Reads the files of views and macros, each after those it reads.

    Args:
        folder: Folder of `macros`, `marts` and `system`; default: `sql/`.

    Raises:
        ConfigurationError: Two files have one name, or files read each other.
    """
    folder = folder or paths.sql_dir()
    files: dict[str, ViewFile] = {}
    for path in (p for sub in FOLDERS for p in sorted((folder / sub).glob("*.sql"))):
        if path.stem in files:
            raise ConfigurationError(f"{path} and {files[path.stem].path} have one name: rename")
        files[path.stem] = _read_view(path)
    graph = {name: [r for r in file.reads if r in files] for name, file in files.items()}
    try:
        return [files[name] for name in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        circle = " reads ".join(reversed(error.args[1]))
        raise ConfigurationError(f"views read each other: {circle}; correct their SQL") from None


def create_views(connection: Connection) -> None:
    """Makes all views and macros, with a comment on each and on every column.

    Raises:
        ConfigurationError: One of them is not valid SQL, or reads what its header does not say.
    """
    for file in read_views():
        try:
            connection.execute(file.path.read_text(encoding="utf-8")).fetchall()
        except duckdb.Error as error:
            raise ConfigurationError(
                f"{file.path} cannot be created: {first_lines(error)}; correct its SQL, or name "
                "what it reads in its header"
            ) from None
        for statement in _comments(file):
            fetch(connection, statement)


def drop_views(connection: Connection) -> None:
    """Drops all views and macros, those included whose file is gone."""
    views = fetch(
        connection,
        "SELECT view_name FROM duckdb_views() "
        "WHERE database_name = current_database() AND NOT internal AND NOT temporary",
    )
    macros = fetch(
        connection,
        "SELECT DISTINCT function_name, function_type FROM duckdb_functions() "
        "WHERE database_name = current_database() AND NOT internal "
        "AND function_type IN ('macro', 'table_macro')",
    )
    for (name,) in views:
        fetch(connection, f"DROP VIEW {quote(name)}")
    for name, kind in macros:
        table = "TABLE " if kind == "table_macro" else ""
        fetch(connection, f"DROP MACRO {table}{quote(name)}")


def read_header(text: str) -> dict[str, list[str]]:
    """Returns the lines of each field of a header.

    A field begins with `-- Field: `, its further lines are indented; other lines are remarks.
    """
    fields: dict[str, list[str]] = {}
    field = None
    for line in takewhile(lambda line: line.startswith("--"), text.splitlines()):
        if named := _FIELD.match(line):
            field = named[1]
            fields[field] = [named[2].strip()] if named[2] else []
        elif field and line.startswith("--  "):
            fields[field].append(line[2:].rstrip())
        else:
            field = None
    return fields


def _read_view(path: Path) -> ViewFile:
    text = path.read_text(encoding="utf-8")
    header = read_header(text)
    if missing := [name for name in (*_NEEDED, "Columns") if not header.get(name)]:
        raise ConfigurationError(f"{path} must begin with `-- {missing[0]}: ...`")
    question, grain, reads, units = (" ".join(map(str.strip, header[n])) for n in _NEEDED)
    return ViewFile(
        path=path,
        question=question,
        grain=grain,
        reads=tuple(re.findall(r"[a-z][a-z0-9_]*", reads)),
        units=units,
        columns=_read_columns(path, header["Columns"]),
        parameters=_read_columns(path, header.get("Parameters", [])),
        is_macro=path.parent.name == "macros",
    )


def _read_columns(path: Path, lines: list[str]) -> dict[str, ColumnText]:
    columns: dict[str, ColumnText] = {}
    name = None
    for line in lines:
        if named := _COLUMN.match(line):
            name = named[1]
            columns[name] = ColumnText(named[3].strip(), named[2])
        elif name and line.startswith("     "):
            told = columns[name]
            columns[name] = ColumnText(f"{told.description} {line.strip()}", told.unit)
        else:
            raise ConfigurationError(f"{path}: {line.strip()!r} is no `--   column [unit]: text`")
    return columns


def _comments(file: ViewFile) -> Iterator[str]:
    name = quote(file.name)
    if file.is_macro:
        yield f"COMMENT ON MACRO TABLE {name} IS {literal(file.question)}"
        return
    yield f"COMMENT ON VIEW {name} IS {literal(_sentence(file.grain))}"
    for column, told in file.columns.items():
        text = f"{told.description} Unit: {told.unit}." if told.unit else told.description
        yield f"COMMENT ON COLUMN {name}.{quote(column)} IS {literal(text)}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
