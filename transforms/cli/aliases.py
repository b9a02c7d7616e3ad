"""`cognition alias`: names given to faces and labels afterwards, kept in the lake."""

from __future__ import annotations

from typing import Annotated

import typer

from transforms.cli.options import Call, takes
from transforms.cli.outcome import Outcome

commands = typer.Typer(
    help="Name faces and merge labels, in all jobs there are and will be; cognition load applies "
    "it. Asks the service nothing, flattens nothing.",
    pretty_exceptions_enable=False,
)
removing = typer.Typer(help="Take an alias out again.", pretty_exceptions_enable=False)
commands.add_typer(removing, name="remove")

Name = Annotated[str, typer.Argument(help="Name as the service wrote it.")]
Job = Annotated[
    str,
    typer.Option(help="Job the face is in; of an unknown face it must be given."),
]
Kind = Annotated[
    str,
    typer.Option(help="tag, category, entity, hotword or free_tag; default: all of them."),
]


@commands.command("face")
@takes()
def name_face(
    call: Call,
    name: Name,
    person: Annotated[str, typer.Argument(help="Who it is.")],
    *,
    job: Job = "",
) -> Outcome:
    """Say who a face is, in one job or, of a known person, in all."""
    from transforms.cli import alias_outcome as ending  # noqa: PLC0415 - --help needs no engine

    return ending.put_face(call, name, person, job)


@commands.command("tag")
@takes()
def name_tag(
    call: Call,
    name: Name,
    label: Annotated[str, typer.Argument(help="Name it goes by.")],
    *,
    kind: Kind = "",
) -> Outcome:
    """Give a tag, entity or other label the name of another."""
    from transforms.cli import alias_outcome as ending  # noqa: PLC0415 - as above

    return ending.put_tag(call, name, label, kind)


@commands.command("list")
@takes()
def list_all(call: Call) -> Outcome:
    """Show the aliases of the lake."""
    from transforms.cli import alias_outcome as ending  # noqa: PLC0415 - as above

    return ending.list_all(call)


@removing.command("face")
@takes()
def remove_face(call: Call, name: Name, *, job: Job = "") -> Outcome:
    """Let a face have the name the service gave it."""
    from transforms.cli import alias_outcome as ending  # noqa: PLC0415 - as above

    return ending.remove_face(call, name, job)


@removing.command("tag")
@takes()
def remove_tag(call: Call, name: Name, *, kind: Kind = "") -> Outcome:
    """Let a label have the name the service gave it."""
    from transforms.cli import alias_outcome as ending  # noqa: PLC0415 - as above

    return ending.remove_tag(call, name, kind)
