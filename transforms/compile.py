"""Compiles a JSON Schema with `x-` annotations into tables, columns and Arrow types.

One schema object becomes one tree of `Table`s: an array with `x-table` is a table, a plain object
is inlined into its row, a scalar is a column. Nothing here knows any result Type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from transforms.errors import ConfigurationError
from transforms.layout import Column, Keys, Schema, Table

INT32 = (-(2**31), 2**31 - 1)
EXACT = 2**53
"""Up to here a double holds every integer; numbers are read as doubles."""
PARENT, DEPTH, SIBLING = "#parent", "#depth", "#sibling"
"""Keys a node of a tree gets when its tree is laid out as rows; see `transforms.trees`."""
JOB_ID = "****20b48fb04483915d4f2cd8ac****"
"""An id as the vendor page shows one."""
JOB_KEYS = (
    ("job_id", pa.string(), "Id of the job, as given to the service.", (JOB_ID,)),
    ("result_index", pa.int32(), "Position of the result in the reply, from 0.", ()),
)
_MILLISECONDS = 1000


def compile_result(schema: Schema) -> Table:
    """Returns the root table of a result Type; of references `schema` has only those of trees."""
    keys = tuple(Column(n, t, "key", d, required=True, examples=e) for n, t, d, e in JOB_KEYS)
    family, warning = str(schema["x-type"]), _text(schema, "x-warning")
    grain = _text(schema, "x-grain")
    root = Table(schema["x-table"], grain, keys, family=family, warning=warning)
    return _with_row(root, schema)


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
            private=node.get("x-private", ""),
            examples=tuple(node.get("examples", ())),
            warning=_text(node, "x-warning"),
        )
        for name, node in schema["properties"].items()
    )
    return Table(
        name=schema["x-table"],
        description=_text(schema, "description"),
        keys=tuple(c for c in columns if c.kind == "key"),
        columns=tuple(c for c in columns if c.kind != "key"),
        warning=_text(schema, "x-warning"),
    )


def read_type(schema: Schema) -> pa.DataType:
    """Returns the Arrow type a document is read with.

    Integers are read as doubles, so that `10.0` and `10` are one value, as JSON Schema has it;
    the contract bounds them to what a double holds exactly.
    """
    kind = kind_of(schema)
    if kind == "object":
        return pa.struct([(key, read_type(node)) for key, node in schema["properties"].items()])
    if kind == "array" and "x-tree" in schema:
        nodes = {k: n for k, n in schema["items"]["properties"].items() if k != schema["x-tree"]}
        fields = [(key, read_type(node)) for key, node in nodes.items()]
        laid_out = [(key, pa.float64()) for key in (schema["x-tree"], PARENT, DEPTH, SIBLING)]
        return pa.list_(pa.struct([*fields, *laid_out]))
    if kind == "array":
        return pa.list_(read_type(schema["items"]))
    return {"string": pa.string(), "boolean": pa.bool_()}.get(kind, pa.float64())


def scalar_type(schema: Schema) -> pa.DataType:
    """Returns the Arrow type of a scalar's column."""
    kind = kind_of(schema)
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


def kind_of(schema: Schema) -> str:
    """Returns the type of a schema apart from null."""
    return next((kind for kind in _types(schema) if kind != "null"), "null")


def is_number(schema: Any) -> bool:  # noqa: ANN401 - a schema node is any JSON
    """Tells whether a schema node says that a value is a number, whole or not."""
    if not isinstance(schema, dict) or not isinstance(schema.get("type"), str | list):
        return False
    return kind_of(schema) == "number"


@dataclass(slots=True)
class _Row:
    """What is found inside one row: its columns, its tables and its plain objects."""

    columns: list[Column] = field(default_factory=list)
    children: list[Table] = field(default_factory=list)
    objects: list[Keys] = field(default_factory=list)


def _with_row(table: Table, element: Schema) -> Table:
    """Returns the table with the columns and tables of its elements."""
    row = _Row()
    if table.kind == "tree":
        row.columns.extend(_tree_columns(table))
    if kind_of(element) == "object":
        nodes = {k: n for k, n in element["properties"].items() if k != table.tree_key}
        _add_properties(row, nodes, (), table)
    else:
        row.columns.extend(_scalar_columns((), element))
    return replace(
        table,
        columns=tuple(row.columns),
        children=tuple(row.children),
        objects=tuple(row.objects),
    )


def _add_properties(row: _Row, nodes: Mapping[str, Schema], path: Keys, parent: Table) -> None:
    """Adds scalars and tables of a row, going through plain objects."""
    for key, node in nodes.items():
        place = (*path, key)
        if "x-table" in node:
            if kind_of(node) == "array":
                row.columns.append(_count_column(place, node))
            row.children.append(_child(node, place, parent))
        elif kind_of(node) == "object":
            row.objects.append(place)
            _add_properties(row, node["properties"], place, parent)
        else:
            row.columns.extend(_scalar_columns(place, node))
            if split := node.get("x-split"):
                row.children.append(_child(split, place, parent))


