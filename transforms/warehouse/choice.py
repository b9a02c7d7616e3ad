"""Which of the versions that are kept to go back to."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import duckdb

from transforms.errors import CognitionError, ConfigurationError
from transforms.plain import plain
from transforms.warehouse.folders import VERSIONS, digits_of, list_versions, name_of
from transforms.warehouse.query import PUBLISHED
from transforms.warehouse.swap import read_digest

LIST = "`cognition rollback --list` shows those that are kept"
_SHOWN = 3


def require_choice(warehouse_dir: Path, version: str | None) -> None:
    """Refuses what nothing can be chosen from or with.

    Raises:
        ConfigurationError: No version is kept, or the name is empty, as that of a variable that
            is not set, which is part of every name.
    """
    if version is not None and not _name_in(version):
        raise ConfigurationError(
            "the version is empty: name one, or give no version to go to the one before the "
            f"published one; {LIST}"
        )
    if not (warehouse_dir / VERSIONS).is_dir():
        raise _none_kept(warehouse_dir)


def choose_version(warehouse_dir: Path, given: str | None, published: Path | None) -> Path:
    """Returns the version of a name, or the one to go back to.

    Args:
        warehouse_dir: Folder of the DuckDB files.
        given: Its name, or a part that no other has; None for the one before the published.
        published: The version that is published, if it is one.

    Raises:
        ConfigurationError: There is no such version, or none before the published one.
    """
    if not list_versions(warehouse_dir):
        raise _none_kept(warehouse_dir)
    if given is not None:
        return _find(warehouse_dir, given)
    return _before(warehouse_dir, published)


def _before(warehouse_dir: Path, published: Path | None) -> Path:
    """Returns the version before the published one, or the newest where that is none of them.

    Versions of the published content are none to go back to: what is wrong with it is in them.
    """
    versions = list_versions(warehouse_dir)
    if published is None:
        return versions[-1]
    older = [each for each in versions if name_of(each) < name_of(published)]
    for version in reversed(older):
        if not _hold_the_same(version, published):
            return version
    told = "the oldest version that is kept: there is none before it"
    if older:
        told = "all that are kept from before it hold the same"
    raise ConfigurationError(f"{name_of(published)} is published and {told}; {LIST}")


def _hold_the_same(version: Path, published: Path) -> bool:
    """Tells whether two versions hold the same; of one that cannot be read its name tells."""
    if digits_of(version) != digits_of(published):
        return False
    with suppress(CognitionError, duckdb.Error):
        return read_digest(version) == read_digest(published)
    return True


def _find(warehouse_dir: Path, given: str) -> Path:
    """Returns the version of a name, or of a part that no other has."""
    name = _name_in(given)
    versions = list_versions(warehouse_dir)
    found = [each for each in versions if name_of(each) == name]
    found = found or [each for each in versions if name in name_of(each)]
    if not found:
        raise ConfigurationError(f"no version {plain(given)} is kept; {LIST}")
    if len(found) > 1:
        names = ", ".join(name_of(each) for each in found[-_SHOWN:])
        more = " among them" if len(found) > _SHOWN else ""
        raise ConfigurationError(
            f"{plain(given)} is part of {len(found)} names, {names}{more}: give more of it"
        )
    return found[0]


def _name_in(given: str) -> str:
    """Returns the name in a name, or in the path of a version's folder or file."""
    path = Path(given.strip())
    return path.parent.name if path.name == PUBLISHED else path.name


def _none_kept(warehouse_dir: Path) -> ConfigurationError:
    return ConfigurationError(
        f"no versions are kept in {warehouse_dir / VERSIONS}: `cognition load` publishes one"
    )
