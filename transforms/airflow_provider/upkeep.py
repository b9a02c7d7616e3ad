"""What `replay_results` and `maintain_lake` tell: log, XCom, and whom to warn."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from transforms.airflow_provider.notifier import notify_warning
from transforms.airflow_provider.telling import told
from transforms.airflow_provider.wiring import LAKE, lake_event
from transforms.reports import ExpiringJob, ExpiryReport, ReplayReport, Status
from transforms.words import amount

if TYPE_CHECKING:
    from transforms.warehouse.prune import PruneReport

NAMED = 10
"""Jobs that are named one by one; XCom and messages stay short."""

log = logging.getLogger(__name__)


def require_chosen(step: str) -> Mapping[str, Any]:
    """Returns the filled form of `maintain_lake`, for a step that was chosen in it.

    Raises:
        AirflowSkipException: The step was not chosen.
    """
    params: Mapping[str, Any] = get_current_context()["params"]
    if not params[step]:
        raise AirflowSkipException(f"{step} was not chosen for this run.")
    return params


def tell_replay(report: ReplayReport) -> dict[str, Any]:
    """Logs what a replay did, or would do, and returns its counts, for XCom.

    Rows that differ are counted by table; jobs are named in the log alone.
    """
    _warn_of_jobs("not in the lake: check the ids, or ask for them first", report.missing_jobs)
    _warn_of_jobs("landed and not flattened: ingest will do it", report.unflattened_jobs)
    if report.dry_run:
        log.info("A dry run: nothing was written. Trigger again with dry_run off to do it.")
    rows = {table: asdict(difference) for table, difference in report.differences.items()}
    for table, counts in rows.items():
        log.info("%s: %s", table, ", ".join(f"{n:,} {what}" for what, n in counts.items() if n))
    if not rows:
        log.info("No row differs." if report.jobs else "No job of the lake was selected.")
    counts = asdict(report) | {
        "missing_jobs": len(report.missing_jobs),
        "unflattened_jobs": len(report.unflattened_jobs),
        "differences": {table: sum(each.values()) for table, each in rows.items()},
    }
    return told("replay", counts)


def announce_replay(replayed: Mapping[str, Any], status: Status) -> dict[str, Any]:
    """Returns the event of the lake that a replay ends with, which wakes the loader.

    Args:
        replayed: What `tell_replay` returned.
        status: Where everything stands.

    Raises:
        AirflowSkipException: It was a dry run, or there is nothing to load.
    """
    if replayed["dry_run"]:
        raise AirflowSkipException("A dry run changes nothing.")
    changed = replayed["changed_batches"] or replayed["retracted"]
    # A batch that is out of date waits, too, and was not chosen: a load would change nothing.
    if not changed and status.waiting_batches <= status.stale_batches:
        raise AirflowSkipException("There is nothing new to load.")
    event = lake_event(status)
    get_current_context()["outlet_events"][LAKE].extra = event
    return event


def tell_prune(report: PruneReport) -> dict[str, Any]:
    """Logs which versions were taken away, or would be, and returns the report, for XCom."""
    return told("prune", asdict(report))


def tell_expiry(report: ExpiryReport, *, notify: bool) -> dict[str, Any]:
    """Logs which pending jobs expire, and warns of them; returns the counts, for XCom.

    It fails nothing: no retry brings a job back, and a run that is red for months hides others.

    Args:
        report: What was found.
        notify: Also tell whom `COGNITION_NOTIFY_CONN_ID` names.
    """
    lines = [*_expiry_lines(report)]
    for line in lines:
        log.warning("%s", line)
    if lines and notify:
        notify_warning("\n".join(lines), get_current_context())
    counts = {
        "pending": report.pending,
        "expiring": report.expiring,
        "first_expires_at": report.first_expires_at,
        "expired": report.expired,
    }
    return told("expiry", counts)


def _expiry_lines(report: ExpiryReport) -> Iterable[str]:
    if report.expiring:
        yield (
            f"Pending jobs that expire soon: {report.expiring:,}, the first "
            f"{report.first_expires_at}: {_first(report.expiring_jobs, report.expiring)}. See why "
            "they get no final answer: does ingest_cognition_jobs run, and is the region right?"
        )
    if report.expired:
        yield (
            f"Pending jobs past the time the service keeps results: {report.expired:,}: "
            f"{_first(report.expired_jobs, report.expired)}. ingest_cognition_jobs asks for them "
            "once more and records what is gone"
        )


def _first(jobs: Iterable[ExpiringJob], count: int) -> str:
    named = [f"{job.job_id} ({job.expires_at[:10]})" for job in jobs][:NAMED]
    return ", ".join(named) + (", ..." if count > len(named) else "")


def _warn_of_jobs(what: str, jobs: tuple[str, ...]) -> None:
    if jobs:
        more = ", ..." if len(jobs) > NAMED else ""
        log.warning("%s %s (%s%s)", amount(len(jobs), "job"), what, ", ".join(jobs[:NAMED]), more)
