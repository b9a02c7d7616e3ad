"""The watermark of a SQL source of job ids: the greatest one in the ledger, and nothing else.

A line of `ledger/sql/` that ends a reading holds it as `watermark`: text and numbers as they are, a
value JSON lacks as an object with its kind. Whatever else may be lost, the next reading begins
where the last one that is in the ledger ended.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import orjson

from transforms.errors import ConfigurationError
from transforms.ledger import FOLDER, read_files
from transforms.storage import Storage

ORIGIN = "sql"
KEY = "watermark"
Watermark = str | int | float | Decimal | date | datetime
_LONGEST_INTEGER = 2**63


def read_watermark(storage: Storage) -> Watermark | None:
    """Returns the greatest watermark of the ledger, or None where there is none.

    Raises:
        ConfigurationError: A line cannot be read, or there are watermarks of two kinds.
    """
    greatest: Watermark | None = None
    for place, found in _watermarks(storage):
        try:
            greatest = found if greatest is None or found > greatest else greatest  # type: ignore[operator]  # told apart below
        except TypeError:
            raise ConfigurationError(
                f"{place}: the watermark {shown(found)} is of another kind than {shown(greatest)}: "
                f"was the query changed? To read all of it anew, move {FOLDER}/{ORIGIN} to "
                f"{FOLDER}/{ORIGIN}-before; the ids in there stay known"
            ) from None
    return greatest


def encode(value: object) -> object:
    """Returns a watermark as JSON has it.

    Raises:
        TypeError: A watermark is no such value.
        ValueError: It cannot be compared with others.
    """
    if isinstance(value, bool) or not isinstance(value, Watermark):
        kind = "NULL" if value is None else f"of type {type(value).__name__}"
        raise TypeError(f"watermark is {kind}; give a time, a number or text")
    if isinstance(value, int) and abs(value) >= _LONGEST_INTEGER:
        value = Decimal(value)
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        raise ValueError(f"watermark {value} cannot be compared")
    if isinstance(value, datetime):
        return {"datetime": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    return {"decimal": str(value)} if isinstance(value, Decimal) else value


def decode(value: object) -> Watermark:
    """Returns the watermark that JSON stands for.

    Raises:
        ValueError: It stands for none.
    """
    match value:
        case bool():
            pass
        case str() | int() | float():
            return value
        case {"datetime": str(text)}:
            return datetime.fromisoformat(text)
        case {"date": str(text)}:
            return date.fromisoformat(text)
        case {"decimal": str(text)}:
            return Decimal(text)
    raise ValueError("it is no watermark")


def shown(value: object) -> str:
    """Returns a watermark for people; a time with a zone in UTC."""
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
    return str(value)


def _watermarks(storage: Storage) -> Iterator[tuple[str, Watermark]]:
    """Yields each watermark of the ledger with its place; other lines are not even parsed."""
    for path, _, content in read_files(storage, f"{FOLDER}/{ORIGIN}"):
        for number, line in enumerate(content.to_pybytes().splitlines(), start=1):
            if b'"watermark"' not in line:
                continue
            place = f"{path}, line {number}"
            try:
                document = orjson.loads(line)
                if KEY in document:
                    yield place, decode(document[KEY])
            except (ValueError, TypeError, ArithmeticError):
                raise ConfigurationError(
                    f"{place} holds no watermark that can be read: correct or remove the line"
                ) from None
