"""Loads a whole compaction at once: each merged file is read once, a row group at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.contract import Contracts
from transforms.lake import Commit, marker_path
from transforms.merged.marker import Compaction, read_compactions
from transforms.merged.marker import marker_path as compaction_path
from transforms.merged.rows import JOBS, MovedError, open_merged
from transforms.storage import Storage
from transforms.table_file import CommittedFile
from transforms.warehouse.duck import Connection, transaction
from transforms.warehouse.insert import (
    LoadError,
    batch_row,
    insert_rows,
    insert_table,
    refuse_shared_jobs,
)


def loadable(
    storage: Storage, commits: Mapping[str, Commit], new: Container[str]
) -> list[Compaction]:
    """Returns the compactions all of whose batches are new to the build, and as they were merged.

    Args:
        storage: The lake.
        commits: Its committed batches, as read for this load.
        new: Batches of which the build has nothing.
    """
    found: dict[str, Compaction] = {}
    for each in read_compactions(storage):
        wanted = each.batches.items()
        fits = all(b in new and commits[b].commit_id == commit_id for b, commit_id in wanted)
        if fits and not found.keys() & each.batches.keys():  # one may be taking over another's
            found |= dict.fromkeys(each.batches, each)
    return list({each.id: each for each in found.values()}.values())


def bring_compaction(
    connection: Connection,
    storage: Storage,
    contracts: Contracts,
    compaction: Compaction,
    commits: Mapping[str, Commit],
) -> bool:
    """Inserts the rows of all batches of a compaction in one transaction.

    Returns:
        False where its files were moved meanwhile and nothing was changed: load batch by batch.

    Raises:
        LoadError: It does not hold the rows that were committed, or they do not fit.
        LakeFormatError: A file is damaged.
    """
    batches = [commits[batch_id] for batch_id in compaction.batches]
    _require_counts(compaction, batches)
    with suppress(MovedError), transaction(connection):
        for file in sorted(compaction.files, key=lambda each: each.table != JOBS):
            parquet = open_merged(storage, compaction, file)
            if file.table == JOBS:
                refuse_shared_jobs(connection, parquet.read(["job_id", "batch_id"]))
            _insert_file(connection, contracts, file, parquet)
        rows = pa.concat_tables(batch_row(each, contracts.system["batches"]) for each in batches)
        insert_table(connection, "batches", rows, marker_path(batches[0].batch_id))
        return True
    return False


def _insert_file(
    connection: Connection, contracts: Contracts, file: CommittedFile, parquet: pq.ParquetFile
) -> None:
    for number in range(parquet.num_row_groups):
        insert_rows(connection, contracts, file.table, parquet.read_row_group(number), file.path)


def _require_counts(compaction: Compaction, batches: list[Commit]) -> None:
    committed = Counter[str]()
    for commit in batches:
        committed.update({file.table: file.rows for file in commit.files})
    if dict(committed) != {file.table: file.rows for file in compaction.files}:
        place = compaction_path(compaction.id)
        raise LoadError(f"{place} does not hold the rows of its batches: report it with the file")
