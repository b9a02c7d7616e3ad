"""Decides what of a document keeps its contract, and sets aside what does not.

The fast engine accepts most documents at once. Only a document it refuses is examined by the
reference engine; an invalid element is replaced by `null` at its nearest enclosing table row, so
that the rows beside it keep their positions and their parent its count.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from jsonschema.exceptions import ValidationError

from transforms.contract import Contract, Gate
from transforms.json_text import (
    MAX_DEPTH,
    cut_fragment,
    duplicate_key,
    is_nested_deeper,
    to_pointer,
)
from transforms.layout import Schema, Table

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A part set aside, with the reason; see the table `quarantine` for the meaning of each."""

    scope: str
    reason: str
    message: str
    pointer: str = ""
    keyword: str | None = None
    table_name: str | None = None
    errors_count: int = 1
    fragment: str | None = None
    fragment_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A key the schema does not name: JSON pointer and value as JSON."""

    pointer: str
    value: str


@dataclass(frozen=True, slots=True)
class Examined:
    """What is left of a document: None when its root does not keep the contract."""

    document: Any
    findings: tuple[Finding, ...] = ()
    unmapped: tuple[Unmapped, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one blob.

    Attributes:
        line: The accepted part as one line of JSON, or None.
        form: `string`, `object`, `string in a string` or `absent`.
        source: Elements per table in the source, tables as in `Contract.tables`.
        expected: Rows per table that must come out of `line`.
    """

    line: bytes | None
    form: str
    source: tuple[int, ...]
    expected: tuple[int, ...]
    findings: tuple[Finding, ...] = ()
    unmapped: tuple[Unmapped, ...] = ()


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pauses the garbage collector: decoded documents hold no cycles and die at once."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def check_blob(data: Any, contract: Contract) -> Verdict:  # noqa: ANN401 - any JSON
    """Checks one `Data` against its contract; never raises, whatever `data` holds.

    Args:
        data: `Data` as the reply holds it: JSON text, or an object.
        contract: Contract of the result's Type.
    """
    if data is None:
        absent = Finding("result", "contract", "Data is absent or null", keyword="required")
        return _nothing(contract, "absent", absent)
    form = "string" if isinstance(data, str | bytes) else "object"
    try:
        line = data.encode() if isinstance(data, str) else data
        line = line if isinstance(line, bytes) else orjson.dumps(line)
        document = orjson.loads(line)
        if isinstance(document, str):
            form, line = "string in a string", document.encode()
            document = orjson.loads(line)
    except (ValueError, TypeError) as error:
        return _nothing(contract, form, whole_finding("not_json", f"Data: {error}", data))
    counts = count_elements(contract.root, document)  # before rows are cut out of it
    examined = examine(document, contract.gate, line)
    if examined.document is None:
        return Verdict(None, form, counts.source, counts.none, examined.findings)
    if examined.findings:
        line = orjson.dumps(examined.document)
        kept = count_elements(contract.root, examined.document).present
    else:
        kept = counts.present
        if b"\n" in line or b"\r" in line:  # between tokens only: inside strings JSON forbids them
            line = line.replace(b"\n", b" ").replace(b"\r", b" ")
    return Verdict(line, form, counts.source, kept, examined.findings, examined.unmapped)


def examine(document: Any, gate: Gate, text: bytes | None = None) -> Examined:  # noqa: ANN401 - a document is any JSON
    """Returns what of `document` keeps the contract; cuts invalid rows out of it in place.

    Args:
        document: The decoded document.
        gate: Validators of its schema.
        text: The text it was decoded from, searched for duplicate keys where it is not accepted
            at once.
    """
    if gate.accepts_known.is_valid(document):
        return Examined(document)
    if is_nested_deeper(document):
        message = f"nested more than {MAX_DEPTH} levels deep"
        whole = document if text is None else text
        return Examined(None, (whole_finding("unreadable", message, whole),))
    if text is not None and (key := duplicate_key(text)) is not None:
        message = f"the key {key!r} is given twice in one object"
        return Examined(None, (whole_finding("duplicate_key", message, text),))
    findings: tuple[Finding, ...] = ()
    if not gate.accepts.is_valid(document):
        findings = _cut_invalid_rows(document, gate)
        if findings and findings[0].scope == "result":
            return Examined(None, findings)
    return Examined(document, findings, tuple(_unknown_keys(document, gate.schema, ())))


@dataclass(frozen=True, slots=True)
class Counts:
    """Elements per table: in the source, not null, and a row of zeros."""

    source: tuple[int, ...]
    present: tuple[int, ...]
    none: tuple[int, ...]


