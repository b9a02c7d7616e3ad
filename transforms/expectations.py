"""Which values of a column break what its schema expects of them; they are only ever counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jsonschema_rs
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from transforms.layout import Column, Schema

# Keywords that Arrow tells as the JSON Schema does, of values that are not null.
_KERNELS: Mapping[str, Callable[[pa.Array, Any], pa.Array]] = {
    "minimum": pc.greater_equal,
    "maximum": pc.less_equal,
    "exclusiveMinimum": pc.greater,
    "exclusiveMaximum": pc.less,
    "const": pc.equal,
}


def unexpected(column: Column, values: pa.Array) -> pa.Array | None:
    """Returns where values break the column's expectation, or None where none does.

    Args:
        column: The column; without an expectation nothing is unexpected.
        values: Its values, in the column's unit; nulls are never unexpected.
    """
    if column.expect is None or values.null_count == len(values):
        return None
    if column.scale != 1:  # expectations speak of the source's numbers
        values = pc.multiply(values, float(column.scale))
    kept = _kept(column.expect, values)
    broken = pc.fill_null(pc.invert(kept), fill_value=False)
    return broken if pc.any(broken).as_py() else None


def _kept(expect: Schema, values: pa.Array) -> pa.Array:
    """Returns where values keep a schema; null for null."""
    if expect.keys() == {"anyOf"}:
        kept = _kept(expect["anyOf"][0], values)
        for other in expect["anyOf"][1:]:
            kept = pc.or_(kept, _kept(other, values))
        return kept
    if expect and expect.keys() <= _KERNELS.keys() and not pa.types.is_string(values.type):
        checks = [_KERNELS[keyword](values, limit) for keyword, limit in expect.items()]
        kept = checks[0]
        for other in checks[1:]:
            kept = pc.and_(kept, other)
        return kept
    encoded = values.dictionary_encode()
    is_valid = _validator(orjson.dumps(expect)).is_valid
    verdicts = [is_valid(value) for value in encoded.dictionary.to_pylist()]
    return pa.array(verdicts, pa.bool_()).take(encoded.indices)


@cache
def _validator(expect: bytes) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(orjson.loads(expect))
