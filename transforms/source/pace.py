"""When the next query may go out: one even pace for all threads, and how long a retry waits."""

from __future__ import annotations

import math
import threading
from time import monotonic_ns
from typing import TYPE_CHECKING, Final, Protocol, cast

from pyrate_limiter import GCRA, AbstractClock, Rate, RateItem, StateBucket
from tenacity import wait_random_exponential

from transforms.errors import CognitionError, RetryableError

if TYPE_CHECKING:
    from pyrate_limiter import Decision
    from tenacity import RetryCallState

RETRY_AFTER_CEILING_SECONDS: Final = 120.0
"""The longest wait taken from the service, in seconds; the SDK's own retry stops there too."""

HEADROOM: Final = 1.05
"""Gaps are this much longer than the rate needs: so calls that arrive up to 50 ms closer together
than they left still keep the rate at the service's side."""

_TICKS_PER_SECOND = 1_000_000


class StoppedError(CognitionError):
    """The run was stopped before this query went out; its job stays pending."""


class Stop(Protocol):
    """The part of `threading.Event` that waiting needs."""

    def is_set(self) -> bool:
        """Returns whether the run was stopped."""

    def wait(self, timeout: float) -> object:
        """Waits until the run is stopped, at most `timeout` seconds."""


class MicrosecondClock(AbstractClock):
    """Monotonic time in microseconds.

    The library speaks of milliseconds, but its arithmetic has no unit: with whole milliseconds
    300 queries a second would come out as 250.
    """

    def now(self) -> int:
        """Returns the time in microseconds."""
        return monotonic_ns() // 1000


class QueryPace:
    """Lets queries out one by one, evenly spaced, whichever thread asks.

    There is no burst: in no second does more than the agreed number go out (rounded up).

    Args:
        queries_per_second: The ceiling; the pace keeps 5 % below it.
        clock: Gives the time; tests put in their own.
    """

    def __init__(self, queries_per_second: float, clock: MicrosecondClock | None = None) -> None:
        gap = Rate(1, math.ceil(HEADROOM * _TICKS_PER_SECOND / queries_per_second))
        self._clock = clock or MicrosecondClock()
        self._bucket = StateBucket([gap], algorithm=GCRA())
        self._turn = threading.Lock()

    def wait_turn(self, stop: Stop) -> None:
        """Blocks until one query may go out.

        Args:
            stop: Ends the wait at once when set.

        Raises:
            StoppedError: `stop` was set; nothing may go out.
        """
        # One thread waits for the slot, the others for the lock: nobody wakes up in vain.
        with self._turn:
            while not stop.is_set():
                asked = self._bucket.put_decision(RateItem("query", self._clock.now()))
                decision = cast("Decision", asked)  # a bucket in memory decides at once
                if decision.allowed:
                    return
                stop.wait((decision.retry_after_ms or 0) / _TICKS_PER_SECOND)
        raise StoppedError("The run was stopped before this query. The next run asks again.")


class RetryWait:
    """Full jitter, doubling from one second, but never shorter than the service asked for."""

    def __init__(self, max_backoff_seconds: float) -> None:
        self._jitter = wait_random_exponential(multiplier=1, max=max_backoff_seconds)

    def __call__(self, state: RetryCallState) -> float:
        """Returns the wait before the next try, in seconds."""
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after_seconds if isinstance(error, RetryableError) else None
        return max(self._jitter(state), min(asked or 0.0, RETRY_AFTER_CEILING_SECONDS))
