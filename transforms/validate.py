"""Decides what of a document keeps its contract, and sets aside what does not.

The fast engine accepts most documents at once. Only a document it refuses is brought to the
schema's form and examined by the reference engine.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from transforms.contract import Contract, Gate, follow
from transforms.counting import Counts, count_elements
from transforms.cutting import Cut, Violation, cut_rows, inexact_numbers, value_at, violations
from transforms.decode import NotJsonError, decode_data
from transforms.errors import ConservationError
from transforms.findings import Finding, Path, SourceForm, Unmapped, whole_finding
from transforms.forms import Reshaped, SourcePaths, reshape, summarise
from transforms.json_text import (
    MAX_DEPTH,
    cut_fragment,
    duplicate_key,
    is_nested_deeper,
    read_exactly,
    read_json,
    to_pointer,
    write_json,
)
from transforms.layout import Schema
from transforms.trees import MAX_TREE_DEPTH, find_trees, lay_out, number_nodes, too_deep


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
        form: `string`, `object`, `string in a string`, `text` or `absent`.
        source: Elements per table in the source, tables as in `Contract.tables`.
        expected: Rows per table that must come out of `line`.
        forms: Parts that were written in another form than the schema's.
    """

    line: bytes | None
    form: str
    source: tuple[int, ...]
    expected: tuple[int, ...]
    findings: tuple[Finding, ...] = ()
    unmapped: tuple[Unmapped, ...] = ()
    forms: tuple[SourceForm, ...] = ()


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
    """Checks one `Data` against its contract; whatever `data` holds, it gives a verdict.

    Args:
        data: `Data` as the reply holds it: JSON text, or an object.
        contract: Contract of the result's Type.

    Raises:
        ConservationError: What was set aside does not add up, which no `data` should bring about.
    """
    if data is None:
        absent = Finding("result", "contract", "Data is absent or null", keyword="required")
        return _nothing(contract, "absent", absent)
    try:
        form, line, document = decode_data(data, contract)
    except NotJsonError as error:
        return _nothing(contract, error.form, whole_finding("not_json", f"Data: {error}", data))
    known = contract.gate.accepts_known.is_valid(document)
    if not known and is_nested_deeper(document):
        return _nothing(contract, form, _too_nested(line))
    if not known:  # what is accepted at once has none
        document = read_exactly(line, document)
    shape = None if known else contract.shape
    reshaped = Reshaped(document, document) if shape is None else reshape(document, shape)
    return _check_document(form, line, reshaped, contract, known=known)


def _check_document(
    form: str, line: bytes, reshaped: Reshaped, contract: Contract, *, known: bool
) -> Verdict:
    """Checks a document in the schema's form; `known` says that it was accepted at once."""
    forms = tuple(summarise(reshaped.document, reshaped.edits))
    counts = count_elements(contract.root, reshaped.document)  # before rows are cut out of it
    numbered = [number_nodes(tree) for tree in find_trees(contract.root, reshaped.document)]
    deep = [path for tree in numbered for path in too_deep(tree)]
    if deep and is_nested_deeper(reshaped.document):  # what is accepted at once may have trees
        return _nothing(contract, form, _too_nested(line))
    examined = Examined(reshaped.document)
    # Where trees are laid out the second parser reads what we write, and sees no key twice.
    if deep or not known or (numbered and duplicate_key(line, reshaped.sent) is not None):
        examined = _examine(reshaped, contract.gate, line, deep)
    if examined.document is None:
        return Verdict(None, form, counts.source, counts.none, examined.findings)
    kept = counts.present
    if examined.findings:
        left = count_elements(contract.root, examined.document)
        _require_told(contract, left, examined.findings)
        kept = left.present
    for tree in numbered:
        lay_out(tree)
    if examined.findings or numbered or reshaped.is_changed:
        line = write_json(examined.document)
    elif b"\n" in line or b"\r" in line:  # between tokens only: inside strings JSON forbids them
        line = line.replace(b"\n", b" ").replace(b"\r", b" ")
    return Verdict(
        line,
        form,
        counts.source,
        kept,
        examined.findings,
        (*reshaped.left_over, *examined.unmapped),
        forms,
    )


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
        return Examined(None, (_too_nested(document if text is None else text),))
    return _examine(Reshaped(document, document), gate, text, [])


