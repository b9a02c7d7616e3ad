"""Hypothesis strategies made from the schemas: blobs that keep the contract, and spoiled ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from hypothesis import strategies as st
from reference_flatten import AGAIN, read_schema

Json = Any
Place = tuple[str | int, ...]
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
            " a, b,,\u3000c ",
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
TREE_LEVELS = 4
_NULL = 1  # of 0 to 7: below it a property is absent, at it null, above it there
_KEYS = st.one_of(TEXTS, st.sampled_from(["a/b", "~", "~1", "人脸", "ID", "0", "*", "#parent"]))


def exact(number: float) -> float:
    """Returns the number that a double holds of one; a whole one stays a whole one."""
    return int(float(number)) if isinstance(number, int) else number


@cache
def blobs(kind: str) -> st.SearchStrategy[Json]:
    """Returns blobs that keep the contract of a Type, in its schema's form, no key unknown."""
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
    places = _places(document) if isinstance(document, dict | list) else []
    if not places:
        return draw(ANY_JSON)
    holder, key = draw(st.sampled_from(places))
    if draw(st.integers(0, 4)) == 0:
        del holder[key]
    else:
        holder[key] = draw(ANY_JSON)
    return document


@st.composite
def with_unknown_keys(draw: st.DrawFn, kind: str, documents: st.SearchStrategy[Json]) -> Json:
    """Returns a document with keys its schema does not name, in any of its objects.

    Those are rows, plain objects, nodes of trees and wrappers; not JSON in place of a JSON text.
    """
    document = json.loads(json.dumps(draw(documents)))
    names = known_keys(read_schema(kind))
    keys = _KEYS.filter(lambda key: key not in names)
    objects = list(_objects_of(document, read_schema(kind)))
    for place in (
        draw(st.lists(st.sampled_from(objects), min_size=1, max_size=4)) if objects else ()
    ):
        place[draw(keys)] = draw(ANY_JSON)
    return document


def known_keys(schema: Json) -> set[str]:
    """Returns every key a schema names at any depth, other spellings included."""
    names: set[str] = set()
    for key, node in schema.get("properties", {}).items():
        names |= {key, *node.get("x-spellings", ())} | known_keys(node)
    return names | (known_keys(schema["items"]) if isinstance(schema.get("items"), dict) else set())


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A blob in its schema's form and in another; `forms` are (place, form, key as written)."""

    canonical: Json
    document: Json
    forms: list[tuple[Place, str, str | None]] = field(default_factory=list)


@cache
def rewritten(kind: str) -> st.SearchStrategy[Rewritten]:
    """Returns blobs of a Type with the same blob in other forms, at random places."""
    return _rewritten(kind)


@cache
def written_forms(kind: str) -> st.SearchStrategy[Json]:
    """Returns blobs that keep the contract of a Type in any of the forms they are known in."""
    return rewritten(kind).map(lambda each: each.document)


@st.composite
def _rewritten(draw: st.DrawFn, kind: str) -> Rewritten:
    schema = read_schema(kind)
    canonical = json.loads(json.dumps(draw(blobs(kind))))
    forms: list[tuple[Place, str, str | None]] = []
    bare = schema.get("x-bare")
    alone = isinstance(canonical.get(bare), str | list) and draw(st.booleans())
    if alone:
        canonical = {bare: canonical[bare]}
    document = _rewrite_object(draw, schema, canonical, (), forms)
    if alone and isinstance(document.get(bare), str | list):
        forms.append(((), "bare", None))
        document = document[bare]
    return Rewritten(canonical, document, forms)


def _rewrite_object(
    draw: st.DrawFn, schema: Json, value: Json, place: Place, forms: list[Any]
) -> Json:
    """Returns an object written in another form; `value` is changed where its text has to be."""
    made = {}
    for key, inner in value.items():
        node = schema["properties"][key]
        here = (*place, key)
        if node is AGAIN or inner is None:
            made[key] = inner
            continue
        if "x-json" in node and draw(st.booleans()) and (parsed := _json_in(inner)) is not None:
            value[key] = json.dumps(parsed, ensure_ascii=False, separators=(",", ":"))
            forms.append((here, "json_value", None))
            made[key] = parsed
            continue
        other = _rewrite_value(draw, node, inner, here, forms)
        if "x-single" in node and len(inner) == 1 and draw(st.booleans()):
            forms.append((here, "single", None))
            other = other[0]
        if "x-wrapped" in node and draw(st.booleans()):
            forms.append((here, "wrapped", None))
            other = {key: other}
        spelling = draw(st.sampled_from([key, *node.get("x-spellings", ())]))
        if spelling != key:
            forms.append((here, "spelling", spelling))
        made[spelling] = other
    return made


