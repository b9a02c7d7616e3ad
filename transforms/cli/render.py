"""Reports as lines for people, readable in 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.text import Text

from transforms.cli.failure import DONE, IMPERFECT, SOURCE_FAILED
from transforms.cli.outcome import Outcome
from transforms.landing import MALFORMED, REJECTED
from transforms.plain import plain
from transforms.source import KNOWN_STATUSES
from transforms.words import amount, counts, file_size, number

if TYPE_CHECKING:
    from rich.console import Console

    from transforms.pipeline import RunReport, WarehouseReport
    from transforms.reports import FlattenReport, ImportReport, IngestReport
    from transforms.warehouse import LoadReport
    from transforms.warehouse.checks import CheckReport
    from transforms.warehouse.publish import PublishReport

Lines = Iterable[tuple[str, str]]
"""Label and text; a line that goes on has an empty label."""

_LABEL_CHARACTERS = 12
_REASON_CHARACTERS = 200
IMPERFECT_STATUSES = (REJECTED, MALFORMED)


def write_lines(console: Console, lines: Lines) -> None:
    """Writes labels and texts as two columns; texts wrap inside theirs, paths stay whole."""
    room = max(console.width - _LABEL_CHARACTERS, _LABEL_CHARACTERS)
    for label, text in lines:
        parts = wrap(text, room, break_long_words=False, break_on_hyphens=False)
        for at, part in enumerate(parts):
            head = f"{label if at == 0 else '':<{_LABEL_CHARACTERS}}"
            console.print(Text.assemble((head, "bold"), part), soft_wrap=True)


def hold_text(version: str, held_at: str | None, reason: str | None) -> str:
    """Returns what is held, since when, why, and what ends it."""
    since = f"{str(held_at)[:19].replace('T', ' ')} UTC"
    why = f" ({plain(reason, _REASON_CHARACTERS)})" if reason else ""
    return f"{version} since {since}{why}: loads publish nothing until cognition rollback --release"


def ingest_outcome(report: IngestReport, *, strict: bool) -> Outcome:
    """Returns the outcome of `cognition ingest`."""
    return Outcome(
        asdict(report),
        lambda console: write_lines(console, _ingest_lines(report)),
        code=_ingest_code(report, strict=strict),
        warnings=tuple(_warnings(report)),
    )


def flatten_outcome(report: FlattenReport, *, strict: bool) -> Outcome:
    """Returns the outcome of `cognition flatten`."""
    return Outcome(
        asdict(report),
        lambda console: write_lines(console, _flatten_lines(report)),
        code=_flatten_code(report, strict=strict),
    )


def load_outcome(report: WarehouseReport) -> Outcome:
    """Returns the outcome of `cognition load`."""
    lines = list(warehouse_lines(report))
    return Outcome(asdict(report), lambda console: write_lines(console, lines))


def run_outcome(report: RunReport, *, strict: bool) -> Outcome:
    """Returns the outcome of `cognition run`."""
    lines = [
        *_ingest_lines(report.ingest),
        *_flatten_lines(report.flatten),
        *warehouse_lines(report.warehouse),
    ]
    codes = _ingest_code(report.ingest, strict=strict), _flatten_code(report.flatten, strict=strict)
    return Outcome(
        asdict(report),
        lambda console: write_lines(console, lines),
        code=max(codes),
        warnings=tuple(_warnings(report.ingest)),
    )


def import_outcome(report: ImportReport, *, strict: bool) -> Outcome:
    """Returns the outcome of `cognition import`."""
    lines = [("import", f"{amount(report.landed, 'reply')} landed, {report.unchanged:,} known")]
    lines += [("skipped", f"{each.job_id}: {each.reason}") for each in report.skipped]
    if report.landed:
        lines.append(("next", "cognition flatten, then cognition load"))
    return Outcome(
        asdict(report),
        lambda console: write_lines(console, lines),
        code=IMPERFECT if strict and report.skipped else DONE,
    )


def _ingest_code(report: IngestReport, *, strict: bool) -> int:
    if report.stopped_reason or (report.unanswered and report.unanswered == report.queried):
        return SOURCE_FAILED
    imperfect = sum(report.by_status.get(s, 0) for s in IMPERFECT_STATUSES)
    imperfect += report.unanswered + report.expired
    return IMPERFECT if strict and imperfect else DONE


def _flatten_code(report: FlattenReport, *, strict: bool) -> int:
    return IMPERFECT if strict and (report.quarantined or report.rejected) else DONE


def _warnings(report: IngestReport) -> Iterator[str]:
    of_all = f"of {amount(report.queried, 'job')}"
    if report.stopped_reason:
        yield f"{number(report.unanswered)} {of_all} stay pending: {report.stopped_reason}"
    elif report.unanswered:
        last = f" The last: {report.unanswered_reason}" if report.unanswered_reason else ""
        told = "got no answer and stay pending; run again later."
        yield f"{number(report.unanswered)} {of_all} {told}{last}"
    if report.error_codes:
        rejected = f"{number(sum(report.error_codes.values()))} {of_all} rejected"
        place = f"by region {report.region} at {report.endpoint}"
        yield f"{rejected} ({counts(report.error_codes)}) {place}; they are not asked for again"
    if report.expired:
        told = "are past the time results are kept and recorded as expired"
        yield f"{number(report.expired)} {of_all} {told}; they are not asked for again"
    for status in sorted(report.by_status.keys() - KNOWN_STATUSES - {*IMPERFECT_STATUSES}):
        yield f"JobStatus '{plain(status)}' is not known; such jobs stay pending"


def _ingest_lines(report: IngestReport) -> Iterator[tuple[str, str]]:
    if not report.pending:
        known = f"{amount(report.known, 'known job')}, all answered"
        none = "no job ids: put them into ledger/ of the lake, as txt, csv, jsonl or parquet"
        yield "source", f"nothing pending: {known}" if report.known else none
        return
    yield "source", f"{amount(report.queried, 'job')} queried of {report.pending:,} pending"
    yield "", counts(report.by_status) or "no answers"
    calls = f"{amount(report.calls, 'call')}, {report.retries:,} again"
    yield "", f"{calls}, {report.throttled:,} throttled"
    yield "raw", f"{amount(report.landed, 'reply')} landed"


def _flatten_lines(report: FlattenReport) -> Iterator[tuple[str, str]]:
    if not report.batches:
        yield "flatten", f"nothing new: {amount(report.unchanged, 'batch')} up to date"
        return
    done = f"{amount(report.jobs, 'job')}, {amount(report.results, 'result')}"
    yield "flatten", f"{amount(report.batches, 'batch')}: {done}"
    yield "", f"{amount(sum(report.rows.values()), 'row')} in {report.seconds:,.1f} s"
    if report.quarantined:
        yield "", f"{amount(report.quarantined, 'part')} in quarantine: see cognition status"
    if report.unknown_types:
        yield "", f"{amount(report.unknown_types, 'result')} of unknown Type kept whole"
    if report.unmapped:
        yield "", f"{amount(report.unmapped, 'key')} no schema names: see unmapped_fields"


def warehouse_lines(report: WarehouseReport) -> Iterator[tuple[str, str]]:
    """Yields what loading, checking and publishing did."""
    yield from _load_lines(report.load)
    # A version that is held has other rows in that table.
    yield from _check_lines(report.checks, published=not report.publish.held)
    yield from _publish_lines(report.publish)


def _load_lines(report: LoadReport) -> Iterator[tuple[str, str]]:
    changed = {
        "loaded": len(report.loaded),
        "replaced": len(report.replaced),
        "removed": len(report.removed),
        "unchanged": report.unchanged,
    }
    yield "load", f"batches: {counts(changed) or 'none'}"
    yield "", f"{amount(sum(report.rows.values()), 'row')} in {_tables(report.rows)}"
    if any(report.aliases.values()) or report.aliases_changed:
        state = "changed" if report.aliases_changed else "unchanged"
        yield "aliases", f"{counts(report.aliases) or 'none left'}; {state}"
    for note in report.notes:
        yield "note", note


def _check_lines(report: CheckReport, *, published: bool) -> Iterator[tuple[str, str]]:
    yield "check", f"{report.passed:,} passed, {len(report.failed):,} not"
    for check in report.failed:
        yield "", f"{check.severity} {check.name}: {amount(check.rows, 'row')}; {check.description}"
        if check.example:
            yield "", f"such as {check.example}"
    if report.failed and published:
        yield "", 'see cognition query "FROM check_failures"'


def _publish_lines(report: PublishReport) -> Iterator[tuple[str, str]]:
    state = "published" if report.changed else "unchanged, not published again"
    if report.held:
        state = "held, the build was not published"
    yield "publish", f"{state}: version {report.version}, {file_size(report.bytes)}"
    yield "", report.path
    if report.held:
        yield "held", hold_text(report.version, report.held_at, report.held_reason)
    if report.altered:
        yield "", "the file published before had been altered: open it read-only"


def _tables(rows: Mapping[str, int]) -> str:
    return amount(sum(1 for n in rows.values() if n), "table")
