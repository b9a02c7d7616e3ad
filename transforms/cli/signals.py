"""SIGTERM, as a scheduler or a container sends it: the same orderly end as Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

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
