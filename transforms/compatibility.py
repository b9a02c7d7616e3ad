"""What may change about tables that hold rows already: anything may be added, nothing else.

Rows of an older schema stay readable, in the lake and by whoever asks the warehouse, as long as
every table, key and column they have is still there with the type it had.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from transforms.layout import Table


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
