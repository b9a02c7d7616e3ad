"""A second flattener, row by row in plain Python, written from the naming law alone.

It shares no code with the product: it reads the schema files itself, follows `$ref` itself, brings
a blob to the schema's form by its own means and walks it with loops. Slow and short; the product
must agree with it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"
Json = Any
Row = dict[str, Json]
Tables = dict[str, list[Row]]
AGAIN: Json = {"x-again": True}
"""What stands in a schema where a part holds itself: the array of nodes inside a node."""
BLANKS = " \t\r\n\u3000"


@dataclass(frozen=True, slots=True)
class SetAside:
    """Stands in a blob for an element that is in quarantine; holds what was there."""

    value: Json


@cache
def read_schema(kind: str) -> Json:
    """Returns the schema of a result Type with every `$ref` resolved, but those of a loop."""
    for file in sorted((SCHEMAS / "results").glob("*.schema.json")):
        document = json.loads(file.read_bytes())
        if document["x-type"] == kind:
            return _resolve(document, file, document, ())
    raise LookupError(kind)


def flatten_blob(
    kind: str, blob: Json, job_id: str, result_index: int, aside: Iterable[str] = ()
) -> Tables:
    """Returns the rows of every table of a Type, empty ones included.

    Args:
        kind: The Type.
        blob: What Data holds, in whatever form it was written.
        job_id: Id of the job.
        result_index: Position of the result.
        aside: JSON pointers to the elements that are in quarantine, in the form as written.
    """
    schema = read_schema(kind)
    out: Tables = {name: [] for name in table_names(schema)}
    keys = {"job_id": job_id, "result_index": result_index}
    _add_row(schema, schema["x-table"], bring_marked(kind, blob, aside), keys, out)
    return out


def bring_marked(kind: str, blob: Json, aside: Iterable[str]) -> Json:
    """Returns a blob in its schema's form, with `SetAside` where the pointers lead."""
    marked = json.loads(json.dumps(blob))
    for pointer in aside:
        _mark(marked, pointer)
    return bring(read_schema(kind), marked)


def table_names(schema: Json) -> list[str]:
    """Returns the tables of a schema, parents first."""
    names = [schema["x-table"]] if "x-table" in schema else []
    for node in schema.get("properties", {}).values():
        names += table_names(node)
    if isinstance(schema.get("items"), dict):
        names += table_names(schema["items"])
    return names + ([schema["x-split"]["x-table"]] if "x-split" in schema else [])


def bring(schema: Json, blob: Json) -> Json:
    """Returns a blob in the form its schema describes; known keys only."""
    if "x-bare" in schema and not isinstance(blob, dict):
        blob = {schema["x-bare"]: blob}
    return _brought_object(schema, blob)


def _mark(document: Json, pointer: str) -> None:
    *way, last = [p.replace("~1", "/").replace("~0", "~") for p in pointer.split("/")[1:]]
    for part in way:
        document = document[int(part) if isinstance(document, list) else part]
    place: Json = int(last) if isinstance(document, list) else last
    document[place] = SetAside(document[place])


def _brought_object(schema: Json, value: Json) -> Json:
    if not isinstance(value, dict):
        return value
    found = {}
    for wire, node in schema["properties"].items():
        given = (value.get(key) for key in (wire, *node.get("x-spellings", ())))
        found[wire] = _brought(wire, node, next((v for v in given if v is not None), None))
    return found


def _brought(wire: str, node: Json, value: Json) -> Json:
    """Returns a property's value in the schema's form."""
    if "x-wrapped" in node and isinstance(value, dict):
        inner = value.get(wire)
        value = inner if isinstance(inner, dict | list | SetAside) else value
    if "x-single" in node and isinstance(value, dict | SetAside):
        value = [value]
    if "x-json" in node and value is not None and not isinstance(value, str):
        return _compact(value)
    if "properties" in node:
        return _brought_object(node, value)
    if isinstance(value, list) and "x-tree" not in node and "properties" in node["items"]:
        return [_brought_object(node["items"], each) for each in value]
    return value


