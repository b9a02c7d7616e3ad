"""Rows of one Type: accepted blobs read, flattened and conserved, chunk by chunk.

A chunk ends after a number of bytes, so that only so much text is held at once, and the same blobs
make the same chunks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from transforms.contract import Contract
from transforms.errors import ConservationError
from transforms.findings import Finding, SourceForm, whole_finding
from transforms.flatten import Flattened, flatten_blobs, read_blobs
from transforms.json_text import duplicate_key
from transforms.path_counts import PathCounts
from transforms.validate import Verdict

CHUNK_BYTES = 8 * 1024 * 1024

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Blob:
    """An accepted Data: its row in `results`, its text, and the rows each table must get of it."""

    row: Row
    line: bytes
    expected: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """What became of some blobs: rows by table, other forms, and what the second parser refused."""

    tables: Mapping[str, pa.Table]
    loaded: Sequence[int]
    unreadable: Sequence[tuple[Row, Finding]]
    forms: Sequence[tuple[Row, SourceForm]] = ()


class TypeRows:
    """Takes the verdicts on a Type's blobs in order and gives its tables in the end.

    Args:
        contract: The Type.
        paths: Takes the counts of its paths.

    Attributes:
        totals: After `finish`, per table: elements in the source, rows loaded, elements set aside.
        unreadable: After `finish`, rows of `results` whose Data could not be read, and why.
        forms: After `finish`, places that were written in another form, with the row of `results`.
    """

    def __init__(self, contract: Contract, paths: PathCounts) -> None:
        self.totals: dict[str, dict[str, int]] = {}
        self.unreadable: list[tuple[Row, Finding]] = []
        self.forms: list[tuple[Row, SourceForm]] = []
        self._contract = contract
        self._paths = paths
        self._source = np.zeros(len(contract.tables), np.int64)
        self._waiting: list[Blob] = []
        self._waiting_bytes = 0
        self._chunks: list[Chunk] = []

    def add(self, row: Row, verdict: Verdict) -> None:
        """Takes one blob.

        Raises:
            ConservationError: A row would be lost or made up.
        """
        self._source += verdict.source
        self.forms += [(row, form) for form in verdict.forms]
        if verdict.line is not None:
            self._waiting.append(Blob(row, verdict.line, verdict.expected))
            self._waiting_bytes += len(verdict.line)
            if self._waiting_bytes >= CHUNK_BYTES:
                self._flatten()

    def finish(self) -> dict[str, pa.Table]:
        """Returns the rows of all blobs by table.

        Raises:
            ConservationError: A row would be lost or made up.
        """
        if self._waiting:
            self._flatten()
        chunks = self._chunks
        self.unreadable = [each for chunk in chunks for each in chunk.unreadable]
        refused = {id(row) for row, _ in self.unreadable}
        found = (*self.forms, *(each for chunk in chunks for each in chunk.forms))
        self.forms = [(row, form) for row, form in found if id(row) not in refused]
        loaded = sum((np.asarray(c.loaded) for c in chunks), np.zeros_like(self._source))
        for table, source, kept in zip(
            self._contract.tables, self._source.tolist(), loaded.tolist(), strict=True
        ):
            self.totals[table.name] = {
                "source": source,
                "loaded": kept,
                "quarantined": source - kept,
            }
        names = dict.fromkeys(name for chunk in chunks for name in chunk.tables)
        return {
            name: pa.concat_tables([c.tables[name] for c in chunks if name in c.tables])
            for name in names
        }

    def _flatten(self) -> None:
        blobs, self._waiting, self._waiting_bytes = self._waiting, [], 0
        self._chunks.append(flatten_chunk(self._contract, blobs, self._paths))


def flatten_chunk(contract: Contract, blobs: list[Blob], paths: PathCounts) -> Chunk:
    """Reads some blobs at once and flattens them; blobs that cannot be read cost no others.

    Raises:
        ConservationError: A row would be lost or made up.
    """
    unreadable: list[tuple[Row, Finding]] = []
    try:
        array = read_blobs(contract, [blob.line for blob in blobs])
    except pa.ArrowInvalid:
        blobs, unreadable = _without_unreadable(contract, blobs)
        if not blobs:
            return Chunk({}, [0] * len(contract.tables), unreadable)
        array = read_blobs(contract, [blob.line for blob in blobs])
    jobs = [blob.row["job_id"] for blob in blobs]
    flattened = flatten_blobs(contract, array, jobs, [b.row["result_index"] for b in blobs])
    conserve(contract, flattened, [blob.expected for blob in blobs], jobs)
    paths.add_rows(contract, flattened, jobs)
    tables = {name: each.rows for name, each in flattened.items()}
    forms = [(blobs[owner].row, form) for each in flattened.values() for owner, form in each.forms]
    return Chunk(tables, [table.num_rows for table in tables.values()], unreadable, forms)


def conserve(
    contract: Contract,
    flattened: Mapping[str, Flattened],
    expected: list[tuple[int, ...]],
    job_ids: list[str],
) -> None:
    """Checks, per array and blob, that what was counted in the source is what came out.

    Raises:
        ConservationError: It is not; the message names the array and the first such job.
    """
    counted = np.asarray(expected, np.int64)
    for place, table in enumerate(contract.tables):
        rows = np.bincount(flattened[table.name].owners, minlength=len(expected))
        wrong = np.flatnonzero(rows != counted[:, place])
        if wrong.size:
            first = int(wrong[0])
            raise ConservationError(
                f"job {job_ids[first]}: {table.name} has {rows[first]} rows for "
                f"{counted[first, place]} elements; nothing was committed, report it with the reply"
            )


def _without_unreadable(
    contract: Contract, blobs: list[Blob]
) -> tuple[list[Blob], list[tuple[Row, Finding]]]:
    """Finds the blobs the second parser reads otherwise than the first."""
    readable, unreadable = [], []
    for blob in blobs:
        try:
            read_blobs(contract, [blob.line])
        except pa.ArrowInvalid as error:
            unreadable.append((blob.row, _finding(blob.line, error)))
        else:
            readable.append(blob)
    return readable, unreadable


def _finding(line: bytes, error: Exception) -> Finding:
    if (key := duplicate_key(line)) is not None:
        message = f"the key {key!r} is given twice in one object"
        return whole_finding("duplicate_key", message, line)
    return whole_finding("unreadable", f"Data: {error}", line)
