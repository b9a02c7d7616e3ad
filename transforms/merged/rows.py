"""Rows of one batch out of merged files, exactly as they were in its own.

A merged file is sorted by key, so the rows of a batch lie all over it. A job is in one batch alone:
the rows of its jobs, in the order of the file, are those of the batch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transforms.merged.marker import Compaction, damaged, staged_path
from transforms.storage import Storage, sha256_of
from transforms.table_file import CommittedFile

JOBS = "jobs"
BATCH, JOB = "batch_id", "job_id"


class MovedError(Exception):
    """A merged file is no longer there: its rows lie in other files by now."""


@dataclass(frozen=True, slots=True)
class Owners:
    """Whose rows are whose: the jobs of a compaction, and the number of the batch of each."""

    batches: tuple[str, ...]
    jobs: pa.Array
    numbers: npt.NDArray[np.int64]

    def of(self, rows: pa.Table) -> npt.NDArray[np.int64]:
        """Returns the number of the batch of each row; -1 where a row is of none."""
        name = owner_column(rows.schema)
        known = pa.array(self.batches, pa.string()) if name == BATCH else self.jobs
        found = pc.fill_null(pc.index_in(rows[name], value_set=known), -1)
        places: npt.NDArray[np.int64] = found.to_numpy().astype(np.int64)
        numbers = np.arange(len(self.batches)) if name == BATCH else self.numbers
        return np.append(numbers, -1)[places]


def owner_column(schema: pa.Schema) -> str:
    """Returns the column that tells the batch of a row, directly or by its job: the first key."""
    keys: bytes = (schema.metadata or {}).get(b"key", JOB.encode())
    return keys.decode().split(",")[0]


def open_merged(storage: Storage, compaction: Compaction, file: CommittedFile) -> pq.ParquetFile:
    """Opens a merged file, staged or in place, having checked that it is the one written.

    Raises:
        MovedError: It is not there, or no longer.
        LakeFormatError: It is damaged.
    """
    for path in (file.path, staged_path(compaction.id, file.table), file.path):
        with suppress(FileNotFoundError):  # it may be put in its place between two looks
            content = storage.read(path)
            if sha256_of(content) != file.sha256:
                raise damaged(file.path, compaction.id)
            return pq.ParquetFile(pa.BufferReader(content))
    raise MovedError


def read_owners(storage: Storage, compaction: Compaction) -> Owners:
    """Returns whose rows are whose in a compaction.

    Raises:
        MovedError: Its jobs are not there, or no longer.
        LakeFormatError: They are damaged.
    """
    found = [file for file in compaction.files if file.table == JOBS]
    parquet = open_merged(storage, compaction, found[0]) if found else None
    return owners_of(tuple(sorted(compaction.batches)), parquet)


def owners_of(batches: tuple[str, ...], jobs: pq.ParquetFile | None) -> Owners:
    """Returns whose rows are whose, from a merged table of jobs."""
    if jobs is None:
        return Owners(batches, pa.array([], pa.string()), np.array([], np.int64))
    rows = jobs.read([JOB, BATCH])
    numbers = pc.index_in(rows[BATCH], value_set=pa.array(batches, pa.string()))
    filled = pc.fill_null(numbers, -1).to_numpy().astype(np.int64)
    return Owners(batches, rows[JOB].combine_chunks(), filled)


def split(
    parquet: pq.ParquetFile, owners: Owners, columns: Sequence[str] | None = None
) -> dict[str, pa.Table]:
    """Returns the rows of each batch in a merged table; batches without any are left out.

    Raises:
        ValueError: A row is of none of the batches.
    """
    parts: dict[str, list[pa.Table]] = {}
    for rows, numbers in _row_groups(parquet, owners, columns):
        order = np.argsort(numbers, kind="stable")
        ordered = rows.take(pa.array(order))
        found, starts = np.unique(numbers[order], return_index=True)
        if len(found) and found[0] < 0:
            raise ValueError("a row is of no batch of its compaction")
        ends = [*starts[1:], len(order)]
        for number, start, end in zip(found, starts, ends, strict=True):
            part = ordered.slice(start, end - start)
            parts.setdefault(owners.batches[number], []).append(part)
    return {batch: pa.concat_tables(found).combine_chunks() for batch, found in parts.items()}


def rows_of(
    storage: Storage,
    compaction: Compaction,
    batch_id: str,
    table: str,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Returns the rows of one batch in one table that it has rows of.

    Raises:
        MovedError: They are not there, or no longer.
        LakeFormatError: They are damaged.
    """
    parquet = _open_table(storage, compaction, table)
    owners = read_owners(storage, compaction)
    number = owners.batches.index(batch_id)
    groups = _row_groups(parquet, owners, columns)
    return pa.concat_tables([rows.filter(pa.array(found == number)) for rows, found in groups])


