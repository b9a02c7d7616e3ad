"""Progress on stderr: bars on a terminal, plain lines elsewhere; and the log, between them."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import progress as bars

from transforms.cli.outcome import console_for
from transforms.reports import Progress

if TYPE_CHECKING:
    from rich.console import Console

LINE_SECONDS = 5.0
"""A stage that goes on says so this often where there is no terminal."""


@contextmanager
def show_progress(*, verbose: bool) -> Iterator[Progress]:
    """Shows progress and log records on stderr while the body runs.

    Args:
        verbose: Show what is logged as INFO too, not only warnings.

    Yields:
        The function the stages report to, from any thread.
    """
    console = console_for(stderr=True)
    with _logs_on(console, logging.INFO if verbose else logging.WARNING):
        if sys.stderr.isatty() and not console.is_dumb_terminal:
            with _bars_on(console) as report:
                yield report
        else:
            lines = ProgressLines(console_line)
            yield lines
            lines.finish()


def console_line(text: str) -> None:
    """Writes one line to stderr at once."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


class ProgressLines:
    """Writes a line when a stage begins, ends, and every few seconds between.

    Args:
        write: Takes each line.
        clock: Seconds of a clock that never goes back.
    """

    def __init__(
        self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._clock = clock
        self._stage: str | None = None
        self._line = ""
        self._shown = ""
        self._at = 0.0

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Notes how far a stage has come."""
        begins = stage != self._stage
        if begins:
            self.finish()
            self._stage = stage
        self._line = f"{stage}: {done:,}" + ("" if total is None else f" of {total:,}")
        if begins or self._clock() - self._at >= LINE_SECONDS:
            self._show()

    def finish(self) -> None:
        """Writes how far the last stage came, unless its last line says so."""
        if self._line != self._shown:
            self._show()

    def _show(self) -> None:
        self._write(self._line)
        self._shown, self._at = self._line, self._clock()


@contextmanager
def _bars_on(console: Console) -> Iterator[Progress]:
    columns = (
        bars.TextColumn("{task.description:<10}"),
        bars.BarColumn(bar_width=24),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
        bars.TimeRemainingColumn(compact=True),
    )
    tasks: dict[str, bars.TaskID] = {}
    with bars.Progress(*columns, console=console) as shown:

        def report(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = shown.add_task(stage, total=total)
            shown.update(tasks[stage], completed=done, total=total)

        yield report


class _ConsoleHandler(logging.Handler):
    """Writes records through the console, so that they do not tear a progress bar."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(self.format(record), soft_wrap=True)


@contextmanager
def _logs_on(console: Console, level: int) -> Iterator[None]:
    logger = logging.getLogger("transforms")
    handler, before = _ConsoleHandler(console), (logger.level, logger.propagate)
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before
