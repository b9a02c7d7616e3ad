"""Subtitle files as they came: `subtitles/month=YYYY-MM/<batch>.parquet`, written once.

Files that the server no longer has, or that our rules refuse, leave a row without a body, so that
they are not asked for again. Links are not kept: a file is known by the sha256 of its link without
the query, which holds the signature.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.errors import LakeFormatError
from transforms.raw import write_once
from transforms.storage import Storage, name_of, sha256_of
from transforms.subtitles.links import FileKey
from transforms.subtitles.outcome import Outcome

FOLDER = "subtitles"
SCHEMA = pa.schema(
    [
        pa.field("job_id", pa.string(), nullable=False),
        pa.field("result_index", pa.int32(), nullable=False),
        pa.field("file_index", pa.int32(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("url_sha256", pa.string(), nullable=False),
        pa.field("fetched_at", pa.timestamp("us"), nullable=False),
        pa.field("http_status", pa.int32()),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("rules", pa.string()),
        pa.field("body_sha256", pa.string()),
        pa.field("body_bytes", pa.int64()),
        pa.field("body", pa.large_binary()),
    ],
    metadata={
        "description": "One row per subtitle file that was fetched or is lost; body has its bytes.",
        "format": "1",
    },
)
_INDEX_COLUMNS = [
    "job_id",
    "result_index",
    "file_index",
    "language",
    "url_sha256",
    "fetched_at",
    "outcome",
    "rules",
    "body_sha256",
]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one file; `rules` are those that refused it."""

    key: FileKey
    url_sha256: str
    fetched_at: datetime
    outcome: Outcome
    http_status: int | None = None
    reason: str | None = None
    rules: str | None = None
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one file lies, or that it is lost; see `Fetched`."""

    key: FileKey
    url_sha256: str
    fetched_at: datetime
    outcome: Outcome
    rules: str | None
    body_sha256: str | None
    archive_file: str
    row: int


@dataclass(frozen=True, slots=True)
class Archived:
    """One archived file."""

    key: FileKey
    url_sha256: str
    body: bytes


def write_files(storage: Storage, fetched: Iterable[Fetched], batch_bytes: int) -> Iterator[str]:
    """Archives files in batches of about `batch_bytes`; yields each batch as it is written.

    What came before an error in `fetched` is written before the error goes on.
    """
    held: list[Fetched] = []
    size = 0
    try:
        for each in fetched:
            held.append(each)
            size += len(each.body or b"")
            if size >= batch_bytes:
                yield from _write_months(storage, held)
                held, size = [], 0
    finally:
        # A generator that is closed may not yield: the files are written all the same.
        written = list(_write_months(storage, held))
    yield from written


def list_archive(storage: Storage) -> list[str]:
    """Returns the files of the archive, oldest batch first."""
    return sorted(storage.list(FOLDER, ".parquet"), key=name_of)


def read_index(storage: Storage) -> list[Entry]:
    """Returns what is known of every file, without reading a body.

    Raises:
        LakeFormatError: A file of the archive cannot be read.
    """
    entries: list[Entry] = []
    for path in list_archive(storage):
        with storage.open(path) as file:
            rows = _read(file, path, _INDEX_COLUMNS).to_pylist()
        try:
            entries.extend(_entry(row, path, number) for number, row in enumerate(rows))
        except ValueError:  # an outcome there is not
            raise _unreadable(path) from None
    return entries


def newest_entries(index: Iterable[Entry]) -> dict[tuple[FileKey, str], Entry]:
    """Returns what counts for each file and link: what was archived, else what was found last."""
    newest: dict[tuple[FileKey, str], Entry] = {}
    for entry in index:
        held = newest.get((entry.key, entry.url_sha256))
        if held is None or _age(entry) >= _age(held):
            newest[entry.key, entry.url_sha256] = entry
    return newest


def read_archived(storage: Storage) -> list[Entry]:
    """Returns where each file lies that was archived, without reading one.

    Raises:
        LakeFormatError: A file of the archive cannot be read.
    """
    newest = newest_entries(read_index(storage))
    return [entry for entry in newest.values() if entry.outcome == Outcome.ARCHIVED]


def name_rows(entries: Iterable[Entry]) -> str:
    """Returns rows of the archive as text: what `read_named` reads again."""
    rows: dict[str, list[int]] = {}
    for entry in entries:
        rows.setdefault(entry.archive_file, []).append(entry.row)
    named = (f"{path}:{','.join(map(str, sorted(rows[path])))}" for path in sorted(rows))
    return ";".join(named)


def read_named(storage: Storage, named: str) -> Iterator[Archived]:
    """Yields the files in some rows of the archive.

    Args:
        storage: The lake.
        named: The rows, as `name_rows` names them.

    Raises:
        LakeFormatError: A file of the archive cannot be read, or is gone.
    """
    for part in filter(None, named.split(";")):
        path, _, rows = part.rpartition(":")
        try:
            content = storage.read(path)
        except FileNotFoundError:
            raise _unreadable(path) from None
        columns = [*FileKey._fields, "url_sha256", "body"]
        table = _read(pa.BufferReader(content), path, columns)
        for row in rows.split(","):
            found = table.slice(int(row), 1).to_pylist()[0]
            key = FileKey(*(found[name] for name in FileKey._fields))
            yield Archived(key, found["url_sha256"], found["body"])


def _age(entry: Entry) -> tuple[bool, datetime, str, int]:
    return (
        entry.outcome == Outcome.ARCHIVED,
        entry.fetched_at,
        name_of(entry.archive_file),
        entry.row,
    )


def _entry(row: dict[str, object], path: str, number: int) -> Entry:
    key = FileKey(*(row.pop(name) for name in FileKey._fields))  # type: ignore[arg-type]
    outcome = Outcome(str(row.pop("outcome")))
    return Entry(key=key, outcome=outcome, archive_file=path, row=number, **row)  # type: ignore[arg-type]  # Arrow's


def _read(source: pa.NativeFile, path: str, columns: list[str]) -> pa.Table:
    try:
        file = pq.ParquetFile(source)
        if not {*columns} <= {*file.schema_arrow.names}:
            raise pa.ArrowInvalid("another file's columns")
        return file.read(columns=columns)
    except (pa.ArrowException, OSError):
        raise _unreadable(path) from None


def _unreadable(path: str) -> LakeFormatError:
    return LakeFormatError(
        f"{path} cannot be read as subtitle files: restore it from a copy, or remove it and run "
        "`cognition subtitles fetch` while the links are valid"
    )


def _write_months(storage: Storage, fetched: Sequence[Fetched]) -> Iterator[str]:
    months: dict[str, list[Fetched]] = {}
    for each in sorted(fetched, key=lambda f: (f.key, f.fetched_at)):
        months.setdefault(f"{each.fetched_at.astimezone(UTC):%Y-%m}", []).append(each)
    for month, group in sorted(months.items()):
        yield _write_file(storage, month, group)


def _write_file(storage: Storage, month: str, fetched: Sequence[Fetched]) -> str:
    table = pa.Table.from_pylist([_row(each) for each in fetched], schema=SCHEMA)
    first = min(each.fetched_at for each in fetched)
    told = [*FileKey._fields, "url_sha256", "fetched_at", "outcome", "body_sha256"]
    return write_once(storage, f"{FOLDER}/month={month}", first, table, told, _INDEX_COLUMNS)


def _row(each: Fetched) -> dict[str, object]:
    return {
        **each.key._asdict(),
        "url_sha256": each.url_sha256,
        "fetched_at": each.fetched_at.astimezone(UTC).replace(tzinfo=None),
        "http_status": each.http_status,
        "outcome": each.outcome,
        "reason": each.reason,
        "rules": each.rules,
        "body_sha256": None if each.body is None else sha256_of(each.body),
        "body_bytes": None if each.body is None else len(each.body),
        "body": each.body,
    }