class Unmerged:
    """Rows of many compacted batches: each merged table is read and split only once.

    What was split waits on disk, in the folder for temporary files. It stays right whatever
    happens to the lake meanwhile: rows of a `commit_id` never change.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._stack = ExitStack()
        self._folder: Path | None = None
        self._holders: dict[tuple[str, str], Compaction] = {}
        self._split: dict[tuple[str, str, tuple[str, ...] | None], _Pieces] = {}
        self._owners: dict[str, Owners] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._split.clear()
        self._stack.close()

    def holder(self, batch_id: str, commit_id: str) -> Compaction | None:
        """Returns the compaction that a batch was found in before."""
        return self._holders.get((batch_id, commit_id))

    def rows_of(
        self,
        compaction: Compaction,
        batch_id: str,
        table: str,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Returns the rows of one batch; see the function `rows_of`."""
        key = compaction.id, table, None if columns is None else tuple(columns)
        if key not in self._split:
            self._split[key] = self._split_table(compaction, table, columns)
        self._holders |= dict.fromkeys(compaction.batches.items(), compaction)
        return self._split[key].rows_of(batch_id)

    def _split_table(
        self, compaction: Compaction, table: str, columns: Sequence[str] | None
    ) -> _Pieces:
        parquet = _open_table(self._storage, compaction, table)
        if compaction.id not in self._owners:
            self._owners[compaction.id] = read_owners(self._storage, compaction)
        if self._folder is None:
            made = tempfile.TemporaryDirectory(prefix="cognition-")
            self._folder = Path(self._stack.enter_context(made))
        pieces = split(parquet, self._owners[compaction.id], columns)
        return _Pieces.write(self._folder / f"{len(self._split)}.arrow", pieces)


@dataclass(frozen=True, slots=True)
class _Pieces:
    """A split table on disk: numbers of the record batches of each batch of the lake."""

    reader: pa.ipc.RecordBatchFileReader
    places: Mapping[str, range]

    @classmethod
    def write(cls, path: Path, pieces: Mapping[str, pa.Table]) -> _Pieces:
        schema = next(iter(pieces.values())).schema
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        places: dict[str, range] = {}
        count = 0
        with pa.ipc.new_file(str(path), schema, options=options) as sink:
            for batch, rows in pieces.items():
                chunks = rows.to_batches()
                for chunk in chunks:
                    sink.write_batch(chunk)
                places[batch] = range(count, count := count + len(chunks))
        return cls(pa.ipc.open_file(pa.memory_map(str(path))), places)

    def rows_of(self, batch_id: str) -> pa.Table:
        places = self.places.get(batch_id, range(0))
        found = [self.reader.get_batch(number) for number in places]
        return pa.Table.from_batches(found, self.reader.schema)


def _open_table(storage: Storage, compaction: Compaction, table: str) -> pq.ParquetFile:
    file = next((each for each in compaction.files if each.table == table), None)
    if file is None:
        raise damaged(f"{compaction.id} without {table}", compaction.id)
    return open_merged(storage, compaction, file)


def _row_groups(
    parquet: pq.ParquetFile, owners: Owners, columns: Sequence[str] | None
) -> Iterator[tuple[pa.Table, npt.NDArray[np.int64]]]:
    """Yields the rows group by group, and the number of the batch of each."""
    schema = parquet.schema_arrow
    wanted = schema.names if columns is None else [n for n in schema.names if n in {*columns}]
    owner = owner_column(schema)
    for number in range(parquet.num_row_groups):
        rows = parquet.read_row_group(number, [*{owner, *wanted}])
        yield rows.select(wanted), owners.of(rows)
