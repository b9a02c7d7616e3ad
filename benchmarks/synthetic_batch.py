"""The jobs of one batch of a synthetic lake: their results, and what was set aside of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.synthetic_rows import Flags, Ints, Rows, Videos, as_array, make_type
from benchmarks.synthetic_words import Words
from transforms.contract import Contract, Contracts
from transforms.findings import Finding, Unmapped
from transforms.flatten import Flattened
from transforms.path_counts import PathCounts

Row = dict[str, Any]

SHARES = {
    "VideoLabel": 1.0,
    "CPVLabel": 1.0,
    "OCR": 1.0,
    "ASR": 1.0,
    "NLP": 1.0,
    "Meta": 1.0,
    "Subtitle": 0.3,
    "Process": 0.1,
    "EventSplit": 0.02,
    "ShotDetect": 0.01,
}
"""Types of a video's results, in the order of the reply, and how many of the videos have each."""
PICTURES, DOCUMENTS, UNLOADED = 0.01, 0.01, 0.01
"""Shares of jobs of a picture, of a text, and without a result; a batch begins with one of each."""
OPENING = 3
"""Jobs a batch begins with before its first video, which has very many occurrences."""
OF_PICTURES, OF_DOCUMENTS = ("ImageLabel",), ("TextLabel",)
UNLOADED_STATES = (("failed", "Fail"), ("rejected", None), ("expired", None))
LINES = 60
"""Lines of a subtitle file."""
USAGES = ("VideoLabel", "NLP")


@dataclass(slots=True)
class Batch:
    """One batch while it is made: its jobs, and what has been found of them so far."""

    batch_id: str
    month: str
    ids: list[str]
    queried: list[datetime]
    rng: np.random.Generator
    paths: PathCounts
    tables: dict[str, pa.Table] = field(default_factory=dict)
    results: list[Row] = field(default_factory=list)
    quarantine: list[Row] = field(default_factory=list)
    unmapped: list[Row] = field(default_factory=list)
    unknown: list[Row] = field(default_factory=list)
    columns: dict[str, dict[str, Any]] = field(default_factory=dict)


def fill(batch: Batch, contracts: Contracts, depth: float) -> None:
    """Makes every table of a batch whose jobs are named.

    Args:
        batch: The batch; its tables are filled.
        contracts: The schemas.
        depth: What mean numbers of rows below a row are multiplied by.
    """
    count = len(batch.ids)
    kinds = _kinds(batch)
    seconds = np.clip(batch.rng.lognormal(6.4, 0.7, count), 30, 7200)
    videos = Videos(
        np.round(seconds, 3).astype(np.float64),
        batch.rng.random(count) < 0.4,  # noqa: PLR2004 - two videos in five are English
        np.arange(count) == OPENING,
    )
    loaded = kinds != "none"
    places = np.zeros(count, np.int64)
    for name, chosen in _wanted(batch, kinds):
        jobs = np.flatnonzero(chosen)
        contract = contracts.types.get(name)
        if contract is None:
            _add_unknown(batch, name, jobs, places[jobs])
        elif jobs.size:
            _add_type(batch, contract, videos, jobs, places[jobs], depth)
        places[jobs] += 1
    _add_jobs(batch, contracts, loaded, places)


def _kinds(batch: Batch) -> npt.NDArray[np.str_]:
    """Returns of each job what it was about."""
    limits = np.cumsum([PICTURES, DOCUMENTS, UNLOADED])
    drawn = np.searchsorted(limits, batch.rng.random(len(batch.ids)), side="right")
    drawn[: len(limits)] = range(min(len(limits), len(drawn)))
    return np.array(["picture", "document", "none", "video"])[drawn]


def _wanted(batch: Batch, kinds: npt.NDArray[np.str_]) -> Iterator[tuple[str, Flags]]:
    """Yields each Type and the jobs that have it; the first video has them all."""
    videos = kinds == "video"
    first = np.arange(len(kinds)) == videos.argmax()
    for name, share in SHARES.items():
        yield name, videos & (first | (batch.rng.random(len(kinds)) < share))
    for name in OF_PICTURES:
        yield name, kinds == "picture"
    for name in OF_DOCUMENTS:
        yield name, kinds == "document"


