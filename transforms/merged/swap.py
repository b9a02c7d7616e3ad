"""Lets merged files take the place of the batches' own, and undoes that: whole or not at all.

A swap is under way while there is a note of it in `staging/compactions/`. The marker of the
compaction is what counts: before it is written nothing has changed, from then on a crash is
recovered from by going on. Of a table, the merged file is in place before the first of the others
goes, so that no row is ever missing from the folders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace

import pyarrow as pa
from filelock import FileLock, Timeout

from transforms import lake
from transforms.errors import RetryableError
from transforms.merged import marker, rows
from transforms.merged.marker import UNDER_WAY, Compaction, staged_path
from transforms.storage import LOCKS, Storage, name_of, sha256_of
from transforms.table_file import CommittedFile


def month_lock(
    storage: Storage, month: str, *, wait: bool = True
) -> AbstractContextManager[object]:
    """Returns the lock under which batches of a month are merged, split or taken out.

    On an object store there is none: the scheduler sees to it that nobody flattens meanwhile.

    Raises:
        filelock.Timeout: On entering, without `wait`: another process holds it.
    """
    if storage.local is None:
        return nullcontext()
    folder = storage.local / LOCKS
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{month}.lock", timeout=-1 if wait else 0)


@contextmanager
def without_batch(storage: Storage, month: str, batch_id: str) -> Iterator[None]:
    """Sees to it that a batch is in no compaction, and in none until this ends.

    A batch that is not committed is not compacted, so one that is made for the first time waits
    for nobody.
    """
    known = storage.exists(lake.marker_path(batch_id))
    if not known and not marker.holders(storage, month, batch_id):
        yield
        return
    with month_lock(storage, month):
        dissolve(storage, month, [batch_id])
        yield


def begin(storage: Storage, compaction_id: str) -> None:
    """Notes that a swap is under way."""
    storage.write_bytes(_note(compaction_id), b"{}\n")


def stage(storage: Storage, compaction_id: str, table: str, content: pa.Buffer) -> None:
    """Puts a merged file where readers do not see it."""
    path = staged_path(compaction_id, table)
    storage.write(path, lambda sink: sink.write(content) and None)


def give_up(storage: Storage, compaction_id: str) -> None:
    """Drops what was staged for a compaction that is not committed."""
    _clean_up(storage, compaction_id)


def carry_out(storage: Storage, compaction: Compaction) -> None:
    """Commits a compaction whose files are staged, and lets them take the place of the others."""
    marker.write_compaction(storage, compaction)
    _go_on(storage, compaction)


def finish(storage: Storage) -> int:
    """Ends what a crash left half-way; returns how many compactions.

    A month that another process is busy with is left to it. On an object store nobody can tell,
    so there it is for the one process that compacts.
    """
    count = 0
    for month in sorted({marker.month_of_id(each) for each in _under_way(storage)}):
        with suppress(Timeout), month_lock(storage, month, wait=False):
            count += recover(storage, month)
    return count


def recover(storage: Storage, month: str) -> int:
    """Ends what a crash left half-way in a month whose lock is held; returns how many."""
    begun = marker.month_prefix(month)
    mine = [each for each in _under_way(storage) if each.startswith(begun)]
    for compaction_id in mine:
        compaction = marker.read_compaction(storage, compaction_id)
        if compaction is None:
            _clean_up(storage, compaction_id)
        elif _can_go_on(storage, compaction):
            _go_on(storage, compaction)
        else:
            _undo(storage, compaction)
    return len(mine)


def dissolve(storage: Storage, month: str, batch_ids: Iterable[str]) -> int:
    """Gives all batches of the compactions that hold some batches files of their own again.

    The lock of the month is held. What another has left half-way is ended first.

    Returns:
        How many compactions there were.

    Raises:
        LakeFormatError: A merged file is damaged; nothing was changed.
    """
    wanted = {*batch_ids}
    held = [c for c in marker.read_compactions(storage, month) if wanted & c.batches.keys()]
    if held and recover(storage, month):
        held = [c for c in marker.read_compactions(storage, month) if wanted & c.batches.keys()]
    for compaction in held:
        _undo(storage, compaction)
    return len(held)


def own_files(
    storage: Storage, compaction: Compaction
) -> tuple[dict[str, list[CommittedFile]], bool]:
    """Returns the committed files of its batches by table, and whether all are as it says."""
    found: dict[str, list[CommittedFile]] = {}
    same = True
    for batch_id, commit_id in compaction.batches.items():
        commit = lake.read_commit(storage, batch_id)
        if commit is None or commit.commit_id != commit_id:
            same = False
            continue
        for file in commit.files:
            found.setdefault(file.table, []).append(file)
    return found, same


def _can_go_on(storage: Storage, compaction: Compaction) -> bool:
    """Tells whether every merged file is there, and every batch still as it was merged."""
    there = all(
        storage.exists(file.path) or storage.exists(staged_path(compaction.id, file.table))
        for file in compaction.files
    )
    return there and own_files(storage, compaction)[1]


def _go_on(storage: Storage, compaction: Compaction) -> None:
    """Table by table: the merged file in, the files whose rows it has out."""
    own, _ = own_files(storage, compaction)
    for file in compaction.files:
        staged = staged_path(compaction.id, file.table)
        if storage.exists(staged):
            storage.move_all([(staged, file.path)])
        if not storage.exists(file.path):  # nothing goes that is not there in another place
            _undo(storage, compaction)
            raise RetryableError(
                f"another process has cleaned up after compaction {compaction.id}, which was taken "
                "for dead: run it again, one at a time"
            )
        older = [marker.merged_path(file.table, each) for each in compaction.replaces]
        storage.remove_all([f.path for f in own.get(file.table, ())] + older)
    for each in compaction.replaces:
        storage.remove(marker.marker_path(each))
    _clean_up(storage, compaction.id)


def _undo(storage: Storage, compaction: Compaction) -> None:
    """Writes the batches' own files again; then markers and merged files go."""
    begin(storage, compaction.id)
    own, _ = own_files(storage, compaction)
    changed: dict[str, dict[str, CommittedFile]] = {}
    moves: list[tuple[str, str]] = []
    for table, files in own.items():
        missing = _missing(storage, files)
        pieces = _pieces(storage, compaction, table) if missing else {}
        for file in missing:
            if name_of(file.path) not in pieces:
                raise marker.damaged(marker.merged_path(table, compaction.id), compaction.id)
            made, content = lake.encode_parquet(file.path, pieces[name_of(file.path)])
            moves += _put(storage, compaction, made, content)
            if made != file:  # another version of the writer made it
                changed.setdefault(name_of(file.path), {})[file.path] = made
    storage.move_all(moves)
    for batch_id, made_files in changed.items():
        _commit_as_written(storage, batch_id, made_files)
    for each in (*compaction.replaces, compaction.id):  # its own last: until then it is noted
        storage.remove(marker.marker_path(each))
        _clean_up(storage, each)


