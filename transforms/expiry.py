"""How long the service keeps the results of pending jobs, and which of them are about to be lost.

The service deletes jobs and their results after some days (vendor page: 180 for smart tagging).
Nobody tells when a job was submitted; what the ledger says is the latest it can have been.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from transforms import ledger, raw
from transforms.reports import ExpiringJob, ExpiryReport
from transforms.settings import Settings
from transforms.storage import Storage

LISTED = 100
"""So many jobs are told one by one; the counts hold all."""


@dataclass(frozen=True, slots=True)
class Retention:
    """When the service may delete jobs.

    Attributes:
        days: How long it keeps a job.
        known_since: Since when each job is known, naive UTC; a job without a time never ends.
    """

    days: int
    known_since: Mapping[str, datetime] = field(default_factory=dict)

    def ends(self, job_id: str) -> datetime | None:
        """Returns when a job's results may be gone, naive UTC."""
        since = self.known_since.get(job_id)
        return None if since is None else since + timedelta(days=self.days)

    def has_ended(self, job_id: str, at: datetime) -> bool:
        """Tells whether a job's results may be gone at a time that knows its zone."""
        ends = self.ends(job_id)
        return ends is not None and ends <= _naive(at)


def read_expiry(
    storage: Storage, settings: Settings, *, now: datetime | None = None
) -> ExpiryReport:
    """Returns which pending jobs expire soon, and which are past their time already.

    Args:
        storage: The lake.
        settings: How long results are kept, and how long ahead to warn.
        now: A time that knows its zone; default: the present.

    Raises:
        ConfigurationError: A file of the ledger is none.
    """
    known = ledger.read_jobs(storage)
    landed = {row.job_id for row in raw.read_index(storage)}
    return expiry_of(known, landed, settings, now=now)


def expiry_of(
    known_since: Mapping[str, datetime],
    landed: Container[str],
    settings: Settings,
    *,
    now: datetime | None = None,
) -> ExpiryReport:
    """Returns the same of jobs that were read already; see `read_expiry`.

    Args:
        known_since: Since when each job is known, naive UTC.
        landed: Jobs with a final reply.
        settings: How long results are kept, and how long ahead to warn.
        now: A time that knows its zone; default: the present.
    """
    moment = _naive(now or datetime.now(UTC))
    warned = moment + timedelta(days=settings.expiry_warning_days)
    kept = timedelta(days=settings.retention_days)
    pending = [(since + kept, job) for job, since in known_since.items() if job not in landed]
    expired = sorted(each for each in pending if each[0] <= moment)
    expiring = sorted(each for each in pending if moment < each[0] <= warned)
    return ExpiryReport(
        pending=len(pending),
        expiring=len(expiring),
        first_expires_at=_shown(expiring[0][0]) if expiring else None,
        expiring_jobs=_listed(expiring, kept),
        expired=len(expired),
        expired_jobs=_listed(expired, kept),
    )


def _listed(jobs: Iterable[tuple[datetime, str]], kept: timedelta) -> tuple[ExpiringJob, ...]:
    first = list(jobs)[:LISTED]
    return tuple(ExpiringJob(job, _shown(ends - kept), _shown(ends)) for ends, job in first)


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _shown(moment: datetime) -> str:
    return f"{moment.isoformat(timespec='seconds')}Z"
