"""Aliases: names given to faces and labels afterwards, for all jobs there are and will be.

They lie in two CSV files of the lake, which a load brings into the warehouse: nobody is asked and
nothing is flattened again. What the service wrote stays; marts show the alias in its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from filelock import FileLock

from transforms.alias_csv import (
    AliasError,
    Row,
    Sheet,
    encode_sheet,
    error_at,
    errors_at,
    parse_sheet,
)
from transforms.plain import near, plain
from transforms.storage import LOCKS, Storage

FOLDER = "aliases"
KINDS = ("tag", "category", "entity", "hotword", "free_tag")
"""Kinds of labels, as in the mart `labels`, that have aliases of their own."""
MADE_UP = re.compile(r"未知人脸\s*\d*")
"""A name the service gives a face it does not know: another person in every job."""


@dataclass(frozen=True, slots=True)
class AliasFile:
    """A file of aliases; its columns are those of its table in the warehouse.

    Attributes:
        table: Name of the table, and of the file.
        columns: What the alias is limited to, the name, and what stands in its place.
    """

    table: str
    columns: tuple[str, str, str]

    @property
    def path(self) -> str:
        """Returns where it lies in the lake."""
        return f"{FOLDER}/{self.table}.csv"


FACES = AliasFile("face_aliases", ("job_id", "name", "person"))
TAGS = AliasFile("tag_aliases", ("kind", "name", "label"))
FILES = (FACES, TAGS)


@dataclass(frozen=True, slots=True)
class Alias:
    """A name and what stands in its place.

    Attributes:
        scope: Job, or kind of label, it is limited to; empty: every one.
        name: Name as the service wrote it.
        target: Name to be shown.
        line: Line of the file it stands in, from 1.
    """

    scope: str
    name: str
    target: str
    line: int = field(default=0, compare=False)

    @property
    def key(self) -> tuple[str, str]:
        """Returns what there can be one alias of."""
        return self.scope, self.name


@dataclass(frozen=True, slots=True)
class Aliases:
    """What the files of a lake come to.

    Attributes:
        of: Aliases by table, each name led to its last target, in order of their keys.
        written: The same as the files have them, from which chains are followed.
        notes: What was passed over, and why.
    """

    of: Mapping[str, tuple[Alias, ...]]
    written: Mapping[str, tuple[Alias, ...]]
    notes: tuple[str, ...] = ()


def read_aliases(storage: Storage) -> Aliases:
    """Returns the aliases of a lake; files that are not there hold none.

    Raises:
        AliasError: A file cannot be used: the message names file, line and remedy.
    """
    sheets = {file: read_sheet(storage, file) for file in FILES}
    ours = {file.path for file in FILES}
    strays = [p for p in storage.list(FOLDER) if p not in ours and not _is_hidden(p)]
    notes = [f"{sheet.path}: {_unread(sheet)}" for sheet in sheets.values() if sheet.others]
    notes += [f"{path} is not read: {' and '.join(sorted(ours))} are" for path in strays]
    written = {file.table: tuple(list_aliases(file, s)) for file, s in sheets.items()}
    resolved = {file.table: resolve(file, written[file.table]) for file in FILES}
    return Aliases(resolved, written, tuple(notes))


def read_sheet(storage: Storage, file: AliasFile) -> Sheet:
    """Returns what a file holds; one that is not there is empty.

    Raises:
        AliasError: It is no CSV in UTF-8 with its columns.
    """
    try:
        content = storage.read(file.path).to_pybytes()
    except FileNotFoundError:
        return Sheet(file.path, file.columns, file.columns)
    return parse_sheet(file.path, file.columns, content)


def list_aliases(file: AliasFile, sheet: Sheet) -> list[Alias]:
    """Returns the aliases of a sheet in its order, having checked each and all together.

    Raises:
        AliasError: A line is no alias, or contradicts another.
    """
    found = [_alias_of(file, sheet, row) for row in sheet.rows]
    if wrong := [(alias.line, what) for alias in found if (what := _flaw(file, alias))]:
        raise errors_at(file.path, wrong)
    first: dict[tuple[str, str], Alias] = {}
    for alias in found:
        other = first.setdefault(alias.key, alias)
        if other.target != alias.target:
            told = f"{plain(alias.name)} is {plain(alias.target)}"
            rest = f"but {plain(other.target)} in line {other.line}: remove one of the lines"
            raise error_at(file.path, alias.line, f"{told}, {rest}")
    resolve(file, first.values())
    return found


def resolve(
    file: AliasFile, aliases: Iterable[Alias], final: Iterable[Alias] = ()
) -> tuple[Alias, ...]:
    """Returns each alias once, led to the end of its chain, in order of the keys.

    Of A -> B and B -> C becomes A -> C beside B -> C. An alias of a job or kind goes on by those of
    the same, else by those of every one; an alias of every one only by such. A name that is an
    alias of itself stays as it is.

    Args:
        file: The file they are of.
        aliases: Those to lead to their ends.
        final: Aliases that go before those of the same key, and end each chain that leads to them;
            they are not returned.

    Raises:
        AliasError: Names lead in a circle.
    """
    ends = {alias.key: alias for alias in final}
    by_key = {alias.key: alias for alias in aliases}
    led = sorted(by_key.keys() - ends.keys())
    return tuple(_end_of(file, by_key | ends, by_key[key], ends.keys()) for key in led)


def edit(storage: Storage, file: AliasFile, change: Callable[[Sheet], Sheet]) -> Sheet:
    """Changes a file: one process at a time, whole or not at all.

    On an object store there are no locks: of two changes at once the last one written stays.

    Args:
        storage: The lake.
        file: Which file; made if it is not there.
        change: Returns the sheet as it shall be.

    Raises:
        AliasError: The file cannot be used as it is, or as it would be; it stays as it was.
    """
    with _lock(storage):
        sheet = read_sheet(storage, file)
        list_aliases(file, sheet)
        changed = change(sheet)
        list_aliases(file, changed)
        if changed != sheet:
            storage.write_bytes(file.path, encode_sheet(changed))
    return changed


def put(file: AliasFile, sheet: Sheet, alias: Alias) -> Sheet:
    """Returns a sheet that has an alias, in the place of another of the same name if there is one.

    Raises:
        AliasError: A text is empty, or no kind of label.
    """
    if flaw := _flaw(file, alias):
        raise AliasError(f"{flaw}; nothing was changed")
    same = _rows_of(file, sheet, alias.key)
    sheet = sheet.without(same[1:])
    return sheet.with_row((alias.scope, alias.name, alias.target), same[0] if same else None)


def take(file: AliasFile, sheet: Sheet, alias: Alias) -> Sheet:
    """Returns a sheet without the alias of a name, whatever its target.

    Raises:
        AliasError: There is none.
    """
    if rows := _rows_of(file, sheet, alias.key):
        return sheet.without(rows)
    known = [_alias_of(file, sheet, row) for row in sheet.rows]
    if scopes := sorted({each.scope for each in known if each.name == alias.name}):
        told = ", ".join(plain(each) or "none" for each in scopes[:3])
        remedy = f"give its {file.columns[0]} as it is there: {told}"
    else:
        remedy = near(alias.name, (each.name for each in known)) or "see `cognition alias list`"
    raise AliasError(f"{file.path} has no such alias of {plain(alias.name)}: {remedy}")


def make_alias(file: AliasFile, scope: str, name: str, target: str, line: int = 0) -> Alias:
    """Returns an alias of texts as people write them."""
    scope = scope.strip().casefold() if file is TAGS else scope.strip()
    return Alias(scope, name.strip(), target.strip(), line)


def _alias_of(file: AliasFile, sheet: Sheet, row: Row) -> Alias:
    scope, name, target = sheet.texts(row)
    return make_alias(file, scope, name, target, row.line)


def _rows_of(file: AliasFile, sheet: Sheet, key: tuple[str, str]) -> list[Row]:
    return [row for row in sheet.rows if _alias_of(file, sheet, row).key == key]


def _flaw(file: AliasFile, alias: Alias) -> str | None:
    """Returns what is wrong with one alias, and what to do about it, or None."""
    for column, text in zip(file.columns[1:], (alias.name, alias.target), strict=True):
        if not text:
            return f"{column} is empty: fill it in, or remove the alias"
    if file is TAGS and alias.scope and alias.scope not in KINDS:
        remedy = near(alias.scope, KINDS) or f"give {', '.join(KINDS)}, or nothing for all"
        return f"there is no kind {plain(alias.scope)}: {remedy}"
    if file is FACES and not alias.scope and MADE_UP.fullmatch(alias.name):
        return f"{plain(alias.name)} is somebody else in every job: give the job_id of this one"
    return None


def _end_of(
    file: AliasFile,
    by_key: Mapping[tuple[str, str], Alias],
    alias: Alias,
    ends: AbstractSet[tuple[str, str]],
) -> Alias:
    passed = {alias.key: alias}
    last = alias
    while following := by_key.get((alias.scope, last.target)) or by_key.get(("", last.target)):
        if following.name == following.target:
            break
        if following.key in passed:
            raise _circle(file, list(passed.values()))
        passed[following.key] = last = following
        if following.key in ends:
            break
    return Alias(alias.scope, alias.name, last.target, alias.line)


def _circle(file: AliasFile, passed: Sequence[Alias]) -> AliasError:
    names = " -> ".join(plain(alias.name, 20) for alias in passed[:5])
    lines = ", ".join(str(alias.line) for alias in passed[:5])
    back = f"{names} -> {plain(passed[-1].target, 20)}"
    what = f"names lead in a circle, {back} (lines {lines}): remove one of the lines"
    return error_at(file.path, passed[0].line, what)


def _unread(sheet: Sheet) -> str:
    named = ", ".join(plain(name) for name in sheet.others)
    return f"its columns {named} are kept and not read"


def _is_hidden(path: str) -> bool:
    """Tells whether a file is one that systems and spreadsheets leave, which is nobody's alias."""
    return any(part.startswith((".", "~")) for part in path.split("/"))


def _lock(storage: Storage) -> AbstractContextManager[object]:
    if storage.local is None:
        return nullcontext()
    folder = storage.local / LOCKS
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / "aliases.lock")