def _missing(storage: Storage, files: Sequence[CommittedFile]) -> list[CommittedFile]:
    """Returns the files, all of one table and month, that are not there as committed."""
    there = {*storage.list(files[0].path.rpartition("/")[0], ".parquet")}
    return [
        file
        for file in files
        if file.path not in there or sha256_of(storage.read(file.path)) != file.sha256
    ]


def _put(
    storage: Storage, compaction: Compaction, file: CommittedFile, content: pa.Buffer
) -> list[tuple[str, str]]:
    """Writes a batch's own file; locally out of sight first, and tells where it is to go."""
    if storage.local is None:
        lake.write_content(storage, file, content)
        return []
    staged = staged_path(compaction.id, f"{file.table}~{name_of(file.path)}")
    lake.write_content(storage, replace(file, path=staged), content)
    return [(staged, file.path)]


def _commit_as_written(storage: Storage, batch_id: str, made: Mapping[str, CommittedFile]) -> None:
    """Lets a batch's marker say what its files are like now: the same rows in other bytes."""
    commit = lake.read_commit(storage, batch_id)
    if commit is not None:
        files = tuple(made.get(file.path, file) for file in commit.files)
        lake.write_commit(storage, replace(commit, files=files))


def _pieces(storage: Storage, compaction: Compaction, table: str) -> dict[str, pa.Table]:
    """Returns the rows of each batch in a table, be the merged file in place or still staged."""
    found: dict[str, pa.Table] = {}
    for file in [each for each in compaction.files if each.table == table]:
        with suppress(rows.MovedError):
            owners = rows.read_owners(storage, compaction)
            found = rows.split(rows.open_merged(storage, compaction, file), owners)
    return found


def _clean_up(storage: Storage, compaction_id: str) -> None:
    """Removes what is staged, merged files without their marker, and at last the note."""
    begin = staged_path(compaction_id, "").removesuffix(".parquet")
    storage.remove_all(p for p in storage.list(UNDER_WAY, ".parquet") if p.startswith(begin))
    if not storage.exists(marker.marker_path(compaction_id)):
        tables = storage.folders(lake.TABLES)
        storage.remove_all(marker.merged_path(table, compaction_id) for table in tables)
    storage.remove(_note(compaction_id))


def _under_way(storage: Storage) -> list[str]:
    """Returns the compactions that are just being made or undone, or were at a crash."""
    return [name_of(path) for path in storage.list(UNDER_WAY, ".json")]


def _note(compaction_id: str) -> str:
    return f"{UNDER_WAY}/{compaction_id}.json"
