r"""Finds where a value lies in a JSON text, so that its exact text can be shown.

Nothing is decoded but the keys on the way: whatever is passed over is skipped bracket by bracket,
in constant memory and however deep it is nested.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

_SPACE = re.compile(r"[ \t\n\r]*+")
_TEXT = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_SCALAR = re.compile(rf"{_TEXT}|[^\s\[\]{{}},:\"]++", re.DOTALL)
# A flat container is passed over at once: most brackets of a long document belong to one.
_FLAT = rf'[^"\[\]{{}}]*+(?:{_TEXT}[^"\[\]{{}}]*+)*+'
_TO_BRACKET = re.compile(rf"{_FLAT}(?:[\[{{]{_FLAT}[\]}}]{_FLAT})*+([\[\]{{}}])", re.DOTALL)

Span = tuple[int, int]


def locate(text: str, path: Sequence[str | int]) -> tuple[int, int]:
    r"""Returns where the value at a path begins and ends in a JSON text.

    Of keys that an object gives twice the last one counts, as it does for parsers.

    Args:
        text: One JSON document.
        path: Keys and positions; a position may be given as text, as in a JSON pointer.

    Raises:
        LookupError: There is no such place.
        ValueError: The text is no JSON on the way there.

    >>> text = '{"a": [1, {"b": "x\\n"}]}'
    >>> start, end = locate(text, ("a", 1, "b"))
    >>> text[start:end]
    '"x\\n"'
    """
    found, _ = _find(text, _skip_space(text, 0), [str(part) for part in path])
    if found is None:
        raise LookupError("no such place")
    return found


def _find(text: str, at: int, path: Sequence[str]) -> tuple[Span | None, int]:
    """Returns where a path leads in the value that begins at `at`, and where the value ends.

    In one pass: a value that turns out to be given twice has been searched, not skipped.
    """
    if not path or not text.startswith(("{", "["), at):
        end = _end(text, at)
        return (None if path else (at, end)), end
    is_object, found, position = text[at] == "{", None, 0
    closing = "}" if is_object else "]"
    at = _skip_space(text, at + 1)
    while not text.startswith(closing, at):
        key, at = _key(text, at) if is_object else (str(position), at)
        if key == path[0]:
            found, end = _find(text, at, path[1:])
            if not is_object:
                return found, _end(text, end, 1)
        else:
            end = _end(text, at)
        at, position = _next(text, end, closing), position + 1
    return found, at + 1


def _key(text: str, at: int) -> tuple[str, int]:
    """Returns the key at `at`, and where its value begins."""
    _require(text, at, '"')
    end = _end(text, at)
    colon = _skip_space(text, end)
    _require(text, colon, ":")
    return json.loads(text[at:end]), _skip_space(text, colon + 1)


def _next(text: str, at: int, closing: str) -> int:
    """Returns where the next part of a container begins, or its closing bracket."""
    at = _skip_space(text, at)
    if not text.startswith(closing, at):
        _require(text, at, ",")
        at = _skip_space(text, at + 1)
    return at


def _end(text: str, at: int, depth: int = 0) -> int:
    """Returns where the value that begins at `at` ends; `depth` containers are open already."""
    if depth == 0:
        if not text.startswith(("{", "["), at):
            scalar = _SCALAR.match(text, at)
            if scalar is None:
                raise json.JSONDecodeError("expected a value", text, at)
            return scalar.end()
        depth, at = 1, at + 1
    while depth:
        bracket = _TO_BRACKET.match(text, at)
        if bracket is None:
            raise json.JSONDecodeError("expected a closing bracket", text, at)
        depth += 1 if bracket[1] in "{[" else -1
        at = bracket.end()
    return at


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _require(text: str, at: int, character: str) -> None:
    if not text.startswith(character, at):
        raise json.JSONDecodeError(f"expected {character!r}", text, at)
