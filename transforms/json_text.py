"""Small facts about JSON that two parsers would tell differently, and how parts of it are named."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

MAX_DEPTH = 200  # orjson writes 254 levels; Python's parser and repr stop where the stack ends
FRAGMENT_LIMIT = 1024 * 1024
_LONG_INTEGER = re.compile(rb"(?:^|[\s:,\[])-?[0-9]{19,}(?=[\s,\]}]|$)")
_SPACE_AFTER_KEY = re.compile(rb'"[ \t\r\n]+:')


def is_nested_deeper(document: Any, levels: int = MAX_DEPTH) -> bool:  # noqa: ANN401 - any JSON
    """Tells whether objects and arrays lie in one another more than `levels` deep.

    >>> is_nested_deeper([[1], {"a": 2}], 2), is_nested_deeper([[1], {"a": 2}], 1)
    (False, True)
    """
    parts = [document] if isinstance(document, dict | list) else []
    for _ in range(levels):
        if not parts:
            return False
        inner = (part.values() if isinstance(part, dict) else part for part in parts)
        parts = [value for values in inner for value in values if isinstance(value, dict | list)]
    return bool(parts)


def read_json(text: bytes | str) -> Any:  # noqa: ANN401 - any JSON
    """Returns what a JSON text holds, whole numbers of any length.

    Raises:
        ValueError: It is no JSON.

    >>> read_json("[1e2, 123456789012345678901234567890]")
    [100.0, 123456789012345678901234567890]
    """
    return read_exactly(text.encode() if isinstance(text, str) else text, orjson.loads(text))


def read_exactly(text: bytes, document: Any) -> Any:  # noqa: ANN401 - any JSON
    """Returns `document` with its whole numbers digit by digit.

    The fast parser makes doubles of those longer than 64 bits; they are rare, and then the text
    is read once more.

    Args:
        text: A JSON text, at most 200 levels deep.
        document: What the fast parser made of it.
    """
    return json.loads(text) if has_long_integers(text) else document


def has_long_integers(text: bytes) -> bool:
    """Tells whether a JSON text may hold whole numbers of more than 18 digits."""
    return _LONG_INTEGER.search(text) is not None


def write_json(value: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Returns compact JSON, whole numbers of any length among it.

    Raises:
        TypeError: It is nested too deep.

    >>> write_json([123456789012345678901234567890])
    b'[123456789012345678901234567890]'
    """
    try:
        return orjson.dumps(value)
    except TypeError:  # it writes no whole number longer than 64 bits
        if is_nested_deeper(value):
            raise
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def duplicate_key(text: bytes, document: Any = None) -> str | None:  # noqa: ANN401 - any JSON
    """Returns a key that one object of the JSON text gives twice, or None.

    Args:
        text: The text.
        document: What it holds, if known, at most 254 levels deep: where it has as many keys as
            the text, none is twice.

    >>> duplicate_key(b'{"a": {"b": 1, "b": 2}}')
    'b'
    """
    if document is not None and (written := _keys_written(text)) is not None:
        again = _keys_written(write_json(document))
        if again == written:
            return None
    found: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in items:
            if key in seen:
                found.append(key)
            seen.add(key)

    try:
        json.loads(text, object_pairs_hook=pairs)
    except (ValueError, RecursionError):  # another reason is reported by those who read it
        return None
    return found[0] if found else None


def _keys_written(text: bytes) -> int | None:
    """Returns the keys in a text, and the values that look like one; None where not told quickly.

    Both come out the same however often a text is read and written again.
    """
    if b'\\\\"' in text or _SPACE_AFTER_KEY.search(text):
        return None
    return text.count(b'":') - text.count(b'\\":')


def without_strings(text: bytes, key: str, values: Iterable[str]) -> bytes:
    """Returns JSON text with the string values of `key` emptied, where they stand as expected.

    What is left is short and quickly searched for duplicate keys; text that is written in another
    way than ours, or that holds the key more often than `values` tells, stays as it is from there.

    >>> without_strings(b'{"Data": "long", "x": 1}', "Data", ["long"])
    b'{"Data": "", "x": 1}'
    """
    start = re.compile(rb'"' + re.escape(key.encode()) + rb'"\s*:\s*')
    parts, place = [], 0
    for value in values:
        written = orjson.dumps(value)
        found = start.search(text, place)
        if found is None or not text.startswith(written, found.end()):
            break
        parts += [text[place : found.end()], b'""']
        place = found.end() + len(written)
    return b"".join([*parts, text[place:]])


def value_along(element: Any, keys: Iterable[str]) -> Any:  # noqa: ANN401 - any JSON
    """Returns what lies along some keys of objects, or None.

    >>> value_along({"a": {"b": 1}}, ["a", "b"]), value_along({"a": []}, ["a", "b"])
    (1, None)
    """
    for key in keys:
        element = element.get(key) if isinstance(element, dict) else None
    return element


def to_pointer(path: Sequence[str | int]) -> str:
    """Returns an RFC 6901 JSON pointer.

    >>> to_pointer(("a/b", 0, "~"))
    '/a~1b/0/~0'
    """
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def from_pointer(pointer: str) -> tuple[str, ...]:
    """Returns the parts of an RFC 6901 JSON pointer.

    >>> from_pointer("/a~1b/0/~0")
    ('a/b', '0', '~')
    """
    parts = pointer.split("/")[1:]
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in parts)


def cut_fragment(text: str) -> str:
    """Returns the text, cut after 1 MiB characters."""
    return text if len(text) <= FRAGMENT_LIMIT else text[:FRAGMENT_LIMIT]
