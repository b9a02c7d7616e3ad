"""Finds the lines of an archived subtitle file that a row of `subtitle_lines` was made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from transforms.contract import Contracts
from transforms.errors import LakeFormatError
from transforms.explain.keys import NoSuchRowError
from transforms.findings import Path
from transforms.json_text import to_pointer
from transforms.plain import plain
from transforms.storage import Storage, sha256_of
from transforms.subtitles import archive
from transforms.subtitles.lines import (
    BadLine,
    Sentence,
    Span,
    cut_lines,
    name_lines,
    read_lines,
)
from transforms.subtitles.links import TABLE, URL_COLUMNS, FileKey, digest_of, links_in
from transforms.subtitles.rows import LINES, link_path

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FoundLine:
    """Lines of a subtitle file.

    Attributes:
        key: Which file.
        entry: Where it lies in the archive.
        text: The lines, exactly.
        place: Where they lie, in words.
        link_path: Path of the link to the file, in the schema's form of Data.
        quarantined: Row of `quarantine` where they cannot be read, or None.
    """

    key: FileKey
    entry: archive.Entry
    text: str
    place: str
    link_path: Path
    quarantined: Row | None


@dataclass(frozen=True, slots=True)
class LineFinder:
    """Finds lines in the archived files of one job.

    Attributes:
        storage: The lake.
        contracts: The schemas.
        tables: The tables the job's reply makes.
        archived: Archived files of the job.
        quarantine: Rows of `quarantine` of the job.
    """

    storage: Storage
    contracts: Contracts
    tables: Mapping[str, pa.Table]
    archived: Sequence[archive.Entry]
    quarantine: Sequence[Row]

    def by_keys(self, keys: Mapping[str, Any]) -> FoundLine:
        """Returns the lines of a row of `subtitle_lines`, loaded or set aside.

        Raises:
            NoSuchRowError: There is no such row.
            LakeFormatError: The archive does not hold what was archived.
        """
        key = FileKey(*(keys[name] for name in FileKey._fields))
        entry, parts, body = self._open(key)
        at = keys["line_index"]
        if at >= len(parts):
            end = f"ends at line_index {len(parts) - 1}" if parts else "is empty"
            raise NoSuchRowError(f"{_named(key)} {end}")
        before = sum(isinstance(part, BadLine) for part in parts[:at])
        row = self._findings(key)[before] if isinstance(parts[at], BadLine) else None
        return self._found(key, entry, body, parts[at].span, row)

    def by_finding(self, row: Row) -> FoundLine:
        """Returns the lines that a row of `quarantine` is about.

        Raises:
            NoSuchRowError: They are not found again.
            LakeFormatError: The archive does not hold what was archived.
        """
        for key in {entry.key for entry in self.archived}:
            if row in (findings := self._findings(key)):
                entry, parts, body = self._open(key)
                bad = [part for part in parts if isinstance(part, BadLine)]
                return self._found(key, entry, body, bad[findings.index(row)].span, row)
        raise NoSuchRowError("its subtitle file is no longer archived")

    def _open(self, key: FileKey) -> tuple[archive.Entry, list[Sentence | BadLine], bytes]:
        entry = self._entry(key)
        body = next(iter(archive.read_named(self.storage, archive.name_rows([entry])))).body
        if sha256_of(body) != entry.body_sha256:
            raise LakeFormatError(
                f"{entry.archive_file} does not hold a subtitle file as it was archived: restore "
                "it from a copy"
            )
        return entry, read_lines(body), body

    def _entry(self, key: FileKey) -> archive.Entry:
        """Returns where the file lies that the result names now."""
        files = self.tables.get(TABLE)
        links = dict(links_in(files.to_pylist() if files is not None else ()))
        if key not in links:
            raise NoSuchRowError(
                f"{_named(key)} is not there: see the links in {TABLE}; "
                f"language is {', '.join(URL_COLUMNS)}"
            )
        known = (key, digest_of(links[key]))
        for entry in self.archived:
            if (entry.key, entry.url_sha256) == known:
                return entry
        raise NoSuchRowError(
            f"{_named(key)} is not archived: run `cognition subtitles fetch` while its link is "
            "valid"
        )

    def _findings(self, key: FileKey) -> list[Row]:
        """Returns the rows of `quarantine` on a file, in the order of its lines."""
        wanted = (LINES, key.result_index, to_pointer(link_path(key, self.contracts)))
        told = ((r["table_name"], r["result_index"], r["pointer"]) for r in self.quarantine)
        return [row for row, each in zip(self.quarantine, told, strict=True) if each == wanted]

    def _found(
        self, key: FileKey, entry: archive.Entry, body: bytes, span: Span, row: Row | None
    ) -> FoundLine:
        place = f"{name_lines(span)} of the {key.language} subtitle file"
        link = link_path(key, self.contracts)
        return FoundLine(key, entry, cut_lines(body, span), place, link, row)


def _named(key: FileKey) -> str:
    place = f"set {key.file_index} of result {key.result_index} of job {plain(key.job_id)}"
    return f"subtitle file {plain(key.language, 12)!r} in {place}"
