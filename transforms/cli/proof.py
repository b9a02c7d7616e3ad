"""What `cognition verify` and `cognition drift` say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from transforms.cli.failure import DONE, IMPERFECT
from transforms.cli.outcome import Outcome
from transforms.cli.render import write_lines
from transforms.cli.rows import json_value
from transforms.plain import escaped, plain
from transforms.words import amount, number

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console

    from transforms.reports import ResultDifference, VerifyReport

_SHOWN = 20
_SHOWN_DRIFT = 100


def verify_outcome(report: VerifyReport, *, strict: bool) -> Outcome:
    """Returns the outcome of `cognition verify`; a result that differs fails it, strict or not."""
    imperfect = IMPERFECT if strict and report.cut else DONE
    return Outcome(
        asdict(report),
        lambda console: write_lines(console, _verify_lines(report)),
        code=IMPERFECT if report.different else imperfect,
    )


def drift_outcome(table: pa.Table, *, strict: bool) -> Outcome:
    """Returns the outcome of `cognition drift`; drift is news, so it fails only `--strict`."""
    rows = table.to_pylist()
    document = [{name: json_value(value) for name, value in row.items()} for row in rows]
    return Outcome(
        {"drift": document},
        lambda console: _show_drift(console, rows),
        code=IMPERFECT if strict and rows else DONE,
    )


def _verify_lines(report: VerifyReport) -> Iterator[tuple[str, str]]:
    yield "verify", f"{amount(report.batches, 'batch')}: {amount(report.results, 'result')}"
    yield "equal", f"{number(report.equal)} made again from their rows, value by value"
    if report.whole:
        yield "whole", f"{number(report.whole)} kept whole: set aside, or of unknown Type"
    if report.cut:
        yield "cut", f"{number(report.cut)} too long for quarantine in part: raw alone has all"
    for each in report.different[:_SHOWN]:
        yield "DIFFERENT", _place(each)
    if len(report.different) > _SHOWN:
        yield "", f"and {number(len(report.different) - _SHOWN)} more: --json has all"
    if report.different:
        yield "next", "report it with these replies; raw holds all that was sent"


def _place(each: ResultDifference) -> str:
    job = f"job {plain(each.job_id)}"
    if each.result_index < 0:
        return f"{job}: the reply itself"
    result = f"result {each.result_index} ({plain(each.type)})"
    return f"{job}, {result} at {escaped(each.pointer) or 'its root'}"


def _show_drift(console: Console, rows: list[dict[str, Any]]) -> None:
    write_lines(console, _drift_lines(rows))


def _drift_lines(rows: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    if not rows:
        yield "drift", "none: all results are as the schemas have them"
    for row in rows[:_SHOWN_DRIFT]:
        kind = plain(row["type"])
        jobs = f"{amount(row['jobs_count'], 'job')}, {row['jobs_share']:.1%} of those with {kind}"
        since = f"{row['first_seen_at']:%Y-%m-%d}, job {plain(row['first_job_id'])}"
        yield row["kind"], f"{kind} {escaped(row['path'])}".strip()
        yield "", f"{row['detail']}; {jobs}; first seen {since}"
    if len(rows) > _SHOWN_DRIFT:
        yield "", f"and {number(len(rows) - _SHOWN_DRIFT)} more: --json has all, --type chooses"
