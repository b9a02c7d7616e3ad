"""`cognition listen` and `cognition drain`: completion messages, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

from transforms.cli.failure import DONE, IMPERFECT, SOURCE_FAILED
from transforms.cli.options import Call
from transforms.cli.outcome import Outcome
from transforms.cli.progress import LINE_SECONDS, console_line, show_progress
from transforms.cli.render import write_lines
from transforms.errors import ConfigurationError, LakeUnreachableError, RetryableError
from transforms.lake import open_lake
from transforms.messages.drain import DrainReport
from transforms.messages.listen import Listening, listening
from transforms.messages.mns import QUEUE_NOT_SET
from transforms.settings import CallbackSettings
from transforms.words import amount, counts, number

if TYPE_CHECKING:
    from transforms.messages.receiver import ListenReport


_LEFT = (
    "they stay in the queue: see the log, then correct what sends them or remove them with "
    "--discard-unreadable"
)
_DISCARDED = "they were removed from the queue: the log has size and hash of each"


def listen(call: Call, host: str, port: int, url: str | None, *, signed: bool) -> Outcome:
    """Takes callbacks until Ctrl-C or SIGTERM, which is its ordinary end."""
    settings = CallbackSettings() if url is None else CallbackSettings(callback_url=url)
    storage = open_lake(call.settings.lake_root, create=True)
    with (
        show_progress(verbose=call.verbose),
        listening(storage, settings, host=host, port=port, signed=signed) as listener,
    ):
        checked = "signatures are checked" if signed else "signatures are NOT checked"
        console_line(f"listening at {listener.url}; {checked}")
        with suppress(KeyboardInterrupt):
            _tell_added(listener)
    return listen_outcome(listener.report())


def _tell_added(listener: Listening) -> None:
    """Writes now and then how many ids were added, until the listener ends."""
    told = 0
    while not listener.wait(LINE_SECONDS):
        added = listener.report().added
        if added > told:
            console_line(f"{amount(added - told, 'job id')} added to the ledger")
        told = added


def drain(call: Call, *, seconds: float, limit: int | None, discard_unreadable: bool) -> Outcome:
    """Empties the queue into the ledger once."""
    from transforms import pipeline  # noqa: PLC0415 - `listen` needs no engine

    try:
        with show_progress(verbose=call.verbose) as progress:
            report = pipeline.drain(
                call.settings,
                call.source,
                seconds=seconds,
                limit=limit,
                discard_unreadable=discard_unreadable,
                progress=progress,
            )
    except LakeUnreachableError:
        raise
    except RetryableError as error:
        report = DrainReport(unfinished=str(error))
    if report is None:
        raise ConfigurationError(QUEUE_NOT_SET)
    return drain_outcome(report, strict=call.strict, discarded=discard_unreadable)


def listen_outcome(report: ListenReport) -> Outcome:
    """Returns the outcome of `cognition listen`."""
    return Outcome(asdict(report), lambda console: write_lines(console, _listened(report)))


def drain_outcome(report: DrainReport, *, strict: bool, discarded: bool = False) -> Outcome:
    """Returns the outcome of `cognition drain`.

    Args:
        report: What became of the messages.
        strict: What was unreadable or is unfinished makes the exit code 1.
        discarded: Unreadable messages were removed.
    """
    warnings = [report.unfinished] if report.unfinished else []
    if report.unreadable:
        became = _DISCARDED if discarded else _LEFT
        warnings.append(f"{_unreadable(report.unreadable)}; {became}")
    return Outcome(
        asdict(report),
        lambda console: write_lines(console, _drained(report)),
        code=_code(report, strict=strict),
        warnings=tuple(warnings),
    )


def _code(report: DrainReport, *, strict: bool) -> int:
    if report.unfinished and not report.received:
        return SOURCE_FAILED
    return IMPERFECT if strict and (report.unfinished or report.unreadable) else DONE


def _drained(report: DrainReport) -> Iterator[tuple[str, str]]:
    yield "queue", amount(report.received, "message")
    yield "ledger", f"{amount(report.added, 'job')} added, {number(report.known)} known before"
    if report.ignored:
        yield "ignored", counts(report.ignored)
    if left := report.received - report.acknowledged:
        yield "left", f"{amount(left, 'message')} to come again"
    if report.added:
        yield "next", "cognition run"


def _listened(report: ListenReport) -> Iterator[tuple[str, str]]:
    yield "ledger", f"{amount(report.added, 'job')} added, {number(report.known)} known before"
    if report.ignored:
        yield "ignored", counts(report.ignored)
    if report.unreadable:
        yield "unreadable", counts(report.unreadable)
    if report.refused:
        yield "refused", counts(report.refused)
    if report.failed:
        yield "failed", f"{amount(report.failed, 'callback')} sent away to come again"


def _unreadable(reasons: Mapping[str, int]) -> str:
    return f"{amount(sum(reasons.values()), 'unreadable message')}: {counts(reasons)}"
