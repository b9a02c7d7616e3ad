"""The views and macros of a warehouse: files of `sql/`, each made after those it reads.

What their headers say becomes comments. A view has one of its own and one for each column; a macro
has but one, in which the view `macros` finds its parameters and columns again.
"""

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
from transforms.warehouse.ddl import comment, literal, quote
from transforms.warehouse.duck import Connection, fetch, first_lines

FOLDERS = ("macros", "marts", "system")
_NEEDED = ("Question", "Grain", "Reads", "Units")
_FIELD = re.compile(r"-- ([A-Z][a-z ]*):(?: (.*))?$")
_COLUMN = re.compile(r"   ([a-z][a-z0-9_]*)(?: \[([^\]]+)\])?: (.+)")
_TEXT = re.compile(r"(.+?)(?: Warning: (.+?))?(?: Example: (.+?)\.)?")
_MARK = re.compile(r" (?:Warning|Example|Unit): ")


@dataclass(frozen=True, slots=True)
class ColumnText:
    """What is known of a column of a view or macro, or of a parameter; nothing is an empty text.

    Attributes:
        description: What it holds or means.
        warning: What misleads who reads it.
        example: A value it may have.
        unit: Unit of its numbers.
    """

    description: str
    warning: str = ""
    example: str = ""
    unit: str = ""

    @property
    def comment(self) -> str:
        """Returns all of it as one text."""
        return comment(self.description, self.warning, self.example, self.unit)


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
        warning: What misleads who counts, joins or sums its rows, or nothing.
    """

    path: Path
    question: str
    grain: str
    reads: tuple[str, ...]
    units: str
    columns: dict[str, ColumnText]
    parameters: dict[str, ColumnText]
    is_macro: bool
    warning: str = ""

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


def macro_comment(file: ViewFile) -> str:
    """Returns all that is known of a macro; the view `macros` takes it apart again.

    The question comes first. Grain, warning, parameters and columns follow after an empty line
    each, with their name and a colon before them; parameters and columns have a line each.
    """
    parts = [file.question, f"Grain: {_sentence(file.grain)}"]
    parts += [f"Warning: {file.warning}"] if file.warning else []
    for title, texts in (("Parameters", file.parameters), ("Columns", file.columns)):
        if texts:
            lines = (f"{name}: {told.comment}" for name, told in texts.items())
            parts.append("\n".join((f"{title}:", *lines)))
    return "\n\n".join(parts)


def _read_view(path: Path) -> ViewFile:
    text = path.read_text(encoding="utf-8")
    header = read_header(text)
    if missing := [name for name in (*_NEEDED, "Columns") if not header.get(name)]:
        raise ConfigurationError(f"{path} must begin with `-- {missing[0]}: ...`")
    question, grain, reads, units = (_joined(header[n]) for n in _NEEDED)
    return ViewFile(
        path=path,
        question=question,
        grain=grain,
        reads=tuple(re.findall(r"[a-z][a-z0-9_]*", reads)),
        units=units,
        columns=_read_columns(path, header["Columns"]),
        parameters=_read_columns(path, header.get("Parameters", [])),
        is_macro=path.parent.name == "macros",
        warning=_joined(header.get("Warning", [])),
    )


def _read_columns(path: Path, lines: list[str]) -> dict[str, ColumnText]:
    texts: dict[str, list[str]] = {}
    units: dict[str, str] = {}
    name = None
    for line in lines:
        if named := _COLUMN.match(line):
            name = named[1]
            texts[name], units[name] = [named[3]], named[2] or ""
        elif name and line.startswith("     "):
            texts[name].append(line)
        else:
            raise ConfigurationError(f"{path}: {line.strip()!r} is no `--   column [unit]: text`")
    return {name: _read_text(path, _joined(text), units[name]) for name, text in texts.items()}


def _read_text(path: Path, text: str, unit: str) -> ColumnText:
    """Takes apart `description. Warning: sentence. Example: value.`, the last two if there."""
    found = _TEXT.fullmatch(text)
    description, warning, example = found.groups("") if found else (text, "", "")
    if any(_MARK.search(part) for part in (description, warning, example)):
        raise ConfigurationError(
            f"{path}: {text!r} is no `description. Warning: sentence. Example: value.`"
        )
    return ColumnText(description, warning, example, unit)


def _joined(lines: list[str]) -> str:
    return " ".join(map(str.strip, lines))


def _comments(file: ViewFile) -> Iterator[str]:
    name = quote(file.name)
    if file.is_macro:
        yield f"COMMENT ON MACRO TABLE {name} IS {literal(macro_comment(file))}"
        return
    yield f"COMMENT ON VIEW {name} IS {literal(comment(_sentence(file.grain), file.warning))}"
    for column, told in file.columns.items():
        yield f"COMMENT ON COLUMN {name}.{quote(column)} IS {literal(told.comment)}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
