"""The sandbox: the service on a loopback port, with its jobs, keys and faults."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property, partial
from types import TracebackType
from typing import Self

from sandbox import gateway
from sandbox.cache import ReplyCache
from sandbox.faults import Fault, Faults, RateCeiling
from sandbox.gateway import Gateway, Query, Reply
from sandbox.listener import HOST, HangUp, Listener
from sandbox.samples import sample_reply, sample_status
from sandbox.samples.dirt import Flaw, flaw_of
from sandbox.samples.ids import job_id, job_ids, job_number
from sandbox.signature import Credentials, Rejection, SignedRequest

Exact = bytes | tuple[int, Mapping[str, str], bytes]
"""A reply given word for word: a body for HTTP 200, or status, headers and body."""
DEFAULT_CREDENTIALS = Credentials("sandbox-key-id", "sandbox-key-secret")
"""Keys that open nothing but a sandbox."""
CACHE_BYTES = 64 * 1024 * 1024


class Sandbox:
    """A running stand-in for the service; use it in a `with` statement.

    Args:
        jobs: How many jobs the service knows, numbered from 0.
        seed: Which world of jobs.
        faults: What goes wrong on purpose; nothing by default.
        replies: Exact replies by job id, which need not be one of `job_ids`; a list gives the
            first, second, ... call each its own and repeats the last. Faults come before them.
        clean: True for jobs without flaws: each is Success and valid.
        port: Port on 127.0.0.1; 0 for any free one.
        credentials: The key pair (and STS token) it accepts.

    Attributes:
        throttled: Calls turned away by the rate ceiling.
        asked: Parameters of the last call that was let in, by job id.
    """

    def __init__(  # noqa: PLR0913  # all keyword-only, each with a default
        self,
        *,
        jobs: int = 200,
        seed: int = 7,
        faults: Faults | None = None,
        replies: Mapping[str, Exact | list[Exact]] | None = None,
        clean: bool = False,
        port: int = 0,
        credentials: Credentials = DEFAULT_CREDENTIALS,
    ) -> None:
        self.jobs = jobs
        self.seed = seed
        self.throttled = 0
        self.asked: dict[str, Mapping[str, str]] = {}
        self._faults = faults or Faults()
        self._replies = replies or {}
        self._clean = clean
        self._credentials = credentials
        self._gateway = Gateway(credentials)
        per_second = self._faults.max_queries_per_second
        self._ceiling = RateCeiling(per_second) if per_second else None
        self._cache = ReplyCache(CACHE_BYTES)
        self._calls: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._listener = Listener(port, self._answer)

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._listener.stop()

    @property
    def endpoint(self) -> str:
        """Returns host and port, as the SDK's `endpoint` wants them."""
        return f"{HOST}:{self._listener.server_port}"

    @property
    def url(self) -> str:
        """Returns the address with its scheme."""
        return f"http://{self.endpoint}"

    @property
    def access_key_id(self) -> str:
        """Returns the key id it accepts."""
        return self._credentials.access_key_id

    @property
    def access_key_secret(self) -> str:
        """Returns the secret of that key."""
        return self._credentials.access_key_secret

    @property
    def calls(self) -> Counter[str]:
        """Returns how often each job was asked for, faults included, as of now."""
        with self._lock:
            return self._calls.copy()

    @cached_property
    def job_ids(self) -> list[str]:
        """Returns the ids of all its jobs, in order of number; some are unknown to the service."""
        return job_ids(self.seed, self.jobs)

    def ids_with(self, flaw: Flaw) -> list[str]:
        """Returns the ids of the jobs with `flaw`, in order of number."""
        if self._clean:
            return self.job_ids if flaw is Flaw.NONE else []
        return [
            job_id(self.seed, number)
            for number in range(self.jobs)
            if flaw_of(self.seed, number) is flaw
        ]

    def _answer(self, request: SignedRequest) -> Reply | HangUp:
        request_id = str(uuid.uuid4()).upper()
        rejection = self._gateway.admit(request, datetime.now(UTC))
        if rejection:
            return gateway.rejected(rejection, request_id)
        wait = self._ceiling.wait_seconds(time.monotonic()) if self._ceiling else 0
        if wait:
            with self._lock:
                self.throttled += 1
            return gateway.throttled(request_id, max(1, round(wait * 1000)))
        query = gateway.read_query(request)
        if isinstance(query, Rejection):
            return gateway.rejected(query, request_id)
        return self._answer_query(query, dict(request.query), request_id)

    def _answer_query(
        self, query: Query, parameters: Mapping[str, str], request_id: str
    ) -> Reply | HangUp:
        with self._lock:
            self._calls[query.job_id] += 1
            nth = self._calls[query.job_id]
            self.asked[query.job_id] = parameters
        fault = self._faults.of_call(query.job_id, nth)
        if fault is Fault.HANG:
            self._stopping.wait(self._faults.hang_seconds)
            return HangUp()
        if fault is Fault.RESET:
            return HangUp(reset=True)
        reply = self._reply(query, nth, request_id)
        if fault:
            return gateway.faulty(fault, reply, request_id, self._faults.retry_after_ms)
        return reply

    def _reply(self, query: Query, nth: int, request_id: str) -> Reply:
        exact = self._replies.get(query.job_id)
        if isinstance(exact, list):
            exact = exact[min(nth, len(exact)) - 1]
        if isinstance(exact, bytes):
            return Reply(200, exact)
        if exact is not None:
            status, headers, body = exact
            return Reply(status, body, headers)
        number = job_number(self.seed, query.job_id)
        if number is None or number >= self.jobs:
            return gateway.unknown_job(request_id)
        make = partial(sample_reply, self.seed, number, query.needs, clean=self._clean)
        body = self._cache.get((number, query.needs), make)
        return Reply(sample_status(self.seed, number, clean=self._clean), body)
