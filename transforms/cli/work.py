"""What each command does: call the pipeline, show progress, tell the outcome.

Importing this module imports the engine; `transforms.cli.app` does so only to run a command.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from transforms import maintenance, pipeline
from transforms.cli import proof, render, rows
from transforms.cli.explain import explain_outcome
from transforms.cli.job_ids import added_outcome, read_job_ids
from transforms.cli.maintain import maintain_outcome, read_steps
from transforms.cli.options import Call
from transforms.cli.outcome import Outcome
from transforms.cli.progress import show_progress
from transforms.cli.replay import replay_outcome
from transforms.cli.status import status_outcome
from transforms.cli.subtitles import subtitles_outcome
from transforms.errors import ConfigurationError
from transforms.plain import plain
from transforms.selection import Selection

STDIN = "-"


def run(call: Call) -> Outcome:
    """Goes from the ledger to the published warehouse."""
    settings, source = call.settings, call.source
    with show_progress(verbose=call.verbose) as progress:
        report = pipeline.run(settings, source, progress=progress)
    return render.run_outcome(report, strict=call.strict)


def add(call: Call, words: Sequence[str]) -> Outcome:
    """Adds job ids to the ledger."""
    jobs = [job for text in words for job in read_job_ids(text, "IDS")]
    return added_outcome(jobs, pipeline.add_jobs(call.settings, jobs, "typed"))


def ingest(call: Call) -> Outcome:
    """Lands the final replies of the pending jobs."""
    settings, source = call.settings, call.source
    with show_progress(verbose=call.verbose) as progress:
        report = pipeline.ingest(settings, source, progress=progress)
    return render.ingest_outcome(report, strict=call.strict)


def flatten(call: Call) -> Outcome:
    """Flattens what is new in raw."""
    settings = call.settings
    with show_progress(verbose=call.verbose) as progress:
        report = pipeline.flatten(settings, progress=progress)
    return render.flatten_outcome(report, strict=call.strict)


def load(call: Call) -> Outcome:
    """Loads, checks and publishes the warehouse."""
    settings = call.settings
    with show_progress(verbose=call.verbose) as progress:
        report = pipeline.load(settings, progress=progress)
    return render.load_outcome(report)


def replay(call: Call, selection: Selection, *, dry_run: bool) -> Outcome:
    """Flattens jobs again with today's schemas."""
    settings = call.settings
    with show_progress(verbose=call.verbose) as progress:
        report = pipeline.replay(settings, selection, dry_run=dry_run, progress=progress)
    return replay_outcome(report, strict=call.strict)


def maintain(call: Call, only: Sequence[str], keep: int | None, *, dry_run: bool) -> Outcome:
    """Keeps lake and warehouse in order."""
    settings, steps = call.settings, read_steps(only)
    with show_progress(verbose=call.verbose) as progress:
        report = maintenance.maintain(
            settings, steps, keep=keep, dry_run=dry_run, progress=progress
        )
    return maintain_outcome(report, strict=call.strict)


def import_files(call: Call, files: Sequence[Path], job_id: str | None) -> Outcome:
    """Lands saved replies."""
    report = pipeline.import_replies(call.settings, files, job_id=job_id)
    return render.import_outcome(report, strict=call.strict)


def fetch_subtitles(call: Call, *, again: bool) -> Outcome:
    """Archives subtitle files."""
    settings = call.settings
    with show_progress(verbose=call.verbose) as progress:
        report = pipeline.fetch_subtitles(settings, again=again, progress=progress)
    return subtitles_outcome(report, strict=call.strict)


def explain(call: Call, table: str, keys: Sequence[str], limit: int | None) -> Outcome:
    """Leads a row back to the reply it was made of."""
    explained = pipeline.explain(call.settings, table, keys)
    return explain_outcome(explained, as_json=call.as_json, limit=limit)


def status(call: Call) -> Outcome:
    """Tells where everything stands."""
    return status_outcome(pipeline.status(call.settings))


def verify(call: Call) -> Outcome:
    """Compares the lake with raw."""
    with show_progress(verbose=call.verbose) as progress:
        report = pipeline.verify(call.settings, progress=progress)
    return proof.verify_outcome(report, strict=call.strict)


def drift(call: Call, types: Sequence[str]) -> Outcome:
    """Tells where results differ from the schemas.

    Raises:
        ConfigurationError: No schema has such a Type.
    """
    return proof.drift_outcome(pipeline.drift(call.settings, types), strict=call.strict)


def query(
    call: Call, sql: str, parameters: Mapping[str, str], *, style: str, limit: int | None
) -> Outcome:
    """Asks the published warehouse."""
    table = pipeline.query(call.settings, sql, parameters)
    return rows.query_outcome(table, style=style, limit=limit)


def read_parameters(given: Sequence[str]) -> dict[str, str]:
    """Returns `name=value` texts as a mapping.

    Raises:
        ConfigurationError: One of them has no name or no `=`, or a name comes twice.
    """
    pairs = [text.partition("=") for text in given]
    way = "give it as --param name=value"
    for name, sign, _ in pairs:  # the value is not repeated: it may be anything
        if not sign:
            raise ConfigurationError(f"--param {plain(name)} has no =: {way}")
        if not name:
            raise ConfigurationError(f"--param has no name before the =: {way}")
        if not name.isidentifier():
            letters = "of letters, digits and _, and $name in the SQL"
            raise ConfigurationError(f"--param '{plain(name)}' is no name: {way}, {letters}")
    names = [name.lower() for name, _, _ in pairs]  # as DuckDB compares them
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigurationError(f"--param {twice} is given twice: give each name one value")
    return {name: value for name, _, value in pairs}


def read_sql(sql: str | None, file: Path | None) -> str:
    """Returns the SQL of an argument or a file, `-` being stdin.

    Raises:
        ConfigurationError: Neither or both are given, or what is given is empty or no text.
    """
    if (sql is None) == (file is None):
        raise ConfigurationError('give the SQL once: cognition query "SELECT ...", or --file FILE')
    if sql and sql.startswith("-") and sql != STDIN and "\n" not in sql:
        raise ConfigurationError(f"no such option: {sql.split()[0]}; see `cognition query --help`")
    place = "the SQL" if file is None else str(file)
    try:
        text = _read(sql, file)
    except UnicodeDecodeError:
        raise ConfigurationError(f"{place} is not UTF-8 text: save it as UTF-8") from None
    if not text.strip():
        raise ConfigurationError(f"{place} is empty: there is nothing to ask")
    return text


def _read(sql: str | None, file: Path | None) -> str:
    if STDIN in {sql, str(file)}:
        return sys.stdin.read()
    return file.read_text(encoding="utf-8-sig") if file else str(sql)
