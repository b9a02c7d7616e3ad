"""Reads the published warehouse as any reader does: read-only, and closed at once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from transforms.warehouse.ddl import OWN_TABLES


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of one query."""

    columns: Sequence[str]
    rows: Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a published warehouse holds.

    Attributes:
        rows: Rows by table that holds what the service said.
        digest: sha256 over the contents of all batches.
    """

    rows: Mapping[str, int]
    digest: str


class Published:
    """Reads the published warehouse, as any reader does.

    Args:
        path: The published DuckDB file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def ask(self, sql: str, parameters: Mapping[str, str] | None = None) -> Answer:
        """Returns the answer of one query."""
        with duckdb.connect(self.path, read_only=True) as connection:
            cursor = connection.execute(sql, dict(parameters) if parameters else None)
            columns = [column[0] for column in cursor.description or ()]
            return Answer(columns, cursor.fetchall())

    def snapshot(self) -> Snapshot | None:
        """Returns what the file holds, or None if nothing is published yet."""
        if not self.path.exists():
            return None
        own = {"batches", *(table.name for table in OWN_TABLES)}
        found = self.ask("SELECT table_name FROM duckdb_tables() ORDER BY table_name").rows
        names = [name for (name,) in found if name not in own]
        counts = " UNION ALL ".join(
            f"SELECT '{name}', count(*) FROM {name}"  # noqa: S608  # a name from the catalog
            for name in names
        )
        batches = self.ask("SELECT batch_id, commit_id FROM batches ORDER BY ALL").rows
        digest = hashlib.sha256(repr(batches).encode()).hexdigest()
        return Snapshot(dict(self.ask(counts).rows), digest)
