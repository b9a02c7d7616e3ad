"""Walks the JSON Schema of a result Type and turns what a story knows into a whole blob.

The schema decides which keys there are; the story's facts fill those it knows, by the same names;
the rest is invented from type, unit and name. So a new property, or a new Type, needs no code here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, Protocol

import orjson
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from sandbox.samples import values
from sandbox.samples.story import Story, chance
from sandbox.samples.values import Context, Json, Schema

GAP_SHARE = 0.01
"""Share of rows in which one optional field is absent, null or, if it is a text, empty."""
ROOT_GAP_SHARE = 0.03
"""Share of results in which one part of the root that may be missing is absent or null."""
UNTOLD_SHARE = 0.5
"""Share of results that lack an optional scalar of the root of which the story tells nothing."""
MAX_ITEMS = 6
"""Longest invented list; one less for each list around it, so that trees end."""


class Found(Protocol):
    """What a reference leads to."""

    @property
    def contents(self) -> Schema:
        """Returns the schema."""

    @property
    def resolver(self) -> Resolver:
        """Returns the resolver for references in it."""


class Resolver(Protocol):
    """Looks up `$ref`."""

    def lookup(self, ref: str) -> Found:
        """Returns what `ref` leads to."""


class ResultSchema:
    """The schema of one result Type, ready to be walked.

    Attributes:
        type_name: The wire name of the Type.
        aliases: Other wire names of it.
        root: The node of a whole blob.
    """

    def __init__(self, schema: Schema, resolver: Resolver) -> None:
        self.type_name: str = schema["x-type"]
        self.aliases: tuple[str, ...] = tuple(schema.get("x-aliases", ()))
        self.root = build("", schema, resolver)

    def blob(self, facts: Mapping[str, Json], story: Story, rng: Random) -> Json:
        """Returns a blob that tells `facts`, in the schema's form and valid by it."""
        context = Context(rng, story)
        if not isinstance(self.root, ObjectNode):
            return self.root.invent(context)
        known = dict(facts)
        for name, node in self.root.children.items():
            optional = node.is_scalar and name in self.root.optional
            if optional and name not in known and chance(rng, UNTOLD_SHARE):
                known[name] = values.ABSENT
        blob = self.root.fill(known, context)
        told = {key: value for key, value in blob.items() if value is not values.ABSENT}
        return self.root.with_gap(told, rng) if chance(rng, ROOT_GAP_SHARE) else told


def load_result_schemas(folder: Path) -> dict[str, ResultSchema]:
    """Returns the schemas under `folder`/results by their Type, in order of file name."""
    paths = sorted(folder.rglob("*.schema.json"))
    schemas = [json.loads(path.read_bytes()) for path in paths]
    registry: Registry[Any] = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema, default_specification=DRAFT202012))
        for schema in schemas
        if "$id" in schema
    )
    return {
        schema["x-type"]: ResultSchema(schema, registry.resolver(base_uri=schema["$id"]))
        for path, schema in zip(paths, schemas, strict=True)
        if path.parent.name == "results"
    }


def build(name: str, schema: Schema, resolver: Resolver) -> Node:
    """Returns the node of property `name`; references are followed, siblings of `$ref` win."""
    while "$ref" in schema:
        found = resolver.lookup(schema["$ref"])
        own = {key: value for key, value in schema.items() if key != "$ref"}
        schema, resolver = {**found.contents, **own}, found.resolver
    types = _types(schema)
    if not types and (branches := schema.get("anyOf") or schema.get("oneOf")):
        return build(name, {**schema, **branches[0]}, resolver)
    if "object" in types:
        return ObjectNode(name, schema, resolver)
    return ListNode(name, schema, resolver) if "array" in types else Node(name, schema)


class Node:
    """A scalar, and what all nodes share."""

    is_scalar = True
    """Whether a known value is complete as it is."""

    def __init__(self, name: str, schema: Schema) -> None:
        self.name = name
        self.schema = schema
        self.types = _types(schema)

    @property
    def may_be_empty(self) -> bool:
        """Tells whether an empty text is valid."""
        return "string" in self.types and self.schema.keys().isdisjoint(("pattern", "minLength"))

    def invent(self, context: Context) -> Json:
        """Returns a value made from type, unit and name alone."""
        if "x-json" not in self.schema:
            return values.make(self.name, self.types, self.schema, context)
        fields: Mapping[str, Schema] = self.schema["x-json"]["properties"]
        made = {key: values.make(key, _types(sub), sub, context) for key, sub in fields.items()}
        return orjson.dumps(made).decode()

    def fill(self, known: Json, context: Context) -> Json:
        """Returns `known` with what it lacks invented."""
        del context
        return known


