"""`cognition subtitles`: what became of the subtitle files, in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from transforms.cli.failure import DONE, IMPERFECT, SOURCE_FAILED
from transforms.cli.outcome import Outcome
from transforms.cli.render import write_lines
from transforms.cli.words import amount, counts, file_size, number

if TYPE_CHECKING:
    from transforms.reports import SubtitleReport

_MOST_REASONS = 5


def subtitles_outcome(report: SubtitleReport, *, strict: bool) -> Outcome:
    """Returns the outcome of `cognition subtitles fetch`."""
    return Outcome(
        asdict(report),
        lambda console: write_lines(console, _lines(report)),
        code=_code(report, strict=strict),
        warnings=tuple(_warnings(report)),
    )


def _code(report: SubtitleReport, *, strict: bool) -> int:
    lost = report.expired + report.refused
    if report.failed and not (report.archived or lost):
        return SOURCE_FAILED
    return IMPERFECT if strict and (report.failed or lost) else DONE


def _lines(report: SubtitleReport) -> Iterator[tuple[str, str]]:
    asked = report.archived + report.expired + report.refused + report.failed
    if not report.known:
        yield "subtitles", "no committed result names a subtitle file: run cognition flatten first"
        return
    if not asked:
        lost = f", {report.lost:,} lost" if report.lost else ""
        yield "subtitles", f"nothing to fetch: {report.held:,} archived{lost}"
        return
    yield "subtitles", f"{report.archived:,} of {amount(asked, 'file')} archived"
    yield "", file_size(report.bytes)
    others = {"expired": report.expired, "refused": report.refused, "failed": report.failed}
    if any(others.values()):
        yield "", counts(others)
    if report.archived:
        yield "next", "cognition flatten, then cognition load"


def _warnings(report: SubtitleReport) -> Iterator[str]:
    if report.reasons:
        yield f"{amount(sum(report.reasons.values()), 'file')} not archived: {_told(report)}"
    if report.dying:
        yield (
            f"{number(report.dying)} of those that failed have links that are dead within 30 days, "
            f"the first by {str(report.dies_by)[:10]}: fetch them again soon"
        )


def _told(report: SubtitleReport) -> str:
    reasons = sorted(report.reasons.items(), key=lambda item: (-item[1], item[0]))
    shown = "; ".join(f"{reason} ({count:,})" for reason, count in reasons[:_MOST_REASONS])
    rest = len(reasons) - _MOST_REASONS
    return shown + (f"; {amount(rest, 'other reason')}" if rest > 0 else "")
