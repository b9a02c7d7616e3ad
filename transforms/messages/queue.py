"""What a queue of completion messages is, whoever runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

BATCH_LIMIT = 16
"""Most messages of one call."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message on loan: it comes again unless it is acknowledged in time.

    Attributes:
        body: Its text as it was put in, Base64 not undone; it may hold secrets.
        receipt: What acknowledges this delivery of it.
    """

    body: bytes | str = field(repr=False)
    receipt: str


class MessageQueue(Protocol):
    """A queue that delivers each message at least once; for one thread at a time.

    Both calls raise `RetryableError` where the same call may succeed later, `SourceRefusedError`
    where the service refuses us as a caller, and `ConfigurationError` where there is no such
    queue.
    """

    def receive(self, wait_seconds: int, limit: int) -> list[Message]:
        """Returns the next messages, none where none came.

        Args:
            wait_seconds: How long to wait for a first one, 0 to 30.
            limit: Most messages to return, 1 to 16.
        """

    def acknowledge(self, receipts: Sequence[str]) -> int:
        """Removes messages for good and returns how many; the others come again.

        Args:
            receipts: Of messages received, any number of them.
        """
