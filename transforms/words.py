"""Numbers, sizes and times in plain words."""

from __future__ import annotations

import re
from collections.abc import Mapping

from transforms.plain import plain

_SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_SPANS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def number(value: int) -> str:
    """Returns a number with thousands separated.

    >>> number(1234567)
    '1,234,567'
    """
    return f"{value:,}"


def amount(value: int, thing: str) -> str:
    """Returns a number of things.

    >>> amount(1, "job"), amount(2000, "batch"), amount(0, "final reply"), amount(2, "key")
    ('1 job', '2,000 batches', '0 final replies', '2 keys')
    """
    return f"{value:,} {thing if value == 1 else _plural(thing)}"


def counts(values: Mapping[str, int]) -> str:
    """Returns counts by name, largest first, without the zeros; names may come from data.

    >>> counts({"Fail": 2, "Success": 1200, "Rejected": 0})
    'Success 1,200, Fail 2'
    """
    ordered = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{plain(name)} {value:,}" for name, value in ordered if value)


def file_size(size: int) -> str:
    """Returns bytes in a fitting unit of thousands.

    >>> file_size(999), file_size(1500), file_size(23_400_000)
    ('999 bytes', '1.5 kB', '23.4 MB')
    """
    for factor, unit in _SIZES:
        if size >= factor:
            return f"{size / factor:,.1f} {unit}"
    return amount(size, "byte")


def span(seconds: float) -> str:
    """Returns a time span in its largest whole unit.

    >>> span(0.2), span(90), span(7200), span(-5)
    ('0 seconds', '1 minute', '2 hours', '0 seconds')
    """
    for length, unit in _SPANS:
        if seconds >= length:
            return amount(int(seconds // length), unit)
    return "0 seconds"


def _plural(thing: str) -> str:
    if thing.endswith(("ch", "s")):
        return f"{thing}es"
    return re.sub(r"(?<=[^aeiou])y$", "ie", thing) + "s"
