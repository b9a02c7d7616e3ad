"""Where rows lie in a result as it was written: a plain walk by the schema files alone.

It shares no code with the product but reads the schemas as the reference flattener does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reference_flatten import AGAIN, BLANKS, read_schema

Json = Any
Walked = tuple[str, tuple[int, ...], Json]
"""Table, positions below the result, and what the row was made of, as it was written."""


def walk(kind: str, source: Json) -> Iterator[Walked]:
    """Yields every place of a result that a row may be made of; none below a wrong type."""
    schema = read_schema(kind)
    yield schema["x-table"], (), source
    if "x-bare" in schema and not isinstance(source, dict):
        source = {schema["x-bare"]: source}
    yield from _object(schema, source, ())


def _object(schema: Json, value: Json, at: tuple[int, ...]) -> Iterator[Walked]:
    if not isinstance(value, dict):
        return
    for wire, node in schema.get("properties", {}).items():
        given = [value.get(key) for key in (wire, *node.get("x-spellings", ()))]
        found = next((each for each in given if each is not None), None)
        if found is not None and node is not AGAIN:
            yield from _property(wire, node, found, at)


def _property(wire: str, node: Json, value: Json, at: tuple[int, ...]) -> Iterator[Walked]:
    value = _own_form(wire, node, value)
    if "x-tree" in node:
        nodes = list(_nodes(value, node["x-tree"]))
        yield from ((node["x-table"], (*at, number), each) for number, each in enumerate(nodes))
    elif "x-table" in node and "items" in node:
        for position, element in enumerate(value if isinstance(value, list) else ()):
            yield node["x-table"], (*at, position), element
            yield from _object(node["items"], element, (*at, position))
    elif "x-table" in node:
        if isinstance(value, dict):
            yield node["x-table"], at, value
            yield from _object(node, value, at)
    elif "x-split" in node:
        split, text = node["x-split"], value if isinstance(value, str) else ""
        for position, part in enumerate(text.split(split["separator"])):
            if part.strip(BLANKS):
                yield split["x-table"], (*at, position), value
    else:
        yield from _object(node, value, at)


def _own_form(wire: str, node: Json, value: Json) -> Json:
    if "x-wrapped" in node and isinstance(value, dict) and isinstance(value.get(wire), dict | list):
        value = value[wire]
    return [value] if "x-single" in node and isinstance(value, dict) else value


def _nodes(value: Json, key: str) -> Iterator[Json]:
    for node in value if isinstance(value, list) else ():
        yield node
        yield from _nodes(node.get(key) if isinstance(node, dict) else None, key)
