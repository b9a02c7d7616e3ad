"""`cognition subtitles`: what became of the subtitle files, in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from transforms.cli.failure import DONE, IMPERFECT, SOURCE_FAILED
from transforms.cli.outcome import Outcome
from transforms.cli.render import write_lines
from transforms.plain import plain
from transforms.subtitles.outcome import Outcome as FileOutcome
from transforms.words import amount, counts, file_size, number

if TYPE_CHECKING:
    from transforms.reports import SubtitleFile, SubtitleReport

_MOST_REASONS = 5
_SETTINGS = ("COGNITION_SUBTITLE_HOSTS", "COGNITION_SUBTITLE_MAX_BYTES")
"""Settings whose rules a reason may name."""


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
    answered = report.archived + lost - report.unasked
    if report.failed and not answered:
        return SOURCE_FAILED
    return IMPERFECT if strict and (report.failed or lost) else DONE


def _lines(report: SubtitleReport) -> Iterator[tuple[str, str]]:
    asked = report.archived + report.expired + report.refused + report.failed
    if not report.known:
        yield "subtitles", "no committed result names a subtitle file: run cognition flatten first"
        return
    if not asked:
        given_up = f", {report.given_up:,} given up" if report.given_up else ""
        yield "subtitles", f"nothing to fetch: {report.archived_before:,} archived{given_up}"
        return
    yield "subtitles", f"{report.archived:,} of {amount(asked, 'file')} archived"
    yield "", file_size(report.bytes)
    others = {"expired": report.expired, "refused": report.refused, "failed": report.failed}
    if any(others.values()):
        yield "", counts(others)
    if report.archived:
        yield "next", "cognition flatten, then cognition load"


def _warnings(report: SubtitleReport) -> Iterator[str]:
    first: dict[str, SubtitleFile] = {}
    for each in report.files:
        first.setdefault(each.reason, each)
    reasons = sorted(first, key=lambda reason: (-report.reasons[reason], reason))[:_MOST_REASONS]
    for reason in reasons:
        yield _told(first[reason], report.reasons[reason])
    if rest := report.reasons.keys() - reasons:
        files = amount(sum(report.reasons[reason] for reason in rest), "more file")
        others = amount(len(rest), "other reason")
        yield f"{files} not archived for {others}; --json has the count of each"
    if report.expiring_soon:
        yield (
            f"{number(report.expiring_soon)} of those that failed have links that expire within 30 "
            f"days, the first by {str(report.expires_by)[:10]}: fetch them again soon"
        )


def _told(file: SubtitleFile, count: int) -> str:
    """Returns which files a reason kept from the archive, and what to do about it."""
    more = f" and {amount(count - 1, 'more file')}" if count > 1 else ""
    return f"job {plain(file.job_id)}{more}: {file.reason}; {_remedy(file)}"


def _remedy(file: SubtitleFile) -> str:
    if file.outcome == FileOutcome.FAILED:
        return "run `cognition subtitles fetch` again"
    setting = next((setting for setting in _SETTINGS if setting in file.reason), None)
    return f"correct {setting}, or ask again with --again" if setting else "ask again with --again"