def _child(node: Schema, path: Keys, parent: Table) -> Table:
    keys = parent.keys
    if "x-index" in node:
        text = "Position in the source, from 0."
        keys = (*keys, Column(node["x-index"], pa.int32(), "key", text, required=True))
    table = Table(
        name=node["x-table"],
        description=_text(node, "description"),
        keys=keys,
        path=path,
        family=parent.family,
        warning=_text(node, "x-warning"),
    )
    if "separator" in node:
        table = replace(table, kind="split", separator=node["separator"])
    elif "x-tree" in node:
        table = replace(table, kind="tree", tree_key=node["x-tree"])
    elif kind_of(node) == "object":
        return _with_row(replace(table, kind="object"), node)
    return _with_row(table, node["items"])


def _tree_columns(table: Table) -> Iterator[Column]:
    own = table.keys[-1].name
    yield Column(
        f"parent_{own}", pa.int32(), "tree", f"The {own} above; NULL at the top.", path=(PARENT,)
    )
    yield Column("depth", pa.int32(), "tree", "Levels above it; 0 at the top.", path=(DEPTH,))
    text = "Position among the nodes that lie beside it, from 0."
    yield Column("sibling_index", pa.int32(), "tree", text, path=(SIBLING,))
    text = "Number of nodes right below it in the source; NULL when the array is absent."
    name = f"{snake_case(table.tree_key)}s_count"
    yield Column(name, pa.int32(), "tree", text, path=(table.tree_key,))


def _count_column(path: Keys, node: Schema) -> Column:
    name = node.get("x-column", snake_case(path[-1]))
    text = f"Number of elements of {path[-1]} in the source; NULL when it is absent."
    if "x-tree" in node:
        text = f"Number of nodes in {path[-1]}, of all levels; NULL when it is absent."
    return Column(f"{name}_count", pa.int32(), "count", text, path=path)


def _scalar_columns(path: Keys, node: Schema) -> Iterator[Column]:
    unit = node.get("x-unit")
    if kind_of(node) == "array" and "x-columns" in node:
        yield from _item_columns(path, node)
        return
    if not path and "x-column" not in node:
        raise ConfigurationError("items that are scalars need an x-column")
    name = node.get("x-column") or snake_case(path[-1])
    column = Column(
        name,
        _column_type(node, unit),
        "value",
        _text(node, "description"),
        path=path,
        private=node.get("x-private", ""),
        expect=node.get("x-expect"),
        examples=tuple(node.get("examples", ())),
        warning=_text(node, "x-warning"),
    )
    yield _with_unit(column, unit)
    parsed: Mapping[str, Any] = node.get("x-json", {})
    for key, sub in parsed.get("properties", {}).items():
        yield Column(
            name=parsed["prefix"] + sub.get("x-column", snake_case(key)),
            type=scalar_type(sub),
            kind="json",
            description=_text(sub, "description"),
            path=path,
            json_key=key,
            unit=sub.get("x-unit"),
            examples=tuple(sub.get("examples", ())),
            warning=_text(sub, "x-warning"),
        )


def _item_columns(path: Keys, node: Schema) -> Iterator[Column]:
    """Yields the columns of an array of fixed length, one an item."""
    unit, items, names = node.get("x-unit"), node["items"], node["x-columns"]
    item_type = _column_type(items, unit)
    texts = node.get("x-descriptions", [_text(node, "description")] * len(names))
    if len(texts) != len(names):
        raise ConfigurationError(
            f"x-columns names {len(names)} columns, and x-descriptions has {len(texts)}: "
            "give each one"
        )
    for item, (name, text) in enumerate(zip(names, texts, strict=True)):
        column = Column(
            name,
            item_type,
            "value",
            text,
            path=path,
            item=item,
            expect=items.get("x-expect"),
            examples=tuple(example[item] for example in node.get("examples", ())),
            warning=_text(node, "x-warning"),
        )
        yield _with_unit(column, unit)


def _column_type(node: Schema, unit: str | None) -> pa.DataType:
    if kind_of(node) == "integer":
        low, high = node.get("minimum", -EXACT - 1), node.get("maximum", EXACT + 1)
        if low < -EXACT or high > EXACT:
            raise ConfigurationError(
                "an integer needs a minimum and a maximum between -2^53 and 2^53, which is what "
                "every parser reads exactly; longer ids belong in strings"
            )
    if unit != "ms":
        return scalar_type(node)
    if kind_of(node) != "integer":
        raise ConfigurationError(
            "milliseconds need an integer: only whole ones come back from seconds; "
            "make the type integer, or leave out x-unit"
        )
    return pa.float64()


def _with_unit(column: Column, unit: str | None) -> Column:
    """Returns the column with its unit; times have seconds, whatever the source has."""
    if unit != "ms":
        return replace(column, unit=unit)
    seconds = tuple(float(example) / _MILLISECONDS for example in column.examples)
    return replace(column, unit="s", scale=_MILLISECONDS, examples=seconds)


def _types(schema: Schema) -> tuple[str, ...]:
    kinds = schema["type"]
    return (kinds,) if isinstance(kinds, str) else tuple(kinds)


def _text(schema: Schema, key: str) -> str:
    return str(schema.get(key, ""))
