"""Puts the rows of many batches into one Parquet file a table, and proves that they come back.

Every batch is sorted by job, and a job is in one batch alone. So rows of a range of jobs lie
together in each batch: range by range they are put together and sorted, one row group at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transforms import lake
from transforms.errors import ConservationError
from transforms.merged.rows import Owners, owner_column, split
from transforms.storage import sha256_of
from transforms.table_file import CommittedFile

GROUP_BYTES = 512 * 1024 * 1024
"""Rows so large that a row group of the usual number would be larger come in smaller ones."""

Numbers = npt.NDArray[np.int64]


def merge(path: str, tables: Sequence[pa.Table]) -> tuple[CommittedFile, pa.Buffer]:
    """Returns the rows of a table of some batches as one Parquet file, sorted by key."""
    schema = tables[0].schema
    sink = pa.BufferOutputStream()
    with lake.parquet_writer(sink, schema) as writer:
        for rows in _in_order(tables, owner_column(schema)):
            writer.write_table(rows, row_group_size=lake.ROW_GROUP_ROWS)
    content = sink.getvalue()
    count = sum(rows.num_rows for rows in tables)
    file = CommittedFile(path.split("/")[1], path, count, content.size, sha256_of(content))
    return file, content


def prove(
    content: pa.Buffer,
    owners: Owners,
    files: Mapping[str, CommittedFile],
    read_original: Callable[[str], pa.Table],
) -> None:
    """Checks that the rows of every batch come back as they were.

    Args:
        content: The merged file.
        owners: Whose rows are whose.
        files: The committed file of each batch that has rows in it.
        read_original: Returns the rows of a batch, for files that another version of the writer
            wrote: their bytes would be others today, their rows may not be.

    Raises:
        ConservationError: They do not.
    """
    try:
        pieces = split(pq.ParquetFile(pa.BufferReader(content)), owners)
    except ValueError as error:
        raise ConservationError(
            f"cannot merge {next(iter(files.values())).path}: {error}"
        ) from None
    for batch, file in files.items():
        back = pieces.pop(batch, None)
        if back is None or not (
            lake.encode_parquet(file.path, back)[0].sha256 == file.sha256
            or back.equals(read_original(batch), check_metadata=True)
        ):
            raise ConservationError(f"{file.path} would not come back: nothing was changed")
    if pieces:
        raise ConservationError(f"rows of {min(pieces)} would be made up: nothing was changed")


def _in_order(tables: Sequence[pa.Table], owner: str) -> Iterator[pa.Table]:
    """Yields all rows by owner, those of one owner in the order they had, in row groups."""
    names = pc.unique(pa.chunked_array([c for t in tables for c in t[owner].chunks]))
    names = names.take(pc.sort_indices(names))
    ranks = [_ranks(table[owner], names) for table in tables]
    starts = np.zeros(len(tables), np.int64)
    for bound in _bounds(tables, ranks, len(names)):
        ends = np.array([np.searchsorted(each, bound) for each in ranks])
        spans = list(zip(tables, ranks, starts, ends, strict=True))
        rows = pa.concat_tables([t.slice(s, e - s) for t, _, s, e in spans if e > s])
        order = np.argsort(np.concatenate([r[s:e] for _, r, s, e in spans]), kind="stable")
        yield rows.combine_chunks().take(pa.array(order))
        starts = ends


def _ranks(column: pa.ChunkedArray, names: pa.Array) -> Numbers:
    found: Numbers = pc.index_in(column, value_set=names).to_numpy().astype(np.int64)
    return found


def _bounds(tables: Sequence[pa.Table], ranks: Sequence[Numbers], count: int) -> Iterator[int]:
    """Yields where row groups end: ranks of the first owners no longer in them."""
    rows = np.zeros(count, np.int64)
    for each in ranks:
        rows += np.bincount(each, minlength=count)
    size = sum(table.nbytes for table in tables)
    most = max(1, min(lake.ROW_GROUP_ROWS, GROUP_BYTES * int(rows.sum()) // max(size, 1)))
    held = 0
    for rank, more in enumerate(rows):
        if held and held + more > most:
            yield rank
            held = 0
        held += int(more)
    yield count
