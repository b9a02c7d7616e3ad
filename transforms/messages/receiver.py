"""The HTTP side of callbacks, as a WSGI application: request in, status out.

200 is said only once the job id is durable, or the ledger knew it, or the event is about something
else. Whatever else is said, the service tries again, twice, and then drops the callback.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from transforms.errors import RetryableError
from transforms.messages.body import LIMIT_BYTES, Ignored, Unreadable, parse_body
from transforms.messages.callback import HEALTH_PATH, Signer
from transforms.messages.drain import tell_unreadable
from transforms.messages.intake import Intake

SILENT_SECONDS: Final = 60.0
"""Of callbacks turned away for one reason the log tells once in so long."""

Environ = Mapping[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ListenReport:
    """What became of the callbacks.

    Attributes:
        added: Job ids new to the ledger.
        known: Callbacks about jobs the ledger knew.
        ignored: Callbacks about something else, by event.
        unreadable: Callbacks nobody can read, by reason.
        refused: Callbacks that are not the service's, by reason.
        failed: Callbacks sent away because the ledger could not be written.
    """

    added: int = 0
    known: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and a word; `allow` names the methods where another was used."""

    status: HTTPStatus
    word: str
    allow: str = ""


class Receiver:
    """Answers callbacks; safe to call from many threads.

    Args:
        path: Path that callbacks are sent to.
        signer: What they are signed with; None takes any.
        counted: The types that count, case-folded.
        intake: Makes job ids durable.
        now: Seconds since 1970.
    """

    def __init__(
        self,
        path: str,
        signer: Signer | None,
        counted: frozenset[str],
        intake: Intake,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._signer = signer
        self._counted = counted
        self._intake = intake
        self._now = now
        self._tally = _Tally()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request, as WSGI has it."""
        answer = self._answer(environ)
        body = f"{answer.word}\n".encode()
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        if answer.allow:
            headers.append(("Allow", answer.allow))
        start_response(f"{answer.status.value} {answer.status.phrase}", headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def report(self) -> ListenReport:
        """Returns what became of the callbacks so far."""
        return self._tally.report()

    def _answer(self, environ: Environ) -> Answer:
        # WSGI hands the path out as Latin-1, whatever it is.
        path = environ.get("PATH_INFO", "").encode("latin-1").decode(errors="replace") or "/"
        method = environ["REQUEST_METHOD"]
        allowed = {HEALTH_PATH: ("GET", "HEAD"), self._path: ("POST",)}.get(path)
        if allowed is None:
            return Answer(HTTPStatus.NOT_FOUND, "not here")
        if method not in allowed:
            return Answer(HTTPStatus.METHOD_NOT_ALLOWED, "not so", ", ".join(allowed))
        return Answer(HTTPStatus.OK, "ok") if path == HEALTH_PATH else self._callback(environ)

    def _callback(self, environ: Environ) -> Answer:
        length = environ.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > LIMIT_BYTES:
            return Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too large")
        if (refusal := self._refusal(environ)) is not None:
            self._tally.turned_away("refused", refusal)
            return Answer(HTTPStatus.FORBIDDEN, "not signed by the service")
        return self._take(environ["wsgi.input"].read(int(length)))

    def _refusal(self, environ: Environ) -> str | None:
        if self._signer is None:
            return None
        timestamp = environ.get("HTTP_X_ICE_TIMESTAMP", "")
        return self._signer.refusal(timestamp, environ.get("HTTP_X_ICE_SIGNATURE", ""), self._now())

    def _take(self, body: bytes) -> Answer:
        parsed = parse_body(body, self._counted)
        if isinstance(parsed, Unreadable):
            tell_unreadable(_log, body, parsed)
            self._tally.count("unreadable", parsed.reason)
            return Answer(HTTPStatus.BAD_REQUEST, parsed.reason)
        if isinstance(parsed, Ignored):
            self._tally.count("ignored", parsed.event)
            return Answer(HTTPStatus.OK, "ignored")
        try:
            new = self._intake.add(parsed)
        except RetryableError as error:
            self._tally.turned_away("failed", str(error))
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, "try again")
        self._tally.count("added" if new else "known", "")
        return Answer(HTTPStatus.OK, "added" if new else "known")


class _Tally:
    """Counts outcomes by reason, and warns of those turned away without flooding the log."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._told: dict[tuple[str, str], tuple[float, int]] = {}
        self._lock = threading.Lock()

    def count(self, outcome: str, reason: str) -> int:
        """Counts one outcome and returns how often it came so far."""
        with self._lock:
            counts = self._counts.setdefault(outcome, Counter())
            counts[reason] += 1
            return counts[reason]

    def turned_away(self, outcome: str, reason: str) -> None:
        """Counts a callback that was turned away; the log tells now and then."""
        count = self.count(outcome, reason)
        with self._lock:
            at, told = self._told.get((outcome, reason), (float("-inf"), 0))
            if time.monotonic() - at < SILENT_SECONDS:
                return
            self._told[outcome, reason] = (time.monotonic(), count)
        callbacks = "a callback" if count - told == 1 else f"{count - told:,} callbacks"
        _log.warning("%s %s: %s", callbacks, outcome, reason)

    def report(self) -> ListenReport:
        with self._lock:
            by = {outcome: dict(counts) for outcome, counts in self._counts.items()}
        return ListenReport(
            added=sum(by.get("added", {}).values()),
            known=sum(by.get("known", {}).values()),
            ignored=by.get("ignored", {}),
            unreadable=by.get("unreadable", {}),
            refused=by.get("refused", {}),
            failed=sum(by.get("failed", {}).values()),
        )
