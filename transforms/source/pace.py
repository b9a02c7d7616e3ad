"""When the next query may go out: one even pace for all who ask, and how long a retry waits."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Final, Protocol, cast

from pyrate_limiter import GCRA, Rate, RateItem, StateBucket
from tenacity import wait_random_exponential

from transforms.errors import CognitionError, RetryableError
from transforms.source.pace_state import (
    RETRY_AFTER_CEILING_SECONDS,
    TICKS_PER_SECOND,
    MicrosecondClock,
    OwnPace,
    SharedPace,
)

if TYPE_CHECKING:
    from pyrate_limiter import Decision
    from tenacity import RetryCallState

HEADROOM: Final = 1.05
"""Gaps are this much longer than the rate needs: so calls that arrive up to 50 ms closer together
than they left still keep the rate at the service's side."""


class StoppedError(CognitionError):
    """The run was stopped before this query went out; its job stays pending."""


class Stop(Protocol):
    """The part of `threading.Event` that waiting needs."""

    def is_set(self) -> bool:
        """Returns whether the run was stopped."""

    def wait(self, timeout: float) -> object:
        """Waits until the run is stopped, at most `timeout` seconds."""


class QueryPace:
    """Lets queries out one by one, evenly spaced, whichever thread or process asks.

    There is no burst: in no second does more than the agreed number go out (rounded up).

    Args:
        queries_per_second: The ceiling; the pace keeps 5 % below it.
        clock: Gives the time within this process; tests put in their own.
        shared: The pace that other processes keep, too; None: this process is alone.
    """

    def __init__(
        self,
        queries_per_second: float,
        clock: MicrosecondClock | None = None,
        shared: SharedPace | None = None,
    ) -> None:
        gap = Rate(1, math.ceil(HEADROOM * TICKS_PER_SECOND / queries_per_second))
        own = OwnPace(clock)
        # Its own pace first: so a process asks the file once a query, not in vain, and keeps the
        # rate even where the clocks of two machines are hours apart.
        self._stores = (own,) if shared is None else (own, shared)
        self._gates = [(StateBucket([gap], GCRA(), each), each.clock) for each in self._stores]
        self._turn = threading.Lock()

    def wait_turn(self, stop: Stop) -> None:
        """Blocks until one query may go out.

        Args:
            stop: Ends the wait at once when set.

        Raises:
            StoppedError: `stop` was set; nothing may go out.
            ConfigurationError: The file of the shared pace cannot be used.
        """
        # One thread waits for the slot, the others for the lock: nobody wakes up in vain.
        with self._turn:
            for gate, clock in self._gates:
                _pass(gate, clock, stop)

    def hold(self, seconds: float) -> None:
        """Lets nothing out for a while: no thread, and no process that shares the pace.

        Args:
            seconds: How long from now; two minutes at most.
        """
        for store in self._stores:
            store.hold(seconds)


def _pass(gate: StateBucket, clock: MicrosecondClock, stop: Stop) -> None:
    while not stop.is_set():
        asked = gate.put_decision(RateItem("query", clock.now()))
        decision = cast("Decision", asked)  # our stores decide at once
        if decision.allowed:
            return
        stop.wait((decision.retry_after_ms or 0) / TICKS_PER_SECOND)
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
