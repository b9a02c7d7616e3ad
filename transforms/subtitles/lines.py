r"""Reads the sentences of a subtitle file.

The vendor's page says no more than "Serial number + Time range + Subtitle content. Each line in
the file contains a sentence", and no sample is known. So both common shapes are read: a sentence a
line, and blocks of SubRip (number, times and text on lines of their own, then a blank line). Times
are `00:00:01,000 --> 00:00:03,500` or plain seconds, in brackets or not. What cannot be read is
handed back as a bad line: each line that is not blank ends in exactly one of the two.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from transforms.errors import ConservationError

NOT_TEXT = "it holds bytes that are no text in the file's encoding"
NO_NUMBER = "a time range without a serial number"
NO_TIMES = "a serial number without a time range that can be read"
NEITHER = "no serial number and time range"

Span: TypeAlias = tuple[int, int]
"""Lines of the file: number of the first, from 0, and of the one after the last."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence that was read; times in seconds from the start of the video."""

    number: int
    start_seconds: float
    end_seconds: float
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class BadLine:
    """Lines that cannot be read, as they are (bytes that are no text escaped), and why."""

    reason: str
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class _Head:
    """Number and times of a sentence, the text beside them, and how many lines they take."""

    number: int
    start_seconds: float
    end_seconds: float
    text: str
    lines: int
    is_clock: bool


# Hours and minutes, or minutes alone, and seconds; or seconds alone; then a fraction.
_TIME = (
    r"(?:(?:([0-9]{1,4}):([0-5]?[0-9])|([0-9]{1,4})):([0-5]?[0-9])|([0-9]{1,9}))"
    r"(?:[.,]([0-9]{1,9}))?"
)
_TIME_GROUPS = 6
_RANGE = (
    rf"(?:(?P<open>\[)\s*)?{_TIME}\s*(?:--?>|[-~\u2013\u2014])\s*{_TIME}"
    r"(?(open)\s*\]|(?=\s|\Z))(?P<text>.*)"
)
_NUMBER = r"\s*(?P<number>[0-9]{1,9})"
_NUMBER_LINE = re.compile(rf"{_NUMBER}\s*")
_RANGE_LINE = re.compile(rf"\s*{_RANGE}")
_WHOLE_LINE = re.compile(rf"{_NUMBER}(?:\s+|(?=\[)){_RANGE}")
_LINE_END = re.compile(r"(\r\n|\n|\r)")
_NO_TEXT = re.compile("[\ud800-\udfff]")


def read_lines(content: bytes) -> list[Sentence | BadLine]:
    """Returns all that is in a file, in its order, whatever the file holds.

    A file without one sentence that can be read is one bad line: it is another kind of file.

    Raises:
        ConservationError: A line would be lost or told twice: a defect of ours, not of the file.
    """
    lines = _lines_and_ends(content)[::2]
    found: list[Sentence | BadLine] = []
    at = 0
    while at < len(lines):
        if lines[at].strip():
            found.append(_read_at(lines, at))
            at = found[-1].span[1]
        else:
            at += 1
    if len(found) > 1 and not any(isinstance(each, Sentence) for each in found):
        span = (found[0].span[0], found[-1].span[1])
        found = [_bad("not one line of the file can be read", lines, span)]
    require_conserved(lines, [each.span for each in found])
    return found


def cut_lines(content: bytes, span: Span) -> str:
    r"""Returns lines of a file with the ends between them; bytes that are no text as \ufffd.

    >>> cut_lines(b"a\r\nb\nc", (0, 2))
    'a\r\nb'
    """
    first, stop = span
    return _NO_TEXT.sub("\ufffd", "".join(_lines_and_ends(content)[2 * first : 2 * stop - 1]))


def name_lines(span: Span) -> str:
    """Returns what people call lines of a file, counted from 1.

    >>> name_lines((0, 1)), name_lines((1, 4))
    ('line 1', 'lines 2 to 4')
    """
    first, stop = span
    return f"line {first + 1}" if stop == first + 1 else f"lines {first + 1} to {stop}"


