"""Text of others made fit for a message: short, on one line, and nothing a terminal would obey."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

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


def near(name: str, names: Iterable[str]) -> str | None:
    """Returns a question for names that look like one that is none, or None.

    >>> near("Video_Tag", ["video_tags", "jobs"])
    'did you mean video_tags?'
    """
    folded = {each.casefold(): each for each in names}
    found = [folded[each] for each in get_close_matches(name.casefold(), folded, 3, 0.8)]
    return f"did you mean {' or '.join(found)}?" if found else None
