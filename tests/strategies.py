"""Hypothesis strategies made from the schemas: blobs that keep the contract, and spoiled ones."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from hypothesis import strategies as st
from reference_flatten import read_schema

Json = Any
# What has broken parsers: quotes, escapes, NUL, line ends of every kind, beyond the BMP.
TEXTS = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        [
            "",
            "场景",
            "未知人脸1",
            '"quoted"',
            "a\\b",
            "\x00",
            "a\nb\r\n",
            "\u2028",
            "🎬👩‍👩‍👧",
            "null",
            "1.5",
        ]
    ),
)
NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([-1.0, 0, 0.972, 26.44, 2**53 + 1]),
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
ANY_JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
)


@cache
def blobs(kind: str) -> st.SearchStrategy[Json]:
    """Returns blobs that keep the contract of a Type and have no unknown keys."""
    return _objects(read_schema(kind))


@st.composite
def written(draw: st.DrawFn, values: st.SearchStrategy[Json]) -> str:
    """Returns JSON text of a value in one of the ways it may be written."""
    return json.dumps(
        draw(values),
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, 1])),
    )


@st.composite
def mutated(draw: st.DrawFn, documents: st.SearchStrategy[Json]) -> Json:
    """Returns a document with one place anywhere in it replaced by any JSON, or gone."""
    document = json.loads(json.dumps(draw(documents)))
    places = list(_places(document))
    if not places:
        return draw(ANY_JSON)
    holder, key = draw(st.sampled_from(places))
    if draw(st.integers(0, 4)) == 0:
        del holder[key]
    else:
        holder[key] = draw(ANY_JSON)
    return document


def _places(node: Json) -> list[tuple[Json, Json]]:
    keys: Any = list(node) if isinstance(node, dict) else range(len(node))
    found = [(node, key) for key in keys]
    inner = [node[key] for key in keys if isinstance(node[key], dict | list)]
    return found + [place for value in inner for place in _places(value)]


def _values(schema: Json) -> st.SearchStrategy[Json]:
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    value = _of_kind(schema, next(kind for kind in kinds if kind != "null"))
    return st.one_of(st.none(), value) if "null" in kinds else value


def _of_kind(schema: Json, kind: str) -> st.SearchStrategy[Json]:
    if kind == "object":
        return _objects(schema)
    if kind == "array":
        least, most = schema.get("minItems", 0), schema.get("maxItems", 3)
        return st.lists(_values(schema["items"]), min_size=least, max_size=most)
    if kind == "integer":
        whole = st.integers(schema["minimum"], schema["maximum"])
        return st.one_of(whole, whole.map(float))
    if "x-json" in schema:
        return st.one_of(TEXTS, _json_texts(schema["x-json"]))
    return {"string": TEXTS, "number": NUMBERS, "boolean": st.booleans()}[kind]


@st.composite
def _objects(draw: st.DrawFn, schema: Json) -> Json:
    """Returns an object with what is required and some of the rest, in any order."""
    needed = set(schema.get("required", ()))
    if "anyOf" in schema:
        needed |= set(draw(st.sampled_from(schema["anyOf"]))["required"])
    properties = list(schema["properties"].items())
    if draw(st.booleans()):
        properties.reverse()
    chosen = [(k, node) for k, node in properties if k in needed or draw(st.booleans())]
    return {key: draw(_values(node)) for key, node in chosen}


def _json_texts(annotation: Json) -> st.SearchStrategy[str]:
    value = st.one_of(
        TEXTS,
        st.none(),
        st.booleans(),
        st.integers(-999, 999),
        st.sampled_from(["105.67", "-1e3", "nan", "1e999"]),
        st.lists(st.sampled_from(["a", "场景", ""]), max_size=2),
    )
    keys = [*annotation["properties"], "image"]
    objects = st.dictionaries(st.sampled_from(keys), value, max_size=4)
    return st.one_of(objects, st.lists(value, max_size=2), value).map(json.dumps)
