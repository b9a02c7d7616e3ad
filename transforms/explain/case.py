"""Opens the reply that counts for a job, and what it makes today."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from transforms import raw
from transforms.batch import flatten_raw
from transforms.commit import is_up_to_date
from transforms.contract import Contracts
from transforms.errors import ConfigurationError, LakeFormatError
from transforms.explain.keys import KeyValues
from transforms.explain.place import DataText, read_data
from transforms.layout import Table
from transforms.plain import plain
from transforms.reply_shape import ReplyShape, read_shape
from transforms.reports import Explanation, SetAside
from transforms.storage import Storage, name_of, sha256_of
from transforms.subtitles import archive

NOT_UP_TO_DATE = (
    "the batch of this reply is not up to date: this is what `cognition flatten` will make of it"
)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply that counts for a job.

    Attributes:
        place: Where it lies in raw.
        stored: The row of raw, alone.
        text: Its body; bytes that are no UTF-8 are replaced.
        shape: The reply, read; None where it is no JSON object.
        older: Where replies of the job lie that it supersedes.
    """

    place: raw.RawRow
    stored: pa.Table = field(repr=False)
    text: str = field(repr=False)
    shape: ReplyShape | None = field(repr=False)
    older: tuple[raw.RawRow, ...] = ()

    @property
    def items(self) -> list[Any]:
        """Returns its results, as they were sent."""
        return self.shape.items if self.shape is not None else []


@dataclass(frozen=True, slots=True)
class Case:
    """A row to explain.

    Attributes:
        storage: The lake.
        contracts: The schemas.
        table: The row's table.
        keys: Values of its key columns.
        reply: The reply that counts for its job.
        tables: The rows that reply makes today.
        archived: Archived subtitle files of the job.
        is_up_to_date: Whether the lake's tables hold these rows.
    """

    storage: Storage
    contracts: Contracts
    table: Table
    keys: KeyValues
    reply: Reply = field(repr=False)
    tables: Mapping[str, pa.Table] = field(repr=False)
    archived: Sequence[archive.Entry]
    is_up_to_date: bool

    @property
    def job(self) -> str:
        """Returns the row's job, for messages."""
        return plain(str(self.keys["job_id"]))

    @property
    def result_index(self) -> int:
        """Returns the position of the row's result."""
        return int(self.keys["result_index"])

    @property
    def is_loaded(self) -> bool:
        """Tells whether the reply makes this row."""
        rows = self.tables.get(self.table.name)
        if rows is None:
            return False
        for name, value in self.keys.items():
            rows = rows.filter(pc.equal(rows[name], value))
        return bool(rows.num_rows)

    def asking(self, table: Table, keys: KeyValues) -> Case:
        """Returns the case of another row of the same job."""
        return replace(self, table=table, keys=keys)

    def rows(self, table: str) -> list[Row]:
        """Returns the rows of a table that the reply makes."""
        found = self.tables.get(table)
        return found.to_pylist() if found is not None else []

    def type_of(self, index: int) -> str | None:
        """Returns the Type of a result as it was sent, or None."""
        item = self.reply.items[index]
        kind = item.get("Type") if isinstance(item, dict) else None
        return kind if isinstance(kind, str) else None

    def data_of(self, index: int) -> DataText | None:
        """Returns the Data of a result, or None where it has none."""
        kind, shape = self.type_of(index), self.reply.shape
        contract = self.contracts.types.get(kind) if kind is not None else None
        return None if shape is None else read_data(self.reply.text, shape, index, contract)

    def whole_set_aside(self, index: int | None) -> SetAside | None:
        """Returns why a whole result, or the reply it is in, was set aside."""
        scopes = {("reply", None), ("result", index)}
        rows = self.rows("quarantine")
        found = (row for row in rows if (row["scope"], row["result_index"]) in scopes)
        return next(map(to_set_aside, found), None)

    def error(self, message: str) -> ConfigurationError:
        """Returns an error on a row that is not there; of several replies one counts."""
        if not self.reply.older:
            return ConfigurationError(message)
        newest = f"the newest, received {_time(self.reply.place)} UTC, counts"
        return ConfigurationError(
            f"{message}; of {len(self.reply.older) + 1} replies of the job {newest}"
        )

    def lost(self) -> ConfigurationError:
        """Returns the error on a row whose place is not found again, a defect of ours."""
        return ConfigurationError(
            f"job {self.job}: this row is not found again in the reply: report it with the reply"
        )


