"""The lake: Parquet files of committed batches, and the marker that commits them.

A batch is one raw file flattened. Its files carry its name; `batches/<batch>.json` is written
last and is the commit. Without its marker a batch does not exist, whatever files lie about.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.errors import ConfigurationError, LakeFormatError
from transforms.storage import Storage, name_of, sha256_of

FORMAT = 1
FORMAT_FILE = "lake.json"
MARKERS = "batches"
ROW_GROUP_ROWS = 256 * 1024


@dataclass(frozen=True, slots=True)
class CommittedFile:
    """One Parquet file of a batch; `path` is relative to the lake."""

    table: str
    path: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Commit:
    """What a marker says of its batch.

    Attributes:
        batch_id: Name of the batch.
        inputs: What the batch is a function of: raw file and sha256, superseded replies left out,
            digest of the schemas, package version. Two equal inputs give equal bytes.
        facts: Counts and times of the batch, as in the table `batches`.
        totals: Rows per table: `source`, `loaded`, `quarantined`.
        files: The batch's Parquet files.
    """

    batch_id: str
    inputs: Mapping[str, str]
    facts: Mapping[str, Any]
    totals: Mapping[str, Mapping[str, int]]
    files: tuple[CommittedFile, ...]

    @property
    def commit_id(self) -> str:
        """Returns the sha256 over everything the batch holds."""
        return sha256_of("\n".join(f"{f.path} {f.sha256}" for f in self.files).encode())


def open_lake(uri: str, *, create: bool = False) -> Storage:
    """Returns the lake at `uri`.

    Raises:
        ConfigurationError: There is no lake and `create` is false, or the place holds other files.
        LakeFormatError: The lake was written by a newer version; nothing is touched.
    """
    storage = Storage.at(uri)
    if storage.exists(FORMAT_FILE):
        _check_format(storage, uri)
    elif not create:
        raise ConfigurationError(f"no lake at {uri}: make one with `cognition ingest` or `import`")
    elif any(not p.startswith(("ledger/", "staging/")) for p in storage.list("")):
        raise ConfigurationError(
            f"{uri} holds files but no {FORMAT_FILE}, so it is no lake: choose an empty folder"
        )
    else:
        storage.write_bytes(FORMAT_FILE, orjson.dumps({"format": FORMAT}) + b"\n")
    return storage


def write_parquet(storage: Storage, path: str, table: pa.Table) -> CommittedFile:
    """Writes one table as a Parquet file: zstd, statistics, page index, sorted by key.

    Only text is dictionary-encoded: measured numbers rarely repeat, and looking costs time.
    """
    text = [f.name for f in table.schema if pa.types.is_string(f.type)]
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        use_dictionary=text,
        write_page_index=True,
        row_group_size=ROW_GROUP_ROWS,
        sorting_columns=_sorting(table.schema),
    )
    content = sink.getvalue()
    storage.write(path, lambda file: file.write(content) and None)
    table_name = path.split("/")[1]
    return CommittedFile(table_name, path, table.num_rows, content.size, sha256_of(content))


def table_path(table: str, month: str, batch_id: str) -> str:
    """Returns where a batch's rows of `table` lie; `month` is YYYY-MM."""
    return f"tables/{table}/month={month}/{batch_id}.parquet"


def read_commits(storage: Storage) -> dict[str, Commit]:
    """Returns every committed batch by id, in the order of the ids.

    Raises:
        LakeFormatError: A marker cannot be read.
    """
    return {name_of(path): _read_marker(storage, path) for path in storage.list(MARKERS, ".json")}


def read_commit(storage: Storage, batch_id: str) -> Commit | None:
    """Returns one committed batch, or None."""
    path = marker_path(batch_id)
    return _read_marker(storage, path) if storage.exists(path) else None


def write_commit(storage: Storage, commit: Commit) -> None:
    """Commits a batch whose files are all in place."""
    document = {**dataclasses.asdict(commit), "format": FORMAT, "commit_id": commit.commit_id}
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    storage.write_bytes(marker_path(commit.batch_id), orjson.dumps(document, option=options))


def retract(storage: Storage, commit: Commit) -> None:
    """Removes a batch: first its marker, then its files, so that a crash leaves it absent."""
    storage.remove(marker_path(commit.batch_id))
    for file in commit.files:
        storage.remove(file.path)


def marker_path(batch_id: str) -> str:
    """Returns where the marker of a batch lies."""
    return f"{MARKERS}/{batch_id}.json"


def _check_format(storage: Storage, uri: str) -> None:
    try:
        found = orjson.loads(memoryview(storage.read(FORMAT_FILE)))["format"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise LakeFormatError(
            f"{uri}/{FORMAT_FILE} cannot be read: restore it or rebuild"
        ) from None
    if found != FORMAT:
        raise LakeFormatError(
            f"{uri} has lake format {found}, this version reads {FORMAT}: upgrade"
        )


def _read_marker(storage: Storage, path: str) -> Commit:
    try:
        document = orjson.loads(memoryview(storage.read(path)))
        if document["format"] != FORMAT:
            raise LakeFormatError(
                f"{path} has format {document['format']}, this version reads {FORMAT}: upgrade"
            )
        files = tuple(CommittedFile(**file) for file in document["files"])
        return Commit(
            document["batch_id"], document["inputs"], document["facts"], document["totals"], files
        )
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise LakeFormatError(
            f"{path} cannot be read: delete it and run `cognition flatten` to make it again"
        ) from None


def _sorting(schema: pa.Schema) -> list[pq.SortingColumn]:
    keys = (schema.metadata or {}).get(b"key", b"").decode().split(",")
    return [pq.SortingColumn(schema.get_field_index(k)) for k in keys if k]
