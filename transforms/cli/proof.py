"""What `cognition verify` and `cognition drift` say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from transforms.cli.failure import DONE, IMPERFECT
from transforms.cli.outcome import Outcome
from transforms.cli.render import write_lines
from transforms.cli.rows import json_value
from transforms.cli.words import amount, number
from transforms.plain import plain

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console

    from transforms.reports import VerifyReport

_SHOWN = 20


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
        yield "cut", f"{number(report.cut)} with a row too long for quarantine; raw has them"
    for each in report.different[:_SHOWN]:
        place = f"result {each.result_index} ({plain(each.type)}) at {plain(each.pointer) or '/'}"
        yield "DIFFERENT", f"job {plain(each.job_id)}, {place}"
    if len(report.different) > _SHOWN:
        yield "", f"and {number(len(report.different) - _SHOWN)} more: --json has all"
    if report.different:
        yield "next", "report it with these replies; raw holds all that was sent"


def _show_drift(console: Console, rows: list[dict[str, Any]]) -> None:
    write_lines(console, _drift_lines(rows))


def _drift_lines(rows: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    if not rows:
        yield "drift", "none: all results are as the schemas have them"
    for row in rows:
        share = f"{row['jobs_share']:.1%} of its jobs"
        since = f"{row['first_seen_at']:%Y-%m-%d}, job {plain(row['first_job_id'])}"
        yield row["kind"], f"{plain(row['type'])} {plain(row['path'])}"
        yield "", f"{plain(row['detail'])}; {amount(row['jobs_count'], 'job')}, {share}"
        yield "", f"first seen {since}"
