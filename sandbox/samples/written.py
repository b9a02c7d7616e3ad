"""The other forms in which the service is known to write a part of a result.

The schema says where (`x-wrapped`, `x-spellings`, `x-single`, `x-bare`); nothing here knows any
Type. Within one result the same place of the schema is written the same way each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from sandbox.samples.story import chance
from sandbox.samples.values import Json, Schema
from sandbox.samples.walker import ListNode, Node, ObjectNode

WRAPPED_SHARE = 0.15
"""Share of parts that lie in an object under their own key once more."""
SPELLING_SHARE = 0.3
"""Share of results with another key of a property that is known under several."""
SINGLE_SHARE = 0.3
"""Share of arrays of one element, where that is known, that are the element itself."""
BARE_SHARE = 0.6
"""Share of results, where that is known, that are their one part and nothing around it."""
_FORMS = {"x-wrapped", "x-spellings", "x-single", "x-bare"}
_Place = tuple[str, ...]


class Form(NamedTuple):
    """How one property is written."""

    key: str
    wrapped: bool
    single: bool


def written(blob: Json, root: Node, rng: Random) -> Json:
    """Returns `blob`, told in its schema's form, in a form the service might give it."""
    if not isinstance(root, ObjectNode) or not isinstance(blob, dict) or not _varies(root.schema):
        return blob
    hand, bare = _Hand(rng), root.schema.get("x-bare")
    if bare is None or blob.get(bare) is None or not chance(rng, BARE_SHARE):
        return hand.write(blob, root)
    return hand.write(blob[bare], root.children[bare], (bare,))


def _varies(schema: Json) -> bool:
    # What a reference leads to is not searched: no shared definition has other forms.
    if isinstance(schema, Mapping):
        return not _FORMS.isdisjoint(schema) or any(map(_varies, schema.values()))
    return isinstance(schema, list) and any(map(_varies, schema))


class _Hand:
    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._forms: dict[_Place, Form] = {}

    def write(self, value: Json, node: Node | None, place: _Place = ()) -> Json:
        if isinstance(node, ObjectNode) and isinstance(value, dict):
            children = node.children
            return dict(
                self._property(name, inner, children.get(name), (*place, name))
                for name, inner in value.items()
            )
        if isinstance(node, ListNode) and isinstance(value, list) and _has_parts(node.item):
            return [self.write(row, node.item, place) for row in value]
        return value

    def _property(
        self, name: str, value: Json, node: Node | None, place: _Place
    ) -> tuple[str, Json]:
        if node is None:
            return name, value
        form = self._form(name, node.schema, place)
        if value is None:
            return form.key, None
        value = self.write(value, node, place)
        if form.single and len(value) == 1:
            value = value[0]
        return form.key, {name: value} if form.wrapped else value

    def _form(self, name: str, schema: Schema, place: _Place) -> Form:
        if place not in self._forms:
            spellings = schema.get("x-spellings", ())
            other = bool(spellings) and chance(self._rng, SPELLING_SHARE)
            self._forms[place] = Form(
                key=self._rng.choice(spellings) if other else name,
                wrapped="x-wrapped" in schema and chance(self._rng, WRAPPED_SHARE),
                single="x-single" in schema and chance(self._rng, SINGLE_SHARE),
            )
        return self._forms[place]


def _has_parts(item: Node) -> bool:
    # The words of a film are tens of thousands of rows without one.
    return isinstance(item, ObjectNode) and any(
        not child.is_scalar or _varies(child.schema) for child in item.children.values()
    )
