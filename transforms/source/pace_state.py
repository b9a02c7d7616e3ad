"""Where the pace is kept: since when the next query may go out, in this process or for all.

The library's own store for several processes needs one parent of them all; workers of a scheduler
have none in common but a folder.
"""

from __future__ import annotations

import os
import re
import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from time import monotonic_ns, time_ns
from typing import TYPE_CHECKING, Final

from filelock import FileLock, Timeout
from pyrate_limiter import AbstractClock, Decision, StateStore

from transforms.errors import ConfigurationError

if TYPE_CHECKING:
    from pyrate_limiter import Rate, StateAlgorithm

TICKS_PER_SECOND: Final = 1_000_000
_PER_TICK = 1000
"""GCRA counts in thousandths of the clock's unit."""

RETRY_AFTER_CEILING_SECONDS: Final = 120.0
"""The longest wait taken from the service, in seconds; the SDK's own retry stops there too."""

_LOCK_SECONDS: Final = 0.5
_POLL_SECONDS: Final = 0.001
_CONTENT = re.compile(rb"\d{20}\n")
_CONTENT_BYTES: Final = 21


class MicrosecondClock(AbstractClock):
    """Monotonic time in microseconds.

    The library speaks of milliseconds, but its arithmetic has no unit: with whole milliseconds
    300 queries a second would come out as 250.
    """

    def now(self) -> int:
        """Returns the time in microseconds."""
        return monotonic_ns() // 1000


class WallClock(MicrosecondClock):
    """Time of day in microseconds, which processes and machines share."""

    def now(self) -> int:
        """Returns the microseconds since 1970, UTC."""
        return time_ns() // 1000


class PaceStore(StateStore):
    """Keeps since when the next query may go out, and can put it off for all who share it.

    Args:
        clock: Gives the time of everything kept here.
    """

    is_async = False

    def __init__(self, clock: MicrosecondClock) -> None:
        self.clock = self.default_clock = clock

    def check(
        self, algorithm: StateAlgorithm, rates: list[Rate], now: int, weight: int
    ) -> Decision:
        """Decides about one query and remembers it if it may go out."""
        try:
            with self._locked():
                kept = self._load(now + rates[0].interval)
                advanced, decision = algorithm.step(rates, (kept,), now, weight)
                if decision.allowed:
                    self._save(int(advanced[0]))
                return decision
        except Timeout:  # somebody holds the lock and does not move: ask again
            return Decision(failing_rate=rates[0], retry_after_ms=0)

    def read(self, algorithm: StateAlgorithm, rates: list[Rate]) -> tuple[float, ...]:  # noqa: ARG002 - the library's signature
        """Returns what is kept."""
        with self._locked():
            return (self._load(self.clock.now() + rates[0].interval),)

    def reset(self) -> None:
        """Forgets every query and hold."""
        with self._locked():
            self._save(0)

    def hold(self, seconds: float) -> None:
        """Lets nothing out for so long, at most two minutes; a longer hold stays as it is."""
        now = self.clock.now()
        until = now + round(min(seconds, RETRY_AFTER_CEILING_SECONDS) * TICKS_PER_SECOND)
        with suppress(Timeout), self._locked():
            self._save(max(self._load(until), until * _PER_TICK))

    @abstractmethod
    def _locked(self) -> AbstractContextManager[object]:
        """Keeps others out while one reads and writes."""

    @abstractmethod
    def _load(self, latest: int) -> int:
        """Returns since when the next may go out, as GCRA counts; 0: long ago.

        Args:
            latest: The latest time, in ticks, that can be right without a hold.
        """

    @abstractmethod
    def _save(self, value: int) -> None:
        """Keeps it."""


class OwnPace(PaceStore):
    """The pace of this process alone."""

    def __init__(self, clock: MicrosecondClock | None = None) -> None:
        super().__init__(clock or MicrosecondClock())
        self._lock = threading.Lock()
        self._value = 0

    def _locked(self) -> AbstractContextManager[object]:
        return self._lock

    def _load(self, latest: int) -> int:  # noqa: ARG002 - this clock is never set
        return self._value

    def _save(self, value: int) -> None:
        self._value = value


class SharedPace(PaceStore):
    """One pace for all processes that name the same file; a lock beside it keeps them apart.

    A process that is killed leaves the lock free: the system takes it back. A time that cannot be
    right, because a clock was set back or the file is torn, counts as none.

    Args:
        path: The file; made with its folder at the first query.
        clock: Time of day; tests put in their own.
    """

    def __init__(self, path: Path, clock: MicrosecondClock | None = None) -> None:
        super().__init__(clock or WallClock())
        self.path = path
        self._lock = FileLock(
            path.with_name(f"{path.name}.lock"), timeout=_LOCK_SECONDS, poll_interval=_POLL_SECONDS
        )
        self._is_ready = False

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if not self._is_ready:
            self._make_ready()
        with self._lock:
            yield

    def _make_ready(self) -> None:
        """Makes the file's folder and sees that the file is ours to write.

        Raises:
            ConfigurationError: It is not.
        """
        remedy = "name another file in COGNITION_PACE_FILE"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            size = os.fstat(handle).st_size
            os.close(handle)
            with suppress(Timeout), self._lock:
                pass
        except OSError as error:
            raise ConfigurationError(
                f"{self.path} cannot hold the pace of queries ({error.strerror}): "
                f"make it writable, or {remedy}"
            ) from None
        if size > _CONTENT_BYTES:
            raise ConfigurationError(f"{self.path} holds something else than a pace: {remedy}")
        self._is_ready = True

    def _load(self, latest: int) -> int:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return 0
        value = int(content) if _CONTENT.fullmatch(content) else 0
        ceiling = latest + round(RETRY_AFTER_CEILING_SECONDS * TICKS_PER_SECOND)
        return value if value <= ceiling * _PER_TICK else 0

    def _save(self, value: int) -> None:
        # In place and in one write: a file that is cut first would be empty after a kill.
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            os.write(handle, b"%020d\n" % value)
        finally:
            os.close(handle)
