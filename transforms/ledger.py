"""Known job ids: the files of `ledger/`, any of txt, csv, jsonl or parquet with a `job_id` column.

The service has no call that lists jobs, so this is where the flow begins: files someone put there,
and what `append` adds from callbacks, messages, SQL and forms. A job is pending while `raw` holds
no final reply of it; nothing else is remembered.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import orjson
import pyarrow as pa

from transforms.errors import ConfigurationError
from transforms.ledger_files import (
    JOB_ID,
    SUBMITTED_AT,
    SUFFIXES,
    Line,
    read_lines,
    shows_another_kind,
    start_of,
)
from transforms.storage import Storage

FOLDER = "ledger"
ID_LIMIT = 256
EARLIEST = datetime(2020, 1, 1)  # noqa: DTZ001 - naive UTC, as all times in here
APPENDED = re.compile(
    rf"(?P<place>{FOLDER}/[^/]+/)(?P<time>(?P<day>\d{{8}})T\d{{6}})-[0-9a-f]{{12}}\.jsonl"
)
"""Paths of files that `append` wrote."""
_READERS = 16


class Known(NamedTuple):
    """Since when a job is known, naive UTC.

    Attributes:
        since: What was told, else when its file was written, which a copy may have changed.
        told: The earliest time that its lines give as `submitted_at`, or where they do not that
            `append` named their file by; None where nothing tells.
    """

    since: datetime
    told: datetime | None


def read_ledger(storage: Storage) -> list[str]:
    """Returns all known job ids, each once, in the order of files and lines.

    Hidden files, and files in hidden folders, are passed over.

    Raises:
        ConfigurationError: A file is no ledger; the message names it and what it must hold.
    """
    return list(read_jobs(storage))


def read_jobs(storage: Storage) -> dict[str, Known]:
    """Returns since when each known job is known, in the order of files and lines.

    A time before 2020, when no such job existed, or in the future tells nothing.

    Raises:
        ConfigurationError: As of `read_ledger`.
    """
    _refuse_dangling(storage)
    now = datetime.now(UTC).replace(tzinfo=None)
    written: dict[str, datetime] = {}
    told: dict[str, datetime] = {}
    for path, at, content in read_files(storage, FOLDER):
        appended = appended_at(path)
        for job, submitted in _read(path, content):
            written[job] = min(at, written.get(job, at))
            since = submitted or appended
            if since is not None and EARLIEST <= since <= now:
                told[job] = min(since, told.get(job, since))
    return {job: Known(told.get(job, at), told.get(job)) for job, at in written.items()}


def read_files(storage: Storage, folder: str) -> Iterator[tuple[str, datetime, pa.Buffer]]:
    """Yields path, time written and content of the files below a folder of the ledger.

    A file that was merged into another since it was listed is found there: what is listed anew is
    read as well, until nothing is missing.
    """
    seen: set[str] = set()
    missing = True
    while missing:
        listed = storage.list_written(folder)
        paths = [path for path in listed if path not in seen and not _is_hidden(path)]
        missing = False
        # A store answers one question after the other slowly, and many at once.
        with ThreadPoolExecutor(_READERS if storage.local is None else 1) as pool:
            for path, content in zip(
                paths, pool.map(partial(_content, storage), paths), strict=True
            ):
                seen.add(path)
                if content is None:
                    missing = True
                else:
                    yield path, listed[path], content


def appended_at(path: str) -> datetime | None:
    """Returns when `append` wrote a file, by its name, naive UTC; None of another's file."""
    named = APPENDED.fullmatch(path)
    return datetime.strptime(named["time"], "%Y%m%dT%H%M%S") if named else None  # noqa: DTZ007 - UTC


