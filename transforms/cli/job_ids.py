"""Job ids on a command line: separated by commas, or `@FILE` with any ledger file; adding them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from transforms.cli.outcome import Outcome
from transforms.cli.render import write_lines
from transforms.errors import ConfigurationError
from transforms.ledger import is_job_id, read_file
from transforms.ledger_files import SHOWN, SUFFIXES
from transforms.plain import plain
from transforms.words import amount

IN_FILE = "@"


def read_job_ids(text: str, option: str) -> list[str]:
    """Returns the job ids that a word of the command line gives.

    Args:
        text: Ids separated by commas, or `@FILE`.
        option: Where the word stands, for messages.

    Raises:
        ConfigurationError: It names no job, a wrong one, or no ledger file.
    """
    if text.startswith(IN_FILE):
        file = Path(text.removeprefix(IN_FILE))
        if file.suffix.lower() not in SUFFIXES:
            kinds = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
            raise ConfigurationError(f"{option} {plain(text)}: give a {kinds} file of job ids")
        jobs = read_file(file)
    else:
        jobs = [job.strip() for job in text.split(",") if job.strip()]
    if wrong := [job for job in jobs if not is_job_id(job)]:
        raise ConfigurationError(
            f"{option}: {wrong[0][:SHOWN]!r} is no job id: correct or remove it"
        )
    if not jobs:
        raise ConfigurationError(f"{option} names no job: give ids separated by commas, or @FILE")
    return jobs


def added_outcome(given: Sequence[str], added: int) -> Outcome:
    """Returns the outcome of `cognition add`."""
    known = len(set(given)) - added
    return Outcome(
        {"added": added, "known": known},
        lambda console: write_lines(
            console, [("ledger", f"{amount(added, 'job')} added, {known:,} known before")]
        ),
    )
