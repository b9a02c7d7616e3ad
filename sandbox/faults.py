"""What goes wrong on purpose: a fault plan by job and call, by share, and a rate ceiling."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sandbox.samples.ids import draw

EVERY_JOB = "*"


class Fault(StrEnum):
    """One way a call can fail; the exceptions the SDK raises for each differ."""

    THROTTLE_429 = "throttle-429"
    THROTTLE_400 = "throttle-400"
    THROTTLE_429_RETRY_AFTER = "throttle-429-retry-after"
    THROTTLE_400_RETRY_AFTER = "throttle-400-retry-after"
    INTERNAL_ERROR = "internal-error"
    """500 with a JSON body, code `InternalError`."""
    BAD_GATEWAY = "bad-gateway"
    """502 with an HTML page."""
    EMPTY_503 = "empty-503"
    TRUNCATED = "truncated"
    """200 whose JSON ends in the middle, with a Content-Length that agrees."""
    CUT_OFF = "cut-off"
    """200 that promises more bytes than it sends, then closes."""
    HANG = "hang"
    """No answer for `Faults.hang_seconds`, then the connection closes."""
    RESET = "reset"
    """The connection is reset instead of an answer."""
    FORBIDDEN = "forbidden"
    """403 `Forbidden.RAM`: the caller lacks the permission."""


THROTTLES = (
    Fault.THROTTLE_429,
    Fault.THROTTLE_400,
    Fault.THROTTLE_429_RETRY_AFTER,
    Fault.THROTTLE_400_RETRY_AFTER,
)
ERRORS = (Fault.INTERNAL_ERROR, Fault.BAD_GATEWAY, Fault.EMPTY_503)


@dataclass(frozen=True)
class Faults:
    """A deterministic fault plan.

    Attributes:
        plan: For a job id (or `"*"`, every job without its own) what happens to its first, second,
            ... call; None and calls beyond the list are answered.
        throttle_share: Share of all other calls that is throttled, 0 to 1.
        error_share: Share of all other calls that gets 500, 502 or 503, 0 to 1.
        max_queries_per_second: What comes above within any one second is throttled; None: no limit.
        retry_after_ms: What `x-acs-retry-after` says, in milliseconds.
        hang_seconds: Longest time a hanging call is held; stopping the sandbox releases it.
        seed: Seed of the shares.
    """

    plan: Mapping[str, Sequence[Fault | None]] = field(default_factory=dict)
    throttle_share: float = 0.0
    error_share: float = 0.0
    max_queries_per_second: int | None = None
    retry_after_ms: int = 200
    hang_seconds: float = 30.0
    seed: int = 0

    def __post_init__(self) -> None:
        shares = (self.throttle_share, self.error_share)
        if min(shares) < 0 or sum(shares) > 1:
            raise ValueError(f"Shares must be 0 or more and at most 1 together, not {shares}.")
        if self.max_queries_per_second is not None and self.max_queries_per_second < 1:
            raise ValueError("max_queries_per_second must be 1 or more, or None for no ceiling.")

    def of_call(self, job: str, nth: int) -> Fault | None:
        """Returns the fault of the `nth` call (from 1) for `job`, or None to answer it."""
        steps = self.plan.get(job, self.plan.get(EVERY_JOB))
        if steps is not None:
            return steps[nth - 1] if nth <= len(steps) else None
        share = draw(self.seed, "fault", job, nth)
        pick = draw(self.seed, "kind", job, nth)
        if share < self.throttle_share:
            return THROTTLES[int(pick * len(THROTTLES))]
        if share < self.throttle_share + self.error_share:
            return ERRORS[int(pick * len(ERRORS))]
        return None


class RateCeiling:
    """Admits at most `per_second` calls within any one second; thread-safe."""

    def __init__(self, per_second: int) -> None:
        self._admitted: deque[float] = deque(maxlen=per_second)
        self._lock = threading.Lock()

    def wait_seconds(self, now: float) -> float:
        """Admits a call at monotonic time `now` and returns 0, or returns the seconds to wait."""
        with self._lock:
            full = len(self._admitted) == self._admitted.maxlen
            if full and now - self._admitted[0] < 1:
                return 1 - (now - self._admitted[0])
            self._admitted.append(now)
            return 0.0
