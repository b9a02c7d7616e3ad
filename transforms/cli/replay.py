"""`cognition replay`: which jobs to replay, and what that changed, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from transforms.cli.outcome import Outcome
from transforms.cli.render import warehouse_lines, write_lines
from transforms.cli.words import amount, counts
from transforms.errors import ConfigurationError
from transforms.ledger import is_job_id, read_file
from transforms.plain import plain
from transforms.selection import Selection, parse_since

if TYPE_CHECKING:
    from transforms.pipeline import ReplayedReport
    from transforms.reports import ReplayReport

IN_FILE = "@"
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
        types: Names of Types.
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
    ids = tuple(dict.fromkeys(job for text in jobs for job in _read_jobs(text)))
    time = parse_since(since) if since is not None else None
    return Selection(ids, tuple(types), time, quarantined)


def replay_outcome(report: ReplayedReport) -> Outcome:
    """Returns the outcome of `cognition replay`."""
    lines = list(_replay_lines(report.replay))
    if report.warehouse is not None:
        lines += warehouse_lines(report.warehouse)
    return Outcome(
        asdict(report),
        lambda console: write_lines(console, lines),
        warnings=tuple(_warnings(report.replay)),
    )


def _read_jobs(text: str) -> list[str]:
    if text.startswith(IN_FILE):
        jobs = read_file(Path(text.removeprefix(IN_FILE)))
    else:
        jobs = [job.strip() for job in text.split(",") if job.strip()]
    if wrong := [job for job in jobs if not is_job_id(job)]:
        raise ConfigurationError(f"--jobs: {wrong[0][:12]!r} is no job id: correct or remove it")
    if not jobs:
        raise ConfigurationError("--jobs names no job: give ids separated by commas, or @FILE")
    return jobs


def _replay_lines(report: ReplayReport) -> Iterator[tuple[str, str]]:
    if not report.jobs:
        yield "replay", "no job of the lake matches: nothing was done"
        return
    done = "would be made again" if report.dry_run else "made again"
    held = f"{amount(report.jobs, 'job')}: {amount(report.batches, 'batch')} {done}"
    yield "replay", f"{held}, {report.unchanged:,} unchanged, in {report.seconds:,.1f} s"
    if report.retracted:
        gone = amount(report.retracted, "batch")
        yield "", f"{gone} without a raw file {'would go' if report.dry_run else 'taken out'}"
    if not report.differences:
        yield "rows", "no difference"
    for at, (table, each) in enumerate(report.differences.items()):
        yield "rows" if at == 0 else "", f"{table}: {counts(asdict(each))}"
    before, after = amount(report.quarantine_before, "part"), f"{report.quarantine_after:,}"
    yield "quarantine", f"{before} before, {after} after"
    if report.dry_run:
        yield "dry run", "nothing was written"


def _warnings(report: ReplayReport) -> Iterator[str]:
    if report.missing_jobs:
        first = ", ".join(plain(job) for job in report.missing_jobs[:_SHOWN])
        more = ", ..." if len(report.missing_jobs) > _SHOWN else ""
        yield f"{amount(len(report.missing_jobs), 'job')} not flattened in the lake: {first}{more}"
