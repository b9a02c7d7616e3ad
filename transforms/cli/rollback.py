"""`cognition rollback`: to a version before, what is kept, and the release, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from transforms import pipeline
from transforms.cli.options import Call
from transforms.cli.outcome import Outcome
from transforms.cli.render import hold_text, write_lines
from transforms.errors import ConfigurationError
from transforms.words import amount, file_size

if TYPE_CHECKING:
    from transforms.warehouse.kept import KeptVersion
    from transforms.warehouse.rollback import ReleaseReport, RollbackReport


def rollback(
    call: Call, version: str | None, reason: str | None, *, listed: bool, released: bool
) -> Outcome:
    """Goes back to a version, or lists what is kept, or lifts the hold.

    Raises:
        ConfigurationError: More than one of these is asked for, or there is no such version.
    """
    given = version is not None or reason is not None
    if (listed or released) and (given or (listed and released)):
        raise ConfigurationError(
            "--list and --release stand alone: give one of them, or a version with its --reason"
        )
    if listed:
        return versions_outcome(pipeline.versions(call.settings))
    if released:
        return release_outcome(pipeline.release(call.settings))
    return rollback_outcome(pipeline.rollback(call.settings, version, reason=reason))


def rollback_outcome(report: RollbackReport) -> Outcome:
    """Returns the outcome of going back to a version."""
    return Outcome(asdict(report), lambda console: write_lines(console, _rollback_lines(report)))


def release_outcome(report: ReleaseReport) -> Outcome:
    """Returns the outcome of `cognition rollback --release`."""
    told = "no version was held: the next load publishes the build, as ever"
    if report.released:
        version = f"{report.version} " if report.version else ""
        told = f"{version}is released: the next load publishes the build"
    return Outcome(asdict(report), lambda console: write_lines(console, [("release", told)]))


def versions_outcome(versions: Sequence[KeptVersion]) -> Outcome:
    """Returns the outcome of `cognition rollback --list`."""
    lines = [line for version in versions for line in _version_lines(version)]
    lines = lines or [("versions", "none are kept: cognition load publishes one")]
    document = {"versions": [asdict(version) for version in versions]}
    return Outcome(document, lambda console: write_lines(console, lines))


def _rollback_lines(report: RollbackReport) -> Iterator[tuple[str, str]]:
    state = "published again" if report.changed else "published already"
    yield "rollback", f"{state}: version {report.version}, {file_size(report.bytes)}"
    yield "", _holds(report.batches, report.jobs)
    if report.changed and report.before:
        yield "", f"in place of {report.before}"
    yield "", report.path
    yield "held", hold_text(report.version, report.held_at, report.held_reason)


def _version_lines(version: KeptVersion) -> Iterator[tuple[str, str]]:
    time = f"{version.published_at[:19].replace('T', ' ')} UTC"
    label = "published" if version.published else "held" if version.held else ""
    held = ", held" if version.published and version.held else ""
    yield label, f"{version.version}{held}"
    size = file_size(version.bytes)
    if version.batches is None or version.jobs is None:
        yield "", f"{time}, {size}; it {version.flaw}"
    else:
        yield "", f"{time}, {size}, {_holds(version.batches, version.jobs)}"


def _holds(batches: int, jobs: int) -> str:
    return f"{amount(batches, 'batch')}, {amount(jobs, 'job')}"
