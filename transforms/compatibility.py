"""What may change about tables that hold rows already: anything may be added, nothing else.

Rows of an older schema stay readable, in the lake and by whoever asks the warehouse, as long as
every table, key and column they have is still there with the type it had. Under one version a
column means one thing: its source, unit and scale stay, too. What is private stays as private.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from transforms.layout import Column, Keys, Table


@dataclass(frozen=True, slots=True)
class Layout:
    """The shape of a table.

    Attributes:
        keys: Its key columns, outermost first.
        columns: Type by column, as Arrow names it; key columns among them.
    """

    keys: tuple[str, ...]
    columns: Mapping[str, str]


Layouts = Mapping[str, Layout]
"""Layout by table."""
_PRIVACY = ("", "links", "all")
"""What `x-private` may say, the least private first."""


def layouts_of(tables: Iterable[Table]) -> dict[str, Layout]:
    """Returns the layouts of compiled tables."""
    return {
        table.name: Layout(
            tuple(key.name for key in table.keys),
            {column.name: str(column.type) for column in (*table.keys, *table.columns)},
        )
        for table in tables
    }


def incompatible_changes(old: Layouts, new: Layouts) -> list[str]:
    """Returns, in words, every change from `old` to `new` that is no addition."""
    return [change for name, layout in old.items() for change in _changes(name, layout, new)]


def changed_meanings(old: Table, new: Table) -> list[str]:
    """Returns, in words, what another meaning gives to columns that both trees of tables have."""
    now = dict(_meanings(new))
    return [
        f"the {fact} of {name} was {_shown(known)} and is now {_shown(now[name][fact])}"
        for name, facts in _meanings(old)
        if name in now
        for fact, known in facts.items()
        if now[name][fact] != known
    ]


def disclosures(old: Iterable[Table], new: Mapping[str, Table]) -> list[str]:
    """Returns, in words, every column of `old` that is less private in `new`, tables by name."""
    return [
        f'{table.name}.{column.name} has x-private "{column.private}" and would have '
        + (f'"{now.private}"' if now.private else "none")
        for table in old
        for column in _columns(table)
        for now in _columns(new[table.name])
        if now.name == column.name and _PRIVACY.index(now.private) < _PRIVACY.index(column.private)
    ]


def to_document(layouts: Layouts) -> dict[str, Any]:
    """Returns layouts as plain JSON, in the order of the tables' names."""
    return {
        name: {"keys": list(layout.keys), "columns": dict(layout.columns)}
        for name, layout in sorted(layouts.items())
    }


def from_document(document: Mapping[str, Any]) -> dict[str, Layout]:
    """Returns the layouts that `to_document` made plain.

    Raises:
        KeyError: It lacks keys or columns of a table.
        TypeError: It is something else.
    """
    return {
        name: Layout(tuple(table["keys"]), dict(table["columns"]))
        for name, table in document.items()
    }


def _changes(name: str, old: Layout, layouts: Layouts) -> Iterator[str]:
    if name not in layouts:
        yield f"the table {name} is gone"
        return
    new = layouts[name]
    for column, kind in old.columns.items():
        if column not in new.columns:
            yield f"the column {name}.{column} ({kind}) is gone"
        elif new.columns[column] != kind:
            yield f"{name}.{column} was {kind} and is now {new.columns[column]}"
    joined = [key for key in new.keys if key not in old.keys]
    yield from (f"{name}.{key} has become part of the key" for key in joined)
    if not joined and old.keys != new.keys:
        yield f"the key of {name} was {', '.join(old.keys)} and is now {', '.join(new.keys)}"


def _meanings(table: Table, above: Keys = ()) -> Iterator[tuple[str, dict[str, object]]]:
    """Yields the columns of a table and of those below it, with what their values mean."""
    place = (*above, *table.path)
    for column in _columns(table):
        yield (
            f"{table.name}.{column.name}",
            {
                "unit": column.unit,
                "scale": column.scale,
                "source": "/" + "/".join((*place, *column.path)),
                "position in the source": column.item,
                "key in the JSON text": column.json_key,
                "kind": f"{column.kind} of {table.kind}",
                "separator": table.separator,
                "key of nodes": table.tree_key,
            },
        )
    for child in table.children:
        yield from _meanings(child, place)


def _shown(fact: object) -> str:
    return "none" if fact in (None, "") else str(fact)


def _columns(table: Table) -> tuple[Column, ...]:
    return (*table.keys, *table.columns)
