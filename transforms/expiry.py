"""How long the service keeps the results of pending jobs, and which of them are about to be lost.

The service deletes jobs and their results after some days (vendor page: 180 for smart tagging).
Nobody tells when a job was submitted; what the ledger says is the latest it can have been.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from transforms import ledger, raw
from transforms.ledger import Known
from transforms.reports import ExpiringJob, ExpiryReport
from transforms.settings import Settings
from transforms.storage import Storage

LISTED = 100
"""So many jobs are told one by one; the counts hold all."""


@dataclass(frozen=True)
class Retention:
    """When the service may delete jobs.

    Attributes:
        days: How long it keeps a job.
        read_known: Gives the ledger's jobs; called at most once, and only if need be, as many
            files may have to be read.
    """

    days: int
    read_known: Callable[[], Mapping[str, Known]] = dict

    def has_ended(self, job_id: str, at: datetime) -> bool:
        """Tells whether a job's results are gone at a time that knows its zone.

        Only a time that was told counts: a file's own may be that of its copy.
        """
        known = self._known.get(job_id)
        if known is None or known.told is None:
            return False
        return known.told + timedelta(days=self.days) <= _naive(at)

    def is_new(self, job_id: str, at: datetime) -> bool:
        """Tells whether a job is known for less than a day at a time that knows its zone."""
        known = self._known.get(job_id)
        return known is not None and _naive(at) - known.since < timedelta(days=1)

    @cached_property
    def _known(self) -> Mapping[str, Known]:
        return self.read_known()


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
    known: Mapping[str, Known],
    landed: Container[str],
    settings: Settings,
    *,
    now: datetime | None = None,
) -> ExpiryReport:
    """Returns the same of jobs that were read already; see `read_expiry`.

    Args:
        known: The ledger's jobs.
        landed: Jobs with a final reply.
        settings: How long results are kept, and how long ahead to warn.
        now: A time that knows its zone; default: the present.
    """
    moment = _naive(now or datetime.now(UTC))
    warned = moment + timedelta(days=settings.expiry_warning_days)
    kept = timedelta(days=settings.retention_days)
    pending = [(each.since + kept, job) for job, each in known.items() if job not in landed]
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
