"""`cognition explain`: where a row comes from, in plain words, and the text it was made of."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from transforms.cli.outcome import Outcome
from transforms.cli.render import write_lines
from transforms.plain import escaped
from transforms.words import amount, file_size

if TYPE_CHECKING:
    from rich.console import Console

    from transforms.reports import Explanation

SHOWN_CHARACTERS = 2000
"""Characters of the fragment shown to people unless `--limit` says otherwise."""


def explain_outcome(explained: Explanation, *, as_json: bool, limit: int | None) -> Outcome:
    """Returns the outcome of `cognition explain`.

    Args:
        explained: Where the row comes from.
        as_json: Whether a program reads it: then the fragment is whole by default.
        limit: Most characters of the fragment, 0 for all; people get 2,000 by default.
    """
    most = (0 if as_json else SHOWN_CHARACTERS) if limit is None else limit
    whole = explained.fragment
    shown = whole[:most] if most else whole
    document = asdict(explained) | {"fragment": shown, "fragment_characters": len(whole)}
    return Outcome(document, lambda console: _show(console, explained, shown))


def _show(console: Console, explained: Explanation, shown: str) -> None:
    lines = ((label, escaped(text)) for label, text in _lines(explained, shown))
    write_lines(console, lines)
    # A terminal would obey control characters; a file or program gets the exact text.
    text = escaped(shown, keep="\n\t") if sys.stdout.isatty() else shown
    sys.stdout.flush()
    sys.stdout.buffer.write(f"\n{text}\n".encode())


def _lines(explained: Explanation, shown: str) -> Iterator[tuple[str, str]]:
    keys = ", ".join(f"{name} {value}" for name, value in explained.keys.items())
    yield "row", f"{explained.table}: {keys}"
    yield "state", explained.state
    if (aside := explained.set_aside) is not None:
        yield "quarantine", f"{aside.quarantine_index}, {aside.scope}: {aside.reason}"
        place = f" at {aside.pointer}" if aside.pointer else ""
        yield "", f"{aside.message}{place}"
    if explained.type is not None:
        yield "type", explained.type
    if explained.raw_file is not None:
        yield "raw file", explained.raw_file
        yield from _row(explained.raw_row)
    if explained.body_sha256 is not None:
        yield "reply", " ".join(_reply_facts(explained))
        yield "sha256", explained.body_sha256
    if explained.file is not None:
        yield "file", explained.file
        yield from _row(explained.file_row)
        yield "sha256", explained.file_sha256 or ""
    yield "place", explained.place
    for at, note in enumerate(explained.notes):
        yield "notes" if at == 0 else "", note
    yield "fragment", _size(explained, shown)


def _row(number: int | None) -> Iterator[tuple[str, str]]:
    if number is not None:
        yield "", f"row {number} (from 0)"


def _reply_facts(explained: Explanation) -> Iterator[str]:
    yield f"{file_size(explained.body_bytes or 0)}, by {explained.origin},"
    if explained.http_status is not None:
        yield f"HTTP {explained.http_status},"
    yield f"received {(explained.queried_at or '')[:19].replace('T', ' ')} UTC"


def _size(explained: Explanation, shown: str) -> str:
    size = amount(len(explained.fragment), "character")
    if len(shown) == len(explained.fragment):
        return size
    return f"{size}, the first {len(shown):,} shown: --limit 0 shows all"