def require_conserved(lines: Sequence[str], spans: Iterable[Span]) -> None:
    """Checks that each line that is not blank is in exactly one span.

    Raises:
        ConservationError: One is in none or in two.
    """
    told = Counter(at for start, stop in spans for at in range(start, stop) if lines[at].strip())
    if told != Counter(at for at, line in enumerate(lines) if line.strip()):
        raise ConservationError(
            "lines of a subtitle file would be lost or told twice; nothing was committed, "
            "report it with the file"
        )


def _lines_and_ends(content: bytes) -> list[str]:
    """Returns lines and line ends by turns; the last is a line."""
    return _LINE_END.split(_decode(content))


def _decode(content: bytes) -> str:
    """Returns the text; bytes that are none become lone surrogates, which no text holds."""
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if content.startswith(mark):
            whole = len(content) - len(content) % 2
            odd = "".join(chr(0xDC00 + byte) for byte in content[whole:])
            return content[2:whole].decode(name, "surrogatepass") + odd
    return content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")


def _read_at(lines: Sequence[str], at: int) -> Sentence | BadLine:
    """Returns what begins at a line that is not blank."""
    head = _head(lines, at)
    if head is None:
        return _bad(_why_bad(lines[at]), lines, (at, at + 1))
    stop = at + head.lines
    texts = [head.text] if head.text else []
    if head.lines > 1 or not texts:
        while stop < len(lines) and lines[stop].strip() and not _begins(lines, stop, head):
            texts.append(lines[stop].strip())
            stop += 1
    text = "\n".join(texts)
    if _NO_TEXT.search(text):
        return _bad(NOT_TEXT, lines, (at, stop))
    return Sentence(head.number, head.start_seconds, head.end_seconds, text, (at, stop))


def _begins(lines: Sequence[str], at: int, before: _Head) -> bool:
    """Tells whether another sentence begins here, times written as in the one before."""
    head = _head(lines, at)
    return head is not None and head.is_clock == before.is_clock


def _head(lines: Sequence[str], at: int) -> _Head | None:
    if (found := _WHOLE_LINE.match(lines[at])) is not None:
        return _to_head(found["number"], found, 2, 1)
    alone = _NUMBER_LINE.fullmatch(lines[at])
    if alone is None or at + 1 == len(lines):
        return None
    times = _RANGE_LINE.match(lines[at + 1])
    return None if times is None else _to_head(alone["number"], times, 1, 2)


def _to_head(number: str, found: re.Match[str], before: int, lines: int) -> _Head:
    """Returns a head; `before` is the number of groups in front of the first time's."""
    groups = found.groups()[before : before + 2 * _TIME_GROUPS]
    first, second = groups[:_TIME_GROUPS], groups[_TIME_GROUPS:]
    return _Head(
        number=int(number),
        start_seconds=_seconds(first),
        end_seconds=_seconds(second),
        text=found["text"].strip(),
        lines=lines,
        is_clock=first[-2] is None,
    )


def _seconds(groups: Sequence[str | None]) -> float:
    """Returns a time: one division of whole numbers, so the double next to what was written."""
    hours, minutes, only_minutes, seconds, only_seconds, fraction = (int(g or 0) for g in groups)
    whole = hours * 3600 + (minutes + only_minutes) * 60 + seconds + only_seconds
    scale: int = 10 ** len(groups[-1] or "")
    return (whole * scale + fraction) / scale


def _why_bad(line: str) -> str:
    if _NO_TEXT.search(line):
        return NOT_TEXT
    if _RANGE_LINE.match(line):
        return NO_NUMBER
    return NO_TIMES if re.match(rf"{_NUMBER}(?:\s|\Z)", line) else NEITHER


def _bad(reason: str, lines: Sequence[str], span: Span) -> BadLine:
    text = "\n".join(lines[slice(*span)])
    return BadLine(reason, text.encode(errors="backslashreplace").decode(), span)
