"""SIGTERM, as a scheduler or a container sends it: the same orderly end as Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from transforms import stoppable

if TYPE_CHECKING:
    from types import FrameType


@contextmanager
def terminated_like_interrupted() -> Iterator[Callable[[], bool]]:
    """Makes the first SIGTERM a `KeyboardInterrupt` and passes over more of them.

    Outside the main thread, where Python allows no handler, nothing changes.

    Yields:
        Tells whether SIGTERM came.
    """
    came: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        if not came:
            came.append(number)
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)


def leave_what_goes_on(code: int) -> None:
    """Ends the process with an exit code if a statement goes on that was told to end.

    Python would end with a thread inside DuckDB, whose parts are taken down beneath it. Nothing is
    lost without that: the file is open read-only, and what was told is written out first.
    """
    if stoppable.goes_on():
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # its reader is gone, or itself
                stream.flush()
        os._exit(code)
