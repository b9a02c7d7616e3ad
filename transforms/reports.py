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
        expired: Of these, replies that are not final, of jobs whose time with the service is over.
        unanswered: Jobs whose retries were used up, or that a stopped run did not get to; they
            stay pending.
        unanswered_reason: Why the last of them was not answered, or None.
        calls: Calls over the wire, retries among them.
        raw_files: Files written, relative to the lake.
        error_codes: Error replies by code.
        region: Region that was asked.
        endpoint: Host that was asked.
        stopped_reason: Why the run ended early, with the remedy, or None.
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
    expired: int = 0
    stopped_reason: str | None = None


@dataclass(frozen=True, slots=True)
class ExpiringJob:
    """A pending job: since when it is known, and when its results may be gone, ISO 8601 UTC."""

    job_id: str
    known_since: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class ExpiryReport:
    """Which pending jobs are about to be lost.

    Attributes:
        pending: Jobs without a final reply.
        expiring: Of these, jobs that expire within the days of warning.
        first_expires_at: When the first of those expires, ISO 8601 UTC, or None.
        expiring_jobs: The first hundred of them, the next to expire first.
        expired: Pending jobs that are past their time: asked for once more, then recorded.
        expired_jobs: The first hundred of those.
    """

    pending: int = 0
    expiring: int = 0
    first_expires_at: str | None = None
    expiring_jobs: tuple[ExpiringJob, ...] = ()
    expired: int = 0
    expired_jobs: tuple[ExpiringJob, ...] = ()


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
class TableDifference:
    """How many rows of a table differ; `changed` have their key and other values."""

    added: int = 0
    removed: int = 0
    changed: int = 0


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What replaying did, or would do.

    Attributes:
        dry_run: Whether nothing was written.
        jobs: Jobs that were selected.
        missing_jobs: Jobs asked for by id that the lake does not hold.
        unflattened_jobs: Jobs asked for by id that have landed and are in no batch yet.
        batches: Batches made again.
        changed_batches: Of these, batches that came out otherwise than they were.
        retracted: Batches taken out, their raw file being gone.
        differences: Rows that differ, by table; tables without any are left out.
        quarantine_before: Parts of these batches that were in quarantine.
        quarantine_after: Parts of these batches that are in quarantine now.
        seconds: Time taken.
    """

    dry_run: bool
    jobs: int = 0
    missing_jobs: tuple[str, ...] = ()
    unflattened_jobs: tuple[str, ...] = ()
    batches: int = 0
    changed_batches: int = 0
    retracted: int = 0
    differences: dict[str, TableDifference] = field(default_factory=dict)
    quarantine_before: int = 0
    quarantine_after: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ResultDifference:
    """A result that its rows do not give back, and where it first differs.

    A `result_index` of -1 is the reply itself.
    """

    job_id: str
    result_index: int
    type: str
    pointer: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What became of making every result again from its rows.

    Attributes:
        batches: Batches that were read.
        results: Their results.
        equal: Results that came out as they were sent.
        whole: Results without rows: set aside whole, or of an unknown Type.
        cut: Results of which raw alone has all: too long to be kept in quarantine whole.
        different: Results that came out otherwise.
    """

    batches: int = 0
    results: int = 0
    equal: int = 0
    whole: int = 0
    cut: int = 0
    different: tuple[ResultDifference, ...] = ()

    def plus(self, other: VerifyReport) -> VerifyReport:
        """Returns the sum of two reports."""
        return VerifyReport(
            self.batches + other.batches,
            self.results + other.results,
            self.equal + other.equal,
            self.whole + other.whole,
            self.cut + other.cut,
            self.different + other.different,
        )


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
class SubtitleFile:
    """A subtitle file that was not archived: `outcome` is expired, refused or failed."""

    job_id: str
    result_index: int
    file_index: int
    language: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class SubtitleReport:
    """What became of the subtitle files that the lake names.

    Attributes:
        known: Files that committed results name.
        archived_before: Of these, archived before this run.
        given_up: Of these, found expired or refused before, and not asked for again.
        archived: Fetched and archived now.
        expired: No longer there, or not for us: not asked for again.
        refused: Not allowed by the rules: asked for again only under other rules.
        unasked: Of the refused, those whose host was not asked at all.
        failed: Not fetched for a passing reason: tried again next time.
        bytes: Bytes archived now.
        reasons: Files that were not archived, by reason.
        files: The first of them, one by one.
        more_files: How many more of them there are.
        expiring_soon: Files that failed and whose link is good for 30 days more at most.
        expires_by: When the first link that failed has expired at the latest, UTC, or None; it
            counts from when the job was asked about, so a link may expire before.
        archive_files: Files written, relative to the lake.
    """

    known: int = 0
    archived_before: int = 0
    given_up: int = 0
    archived: int = 0
    expired: int = 0
    refused: int = 0
    unasked: int = 0
    failed: int = 0
    bytes: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    files: tuple[SubtitleFile, ...] = ()
    more_files: int = 0
    expiring_soon: int = 0
    expires_by: str | None = None
    archive_files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SetAside:
    """Why a part is in quarantine; the fields are those of the table `quarantine`."""

    quarantine_index: int
    scope: str
    reason: str
    message: str
    pointer: str
    keyword: str | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a row comes from.

    Attributes:
        table: Its table.
        keys: Values of its key columns.
        state: What became of it: `loaded`, `quarantined`, or the row's own `state` where the table
            has that column.
        fragment: The exact text it was made of.
        place: Where that lies, as one line; `#` goes into a text of JSON.
        job_id: Its job; None for a batch.
        type: Type of its result, as the service sent it.
        raw_file: File of the lake that holds the reply.
        raw_row: Row in that file.
        queried_at: When the reply was received, UTC.
        origin: `api`, or `import` for a saved reply.
        http_status: Status of the reply.
        body_sha256: sha256 of the reply, found to be right.
        body_bytes: Size of the reply.
        reply_pointer: JSON pointer into the reply: to Data, or to the fragment where it is in none.
        data_pointer: JSON pointer into Data, or None where the fragment is not in Data.
        set_aside: Why it is in quarantine, or None.
        file: Another file of the lake that the fragment lies in: a subtitle archive or a marker.
        file_row: Row in that file.
        file_sha256: sha256 of the subtitle file or marker.
        notes: What else there is to know.
    """

    table: str
    keys: dict[str, str | int]
    state: str
    fragment: str
    place: str
    job_id: str | None = None
    type: str | None = None
    raw_file: str | None = None
    raw_row: int | None = None
    queried_at: str | None = None
    origin: str | None = None
    http_status: int | None = None
    body_sha256: str | None = None
    body_bytes: int | None = None
    reply_pointer: str | None = None
    data_pointer: str | None = None
    set_aside: SetAside | None = None
    file: str | None = None
    file_row: int | None = None
    file_sha256: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """Where everything stands.

    Attributes:
        jobs: Jobs by state (`loaded`, `failed`, `rejected`, `expired`, `quarantined`).
        stale_batches: Raw files whose batch is absent or out of date.
        quarantine: Quarantined parts by reason.
        published: Path of the published warehouse, or None.
        published_error: Why the file at its place cannot be read, or None.
        waiting_batches: Committed batches the published warehouse does not hold as they are; all
            of them where it cannot be read.
        lag_seconds: Age of the oldest final reply that is not published, or 0.
        schemas_error: Why the lake cannot be flattened with these schemas, or None.
        expiring: Pending jobs that expire within the days of warning.
        first_expires_at: When the first of those expires, ISO 8601 UTC, or None.
        expired: Pending jobs past the retention period: asked for once more, then recorded.
        held_version: Version that a rollback holds in place whatever is loaded, or None.
        held_at: Since when, ISO 8601 UTC, or None.
        held_reason: What the operator said, or None.
        hold_error: Why the hold cannot be read, or None.
        waiting_aliases: Whether the published warehouse has other aliases than the lake's files,
            or these cannot be read.
        aliases_error: Why they cannot be read, or None.
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
    schemas_error: str | None = None
    expiring: int = 0
    first_expires_at: str | None = None
    expired: int = 0
    held_version: str | None = None
    held_at: str | None = None
    held_reason: str | None = None
    hold_error: str | None = None
    waiting_aliases: bool = False
    aliases_error: str | None = None
