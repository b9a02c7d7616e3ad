"""Makes job ids durable together: all that wait go into one ledger file (group commit).

A callback must be answered within three seconds, and only once its id is durable. One writer
appends for all: whoever comes while it writes waits for the rest of that append and for the next
one, so the wait does not grow with the number of those who wait. Nobody waits longer than
`PATIENCE_SECONDS`; where the ledger is slower, or cannot be written, callers are sent away to come
again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Final, Self

from transforms.errors import CognitionError, RetryableError
from transforms.messages.body import Completion
from transforms.words import amount

PATIENCE_SECONDS: Final = 2.0
"""Longest wait of a caller; the service hangs up after 3 s."""
WAITING_LIMIT: Final = 4096
"""So many wait at most; of what comes above, none is kept in memory."""

Append = Callable[[Sequence[Mapping[str, object]]], object]

_log = logging.getLogger(__name__)
_FAILED: Final = "the ledger cannot be written: the log says why"
_SLOW: Final = "the ledger is not written in time: check the disk or object store of the lake"


class Intake:
    """Takes completions from many threads; use it in a `with` statement, which ends the writer.

    Args:
        append: Writes records durably or raises; called from one thread alone.
        known: Job ids the ledger holds.
        patience_seconds: Longest wait of a caller.
        clock: Seconds of a clock that never goes back.
    """

    def __init__(
        self,
        append: Append,
        known: Iterable[str],
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._append = append
        self._known = set(known)
        self._patience = patience_seconds
        self._clock = clock
        self._waiting: list[_Waiting] = []
        self._writing_since: float | None = None
        self._closed = False
        self._changed = threading.Condition()
        # A disk that hangs must not keep the process from ending: no caller has its answer yet.
        self._writer = threading.Thread(
            target=self._write_groups, name="ledger-writer", daemon=True
        )

    def __enter__(self) -> Self:
        self._writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._writer.join(2 * PATIENCE_SECONDS)

    def add(self, completion: Completion) -> bool:
        """Returns True once the job id is durable, False where the ledger knew it.

        Raises:
            RetryableError: It could not be written in time; it may be written later.
        """
        with self._changed:
            if completion.job_id in self._known:
                return False
            if self._is_overrun():
                raise RetryableError(_SLOW)
            waiting = _Waiting(completion, datetime.now(UTC).replace(tzinfo=None))
            self._waiting.append(waiting)
            self._changed.notify()
        try:
            new = waiting.result.result(self._patience)
        except TimeoutError:
            waiting.result.cancel()  # has no effect once it is being written
            raise RetryableError(_SLOW) from None
        if new is None:
            raise RetryableError(_FAILED)
        return new

    def _is_overrun(self) -> bool:
        since = self._writing_since
        stuck = since is not None and self._clock() - since > self._patience
        return stuck or self._closed or len(self._waiting) >= WAITING_LIMIT

    def _write_groups(self) -> None:
        while group := self._next_group():
            self._write(group)
            with self._changed:
                self._writing_since = None

    def _next_group(self) -> list[_Waiting]:
        """Returns all that wait, as soon as there are any; none once nobody can come."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            group, self._waiting = self._waiting, []
            self._writing_since = self._clock()
        return group

    def _write(self, group: Sequence[_Waiting]) -> None:
        wanted = [each for each in group if each.result.set_running_or_notify_cancel()]
        fresh: dict[str, _Waiting] = {}
        for each in wanted:
            if each.completion.job_id not in self._known:
                fresh.setdefault(each.completion.job_id, each)
        durable = self._try_append([each.record for each in fresh.values()])
        if durable:
            with self._changed:
                self._known.update(fresh)
        for each in wanted:
            new = fresh.get(each.completion.job_id) is each
            each.result.set_result(new if durable else None)

    def _try_append(self, records: Sequence[Mapping[str, object]]) -> bool:
        if not records:
            return True
        try:
            self._append(records)
        except Exception as error:  # noqa: BLE001 - a writer that died would answer nobody again
            told = str(error) if isinstance(error, CognitionError | OSError) else repr(type(error))
            ids = amount(len(records), "job id")
            _log.error("%s could not be written to the ledger: %s", ids, told)
            return False
        return True


class _Waiting:
    """A caller that waits for its id to be durable; None says that it could not be written."""

    def __init__(self, completion: Completion, received_at: datetime) -> None:
        self.completion = completion
        self.record = completion.to_record(received_at)
        self.result: Future[bool | None] = Future()
