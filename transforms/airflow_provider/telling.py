"""Tells what a task did: a line in its log for people, numbers for the metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from transforms.airflow_provider.metrics import count_report
from transforms.plain import plain
from transforms.words import amount, counts, file_size

Report = Mapping[str, Any]

log = logging.getLogger(__name__)


def told(name: str, report: dict[str, Any]) -> dict[str, Any]:
    """Logs and counts what a task did, and returns it, for XCom.

    Args:
        name: Of the task.
        report: Its report as a dict: counts and names, nothing secret.
    """
    log_report(name, report)
    count_report(name, report)
    return report


def log_report(name: str, report: Report) -> None:
    """Logs a report in one line of the task's log."""
    log.info("%s", sentence(name, report))


def sentence(name: str, report: Report) -> str:
    """Returns a report in plain words.

    >>> sentence("ledger", {"typed": 0, "pending": 1200, "asked": 1000})
    '1,200 pending jobs, 1,000 of them asked for now; 0 new ids in the form.'
    """
    return SENTENCES[name](report)


def _from_sql(report: Report) -> str:
    brought = f"{amount(report['rows'], 'row')}, {amount(report['added'], 'new job id')}"
    return f"{brought}; the next reading begins at {plain(report['watermark'])}."


def _from_queue(report: Report) -> str:
    brought = f"{amount(report['received'], 'message')}: {amount(report['added'], 'new job id')}"
    rest = ""
    if ignored := report["ignored"]:
        rest += f" Ignored for their type: {counts(ignored)}; "
        rest += "COGNITION_MESSAGE_TYPES says which count."
    if unreadable := report["unreadable"]:
        rest += f" Unreadable, left in the queue: {counts(unreadable)}."
    settled = f"{report['known']:,} about known jobs; {report['acknowledged']:,} acknowledged."
    return f"{brought}, {settled}{rest}{_because('Ended early', report['unfinished'])}"


def _ledger(report: Report) -> str:
    asked = f"{report['asked']:,} of them asked for now"
    typed = f"{amount(report['typed'], 'new id')} in the form"
    return f"{amount(report['pending'], 'pending job')}, {asked}; {typed}."


def _source(report: Report) -> str:
    answers = counts(report["by_status"]) or "no answer"
    asked = f"{amount(report['queried'], 'job')} queried ({answers})"
    calls = f"{amount(report['calls'], 'call')}, {report['retries']:,} of them again"
    landed = f"{report['throttled']:,} throttled; {amount(report['landed'], 'final reply')} landed"
    rest = [
        f"; {report[key]:,} {what}"
        for key, what in (
            ("expired", "recorded as expired"),
            ("unanswered", "without an answer, still pending"),
        )
        if report[key]
    ]
    stopped = _because("Stopped early", report["stopped_reason"])
    return f"{asked}; {calls}, {landed}{''.join(rest)}.{stopped}"


def _stale(report: Report) -> str:
    return f"{amount(report['batches'], 'raw file')} to flatten."


def _flatten(report: Report) -> str:
    work = f"{amount(report['batches'], 'batch')} of {amount(report['jobs'], 'job')}"
    parts, keys = amount(report["quarantined"], "part"), amount(report["unmapped"], "unmapped key")
    size = f"{file_size(report['bytes'])} in {report['seconds']:,.1f} s"
    done = f"Flattened {work}, {_rows(report['rows'])}; {parts} in quarantine, {keys}; {size}"
    return f"{done}; {report['unchanged']:,} up to date before."


def _subtitles(report: Report) -> str:
    known = f"{amount(report['known'], 'subtitle file')} known"
    before = (
        f"{report['archived_before']:,} archived before, {report['given_up']:,} given up before"
    )
    now = f"{report['archived']:,} archived now ({file_size(report['bytes'])})"
    rest = ", ".join(f"{report[key]:,} {key}" for key in ("expired", "refused", "failed"))
    why = f": {reasons}" if (reasons := counts(report["reasons"])) else ""
    return f"{known}, {before}; {now}, {rest}{why}."


def _load(report: Report) -> str:
    done = f"Loaded {amount(len(report['loaded']), 'batch')}, replaced {len(report['replaced']):,}"
    left = f"removed {len(report['removed']):,}, left {report['unchanged']:,}"
    notes = "".join(f" {note}." for note in report.get("notes", ()))
    return f"{done}, {left}; the build holds {_rows(report['rows'])}.{notes}"