def _add_type(  # noqa: PLR0913, PLR0917 - the results of a Type, by job and place
    batch: Batch, contract: Contract, videos: Videos, jobs: Ints, places: Ints, depth: float
) -> None:
    """Adds the results of one Type, a row each in `results`, and all tables below them."""
    aside = np.zeros(len(jobs), np.bool_)
    if contract.type == "OCR":
        aside[-1] = True
        _set_result_aside(batch, contract, batch.ids[jobs[-1]], int(places[-1]))
    jobs, places = jobs[~aside], places[~aside]
    nothing = np.zeros(len(jobs), np.int64)
    share = np.zeros(len(jobs)), np.ones(len(jobs))
    top = Rows(
        contract.root,
        batch.rng,
        Words(batch.rng),
        videos,
        jobs,
        np.arange(len(jobs)),
        (),
        nothing,
        nothing + 1,
        *share,
    )
    made = make_type(top, depth, pa.array(batch.ids, pa.string()), places)
    lacking = _lose_last(made, "asr_segments")
    names = [batch.ids[job] for job in jobs]
    batch.paths.add_rows(contract, made, names)
    unmapped = _add_unmapped(batch, contract, made, names, places)
    batch.tables |= {name: flattened.rows for name, flattened in made.items()}
    owners = np.concatenate([each.owners for each in made.values()])
    counts = np.bincount(owners, minlength=len(jobs))
    for at, name in enumerate(names):
        row = _result(name, int(places[at]), contract.type, contract.version, int(counts[at]))
        row |= {"unmapped_count": unmapped.get(name, 0)}
        if at in lacking:
            row |= {"state": "partly_loaded", "quarantined_count": 1}
            _set_row_aside(batch, contract, row, lacking[at])
        batch.results.append(row)
    if contract.type == "Subtitle":
        _add_lines(batch, top, names, places)


def _result(job_id: str, place: int, kind: str, version: int | None, rows: int) -> Row:
    return {
        "job_id": job_id,
        "result_index": place,
        "type": kind,
        "state": "loaded",
        "schema_version": version,
        "data_form": "string",
        "data_bytes": 200 + 90 * rows,
        "rows_count": rows,
        "quarantined_count": 0,
        "unmapped_count": 0,
    }


def _lose_last(made: dict[str, Flattened], table: str) -> dict[int, int]:
    """Takes away the last row of the first result, as if its element had been invalid.

    Returns:
        The position of the row that is gone, by position of the result.
    """
    if table not in made:
        return {}
    rows, owners = made[table].rows, made[table].owners
    gone = int(np.searchsorted(owners, 0, side="right")) - 1
    kept = np.arange(len(owners)) != gone
    made[table] = Flattened(rows.filter(pa.array(kept)).combine_chunks(), owners[kept])
    return {0: gone}


def _add_unmapped(
    batch: Batch,
    contract: Contract,
    made: Mapping[str, Flattened],
    names: list[str],
    places: Ints,
) -> dict[str, int]:
    """Gives each event two keys the schema does not name; returns how many each job has."""
    counts: dict[str, int] = {}
    if "event_splits" not in made:
        return counts
    events = made["event_splits"]
    for owner, event in zip(events.owners, events.rows["event_index"].to_pylist(), strict=True):
        name = names[owner]
        for key, value in (("eventId", str(event)), ("title", '"event"')):
            found = Unmapped(f"/events/{event}/{key}", value)
            batch.paths.add_unmapped(contract.type, name, found)
            batch.unmapped.append(
                {
                    "job_id": name,
                    "unmapped_index": counts.get(name, 0),
                    "result_index": int(places[owner]),
                    "type": contract.type,
                    "pointer": found.pointer,
                    "value": found.value,
                }
            )
            counts[name] = counts.get(name, 0) + 1
    return counts


def _add_lines(batch: Batch, top: Rows, names: list[str], places: Ints) -> None:
    """Adds the lines of a Chinese and an English subtitle file to each result's first set."""
    counts = np.full(len(top) * 2, LINES)
    file = np.repeat(np.arange(len(top) * 2), counts)
    line = np.arange(len(file)) % LINES
    owner, english = file // 2, file % 2 == 1
    seconds = top.seconds[owner] / LINES
    columns = {
        "job_id": pa.array(names, pa.string()).take(pa.array(owner)),
        "result_index": places[owner],
        "file_index": np.zeros(len(file), np.int64),
        "language": pa.array(["chinese", "english"]).take(pa.array(english.astype(np.int64))),
        "line_index": line,
        "serial_number": line + 1,
        "start_seconds": np.round(line * seconds, 3),
        "end_seconds": np.round((line + 0.9) * seconds, 3),
        "text": top.words.sentences(english, 8),
    }
    batch.columns["subtitle_lines"] = columns


def _add_unknown(batch: Batch, kind: str, jobs: Ints, places: Ints) -> None:
    """Adds results of a Type without a schema; they are kept whole."""
    for job, place in zip(jobs, places.tolist(), strict=True):
        name, data = batch.ids[job], '{"shots":[{"cutTime":17.185,"index":0}]}'
        row = _result(name, place, kind, None, 0)
        batch.results.append({**row, "state": "unknown_type", "data_bytes": len(data)})
        keys = {"job_id": name, "result_index": place, "type": kind}
        batch.unknown.append({**keys, "data": data, "data_bytes": len(data)})
        batch.paths.add_aside(kind, name)


