"""Counts the elements a document holds, independently of how rows are made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transforms.layout import Table

TRIMMED = " \t\r\n\u3000"
"""Characters that do not belong to a part of a split text where they stand around it."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Elements per table: in the source, not null, and a row of zeros."""

    source: tuple[int, ...]
    present: tuple[int, ...]
    none: tuple[int, ...]


def count_elements(root: Table, document: Any) -> Counts:  # noqa: ANN401 - a document is any JSON
    """Counts what the rows of every table are made of; tables as in `root.walk()`."""
    tables = {id(table): place for place, table in enumerate(root.walk())}
    source, present = [0] * len(tables), [0] * len(tables)
    source[0] = present[0] = 1

    def count(table: Table, row: dict[str, Any]) -> None:
        for child in table.children:
            value: Any = row
            for key in child.path:
                value = value.get(key) if isinstance(value, dict) else None
            elements = _elements(child, value)
            if not elements:
                continue
            place = tables[id(child)]
            source[place] += len(elements)
            present[place] += len(elements) - elements.count(None)
            if child.children:
                for element in elements:
                    if isinstance(element, dict):
                        count(child, element)

    if isinstance(document, dict):
        count(root, document)
    return Counts(tuple(source), tuple(present), (0,) * len(tables))


def split_text(text: str, separator: str) -> list[str]:
    """Returns the parts of a text, trimmed; an empty one is no value.

    >>> split_text(" a, b,,c ", ",")
    ['a', 'b', '', 'c']
    """
    return [part.strip(TRIMMED) for part in text.split(separator)]


def _elements(table: Table, value: Any) -> list[Any]:  # noqa: ANN401 - any JSON
    """Returns what the rows of a table are made of in one row above it; null where set aside."""
    if value is None:
        return []
    if table.kind == "object":
        return [value]
    if table.kind == "split":
        parts = split_text(value, table.separator) if isinstance(value, str) else []
        return [part for part in parts if part]
    if not isinstance(value, list):
        return []
    return _nodes(value, table.tree_key) if table.kind == "tree" else value


def _nodes(top: list[Any], key: str) -> list[Any]:
    found = list(top)
    for node in found:  # grows while it is walked
        below = node.get(key) if isinstance(node, dict) else None
        if isinstance(below, list):
            found.extend(below)
    return found
