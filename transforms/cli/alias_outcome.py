"""What the commands of `cognition alias` do, and what they say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from transforms import pipeline
from transforms.aliases import FACES, TAGS, Alias
from transforms.cli.options import Call
from transforms.cli.outcome import Outcome
from transforms.cli.render import write_lines
from transforms.pipeline.aliases import AliasChange, AliasList
from transforms.plain import plain
from transforms.words import amount

NEXT = "cognition load; or the next load of the DAGs applies it"


def put_face(call: Call, name: str, person: str, job: str) -> Outcome:
    """Names a face."""
    return _changed(pipeline.set_alias(call.settings, FACES, job, name, person))


def put_tag(call: Call, name: str, label: str, kind: str) -> Outcome:
    """Names a label."""
    return _changed(pipeline.set_alias(call.settings, TAGS, kind, name, label))


def remove_face(call: Call, name: str, job: str) -> Outcome:
    """Takes the alias of a face out."""
    return _changed(pipeline.remove_alias(call.settings, FACES, job, name))


def remove_tag(call: Call, name: str, kind: str) -> Outcome:
    """Takes the alias of a label out."""
    return _changed(pipeline.remove_alias(call.settings, TAGS, kind, name))


def list_all(call: Call) -> Outcome:
    """Lists the aliases of the lake."""
    found = pipeline.list_aliases(call.settings)
    lines = list(_listed(found))
    return Outcome(asdict(found), lambda console: write_lines(console, lines), warnings=found.notes)


def _changed(change: AliasChange) -> Outcome:
    lines = [("alias", _told(change)), ("", change.file)]
    if change.target != change.before:
        lines.append(("next", NEXT))
    return Outcome(asdict(change), lambda console: write_lines(console, lines))


def _told(change: AliasChange) -> str:
    name = _scoped(change.file == FACES.path, change.scope, change.name)
    if change.target is None:
        return f"{name} is no longer {plain(str(change.before))}"
    if change.target == change.before:
        return f"{name} is {plain(change.target)} already"
    was = f", not {plain(change.before)} any more" if change.before else ""
    return f"{name} is {plain(change.target)}{was}"


def _listed(found: AliasList) -> Iterator[tuple[str, str]]:
    if not found.faces and not found.tags:
        yield "aliases", "none: see cognition alias face --help and cognition alias tag --help"
    for title, is_face, aliases in (("faces", True, found.faces), ("tags", False, found.tags)):
        if aliases:
            yield title, amount(len(aliases), "alias")
        for alias in aliases:
            yield "", _line(alias, is_face=is_face)


def _line(alias: Alias, *, is_face: bool) -> str:
    return f"{_scoped(is_face, alias.scope, alias.name)} is {plain(alias.target)}"


def _scoped(is_face: bool, scope: str, name: str) -> str:  # noqa: FBT001 - a fact, not a switch
    if not scope:
        return plain(name)
    return f"{plain(name)} in job {plain(scope)}" if is_face else f"{scope} {plain(name)}"
