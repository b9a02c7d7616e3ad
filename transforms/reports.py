"""What each step says when it is done: counts a person or a program can read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

Progress = Callable[[str, int, int | None], None]
"""Told as `(stage, done, total)`; the total is None where it is not known."""


def no_progress(stage: str, done: int, total: int | None) -> None:
    """Tells nobody."""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What the service answered.

    Attributes:
        known: Job ids in the ledger.
        pending: Of these, without a final reply before this run.
        by_status: Replies by JobStatus; `Rejected` and `Malformed` for those without one.
        landed: Final replies written to raw.
        unanswered: Jobs whose retries were used up; they stay pending.
        unanswered_reason: Why the last of them was not answered, or None.
        calls: Calls over the wire, retries among them.
        raw_files: Files written, relative to the lake.
        error_codes: Error replies by code.
        region: Region that was asked.
        endpoint: Host that was asked.
    """

    known: int
    pending: int
    queried: int
    by_status: dict[str, int]
    landed: int
    unanswered: int
    calls: int
    retries: int
    throttled: int
    raw_files: tuple[str, ...]
    unanswered_reason: str | None = None
    error_codes: dict[str, int] = field(default_factory=dict)
    region: str = ""
    endpoint: str = ""


@dataclass(frozen=True, slots=True)
class FlattenReport:
    """What was flattened and committed; sizes in bytes, time in seconds."""

    batches: int = 0
    unchanged: int = 0
    retracted: int = 0
    jobs: int = 0
    results: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    quarantined: int = 0
    rejected: int = 0
    unknown_types: int = 0
    unmapped: int = 0
    bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Skipped:
    """A saved reply that did not land, and why."""

    job_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of saved replies; `skipped` names those that answer nothing for good."""

    landed: int
    unchanged: int
    skipped: tuple[Skipped, ...]
    raw_files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """Where everything stands.

    Attributes:
        jobs: Jobs by state (`loaded`, `failed`, `rejected`, `quarantined`).
        stale_batches: Raw files whose batch is absent or out of date.
        quarantine: Quarantined parts by reason.
        published: Path of the published warehouse, or None.
        published_error: Why the file at its place cannot be read, or None.
        waiting_batches: Committed batches the published warehouse does not hold as they are; all
            of them where it cannot be read.
        lag_seconds: Age of the oldest final reply that is not published, or 0.
    """

    known: int
    pending: int
    jobs: dict[str, int]
    raw_files: int
    raw_replies: int
    raw_bytes: int
    batches: int
    stale_batches: int
    rows: dict[str, int]
    quarantine: dict[str, int]
    unknown_types: dict[str, int]
    published: str | None
    published_error: str | None
    published_batches: int
    waiting_batches: int
    newest_reply: str | None
    lag_seconds: float