def _examine(reshaped: Reshaped, gate: Gate, text: bytes | None, deep: list[Path]) -> Examined:
    """Examines a document that was not accepted at once, or that has trees that are too deep."""
    document = reshaped.document
    if text is not None and (key := duplicate_key(text, reshaped.sent)) is not None:
        message = f"the key {key!r} is given twice in one object"
        return Examined(None, (whole_finding("duplicate_key", message, text),))
    if reshaped.is_changed and not deep and gate.accepts_known.is_valid(document):
        return Examined(document)
    place = SourcePaths(reshaped.edits)
    found, agreed = _breaches(document, gate, deep)
    cuts = cut_rows(document, found, gate.schema) if found or not agreed else []
    if cuts and reshaped.is_changed and text is not None:
        sent = read_json(text)
        findings = tuple(_in_source(cut, place, sent) for cut in cuts)
    else:
        findings = tuple(cut.finding for cut in cuts)
    if whole := tuple(finding for finding in findings if finding.scope == "result"):
        return Examined(None, whole)
    unmapped = (
        Unmapped(to_pointer(place(path)), write_json(value).decode())
        for path, value in unknown_keys(document, gate.schema)
    )
    return Examined(document, findings, tuple(unmapped))


def _require_told(contract: Contract, left: Counts, findings: Iterable[Finding]) -> None:
    """Checks that each element that was taken out of an array is told of.

    Raises:
        ConservationError: One is not, or something is told of that is still there.
    """
    told = Counter(finding.table_name for finding in findings)
    for table, source, present in zip(contract.tables, left.source, left.present, strict=True):
        if table.kind in {"array", "tree"} and source - present != told[table.name]:
            raise ConservationError(
                f"{table.name}: {source - present} elements were taken out and {told[table.name]} "
                "are told of; nothing was committed, report it with the reply"
            )


def _breaches(
    document: Any,  # noqa: ANN401 - any JSON
    gate: Gate,
    deep: list[Path],
) -> tuple[list[Violation], bool]:
    """Returns all breaches, and whether the engines agree that there are some or none.

    Nodes that lie too deep are taken out meanwhile: the reference engine would not come back.
    """
    held = [(value_at(document, path[:-1]), path[-1]) for path in deep]
    nodes = [holder[key] for holder, key in held]
    for holder, key in held:
        holder[key] = None
    accepted = gate.accepts.is_valid(document)
    found = [] if accepted else violations(document, gate)
    found += inexact_numbers(document, gate.schema, gate.schema)
    for (holder, key), node in zip(held, nodes, strict=True):
        holder[key] = node
    out = set(deep)
    others = [breach for breach in found if breach.path not in out]
    return [*map(_too_deep, deep), *others], accepted or bool(found)


def _too_nested(whole: Any) -> Finding:  # noqa: ANN401 - any JSON
    return whole_finding("unreadable", f"nested more than {MAX_DEPTH} levels deep", whole)


def _too_deep(path: Path) -> Violation:
    return Violation(path, "x-tree", f"nested more than {MAX_TREE_DEPTH} levels deep")


def _in_source(cut: Cut, place: SourcePaths, sent: Any) -> Finding:  # noqa: ANN401 - any JSON
    """Returns the finding with pointers and fragment of the document as it was written."""
    finding, row = cut.finding, place(cut.path)
    written = write_json(value_at(sent, row)).decode()
    return replace(
        finding,
        pointer=to_pointer(place(cut.error_path)),
        row_pointer=None if finding.row_pointer is None else to_pointer(row),
        fragment=cut_fragment(written),
        fragment_bytes=len(written.encode()),
    )


def _nothing(contract: Contract, form: str, finding: Finding) -> Verdict:
    zeros = (0,) * len(contract.tables)
    return Verdict(None, form, zeros, zeros, (finding,))


def unknown_keys(document: Any, schema: Schema) -> Iterator[tuple[Path, Any]]:  # noqa: ANN401 - any JSON
    """Yields path and value of every key that the schema does not name."""

    def walk(node: Any, inner: Schema, path: Path) -> Iterator[tuple[Path, Any]]:  # noqa: ANN401 - any JSON
        inner = follow(inner, schema)
        if isinstance(node, dict) and "properties" in inner:
            for key, value in node.items():
                known = inner["properties"].get(key)
                if known is None:
                    yield (*path, key), value
                else:
                    yield from walk(value, known, (*path, key))
        elif isinstance(node, list) and isinstance(inner.get("items"), dict):
            for place, value in enumerate(node):
                yield from walk(value, inner["items"], (*path, place))

    yield from walk(document, schema, ())
