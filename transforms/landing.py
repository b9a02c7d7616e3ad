"""Lands the service's final replies in raw: what counts as final, and when it is written.

Error replies wait for the end of a run: where a service rejects job after job and knows none, it
is the wrong one, and no job may be closed over it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from transforms import raw
from transforms.envelope import EXPIRED
from transforms.errors import SourceRefusedError, SourceUnavailableError
from transforms.expiry import Retention
from transforms.ledger import Known
from transforms.plain import plain
from transforms.reports import IngestReport, Progress
from transforms.settings import Settings, SourceSettings
from transforms.source import (
    CognitionSource,
    QueryPace,
    Reply,
    SharedPace,
    Unanswered,
    account_name,
    endpoint_of,
    is_final,
    readable_code,
    reply_status,
)
from transforms.storage import LOCKS, Storage

REJECTED = "Rejected"
MALFORMED = "Malformed"
DOUBTFUL_REJECTIONS = 10
"""So many rejected jobs and none with a JobStatus are a wrong region, not lost jobs."""

_HTTP_ERRORS = 400
_LOG = logging.getLogger(__name__)
_FOR_EVER: Final = Retention(0)


class Place(NamedTuple):
    """Whom we ask: region of the settings and host."""

    region: str
    host: str


@dataclass(slots=True)
class Tally:
    """What was answered so far.

    Attributes:
        by_status: Replies by JobStatus; `Rejected` and `Malformed` for those without one.
        error_codes: Error replies by code.
        landed: Final replies handed on.
        expired: Of these, replies that landed because their job's time is over.
        unanswered: Jobs whose retries were used up.
        reason: Why the last of them was not answered.
        stopped: Why the run ended early, or None.
    """

    by_status: Counter[str] = field(default_factory=Counter)
    error_codes: Counter[str] = field(default_factory=Counter)
    landed: int = 0
    expired: int = 0
    unanswered: int = 0
    reason: str | None = None
    stopped: str | None = None

    @property
    def knows_a_job(self) -> bool:
        """Tells whether any job had a JobStatus."""
        return bool(self.by_status.keys() - {REJECTED, MALFORMED})


def land_answers(  # noqa: PLR0913 - whom to ask for what, where to land it, and whom to tell
    storage: Storage,
    settings: Settings,
    source_settings: SourceSettings,
    job_ids: Sequence[str],
    progress: Progress,
    *,
    read_known: Callable[[], Mapping[str, Known]] = dict,
) -> IngestReport:
    """Asks the service for some jobs and lands the final replies.

    A job older than the retention period is recorded as expired if its answer is not final.

    Args:
        storage: The lake.
        settings: How replies are batched, and how long the service keeps results.
        source_settings: How to reach the service.
        job_ids: The jobs, each once.
        progress: Told how many were answered.
        read_known: Gives the ledger's jobs; called only where the age of one matters.

    Returns:
        What was answered, also where the service stopped answering: then with `stopped_reason`.

    Raises:
        FatalError: The service refused us, or rejected job after job and knows none. What it
            answered before is landed, but for rejections nobody could believe.
    """
    tally, place = Tally(), Place(source_settings.region, endpoint_of(source_settings))
    retention = Retention(settings.retention_days, read_known)
    progress("source", 0, len(job_ids))
    with CognitionSource(source_settings, pace_of(storage, source_settings)) as source:
        asked = _until_stopped(source.query_all(job_ids), tally)
        answers = _told(asked, progress, len(job_ids))
        replies = final_replies(answers, tally, place, retention)
        written = raw.write_raw(
            storage, replies, settings.batch_bytes, flush_seconds=settings.flush_seconds
        )
        files = tuple(written)
        counters = source.counters
    if tally.stopped is not None:
        tally.unanswered = len(job_ids) - sum(tally.by_status.values())
    return IngestReport(
        known=len(job_ids),
        pending=len(job_ids),
        queried=sum(tally.by_status.values()) + tally.unanswered,
        by_status=dict(tally.by_status),
        landed=tally.landed,
        unanswered=tally.unanswered,
        calls=counters.calls,
        retries=counters.retries,
        throttled=counters.throttled,
        raw_files=files,
        unanswered_reason=tally.reason,
        error_codes=dict(tally.error_codes),
        region=place.region,
        endpoint=place.host,
        expired=tally.expired,
        stopped_reason=tally.stopped,
    )


def pace_of(storage: Storage, settings: SourceSettings) -> QueryPace:
    """Returns the pace of queries: one for all processes that can see a file in common.

    That file is `COGNITION_PACE_FILE`, else one in the staging of a local lake. A lake in an object
    store has none: then each process has its own pace.
    """
    file = settings.pace_file
    if file is None and storage.local is not None:
        file = storage.local / LOCKS / f"pace-{account_name(settings)}"
    return QueryPace(settings.queries_per_second, shared=SharedPace(file) if file else None)


def final_replies(
    answers: Iterable[Reply | Unanswered],
    tally: Tally,
    place: Place,
    retention: Retention = _FOR_EVER,
) -> Iterator[Reply | None]:
    """Yields the final replies, error replies last; None for an answer that does not land now.

    Args:
        answers: What the service answered, as it comes.
        tally: Takes the counts.
        place: Whom we asked, for messages.
        retention: When jobs end; of those that have, any reply is the last.

    Raises:
        SourceRefusedError: Ten jobs or more were rejected and none had a JobStatus.
    """
    held: list[Reply] = []
    try:
        for answer in answers:
            yield _sort(answer, tally, held, retention)
    except (Exception, KeyboardInterrupt):
        if tally.knows_a_job:
            yield from _let_go(held, tally)
        raise
    if not tally.knows_a_job:
        if tally.stopped is not None:
            _forget(held, tally)
            return
        if len(held) >= DOUBTFUL_REJECTIONS:
            raise _wrong_place(tally, place)
        held = _believed(held, retention)
    yield from _let_go(held, tally)


def status_of(reply: Reply) -> str:
    """Returns what a reply counts as: its JobStatus, else `Rejected` or `Malformed`.

    An error that came as a success is malformed, as flatten has it.
    """
    if reply.error_code is None:
        status = reply_status(reply.body)
        return MALFORMED if status is None else plain(status)
    return REJECTED if (reply.http_status or 0) >= _HTTP_ERRORS else MALFORMED


def _sort(
    answer: Reply | Unanswered, tally: Tally, held: list[Reply], retention: Retention
) -> Reply | None:
    """Counts an answer; returns it if it lands now."""
    if isinstance(answer, Unanswered):
        tally.unanswered += 1
        tally.reason = str(answer.error)
        return None
    tally.by_status[status_of(answer)] += 1
    if answer.error_code is not None:
        tally.error_codes[readable_code(answer.error_code)] += 1
        held.append(answer)
        return None
    if not is_final(answer.body):
        if not retention.has_ended(answer.job_id, answer.queried_at):
            return None
        tally.expired += 1
        answer = replace(answer, error_code=EXPIRED)
    tally.landed += 1
    return answer


def _let_go(held: Sequence[Reply], tally: Tally) -> Iterator[Reply]:
    for reply in held:
        tally.landed += 1
        yield reply


def _believed(held: Sequence[Reply], retention: Retention) -> list[Reply]:
    """Returns rejections that can be believed though no other answer vouches for them.

    Where jobs come in ones and twos, a wrong region would close them all, run by run: what is new
    is asked for again until the next day.
    """
    believed = [each for each in held if not retention.is_new(each.job_id, each.queried_at)]
    if left := len(held) - len(believed):
        _LOG.warning(
            "%d jobs were rejected and the service knew no other job: they stay pending until they "
            "are known for a day. Check the ids, and COGNITION_REGION and COGNITION_ENDPOINT.",
            left,
        )
    return believed


def _forget(held: Sequence[Reply], tally: Tally) -> None:
    """Takes back rejections that a run which was stopped could not confirm."""
    tally.by_status -= Counter(status_of(reply) for reply in held)
    tally.error_codes.clear()


def _until_stopped(
    answers: Iterable[Reply | Unanswered], tally: Tally
) -> Iterator[Reply | Unanswered]:
    """Ends with the last answer where the service stops answering."""
    try:
        yield from answers
    except SourceUnavailableError as error:
        tally.stopped = str(error)


def _wrong_place(tally: Tally, place: Place) -> SourceRefusedError:
    codes = ", ".join(sorted(tally.error_codes))
    return SourceRefusedError(
        f"all {sum(tally.error_codes.values())} jobs rejected ({codes}), none landed: check "
        f"COGNITION_REGION ({place.region}) and COGNITION_ENDPOINT ({place.host}); if the jobs "
        "really are gone, take them out of the ledger"
    )


def _told(
    answers: Iterable[Reply | Unanswered], progress: Progress, total: int
) -> Iterator[Reply | Unanswered]:
    for done, answer in enumerate(answers, start=1):
        progress("source", done, total)
        yield answer
