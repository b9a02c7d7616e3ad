"""Work outside Python that a signal ends all the same.

Python runs the handler of a signal in its main thread and only between two steps of its own: while
that thread is inside DuckDB, Ctrl-C and SIGTERM wait for the end of the statement. So the work is
given to another thread, and the main one waits for it in steps of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread, current_thread, main_thread
from typing import Any, TypeVar

PATIENCE_SECONDS = 2.0
"""How long work is waited for that has been told to end."""
_STEP_SECONDS = 0.1

T = TypeVar("T")
_left: list[Future[Any]] = []


@dataclass
class Stop:
    """How work under way is told to end.

    Attributes:
        interrupt: Tells it, from any thread and maybe again; set by the work once it can.
    """

    interrupt: Callable[[], object] = lambda: None


def run_stoppable(work: Callable[[Stop], T]) -> T:
    """Runs work so that an exception of a signal's handler ends it.

    Outside the main thread, where no handler runs, it is simply run.

    Args:
        work: Does everything that is to be done in one thread.

    Returns:
        What the work returns; what it raises is raised. An exception of a handler comes through
        when the work has ended or, where that takes too long, while it goes on, with whatever
        it holds open: see `goes_on`.
    """
    stop = Stop()
    if current_thread() is not main_thread():
        return work(stop)
    outcome: Future[T] = Future()
    try:
        Thread(target=_work, args=(work, stop, outcome), daemon=True).start()
        # Not Thread.join: one that is interrupted takes the thread for ended, up to Python 3.12.
        while not outcome.done():  # a wait without end is none that every system interrupts
            wait([outcome], _STEP_SECONDS)
    except BaseException:
        _end(outcome, stop)
        raise
    return outcome.result()


def goes_on() -> bool:
    """Tells whether work goes on that was told to end and did not."""
    _left[:] = [outcome for outcome in _left if not outcome.done()]
    return bool(_left)


def _work(work: Callable[[Stop], T], stop: Stop, outcome: Future[T]) -> None:
    try:
        outcome.set_result(work(stop))
    except BaseException as error:  # noqa: BLE001 - it is raised where the work was asked for
        outcome.set_exception(error)


def _end(outcome: Future[T], stop: Stop) -> None:
    """Tells work to end, again and again: what comes before a statement begins is forgotten."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    _left.append(outcome)  # even if another signal cuts this short
    while not outcome.done() and time.monotonic() < deadline:
        with suppress(Exception):  # it may have ended meanwhile, and closed what was to be told
            stop.interrupt()
        wait([outcome], _STEP_SECONDS)
    if outcome.done():
        _left.remove(outcome)
