"""One completion message: what it says, or why it says nothing. Pure; it never raises.

The vendor documents two forms: the Message Service text of smart tagging, `{"Type", "JobId",
"State", "UserData"}`, and the envelope of IMS event callbacks, `{"EventType", "UserId",
"EventTime", "MessageBody"}`. Whether either is Base64 is not documented, so both are read.
`UserData` may hold anything, secrets too: it is neither read nor kept.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

from transforms.ledger import is_job_id

LIMIT_BYTES: Final = 64 * 1024
"""Most bytes of a body, encoded as it came; what a Message Service queue takes at most."""
OLDEST: Final = timedelta(days=30)
"""A message that tells an older time is wrong about it: no queue keeps one so long."""

_NAME = re.compile(r"[\w.:\-]{1,64}", re.ASCII)
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Completion:
    """A message about a job.

    Attributes:
        job_id: The job; it has the shape of an id, whether there is such a job is not known.
        event: `Type` or `EventType` as it was written.
        status: `State` or `Status`, None where it is no plain word. No status is left out: a job
            that still runs is asked for until it is done.
        at: When the message says that it happened, naive UTC; None where it does not.
    """

    job_id: str
    event: str
    status: str | None
    at: datetime | None

    def to_record(self, received_at: datetime) -> dict[str, object]:
        """Returns the ledger's record of this message.

        `submitted_at` is a time by which the job had been submitted. The signature of a callback
        does not cover its text, so a time nobody can have meant is left out.

        Args:
            received_at: When the message came, naive UTC.
        """
        record: dict[str, object] = {
            "job_id": self.job_id,
            "event": self.event,
            "status": self.status,
            "received_at": _to_text(received_at),
        }
        if self.at is not None and received_at - OLDEST <= self.at <= received_at:
            record["submitted_at"] = _to_text(self.at)
        return record


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message that is about something else; `event` is its kind, fit for a report."""

    event: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message nobody can read; the reason quotes nothing of it."""

    reason: str


Parsed = Completion | Ignored | Unreadable


def parse_body(body: bytes | str, counted: Collection[str]) -> Parsed:
    """Returns what a message says.

    Args:
        body: JSON, or Base64 of it.
        counted: The types and event types that are about cognition jobs, case-folded.
    """
    # Half a surrogate pair becomes bytes that are no UTF-8, and those are no JSON.
    content = body.encode(errors="surrogatepass") if isinstance(body, str) else body
    if len(content) > LIMIT_BYTES:
        return Unreadable(f"longer than {LIMIT_BYTES:,} bytes")
    document = _decode(content)
    if document is None:
        return Unreadable("neither a JSON object nor Base64 of one")
    if "EventType" in document:
        return _read_envelope(document, counted)
    if "Type" in document:
        return _read(document["Type"], document, "State", None, counted)
    if "TopicName" in document:
        return Unreadable("wrapped by a topic: set its subscription's format to SIMPLIFIED")
    return Unreadable("it has neither Type nor EventType")


def _decode(content: bytes) -> dict[str, object] | None:
    text = content.removeprefix(_BOM).strip()
    if not text.startswith(b"{"):
        try:
            text = base64.b64decode(b"".join(text.split()), validate=True)
        except binascii.Error:
            return None
    return _as_object(text.removeprefix(_BOM).strip())


def _as_object(text: bytes | str) -> dict[str, object] | None:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _read_envelope(document: Mapping[str, object], counted: Collection[str]) -> Parsed:
    inner = document.get("MessageBody")
    body = _as_object(inner) if isinstance(inner, str) else inner
    if not isinstance(body, dict):
        body = {}  # of an event that does not count, nobody asks for more
    at = _to_time(document.get("EventTime"))
    return _read(document["EventType"], body, "Status", at, counted)


def _read(
    event: object,
    body: Mapping[str, object],
    status_key: str,
    at: datetime | None,
    counted: Collection[str],
) -> Parsed:
    name = _plain_name(event)
    if name is None:
        return Unreadable("its type is no plain name")
    if name.casefold() not in counted:
        return Ignored(name)
    job_id = body.get("JobId")
    if not isinstance(job_id, str) or not is_job_id(job_id):
        return Unreadable("it counts, but has no JobId" if job_id is None else "no job id in JobId")
    return Completion(job_id, name, _plain_name(body.get(status_key)), at)


def _plain_name(value: object) -> str | None:
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None


def _to_time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
        aware = time if time.tzinfo else time.replace(tzinfo=UTC)
        return aware.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


def _to_text(time: datetime) -> str:
    return f"{time.isoformat(timespec='seconds')}Z"
