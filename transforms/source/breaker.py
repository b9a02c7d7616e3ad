"""Ends a run to which the service no longer answers, before it goes on hammering."""

from __future__ import annotations

import threading

from transforms.errors import SourceUnavailableError
from transforms.source.errors import Failure

_SLOWER = "Lower COGNITION_QUERIES_PER_SECOND, or see which other program uses the account's share."
_LATER = (
    "The service, or the way to it, is down: run again later. "
    "If it fails on these jobs alone, raise COGNITION_FAILURES_TO_STOP."
)


class Breaker:
    """Counts failures in a row, over all threads; an answer, whatever it says, begins anew.

    A throttled call counts each time: it concerns the account. Of other failures those of one job
    count once: a job that the service fails on must not stop the others, however often it is
    asked again.

    Args:
        limit: So many failures in a row end the run.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._throttled = 0
        self._failed: set[str] = set()
        self._lock = threading.Lock()

    def note_answer(self) -> None:
        """Notes that the service answered."""
        with self._lock:
            self._throttled = 0
            self._failed.clear()

    def note_failure(
        self, job_id: str, host: str, failure: Failure
    ) -> SourceUnavailableError | None:
        """Notes a call without an answer; returns why the run must end, or None.

        Args:
            job_id: The job that was asked for.
            host: The endpoint that was asked.
            failure: How the call ended.
        """
        with self._lock:
            if failure.throttled:
                self._throttled += 1
            else:
                self._failed.add(job_id)
            throttled, failed = self._throttled, len(self._failed)
        if throttled + failed < self._limit:
            return None
        return SourceUnavailableError(
            f"{host} does not answer: {throttled} calls throttled and {failed} jobs failing in a "
            "row; the run was stopped and the rest stays pending. "
            f"{_SLOWER if throttled >= failed else _LATER} The last: {failure.error}"
        )
