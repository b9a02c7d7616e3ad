"""Finds what a row of a result table was made of in the Data it came from.

Keys of a row count in the schema's form; the way there is translated back to what was written, and
the exact text of that place is cut out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from transforms.contract import Contract
from transforms.counting import split_text
from transforms.decode import TEXT, NotJsonError, decode_data
from transforms.explain.keys import NoSuchRowError
from transforms.findings import Path
from transforms.forms import (
    BARE,
    EMPTY,
    JSON_VALUE,
    SINGLE,
    SPELLING,
    WRAPPED,
    Edit,
    Reshaped,
    reshape,
    to_source,
)
from transforms.json_text import to_pointer, value_along
from transforms.layout import Table
from transforms.locate import locate
from transforms.reply_shape import ReplyShape
from transforms.trees import Tree, number_nodes

_FORM_NOTES = {
    "object": "Data is sent as JSON, not as a text of JSON",
    "string in a string": "Data is a text of JSON inside a text of JSON",
}
_OTHER_FORMS = {
    BARE: "Data is the value of {key} itself",
    WRAPPED: "{place} is written in an object under its own key",
    SPELLING: "{place} is written as {written_as}",
    SINGLE: "{place} is written as one object in place of an array",
    JSON_VALUE: "{place} is written as JSON in place of a text of JSON",
    EMPTY: "{place} is written as an object that holds nothing",
}


@dataclass(frozen=True, slots=True)
class DataText:
    """Data of one result as it was written, and in the schema's form.

    Attributes:
        type: Type of the result.
        text: Its exact text, without the quotes and escapes of the strings it was sent in.
        form: As in `Verdict.form`.
        reply_pointer: Where it lies in the reply.
        reshaped: What it holds, in the schema's form.
        is_text: Whether it was sent as a string.
        is_json: Whether there are places in it.
        bare: Key of the property that stands for the whole, or None.
    """

    type: str
    text: str
    form: str
    reply_pointer: str
    reshaped: Reshaped
    is_text: bool
    is_json: bool
    bare: str | None = None

    def to_source(self, path: Path) -> Path:
        """Returns the path in what was written, of one in the schema's form."""
        return to_source(path, self.reshaped.edits)

    def cut(self, path: Sequence[str | int]) -> str:
        """Returns the exact text at a path of what was written.

        Raises:
            LookupError: There is no such place.
        """
        if not self.is_json and not path:
            return self.text
        start, end = locate(self.text, path)
        return self.text[start:end]

    def place_of(self, pointer: str) -> str:
        """Returns pointers into the reply and into Data as one; `#` goes into a text of JSON."""
        return self.reply_pointer + ("#" if self.is_text else "") + pointer

    def notes(self, path: Path) -> Iterator[str]:
        """Yields how the place at a path of the schema's form was written otherwise."""
        if self.form in _FORM_NOTES:
            yield _FORM_NOTES[self.form]
        for edit in self.reshaped.edits:
            if _concerns(edit, path):
                yield self.note_on(edit.form, to_pointer(edit.path), edit.written_as)

    def note_on(self, form: str, place: str, written_as: str | None) -> str:
        """Returns how a place of the schema's form was written otherwise, in words.

        Args:
            form: As in `source_forms.form`.
            place: JSON pointer to the place.
            written_as: The key it was written under, where that is the form.
        """
        return _OTHER_FORMS[form].format(place=place, key=self.bare, written_as=written_as)


@dataclass(frozen=True, slots=True)
class RowPlace:
    """Where a row lies: path in the schema's form, and which part of a split text it is."""

    path: Path
    note: str | None = None


