"""Brings a document to the one form its schema describes, and remembers how it was written.

The service is known to write some parts in more than one way: inside an object of the same name,
under a misspelt key, one object in place of an array, JSON in place of a text of JSON, or Data that
is the array or link itself. The schema says where (`x-wrapped`, `x-spellings`, `x-single`,
`x-json`, `x-bare`); nothing here knows any result Type.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from transforms.compile import kind_of
from transforms.findings import Path, SourceForm, Unmapped
from transforms.json_text import to_pointer, write_json
from transforms.layout import Schema

BARE, WRAPPED, SPELLING, SINGLE, JSON_VALUE, EMPTY = (
    "bare",
    "wrapped",
    "spelling",
    "single",
    "json_value",
    "empty_object",
)
"""What `source_forms.form` may say."""
EVERY = "*"
"""In a pointer of `source_forms`: every element of the array."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Where in a schema other forms are known, and which.

    Attributes:
        spellings: Other keys of this property.
        wrapped: It may lie in an object under its own key once more.
        single: An array that may be its one element.
        json_text: A text of JSON that may be the JSON itself.
        bare: On the root: key of the property that may stand for the whole.
        items: Shape of the elements.
        properties: Shapes of the properties that have one.
    """

    spellings: tuple[str, ...] = ()
    wrapped: bool = False
    single: bool = False
    json_text: bool = False
    bare: str | None = None
    items: Shape | None = None
    properties: Mapping[str, Shape] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edit:
    """One change: path in the schema's form, form found, and the key it was written as."""

    path: Path
    form: str
    written_as: str | None = None


@dataclass(frozen=True, slots=True)
class Reshaped:
    """A document in the schema's form.

    Attributes:
        document: The document.
        sent: The same as it was written; not to be changed.
        edits: What it took.
        left_over: What a wrapper held beside its content.
    """

    document: Any
    sent: Any
    edits: tuple[Edit, ...] = ()
    left_over: tuple[Unmapped, ...] = ()

    @property
    def is_changed(self) -> bool:
        """Tells whether the document is another one than what was sent."""
        return self.document is not self.sent


def compile_shape(schema: Schema) -> Shape | None:
    """Returns where other forms are known in a schema, or None if nowhere."""
    items = None
    if isinstance(schema.get("items"), dict) and "x-tree" not in schema:
        items = compile_shape(schema["items"])
    found = ((key, compile_shape(node)) for key, node in schema.get("properties", {}).items())
    properties = {key: shape for key, shape in found if shape is not None}
    shape = Shape(
        spellings=tuple(schema.get("x-spellings", ())),
        wrapped=bool(schema.get("x-wrapped")),
        single=bool(schema.get("x-single")) and kind_of(schema) == "array",
        json_text="x-json" in schema,
        bare=schema.get("x-bare"),
        items=items,
        properties=properties,
    )
    return None if shape == Shape() else shape


def reshape(document: Any, shape: Shape) -> Reshaped:  # noqa: ANN401 - any JSON
    """Returns `document` in the schema's form; the given one is left as it is."""
    sent = document
    edits: list[Edit] = []
    left_over: list[Unmapped] = []
    if shape.bare is not None and not isinstance(document, dict):
        edits.append(Edit((), BARE))
        document = {shape.bare: document}
    made = _bring(document, shape, (), edits, left_over)
    return Reshaped(made, sent, tuple(edits), tuple(left_over))


def to_source(path: Path, edits: Iterable[Edit]) -> Path:
    """Returns where a place of the schema's form lies in the document as it was written."""
    return SourcePaths(edits)(path)


class SourcePaths:
    """Tells where places of the schema's form lie in the document as it was written."""

    def __init__(self, edits: Iterable[Edit]) -> None:
        self._at: dict[Path, dict[str, str | None]] = defaultdict(dict)
        for edit in edits:
            self._at[edit.path][edit.form] = edit.written_as

    def __call__(self, path: Path) -> Path:
        """Returns the path in the document as it was written."""
        none: dict[str, str | None] = {}
        source: list[str | int] = []
        for depth, part in enumerate(path, start=1):
            here, above = self._at.get(path[:depth], none), self._at.get(path[: depth - 1], none)
            if SINGLE in above or (depth == 1 and BARE in above):
                continue
            source.append(here.get(SPELLING) or part)
            if WRAPPED in here:
                source.append(part)
        return tuple(source)


