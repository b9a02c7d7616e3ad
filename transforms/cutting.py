"""Cuts what breaks the contract out of a document: the smallest table row around each violation.

A row set aside leaves `null` in its place, so that the rows beside it keep their positions and
their parent its count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from transforms.compile import EXACT, is_number, kind_of
from transforms.contract import Gate, follow
from transforms.findings import Finding, Path
from transforms.json_text import cut_fragment, to_pointer, write_json
from transforms.layout import Schema

_MESSAGE_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach of the contract: where, by which keyword, and in words."""

    path: Path
    keyword: str
    message: str


@dataclass(frozen=True, slots=True)
class Cut:
    """A row that was taken out: its path, that of its first breach, and what is told of it."""

    path: Path
    error_path: Path
    finding: Finding


def violations(document: Any, gate: Gate) -> list[Violation]:  # noqa: ANN401 - any JSON
    """Returns all breaches of the contract, as the reference engine finds them."""
    return [
        Violation(tuple(error.absolute_path), str(error.validator), error.message)
        for error in gate.reference.iter_errors(document)
    ]


def inexact_numbers(
    node: Any,  # noqa: ANN401 - any JSON
    schema: Schema,
    root: Schema,
    path: Path = (),
) -> Iterator[Violation]:
    """Yields whole numbers that a double, which columns of numbers are, would change.

    Args:
        node: A document, or a part of it, whole numbers of any length.
        schema: Its schema.
        root: The whole schema, to follow references of trees.
        path: Where the part lies.
    """
    schema = follow(schema, root)
    if isinstance(node, dict):
        for key, inner in schema.get("properties", {}).items():
            if node.get(key) is not None:
                yield from inexact_numbers(node[key], inner, root, (*path, key))
    elif isinstance(node, list) and isinstance(schema.get("items"), dict):
        for place, value in enumerate(node):
            yield from inexact_numbers(value, schema["items"], root, (*path, place))
    elif type(node) is int and abs(node) > EXACT and is_number(schema) and not _is_double(node):
        yield Violation(path, "x-exact", f"{node} has more digits than a DOUBLE holds")


def _is_double(number: int) -> bool:
    try:
        return int(float(number)) == number
    except OverflowError:
        return False


def cut_rows(document: Any, found: Iterable[Violation], schema: Schema) -> list[Cut]:  # noqa: ANN401 - any JSON
    """Takes the rows around violations out of `document`, in place and in source order.

    Returns:
        One cut a row; a single one with an empty path, and nothing taken out, where the root
        itself is in breach.
    """
    by_row: dict[Path, list[Violation]] = {}
    tables: dict[Path, str | None] = {(): None}
    for violation in found:
        row, table = _enclosing_row(violation.path, schema)
        by_row.setdefault(row, []).append(violation)
        tables[row] = table
    if () in by_row or not by_row:
        return [_cut("result", (), None, document, by_row.get((), ()))]
    inside: dict[Path, list[Violation]] = {}
    for row, breaches in by_row.items():
        outermost = next(row[:n] for n in range(1, len(row) + 1) if row[:n] in by_row)
        inside.setdefault(outermost, []).extend(breaches)
    cuts = []
    for row in sorted(inside, key=_source_order):
        holder = value_at(document, row[:-1])
        cuts.append(_cut("row", row, tables[row], holder[row[-1]], inside[row]))
        holder[row[-1]] = None
    return cuts


def value_at(document: Any, path: Path) -> Any:  # noqa: ANN401 - any JSON
    """Returns what lies at a path."""
    for part in path:
        document = document[part]
    return document


def _enclosing_row(path: Path, schema: Schema) -> tuple[Path, str | None]:
    """Returns the path of the innermost table row that holds `path`, and its table."""
    row: Path = ()
    table: str | None = None
    node = schema
    for place, part in enumerate(path, start=1):
        if isinstance(part, int):
            if "x-table" in node:
                row, table = path[:place], node["x-table"]
            node = follow(node.get("items", {}), schema)
        else:
            node = follow(node.get("properties", {}).get(part, {}), schema)
            if "x-table" in node and kind_of(node) == "object":
                row, table = path[:place], node["x-table"]
    return row, table


def _source_order(row: Path) -> tuple[tuple[int, str], ...]:
    return tuple((part, "") if isinstance(part, int) else (-1, part) for part in row)


def _cut(
    scope: str,
    row: Path,
    table: str | None,
    part: Any,  # noqa: ANN401 - any JSON
    breaches: Sequence[Violation],
) -> Cut:
    text = write_json(part).decode()
    if not breaches:
        message = "the two engines disagree on this document: report it with the fragment"
        return Cut(row, row, Finding(scope, "contract", message, fragment=cut_fragment(text)))
    first = min(breaches, key=lambda breach: _source_order(breach.path))
    finding = Finding(
        scope=scope,
        reason="contract",
        message=_short(first.message),
        pointer=to_pointer(first.path),
        row_pointer=to_pointer(row) if scope == "row" else None,
        keyword=first.keyword,
        table_name=table,
        errors_count=len(breaches),
        fragment=cut_fragment(text),
        fragment_bytes=len(text.encode()),
    )
    return Cut(row, first.path, finding)


def _short(message: str) -> str:
    """Returns the message without a long instance in it: the fragment holds that."""
    return message if len(message) <= _MESSAGE_CHARACTERS else f"{message[:_MESSAGE_CHARACTERS]}..."
