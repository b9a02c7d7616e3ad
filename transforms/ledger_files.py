"""Reads one ledger file: txt, csv, jsonl or parquet, told by its suffix.

What a file says is passed on as it stands, with its place; `ledger` judges it.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

import orjson
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

JOB_ID = "job_id"
SUBMITTED_AT = "submitted_at"
SHOWN = 12
"""Characters of a wrong id in a message: a file that is no ledger may hold anything."""

NOT_IN_TEXT = frozenset(',;{}"')
"""What an id in a .txt never holds: it would be a CSV or JSON Lines by another name."""


class Line(NamedTuple):
    """What a ledger file says of one job.

    Attributes:
        place: Where it stands, such as `line 3`.
        job_id: What should be a job id.
        submitted_at: What should be the time the job was submitted; None where nothing is said.
    """

    place: str
    job_id: object
    submitted_at: object = None


def read_lines(path: str, content: pa.Buffer) -> Iterable[Line] | None:
    """Returns the lines of a ledger file, or None where its suffix is none of a ledger's.

    Raises:
        ValueError: It is no ledger; the text says why.
    """
    reader = _READERS.get(PurePosixPath(path).suffix.lower())
    return None if reader is None else reader(content)


def shows_another_kind(job: str, *, first: bool) -> str | None:
    """Tells what makes an id, or the first, that of another kind of file than .txt, or None."""
    if first and job == JOB_ID:
        return f"{JOB_ID!r} is no job id but a header: rename the file to .csv"
    if NOT_IN_TEXT.isdisjoint(job):
        return None
    return f"{start_of(job)} is no job id of a .txt: rename the file to .csv or .jsonl if it is one"


def start_of(text: str) -> str:
    """Returns as much of a text as a message may show."""
    return repr(text[:SHOWN]) + "..." * (len(text) > SHOWN)


def _from_text(content: pa.Buffer) -> Iterator[Line]:
    try:
        lines = content.to_pybytes().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError("it is no text in UTF-8") from None
    first = True
    for number, line in enumerate(map(str.strip, lines), start=1):
        if line and not line.startswith("#"):
            if wrong := shows_another_kind(line, first=first):
                raise ValueError(f"line {number}: {wrong}")
            first = False
            yield Line(f"line {number}", line)


def _from_csv(content: pa.Buffer) -> Iterator[Line]:
    broken: list[pcsv.InvalidRow] = []

    def refuse(row: pcsv.InvalidRow) -> str:
        broken.append(row)
        return "error"

    def read(*columns: str) -> pa.Table:
        return pcsv.read_csv(
            pa.BufferReader(content),
            read_options=pcsv.ReadOptions(use_threads=False, block_size=content.size + 1),
            parse_options=pcsv.ParseOptions(newlines_in_values=True, invalid_row_handler=refuse),
            convert_options=pcsv.ConvertOptions(
                include_columns=columns, column_types=dict.fromkeys(columns, pa.string())
            ),
        )

    try:
        try:
            table = read(JOB_ID, SUBMITTED_AT)
        except KeyError:
            table = read(JOB_ID)
    except KeyError:
        raise ValueError("its header has no job_id") from None
    except pa.ArrowInvalid:
        raise ValueError(_csv_problem(content, broken)) from None
    if content.to_pybytes().count(b'"') % 2:  # it would have swallowed the ids that follow
        raise ValueError("a double quote is opened and not closed")
    return _numbered(table)


def _csv_problem(content: pa.Buffer, broken: list[pcsv.InvalidRow]) -> str:
    if not content.size:
        return "it is empty, without a header"
    if not broken:
        return "it is no CSV in UTF-8"
    row = broken[0]
    return f"row {row.number} has {row.actual_columns} fields, the header {row.expected_columns}"


def _from_jsonl(content: pa.Buffer) -> Iterator[Line]:
    lines = content.to_pybytes().removeprefix(codecs.BOM_UTF8).splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError:
            raise ValueError(f"line {number} is not JSON") from None
        if not isinstance(document, dict) or JOB_ID not in document:
            raise ValueError(f"line {number} is no object with a job_id")
        yield Line(f"line {number}", document[JOB_ID], document.get(SUBMITTED_AT))


def _from_parquet(content: pa.Buffer) -> Iterator[Line]:
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        names = [name for name in (JOB_ID, SUBMITTED_AT) if name in file.schema_arrow.names]
        if JOB_ID not in names:
            raise ValueError("it has no column job_id")
        table = file.read(columns=names)
    except (pa.ArrowException, OSError):
        raise ValueError("it is no whole Parquet file") from None
    return _numbered(table)


def _numbered(table: pa.Table) -> Iterator[Line]:
    jobs = table[JOB_ID].to_pylist()
    times = table[SUBMITTED_AT].to_pylist() if SUBMITTED_AT in table.column_names else None
    for number, job in enumerate(jobs):
        yield Line(f"job {number + 1}", job, times[number] if times else None)


_READERS: dict[str, Callable[[pa.Buffer], Iterable[Line]]] = {
    ".txt": _from_text,
    ".csv": _from_csv,
    ".jsonl": _from_jsonl,
    ".parquet": _from_parquet,
}
SUFFIXES = tuple(_READERS)
