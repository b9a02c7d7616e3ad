"""From the sources of job ids to raw: known ids, and the service's final replies."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from transforms import lake, ledger, raw
from transforms.errors import ConfigurationError, RetryableError, SourceUnavailableError
from transforms.landing import land_answers
from transforms.ledger import Known
from transforms.messages.drain import DrainReport, drain_queue
from transforms.messages.mns import MnsQueue
from transforms.reports import ImportReport, IngestReport, Progress, no_progress
from transforms.saved import import_saved, read_saved
from transforms.settings import QueueSettings, Settings, SourceSettings
from transforms.storage import Storage


def add_jobs(settings: Settings, job_ids: Sequence[str], origin: str) -> int:
    """Adds job ids that are not known yet to the ledger; returns how many.

    Args:
        settings: Where the lake lies; it is made if need be.
        job_ids: The ids.
        origin: Where they come from, such as `form`: the folder of their ledger file.

    Raises:
        ConfigurationError: One of them is no job id; nothing was written.
    """
    storage = lake.open_lake(settings.lake_root, create=True)
    fresh = ledger.unknown_jobs(storage, job_ids)
    ledger.append(storage, [{"job_id": job} for job in fresh], origin)
    return len(fresh)


def drain(  # noqa: PLR0913 - keyword-only, each with a default
    settings: Settings,
    source: SourceSettings,
    *,
    seconds: float = 60.0,
    limit: int | None = None,
    discard_unreadable: bool = False,
    progress: Progress = no_progress,
) -> DrainReport | None:
    """Moves the job ids of waiting completion messages into the ledger.

    Args:
        settings: Where the lake lies; it is made if need be.
        source: The key pair the queue is asked with.
        seconds: After so long no more messages are taken.
        limit: Most messages to take.
        discard_unreadable: Remove unreadable messages too, once they are logged.
        progress: Told as `messages`.

    Returns:
        What came of them, or None where no queue is configured.

    Raises:
        RetryableError: The queue did not answer, or the ledger cannot be written.
        FatalError: The service refused us, or a setting is wrong.
    """
    queue = QueueSettings()
    if not queue.has_queue:
        return None
    client = MnsQueue(queue, source)  # first: a wrong setting must not leave a new lake behind
    storage = lake.open_lake(settings.lake_root, create=True)
    return drain_queue(
        storage,
        client,
        queue,
        seconds=seconds,
        limit=limit,
        discard_unreadable=discard_unreadable,
        progress=progress,
    )


def ingest(
    settings: Settings, source: SourceSettings, *, progress: Progress = no_progress
) -> IngestReport:
    """Asks the service for every pending job and lands the final replies in raw.

    Where the service stops answering the report says so and tells what landed until then.
    """
    storage, known, pending = _known_and_pending(settings)
    report = land_answers(storage, settings, source, pending, progress, read_known=lambda: known)
    return replace(report, known=len(known), pending=len(pending))


def pending_batches(settings: Settings, *, size: int) -> list[list[str]]:
    """Returns the pending job ids in lists of at most `size`."""
    _, _, pending = _known_and_pending(settings)
    return [pending[start : start + size] for start in range(0, len(pending), size)]


def query_batch(
    settings: Settings,
    source: SourceSettings,
    job_ids: Sequence[str],
    *,
    progress: Progress = no_progress,
) -> IngestReport:
    """Asks the service for some jobs; those landed meanwhile are not asked for again.

    Where the service stops answering the report says so: see `require_answers`.
    """
    storage = lake.open_lake(settings.lake_root, create=True)
    pending = _not_landed(storage, job_ids)
    return land_answers(
        storage,
        settings,
        source,
        pending,
        progress,
        read_known=lambda: ledger.read_jobs(storage),
    )


def require_answers(report: IngestReport) -> None:
    """Raises what a scheduler is to know of a report: that jobs must be asked for again.

    Raises:
        RetryableError: Not one of the jobs was answered, or the service stopped answering: what it
            answered before is landed, the rest stays pending.
    """
    if report.stopped_reason is not None:
        landed = f"{report.landed} of {report.queried} jobs landed"
        raise SourceUnavailableError(f"{landed}, then it ended: {report.stopped_reason}")
    if report.unanswered and report.unanswered == report.queried:
        jobs = f"{report.unanswered} of {report.queried} jobs got no answer"
        raise RetryableError(f"{jobs}; the last: {report.unanswered_reason}")


def import_replies(
    settings: Settings, files: Sequence[Path], *, job_id: str | None = None
) -> ImportReport:
    """Lands saved replies: final ones that are not there yet, byte for byte.

    Args:
        settings: Where the lake lies.
        files: JSON files, one reply each.
        job_id: Job of the one file; else the file's own JobId, else its stem.

    Raises:
        ConfigurationError: A file cannot be read or is no reply; nothing was written.
    """
    if job_id is not None and len(files) != 1:
        raise ConfigurationError("--job-id names the job of one file: give one file at a time")
    saved = [read_saved(file, job_id) for file in files]
    storage = lake.open_lake(settings.lake_root, create=True)
    return import_saved(storage, saved, settings.batch_bytes)


def _known_and_pending(settings: Settings) -> tuple[Storage, dict[str, Known], list[str]]:
    """Returns the lake, made if need be, the known jobs, and the pending ones in any order."""
    storage = Storage.at(settings.lake_root)
    known = ledger.read_jobs(storage)  # first: a wrong one must not leave a new lake behind
    storage = lake.open_lake(settings.lake_root, create=True)
    return storage, known, _shuffled(_not_landed(storage, known))


def _shuffled(job_ids: Sequence[str]) -> list[str]:
    """Returns jobs in another order each time.

    Those that the service never answers stay pending. In the order of the ledger they would gather
    at its front, and so many failures in a row end a run before it comes to the others.
    """
    return random.sample(job_ids, len(job_ids))


def _not_landed(storage: Storage, job_ids: Iterable[str]) -> list[str]:
    landed = {row.job_id for row in raw.read_index(storage)}
    return [job for job in job_ids if job not in landed]