class ObjectNode(Node):
    """An object: a row of a table, or a part of one."""

    is_scalar = False

    def __init__(self, name: str, schema: Schema, resolver: Resolver) -> None:
        super().__init__(name, schema)
        self._resolver = resolver

    @cached_property
    def children(self) -> dict[str, Node]:
        """Returns the nodes of the properties; built late, because a schema may hold itself."""
        properties: Mapping[str, Schema] = self.schema.get("properties", {})
        return {name: build(name, sub, self._resolver) for name, sub in properties.items()}

    @cached_property
    def optional(self) -> list[str]:
        """Returns the properties that may be null or absent."""
        required = set(self.schema.get("required", ()))
        nodes = self.children.items()
        return [name for name, node in nodes if "null" in node.types and name not in required]

    @cached_property
    def _anchors(self) -> frozenset[str]:
        branches = self.schema.get("anyOf", ())
        return frozenset(name for branch in branches for name in branch["required"])

    @cached_property
    def _containers(self) -> list[tuple[str, Node]]:
        return [(name, node) for name, node in self.children.items() if not node.is_scalar]

    def invent(self, context: Context) -> Json:
        """Returns an object of which the story knows nothing."""
        inner = context.inner()
        return {name: node.invent(inner) for name, node in self.children.items()}

    def fill(self, known: Json, context: Context) -> Json:
        """Returns the object with exactly the schema's keys; `known` may be changed in place."""
        if not isinstance(known, dict):
            return known
        for name, node in self._containers:
            if (value := known.get(name)) is not None:
                known[name] = node.fill(value, context)
        if known.keys() == self.children.keys() or not self.children:
            return known  # a schema without properties takes whatever the story tells
        return self._complete(known, context)

    def _complete(self, known: dict[str, Json], context: Context) -> Json:
        if isinstance(known, values.Whole):
            return {name: known[name] for name in self.children if name in known}
        inner = context.inner()
        return {
            name: known[name] if name in known else node.invent(inner)
            for name, node in self.children.items()
        }

    def with_gap(self, row: dict[str, Json], rng: Random) -> dict[str, Json]:
        """Returns a copy of `row` in which one optional field is absent, null or empty."""
        anchors = self._anchors & row.keys()
        # Of the anchors in it, one must remain.
        kept = anchors if len(anchors) == 1 else ()
        names = [name for name in self.optional if name in row and name not in kept]
        if not names:
            return row
        name = rng.choice(names)
        rest = {key: value for key, value in row.items() if key != name}
        kinds = 3 if self.children[name].may_be_empty else 2
        kind = int(rng.random() * kinds)
        return rest if kind == 0 else {**rest, name: None if kind == 1 else ""}


class ListNode(Node):
    """A list of rows, or of scalars."""

    def __init__(self, name: str, schema: Schema, resolver: Resolver) -> None:
        super().__init__(name, schema)
        self._resolver = resolver
        self.is_scalar = not isinstance(self.item, ObjectNode)

    @cached_property
    def item(self) -> Node:
        """Returns the node of the elements."""
        return build(self.name, self.schema.get("items", {}), self._resolver)

    def invent(self, context: Context) -> Json:
        """Returns a list of which the story knows nothing; the deeper, the shorter."""
        corner = values.pair(self.name, context)
        if corner is not None:
            return corner
        if "x-columns" in self.schema:
            return self._invent_columns(context.inner())
        low = self.schema.get("minItems", 0)
        high = max(low, min(self.schema.get("maxItems", MAX_ITEMS), MAX_ITEMS - context.depth))
        deeper = replace(context, depth=context.depth + 1)
        count = context.rng.randint(low, high)
        return [self.item.invent(deeper) for _ in range(count)]

    def _invent_columns(self, context: Context) -> list[Json]:
        item = {**self.item.schema, **{k: v for k, v in self.schema.items() if k == "x-unit"}}
        columns: list[str] = self.schema["x-columns"]
        return [values.make(column, self.item.types, item, context) for column in columns]

    def fill(self, known: Json, context: Context) -> Json:
        """Returns the known rows completed; a small share of them gets a gap."""
        item = self.item
        if not isinstance(item, ObjectNode) or not isinstance(known, list):
            return known
        rng, fill = context.rng, item.fill
        random = rng.random
        rows = [fill(row, context) for row in known]
        return [item.with_gap(row, rng) if random() < GAP_SHARE else row for row in rows]


def _types(schema: Schema) -> frozenset[str]:
    given = schema.get("type", ())
    if given:
        return frozenset((given,) if isinstance(given, str) else given)
    return frozenset(("object",) if "properties" in schema else ())
