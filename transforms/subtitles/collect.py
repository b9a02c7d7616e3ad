"""Fetches every subtitle file the lake names and does not hold, and archives what came.

What is missing is derived: links in committed `subtitle_files`, less what the archive knows. A file
that is gone is not asked for again, nor is one that was refused, as long as the rules are the same;
one that failed for a passing reason is tried again next time.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from transforms import lake, raw
from transforms.merged.rows import Unmerged
from transforms.reports import Progress, SubtitleFile, SubtitleReport
from transforms.settings import Settings
from transforms.storage import Storage
from transforms.subtitles import archive
from transforms.subtitles.archive import Entry, Fetched
from transforms.subtitles.fetch import Download, FetchLimits, Network, fetch
from transforms.subtitles.guard import parse_hosts
from transforms.subtitles.links import TABLE, FileKey, digest_of, links_in
from transforms.subtitles.outcome import Outcome
from transforms.table_file import CommittedFile

VALID = timedelta(days=180)
"""How long a link lives, from the end of its job; we know when the job was asked about, later."""
SOON = timedelta(days=30)
MOST_FILES = 100
"""Files without success that are named one by one."""


@dataclass(frozen=True, slots=True)
class Target:
    """A file to fetch; `queried_at` is when its job was asked about, UTC without a zone."""

    key: FileKey
    url: str = field(repr=False)
    queried_at: datetime

    @property
    def url_sha256(self) -> str:
        """Returns what the link is known by."""
        return digest_of(self.url)

    @property
    def expires_by(self) -> datetime:
        """Returns when the link is dead at the latest."""
        return self.queried_at + VALID


@dataclass(slots=True)
class _Tally:
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    unasked: int = 0
    bytes: int = 0
    failed: list[Target] = field(default_factory=list)
    files: list[SubtitleFile] = field(default_factory=list)

    def add(self, target: Target, download: Download) -> None:
        """Counts a download."""
        self.outcomes[download.outcome] += 1
        self.bytes += len(download.body)
        if download.outcome == Outcome.ARCHIVED:
            return
        self.reasons[download.reason] += 1
        self.unasked += download.outcome == Outcome.REFUSED and download.http_status is None
        if download.outcome == Outcome.FAILED:
            self.failed.append(target)
        if len(self.files) < MOST_FILES:
            self.files.append(SubtitleFile(*target.key, download.outcome.value, download.reason))


def collect(
    storage: Storage, settings: Settings, progress: Progress, network: Network, *, again: bool
) -> SubtitleReport:
    """Fetches and archives what is missing; see `pipeline.fetch_subtitles`."""
    limits = FetchLimits(
        hosts=parse_hosts(settings.subtitle_hosts),
        max_bytes=settings.subtitle_max_bytes,
        total_seconds=settings.subtitle_timeout_seconds,
    )
    rules = f"hosts {settings.subtitle_hosts}; max_bytes {settings.subtitle_max_bytes}"
    known = archive.newest_entries(archive.read_index(storage))
    targets = list_targets(storage)
    wanted = [
        target
        for target in targets
        if not _is_settled(known.get((target.key, target.url_sha256)), target, rules, again=again)
    ]
    tally = _Tally()
    progress("subtitles", 0, len(wanted))
    downloads = _told(
        _download(wanted, limits, network, settings.subtitle_concurrency), progress, len(wanted)
    )
    fetched = _fetched(downloads, rules, tally)
    files = tuple(archive.write_files(storage, fetched, settings.batch_bytes))
    return _report(targets, wanted, known, tally, files)


def list_targets(storage: Storage) -> list[Target]:
    """Returns every subtitle file that committed results name, those that die first in front."""
    newest = raw.newest_rows(raw.read_index(storage))
    found: dict[tuple[FileKey, str], Target] = {}  # a job on the move is in two batches
    with Unmerged(storage) as unmerged:
        for commit in lake.read_commits(storage).values():
            for file in commit.files:
                if file.table == TABLE:
                    for key, link in links_in(_read_rows(storage, commit, file, unmerged)):
                        if (reply := newest.get(key.job_id)) is not None:
                            found[key, digest_of(link)] = Target(key, link, reply.queried_at)
    return sorted(found.values(), key=lambda target: (target.queried_at, target.key))


def _read_rows(
    storage: Storage, commit: lake.Commit, file: CommittedFile, unmerged: Unmerged
) -> list[dict[str, object]]:
    found = lake.find_rows(storage, commit, file, unmerged=unmerged)
    if found is None:  # its batch is just being made again: the next run sees it
        return []
    rows: list[dict[str, object]] = found.to_pylist()
    return rows


def _is_settled(entry: Entry | None, target: Target, rules: str, *, again: bool) -> bool:
    """Tells whether there is no use in asking for a file."""
    if entry is None:
        return False
    if entry.outcome == Outcome.ARCHIVED:
        return True
    if again or entry.fetched_at < target.queried_at:  # a newer reply signed the link anew
        return False
    return entry.outcome != Outcome.REFUSED or entry.rules == rules


def _download(
    targets: Sequence[Target], limits: FetchLimits, network: Network, concurrency: int
) -> Iterator[tuple[Target, Download]]:
    """Yields each file in order; few are held at once, however many there are."""
    window: deque[tuple[Target, Future[Download]]] = deque()
    pool = ThreadPoolExecutor(concurrency, "subtitles")
    try:
        for target in targets:
            window.append((target, pool.submit(fetch, target.url, limits, network)))
            if len(window) > concurrency:
                first, future = window.popleft()
                yield first, future.result()
        for first, future in window:
            yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _told(
    downloads: Iterable[tuple[Target, Download]], progress: Progress, total: int
) -> Iterator[tuple[Target, Download]]:
    for done, each in enumerate(downloads, start=1):
        progress("subtitles", done, total)
        yield each


def _fetched(
    downloads: Iterable[tuple[Target, Download]], rules: str, tally: _Tally
) -> Iterator[Fetched]:
    """Counts the downloads and yields those there is nothing more to ask about."""
    for target, download in downloads:
        tally.add(target, download)
        if download.outcome == Outcome.FAILED:
            continue
        yield Fetched(
            key=target.key,
            url_sha256=target.url_sha256,
            fetched_at=datetime.now(UTC),
            outcome=download.outcome,
            http_status=download.http_status,
            reason=download.reason or None,
            rules=rules if download.outcome == Outcome.REFUSED else None,
            body=download.body if download.outcome == Outcome.ARCHIVED else None,
        )


def _report(
    targets: Sequence[Target],
    wanted: Sequence[Target],
    known: Mapping[tuple[FileKey, str], Entry],
    tally: _Tally,
    files: tuple[str, ...],
) -> SubtitleReport:
    held = [entry for t in targets if (entry := known.get((t.key, t.url_sha256))) is not None]
    archived_before = sum(entry.outcome == Outcome.ARCHIVED for entry in held)
    expires_by = min((target.expires_by for target in tally.failed), default=None)
    soon = datetime.now(UTC).replace(tzinfo=None) + SOON
    return SubtitleReport(
        known=len(targets),
        archived_before=archived_before,
        given_up=len(targets) - len(wanted) - archived_before,
        archived=tally.outcomes[Outcome.ARCHIVED],
        expired=tally.outcomes[Outcome.EXPIRED],
        refused=tally.outcomes[Outcome.REFUSED],
        unasked=tally.unasked,
        failed=tally.outcomes[Outcome.FAILED],
        bytes=tally.bytes,
        reasons=dict(tally.reasons.most_common()),
        files=tuple(tally.files),
        more_files=tally.reasons.total() - len(tally.files),
        expiring_soon=sum(target.expires_by <= soon for target in tally.failed),
        expires_by=expires_by.isoformat() if expires_by else None,
        archive_files=files,
    )
