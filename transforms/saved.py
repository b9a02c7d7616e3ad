"""Replies someone saved as JSON files: whose they are, and whether they are final."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import orjson

from transforms import ledger
from transforms.errors import ConfigurationError
from transforms.source import is_final
from transforms.storage import sha256_of


class SavedFile(NamedTuple):
    """What a saved reply's file holds; its body, which may be long, is left there."""

    file: Path
    job_id: str
    sha256: str
    is_final: bool


class SavedReply(NamedTuple):
    """A reply someone saved; `queried_at` is when it was imported."""

    job_id: str
    queried_at: datetime
    body: bytes
    origin: str = "import"
    http_status: int | None = None
    error_code: str | None = None


def read_saved(file: Path, job_id: str | None) -> SavedFile:
    """Reads what there is to know of a saved reply.

    Args:
        file: A JSON file, one reply.
        job_id: Its job; else the file's own JobId, else its stem.

    Raises:
        ConfigurationError: The file cannot be read or is no reply.
    """
    try:
        body = file.read_bytes()
        document = orjson.loads(body)
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}; nothing was imported") from None
    except ValueError as error:
        raise ConfigurationError(f"{file} is not JSON ({error}); nothing was imported") from None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{file} is no reply: expected an object; nothing was imported")
    own = document.get("JobId")
    job = (job_id or (own if isinstance(own, str) and own else file.stem)).strip()
    if not ledger.is_job_id(job):
        raise ConfigurationError(
            f"{file}: its JobId or name is no job id: give one with --job-id; nothing was imported"
        )
    return SavedFile(file, job, sha256_of(body), is_final(body))


def open_saved(saved: Iterable[SavedFile]) -> Iterator[SavedReply]:
    """Reads the files again, one at a time; of two replies of a job the later file is the newer."""
    now = datetime.now(UTC)
    for number, each in enumerate(saved):
        at = now + timedelta(microseconds=number)
        yield SavedReply(each.job_id, at, each.file.read_bytes())
