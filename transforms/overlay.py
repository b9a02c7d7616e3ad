"""A user's own schemas over the shipped ones: which files count, and what they may change.

An overlay holds amended copies of shipped schemas and schemas of more Types, each at its place:
`results/asr.schema.json` stands in for the shipped file of that path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from transforms import paths
from transforms.compatibility import (
    changed_meanings,
    disclosures,
    incompatible_changes,
    layouts_of,
)
from transforms.errors import ConfigurationError

if TYPE_CHECKING:
    from transforms.contract import Contracts

METASCHEMA = "annotations.metaschema.json"
SUFFIX = ".schema.json"
_SCHEMA = re.compile(r"(?:(?:results|tables)/[^/]+|common|reply)\.schema\.json")
_BESIDE = re.compile(r"(?:.*/)?\..*|history/[^/]+\.json|.*\.md")
"""What may lie in an overlay without being a schema: hidden files, a copied history, notes."""


def schema_files(folder: Path) -> dict[str, Path]:
    """Returns the schema files of a whole set by relative path, in one order."""
    files = sorted(folder.rglob(f"*{SUFFIX}"))
    return {file.relative_to(folder).as_posix(): file for file in files}


def overlay_files(overlay: Path) -> dict[str, Path]:
    """Returns the schema files of an overlay by relative path.

    Raises:
        ConfigurationError: There is none, or a file is none and would be passed over.
    """
    names = {f.relative_to(overlay).as_posix(): f for f in overlay.rglob("*") if f.is_file()}
    found = {name: file for name, file in sorted(names.items()) if not _is_beside(name, file)}
    for name in found:
        if not _SCHEMA.fullmatch(name):
            raise ConfigurationError(
                f"{overlay / name} is no schema of ours: an overlay has results/*{SUFFIX}, "
                f"tables/*{SUFFIX}, common{SUFFIX} and reply{SUFFIX}; rename it or move it away"
            )
    if not found:
        raise ConfigurationError(
            f"no *{SUFFIX} in {overlay}: point COGNITION_SCHEMAS at a folder that has amended "
            f"schemas, such as results/asr{SUFFIX}, or unset it"
        )
    return found


def refuse_incompatible(overlay: Path, shipped: Contracts, amended: Contracts) -> None:
    """Checks that rows of the shipped schemas keep place, meaning, privacy and schema version.

    Raises:
        ConfigurationError: The overlay takes something away, lets out what is private, or hides a
            change.
    """
    if gone := sorted(shipped.types.keys() - amended.types.keys()):
        raise ConfigurationError(
            f"{overlay}: no schema has the Type {gone[0]} any more: keep it in x-type or x-aliases"
        )
    old, new = layouts_of(shipped.tables.values()), layouts_of(amended.tables.values())
    if changes := incompatible_changes(old, new):
        raise ConfigurationError(
            f"{overlay} cannot stand in for the shipped schemas: {'; '.join(changes)}. "
            "Keep what is there and add a new column or table beside it"
        )
    if shown := disclosures(shipped.tables.values(), amended.tables):
        raise ConfigurationError(
            f"{overlay} would bring into the warehouse what stays out of it: {'; '.join(shown)}. "
            "Keep x-private as it is in the shipped schemas"
        )
    if problem := next(_version_problems(shipped, amended), None):
        raise ConfigurationError(f"{overlay}: {problem}")


def _version_problems(shipped: Contracts, amended: Contracts) -> Iterator[str]:
    for was in shipped.distinct:
        now = amended.types[was.type]
        altered = layouts_of(was.tables) != layouts_of(now.tables)
        if now.version < was.version:
            yield (
                f"{was.type} has x-version {now.version}, the shipped schema {was.version}: "
                f"take over its changes and raise x-version above {was.version}"
            )
        elif altered and now.version == was.version:
            yield (
                f"the tables of {was.type} changed, so raise its x-version above {was.version}: "
                "the version is kept beside every row and must tell the two apart"
            )
        elif now.version == was.version and (meanings := changed_meanings(was.root, now.root)):
            yield (
                f"{'; '.join(meanings)}: add a new column beside it, or raise the x-version of "
                f"{was.type} above {was.version}, as it tells rows of the two meanings apart"
            )
    for name, table in shipped.system.items():
        if meanings := changed_meanings(table, amended.system[name]):
            yield (
                f"{'; '.join(meanings)}: our own tables have no x-version to tell the meanings "
                "apart, so keep it as it is in the shipped schemas"
            )


def _is_beside(name: str, file: Path) -> bool:
    """Tells whether a file may be passed over; so may a copy of the shipped metaschema."""
    if name == METASCHEMA:
        return file.read_bytes() == (paths.schemas_dir() / METASCHEMA).read_bytes()
    return _BESIDE.fullmatch(name) is not None
