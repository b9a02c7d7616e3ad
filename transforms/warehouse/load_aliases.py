"""Brings the aliases of the lake into the build, beside those that were put in by hand.

Rows of the files bear their file as `source` and are replaced by every load. Rows without a source
were put in by hand: they stay as they are, go before those of the files, and end their chains.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from transforms.aliases import FACES, FILES, TAGS, Alias, Aliases, AliasFile, resolve
from transforms.errors import ConfigurationError
from transforms.plain import plain
from transforms.warehouse.ddl import quote
from transforms.warehouse.duck import Connection, QueryError, fetch, registered, transaction
from transforms.warehouse.query import query_published

AliasRow = tuple[str, str, str, str | None]
"""Job or kind, name, what stands in its place, and the file that says so; None: by hand."""


@dataclass(frozen=True, slots=True)
class AliasReport:
    """Which aliases the build has now.

    Attributes:
        counts: How many: `faces` and `tags`, and `by_hand` of both.
        changed: Whether this load changed any.
        notes: What was passed over, and why.
    """

    counts: dict[str, int]
    changed: bool
    notes: tuple[str, ...]


def bring_aliases(connection: Connection, aliases: Aliases) -> AliasReport:
    """Replaces the aliases of files by those of the lake, all in one transaction."""
    changed = False
    found: dict[str, list[AliasRow]] = {}
    notes = list(aliases.notes)
    with transaction(connection):
        for file in FILES:
            known = read_rows(connection, file)
            wanted = rows_wanted(file, aliases, known)
            if {*wanted} != {*known} or len(wanted) != len(known):
                _replace(connection, file, wanted)
                changed = True
            found[file.table] = wanted
            notes += _passed_over(file, aliases, by_hand(known))
    counts = {
        "faces": len(found[FACES.table]),
        "tags": len(found[TAGS.table]),
        "by_hand": sum(row[-1] is None for rows in found.values() for row in rows),
    }
    return AliasReport(counts, changed, tuple(notes))


def read_rows(connection: Connection, file: AliasFile) -> list[AliasRow]:
    """Returns the rows a warehouse has."""
    columns = ", ".join(map(quote, file.columns))
    found = fetch(connection, f"SELECT {columns}, source FROM {quote(file.table)}")  # noqa: S608 - quoted
    return [(scope, name, target, source) for scope, name, target, source in found]


def rows_wanted(file: AliasFile, aliases: Aliases, known: Sequence[AliasRow]) -> list[AliasRow]:
    """Returns the rows a warehouse shall have, given those it has."""
    kept = [row for row in known if row[-1] is None]
    hand = (Alias(scope, name, target) for scope, name, target, _ in kept)
    of_file = resolve(file, aliases.written[file.table], hand)
    return [*kept, *((a.scope, a.name, a.target, file.path) for a in of_file)]


def are_published(aliases: Aliases, warehouse_dir: Path) -> bool:
    """Tells whether the published warehouse has the aliases of a lake.

    One that cannot be read, or was made before there were aliases, has none.
    """
    for file in FILES:
        known: list[AliasRow] = []
        sql = f"SELECT {', '.join(file.columns)}, source FROM {file.table}"  # noqa: S608 - constants
        with suppress(ConfigurationError, QueryError):
            columns = query_published(warehouse_dir, sql).to_pydict().values()
            known = list(zip(*columns, strict=True))
        if {*rows_wanted(file, aliases, known)} != {*known}:
            return False
    return True


def by_hand(rows: Sequence[AliasRow]) -> set[tuple[str, str]]:
    """Returns the keys of the rows that were put in by hand."""
    return {(scope, name) for scope, name, _, source in rows if source is None}


def _replace(connection: Connection, file: AliasFile, rows: Sequence[AliasRow]) -> None:
    fetch(connection, f"DELETE FROM {quote(file.table)} WHERE source IS NOT NULL")  # noqa: S608 - quoted
    new = [row for row in rows if row[-1] is not None]
    names = (*file.columns, "source")
    texts = [pa.array((row[at] for row in new), pa.string()) for at in range(len(names))]
    with registered(connection, "incoming_aliases", pa.table(texts, names=names)):
        fetch(
            connection,
            f"INSERT INTO {quote(file.table)} BY NAME SELECT * FROM incoming_aliases",  # noqa: S608 - quoted
        )


def _passed_over(
    file: AliasFile, aliases: Aliases, hand: AbstractSet[tuple[str, str]]
) -> list[str]:
    both = [alias for alias in aliases.of[file.table] if alias.key in hand]
    if not both:
        return []
    first = f"line {both[0].line} ({plain(both[0].name)})"
    more = f" and {len(both) - 1:,} more" if len(both) > 1 else ""
    return [f"{file.path}: {first}{more} gives way to what was put in by hand"]
