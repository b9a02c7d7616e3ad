"""The commands of `cognition`, and how they end."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command

from transforms.cli import aliases, failure
from transforms.cli.options import JOBS, Call, options_given, takes
from transforms.cli.outcome import Outcome, write_error, write_json, write_outcome
from transforms.cli.signals import leave_what_goes_on, terminated_like_interrupted
from transforms.errors import ConfigurationError

app = typer.Typer(
    help="Turns the results of IMS QueryVideoCognitionJob into a validated Parquet lake and a "
    "DuckDB warehouse: ledger -> source -> raw -> validate -> flatten -> lake -> warehouse.",
    epilog="Exit codes: 0 done; 1 verify found a difference, or, with --strict, something was "
    "quarantined, rejected, expired, not answered, not archived, unreadable, or differs from the "
    "schemas; 2 usage, configuration or another error; 3 the service or the queue refused us, or "
    "does not answer at all or any more; 130 or 143 stopped by Ctrl-C or SIGTERM, what was "
    "finished is kept, but for listen, which ends so and exits with 0.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

subtitles = typer.Typer(
    help="Archive the subtitle files that results link to.", pretty_exceptions_enable=False
)
app.add_typer(subtitles, name="subtitles")
app.add_typer(aliases.commands, name="alias")


class Format(StrEnum):
    """How the rows of a query are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `cognition` and returns its exit code; errors are told, not raised.

    It ends the process itself where a signal came and a statement does not hear of it.

    Args:
        arguments: Words after the program's name; default `sys.argv[1:]`.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    with terminated_like_interrupted() as terminated:
        try:
            code = _run(words or ["--help"], terminated)
            sys.stdout.flush()
        except KeyboardInterrupt:
            return _stopped(terminated, as_json=False)
        except (BrokenPipeError, SystemExit):  # rich and Typer turn the one into the other
            # What is left in the buffer must not raise again when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return failure.READER_GONE
        return code


def _run(words: list[str], terminated: Callable[[], bool]) -> int:
    as_json = "--json" in words
    try:
        command = get_command(app)
        ended = command.main(args=words, prog_name="cognition", standalone_mode=False)
    except Exception as error:  # noqa: BLE001 - the last line of defence: any error is one line
        if failure.wants_traceback():
            traceback.print_exc()
        message = failure.describe(error, options_given(words))
        return _fail(message, failure.exit_code(error), as_json=as_json)
    if isinstance(ended, Outcome):
        write_outcome(ended, as_json=as_json)
        return ended.code
    if ended == failure.INTERRUPTED:
        return _stopped(terminated, as_json=as_json)
    return int(ended or 0)


def _stopped(terminated: Callable[[], bool], *, as_json: bool) -> int:
    code = failure.TERMINATED if terminated() else failure.INTERRUPTED
    try:
        return _fail(failure.STOPPED, code, as_json=as_json)
    finally:  # even if nobody reads what is told
        leave_what_goes_on(code)


def _fail(message: str, code: int, *, as_json: bool) -> int:
    write_error(message)
    if as_json:
        write_json({"error": message, "exit_code": code})
    return code


def _show_version(asked: bool) -> None:  # noqa: FBT001 - Typer's callback
    if asked:
        from importlib.metadata import version  # noqa: PLC0415 - only --version asks

        sys.stdout.write(f"cognition {version('cognition-warehouse')}\n")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    del version


@app.command()
@takes(source=True, strict=JOBS)
def run(call: Call) -> Outcome:
    """Go from the ledger to the published warehouse: ingest, flatten, load."""
    from transforms.cli import work  # noqa: PLC0415 - --help needs no engine

    return work.run(call)


@app.command()
@takes(source=True, strict=JOBS)
def ingest(call: Call) -> Outcome:
    """Ask the service for the pending jobs and land their final replies in raw."""
    from transforms.cli import work  # noqa: PLC0415 - as above

    return work.ingest(call)


@app.command()
@takes()
def add(
    call: Call,
    ids: Annotated[
        list[str], typer.Argument(metavar="IDS|@FILE...", help="Ids by comma, or a file of them.")
    ],
) -> Outcome:
    """Add job ids to the ledger."""
    from transforms.cli import work  # noqa: PLC0415 - see `run`

    return work.add(call, ids)


