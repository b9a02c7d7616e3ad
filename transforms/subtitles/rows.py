"""From archived files to rows of `subtitle_lines`, and parts that cannot be read to findings.

Only a file whose link is the one its result names now has rows: of a job that was asked about
again, files of another link belong to a reply that no longer counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from transforms.contract import Contracts
from transforms.findings import Finding, Path
from transforms.json_text import cut_fragment, to_pointer
from transforms.subtitles.archive import Archived, Entry, name_rows
from transforms.subtitles.lines import BadLine, Sentence, name_lines, read_lines
from transforms.subtitles.links import TABLE, URL_COLUMNS, FileKey, digest_of, links_in

LINES = "subtitle_lines"
INPUT = "subtitles"
"""Name of the batch input that names the archived files, see `archive.name_rows`."""

Result = tuple[str, int]


@dataclass(slots=True)
class LineRows:
    """What the archived files of a batch hold.

    Attributes:
        table: Rows of `subtitle_lines`, by key.
        findings: Parts that cannot be read, by job and position of the result.
        totals: Parts in the files, rows loaded, parts set aside.
    """

    table: pa.Table
    findings: list[tuple[Result, Finding]] = field(default_factory=list)

    @property
    def totals(self) -> dict[str, int]:
        """Returns the counts of conservation, as of any table."""
        loaded, quarantined = self.table.num_rows, len(self.findings)
        return {"source": loaded + quarantined, "loaded": loaded, "quarantined": quarantined}


def inputs_of(entries: Iterable[Entry], raw_file_of: Mapping[str, str]) -> dict[str, str]:
    """Returns, by raw file, which archived files belong to its jobs; nothing where there are none.

    Args:
        entries: Archived files.
        raw_file_of: Raw file of each job's newest reply.
    """
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        raw_file = raw_file_of.get(entry.key.job_id)
        if raw_file is not None:
            found.setdefault(raw_file, []).append(entry)
    return {raw_file: name_rows(each) for raw_file, each in found.items()}


def line_rows(
    files: Iterable[Archived], tables: Mapping[str, pa.Table], contracts: Contracts
) -> LineRows:
    """Returns the rows of a batch's archived files.

    Args:
        files: The files; more may be given than the batch names.
        tables: Tables of the batch, the one with the links among them.
        contracts: The schemas.

    Raises:
        ConservationError: A line of a file would be lost or told twice.
    """
    schema = contracts.system[LINES].arrow_schema
    links = tables.get(TABLE)
    named = links_in(links.to_pylist() if links is not None else ())
    wanted = {(key, digest_of(link)) for key, link in named}
    parts: list[tuple[FileKey, pa.Table, list[Finding]]] = []
    for file in files:
        if (file.key, file.url_sha256) in wanted:
            found = list(enumerate(read_lines(file.body)))
            rows = [_row(file.key, at, each) for at, each in found if isinstance(each, Sentence)]
            pointer = to_pointer(link_path(file.key, contracts))
            findings = [_finding(each, pointer) for _, each in found if isinstance(each, BadLine)]
            parts.append((file.key, pa.Table.from_pylist(rows, schema=schema), findings))
    parts.sort(key=_key)
    return LineRows(
        pa.concat_tables([schema.empty_table(), *(table for _, table, _ in parts)]),
        [((k.job_id, k.result_index), each) for k, _, findings in parts for each in findings],
    )


def link_path(key: FileKey, contracts: Contracts) -> Path:
    """Returns where the link to a file lies, in the schema's form of Data."""
    table, name = contracts.tables[TABLE], URL_COLUMNS[key.language]
    column = next(column for column in table.columns if column.name == name)
    return (*table.path, key.file_index, *column.path)


def _row(key: FileKey, at: int, sentence: Sentence) -> dict[str, Any]:
    return key._asdict() | {
        "line_index": at,
        "serial_number": sentence.number,
        "start_seconds": sentence.start_seconds,
        "end_seconds": sentence.end_seconds,
        "text": sentence.text,
    }


def _finding(bad: BadLine, pointer: str) -> Finding:
    return Finding(
        scope="row",
        reason="unreadable",
        message=f"{name_lines(bad.span)} of the subtitle file: {bad.reason}",
        pointer=pointer,
        table_name=LINES,
        fragment=cut_fragment(bad.text),
        fragment_bytes=len(bad.text.encode()),
    )


def _key(part: tuple[FileKey, pa.Table, list[Finding]]) -> FileKey:
    return part[0]
