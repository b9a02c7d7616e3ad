"""What becomes of a subtitle file."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How asking for a file ended.

    Attributes:
        ARCHIVED: It is here.
        EXPIRED: The server has it no longer, or not for us: final.
        REFUSED: It broke our rules: final under these rules.
        FAILED: It may succeed later; nothing is kept of it.
    """

    ARCHIVED = "archived"
    EXPIRED = "expired"
    REFUSED = "refused"
    FAILED = "failed"
