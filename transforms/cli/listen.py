"""`cognition listen` and `cognition drain`: completion messages, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

from transforms.cli.failure import DONE, IMPERFECT, SOURCE_FAILED
from transforms.cli.options import Call
from transforms.cli.outcome import Outcome
from transforms.cli.progress import console_line, show_progress
from transforms.cli.render import write_lines
from transforms.cli.words import amount, counts, number
from transforms.errors import LakeUnreachableError, RetryableError
from transforms.lake import open_lake
from transforms.messages.drain import DrainReport, drain_queue
from transforms.messages.listen import listening
from transforms.messages.mns import MnsQueue
from transforms.settings import CallbackSettings, QueueSettings

if TYPE_CHECKING:
    from transforms.messages.receiver import ListenReport


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
            listener.wait()
    return listen_outcome(listener.report())


def drain(call: Call, *, seconds: float, limit: int | None, discard_unreadable: bool) -> Outcome:
    """Empties the queue into the ledger once."""
    settings = QueueSettings()
    queue = MnsQueue(settings, call.source)
    storage = open_lake(call.settings.lake_root, create=True)
    try:
        with show_progress(verbose=call.verbose) as progress:
            report = drain_queue(
                storage,
                queue,
                settings,
                seconds=seconds,
                limit=limit,
                discard_unreadable=discard_unreadable,
                progress=progress,
            )
    except LakeUnreachableError:
        raise
    except RetryableError as error:
        report = DrainReport(unfinished=str(error))
    return drain_outcome(report, strict=call.strict)


def listen_outcome(report: ListenReport) -> Outcome:
    """Returns the outcome of `cognition listen`."""
    return Outcome(asdict(report), lambda console: write_lines(console, _listened(report)))


def drain_outcome(report: DrainReport, *, strict: bool) -> Outcome:
    """Returns the outcome of `cognition drain`."""
    warnings = [report.unfinished] if report.unfinished else []
    if report.unreadable:
        warnings.append(
            f"{_unreadable(report.unreadable)}; they stay in the queue: see the log, then "
            "correct what sends them or remove them with --discard-unreadable"
        )
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