def _resolve(node: Json, file: Path, document: Json, trail: tuple[Json, ...]) -> Json:
    if isinstance(node, list):
        return [_resolve(item, file, document, trail) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" not in node:
        return {
            key: _resolve(value, file, document, trail)
            for key, value in node.items()
            if key != "$defs"
        }
    place, pointer = node["$ref"].split("#/")
    if place:
        file = (file.parent / place).resolve()
        document = json.loads(file.read_bytes())
    if (file, pointer) in trail:
        return AGAIN
    target = document
    for key in pointer.split("/"):
        target = target[key]
    beside = {key: value for key, value in node.items() if key != "$ref"}
    trail = (*trail, (file, pointer))
    return {**_resolve(target, file, document, trail), **_resolve(beside, file, document, trail)}


def _add_row(schema: Json, table: str, element: Json, keys: Row, out: Tables) -> None:
    """Adds the row of one element; `schema` is that of the element."""
    row = dict(keys)
    out[table].append(row)
    if "properties" in schema:
        _add_columns(schema, element, row, keys, out)
    else:
        _add_scalars(schema.get("x-column", ""), schema, element, row)


def _add_columns(schema: Json, element: Json, row: Row, keys: Row, out: Tables) -> None:
    """Adds what an object's properties give to its row, and the rows below it."""
    for wire, node in schema["properties"].items():
        value = None if element is None else element.get(wire)
        name = node.get("x-column") or _snake(wire)
        if node is AGAIN:
            continue
        if "x-tree" in node:
            row[f"{name}_count"] = _add_tree(node, value, keys, out)
        elif "x-table" in node and "items" in node:
            row[f"{name}_count"] = None if value is None else len(value)
            _add_elements(node, value or [], keys, out)
        elif "x-table" in node:
            if isinstance(value, dict):
                _add_row(node, node["x-table"], value, keys, out)
        elif "properties" in node:
            _add_columns(node, value, row, keys, out)
        else:
            _add_scalars(name, node, value, row)
            _add_parts(node.get("x-split"), value, keys, out)


def _add_elements(node: Json, elements: list[Json], keys: Row, out: Tables) -> None:
    for position, inner in enumerate(elements):
        if not isinstance(inner, SetAside):  # else its position stays unused
            below = {**keys, node["x-index"]: position}
            _add_row(node["items"], node["x-table"], inner, below, out)


def _add_tree(node: Json, top: Json, keys: Row, out: Tables) -> int | None:
    """Adds a row for each node of a tree, from the top down; returns the nodes, seen or not."""
    if top is None:
        return None
    own, index = node["x-tree"], node["x-index"]
    number = 0

    def visit(nodes: list[Json], parent: int | None, depth: int, *, hidden: bool) -> None:
        nonlocal number
        for sibling, each in enumerate(nodes):
            gone = hidden or isinstance(each, SetAside)
            value = each.value if isinstance(each, SetAside) else each
            mine, number = number, number + 1
            below = value.get(own) if isinstance(value, dict) else None
            if not gone:
                row = {**keys, index: mine, f"parent_{index}": parent}
                row |= {"depth": depth, "sibling_index": sibling}
                row[f"{_snake(own)}s_count"] = None if below is None else len(below)
                out[node["x-table"]].append(row)
                _add_columns(node["items"], value, row, {**keys, index: mine}, out)
            if isinstance(below, list):
                visit(below, mine, depth + 1, hidden=gone)

    visit(top, None, 0, hidden=False)
    return number


def _add_scalars(name: str, node: Json, value: Json, row: Row) -> None:
    if "x-columns" in node:
        for position, column in enumerate(node["x-columns"]):
            item = None if value is None else value[position]
            row[column] = _number(node["items"], item, node.get("x-unit"))
        return
    row[name] = _number(node, value, node.get("x-unit"))
    if "x-json" in node:
        _add_json_fields(node["x-json"], value, row)


def _add_parts(split: Json, text: str | None, keys: Row, out: Tables) -> None:
    if split is None:
        return
    for position, part in enumerate((text or "").split(split["separator"])):
        if part.strip(BLANKS):
            below = {**keys, split["x-index"]: position}
            below[split["items"]["x-column"]] = part.strip(BLANKS)
            out[split["x-table"]].append(below)


def _number(node: Json, value: Json, unit: str | None) -> Json:
    kinds = node["type"]
    if value is None or "string" in kinds or "boolean" in kinds:
        return value
    if unit == "ms":
        return value / 1000
    return int(value) if "integer" in kinds else float(value)


def _add_json_fields(annotation: Json, text: str | None, row: Row) -> None:
    try:
        fields = json.loads(text or "null", parse_constant=_refuse)
    except ValueError:
        fields = None
    for wire, node in annotation["properties"].items():
        name = annotation["prefix"] + (node.get("x-column") or _snake(wire))
        value = fields.get(wire) if isinstance(fields, dict) else None
        row[name] = _as_float(value) if node["type"] == "number" else _as_text(value)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _as_float(value: Json) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _as_text(value: Json) -> str | None:
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else _compact(value)


def _compact(value: Json) -> str:
    """Returns compact JSON, numbers in the spelling of orjson: 0.00001, where Python has 1e-05.

    So has the product; that it loses no digit is for `test_flatten` to show.
    """
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # whole numbers of more than 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _snake(wire: str) -> str:
    words = ""
    for letter in wire:
        words += f"_{letter.lower()}" if letter.isupper() and words else letter.lower()
    return words
