"""One Parquet file of a table, as a marker commits it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CommittedFile:
    """A file of a batch, or of a compaction of several; `path` is relative to the lake."""

    table: str
    path: str
    rows: int
    bytes: int
    sha256: str