def append(
    storage: Storage,
    records: Sequence[Mapping[str, object]],
    origin: str,
    *,
    now: datetime | None = None,
) -> str | None:
    """Adds a ledger file `<origin>/<time>-<digest>.jsonl`, durable when this returns.

    Args:
        storage: The lake.
        records: What is known of each job; must hold its `job_id`, may hold `submitted_at`.
        origin: Where the ids come from, such as `callbacks`: the folder of the file.
        now: Time for its name; default: the present.

    Returns:
        Path of the file, or None where there are no records. What it holds tells its name: the
        same records at the same time are one file.

    Raises:
        ConfigurationError: An id is none; nothing was written.
    """
    if not records:
        return None
    place = "the given ids"
    lines = [{**each, JOB_ID: _checked(each.get(JOB_ID), place)} for each in records]
    content = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    digest = hashlib.sha256(content).hexdigest()[:12]
    path = f"{FOLDER}/{origin}/{moment:%Y%m%dT%H%M%S}-{digest}.jsonl"
    storage.write_bytes(path, content)
    return path


def add_jobs(storage: Storage, job_ids: Iterable[str], name: str) -> int:
    """Adds a ledger file `name`.txt with the ids that are not known yet; returns how many.

    Raises:
        ConfigurationError: An id is none, or the file exists; nothing was written.
    """
    fresh = unknown_jobs(storage, job_ids)
    for at, job in enumerate(fresh):
        if wrong := shows_another_kind(job, first=at == 0):
            raise ConfigurationError(f"the given ids: {wrong}")
    if fresh:
        path = f"{FOLDER}/{name}.txt"
        if storage.exists(path):
            raise ConfigurationError(f"{path} exists already: a ledger file never changes")
        storage.write_bytes(path, "".join(f"{job}\n" for job in fresh).encode())
    return len(fresh)


def unknown_jobs(storage: Storage, job_ids: Iterable[str]) -> list[str]:
    """Returns those of some ids that the ledger does not hold, each once.

    Raises:
        ConfigurationError: An id is none.
    """
    given = dict.fromkeys(_checked(job, "the given ids") for job in job_ids)
    known = set(read_ledger(storage)) if given else set()  # a run without typed ids reads it later
    return [job for job in given if job not in known]


def read_file(file: Path) -> list[str]:
    """Returns the job ids of a file that is no part of a lake, each once.

    Raises:
        ConfigurationError: It is no ledger, or cannot be read.
    """
    try:
        content = pa.py_buffer(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}: give a file of job ids") from None
    return list(dict.fromkeys(job for job, _ in _read(str(file), content)))


def is_job_id(text: str) -> bool:
    """Tells whether a text can be a job id.

    Ids are opaque, but none is longer than 256 characters, holds spaces or control characters, or
    begins with the `#` of a comment.
    """
    return 0 < len(text) <= ID_LIMIT and text.isprintable() and " " not in text and text[0] != "#"


def _content(storage: Storage, path: str) -> pa.Buffer | None:
    try:
        return storage.read(path)
    except FileNotFoundError:
        return None


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


def _read(path: str, content: pa.Buffer) -> Iterator[tuple[str, datetime | None]]:
    """Yields each job of a file, and when it was submitted if the file says so."""
    try:
        lines = read_lines(path, content)
        if lines is None:
            kinds = ", ".join(SUFFIXES)
            raise ConfigurationError(f"{path} is no ledger: expected one of {kinds}; move it away")
        for line in lines:
            yield _checked(line.job_id, f"{path}, {line.place}"), _submitted(line, path)
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
            f"{place}: {start_of(job)} is no job id "
            f"(at most {ID_LIMIT} printable characters, no spaces): correct or remove it"
        )
    return job


def _submitted(line: Line, path: str) -> datetime | None:
    """Returns a line's `submitted_at` as naive UTC; a time without a zone is UTC."""
    given = line.submitted_at
    if given is None or given == "":
        return None
    try:
        moment = datetime.fromisoformat(given) if isinstance(given, str) else given
        if isinstance(moment, datetime):
            return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
        if isinstance(moment, date):
            return datetime.combine(moment, time())
    except (ValueError, OverflowError):
        pass
    raise ConfigurationError(
        f"{path}, {line.place}: {SUBMITTED_AT} is no time: give one such as 2026-01-31T12:00:00Z, "
        "or leave it empty"
    )
