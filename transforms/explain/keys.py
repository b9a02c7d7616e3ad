"""Reads which row someone asks for: a table's name and the values of its key columns."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from transforms import paths
from transforms.contract import Contracts
from transforms.errors import ConfigurationError
from transforms.layout import Column, Table
from transforms.ledger import is_job_id
from transforms.plain import near, plain

KeyValues = dict[str, str | int]

_MOST = 2**31 - 1
_SHOWN = 24


class NoSuchRowError(ConfigurationError):
    """The reply does not make the row that is asked for."""


def find_table(contracts: Contracts, name: str) -> Table:
    """Returns a table by its name.

    Raises:
        ConfigurationError: There is none.
    """
    if (table := contracts.tables.get(name)) is not None:
        return table
    views = {file.stem for file in (paths.sql_dir() / "system").glob("*.sql")}
    if (view := name.casefold()) in views:
        raise ConfigurationError(f"{view} is a view, made of many rows: ask cognition query")
    remedy = near(name, contracts.tables) or '`cognition query "FROM dictionary"` lists the tables'
    raise ConfigurationError(f"no table {plain(name, _SHOWN)!r}: {remedy}")


def read_keys(table: Table, given: Sequence[str]) -> KeyValues:
    """Returns the values of a table's key columns by name.

    Args:
        table: The table.
        given: Values in the order of its key columns, or as `name=value`.

    Raises:
        ConfigurationError: Too few or too many are given, one twice, or one cannot be read.
    """
    names = [column.name for column in table.keys]
    pairs = [text.partition("=") for text in given]
    named = {name for name, sign, _ in pairs if sign and name in names}
    waiting = iter([name for name in names if name not in named])
    found: dict[str, str] = {}
    for text, (first, sign, rest) in zip(given, pairs, strict=True):
        is_named = bool(sign) and first in names
        if first.isidentifier() and rest.strip("=") and not is_named:  # padding of an id names none
            named_so = f"{table.name} has no key column {plain(first, _SHOWN)!r}"
            raise ConfigurationError(f"{named_so}: its keys are {' '.join(names)}")
        if text.startswith("--"):
            raise ConfigurationError(
                f"no such option: {plain(text, _SHOWN)}; see `cognition explain --help`"
            )
        name = first if is_named else next(waiting, "")
        if not name or name in found:
            raise ConfigurationError(f"{_keyed(table)}: more is given, drop the rest")
        found[name] = rest if is_named else text
    if missing := [name for name in names if name not in found]:
        raise ConfigurationError(f"{_keyed(table)}: {' and '.join(missing)} must be given, too")
    return {column.name: _value(table, column, found[column.name]) for column in table.keys}


def _value(table: Table, column: Column, text: str) -> str | int:
    if pa.types.is_integer(column.type):
        if not (text.isascii() and text.isdecimal() and int(text[:12]) <= _MOST):
            shown = f"{column.name} {plain(text, _SHOWN)!r}"
            raise ConfigurationError(f"{shown} is no position, 0 or more; {_keyed(table)}")
        return int(text)
    if column.name == "job_id" and ("://" in text or not is_job_id(text)):
        raise ConfigurationError(f"{text[:12]!r} is no job id; {_keyed(table)}")
    return text


def _keyed(table: Table) -> str:
    return f"{table.name} is keyed by {' '.join(column.name for column in table.keys)}"
