"""`cognition replay`: which jobs to replay, and what that changed, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from transforms.cli.failure import DONE, IMPERFECT
from transforms.cli.job_ids import read_job_ids
from transforms.cli.outcome import Outcome
from transforms.cli.render import warehouse_lines, write_lines
from transforms.errors import ConfigurationError
from transforms.plain import plain
from transforms.selection import Selection, parse_since
from transforms.words import amount, counts

if TYPE_CHECKING:
    from transforms.pipeline import ReplayedReport
    from transforms.reports import ReplayReport

_SHOWN = 3


def read_selection(
    jobs: Sequence[str],
    types: Sequence[str],
    since: str | None,
    *,
    quarantined: bool,
    everything: bool,
) -> Selection:
    """Returns what the options select.

    Args:
        jobs: Ids separated by commas, or `@FILE` with any ledger file.
        types: Names of Types, separated by commas.
        since: A date, or date and time, in UTC.
        quarantined: Only jobs with a part in quarantine.
        everything: All jobs.

    Raises:
        ConfigurationError: Nothing is selected, or everything and a part of it, or an option is
            malformed.
    """
    narrowed = bool(jobs or types or since is not None or quarantined)
    if not narrowed and not everything:
        raise ConfigurationError(
            "say what to replay: --jobs, --type, --since or --quarantined, or --all"
        )
    if narrowed and everything:
        raise ConfigurationError("--all replays every job: drop it, or the other options")
    ids = tuple(dict.fromkeys(job for text in jobs for job in read_job_ids(text, "--jobs")))
    time = parse_since(since) if since is not None else None
    return Selection(ids, tuple(types), time, quarantined)


def replay_outcome(report: ReplayedReport, *, strict: bool) -> Outcome:
    """Returns the outcome of `cognition replay`."""
    done = report.replay
    lacking = done.quarantine_after or done.missing_jobs or done.unflattened_jobs
    lines = list(_replay_lines(report.replay))
    if report.warehouse is not None:
        lines += warehouse_lines(report.warehouse)
    return Outcome(
        asdict(report),
        lambda console: write_lines(console, lines),
        code=IMPERFECT if strict and lacking else DONE,
        warnings=tuple(_warnings(report.replay)),
    )


def _replay_lines(report: ReplayReport) -> Iterator[tuple[str, str]]:
    if not report.jobs:
        yield "replay", "no job of the lake matches: nothing was done"
        return
    where = f"{amount(report.jobs, 'job')} in {amount(report.batches, 'batch')}"
    does = "changes" if report.changed_batches == 1 else "change"
    does = "would change" if report.dry_run else does
    changed = f"{amount(report.changed_batches, 'batch')} {does}"
    yield "replay", f"{where}: {changed}; {report.seconds:,.1f} s"
    if report.retracted:
        gone = amount(report.retracted, "batch")
        yield "", f"{gone} without a raw file {'would go' if report.dry_run else 'taken out'}"
    if not report.differences:
        yield "rows", "no difference"
    for at, (table, each) in enumerate(report.differences.items()):
        yield "rows" if at == 0 else "", f"{table}: {counts(asdict(each))}"
    before, after = amount(report.quarantine_before, "part"), f"{report.quarantine_after:,}"
    yield "quarantine", f"{before} in these batches before, {after} after"
    if report.dry_run:
        yield "dry run", "nothing was written"


def _warnings(report: ReplayReport) -> Iterator[str]:
    if report.missing_jobs:
        one = len(report.missing_jobs) == 1
        remedy = f"check the {'id' if one else 'ids'}, or land {'it' if one else 'them'} with"
        told = f"{_named(report.missing_jobs, 'not in the lake')}; {remedy}"
        yield f"{told} cognition ingest or import"
    if report.unflattened_jobs:
        yield f"{_named(report.unflattened_jobs, 'not flattened yet')}; run cognition flatten"


def _named(jobs: Sequence[str], state: str) -> str:
    first = ", ".join(plain(job) for job in jobs[:_SHOWN])
    more = ", ..." if len(jobs) > _SHOWN else ""
    return f"{amount(len(jobs), 'job')} {'is' if len(jobs) == 1 else 'are'} {state}: {first}{more}"
