"""Explains rows of system tables, which are found by the numbers flattening gave them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from transforms import lake
from transforms.envelope import USAGES
from transforms.errors import ConfigurationError
from transforms.explain.case import Case, Row, to_set_aside
from transforms.explain.fragments import (
    QUARANTINED,
    explanation,
    in_data,
    in_reply,
    in_result,
    whole_reply,
)
from transforms.explain.keys import KeyValues, NoSuchRowError
from transforms.explain.lines import FoundLine, LineFinder
from transforms.findings import Path
from transforms.forms import EVERY, WRAPPED
from transforms.json_text import from_pointer, to_pointer
from transforms.plain import near, plain
from transforms.reports import Explanation
from transforms.storage import Storage, name_of, sha256_of
from transforms.subtitles.rows import LINES

BATCHES = "batches"


def explain_batch(storage: Storage, keys: KeyValues) -> Explanation:
    """Explains a row of `batches` by the marker that commits the batch.

    Raises:
        ConfigurationError: No such batch is committed.
        LakeFormatError: Its marker cannot be read.
    """
    batch_id = str(keys["batch_id"])
    ids = [name_of(path) for path in storage.list(lake.MARKERS, ".json")]
    commit = lake.read_commit(storage, batch_id) if batch_id in ids else None
    if commit is None:
        remedy = near(batch_id, ids) or "`cognition flatten` commits what is in raw"
        raise ConfigurationError(f"no batch {plain(batch_id)} is committed: {remedy}")
    file = lake.marker_path(batch_id)
    content = storage.read(file).to_pybytes()
    return Explanation(
        table=BATCHES,
        keys=keys,
        state="committed",
        fragment=content.decode(),
        place="the whole marker",
        raw_file=commit.inputs["raw_file"],
        file=file,
        file_sha256=sha256_of(content),
    )


def require_result(case: Case) -> None:
    """Checks that the reply has the result that is asked for.

    Raises:
        ConfigurationError: It has not.
    """
    count = len(case.reply.items)
    state = case.rows("jobs")[0]["state"]
    remedy = f"see `cognition explain jobs {case.job}`"
    if state in {"failed", "rejected"}:
        raise case.error(f"job {case.job} is {state}, so it has no results: {remedy}")
    if not count:
        raise case.error(f"the reply of job {case.job} has no results: {remedy}")
    if case.result_index >= count:
        raise case.error(_counted(case, "result_index", count, "results"))


def _explain_job(case: Case) -> Explanation:
    made = whole_reply(case, case.whole_set_aside(None))
    return replace(made, state=case.rows("jobs")[0]["state"])


def _explain_result(case: Case) -> Explanation:
    require_result(case)
    index = case.result_index
    rows = [row for row in case.rows("results") if row["result_index"] == index]
    state = rows[0]["state"] if rows else QUARANTINED
    if case.table.name == "unknown_results" and state != "unknown_type":
        where = f"result {index} of job {case.job}"
        remedy = f"see `cognition explain results {case.job} {index}`"
        raise case.error(f"{where} is of no unknown Type: {remedy}")
    return replace(in_result(case, index, case.whole_set_aside(index)), state=state)


def _explain_quarantine(case: Case) -> Explanation:
    row = _numbered_row(case, "quarantine_index", "parts in quarantine")
    set_aside, index = to_set_aside(row), row["result_index"]
    if row["table_name"] == LINES:
        return _in_file(case, _finder(case).by_finding(row))
    if row["scope"] == "reply":
        return whole_reply(case, set_aside)
    if index is None:
        return in_reply(case, row["row_pointer"], set_aside)
    data = case.data_of(index)
    if row["scope"] == "result" or data is None:
        return in_result(case, index, set_aside)
    return in_data(case, data, from_pointer(row["row_pointer"]), set_aside)


def _explain_unmapped(case: Case) -> Explanation:
    row = _numbered_row(case, "unmapped_index", "unmapped fields")
    index = row["result_index"]
    data = None if index is None else case.data_of(index)
    if data is None:
        return in_reply(case, row["pointer"])
    return in_data(case, data, from_pointer(row["pointer"]))


def _explain_form(case: Case) -> Explanation:
    """A form of every element of an array is shown by the array."""
    row = _numbered_row(case, "form_index", "places in another form than the schema's")
    data = case.data_of(row["result_index"])
    if data is None:
        raise case.lost()
    parts = from_pointer(row["pointer"])
    every = EVERY in parts
    path = _in_schema(data.reshaped.document, parts[: parts.index(EVERY)] if every else parts)
    source = data.to_source(path)
    if row["form"] == WRAPPED and not every:
        source = source[:-1]  # the wrapper itself, not what it holds
    note = data.note_on(row["form"], row["pointer"], row["written_as"])
    return in_data(case, data, source, notes=(note,))


def _explain_usage(case: Case) -> Explanation:
    shape = case.reply.shape
    usages = shape.reply.get("Usages") if shape is not None else None
    listed = usages.get("Usage") if isinstance(usages, dict) else None
    count = len(listed) if isinstance(listed, list) else 0
    index = int(case.keys["usage_index"])
    if shape is None or index >= count:
        raise case.error(_counted(case, "usage_index", count, USAGES))
    pointer = shape.as_sent(f"/Usages/Usage/{index}")
    if case.is_loaded:
        return in_reply(case, pointer)
    rows = (row for row in case.rows("quarantine") if row["table_name"] == USAGES)
    own = (to_set_aside(row) for row in rows if row["row_pointer"] == pointer)
    set_aside = next(own, None) or case.whole_set_aside(None)
    if set_aside is None:
        raise case.error(f"job {case.job} is {case.rows('jobs')[0]['state']}: it has no {USAGES}")
    return in_reply(case, pointer, set_aside)


def _explain_line(case: Case) -> Explanation:
    try:
        found = _finder(case).by_keys(case.keys)
    except NoSuchRowError as error:
        raise case.error(str(error)) from None
    return _in_file(case, found)


def _finder(case: Case) -> LineFinder:
    rows = case.rows("quarantine")
    return LineFinder(case.storage, case.contracts, case.tables, case.archived, rows)


def _in_file(case: Case, found: FoundLine) -> Explanation:
    """Explains lines of a subtitle file; Data holds the link to it."""
    data = case.data_of(found.key.result_index)
    if data is None:
        raise case.lost()
    pointer = to_pointer(data.to_source(found.link_path))
    row = found.quarantined
    return replace(
        explanation(case, found.text, found.place, None if row is None else to_set_aside(row)),
        type=data.type,
        reply_pointer=data.reply_pointer,
        data_pointer=pointer,
        file=found.entry.archive_file,
        file_row=found.entry.row,
        file_sha256=found.entry.body_sha256,
        notes=(f"the link to the file lies at {data.place_of(pointer)}",),
    )


def _numbered_row(case: Case, name: str, things: str) -> Row:
    """Returns the row of a system table that has a number of the job's own."""
    rows, wanted = case.rows(case.table.name), case.keys[name]
    for row in rows:
        if row[name] == wanted:
            return row
    raise case.error(_counted(case, name, len(rows), things))


def _counted(case: Case, name: str, count: int, things: str) -> str:
    if not count:
        return f"job {case.job} has no {things}: there is no such row"
    return f"the {things} of job {case.job} end at {name} {count - 1}"


def _in_schema(document: Any, parts: Sequence[str]) -> Path:  # noqa: ANN401 - any JSON
    """Returns the path of a pointer into a document: parts in arrays are positions."""
    path: list[str | int] = []
    for part in parts:
        key = int(part) if isinstance(document, list) else part
        path.append(key)
        document = document[key]
    return tuple(path)


TABLES: dict[str, Callable[[Case], Explanation]] = {
    "jobs": _explain_job,
    "results": _explain_result,
    "unknown_results": _explain_result,
    "quarantine": _explain_quarantine,
    "unmapped_fields": _explain_unmapped,
    "source_forms": _explain_form,
    USAGES: _explain_usage,
    LINES: _explain_line,
}
"""How a row of each system table is explained, but for `batches`."""
