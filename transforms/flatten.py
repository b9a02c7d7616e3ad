"""Turns accepted blobs of one Type into Arrow tables, column by column.

All blobs are read at once into one nested array; every table inside is made by unnesting, keys are
computed from list lengths. No row is touched in Python.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from transforms.contract import Contract
from transforms.counting import TRIMMED
from transforms.findings import SourceForm
from transforms.forms import EMPTY
from transforms.json_text import to_pointer
from transforms.layout import Column, Keys, Table

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Flattened:
    """Rows of one table.

    Attributes:
        rows: The rows, in source order, with the table's Arrow schema.
        owners: For each row the position of its blob.
        forms: Plain objects that hold nothing, which columns cannot tell from absent ones: the
            position of the blob and the place.
    """

    rows: pa.Table
    owners: Numbers
    forms: tuple[tuple[int, SourceForm], ...] = ()


@dataclass(frozen=True, slots=True)
class _Level:
    """Rows of one nesting level.

    Attributes:
        elements: What the rows are made of.
        owners: Position of the blob of each.
        ordinals: Positions of each in the arrays around it, outermost first.
        path: Keys from the root; None stands for a position.
    """

    elements: pa.Array
    owners: Numbers
    ordinals: tuple[Numbers, ...]
    path: tuple[str | None, ...] = ()


def read_blobs(contract: Contract, lines: Sequence[bytes]) -> pa.StructArray:
    """Reads blobs, one line of JSON each, with the Type's schema; unknown keys are passed over.

    Raises:
        pyarrow.ArrowInvalid: A blob does not fit; the message does not say which.
    """
    text = b"\n".join(lines)
    table = pj.read_json(
        pa.BufferReader(text),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(text) + 1),
        parse_options=pj.ParseOptions(
            explicit_schema=contract.read_schema, unexpected_field_behavior="ignore"
        ),
    )
    if table.num_rows != len(lines):
        raise pa.ArrowInvalid(f"{len(lines)} blobs read as {table.num_rows}")
    array: pa.StructArray = table.to_struct_array().combine_chunks()
    return array.chunk(0) if isinstance(array, pa.ChunkedArray) else array


def flatten_blobs(
    contract: Contract, blobs: pa.StructArray, job_ids: Sequence[str], result_indices: Sequence[int]
) -> dict[str, Flattened]:
    """Returns the rows of every table of a Type.

    Args:
        contract: The Type.
        blobs: Its blobs, read.
        job_ids: Job of each blob.
        result_indices: Position of each blob in its reply.
    """
    keys = (pa.array(job_ids, pa.string()), np.asarray(result_indices, np.int64))
    out: dict[str, Flattened] = {}
    _flatten_level(contract.root, _Level(blobs, np.arange(len(blobs)), ()), keys, out)
    return out


def _flatten_level(
    table: Table, level: _Level, keys: tuple[pa.Array, Numbers], out: dict[str, Flattened]
) -> None:
    job_ids, result_indices = keys
    arrays = [
        job_ids.take(pa.array(level.owners)),
        pa.array(result_indices[level.owners], pa.int32()),
        *(pa.array(ordinal, pa.int32()) for ordinal in level.ordinals),
        *_columns(table.columns, level.elements),
    ]
    out[table.name] = Flattened(
        pa.Table.from_arrays(arrays, schema=table.arrow_schema),
        level.owners,
        tuple(form for path in table.objects for form in _empty_objects(level, path)),
    )
    for child in table.children:
        _flatten_level(child, _unnest(level, child), keys, out)


def _unnest(level: _Level, child: Table) -> _Level:
    """Goes one level deeper. An element set aside is null: its ordinal stays unused."""
    source = pc.struct_field(level.elements, list(child.path))
    path = (*level.path, *child.path)
    if child.kind == "object":
        there = source.is_valid()
        mask = there.to_numpy(zero_copy_only=False)
        above = tuple(ordinal[mask] for ordinal in level.ordinals)
        return _Level(source.filter(there), level.owners[mask], above, path)
    lists = _parts(source, child.separator) if child.kind == "split" else source
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    elements = pc.list_flatten(lists)
    parents = np.repeat(np.arange(len(lengths)), lengths)
    starts = np.cumsum(lengths) - lengths
    ordinals = np.arange(len(elements)) - np.repeat(starts, lengths)
    if elements.null_count:
        present = elements.is_valid()
        elements = elements.filter(present)
        mask = present.to_numpy(zero_copy_only=False)
        parents, ordinals = parents[mask], ordinals[mask]
    above = tuple(ordinal[parents] for ordinal in level.ordinals)
    return _Level(elements, level.owners[parents], (*above, ordinals), (*path, None))


def _parts(texts: pa.StringArray, separator: str) -> pa.ListArray:
    """Returns the parts of each text, trimmed; an empty one is null."""
    lists = pc.split_pattern(texts, separator)
    parts = pc.utf8_trim(lists.flatten(), TRIMMED)
    values = pc.if_else(pc.equal(parts, ""), None, parts)
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def _empty_objects(level: _Level, path: Keys) -> Iterator[tuple[int, SourceForm]]:
    """Yields the objects at `path` that hold nothing: neither a value nor an array."""
    objects = pc.struct_field(level.elements, list(path))
    inner = objects.flatten()
    if any(field.null_count == objects.null_count for field in inner):
        return
    empty = objects.is_valid()
    for field in inner:
        empty = pc.and_(empty, field.is_null())
    place = (*level.path, *path)
    for row in np.flatnonzero(empty.to_numpy(zero_copy_only=False)).tolist():
        ordinals = iter([int(ordinal[row]) for ordinal in level.ordinals])
        pointer = to_pointer([next(ordinals) if part is None else part for part in place])
        yield int(level.owners[row]), SourceForm(pointer, EMPTY)


def _columns(columns: Sequence[Column], rows: pa.Array) -> list[pa.Array]:
    arrays: list[pa.Array] = []
    for column in columns:
        source = pc.struct_field(rows, list(column.path)) if column.path else rows
        if column.kind == "count":
            arrays.append(pc.list_value_length(source))
        elif column.kind == "json":
            arrays.append(_json_field(source, column))
        else:
            value = source if column.item is None else pc.list_element(source, column.item)
            value = pc.divide(value, float(column.scale)) if column.scale != 1 else value
            arrays.append(value.cast(column.type))
    return arrays


def _json_field(texts: pa.StringArray, column: Column) -> pa.Array:
    """Returns one field of JSON texts; each distinct text is parsed once."""
    encoded = texts.dictionary_encode()
    values = [_field(text, column) for text in encoded.dictionary.to_pylist()]
    return pa.array(values, column.type).take(encoded.indices)


def _field(text: str, column: Column) -> str | float | None:
    """Reads one field as best it can; what does not fit is NULL, the text column keeps it."""
    try:
        value = orjson.loads(text).get(column.json_key)
        if pa.types.is_floating(column.type):
            return _as_number(value)
        if value is None or isinstance(value, str):
            return value or None
        return orjson.dumps(value).decode()
    except (ValueError, AttributeError, TypeError):  # TypeError: nested deeper than orjson writes
        return None


def _as_number(value: Any) -> float | None:  # noqa: ANN401 - any JSON
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
