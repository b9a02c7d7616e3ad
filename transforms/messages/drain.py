"""Empties a queue into the ledger: receive, parse, append durably, and only then acknowledge.

Whatever ends it, nothing is lost: a message that was not acknowledged comes again, and an id that
the ledger knows by then is not written a second time.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from transforms import ledger
from transforms.errors import LakeUnreachableError, RetryableError
from transforms.messages.body import Completion, Ignored, Parsed, Unreadable, parse_body
from transforms.messages.known import known_ids
from transforms.messages.queue import BATCH_LIMIT, Message, MessageQueue
from transforms.reports import Progress, no_progress
from transforms.settings import QueueSettings
from transforms.storage import Storage, sha256_of

ORIGIN = "queue"
HELD_MESSAGES = 1024
"""So many messages go into one ledger file at most."""
HELD_SECONDS = 5.0
"""A message waits no longer for others: its loan, 30 s by default, must outlast the append."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DrainReport:
    """What became of the messages of a queue.

    Attributes:
        received: Messages delivered, one delivered again counted again.
        added: Job ids new to the ledger.
        known: Messages about jobs the ledger knew.
        ignored: Messages about something else, by event; they are removed.
        unreadable: Messages nobody can read, by reason; one text counts once.
        acknowledged: Messages removed from the queue; the others come again.
        ledger_files: Files written, relative to the lake.
        unfinished: Why it ended before its time, or None.
    """

    received: int = 0
    added: int = 0
    known: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0
    ledger_files: tuple[str, ...] = ()
    unfinished: str | None = None


def drain_queue(  # noqa: PLR0913 - keyword-only, each with a default
    storage: Storage,
    queue: MessageQueue,
    settings: QueueSettings,
    *,
    seconds: float = 60.0,
    limit: int | None = None,
    discard_unreadable: bool = False,
    progress: Progress = no_progress,
    clock: Callable[[], float] = time.monotonic,
) -> DrainReport:
    """Takes messages until a wait brings none, the time is over or there were `limit` of them.

    An unreadable message stays in the queue, for it may be of a form that the next version reads:
    its retention or dead-letter policy ends it. It is logged by hash, size and reason.

    Args:
        storage: The lake.
        queue: Where the messages are; it must be ours alone.
        settings: Which types count, and how long to wait for a message.
        seconds: After so long nothing more is received.
        limit: Most messages to receive.
        discard_unreadable: Remove unreadable messages too, once they are logged.
        progress: Told as `messages`.
        clock: Seconds of a clock that never goes back.

    Raises:
        RetryableError: The queue did not answer at all, or the ledger cannot be written; what was
            not appended was not acknowledged.
        SourceRefusedError: The service refused us.
        ConfigurationError: There is no such queue.
    """
    drain = _Drain(storage, queue, settings.counted_types, discard_unreadable)
    ends = clock() + seconds
    try:
        while (left := ends - clock()) > 0 and (room := _room(drain.received, limit)):
            wait = min(settings.queue_wait_seconds, int(left))
            if not drain.take(wait, min(room, HELD_MESSAGES), clock):
                break
            progress("messages", drain.received, None)
    except LakeUnreachableError:
        raise
    except RetryableError as error:
        if not drain.received:
            raise
        drain.unfinished = str(error)
    return drain.report()


def _room(received: int, limit: int | None) -> int:
    return HELD_MESSAGES if limit is None else max(0, limit - received)


class _Drain:
    """One pass over a queue; see `drain_queue`."""

    def __init__(
        self,
        storage: Storage,
        queue: MessageQueue,
        counted: frozenset[str],
        discard_unreadable: bool,  # noqa: FBT001 - handed on by name
    ) -> None:
        self._storage = storage
        self._queue = queue
        self._counted = counted
        self._discards = discard_unreadable
        self._ids = known_ids(storage)
        self._given_up: set[str] = set()
        self._files: list[str] = []
        self._ignored: Counter[str] = Counter()
        self._unreadable: Counter[str] = Counter()
        self.received = self._added = self._known = self._acknowledged = 0
        self.unfinished: str | None = None

    def report(self) -> DrainReport:
        """Returns what was done so far."""
        return DrainReport(
            received=self.received,
            added=self._added,
            known=self._known,
            ignored=dict(self._ignored),
            unreadable=dict(self._unreadable),
            acknowledged=self._acknowledged,
            ledger_files=tuple(self._files),
            unfinished=self.unfinished,
        )

    def take(self, wait: int, most: int, clock: Callable[[], float]) -> bool:
        """Makes one ledger file of the messages that are there; tells whether to go on."""
        held = self._queue.receive(wait, min(most, BATCH_LIMIT))
        since, failure = clock(), None
        while held and len(held) < most and clock() - since < HELD_SECONDS:
            try:
                more = self._queue.receive(0, min(most - len(held), BATCH_LIMIT))
            except RetryableError as error:  # those held are not made to wait for it
                failure = error
                break
            if not more:
                break
            held += more
        new = self._settle(held)
        if failure is not None:
            raise failure
        return new

    def _settle(self, messages: Sequence[Message]) -> bool:
        """Appends and acknowledges; false where nothing came but what was given up before."""
        parsed = [(message, parse_body(message.body, self._counted)) for message in messages]
        before = len(self._given_up)
        self.received += len(messages)
        self._append([each for _, each in parsed if isinstance(each, Completion)])
        receipts = [message.receipt for message, each in parsed if self._is_done(message, each)]
        if receipts:
            self._acknowledged += self._queue.acknowledge(receipts)
        return bool(receipts) or len(self._given_up) > before

    def _append(self, completions: Sequence[Completion]) -> None:
        now = datetime.now(UTC).replace(tzinfo=None)
        fresh: dict[str, Completion] = {}
        for each in completions:
            if each.job_id not in self._ids:
                fresh.setdefault(each.job_id, each)
        path = ledger.append(self._storage, [c.to_record(now) for c in fresh.values()], ORIGIN)
        if path is not None:
            self._files.append(path)
        self._ids.update(fresh)
        self._added += len(fresh)
        self._known += len(completions) - len(fresh)

    def _is_done(self, message: Message, parsed: Parsed) -> bool:
        """Counts what is not for the ledger; tells whether the message may be removed."""
        if isinstance(parsed, Ignored):
            self._ignored[parsed.event] += 1
        if not isinstance(parsed, Unreadable):
            return True
        digest = digest_of(message.body)
        if digest not in self._given_up:
            self._given_up.add(digest)
            self._unreadable[parsed.reason] += 1
            tell_unreadable(_log, message.body, parsed)
        return self._discards


def tell_unreadable(log: logging.Logger, body: bytes | str, parsed: Unreadable) -> None:
    """Logs an unreadable message so that it can be found again, without a word of it."""
    log.warning(
        "unreadable message, %d characters, sha256 %s: %s",
        len(body),
        digest_of(body),
        parsed.reason,
    )


def digest_of(body: bytes | str) -> str:
    """Returns the sha256 of a message's body."""
    return sha256_of(body.encode(errors="surrogatepass") if isinstance(body, str) else body)