def read_data(
    text: str, shape: ReplyShape, index: int, contract: Contract | None
) -> DataText | None:
    """Returns the Data of a result, or None where it has none.

    Args:
        text: The reply.
        shape: The reply, read.
        index: Position of the result.
        contract: Contract of its Type, or None of an unknown one.
    """
    item = shape.items[index]
    data = item.get("Data") if isinstance(item, dict) else None
    kind = item.get("Type") if isinstance(item, dict) else None
    if data is None or not isinstance(kind, str):
        return None
    path: Path = (*shape.results_path, index, "Data")
    is_text, written, pointer = isinstance(data, str), data, to_pointer(path)
    form = "string" if is_text else "object"
    if not is_text:
        start, end = locate(text, path)
        written = text[start:end]
    if contract is None:
        return DataText(
            kind, written, form, pointer, Reshaped(None, None), is_text, is_json=not is_text
        )
    try:
        form, line, document = decode_data(data, contract)
    except NotJsonError:
        return DataText(
            kind, written, form, pointer, Reshaped(None, None), is_text, is_json=not is_text
        )
    if form == "string in a string":
        written = line.decode()
    reshaped, shapes = Reshaped(document, document), contract.shape
    if shapes is not None:
        with suppress(TypeError):  # nested deeper than orjson writes: set aside whole
            reshaped = reshape(document, shapes)
    bare = shapes.bare if shapes is not None else None
    return DataText(kind, written, form, pointer, reshaped, is_text, form != TEXT, bare)


def find_row(contract: Contract, table: Table, keys: Mapping[str, Any], data: DataText) -> RowPlace:
    """Returns where a row of a result table lies.

    Args:
        contract: Contract of the Type.
        table: One of its tables.
        keys: Values of the table's key columns.
        data: Data of the result.

    Raises:
        NoSuchRowError: The result has no such row.
    """
    where = f"result {keys['result_index']} of job {keys['job_id']}"
    element, place = data.reshaped.document, RowPlace(())
    for each in _chain(contract.root, table)[1:]:
        source = value_along(element, each.path)
        path = (*place.path, *each.path)
        if each.kind == "object":
            if not isinstance(source, dict):
                raise NoSuchRowError(f"the {each.name} of {where} is none: there is no such row")
            element, place = source, RowPlace(path)
            continue
        name = each.keys[-1].name
        elements = _elements(each, source)
        element, place = _pick(each, elements, keys[name], path, where)
        where += f", {name} {keys[name]}"
    return place


def _pick(
    table: Table, elements: Sequence[tuple[Path, Any]], position: int, path: Path, where: str
) -> tuple[Any, RowPlace]:
    """Returns the element a row was made of, and its place."""
    count, name = len(elements), table.keys[-1].name
    if position >= count:
        end = f"end at {name} {count - 1}" if count else "are none: there is no such row"
        raise NoSuchRowError(f"the {table.name} of {where} {end}")
    inner, element = elements[position]
    if table.kind != "split":
        return element, RowPlace((*path, *inner))
    if not element:
        raise NoSuchRowError(f"{where}: {name} {position} is an empty value, which is no row")
    note = f"{name} {position} of 0 to {count - 1}, split at {table.separator!r}"
    return element, RowPlace(path, note)


def _elements(table: Table, value: Any) -> list[tuple[Path, Any]]:  # noqa: ANN401 - any JSON
    """Returns what the rows of a table are made of by their positions, and the way to each."""
    if table.kind == "split":
        parts = split_text(value, table.separator) if isinstance(value, str) else []
        return [((), part) for part in parts]
    if not isinstance(value, list):
        return []
    if table.kind == "tree":
        numbered = number_nodes(Tree({table.tree_key: value}, table.tree_key, table, ()))
        return [(numbered.path_of(n), node.value) for n, node in enumerate(numbered.nodes)]
    return [((position,), element) for position, element in enumerate(value)]


def _chain(root: Table, table: Table) -> list[Table]:
    """Returns the tables from the root of a Type to one of its tables."""
    if root.name == table.name:
        return [root]
    for child in root.children:
        if below := _chain(child, table):
            return [root, *below]
    return []


def _concerns(edit: Edit, path: Path) -> bool:
    """Tells whether an edit lies on the way to a row, or in it but not in a row below it."""
    if edit.path == path[: len(edit.path)]:
        return True
    rest = edit.path[len(path) :]
    return edit.path[: len(path)] == path and not any(isinstance(part, int) for part in rest)
