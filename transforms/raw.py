"""Final replies, byte for byte: `raw/month=YYYY-MM/<batch>.parquet`, written once, never changed.

Everything else can be made again from here without one call to the service.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.errors import LakeFormatError
from transforms.storage import Storage, name_of, sha256_of

FOLDER = "raw"
SCHEMA = pa.schema(
    [
        pa.field("job_id", pa.string(), nullable=False),
        pa.field("queried_at", pa.timestamp("us"), nullable=False),
        pa.field("origin", pa.string(), nullable=False),
        pa.field("http_status", pa.int32()),
        pa.field("error_code", pa.string()),
        pa.field("body_sha256", pa.string(), nullable=False),
        pa.field("body_bytes", pa.int64(), nullable=False),
        pa.field("body", pa.large_binary(), nullable=False),
    ],
    metadata={"description": "One row per final reply; body holds its exact bytes.", "format": "1"},
)
INDEX_COLUMNS = ["job_id", "queried_at", "body_sha256", "body_bytes"]


class ReplyLike(Protocol):
    """A reply of the service, or one saved by someone; see `source.Reply`."""

    @property
    def job_id(self) -> str: ...  # noqa: D102 - named as in the table
    @property
    def queried_at(self) -> datetime: ...  # noqa: D102
    @property
    def origin(self) -> str: ...  # noqa: D102
    @property
    def http_status(self) -> int | None: ...  # noqa: D102
    @property
    def error_code(self) -> str | None: ...  # noqa: D102
    @property
    def body(self) -> bytes: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class RawRow:
    """Where one reply lies: raw file, row in it, and what tells it from others of its job."""

    job_id: str
    queried_at: datetime
    body_sha256: str
    body_bytes: int
    raw_file: str
    row: int


def write_raw(
    storage: Storage,
    replies: Iterable[ReplyLike | None],
    batch_bytes: int,
    *,
    flush_seconds: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[str]:
    """Lands replies in files of about `batch_bytes`; yields each file as it is written.

    What came before an error in `replies` is written before the error goes on.

    Args:
        storage: The lake.
        replies: What lands; None stands for time that went by without a reply to land.
        batch_bytes: Reply bytes per file.
        flush_seconds: How long a reply may wait for others, as seen when the next one comes.
        clock: Seconds of a clock that never goes back.
    """
    held: list[ReplyLike] = []
    size, since = 0, 0.0
    try:
        for reply in replies:
            if reply is not None:
                since = since if held else clock()
                held.append(reply)
                size += len(reply.body)
            if held and (size >= batch_bytes or clock() - since >= flush_seconds):
                yield from _write_months(storage, held)
                held, size = [], 0
    finally:
        # A generator that is closed may not yield: the files are written all the same.
        written = list(_write_months(storage, held))
    yield from written


def read_raw(storage: Storage, raw_file: str) -> pa.Table:
    """Returns a raw file's rows, by job.

    Raises:
        LakeFormatError: It cannot be read as raw replies.
    """
    return parse_raw(storage.read(raw_file), raw_file)


def parse_raw(content: pa.Buffer, raw_file: str) -> pa.Table:
    """Returns the rows in the content of a raw file; see `read_raw`."""
    return _read(pa.BufferReader(content), raw_file, SCHEMA.names)


def read_bodies(storage: Storage, rows: Iterable[RawRow]) -> Iterator[tuple[RawRow, bytes]]:
    """Yields some replies' bodies; each raw file is read once.

    Raises:
        LakeFormatError: A file cannot be read as raw replies.
    """
    by_file: dict[str, list[RawRow]] = {}
    for row in rows:
        by_file.setdefault(row.raw_file, []).append(row)
    for raw_file, wanted in by_file.items():
        bodies = read_raw(storage, raw_file)["body"]
        for row in wanted:
            yield row, bodies[row.row].as_py()


def list_raw(storage: Storage) -> list[str]:
    """Returns the raw files, oldest batch first."""
    return sorted(storage.list(FOLDER, ".parquet"), key=name_of)


def read_index(storage: Storage) -> list[RawRow]:
    """Returns where every reply lies, without reading a body.

    Raises:
        LakeFormatError: A file cannot be read as raw replies.
    """
    rows: list[RawRow] = []
    for path in list_raw(storage):
        with storage.open(path) as file:
            columns = _read(file, path, INDEX_COLUMNS).to_pydict()
        found = zip(*(columns[name] for name in INDEX_COLUMNS), strict=True)
        rows.extend(
            RawRow(job, at, sha, size, path, row) for row, (job, at, sha, size) in enumerate(found)
        )
    return rows


def newest_rows(index: Iterable[RawRow]) -> dict[str, RawRow]:
    """Returns the reply that counts for each job: the newest, the later landed among equals.

    Within a batch that is the order of landing; two batches hold a job with one time only when it
    was asked twice within a microsecond, and then the order of their names decides.
    """
    newest: dict[str, RawRow] = {}
    for row in index:
        held = newest.get(row.job_id)
        if held is None or _age(row) >= _age(held):
            newest[row.job_id] = row
    return newest


def _read(source: pa.NativeFile, raw_file: str, columns: list[str]) -> pa.Table:
    try:
        file = pq.ParquetFile(source)  # read_table would first load the dataset machinery
        if not {*columns} <= {*file.schema_arrow.names}:
            raise pa.ArrowInvalid("another file's columns")
        return file.read(columns=columns)
    except (pa.ArrowException, OSError):
        raise LakeFormatError(
            f"{raw_file} cannot be read as raw replies: restore it from a copy, "
            "or remove it and ask for its jobs again"
        ) from None


def _age(row: RawRow) -> tuple[datetime, str, int]:
    return row.queried_at, name_of(row.raw_file), row.row


def _write_months(storage: Storage, replies: list[ReplyLike]) -> Iterator[str]:
    """Writes one file per month of query, so that a file belongs to one partition."""
    months: dict[str, list[ReplyLike]] = {}
    for reply in sorted(replies, key=lambda r: (r.job_id, r.queried_at)):
        months.setdefault(f"{reply.queried_at.astimezone(UTC):%Y-%m}", []).append(reply)
    for month, group in sorted(months.items()):
        yield _write_file(storage, month, group)


def _write_file(storage: Storage, month: str, replies: list[ReplyLike]) -> str:
    table = pa.Table.from_pylist([_row(reply) for reply in replies], schema=SCHEMA)
    first = min(reply.queried_at for reply in replies)
    told = ["job_id", "queried_at", "body_sha256"]
    return write_once(storage, f"{FOLDER}/month={month}", first, table, told, INDEX_COLUMNS)


def write_once(  # noqa: PLR0913, PLR0917 - a file is told by its place, time and content
    storage: Storage,
    folder: str,
    first: datetime,
    table: pa.Table,
    told: Sequence[str],
    indexed: Sequence[str],
) -> str:
    """Writes rows to a file named by time and content, and never changed; returns its path.

    Args:
        storage: The lake.
        folder: Where it lies in the lake.
        first: When the first of its rows came about.
        table: The rows.
        told: Columns whose values tell the content.
        indexed: Columns that are searched without reading the others.
    """
    digest = hashlib.sha256()
    for row in zip(*(table[name].to_pylist() for name in told), strict=True):
        digest.update((" ".join(map(str, row)) + "\n").encode())
    name = f"{first.astimezone(UTC):%Y%m%dT%H%M%S}-{digest.hexdigest()[:12]}"
    path = f"{folder}/{name}.parquet"
    if not storage.exists(path):  # told by its content: else it holds these rows already
        storage.write(
            path,
            lambda sink: pq.write_table(
                table, sink, compression="zstd", use_dictionary=False, write_statistics=[*indexed]
            ),
        )
    return path


def _row(reply: ReplyLike) -> dict[str, object]:
    return {
        "job_id": reply.job_id,
        "queried_at": reply.queried_at.astimezone(UTC).replace(tzinfo=None),
        "origin": reply.origin,
        "http_status": reply.http_status,
        "error_code": reply.error_code,
        "body_sha256": sha256_of(reply.body),
        "body_bytes": len(reply.body),
        "body": reply.body,
    }