@app.command()
@takes()
def listen(
    call: Call,
    *,
    host: Annotated[str, typer.Option(help="Address of this machine to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any free one.")] = 8098,
    url: Annotated[
        str | None,
        typer.Option(help="Callback address as it is registered. (COGNITION_CALLBACK_URL)"),
    ] = None,
    no_signature: Annotated[
        bool, typer.Option("--no-signature", help="Take unsigned callbacks; on a loopback host.")
    ] = False,
) -> Outcome:
    """Take IMS event callbacks over HTTP into the ledger, until Ctrl-C or SIGTERM."""
    from transforms.cli import listen as listening  # noqa: PLC0415 - see `run`

    return listening.listen(call, host, port, url, signed=not no_signature)


@app.command()
@takes(strict="Exit with 1 if a message was unreadable or the queue stopped answering.")
def drain(
    call: Call,
    *,
    seconds: Annotated[
        float, typer.Option(min=0.1, max=86400, help="After so long nothing more is received.")
    ] = 60.0,
    limit: Annotated[int | None, typer.Option(min=1, help="Most messages to receive.")] = None,
    discard_unreadable: Annotated[
        bool,
        typer.Option("--discard-unreadable", help="Remove unreadable messages from the queue too."),
    ] = False,
) -> Outcome:
    """Empty the queue of completion messages into the ledger."""
    from transforms.cli import listen as listening  # noqa: PLC0415 - as above

    return listening.drain(
        call, seconds=seconds, limit=limit, discard_unreadable=discard_unreadable
    )


@app.command()
@takes(strict=JOBS)
def flatten(call: Call) -> Outcome:
    """Validate and flatten what is new in raw into the tables of the lake."""
    from transforms.cli import work  # noqa: PLC0415 - as above

    return work.flatten(call)


@app.command()
@takes()
def load(call: Call) -> Outcome:
    """Load the lake into DuckDB, check it and publish the warehouse."""
    from transforms.cli import work  # noqa: PLC0415 - as above

    return work.load(call)


@app.command()
@takes()
def rollback(
    call: Call,
    version: Annotated[
        str | None,
        typer.Argument(
            help="Name of a version, or a part of it; default: the one before.", show_default=False
        ),
    ] = None,
    *,
    reason: Annotated[
        str | None,
        typer.Option(help="Why, for whoever meets the hold; without VERSION it goes one back."),
    ] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="Show the versions that are kept.")
    ] = False,
    released: Annotated[
        bool, typer.Option("--release", help="Let the next load publish the build again.")
    ] = False,
) -> Outcome:
    """Publish an older version again and hold it, whatever is loaded meanwhile."""
    from transforms.cli import rollback as rolling  # noqa: PLC0415 - as above

    return rolling.rollback(call, version, reason, listed=listed, released=released)


@app.command()
@takes(strict="Exit with 1 if parts stay in quarantine or jobs were not found.")
def replay(  # noqa: PLR0913 - one parameter an option
    call: Call,
    *,
    jobs: Annotated[
        list[str] | None,
        typer.Option("--jobs", metavar="IDS|@FILE", help="Ids by comma, or a file; repeatable."),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--type", metavar="TYPES", help="Jobs with such results; by comma, repeatable."
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Jobs answered since, UTC.")
    ] = None,
    quarantined: Annotated[
        bool, typer.Option("--quarantined", help="Jobs with parts in quarantine.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="All jobs.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would change, write nothing.")
    ] = False,
) -> Outcome:
    """Flatten jobs of the lake again with today's schemas, tell the difference, load."""
    from transforms.cli import replay as replaying  # noqa: PLC0415 - as above
    from transforms.cli import work  # noqa: PLC0415 - as above

    selection = replaying.read_selection(
        jobs or [], kind or [], since, quarantined=quarantined, everything=everything
    )
    return work.replay(call, selection, dry_run=dry_run)


@app.command()
@takes(strict="Exit with 1 if pending jobs are about to expire, or have.")
def maintain(
    call: Call,
    *,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="STEPS", help="compact, prune, expiry, clean; by comma, repeatable."),
    ] = None,
    keep_versions: Annotated[
        int | None,
        typer.Option(min=1, help="Published versions to keep; COGNITION_KEEP_VERSIONS."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be done, do nothing.")
    ] = False,
) -> Outcome:
    """Compact the lake, take away old versions and left-overs, warn of expiring jobs."""
    from transforms.cli import work  # noqa: PLC0415 - see `run`

    return work.maintain(call, only or [], keep_versions, dry_run=dry_run)


