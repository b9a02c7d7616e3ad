"""`cognition maintain`: which steps, and what they did, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from transforms.cli.failure import DONE, IMPERFECT
from transforms.cli.outcome import Outcome
from transforms.cli.render import write_lines
from transforms.errors import ConfigurationError
from transforms.maintenance import STEPS
from transforms.plain import near, plain
from transforms.words import amount, file_size, number

if TYPE_CHECKING:
    from transforms.compaction import CompactionReport
    from transforms.maintenance import CleanReport, MaintenanceReport
    from transforms.reports import ExpiryReport
    from transforms.warehouse.prune import PruneReport

_SHOWN = 3


def read_steps(given: Sequence[str]) -> tuple[str, ...]:
    """Returns the steps that `--only` names, by comma or repeated; all where it is not given.

    Raises:
        ConfigurationError: There is no such step, or none is named.
    """
    if not given:
        return STEPS
    names = [name.strip() for text in given for name in text.split(",") if name.strip()]
    known = ", ".join(STEPS)
    if not names:
        raise ConfigurationError(f"--only names no step: give one or several of {known}")
    for name in names:
        if name not in STEPS:
            remedy = near(name, STEPS) or f"give one of {known}"
            raise ConfigurationError(f"--only: there is no step {plain(name)}: {remedy}")
    return tuple(step for step in STEPS if step in names)


def maintain_outcome(report: MaintenanceReport, *, strict: bool) -> Outcome:
    """Returns the outcome of `cognition maintain`."""
    expiry = report.expiry
    lacking = expiry is not None and (expiry.expiring or expiry.expired)
    return Outcome(
        asdict(report),
        lambda console: write_lines(console, _lines(report)),
        code=IMPERFECT if strict and lacking else DONE,
        warnings=tuple(_warnings(expiry)) if expiry is not None else (),
    )


def _lines(report: MaintenanceReport) -> Iterator[tuple[str, str]]:
    if report.compact is not None:
        yield from _compact_lines(report.compact)
    if report.prune is not None:
        yield from _prune_lines(report.prune)
    if report.expiry is not None:
        yield "expiry", _expiry_line(report.expiry)
    if report.clean is not None:
        yield from _clean_lines(report.clean)
    if report.dry_run:
        yield "dry run", "nothing was changed"


def _compact_lines(report: CompactionReport) -> Iterator[tuple[str, str]]:
    if report.compactions:
        files = f"{amount(report.files_before, 'file')} {_done(report.dry_run, 'merged')} into"
        yield "compact", f"{files} {report.files_after:,}, of {amount(report.batches, 'batch')}"
        yield "", f"months: {', '.join(report.months)}; {report.seconds:,.1f} s"
    else:
        yield "compact", "nothing to merge in months that are over"
    if report.finished:
        yield "", f"{amount(report.finished, 'compaction')} that a crash had left was ended first"
    if report.waiting:
        left = f"left for the next time: {', '.join(report.waiting)}"
        yield "", f"{left}; batches are out of date, or just being made"


def _prune_lines(report: PruneReport) -> Iterator[tuple[str, str]]:
    removed = amount(len(report.removed), "published version")
    kept = f"{report.kept:,} kept"
    yield "prune", f"{removed} {_done(report.dry_run, 'taken away')}, {kept}"
    if report.leftovers:
        yield "", f"{amount(len(report.leftovers), 'left-over')} of publishes"
    if report.bytes:
        yield "", file_size(report.bytes)


def _expiry_line(report: ExpiryReport) -> str:
    of = f"of {amount(report.pending, 'pending job')}"
    if not report.expiring and not report.expired:
        return f"none {of} expires soon"
    return f"{of}, {report.expiring:,} expire soon, {report.expired:,} are past their time"


def _clean_lines(report: CleanReport) -> Iterator[tuple[str, str]]:
    left = f"{amount(report.staged_files, 'file')} of writers that died"
    locks = amount(report.lock_files, "old lock")
    yield "clean", f"{left} and {locks} {_done(report.dry_run, 'removed')}"
    if report.ledger_files:
        files = amount(report.ledger_files, "ledger file")
        yield "", f"{files} {_done(report.dry_run, 'merged')} into {report.merged_files:,}"


def _warnings(report: ExpiryReport) -> Iterator[str]:
    if report.expiring:
        named = ", ".join(plain(job.job_id) for job in report.expiring_jobs[:_SHOWN])
        more = ", ..." if report.expiring > _SHOWN else ""
        first = str(report.first_expires_at)[:10]
        yield (
            f"{amount(report.expiring, 'pending job')} expire soon, the first {first}: "
            f"{named}{more}; see that cognition ingest gets their answers until then"
        )
    if report.expired:
        yield (
            f"{number(report.expired)} of {amount(report.pending, 'pending job')} are past the "
            "time results are kept; cognition ingest asks once more and records what is gone"
        )


def _done(dry_run: bool, what: str) -> str:  # noqa: FBT001 - a state, not a switch
    return f"would be {what}" if dry_run else what
