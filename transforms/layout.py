"""Compiles a JSON Schema with `x-` annotations into tables, columns and Arrow types.

One schema object becomes one tree of `Table`s: an array of objects with `x-table` is a table, a
plain object is inlined into its row, a scalar is a column. Nothing here knows any result Type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from transforms.errors import ConfigurationError

Schema = dict[str, Any]
INT32 = (-(2**31), 2**31 - 1)
JOB_KEYS = (
    ("job_id", pa.string(), "Id of the job, as given to the service."),
    ("result_index", pa.int32(), "Position of the result in the reply, from 0."),
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        name: Name in Parquet, DuckDB and docs.
        type: Arrow type of the column.
        kind: `key`, `value` (a scalar of the source), `count` (length of a child array) or
            `json` (a field of a JSON text held in a string).
        path: Keys from the row's object to the scalar or array in the source.
        item: Position in a fixed-length array, or None.
        json_key: Key inside the JSON text, for kind `json`.
        unit: Unit of the numbers (`s`, `px`, `ratio`, ...), or None.
        required: Whether the column can never be NULL.
    """

    name: str
    type: pa.DataType
    kind: Literal["key", "value", "count", "json"]
    description: str
    path: tuple[str, ...] = ()
    item: int | None = None
    json_key: str | None = None
    unit: str | None = None
    required: bool = False

    def to_field(self) -> pa.Field:
        """Returns the Arrow field, with description and unit as metadata."""
        metadata = {"description": self.description} | ({"unit": self.unit} if self.unit else {})
        return pa.field(self.name, self.type, nullable=not self.required, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Table:
    """One table: the root of a result Type, an array inside it, or a system table.

    Attributes:
        name: Table name.
        description: Grain of the table.
        path: Keys from the parent row's object to the array of this table's rows.
        keys: Primary key columns, outermost first.
        columns: All other columns.
        children: Tables of the arrays inside a row.
        family: Wire name of the result Type; `system` for tables of our own.
    """

    name: str
    description: str
    keys: tuple[Column, ...]
    path: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    children: tuple[Table, ...] = ()
    family: str = "system"

    @property
    def arrow_schema(self) -> pa.Schema:
        """Returns the Arrow schema: keys first, with descriptions and units as field metadata."""
        metadata = {"description": self.description, "key": ",".join(k.name for k in self.keys)}
        return pa.schema([c.to_field() for c in (*self.keys, *self.columns)], metadata=metadata)

    def walk(self) -> Iterator[Table]:
        """Yields this table and all tables below it, parents first, in source order."""
        yield self
        for child in self.children:
            yield from child.walk()


def compile_result(schema: Schema) -> Table:
    """Returns the root table of a result Type; `schema` is free of references."""
    keys = tuple(Column(n, t, "key", d, required=True) for n, t, d in JOB_KEYS)
    family = str(schema["x-type"])
    return _compile_row(schema, schema["x-table"], _text(schema, "x-grain"), keys, (), family)


def compile_table(schema: Schema) -> Table:
    """Returns a flat system table; its key is named by `x-key`."""
    columns = tuple(
        Column(
            name=name,
            type=scalar_type(node),
            kind="key" if name in schema["x-key"] else "value",
            description=_text(node, "description"),
            path=(name,),
            unit=node.get("x-unit"),
            required="null" not in _types(node),
        )
        for name, node in schema["properties"].items()
    )
    return Table(
        name=schema["x-table"],
        description=_text(schema, "description"),
        keys=tuple(c for c in columns if c.kind == "key"),
        columns=tuple(c for c in columns if c.kind != "key"),
    )


def read_type(schema: Schema) -> pa.DataType:
    """Returns the Arrow type a blob is read with.

    Integers are read as doubles, so that `10.0` and `10` are one value, as JSON Schema has it;
    the contract bounds them to what a double holds exactly.
    """
    kind = _kind(schema)
    if kind == "object":
        return pa.struct([(k, read_type(v)) for k, v in schema["properties"].items()])
    if kind == "array":
        return pa.list_(read_type(schema["items"]))
    return {"string": pa.string(), "boolean": pa.bool_()}.get(kind, pa.float64())


def scalar_type(schema: Schema) -> pa.DataType:
    """Returns the Arrow type of a scalar's column."""
    kind = _kind(schema)
    if kind == "integer":
        low, high = schema.get("minimum"), schema.get("maximum")
        bounded = low is not None and high is not None and INT32[0] <= low and high <= INT32[1]
        return pa.int32() if bounded else pa.int64()
    if kind == "string" and schema.get("format") == "date-time":
        return pa.timestamp("us")
    scalars = {"string": pa.string(), "number": pa.float64(), "boolean": pa.bool_()}
    if kind not in scalars:
        raise ConfigurationError(
            f"schema type {kind!r} is no scalar; give arrays an x-table or x-columns"
        )
    return scalars[kind]


def snake_case(name: str) -> str:
    """Returns a wire name in snake_case.

    >>> snake_case("mainTagName"), snake_case("chResultUrl"), snake_case("category1")
    ('main_tag_name', 'ch_result_url', 'category1')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _compile_row(  # noqa: PLR0913, PLR0917 - one row is told by its place in the tree
    schema: Schema,
    name: str,
    description: str,
    keys: tuple[Column, ...],
    path: tuple[str, ...],
    family: str,
) -> Table:
    columns: list[Column] = []
    children: list[Table] = []
    for node_path, node in _leaves(schema, ()):
        if "x-table" in node and _kind(node) == "array":
            columns.append(_count_column(node_path, node))
            index = Column(
                node["x-index"], pa.int32(), "key", "Position in the source, from 0.", required=True
            )
            grain = _text(node, "description")
            items = node["items"]
            children.append(
                _compile_row(items, node["x-table"], grain, (*keys, index), node_path, family)
            )
        else:
            columns.extend(_scalar_columns(node_path, node))
    return Table(name, description, keys, path, tuple(columns), tuple(children), family)


def _leaves(schema: Schema, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Yields scalars and arrays of a row, going through plain objects."""
    for key, node in schema["properties"].items():
        if _kind(node) == "object":
            yield from _leaves(node, (*path, key))
        else:
            yield (*path, key), node


def _count_column(path: tuple[str, ...], node: Schema) -> Column:
    name = node.get("x-column", snake_case(path[-1]))
    text = f"Number of elements of {path[-1]} in the source; NULL when it is absent."
    return Column(f"{name}_count", pa.int32(), "count", text, path=path)


def _scalar_columns(path: tuple[str, ...], node: Schema) -> Iterator[Column]:
    text, unit = _text(node, "description"), node.get("x-unit")
    if _kind(node) == "array" and "x-columns" in node:
        for item, name in enumerate(node["x-columns"]):
            kind = scalar_type(node["items"])
            yield Column(name, kind, "value", text, path=path, item=item, unit=unit)
        return
    name = node.get("x-column", snake_case(path[-1]))
    yield Column(name, scalar_type(node), "value", text, path=path, unit=unit)
    parsed = node.get("x-json")
    if parsed:
        for key, sub in parsed["properties"].items():
            yield Column(
                name=parsed["prefix"] + sub.get("x-column", snake_case(key)),
                type=scalar_type(sub),
                kind="json",
                description=_text(sub, "description"),
                path=path,
                json_key=key,
                unit=sub.get("x-unit"),
            )


def _types(schema: Schema) -> tuple[str, ...]:
    kinds = schema["type"]
    return (kinds,) if isinstance(kinds, str) else tuple(kinds)


def _kind(schema: Schema) -> str:
    return next((kind for kind in _types(schema) if kind != "null"), "null")


def _text(schema: Schema, key: str) -> str:
    return str(schema.get(key, ""))
