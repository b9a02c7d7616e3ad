"""Known job ids: the files of `ledger/`, any of txt, csv, jsonl or parquet with a `job_id` column.

The service has no call that lists jobs, so this is where the flow begins. A job is pending while
`raw` holds no final reply of it; nothing else is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

import orjson
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from transforms.errors import ConfigurationError
from transforms.storage import Storage

FOLDER = "ledger"
ID_LIMIT = 256


def read_ledger(storage: Storage) -> list[str]:
    """Returns all known job ids, each once, in the order of files and lines.

    Raises:
        ConfigurationError: A file is no ledger; the message names it and what it must hold.
    """
    found: dict[str, None] = {}
    for path in storage.list(FOLDER):
        if not PurePosixPath(path).name.startswith("."):
            found.update(dict.fromkeys(_read(path, storage.read(path))))
    return list(found)


def add_jobs(storage: Storage, job_ids: Iterable[str], name: str) -> int:
    """Adds a ledger file `name`.txt with the ids that are not known yet; returns how many."""
    known = set(read_ledger(storage))
    fresh = [job for job in dict.fromkeys(job_ids) if job not in known]
    for job in fresh:
        _checked(job, "the given ids")
    if fresh:
        path = f"{FOLDER}/{name}.txt"
        if storage.exists(path):
            raise ConfigurationError(f"{path} exists already: a ledger file never changes")
        storage.write_bytes(path, "".join(f"{job}\n" for job in fresh).encode())
    return len(fresh)


def _read(path: str, content: pa.Buffer) -> list[str]:
    readers: dict[str, Callable[[pa.Buffer], Iterable[object]]] = {
        ".txt": _from_text,
        ".csv": _from_csv,
        ".jsonl": _from_jsonl,
        ".parquet": _from_parquet,
    }
    reader = readers.get(PurePosixPath(path).suffix)
    if reader is None:
        kinds = ", ".join(readers)
        raise ConfigurationError(f"{path} is no ledger: expected one of {kinds}; move it away")
    try:
        return [_checked(job, path) for job in reader(content)]
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        said = str(error).splitlines()[0][:200]
        raise ConfigurationError(
            f"{path} is no ledger: {said}; it needs a job_id column (txt: one id a line)"
        ) from None


def _checked(job: object, path: str) -> str:
    """Returns a job id; ids are opaque, but none has spaces, control characters or 256 letters."""
    if isinstance(job, str):
        job = job.strip()
        if 0 < len(job) <= ID_LIMIT and job.isprintable() and " " not in job:
            return job
    raise ConfigurationError(f"{path}: {str(job)[:60]!r} is no job id; correct or remove the line")


def _from_text(content: pa.Buffer) -> Iterable[object]:
    lines = content.to_pybytes().decode("utf-8-sig").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def _from_csv(content: pa.Buffer) -> Iterable[object]:
    options = pcsv.ConvertOptions(include_columns=["job_id"], column_types={"job_id": pa.string()})
    table = pcsv.read_csv(pa.BufferReader(content), convert_options=options)
    return list(table["job_id"].to_pylist())


def _from_jsonl(content: pa.Buffer) -> Iterable[object]:
    lines = content.to_pybytes().splitlines()
    return [orjson.loads(line)["job_id"] for line in lines if line.strip()]


def _from_parquet(content: pa.Buffer) -> Iterable[object]:
    return list(pq.read_table(pa.BufferReader(content), columns=["job_id"])["job_id"].to_pylist())