def _set_result_aside(batch: Batch, contract: Contract, name: str, place: int) -> None:
    row = _result(name, place, contract.type, contract.version, 0)
    batch.results.append({**row, "state": "quarantined", "quarantined_count": 1})
    batch.paths.add_aside(contract.type, name)
    _quarantine(batch, row, "result", None, "", "'details' is a required property", "required")


def _set_row_aside(batch: Batch, contract: Contract, row: Row, index: int) -> None:
    pointer = f"/details/{index}/from"
    message = "'1.2s' is not of type 'number', 'null'"
    finding = Finding("row", "contract", message, pointer, keyword="type")
    batch.paths.add_finding(contract.type, row["job_id"], finding)
    _quarantine(batch, row, "row", "asr_segments", pointer, message, "type")


def _quarantine(  # noqa: PLR0913, PLR0917 - a part in quarantine is told by as many
    batch: Batch, row: Row, scope: str, table: str | None, pointer: str, message: str, keyword: str
) -> None:
    before = sum(each["job_id"] == row["job_id"] for each in batch.quarantine)
    fragment = '{"from":"1.2s"}' if table else '{"detail":[]}'
    batch.quarantine.append(
        {
            **{name: row[name] for name in ("job_id", "result_index", "type", "schema_version")},
            "quarantine_index": before,
            "scope": scope,
            "table_name": table,
            "reason": "contract",
            "pointer": pointer,
            "row_pointer": pointer.rpartition("/")[0] or None,
            "keyword": keyword,
            "message": message,
            "errors_count": 1,
            "fragment": fragment,
            "fragment_bytes": len(fragment),
        }
    )


def _add_jobs(batch: Batch, contracts: Contracts, loaded: Flags, results: Ints) -> None:
    """Adds the jobs themselves, and all system tables that have rows."""
    system = contracts.system
    jobs = [_job(batch, at, int(results[at]), loaded=bool(loaded[at])) for at in range(len(loaded))]
    usages = [
        {"job_id": name, "usage_index": n, "usage_type": kind, "quota": 60 * (n + 1)}
        for name, there in zip(batch.ids, loaded, strict=True)
        for n, kind in enumerate(USAGES)
        if there
    ]
    queried = dict(zip(batch.ids, batch.queried, strict=True))
    rows = {
        "jobs": jobs,
        "results": sorted(batch.results, key=lambda row: (row["job_id"], row["result_index"])),
        "quarantine": sorted(
            batch.quarantine, key=lambda row: (row["job_id"], row["quarantine_index"])
        ),
        "unmapped_fields": batch.unmapped,
        "unknown_results": batch.unknown,
        "usages": usages,
        "source_forms": _forms(batch),
        "path_counts": batch.paths.rows(batch.batch_id, queried),
    }
    for name, found in rows.items():
        batch.tables[name] = pa.Table.from_pylist(found, schema=system[name].arrow_schema)
    for name, columns in batch.columns.items():
        schema = system[name].arrow_schema
        arrays = [as_array(columns[each.name], each.type) for each in schema]
        batch.tables[name] = pa.Table.from_arrays(arrays, schema=schema)


def _forms(batch: Batch) -> list[Row]:
    """Returns one other spelling of each tenth NLP result."""
    found = [row for row in batch.results if row["type"] == "NLP"][::10]
    return [
        {
            "job_id": row["job_id"],
            "form_index": 0,
            "result_index": row["result_index"],
            "type": "NLP",
            "pointer": "/transcription/audioInfo/size",
            "form": "spelling",
            "written_as": "Size",
        }
        for row in found
    ]


def _job(batch: Batch, at: int, results: int, *, loaded: bool) -> Row:
    name = batch.ids[at]
    state, status = ("loaded", "Success") if loaded else UNLOADED_STATES[at % 3]
    return {
        "job_id": name,
        "state": state,
        "job_status": status,
        "reason": None if loaded else f"the service says {state}",
        "error_code": "JobNotFound" if state == "rejected" else None,
        "http_status": 404 if state == "rejected" else 200,
        "request_id": hashlib.md5(name.encode(), usedforsecurity=False).hexdigest().upper(),
        "user_data": f'{{"userId":"{at}"}}',
        "template_id": "S00000101-100060",
        "params": "{}",
        "input_type": "OSS",
        "input_media": f"oss://example-bucket/videos/{name}.mp4",
        "results_shape": "Results.result" if loaded else None,
        "results_count": results if loaded else None,
        "usages_count": len(USAGES) if loaded else None,
        "queried_at": batch.queried[at],
        "origin": "api",
        "body_sha256": hashlib.sha256(name.encode()).hexdigest(),
        "body_bytes": 1000 + 90_000 * results,
        "batch_id": batch.batch_id,
    }
