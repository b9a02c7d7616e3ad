"""What came over the wire: replies, jobs without one, and counts; and how a reply is read.

A reply's content is not judged here, except where it shows that it is no reply: errors in an
HTTP 200, cut-off bodies, gateway pages.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from transforms.errors import RetryableError
from transforms.reply_shape import read_shape
from transforms.source.errors import (
    Failure,
    ServiceError,
    Verdict,
    failure_of,
    no_answer,
    verdict_of,
)

FINAL_STATUSES = frozenset({"Success", "Fail"})
KNOWN_STATUSES = FINAL_STATUSES | {"Submitted", "Processing"}


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the service as it came over the wire.

    Attributes:
        job_id: The job that was asked for.
        queried_at: When the answer came, UTC.
        http_status: Status of the answer, or None where the SDK lost it.
        error_code: The service's `Code` when this is an error reply.
        body: The exact bytes; of a status of 400 or more, the JSON the SDK kept, made compact.
        origin: `api`, or `import` for a saved file.
    """

    job_id: str
    queried_at: datetime
    http_status: int | None
    error_code: str | None
    body: bytes
    origin: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A job whose retries are used up; it stays pending.

    Attributes:
        job_id: The job that was asked for.
        error: The last error, with its remedy.
    """

    job_id: str
    error: RetryableError


@dataclass(slots=True)
class SourceCounters:
    """What went over the wire, counted across all threads.

    Attributes:
        calls: Calls made, retries among them.
        retries: Calls made again after a retryable error.
        throttled: Calls the service turned away because of their rate.
        by_status: Calls by HTTP status, `none` where no status came back.
    """

    calls: int = 0
    retries: int = 0
    throttled: int = 0
    by_status: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def count_call(self, http_status: int | None, *, throttled: bool) -> None:
        """Counts one call and how it ended."""
        status = "none" if http_status is None else str(http_status)
        with self._lock:
            self.calls += 1
            self.throttled += throttled
            self.by_status[status] = self.by_status.get(status, 0) + 1

    def count_retry(self) -> None:
        """Counts one retry about to be made."""
        with self._lock:
            self.retries += 1

    def snapshot(self) -> dict[str, int | dict[str, int]]:
        """Returns the counts of one moment, for a report."""
        with self._lock:
            return {
                "calls": self.calls,
                "retries": self.retries,
                "throttled": self.throttled,
                "by_status": dict(sorted(self.by_status.items())),
            }


def reply_status(body: bytes) -> str | None:
    """Returns the `JobStatus` of a reply, or None when it has none or is no JSON object."""
    try:
        return _text(_envelope(body), "JobStatus")
    except ValueError:
        return None


def reply_code(body: bytes) -> str | None:
    """Returns the error code of a reply without a `JobStatus`, or None where there is none."""
    try:
        return _error_code(_envelope(body))
    except ValueError:
        return None


def is_final(body: bytes) -> bool:
    """Returns whether asking again would change nothing: Success, Fail, or no JobStatus at all."""
    return reply_status(body) in {None, *FINAL_STATUSES}


def read_reply(job_id: str, host: str, http_status: int, body: bytes) -> Reply | Failure:
    """Returns an answer below HTTP 400 as a reply, unless it says, or shows, that it is none.

    Args:
        job_id: The job that was asked for.
        host: The endpoint that answered.
        http_status: The answer's status.
        body: Its exact bytes.
    """
    try:
        envelope = _envelope(body)
    except ValueError:
        failure = no_answer(job_id, host, "a cut-off or unreadable reply")
        return Failure(failure.error, http_status)
    code = _error_code(envelope)
    if code is not None:
        seen = ServiceError(code, http_status)
        if verdict_of(seen) is not Verdict.REJECTED:
            return failure_of(job_id, host, seen, body)
    return Reply(job_id, datetime.now(UTC), http_status, code, body, "api")


def _error_code(envelope: dict[str, Any]) -> str | None:
    """Returns the `Code`; beside a JobStatus it is one more unknown key."""
    if _text(envelope, "JobStatus") is not None:
        return None
    return _text(envelope, "Code") or _text(envelope, "code")


def _envelope(body: bytes) -> dict[str, Any]:
    """Returns the reply in its one form, or an empty one when it is another JSON value.

    Raises:
        ValueError: The reply does not hold one whole JSON value, so asking again may help.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = _leniently(body)
    return read_shape(value).reply if isinstance(value, dict) else {}


def _leniently(body: bytes) -> object:
    """Reads JSON that is whole yet not strict: NaN, 1e400, stray bytes, text behind the value.

    Such a reply is as odd the next time: it belongs into quarantine, not into a retry.
    """
    text = body.decode("utf-8-sig", errors="replace").lstrip()
    try:
        return json.JSONDecoder(strict=False, parse_int=float).raw_decode(text)[0]
    except RecursionError:
        return None


def _text(envelope: dict[str, Any], key: str) -> str | None:
    value = envelope.get(key)
    return value if isinstance(value, str) and value else None
