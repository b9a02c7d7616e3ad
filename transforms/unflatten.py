"""Makes a result's `Data` again from its rows: the proof that flattening loses nothing.

Rows give the document in the schema's form; `source_forms` tells how it was written, `quarantine`
and `unmapped_fields` hold what no row has. Null and absent are one, as everywhere in the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from transforms.contract import Contract, Contracts
from transforms.errors import CognitionError
from transforms.forms import BARE, EMPTY, EVERY, JSON_VALUE, SINGLE, SPELLING, WRAPPED
from transforms.json_text import from_pointer, read_json, value_along
from transforms.layout import Column, Table

Row = Mapping[str, Any]
Key = tuple[int, ...]
# Undone in the opposite order: a property is first found by its key, then unwrapped, then listed.
_UNDONE = (JSON_VALUE, SINGLE, WRAPPED, SPELLING)


class FragmentCutError(CognitionError):
    """A part in quarantine was too long to be kept whole there; raw has it."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """One result made again from its rows, or the reason why it cannot be."""

    job_id: str
    result_index: int
    type: str
    document: Any


class RowsMissingError(CognitionError):
    """Rows that others speak of are not there."""


def unflatten_batch(tables: Mapping[str, pa.Table], contracts: Contracts) -> Iterator[Rebuilt]:
    """Yields every result of a batch that has rows; those set aside whole have none.

    Args:
        tables: Tables of the batch by name.
        contracts: The schemas they were made with.
    """
    results = {"results", "quarantine", "unmapped_fields", "source_forms"}
    names = results | {table.name for each in contracts.distinct for table in each.tables}
    places = {name: _job_places(tables[name]) for name in names & tables.keys()}
    for job_id in places.get("results", {}):
        by_result = {
            name: _by_result(tables[name].slice(*found[job_id]).to_pylist())
            for name, found in places.items()
            if job_id in found
        }
        for index, (result,) in by_result["results"].items():
            if result["state"] in {"loaded", "partly_loaded"}:
                rows = {name: found.get(index, []) for name, found in by_result.items()}
                yield Rebuilt(job_id, index, result["type"], _made_again(contracts, result, rows))


def unflatten(contract: Contract, rows: Mapping[str, Sequence[Row]]) -> Any:  # noqa: ANN401 - any JSON
    """Returns the `Data` of one result, as JSON has it.

    Args:
        contract: The result's Type.
        rows: Its rows by table, those of `source_forms`, `quarantine` and `unmapped_fields` among
            them.

    Raises:
        FragmentCutError: A row in quarantine was cut short.
    """
    grouped = {t.name: _by_parent(t, rows.get(t.name, ())) for t in contract.tables}
    (root,) = rows[contract.root.name]
    document = _element(contract.root, root, (), grouped)
    forms = rows.get("source_forms", ())
    for form in forms:
        if form["form"] == EMPTY:
            _put(document, from_pointer(form["pointer"]), {})
    document = _written(document, forms, contract)
    aside = (each for each in rows.get("quarantine", ()) if each["table_name"] in grouped)
    for finding in aside:
        document = _put(document, from_pointer(finding["row_pointer"]), _fragment(finding))
    for unmapped in rows.get("unmapped_fields", ()):
        document = _put(document, from_pointer(unmapped["pointer"]), read_json(unmapped["value"]))
    return document


def _made_again(contracts: Contracts, result: Row, rows: Mapping[str, Sequence[Row]]) -> Any:  # noqa: ANN401 - any JSON
    try:
        return unflatten(contracts.types[result["type"]], rows)
    except FragmentCutError as error:
        return error
    except (LookupError, TypeError, ValueError):
        place = f"job {result['job_id']}, result {result['result_index']}"
        return RowsMissingError(f"{place}: rows are missing; make them again from raw")


def _job_places(table: pa.Table) -> dict[str, tuple[int, int]]:
    """Returns where the rows of each job begin and how many there are; rows come job by job."""
    runs = pc.run_end_encode(table["job_id"].combine_chunks())
    ends = runs.run_ends.to_pylist()
    starts = [0, *ends][:-1]
    jobs = runs.values.to_pylist()
    return {job: (a, b - a) for job, a, b in zip(jobs, starts, ends, strict=True)}


def _by_result(rows: Iterable[Row]) -> dict[int, list[Row]]:
    grouped: dict[int, list[Row]] = {}
    for row in rows:
        if row["result_index"] is not None:
            grouped.setdefault(row["result_index"], []).append(row)
    return grouped


def _by_parent(table: Table, rows: Iterable[Row]) -> dict[Key, list[Row]]:
    names = [key.name for key in table.keys[2:]]
    own = 0 if table.kind == "object" else 1
    grouped: dict[Key, list[Row]] = {}
    for row in rows:
        place = tuple(row[name] for name in names)
        grouped.setdefault(place[: len(place) - own], []).append(row)
    return grouped


def _element(table: Table, row: Row, place: Key, rows: Mapping[str, dict[Key, list[Row]]]) -> Any:  # noqa: ANN401 - any JSON
    """Returns what a row was made of; `place` are its positions in the arrays around it."""
    element: Any = {}
    for column in table.columns:
        value = _value(column, row)
        if value is None:
            continue
        if column.item is not None:
            element = _append(element, column, value)
        else:
            element = _put(element, column.path, value)
    for child in table.children:
        element = _with_child(element, child, place, rows)
    return element


def _with_child(
    element: Any,  # noqa: ANN401 - any JSON
    child: Table,
    place: Key,
    rows: Mapping[str, dict[Key, list[Row]]],
) -> Any:  # noqa: ANN401 - any JSON
    """Returns the element with what lies inside it; a split text has all in its text."""
    found = rows[child.name].get(place, [])
    if child.kind == "tree" and value_along(element, child.path) is not None:
        return _put(element, child.path, _tree(child, found, place, rows))
    if child.kind == "object" and found:
        return _put(element, child.path, _element(child, found[0], place, rows))
    if child.kind == "array":
        elements = value_along(element, child.path)
        for row in found:
            at = row[child.keys[-1].name]
            elements[at] = _element(child, row, (*place, at), rows)
    return element


def _value(column: Column, row: Row) -> Any:  # noqa: ANN401 - a scalar or a list of unknown elements
    value = row[column.name]
    if value is None or column.kind in {"json", "tree"}:
        return None
    if column.kind == "count":
        return [None] * value
    return round(value * column.scale) if column.scale != 1 else value


def _tree(
    table: Table, found: Sequence[Row], place: Key, rows: Mapping[str, dict[Key, list[Row]]]
) -> list[Any]:
    index = table.keys[-1].name
    count = next(column.name for column in table.columns if column.path == (table.tree_key,))
    top: list[Any] = []
    lists: dict[int | None, list[Any]] = {None: top}
    for row in sorted(found, key=lambda each: int(each[index])):
        node = _element(table, row, (*place, row[index]), rows)
        beside, at = lists[row[f"parent_{index}"]], row["sibling_index"]
        beside.extend([None] * (at + 1 - len(beside)))
        beside[at] = node
        if row[count] is not None:
            lists[row[index]] = node[table.tree_key] = [None] * row[count]
    return top


def _written(document: Any, forms: Iterable[Row], contract: Contract) -> Any:  # noqa: ANN401 - any JSON
    """Returns the document as it was written: the deepest change is undone first."""
    known = [form for form in forms if form["form"] in _UNDONE]
    known.sort(key=lambda form: (-len(from_pointer(form["pointer"])), _UNDONE.index(form["form"])))
    for form in known:
        *way, key = from_pointer(form["pointer"])
        for holder in _holders(document, way):
            if holder.get(key) is not None:
                _undo(holder, key, form)
    bare = any(form["form"] == BARE for form in forms)
    return document.get(contract.shape.bare) if bare and contract.shape is not None else document


def _undo(holder: dict[str, Any], key: str, form: Row) -> None:
    value = holder[key]
    if form["form"] == SPELLING:
        holder[form["written_as"]] = holder.pop(key)
    elif form["form"] == WRAPPED:
        holder[key] = {key: value}
    elif form["form"] == SINGLE:
        holder[key] = value[0]
    else:
        holder[key] = read_json(value)


def _holders(node: Any, way: Sequence[str]) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any JSON
    if not way:
        if isinstance(node, dict):
            yield node
    elif isinstance(node, list):
        chosen = node if way[0] == EVERY else [node[int(way[0])]]
        for element in chosen:
            yield from _holders(element, way[1:])
    elif isinstance(node, dict):
        yield from _holders(node.get(way[0]), way[1:])


def _fragment(finding: Row) -> Any:  # noqa: ANN401 - any JSON
    text = finding["fragment"]
    if len(text.encode()) != finding["fragment_bytes"]:
        raise FragmentCutError(
            f"job {finding['job_id']}: the row at {finding['row_pointer']} is kept in quarantine "
            "only in part: read it from raw"
        )
    return read_json(text)


def _put(document: Any, parts: Sequence[str], value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Returns the document with a value at a pointer; objects on the way are made."""
    if not parts:
        return value
    if isinstance(document, list):
        at = int(parts[0])
        document.extend([None] * (at + 1 - len(document)))
        document[at] = _put(document[at], parts[1:], value)
        return document
    holder = {} if document is None else document
    holder[parts[0]] = _put(holder.get(parts[0]), parts[1:], value)
    return holder


def _append(element: Any, column: Column, value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Adds one number of a fixed-length array; its columns come in the order of its items."""
    if column.item == 0:
        return _put(element, column.path, [value])
    value_along(element, column.path).append(value)
    return element
