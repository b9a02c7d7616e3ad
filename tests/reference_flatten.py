"""A second flattener, row by row in plain Python, written from the naming law alone.

It shares no code with the product: it reads the schema files itself, follows `$ref` itself and
walks one accepted blob with loops. Slow and short; the product must agree with it.
"""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"
Json = Any
Tables = dict[str, list[dict[str, Json]]]


@cache
def read_schema(kind: str) -> Json:
    """Returns the schema of a result Type with every `$ref` resolved."""
    for file in sorted((SCHEMAS / "results").glob("*.schema.json")):
        document = json.loads(file.read_bytes())
        if document["x-type"] == kind:
            return _resolve(document, file, document)
    raise LookupError(kind)


def flatten_blob(kind: str, blob: Json, job_id: str, result_index: int) -> Tables:
    """Returns the rows of every table of a Type, empty ones included."""
    schema = read_schema(kind)
    out: Tables = {name: [] for name in table_names(schema)}
    keys = {"job_id": job_id, "result_index": result_index}
    _add_row(schema, schema["x-table"], blob, keys, out)
    return out


def table_names(schema: Json) -> list[str]:
    """Returns the tables of a schema, parents first."""
    names = [schema["x-table"]] if "x-table" in schema else []
    for node in schema.get("properties", {}).values():
        names += table_names(node)
    if isinstance(schema.get("items"), dict):
        names += table_names(schema["items"])
    return names


def _resolve(node: Json, file: Path, document: Json) -> Json:
    if isinstance(node, list):
        return [_resolve(item, file, document) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" not in node:
        return {key: _resolve(value, file, document) for key, value in node.items()}
    place, pointer = node["$ref"].split("#/")
    if place:
        file = (file.parent / place).resolve()
        document = json.loads(file.read_bytes())
    target = document
    for key in pointer.split("/"):
        target = target[key]
    beside = {key: value for key, value in node.items() if key != "$ref"}
    return {**_resolve(target, file, document), **_resolve(beside, file, document)}


def _add_row(schema: Json, table: str, element: Json, keys: dict[str, Json], out: Tables) -> None:
    row = dict(keys)
    out[table].append(row)
    _add_columns(schema, element, row, keys, out)


def _add_columns(
    schema: Json, element: Json, row: dict[str, Json], keys: dict[str, Json], out: Tables
) -> None:
    for wire, node in schema["properties"].items():
        value = None if element is None else element.get(wire)
        name = node.get("x-column") or _snake(wire)
        if "properties" in node:
            _add_columns(node, value, row, keys, out)
        elif "x-table" in node:
            row[f"{name}_count"] = None if value is None else len(value)
            for position, inner in enumerate(value or []):
                if inner is not None:  # set aside: its position stays unused
                    below = {**keys, node["x-index"]: position}
                    _add_row(node["items"], node["x-table"], inner, below, out)
        elif "x-columns" in node:
            for position, column in enumerate(node["x-columns"]):
                row[column] = None if value is None else _number(node["items"], value[position])
        else:
            row[name] = _number(node, value)
            if "x-json" in node:
                _add_json_fields(node["x-json"], value, row)


def _number(node: Json, value: Json) -> Json:
    kinds = node["type"]
    if value is None or "string" in kinds or "boolean" in kinds:
        return value
    return int(value) if "integer" in kinds else float(value)


def _add_json_fields(annotation: Json, text: str | None, row: dict[str, Json]) -> None:
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
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _snake(wire: str) -> str:
    words = ""
    for letter in wire:
        words += f"_{letter.lower()}" if letter.isupper() and words else letter.lower()
    return words
