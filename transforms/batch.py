"""One raw file in, the tables of one batch out: read, validate, flatten, conserve.

A pure function of the replies, the schemas and this code: the same input gives the same tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from transforms.contract import Contract, Contracts
from transforms.envelope import USAGES, Envelope, Item, Usage, read_reply
from transforms.errors import ConservationError
from transforms.findings import Finding, SourceForm, Unmapped
from transforms.json_text import write_json
from transforms.path_counts import REPLY, PathCounts
from transforms.subtitles.archive import Archived
from transforms.subtitles.rows import LINES, LineRows, line_rows
from transforms.type_rows import TypeRows
from transforms.validate import check_blob, gc_paused

FLATTEN_VERSION = 1  # raised when the same raw bytes and schemas give other tables

Row = dict[str, Any]
# The items stay out: they hold every Data of the batch.
_JOB_FACTS = [n for n in Envelope.__slots__ if n not in {"items", "usages", "findings", "unmapped"}]


@dataclass(frozen=True, slots=True)
class FlattenedBatch:
    """The tables of one batch and what was counted on the way.

    Attributes:
        tables: Every table that has rows, sorted by key.
        totals: Per table of a result Type, and of usages where there are any: elements in the
            source, rows loaded, elements set aside.
        facts: Counts and times, as in the table `batches`.
    """

    tables: Mapping[str, pa.Table]
    totals: Mapping[str, Mapping[str, int]]
    facts: Mapping[str, Any]


@dataclass(slots=True)
class _Collected:
    """Rows of the system tables, and of each Type, in the order of jobs."""

    paths: PathCounts
    jobs: list[Row] = field(default_factory=list)
    results: list[Row] = field(default_factory=list)
    quarantine: list[Row] = field(default_factory=list)
    unmapped: list[Row] = field(default_factory=list)
    unknown: list[Row] = field(default_factory=list)
    forms: list[Row] = field(default_factory=list)
    usages: list[Row] = field(default_factory=list)
    usages_source: int = 0
    types: dict[str, TypeRows] = field(default_factory=dict)


def flatten_raw(
    raw: pa.Table,
    contracts: Contracts,
    batch_id: str,
    *,
    max_blob_bytes: int,
    subtitles: Iterable[Archived] = (),
) -> FlattenedBatch:
    """Returns the tables of a batch.

    Args:
        raw: Rows of a raw file, one reply a job, by job.
        contracts: The schemas to hold them to.
        batch_id: Id of the batch, kept in `jobs`.
        max_blob_bytes: A longer Data is quarantined unread.
        subtitles: Archived subtitle files of its jobs.

    Raises:
        ConservationError: A row would be lost or made up; nothing may be committed.
    """
    collected = _Collected(PathCounts(contracts))
    tables: dict[str, pa.Table] = {}
    totals: dict[str, Mapping[str, int]] = {}
    with gc_paused():
        collected.types = {c.type: TypeRows(c, collected.paths) for c in contracts.distinct}
        for reply in _rows(raw):
            _collect_reply(reply, contracts, batch_id, max_blob_bytes, collected)
        for rows in collected.types.values():
            tables.update(rows.finish())
            totals.update(rows.totals)
            for result, finding in rows.unreadable:
                result["rows_count"] = 0
                _set_aside(collected, result, finding)
            collected.forms += [_form_row(result, form) for result, form in rows.forms]
    if (source := collected.usages_source) > 0:
        loaded = len(collected.usages)
        totals[USAGES] = {"source": source, "loaded": loaded, "quarantined": source - loaded}
    lines = line_rows(subtitles, tables, contracts)
    if lines.totals["source"]:
        tables[LINES], totals[LINES] = lines.table, lines.totals
        _set_lines_aside(collected, lines)
    tables.update(_system_tables(collected, contracts, batch_id))
    return FlattenedBatch(
        {name: table for name, table in sorted(tables.items()) if table.num_rows},
        totals,
        _facts(collected, tables),
    )


def _set_lines_aside(into: _Collected, lines: LineRows) -> None:
    results = {(row["job_id"], row["result_index"]): row for row in into.results}
    for result, finding in lines.findings:
        _set_aside(into, results[result], finding)


def _rows(raw: pa.Table) -> Iterable[Row]:
    for batch in raw.to_batches(max_chunksize=64):
        yield from batch.to_pylist()


def _collect_reply(
    reply: Row, contracts: Contracts, batch_id: str, max_blob_bytes: int, into: _Collected
) -> None:
    envelope = read_reply(reply["body"], reply["http_status"], reply["error_code"], contracts.reply)
    into.jobs.append(_job_row(reply, envelope, batch_id))
    into.usages += _usage_rows(reply["job_id"], envelope)
    into.usages_source += envelope.usages_count or 0
    for finding in envelope.findings:
        into.quarantine.append(_quarantine_row(reply["job_id"], None, finding))
    _add_unmapped(into, REPLY, reply["job_id"], None, envelope.unmapped)
    for item in envelope.items:
        _collect_item(item, reply["job_id"], contracts, max_blob_bytes, into)


def _usage_rows(job_id: str, envelope: Envelope) -> list[Row]:
    """Returns what a job was charged for, having checked that each element is somewhere."""
    source, loaded = envelope.usages_count or 0, len(envelope.usages)
    if envelope.usages_count is not None:
        loaded += sum(finding.table_name == USAGES for finding in envelope.findings)
    if loaded != source:
        raise ConservationError(
            f"job {job_id}: {USAGES} has {loaded} rows and quarantined parts for {source} "
            "elements; nothing was committed, report it with the reply"
        )
    own = Usage.__slots__
    return [{"job_id": job_id} | {n: getattr(u, n) for n in own} for u in envelope.usages]


def _collect_item(
    item: Item, job_id: str, contracts: Contracts, max_blob_bytes: int, into: _Collected
) -> None:
    data = item.data.encode() if isinstance(item.data, str) else item.data
    whole = data if data is None or isinstance(data, bytes) else write_json(data)
    size = None if whole is None else len(whole)
    row = {"job_id": job_id, "result_index": item.index, "type": item.type, "data_bytes": size}
    row |= {"state": "loaded", "rows_count": 0, "quarantined_count": 0, "unmapped_count": 0}
    into.results.append(row)
    contract = contracts.types.get(item.type) if item.type is not None else None
    if item.finding is not None:
        _set_aside(into, row, item.finding)
    elif contract is None:
        row["state"] = "unknown_type"
        into.paths.add_aside(str(item.type), job_id)
        keys = ("job_id", "result_index", "type", "data_bytes")
        text = None if whole is None else whole.decode()
        into.unknown.append({key: row[key] for key in keys} | {"data": text})
    else:
        row["schema_version"] = contract.version
        _collect_blob(data, row, contract, max_blob_bytes, into)


def _collect_blob(
    data: object, row: Row, contract: Contract, max_blob_bytes: int, into: _Collected
) -> None:
    size = row["data_bytes"]
    if size is not None and size > max_blob_bytes:
        message = f"Data has {size} bytes; COGNITION_MAX_BLOB_BYTES allows {max_blob_bytes}"
        _set_aside(into, row, Finding("result", "too_large", message, fragment_bytes=size))
        return
    verdict = check_blob(data, contract)
    row |= {"data_form": verdict.form, "unmapped_count": len(verdict.unmapped)}
    if verdict.line is not None:
        row["rows_count"] = sum(verdict.expected)
    for finding in verdict.findings:
        _set_aside(into, row, finding)
        into.paths.add_finding(contract.type, row["job_id"], finding)
    _add_unmapped(into, contract.type, row["job_id"], row, verdict.unmapped)
    into.types[contract.type].add(row, verdict)


def _set_aside(into: _Collected, row: Row, finding: Finding) -> None:
    row["state"] = "partly_loaded" if finding.scope == "row" else "quarantined"
    row["quarantined_count"] += 1
    if finding.scope == "result" and row["type"] is not None:
        into.paths.add_aside(row["type"], row["job_id"])
    into.quarantine.append(_quarantine_row(row["job_id"], row, finding))


def _quarantine_row(job_id: str, result: Row | None, finding: Finding) -> Row:
    return {
        "job_id": job_id,
        "result_index": result and result["result_index"],
        "type": result and result["type"],
        "schema_version": result and result.get("schema_version"),
        **{name: getattr(finding, name) for name in Finding.__slots__},
    }


def _form_row(result: Row, form: SourceForm) -> Row:
    place = {name: result[name] for name in ("job_id", "result_index", "type")}
    return place | {name: getattr(form, name) for name in SourceForm.__slots__}


def _add_unmapped(
    into: _Collected, kind: str, job_id: str, result: Row | None, unmapped: Iterable[Unmapped]
) -> None:
    """Keeps unknown keys of a result of the Type `kind`, or of a reply."""
    place = {"job_id": job_id} | {k: result and result[k] for k in ("result_index", "type")}
    for each in unmapped:
        into.unmapped.append(place | {"pointer": each.pointer, "value": each.value})
        into.paths.add_unmapped(kind, job_id, each)


def _job_row(reply: Row, envelope: Envelope, batch_id: str) -> Row:
    kept = ("job_id", "http_status", "queried_at", "origin", "body_sha256", "body_bytes")
    own = {name: getattr(envelope, name) for name in _JOB_FACTS}
    return own | {name: reply[name] for name in kept} | {"batch_id": batch_id}


def _system_tables(
    collected: _Collected, contracts: Contracts, batch_id: str
) -> dict[str, pa.Table]:
    queried_at = {job["job_id"]: job["queried_at"] for job in collected.jobs}
    rows = {
        "jobs": collected.jobs,
        "results": collected.results,
        "quarantine": _numbered(collected.quarantine, "quarantine_index"),
        "unmapped_fields": _numbered(collected.unmapped, "unmapped_index"),
        "source_forms": _numbered(collected.forms, "form_index"),
        "unknown_results": collected.unknown,
        USAGES: collected.usages,
        "path_counts": collected.paths.rows(batch_id, queried_at),
    }
    return {
        name: pa.Table.from_pylist(found, schema=contracts.system[name].arrow_schema)
        for name, found in rows.items()
    }


def _numbered(rows: list[Row], index: str) -> list[Row]:
    """Numbers the rows of each job, in the order of its results."""

    def order(row: Row) -> tuple[str, int]:
        return row["job_id"], -1 if row["result_index"] is None else row["result_index"]

    counts: dict[str, int] = {}
    for row in (ordered := sorted(rows, key=order)):
        row[index] = counts.get(row["job_id"], 0)
        counts[row["job_id"]] = row[index] + 1
    return ordered


def _facts(collected: _Collected, tables: Mapping[str, pa.Table]) -> Row:
    times = [job["queried_at"] for job in collected.jobs]
    return {
        "jobs_count": len(collected.jobs),
        "results_count": len(collected.results),
        "rows_count": sum(table.num_rows for table in tables.values()),
        "quarantined_count": len(collected.quarantine),
        "queried_from": min(times).isoformat() if times else None,
        "queried_to": max(times).isoformat() if times else None,
    }
