"""Why DuckDB refused a question of the published warehouse, and what to ask instead."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

import duckdb

from transforms.warehouse.duck import Connection, QueryError, fetch, first_lines

_DICTIONARY = "`FROM dictionary` lists the tables and columns"
_MACROS = "`FROM macros` lists the macros and what they take"
_ELSEWHERE = "open warehouse.duckdb read-only with DuckDB"
_WRITE = (
    "the published warehouse is read-only: make a CREATE TEMP TABLE in the query, or change a copy "
    "of warehouse.duckdb with DuckDB"
)
_FILE = "a query writes no file: `cognition query ... --format csv > FILE` does"
_SOURCE = (
    "a query reads the published warehouse alone: for other files and extensions, " + _ELSEWHERE
)
_SETTING = f"settings are fixed but for COGNITION_MEMORY_BYTES: for others, {_ELSEWHERE}"
_REMEDIES = (
    (re.compile("read-only mode"), _WRITE),
    (re.compile("configuration has been locked"), _SETTING),
    (re.compile("disabled (by|through) configuration|exists in the .* extension"), _SOURCE),
    (re.compile("(Table|Scalar) Function with name|Macro .* does not|table function"), _MACROS),
    (re.compile("Table with name|not found|not have a column"), _DICTIONARY),
)
_NO_TABLE = re.compile(r"Table with name (\S+) does not exist!")
_ADVICE = re.compile(r" Please try installing .*")  # which is out of reach here


def require_values(statements: Sequence[duckdb.Statement], given: Collection[str]) -> None:
    """Checks that the last statement, to which values are bound, asks for those that are given.

    Args:
        statements: What was asked.
        given: Names of the values.

    Raises:
        QueryError: A value lacks, or there is no place for one.
    """
    earlier, asked = _names(statements[:-1]), _names(statements[-1:])
    known = {name.casefold() for name in given}
    if found := _and(sorted((earlier & known) - asked)):
        raise QueryError(f"{found} stands in an earlier statement: only the last one takes values")
    missing = sorted(asked - known)
    if any(name.isdecimal() for name in missing):
        raise QueryError(
            "a value without a name cannot be given: write $name in place of ? or $1, and "
            "--param name=VALUE"
        )
    problems = [_missing(missing)] if missing else []
    problems += unplaced(name for name in given if name.casefold() not in asked)
    if problems:
        raise QueryError("; ".join(problems))


def unplaced(names: Iterable[str]) -> list[str]:
    """Returns what is to be told of values that the statement has no place for, if any are."""
    if not (found := _and(names)):
        return []
    told = (
        f"the statement has no {found}, which --param gives: leave that out, or write it where its "
        "value belongs (SQL in double quotes loses it to the shell: use single quotes or --file)"
    )
    return [told]


def explained(
    connection: Connection,
    sql: str,
    statements: Sequence[duckdb.Statement],
    given: Collection[str],
    error: duckdb.Error,
) -> str:
    """Returns what DuckDB says of a refused question, and a remedy where there is one.

    Args:
        connection: Where it was asked.
        sql: What was asked.
        statements: The same, taken apart; none where that failed.
        given: Names of the values given.
        error: What DuckDB raised.
    """
    said = _ADVICE.sub("", first_lines(error))
    if macro := _macro_meant(connection, said):
        called = f"{macro} is a macro: write FROM {macro}(...); {_MACROS}"
        return f"{said.partition(' Did you mean')[0]} ({called})"
    if isinstance(error, duckdb.ParserException):
        lost = (name for name in given if f"${name}".casefold() not in sql.casefold())
        return "; ".join([said, *unplaced(lost)])
    kinds = {str(statement.type).rpartition(".")[2] for statement in statements}
    hint = next((remedy for said_so, remedy in _REMEDIES if said_so.search(said)), None)
    if hint == _SOURCE and kinds & {"COPY", "EXPORT"}:
        hint = _FILE
    return f"{said} ({hint})" if hint else said


def _names(statements: Iterable[duckdb.Statement]) -> set[str]:
    return {name.casefold() for each in statements for name in each.named_parameters}


def _missing(names: Sequence[str]) -> str:
    ways = " ".join(f"--param {name}=VALUE" for name in names)
    verb, what = ("have", "them") if len(names) > 1 else ("has", "it")
    return f"{_and(names)} {verb} no value: give {what} by {ways}"


def _and(names: Iterable[str]) -> str:
    return " and ".join(f"${name}" for name in names)


def _macro_meant(connection: Connection, said: str) -> str | None:
    """Returns the macro that was taken for a table."""
    if not (found := _NO_TABLE.search(said)):
        return None
    name = found[1].rpartition(".")[2].strip('"')
    sql = (
        "SELECT function_name FROM duckdb_functions() WHERE function_type = 'table_macro' "
        "AND NOT internal AND lower(function_name) = lower($name)"
    )
    try:
        return next((str(row[0]) for row in fetch(connection, sql, {"name": name})), None)
    except duckdb.Error:  # of a transaction that the question began and broke
        return None