def _check(report: Report) -> str:
    failed = ", ".join(f"{r['name']} ({_failing(r)})" for r in report["failed"])
    return f"{amount(report['passed'], 'check')} passed; warnings: {failed or 'none'}."


def _failing(check: Report) -> str:
    rows = amount(check["rows"], "row")
    return f"{rows}, such as {check['example']}" if check.get("example") else rows


def _publish(report: Report) -> str:
    what = "Published" if report["changed"] else "Nothing changed; published stays"
    if report.get("held"):
        what = "The build was not published, for a rollback holds"
    altered = " The file published before had been altered: open it read-only."
    return (
        f"{what} version {report['version']}, {file_size(report['bytes'])}."
        f"{_hold(report) if report.get('held') else ''}"
        f"{altered if report['altered'] else ''}"
    )


def _hold(report: Report) -> str:
    why = f" ({plain(report['held_reason'])})" if report["held_reason"] else ""
    return f" Held since {report['held_at']}{why}: `cognition rollback --release` ends it."


def _replay(report: Report) -> str:
    did = "Would make" if report["dry_run"] else "Made"
    again = f"{amount(report['batches'], 'batch')} of {amount(report['jobs'], 'job')} again"
    other = (
        f"{report['changed_batches']:,} otherwise than before, {report['retracted']:,} taken out"
    )
    rows = f"{amount(sum(report['differences'].values()), 'different row')}"
    parts = f"{amount(report['quarantine_before'], 'part')} in quarantine before"
    after = f"{report['quarantine_after']:,} after; {report['seconds']:,.1f} s"
    return f"{did} {again}, {other}; {rows}; {parts}, {after}."


def _compact(report: Report) -> str:
    told = "Nothing to merge in months that are over."
    if report["compactions"]:
        did = "Would merge" if report["dry_run"] else "Merged"
        months = f"{amount(report['batches'], 'batch')} of {', '.join(report['months'])}"
        files = f"{amount(report['files_before'], 'file')} into {report['files_after']:,}"
        size = file_size(report["bytes_before"])
        if not report["dry_run"]:  # what merging saves is not known beforehand
            size += f" into {file_size(report['bytes_after'])}"
        told = f"{did} {months}: {files}, {size}, in {report['seconds']:,.1f} s."
    if report["finished"]:
        told += f" {amount(report['finished'], 'compaction')} that a crash had left: ended first."
    if report["waiting"]:
        told += (
            f" Left for the next time: {', '.join(report['waiting'])}; their batches are out of "
        )
        told += "date, or just being made."
    return told


def _prune(report: Report) -> str:
    took = "Would take away" if report["dry_run"] else "Took away"
    versions = amount(len(report["removed"]), "published version")
    leftovers = f"{amount(len(report['leftovers']), 'left-over')} of publishes"
    names = ", ".join((*report["removed"], *report["leftovers"]))
    size = f"{file_size(report['bytes'])}{f' ({names})' if names else ''}"
    return f"{took} {versions} and {leftovers}, {size}; kept {report['kept']:,}."


def _expiry(report: Report) -> str:
    first = f" (the first {report['first_expires_at']})" if report["first_expires_at"] else ""
    soon = f"{report['expiring']:,} of them about to expire{first}"
    return f"{amount(report['pending'], 'pending job')}, {soon}, {report['expired']:,} expired."


def _clean(report: Report) -> str:
    removed, merged = "Removed", "merged"
    if report["dry_run"]:
        removed, merged = "Would remove", "would merge"
    files = f"{amount(report['staged_files'], 'file')} of dead writers"
    locks = amount(report["lock_files"], "old lock")
    ledger = f"{amount(report['ledger_files'], 'ledger file')} into {report['merged_files']:,}"
    return f"{removed} {files} and {locks}; {merged} {ledger}."


SENTENCES: dict[str, Callable[[Report], str]] = {
    "from_sql": _from_sql,
    "from_queue": _from_queue,
    "ledger": _ledger,
    "source": _source,
    "stale": _stale,
    "flatten": _flatten,
    "subtitles": _subtitles,
    "load": _load,
    "check": _check,
    "publish": _publish,
    "replay": _replay,
    "compact": _compact,
    "prune": _prune,
    "expiry": _expiry,
    "clean": _clean,
}
"""Words of each task that tells."""


def _rows(rows: Mapping[str, int]) -> str:
    tables = sum(1 for count in rows.values() if count)
    return f"{amount(sum(rows.values()), 'row')} in {amount(tables, 'table')}"


def _because(what: str, reason: str | None) -> str:
    return f" {what}: {reason.rstrip('.')}." if reason else ""
