"""Replies someone saved as JSON files: whose they are, and which of them may land."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import orjson

from transforms import ledger, raw
from transforms.errors import ConfigurationError
from transforms.plain import plain
from transforms.reply_shape import ReplyShape, read_shape
from transforms.reports import ImportReport, Skipped
from transforms.source import (
    KNOWN_STATUSES,
    ServiceError,
    Verdict,
    is_final,
    readable_code,
    reply_code,
    reply_status,
    verdict_of,
)
from transforms.storage import Storage, sha256_of


class SavedFile(NamedTuple):
    """What a saved reply's file holds; its body, which may be long, is left there.

    Attributes:
        file: Where it lies.
        job_id: Its job.
        sha256: Hash of its bytes.
        has_status: Whether it has a JobStatus.
        flaw: Why it must not land, or None.
    """

    file: Path
    job_id: str
    sha256: str
    has_status: bool
    flaw: str | None


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
        job_id: Its job; else the id the reply gives it (JobId; of GetMediaInfo AiJobId, else
            MediaId), else the file's stem.

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
    shape = read_shape(document)
    if not shape.is_reply:
        raise ConfigurationError(
            f"{file} is no reply: it has neither JobStatus nor Results nor Code; "
            "nothing was imported"
        )
    job = (job_id or shape.job_id or file.stem).strip()
    if not ledger.is_job_id(job):
        raise ConfigurationError(
            f"{file}: its JobId or name is no job id: give one with --job-id; nothing was imported"
        )
    status = reply_status(body)
    return SavedFile(file, job, sha256_of(body), status is not None, _flaw(body, status, shape))


def import_saved(storage: Storage, saved: Sequence[SavedFile], batch_bytes: int) -> ImportReport:
    """Lands the saved replies that are not there yet and say something for good.

    A reply without a JobStatus never takes the place of one with it.
    """
    index = raw.read_index(storage)
    newest = raw.newest_rows(index)
    held = {(row.job_id, row.body_sha256) for row in newest.values()}
    fresh = {(s.job_id, s.sha256): s for s in saved if (s.job_id, s.sha256) not in held}
    known = {s.job_id for s in fresh.values() if s.has_status and s.flaw is None}
    doubtful = {s.job_id for s in fresh.values() if not s.has_status and s.flaw is None}
    rows = (row for row in index if row.job_id in doubtful - known)
    known |= {row.job_id for row, body in raw.read_bodies(storage, rows) if reply_status(body)}
    judged = [(each, each.flaw or _late(each, known)) for each in fresh.values()]
    landing = [each for each, flaw in judged if flaw is None]
    return ImportReport(
        landed=len(landing),
        unchanged=len(saved) - len(fresh),
        skipped=tuple(Skipped(each.job_id, flaw) for each, flaw in judged if flaw is not None),
        raw_files=tuple(raw.write_raw(storage, _open(landing), batch_bytes)),
    )


def _flaw(body: bytes, status: str | None, shape: ReplyShape) -> str | None:
    """Tells why a reply answers nothing for good, or None where it does."""
    code = reply_code(body)
    if code is not None:
        return _error_flaw(code)
    if status is None and shape.is_media:
        return "its MediaInfo has no tagging job with a Status: there is no result in it"
    if status is None or is_final(body):
        return None
    key, sent = shape.status
    if status in KNOWN_STATUSES:
        return f"not final yet, its {key} is {sent}"
    return f"its {key} '{plain(sent)}' is not known, so it may not be final"


def _error_flaw(code: str) -> str | None:
    verdict = verdict_of(ServiceError(code, None))
    if verdict is Verdict.RETRY:
        return f"{readable_code(code)}: no answer about the job, ask the service again"
    if verdict is Verdict.REFUSED:
        return f"{readable_code(code)}: the service refused whoever asked, not the job"
    return None


def _late(saved: SavedFile, known: set[str]) -> str | None:
    if saved.has_status or saved.job_id not in known:
        return None
    return "it has no JobStatus, and a reply with one is there"


def _open(saved: Iterable[SavedFile]) -> Iterator[SavedReply]:
    """Reads the files again, one at a time; of two replies of a job the later file is the newer."""
    now = datetime.now(UTC)
    for number, each in enumerate(saved):
        at = now + timedelta(microseconds=number)
        yield SavedReply(each.job_id, at, each.file.read_bytes())