def open_case(
    storage: Storage, contracts: Contracts, table: Table, keys: KeyValues, max_blob_bytes: int
) -> Case:
    """Returns the case of a row.

    Raises:
        ConfigurationError: No reply of its job has landed.
        LakeFormatError: A file of the lake cannot be read, or does not hold what was landed.
    """
    job = str(keys["job_id"])
    index, every = raw.read_index(storage), archive.read_archived(storage)
    reply = find_reply(storage, index, job)
    archived = [entry for entry in every if entry.key.job_id == job]
    raw_file = reply.place.raw_file
    flattened = flatten_raw(
        reply.stored,
        contracts,
        name_of(raw_file),
        max_blob_bytes=max_blob_bytes,
        subtitles=archive.read_named(storage, archive.name_rows(archived)),
    )
    is_current = is_up_to_date(storage, contracts, raw_file, index, every)
    return Case(storage, contracts, table, keys, reply, flattened.tables, archived, is_current)


def find_reply(storage: Storage, index: Iterable[raw.RawRow], job: str) -> Reply:
    """Returns the newest reply of a job.

    Args:
        storage: The lake.
        index: Where every reply lies.
        job: The job.

    Raises:
        ConfigurationError: None has landed.
        LakeFormatError: The raw file cannot be read, or does not hold what was landed.
    """
    index = [row for row in index if row.job_id == job]
    if not index:
        raise ConfigurationError(
            f"no final reply of job {plain(job)} has landed: check the id, or ask for it with "
            "`cognition ingest`"
        )
    newest = raw.newest_rows(index)[job]
    stored = raw.read_raw(storage, newest.raw_file).slice(newest.row, 1)
    body: bytes = stored["body"][0].as_py()
    if sha256_of(body) != newest.body_sha256:
        raise LakeFormatError(
            f"{newest.raw_file} does not hold the reply of job {plain(job)} as it landed: "
            "restore it from a copy"
        )
    try:
        document = orjson.loads(body)
    except ValueError:
        document = None
    shape = read_shape(document) if isinstance(document, dict) else None
    older = tuple(row for row in index if row is not newest)
    return Reply(newest, stored, body.decode(errors="replace"), shape, older)


def with_reply(explained: Explanation, case: Case) -> Explanation:
    """Returns the explanation with what is known of the reply and its batch."""
    reply = case.reply
    facts = reply.stored.select(["queried_at", "origin", "http_status"]).to_pylist()[0]
    notes = explained.notes
    if reply.older:
        last = max(reply.older, key=lambda row: row.queried_at)
        older = "an older one" if len(reply.older) == 1 else f"{len(reply.older)} older ones"
        told = f"this reply supersedes {older} of the job, the last received {_time(last)} UTC"
        notes += (f"{told}, in {last.raw_file}",)
    if not case.is_up_to_date:
        notes += (NOT_UP_TO_DATE,)
    return replace(
        explained,
        job_id=reply.place.job_id,
        raw_file=reply.place.raw_file,
        raw_row=reply.place.row,
        queried_at=facts["queried_at"].isoformat(),
        origin=facts["origin"],
        http_status=facts["http_status"],
        body_sha256=reply.place.body_sha256,
        body_bytes=reply.place.body_bytes,
        notes=notes,
    )


def to_set_aside(row: Row) -> SetAside:
    """Returns what a row of `quarantine` says."""
    return SetAside(**{name: row[name] for name in SetAside.__slots__})


def _time(row: raw.RawRow) -> str:
    return f"{row.queried_at:%Y-%m-%d %H:%M:%S}"
