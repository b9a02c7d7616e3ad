"""`cognition status`: where everything stands, in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from transforms.cli.outcome import Outcome
from transforms.cli.render import hold_text, write_lines
from transforms.words import amount, counts, file_size, number, span

if TYPE_CHECKING:
    from transforms.reports import Status

RELEASE = "cognition rollback --release once the cause is gone, then cognition load"


def status_outcome(status: Status) -> Outcome:
    """Returns the outcome of `cognition status`.

    Schemas that do not fit the lake, a hold and aliases that cannot be read are warnings.
    """
    errors = status.schemas_error, status.hold_error, status.aliases_error
    return Outcome(
        asdict(status),
        lambda console: write_lines(console, _lines(status)),
        warnings=tuple(error for error in errors if error is not None),
    )


def _lines(status: Status) -> Iterator[tuple[str, str]]:
    pending = amount(status.pending, "job") if status.pending else "none"
    yield "ledger", f"{amount(status.known, 'known job')}, {pending} pending"
    yield from _expiry(status)
    files = amount(status.raw_files, "file")
    size = file_size(status.raw_bytes)
    yield "raw", f"{amount(status.raw_replies, 'reply')} in {files}, {size}"
    yield "jobs", counts(status.jobs) or "none flattened yet"
    rows = amount(sum(status.rows.values()), "row")
    tables = amount(sum(1 for n in status.rows.values() if n), "table")
    yield "lake", f"{amount(status.batches, 'batch')}: {rows} in {tables}"
    if status.stale_batches:
        yield "", f"{amount(status.stale_batches, 'raw file')} to flatten"
    held = sum(status.quarantine.values())
    yield "quarantine", f"{amount(held, 'part')}: {counts(status.quarantine)}" if held else "empty"
    if status.unknown_types:
        yield "unknown", f"Types without a schema: {counts(status.unknown_types)}"
    if status.published_error is not None:
        yield "warehouse", status.published_error
    elif status.published is None:
        yield "warehouse", "not published yet"
    else:
        held_batches = amount(status.published_batches, "batch")
        yield "warehouse", f"{status.published}, {held_batches}"
    if status.waiting_batches and status.published_error is None:
        yield "", f"{amount(status.waiting_batches, 'batch')} of the lake not in it yet"
    if status.waiting_aliases and status.aliases_error is None:
        yield "", "the aliases of the lake are not in it yet"
    if status.held_version is not None:
        yield "held", hold_text(status.held_version, status.held_at, status.held_reason)
    yield "lag", _lag(status)
    # A refusal is told as a warning, which says what to do first.
    errors = status.schemas_error, status.hold_error, status.aliases_error
    if not any(errors) and (step := _next_step(status)):
        yield "next", step


def _expiry(status: Status) -> Iterator[tuple[str, str]]:
    """Yields what is about to be lost; asking in time keeps it."""
    if status.expiring:
        first = f"the first {str(status.first_expires_at)[:10]}"
        soon = f"{amount(status.expiring, 'pending job')} about to expire, {first}"
        yield "", f"{soon}: see that cognition run gets their answers until then"
    if status.expired:
        past = f"{amount(status.expired, 'pending job')} past the time results are kept"
        yield "", f"{past}: cognition run asks once more and records what is gone"


def _lag(status: Status) -> str:
    if status.newest_reply is None:
        return "no replies yet"
    if status.published_error is not None:
        return "not known while the warehouse cannot be read"
    newest = f"newest reply {status.newest_reply[:19].replace('T', ' ')} UTC"
    if not status.lag_seconds:
        return f"none, everything landed is published; {newest}"
    return f"{span(status.lag_seconds)} since the oldest unpublished reply; {newest}"


def _next_step(status: Status) -> str | None:
    """Returns the command that does what is left, first things first."""
    if not (status.known or status.raw_replies):
        return "put job ids into ledger/ of the lake (one a line, .txt), then cognition run"
    if status.stale_batches:
        return "cognition flatten, then cognition load"
    if status.published_error is not None:
        return None  # its error says what to do first
    if status.waiting_batches or status.waiting_aliases:
        return RELEASE if status.held_version is not None else "cognition load"
    if status.pending:
        return f"cognition run, to query {number(status.pending)} pending"
    return None
