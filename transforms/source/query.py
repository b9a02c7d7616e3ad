"""Asks the service for jobs: many at once, at one pace, retried by kind of error, byte-exact."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from queue import Empty, SimpleQueue
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tenacity import Retrying, retry_if_exception, stop_after_attempt
from tenacity.nap import sleep_using_event

from transforms.errors import (
    CognitionError,
    RejectedJobError,
    RetryableError,
    SourceUnavailableError,
)
from transforms.settings import SourceSettings
from transforms.source.access import endpoint_of, key_pair_of
from transforms.source.breaker import Breaker
from transforms.source.errors import Failure
from transforms.source.pace import QueryPace, RetryWait, StoppedError
from transforms.source.reply import Reply, SourceCounters, Unanswered, read_reply

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from transforms.source.sdk import ServiceClient

_LOG = logging.getLogger(__name__)

_GRACE_SECONDS = 2.0
"""After a fatal error, calls already on the wire get this long to bring their answer home."""


class CognitionSource:
    """Asks the service; owns one SDK client, one pace and one thread pool.

    Use it as a context manager. The SDK is imported with the first query.

    Args:
        settings: How to reach the service and how hard to press it.
        pace: When queries may go out; default: a pace of this source alone.

    Attributes:
        counters: What went over the wire so far.

    Raises:
        ConfigurationError: Region, endpoint or key pair cannot be right.
    """

    def __init__(self, settings: SourceSettings, pace: QueryPace | None = None) -> None:
        endpoint_of(settings)
        key_pair_of(settings)
        self.counters = SourceCounters()
        self._settings = settings
        self._pace = pace or QueryPace(settings.queries_per_second)
        self._breaker = Breaker(settings.failures_to_stop)
        self._wait = RetryWait(settings.max_backoff_seconds)
        self._pool = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="cognition-query")
        self._closed = threading.Event()
        self._stops: set[threading.Event] = set()
        self._building = threading.Lock()
        self._client: ServiceClient | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops every run and takes no more queries; calls on the wire end by themselves."""
        self._closed.set()
        for stop in list(self._stops):
            stop.set()
        self._pool.shutdown(wait=False)

    def query(self, job_id: str) -> Reply:
        """Asks for one job, with retries.

        Args:
            job_id: The job to ask for.

        Raises:
            RetryableError: The retries are used up; the job stays pending.
            RejectedJobError: The service does not answer this job.
            FatalError: The service refused us as a caller, or a setting is wrong.
            StoppedError: The source is closed.
        """
        return self._ask(job_id, self._closed)

    def query_all(self, job_ids: Iterable[str]) -> Iterator[Reply | Unanswered]:
        """Asks for many jobs at once and yields answers as they come.

        A rejected job gives its error reply. Ids are taken from `job_ids` as threads get free,
        never more than twice the concurrency ahead of the caller.

        Args:
            job_ids: The jobs to ask for, each once.

        Raises:
            FatalError: The service refused us, or a setting is wrong.
            SourceUnavailableError: It throttled or failed call after call. Everything answered by
                then was yielded before; nothing more goes out.
        """
        if self._closed.is_set():
            raise StoppedError("The source is closed: open a new one to go on.")
        stop = threading.Event()
        self._stops.add(stop)
        try:
            yield from self._run(iter(job_ids), stop)
        finally:
            stop.set()
            self._stops.discard(stop)

    def _run(self, ids: Iterator[str], stop: threading.Event) -> Iterator[Reply | Unanswered]:
        landed: SimpleQueue[Future[Reply | Unanswered]] = SimpleQueue()
        due = 0
        failure: BaseException | None = None
        deadline: float | None = None
        while True:
            if not stop.is_set():
                for job_id in islice(ids, 2 * self._settings.concurrency - due):
                    self._pool.submit(self._answer, job_id, stop).add_done_callback(landed.put)
                    due += 1
            elif deadline is None:
                deadline = monotonic() + _GRACE_SECONDS
            if not due:
                break
            try:
                future = landed.get(timeout=deadline and max(0.0, deadline - monotonic()))
            except Empty:
                break
            due -= 1
            error = future.exception()
            if error is None:
                yield future.result()
            elif failure is None and not isinstance(error, StoppedError):
                failure = error
        if failure is not None:
            raise failure

    def _answer(self, job_id: str, stop: threading.Event) -> Reply | Unanswered:
        try:
            return self._ask(job_id, stop)
        except RejectedJobError as error:
            return Reply(
                job_id, datetime.now(UTC), error.http_status, error.code, error.body, "api"
            )
        except SourceUnavailableError:
            stop.set()
            raise
        except RetryableError as error:
            return Unanswered(job_id, error)
        except BaseException:
            stop.set()
            raise

    def _ask(self, job_id: str, stop: threading.Event) -> Reply:
        retrying = Retrying(
            stop=stop_after_attempt(self._settings.max_attempts),
            wait=self._wait,
            retry=retry_if_exception(_may_heal),
            sleep=sleep_using_event(stop),
            before_sleep=self._note_retry,
            reraise=True,
        )
        return retrying(self._ask_once, job_id, stop)

    def _ask_once(self, job_id: str, stop: threading.Event) -> Reply:
        client = self._service()
        self._pace.wait_turn(stop)
        answer = client.call(job_id)
        outcome = (
            answer
            if isinstance(answer, Failure)
            else read_reply(job_id, client.host, answer.http_status, answer.body)
        )
        throttled = isinstance(outcome, Failure) and outcome.throttled
        self.counters.count_call(outcome.http_status, throttled=throttled)
        if isinstance(outcome, Failure):
            raise self._weigh(job_id, client.host, outcome)
        self._breaker.note_answer()
        return outcome

    def _weigh(self, job_id: str, host: str, failure: Failure) -> CognitionError:
        """Returns the error to raise; makes everybody wait where the service says so."""
        error = failure.error
        if isinstance(error, RejectedJobError):
            self._breaker.note_answer()
        if not isinstance(error, RetryableError):
            return error
        if error.retry_after_seconds is not None:
            self._pace.hold(error.retry_after_seconds)
        stopped = self._breaker.note_failure(job_id, host, failure)
        if stopped is None:
            return error
        # Whoever shares the account, a parallel task say, must not go on hammering at once.
        self._pace.hold(self._settings.max_backoff_seconds)
        return stopped

    def _service(self) -> ServiceClient:
        with self._building:
            if self._client is None:
                from transforms.source.sdk import ServiceClient  # noqa: PLC0415  slow to import

                self._client = ServiceClient(self._settings)
            return self._client

    def _note_retry(self, state: RetryCallState) -> None:
        self.counters.count_retry()
        error = state.outcome.exception() if state.outcome else None
        _LOG.info("Asking again in %.1f s. %s", state.upcoming_sleep, error)


def _may_heal(error: BaseException) -> bool:
    return isinstance(error, RetryableError) and not isinstance(error, SourceUnavailableError)
