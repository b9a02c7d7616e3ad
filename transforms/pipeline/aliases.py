"""Late binding: the lake's aliases, put in, taken out and listed; the next load applies them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from transforms import aliases, lake
from transforms.alias_csv import Sheet
from transforms.aliases import Alias, AliasFile
from transforms.settings import Settings


@dataclass(frozen=True, slots=True)
class AliasChange:
    """What became of one alias.

    Attributes:
        file: File of the lake it lies in.
        scope: Job or kind of label it is limited to; empty: every one.
        name: Name as the service wrote it.
        target: What stands in its place now; None: nothing.
        before: What stood in its place before; None: nothing.
    """

    file: str
    scope: str
    name: str
    target: str | None
    before: str | None


@dataclass(frozen=True, slots=True)
class AliasList:
    """The aliases of a lake, in the order of the files, and what is passed over there."""

    faces: tuple[Alias, ...]
    tags: tuple[Alias, ...]
    notes: tuple[str, ...]


def set_alias(
    settings: Settings, file: AliasFile, scope: str, name: str, target: str
) -> AliasChange:
    """Puts an alias into the lake, in the place of an older one of the same name.

    Raises:
        ConfigurationError: There is no lake, the alias is none, or the file is wrong; nothing was
            changed.
    """
    return _change(settings, file, aliases.make_alias(file, scope, name, target), aliases.put)


def remove_alias(settings: Settings, file: AliasFile, scope: str, name: str) -> AliasChange:
    """Takes an alias out of the lake.

    Raises:
        ConfigurationError: There is no lake or no such alias, or the file is wrong; nothing was
            changed.
    """
    return _change(settings, file, aliases.make_alias(file, scope, name, ""), aliases.take)


def list_aliases(settings: Settings) -> AliasList:
    """Returns the aliases of the lake.

    Raises:
        ConfigurationError: There is no lake, or a file is wrong.
    """
    storage = lake.open_lake(settings.lake_root)
    faces, tags = (
        tuple(aliases.list_aliases(file, aliases.read_sheet(storage, file)))
        for file in aliases.FILES
    )
    return AliasList(faces, tags, aliases.read_aliases(storage).notes)


def _change(
    settings: Settings,
    file: AliasFile,
    alias: Alias,
    how: Callable[[AliasFile, Sheet, Alias], Sheet],
) -> AliasChange:
    before: list[str] = []

    def change(sheet: Sheet) -> Sheet:
        known = aliases.list_aliases(file, sheet)
        before.extend(each.target for each in known if each.key == alias.key)
        return how(file, sheet, alias)

    aliases.edit(lake.open_lake(settings.lake_root), file, change)
    was = before[0] if before else None
    return AliasChange(file.path, alias.scope, alias.name, alias.target or None, was)
