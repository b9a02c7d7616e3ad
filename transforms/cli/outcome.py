"""What a command gives back: facts for programs, lines for people, an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Outcome:
    """The end of a command that did its work.

    Attributes:
        document: What `--json` writes to stdout.
        show: Writes the same for people.
        code: Exit code.
        warnings: Lines for stderr.
    """

    document: object
    show: Callable[[Console], None]
    code: int = 0
    warnings: tuple[str, ...] = ()


def console_for(*, stderr: bool = False) -> Console:
    """Returns a console that follows the terminal's width and NO_COLOR; 80 columns in a pipe."""
    from rich.console import Console  # noqa: PLC0415 - a JSON answer needs no console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def write_outcome(outcome: Outcome, *, as_json: bool) -> None:
    """Writes an outcome to stdout and its warnings to stderr.

    Raises:
        BrokenPipeError: The reader of stdout is gone.
    """
    if as_json:
        write_json(outcome.document)
    else:
        outcome.show(console_for())
    sys.stdout.flush()
    for warning in outcome.warnings:
        write_error(warning, label="warning")


def write_json(document: object) -> None:
    """Writes one JSON document to stdout, as UTF-8 whatever the terminal's encoding."""
    import orjson  # noqa: PLC0415 - text output needs no JSON

    options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
    sys.stdout.flush()
    sys.stdout.buffer.write(orjson.dumps(document, default=str, option=options))
    sys.stdout.flush()


def write_error(message: str, *, label: str = "error") -> None:
    """Writes one line to stderr."""
    sys.stderr.write(f"{label}: {message}\n")
    sys.stderr.flush()
