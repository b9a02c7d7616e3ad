"""What tables and columns are: names, Arrow types, and where their values lie in a document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

Schema = dict[str, Any]
Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        name: Name in Parquet, DuckDB and docs.
        type: Arrow type of the column.
        kind: `key`, `value` (a scalar of the source), `count` (length of a child array), `json` (a
            field of a JSON text held in a string) or `tree` (place of a node in its tree).
        path: Keys from the row's element to the scalar or array; none where the element is it.
        item: Position in a fixed-length array, or None.
        json_key: Key inside the JSON text, for kind `json`.
        unit: Unit of the numbers (`s`, `px`, `ratio`, ...), or None.
        scale: What the source's number is divided by: 1000 where it has milliseconds.
        required: Whether the column can never be NULL.
        private: What of it stays out of the warehouse: nothing, `all`, or of `links` in it what
            follows the question mark.
        expect: Schema the source's values are expected to keep, only ever reported; or None.
        examples: Values it may have, as JSON has them and in the unit of the column.
        warning: What misleads who reads it, or nothing.
    """

    name: str
    type: pa.DataType
    kind: Literal["key", "value", "count", "json", "tree"]
    description: str
    path: Keys = ()
    item: int | None = None
    json_key: str | None = None
    unit: str | None = None
    scale: int = 1
    required: bool = False
    private: Literal["", "all", "links"] = ""
    expect: Schema | None = field(default=None, hash=False)
    examples: tuple[str | float, ...] = ()
    warning: str = ""

    @property
    def example(self) -> str:
        """Returns the first of the examples as text, '' for an empty text, or nothing."""
        if not self.examples:
            return ""
        first = self.examples[0]
        return str(first).lower() if isinstance(first, bool) else str(first) or "''"

    def to_field(self) -> pa.Field:
        """Returns the Arrow field; its metadata are what is known in words, no empty ones."""
        words = {"unit": self.unit, "warning": self.warning, "example": self.example}
        known = {key: word for key, word in words.items() if word}
        metadata = {"description": self.description} | known
        return pa.field(self.name, self.type, nullable=not self.required, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Table:
    """One table: the root of a result Type, a part inside it, or a system table.

    Attributes:
        name: Table name.
        description: Grain of the table.
        path: Keys from the parent row's element to what this table's rows are made of.
        keys: Primary key columns, outermost first.
        columns: All other columns.
        children: Tables of what lies inside a row.
        family: Wire name of the result Type; `system` for tables of our own.
        kind: What lies at `path`: an `array` (one row an element), an `object` (one row if it is
            there), a `tree` (one row a node, of all levels) or a `split` text (one row a part).
        tree_key: Key of a node's own nodes, for a tree.
        separator: What stands between the parts, for a split text.
        objects: Paths of the plain objects inside a row, whose scalars are columns of it.
        warning: What misleads who counts or joins its rows, or nothing.
    """

    name: str
    description: str
    keys: tuple[Column, ...]
    path: Keys = ()
    columns: tuple[Column, ...] = ()
    children: tuple[Table, ...] = ()
    family: str = "system"
    kind: Literal["array", "object", "tree", "split"] = "array"
    tree_key: str = ""
    separator: str = ""
    objects: tuple[Keys, ...] = ()
    warning: str = ""

    @property
    def arrow_schema(self) -> pa.Schema:
        """Returns the Arrow schema: keys first, with what is known in words as metadata."""
        metadata = {"description": self.description, "key": ",".join(k.name for k in self.keys)}
        metadata |= {"warning": self.warning} if self.warning else {}
        return pa.schema([c.to_field() for c in (*self.keys, *self.columns)], metadata=metadata)

    def walk(self) -> Iterator[Table]:
        """Yields this table and all tables below it, parents first, in source order."""
        yield self
        for child in self.children:
            yield from child.walk()
