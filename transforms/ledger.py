"""Known job ids: the files of `ledger/`, any of txt, csv, jsonl or parquet with a `job_id` column.

The service has no call that lists jobs, so this is where the flow begins. A job is pending while
`raw` holds no final reply of it; nothing else is remembered.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

import orjson
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from transforms.errors import ConfigurationError
from transforms.storage import Storage

FOLDER = "ledger"
ID_LIMIT = 256
SHOWN = 12
"""Characters of a wrong id in a message: a file that is no ledger may hold anything."""

NOT_IN_TEXT = frozenset(',;{}"')
"""What an id in a .txt never holds: it would be a CSV or JSON Lines by another name."""
HEADER = "job_id"
SUFFIXES = (".txt", ".csv", ".jsonl", ".parquet")

Placed = tuple[str, object]
"""Where something stands, such as `line 3`, and what should be a job id."""


def read_ledger(storage: Storage) -> list[str]:
    """Returns all known job ids, each once, in the order of files and lines.

    Hidden files, and files in hidden folders, are passed over.

    Raises:
        ConfigurationError: A file is no ledger; the message names it and what it must hold.
    """
    found: dict[str, None] = {}
    _refuse_dangling(storage)
    for path in storage.list(FOLDER):
        if not _is_hidden(path):
            found.update(dict.fromkeys(_read(path, storage.read(path))))
    return list(found)


def add_jobs(storage: Storage, job_ids: Iterable[str], name: str) -> int:
    """Adds a ledger file `name`.txt with the ids that are not known yet; returns how many.

    Raises:
        ConfigurationError: An id is none, or the file exists; nothing was written.
    """
    known = set(read_ledger(storage))
    given = dict.fromkeys(_checked(job, "the given ids") for job in job_ids)
    fresh = [job for job in given if job not in known]
    for at, job in enumerate(fresh):
        if wrong := _shows_another_kind(job, first=at == 0):
            raise ConfigurationError(f"the given ids: {wrong}")
    if fresh:
        path = f"{FOLDER}/{name}.txt"
        if storage.exists(path):
            raise ConfigurationError(f"{path} exists already: a ledger file never changes")
        storage.write_bytes(path, "".join(f"{job}\n" for job in fresh).encode())
    return len(fresh)


def read_file(file: Path) -> list[str]:
    """Returns the job ids of a file that is no part of a lake, each once.

    Raises:
        ConfigurationError: It is no ledger, or cannot be read.
    """
    try:
        content = pa.py_buffer(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}: give a file of job ids") from None
    return list(dict.fromkeys(_read(str(file), content)))


def is_job_id(text: str) -> bool:
    """Tells whether a text can be a job id.

    Ids are opaque, but none is longer than 256 characters, holds spaces or control characters, or
    begins with the `#` of a comment.
    """
    return 0 < len(text) <= ID_LIMIT and text.isprintable() and " " not in text and text[0] != "#"


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(path).parts)


def _refuse_dangling(storage: Storage) -> None:
    """Refuses links to nothing, which a listing passes over without a word."""
    if storage.local is None:
        return
    for file in sorted((storage.local / FOLDER).rglob("*")):
        path = file.relative_to(storage.local).as_posix()
        if file.is_symlink() and not file.exists() and not _is_hidden(path):
            raise ConfigurationError(
                f"{path} is a link to nothing: bring its file back or remove the link"
            )


def _read(path: str, content: pa.Buffer) -> list[str]:
    by_suffix: tuple[Callable[[pa.Buffer], Iterable[Placed]], ...]
    by_suffix = (_from_text, _from_csv, _from_jsonl, _from_parquet)
    readers = dict(zip(SUFFIXES, by_suffix, strict=True))
    reader = readers.get(PurePosixPath(path).suffix.lower())
    if reader is None:
        kinds = ", ".join(SUFFIXES)
        raise ConfigurationError(f"{path} is no ledger: expected one of {kinds}; move it away")
    try:
        return [_checked(job, f"{path}, {place}") for place, job in reader(content)]
    except ValueError as error:
        raise ConfigurationError(
            f"{path} is no ledger: {error}; correct it or move it away "
            "(a ledger has a column job_id; a .txt has one id a line)"
        ) from None


def _checked(job: object, place: str) -> str:
    """Returns a job id without the blanks around it; a message shows no more than its start."""
    if not isinstance(job, str):
        said = "no job_id: give it" if job is None else "job_id is no text: quote or cast it"
        raise ConfigurationError(f"{place}: {said}, or remove the line")
    if not is_job_id(job := job.strip()):
        raise ConfigurationError(
            f"{place}: {_start(job)} is no job id "
            f"(at most {ID_LIMIT} printable characters, no spaces): correct or remove it"
        )
    return job


def _start(text: str) -> str:
    return repr(text[:SHOWN]) + "..." * (len(text) > SHOWN)


def _from_text(content: pa.Buffer) -> Iterator[Placed]:
    try:
        lines = content.to_pybytes().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError("it is no text in UTF-8") from None
    first = True
    for number, line in enumerate(map(str.strip, lines), start=1):
        if line and not line.startswith("#"):
            if wrong := _shows_another_kind(line, first=first):
                raise ValueError(f"line {number}: {wrong}")
            first = False
            yield f"line {number}", line


def _shows_another_kind(job: str, *, first: bool) -> str | None:
    """Tells what makes an id, or the first, that of another kind of file than .txt, or None."""
    if first and job == HEADER:
        return f"{HEADER!r} is no job id but a header: rename the file to .csv"
    if NOT_IN_TEXT.isdisjoint(job):
        return None
    return f"{_start(job)} is no job id of a .txt: rename the file to .csv or .jsonl if it is one"


def _from_csv(content: pa.Buffer) -> Iterator[Placed]:
    broken: list[pcsv.InvalidRow] = []

    def refuse(row: pcsv.InvalidRow) -> str:
        broken.append(row)
        return "error"

    try:
        table = pcsv.read_csv(
            pa.BufferReader(content),
            read_options=pcsv.ReadOptions(use_threads=False, block_size=content.size + 1),
            parse_options=pcsv.ParseOptions(newlines_in_values=True, invalid_row_handler=refuse),
            convert_options=pcsv.ConvertOptions(
                include_columns=["job_id"], column_types={"job_id": pa.string()}
            ),
        )
    except KeyError:
        raise ValueError("its header has no job_id") from None
    except pa.ArrowInvalid:
        raise ValueError(_csv_problem(content, broken)) from None
    if content.to_pybytes().count(b'"') % 2:  # it would have swallowed the ids that follow
        raise ValueError("a double quote is opened and not closed")
    return _numbered(table["job_id"])


def _csv_problem(content: pa.Buffer, broken: list[pcsv.InvalidRow]) -> str:
    if not content.size:
        return "it is empty, without a header"
    if not broken:
        return "it is no CSV in UTF-8"
    row = broken[0]
    return f"row {row.number} has {row.actual_columns} fields, the header {row.expected_columns}"


def _from_jsonl(content: pa.Buffer) -> Iterator[Placed]:
    lines = content.to_pybytes().removeprefix(codecs.BOM_UTF8).splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError:
            raise ValueError(f"line {number} is not JSON") from None
        if not isinstance(document, dict) or "job_id" not in document:
            raise ValueError(f"line {number} is no object with a job_id")
        yield f"line {number}", document["job_id"]


def _from_parquet(content: pa.Buffer) -> Iterator[Placed]:
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        if "job_id" not in file.schema_arrow.names:
            raise ValueError("it has no column job_id")
        column = file.read(columns=["job_id"])["job_id"]
    except (pa.ArrowException, OSError):
        raise ValueError("it is no whole Parquet file") from None
    return _numbered(column)


def _numbered(column: pa.ChunkedArray) -> Iterator[Placed]:
    for number, job in enumerate(column.to_pylist(), start=1):
        yield f"job {number}", job
