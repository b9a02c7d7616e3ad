"""Counts, per Type and path, what a batch holds: the ground that drift is read from.

A path is a JSON pointer with `*` for every element; all levels of a tree share the paths of its
top. Named paths are counted in the columns, others as they were found beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.contract import Contract, Contracts
from transforms.expectations import unexpected
from transforms.findings import Finding, Unmapped
from transforms.flatten import Flattened
from transforms.forms import EVERY
from transforms.json_text import to_pointer
from transforms.layout import Column, Keys, Table

GIVEN, UNMAPPED, RETYPED = "given", "unmapped", "retyped"
UNEXPECTED, SET_ASIDE = "unexpected", "set_aside"
"""What `kind` may say."""
REPLY = "reply"
"""What `type` says of keys of the reply itself."""

Row = dict[str, Any]
Numbers = npt.NDArray[np.int64]
_KINDS = {'"': "string", "{": "object", "[": "array", "t": "boolean", "f": "boolean", "n": "null"}


@dataclass(frozen=True, slots=True)
class _Seen:
    """Values of one column in some blobs: how many, in how many jobs, the first and the last."""

    values: int
    jobs: int
    first: str
    last: str


@dataclass(slots=True)
class _Tally:
    """A running count; jobs come in order, so one that goes on is told by its id."""

    values: int = 0
    jobs: int = 0
    first: str | None = None
    last: str | None = None

    def add(self, seen: _Seen) -> None:
        self.values += seen.values
        self.jobs += seen.jobs - (seen.first == self.last)
        self.first = self.first or seen.first
        self.last = seen.last


@dataclass(slots=True)
class _Path:
    """One path of a Type."""

    table: str | None = None
    column: str | None = None
    tallies: dict[str, _Tally] = field(default_factory=dict)
    json_types: set[str] = field(default_factory=set)

    def add(self, kind: str, seen: _Seen) -> None:
        self.tallies.setdefault(kind, _Tally()).add(seen)


class PathCounts:
    """Takes what is found in a batch, in the order of jobs, and gives the rows of `path_counts`."""

    def __init__(self, contracts: Contracts) -> None:
        self._paths: dict[tuple[str, str], _Path] = {}
        self._contracts = contracts.types
        self._trees = {c.type: tuple(_tree_levels(c)) for c in contracts.distinct}

    def add_rows(
        self, contract: Contract, flattened: Mapping[str, Flattened], job_ids: Sequence[str]
    ) -> None:
        """Counts the named paths of some blobs of a Type, given the job of each."""
        jobs = _Jobs.of(job_ids)
        for table, place in _placed(contract.root, ()):
            found = flattened[table.name]
            owners, whole = found.owners, jobs.seen(found.owners)
            if whole is None:
                continue
            if table is contract.root:
                self._path(contract.type, (), table).add(GIVEN, whole)
            for column in table.columns:
                if column.kind != "value" or column.item:  # one path for all items
                    continue
                values = found.rows[column.name].chunk(0)  # flattened rows are one chunk
                path = self._path(contract.type, (*place, *column.path), table, column)
                seen = jobs.seen(_where(owners, values.is_valid())) if values.null_count else whole
                if seen is not None:
                    path.add(GIVEN, seen)
                broken = unexpected(column, values)
                if broken is not None:
                    path.add(UNEXPECTED, jobs.seen(_where(owners, broken)) or whole)

    def add_unmapped(self, kind: str, job_id: str, unmapped: Unmapped) -> None:
        """Counts a key that the schema does not name."""
        path = self._at(kind, unmapped.pointer)
        path.add(UNMAPPED, _Seen(1, 1, job_id, job_id))
        path.json_types.add(_KINDS.get(unmapped.value[:1], "number"))

    def add_finding(self, kind: str, job_id: str, finding: Finding) -> None:
        """Counts a value of another type than the schema's."""
        if finding.keyword == "type":
            self._at(kind, finding.pointer).add(RETYPED, _Seen(1, 1, job_id, job_id))

    def add_aside(self, wire_name: str, job_id: str) -> None:
        """Counts a result that was set aside whole, or that is of an unknown Type."""
        contract = self._contracts.get(wire_name)
        path = self._at(contract.type if contract is not None else wire_name, "")
        path.table = contract.root.name if contract is not None else None
        path.add(SET_ASIDE, _Seen(1, 1, job_id, job_id))

    def rows(self, batch_id: str, queried_at: Mapping[str, datetime]) -> list[Row]:
        """Returns the rows of `path_counts`, by Type, path and kind.

        Args:
            batch_id: The batch.
            queried_at: When each job of it was answered.
        """
        return [
            {"batch_id": batch_id, "type": type_name, "path": path, "kind": kind}
            | _row(found, kind, tally, queried_at)
            for (type_name, path), found in sorted(self._paths.items())
            for kind, tally in sorted(found.tallies.items())
        ]

    def _path(self, kind: str, place: Keys, table: Table, column: Column | None = None) -> _Path:
        path = self._paths.setdefault((kind, to_pointer(place)), _Path())
        path.table, path.column = table.name, column.name if column is not None else None
        return path

    def _at(self, kind: str, pointer: str) -> _Path:
        pattern = re.sub(r"/\d+(?=/|$)", f"/{EVERY}", pointer)
        for levels in self._trees.get(kind, ()):
            pattern = levels.sub(r"\1", pattern)
        return self._paths.setdefault((kind, pattern), _Path())


@dataclass(frozen=True, slots=True)
class _Jobs:
    """The jobs of some blobs: the id of each blob's, and a number that tells them apart."""

    ids: Sequence[str]
    numbers: Numbers

    @classmethod
    def of(cls, job_ids: Sequence[str]) -> _Jobs:
        numbers: dict[str, int] = {}
        return cls(job_ids, np.asarray([numbers.setdefault(j, len(numbers)) for j in job_ids]))

    def seen(self, owners: Numbers) -> _Seen | None:
        """Returns what the rows of some blobs come to; `owners` never goes down."""
        if not owners.size:
            return None
        jobs = 1 + int(np.count_nonzero(np.diff(self.numbers[owners])))
        return _Seen(int(owners.size), jobs, self.ids[owners[0]], self.ids[owners[-1]])


def _where(owners: Numbers, mask: pa.Array) -> Numbers:
    chosen: Numbers = owners[mask.to_numpy(zero_copy_only=False)]
    return chosen


def _placed(table: Table, place: Keys) -> Iterator[tuple[Table, Keys]]:
    """Yields the tables with rows of the source, and the path of their elements."""
    yield table, place
    for child in table.children:
        if child.kind != "split":
            step = () if child.kind == "object" else (EVERY,)
            yield from _placed(child, (*place, *child.path, *step))


def _tree_levels(contract: Contract) -> Iterator[re.Pattern[str]]:
    """Yields what is to be taken out of paths so that all levels of a tree have one."""
    for table, place in _placed(contract.root, ()):
        if table.kind == "tree":
            top, level = to_pointer(place), to_pointer((table.tree_key, EVERY))
            yield re.compile(f"({re.escape(top)})(?:{re.escape(level)})+")


def _row(path: _Path, kind: str, tally: _Tally, queried_at: Mapping[str, datetime]) -> Row:
    types = ",".join(sorted(path.json_types)) if kind == UNMAPPED else None
    return {
        "table_name": path.table,
        "column_name": path.column,
        "jobs_count": tally.jobs,
        "values_count": tally.values,
        "json_types": types,
        "first_job_id": tally.first,
        "first_seen_at": queried_at.get(tally.first or ""),
        "last_seen_at": queried_at.get(tally.last or ""),
    }
