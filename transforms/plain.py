"""Text of others made fit for a message: short, on one line, and nothing a terminal would obey."""

from __future__ import annotations

SHOWN_CHARACTERS = 60


def plain(text: str, most: int = SHOWN_CHARACTERS) -> str:
    r"""Returns a text with control characters escaped, cut to `most` characters.

    >>> plain("\x1b[31mred\n"), plain("abcdef", 5)
    ('\\x1b[31mred\\n', 'ab...')
    """
    shown = escaped(text[: most + 1])
    return shown if len(shown) <= most else shown[: most - 3] + "..."


def escaped(text: str, keep: str = "") -> str:
    r"""Returns a text with control characters escaped, but for those in `keep`.

    >>> escaped("a\tb\nc", keep="\n")
    'a\\tb\nc'
    """
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)