def _rewrite_value(
    draw: st.DrawFn, node: Json, value: Json, place: Place, forms: list[Any]
) -> Json:
    if "properties" in node:
        return _rewrite_object(draw, node, value, place, forms)
    if isinstance(value, list) and "x-tree" not in node and "properties" in node["items"]:
        return [
            _rewrite_object(draw, node["items"], each, (*place, number), forms)
            for number, each in enumerate(value)
        ]
    return value


def _json_in(text: str) -> Json:
    """Returns the JSON in a text, or None if there is none or it is a text again."""
    try:
        value = json.loads(text, parse_constant=lambda _: None)
    except ValueError:
        return None
    return None if isinstance(value, str | float) else value


def _objects_of(node: Json, schema: Json) -> Iterator[Json]:
    """Yields the objects of a document in any form, but for JSON in place of a JSON text."""
    texts = {key for key, each in _properties(schema) if "x-json" in each}
    if isinstance(node, dict):
        yield node
    inner = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(inner):
        if isinstance(value, dict | list) and key not in texts:
            yield from _objects_of(value, schema)


def _properties(schema: Json) -> Iterator[tuple[str, Json]]:
    for key, node in schema.get("properties", {}).items():
        yield key, node
        yield from _properties(node)
    if isinstance(schema.get("items"), dict):
        yield from _properties(schema["items"])


def _places(node: Json) -> list[tuple[Json, Json]]:
    keys: Any = list(node) if isinstance(node, dict) else range(len(node))
    found = [(node, key) for key in keys]
    inner = [node[key] for key in keys if isinstance(node[key], dict | list)]
    return found + [place for value in inner for place in _places(value)]


def _kinds(schema: Json) -> list[str]:
    return [schema["type"]] if isinstance(schema["type"], str) else schema["type"]


def _values(schema: Json) -> st.SearchStrategy[Json]:
    """Returns values of a schema that are not null."""
    return _of_kind(schema, next(kind for kind in _kinds(schema) if kind != "null"))


def _of_kind(schema: Json, kind: str) -> st.SearchStrategy[Json]:
    if kind == "object":
        return _objects(schema)
    if kind == "array":
        return _arrays(schema)
    if kind == "integer":
        whole = st.integers(schema["minimum"], schema["maximum"])
        return st.one_of(whole, whole.map(float))
    if kind == "string":
        return _texts(schema)
    return {"number": NUMBERS.map(exact), "boolean": st.booleans()}[kind]


def _texts(schema: Json) -> st.SearchStrategy[str]:
    if "pattern" in schema:
        return st.from_regex(schema["pattern"])
    return st.one_of(TEXTS, _json_texts(schema["x-json"])) if "x-json" in schema else TEXTS


def _arrays(schema: Json) -> st.SearchStrategy[Json]:
    if "x-tree" in schema:
        return _trees(schema, TREE_LEVELS)
    least, most = schema.get("minItems", 0), schema.get("maxItems", 3)
    return st.lists(_values(schema["items"]), min_size=least, max_size=most)


def _trees(schema: Json, levels: int) -> st.SearchStrategy[Json]:
    """Returns the nodes of one level, with up to `levels` - 1 levels below them."""
    properties = schema["items"]["properties"]
    below = st.just([]) if levels == 1 else _trees(schema, levels - 1)
    return st.lists(_objects({"properties": properties}, {schema["x-tree"]: below}), max_size=2)


@st.composite
def _objects(
    draw: st.DrawFn, schema: Json, given: dict[str, st.SearchStrategy[Json]] | None = None
) -> Json:
    """Returns an object with what is required and some of the rest, in any order.

    Args:
        draw: Of Hypothesis.
        schema: Schema of the object.
        given: Strategies of some of its properties, where the schema does not tell.
    """
    needed = set(schema.get("required", ()))
    if "anyOf" in schema:
        needed |= set(draw(st.sampled_from(schema["anyOf"]))["required"])
    properties = list(schema["properties"].items())
    if draw(st.booleans()):
        properties.reverse()
    own = given or {}
    made: dict[str, Json] = {}
    for key, node in properties:
        chance = draw(st.integers(0, 7))
        if chance <= _NULL and (key in own or "null" in _kinds(node)):
            if chance == _NULL or key in needed:
                made[key] = None
        elif chance > _NULL or key in needed:
            made[key] = draw(own[key] if key in own else _values(node))
    return made


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