@app.command("import")
@takes(strict=JOBS)
def import_files(
    call: Call,
    files: Annotated[
        list[Path],
        typer.Argument(help="Saved replies, one JSON object a file.", exists=True, dir_okay=False),
    ],
    *,
    job_id: Annotated[
        str | None,
        typer.Option("--job-id", help="Job of the one file; else its JobId, else its stem."),
    ] = None,
) -> Outcome:
    """Land saved reply files in raw, byte for byte."""
    from transforms.cli import work  # noqa: PLC0415 - as above

    return work.import_files(call, files, job_id)


@subtitles.command("fetch")
@takes(strict="Exit with 1 if a file was not archived.")
def fetch_subtitles(
    call: Call,
    *,
    again: Annotated[
        bool,
        typer.Option("--again", help="Ask once more for files found expired or refused."),
    ] = False,
) -> Outcome:
    """Archive subtitle files before their links die; flatten makes rows of them."""
    from transforms.cli import work  # noqa: PLC0415 - as above

    return work.fetch_subtitles(call, again=again)


@subtitles.callback()
def _subtitles() -> None:
    """Keep Typer from taking the only command for the group itself."""


@app.command(context_settings={"ignore_unknown_options": True})  # so that -1 is a wrong position
@takes()
def explain(
    call: Call,
    table: Annotated[str, typer.Argument(help="Name of the row's table.")],
    keys: Annotated[
        list[str],
        typer.Argument(metavar="KEY...", help="Its key columns in order, or as NAME=VALUE."),
    ],
    *,
    limit: Annotated[
        int | None,
        typer.Option(
            min=0, help="Most characters of the fragment; 2,000 unless --json, 0 for all."
        ),
    ] = None,
) -> Outcome:
    """Show the raw file, place and exact text that a row was made of."""
    from transforms.cli import work  # noqa: PLC0415 - as above

    return work.explain(call, table, keys, limit)


@app.command()
@takes()
def status(call: Call) -> Outcome:
    """Show where everything stands: pending, landed, quarantined, published, lag."""
    from transforms.cli import work  # noqa: PLC0415 - as above

    return work.status(call)


@app.command()
@takes(strict="Exit with 1 if a row was too long to compare.")
def verify(call: Call) -> Outcome:
    """Make every result again from its rows and compare it with raw: proof that nothing is lost."""
    from transforms.cli import work  # noqa: PLC0415 - as above

    return work.verify(call)


@app.command()
@takes(strict="Exit with 1 if anything differs.")
def drift(
    call: Call,
    *,
    kind: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPES", help="Types by comma, or reply; repeatable."),
    ] = None,
) -> Outcome:
    """Show where results differ from the schemas: new, vanished, retyped, unexpected."""
    from transforms.cli import work  # noqa: PLC0415 - as above

    return work.drift(call, kind or [])


@app.command(context_settings={"ignore_unknown_options": True})  # SQL may begin with a comment
@takes()
def query(  # noqa: PLR0913 - one parameter an option
    call: Call,
    sql: Annotated[
        str | None, typer.Argument(help="SQL; - reads it from stdin.", show_default=False)
    ] = None,
    *,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Read the SQL from a file; - is stdin.")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="Text bound to $NAME; may be repeated."),
    ] = None,
    style: Annotated[
        Format | None, typer.Option("--format", help="Default: table.", show_default=False)
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=0, help="Most rows to write, 0 for all; a table shows 100."),
    ] = None,
) -> Outcome:
    """Ask the published warehouse in SQL, read-only."""
    from transforms.cli import work  # noqa: PLC0415 - as above

    if call.as_json and style not in {None, Format.JSON}:
        raise ConfigurationError(f"--json and --format {style} contradict each other: drop one")
    chosen = Format.JSON if call.as_json else style or Format.TABLE
    parameters = work.read_parameters(param or [])
    return work.query(call, work.read_sql(sql, file), parameters, style=chosen, limit=limit)