def count_elements(root: Table, document: Any) -> Counts:  # noqa: ANN401 - a document is any JSON
    """Counts the elements of every table's arrays, independently of how rows are made."""
    tables = {id(table): place for place, table in enumerate(root.walk())}
    source, present = [0] * len(tables), [0] * len(tables)
    source[0] = present[0] = 1

    def count(table: Table, row: dict[str, Any]) -> None:
        for child in table.children:
            elements: Any = row
            for key in child.path:
                elements = elements.get(key) if isinstance(elements, dict) else None
            if not isinstance(elements, list):
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


def _cut_invalid_rows(document: Any, gate: Gate) -> tuple[Finding, ...]:  # noqa: ANN401 - any JSON
    by_row: dict[Path, list[ValidationError]] = {}
    tables: dict[Path, str | None] = {(): None}
    for error in gate.reference.iter_errors(document):
        row, table = _enclosing_row(tuple(error.absolute_path), gate.schema)
        by_row.setdefault(row, []).append(error)
        tables[row] = table
    if () in by_row or not by_row:
        errors = by_row.get((), [])
        return (_contract_finding("result", None, document, errors),)
    inside: dict[Path, list[ValidationError]] = {}
    for row, errors in by_row.items():
        outermost = next(row[:n] for n in range(1, len(row) + 1) if row[:n] in by_row)
        inside.setdefault(outermost, []).extend(errors)
    findings = []
    for row in sorted(inside, key=_source_order):
        parent = _at(document, row[:-1])
        findings.append(_contract_finding("row", tables[row], parent[row[-1]], inside[row]))
        parent[row[-1]] = None
    return tuple(findings)


def _enclosing_row(path: Path, schema: Schema) -> tuple[Path, str | None]:
    """Returns the path of the innermost table row that holds `path`, and its table."""
    row: Path = ()
    table: str | None = None
    node: Any = schema
    for place, part in enumerate(path):
        if isinstance(part, int):
            if "x-table" in node:
                row, table = path[: place + 1], node["x-table"]
            node = node.get("items", {})
        else:
            node = node.get("properties", {}).get(part, {})
    return row, table


def _source_order(row: Path) -> tuple[tuple[int, str], ...]:
    return tuple((part, "") if isinstance(part, int) else (-1, part) for part in row)


def _contract_finding(
    scope: str,
    table: str | None,
    part: Any,  # noqa: ANN401 - any JSON
    errors: Sequence[ValidationError],
) -> Finding:
    text = orjson.dumps(part).decode()
    if not errors:
        message = "the two engines disagree on this document: report it with the fragment"
        return Finding(scope, "contract", message, fragment=cut_fragment(text))
    first = min(errors, key=lambda e: _source_order(tuple(e.absolute_path)))
    return Finding(
        scope=scope,
        reason="contract",
        message=_short(first),
        pointer=to_pointer(tuple(first.absolute_path)),
        keyword=str(first.validator),
        table_name=table,
        errors_count=len(errors),
        fragment=cut_fragment(text),
        fragment_bytes=len(text.encode()),
    )


def _short(error: ValidationError) -> str:
    """Returns the message without a long instance in it: the fragment holds that."""
    limit = 300
    return error.message if len(error.message) <= limit else f"{error.message[:limit]}..."


def whole_finding(reason: str, message: str, data: object) -> Finding:
    """Returns the finding that sets a whole result aside; `data` is what was sent of it."""
    text = data.decode(errors="replace") if isinstance(data, bytes) else data
    if not isinstance(text, str):
        try:
            text = orjson.dumps(text).decode()
        except TypeError:  # nested deeper than it writes
            return Finding("result", reason, message)
    whole = text.encode(errors="replace")
    fragment = cut_fragment(whole.decode())
    return Finding("result", reason, message, fragment=fragment, fragment_bytes=len(whole))


def _nothing(contract: Contract, form: str, finding: Finding) -> Verdict:
    zeros = (0,) * len(contract.tables)
    return Verdict(None, form, zeros, zeros, (finding,))


def _unknown_keys(node: Any, schema: Schema, path: Path) -> Iterator[Unmapped]:  # noqa: ANN401 - any JSON
    if isinstance(node, dict) and "properties" in schema:
        for key, value in node.items():
            inner = schema["properties"].get(key)
            if inner is None:
                yield Unmapped(to_pointer((*path, key)), orjson.dumps(value).decode())
            else:
                yield from _unknown_keys(value, inner, (*path, key))
    elif isinstance(node, list) and isinstance(schema.get("items"), dict):
        for place, value in enumerate(node):
            yield from _unknown_keys(value, schema["items"], (*path, place))


def _at(document: Any, path: Path) -> Any:  # noqa: ANN401 - any JSON
    for part in path:
        document = document[part]
    return document