def summarise(document: Any, edits: Sequence[Edit]) -> Iterator[SourceForm]:  # noqa: ANN401 - any JSON
    """Yields what `source_forms` keeps: one row for all elements of an array that agree.

    Args:
        document: The document in the schema's form.
        edits: What it took to bring it there.
    """
    groups: dict[tuple[Path, str, str | None], list[Edit]] = defaultdict(list)
    for edit in edits:
        pattern: Path = tuple(EVERY if isinstance(part, int) else part for part in edit.path)
        groups[pattern, edit.form, edit.written_as].append(edit)
    for (pattern, form, written_as), group in groups.items():
        alone = EVERY not in pattern
        if alone or sum(1 for _ in _values(document, pattern)) == len(group):
            yield SourceForm(to_pointer(pattern), form, written_as)
        else:
            yield from (SourceForm(to_pointer(e.path), form, written_as) for e in group)


def _bring(
    node: Any,  # noqa: ANN401 - any JSON
    shape: Shape,
    path: Path,
    edits: list[Edit],
    left_over: list[Unmapped],
) -> Any:  # noqa: ANN401 - any JSON
    """Returns a node in the schema's form; containers are copied only where they change."""
    if isinstance(node, list):
        if shape.items is None:
            return node
        inner = shape.items
        made = [_bring(n, inner, (*path, i), edits, left_over) for i, n in enumerate(node)]
        return node if all(map(_is, made, node)) else made
    if not isinstance(node, dict):
        return node
    changed = node
    for key, child in shape.properties.items():
        changed = _without_blank_spellings(changed, key, child)
        written = _written_key(node, key, child)
        if written is None:
            continue
        place = (*path, key)
        if written != key:
            edits.append(Edit(place, SPELLING, written))
            changed = {(key if k == written else k): v for k, v in changed.items() if k != key}
        value = _own_form(node[written], child, place, edits, left_over)
        value = _bring(value, child, place, edits, left_over)
        if value is not changed[key]:
            changed = {**changed, key: value}
    return changed


def _without_blank_spellings(node: dict[str, Any], key: str, shape: Shape) -> dict[str, Any]:
    """Returns an object in which a null under another spelling is one under the proper key."""
    blank = {spelling for spelling in shape.spellings if node.get(spelling, "") is None}
    if not blank:
        return node
    return {key: None} | {name: value for name, value in node.items() if name not in blank}


def _written_key(node: Mapping[str, Any], key: str, shape: Shape) -> str | None:
    """Returns the key a property is given under; of two that are given the proper one counts."""
    return next((k for k in (key, *shape.spellings) if node.get(k) is not None), None)


def _own_form(
    value: Any,  # noqa: ANN401 - any JSON
    shape: Shape,
    path: Path,
    edits: list[Edit],
    left_over: list[Unmapped],
) -> Any:  # noqa: ANN401 - any JSON
    if shape.wrapped and isinstance(value, dict) and isinstance(value.get(path[-1]), dict | list):
        edits.append(Edit(path, WRAPPED))
        outside = to_source(path, edits)[:-1]
        left_over += [
            Unmapped(to_pointer((*outside, key)), write_json(beside).decode())
            for key, beside in value.items()
            if key != path[-1]
        ]
        value = value[path[-1]]
    if shape.single and isinstance(value, dict):
        edits.append(Edit(path, SINGLE))
        return [value]
    if shape.json_text and not isinstance(value, str):
        edits.append(Edit(path, JSON_VALUE))
        return write_json(value).decode()
    return value


def _is(left: object, right: object) -> bool:
    return left is right


def _values(node: Any, pattern: Path) -> Iterator[Any]:  # noqa: ANN401 - any JSON
    """Yields what is not null at a pattern of a document."""
    if node is None:
        return
    if not pattern:
        yield node
    elif pattern[0] == EVERY and isinstance(node, list):
        for element in node:
            yield from _values(element, pattern[1:])
    elif isinstance(node, dict):
        yield from _values(node.get(pattern[0]), pattern[1:])
