"""The lake: Parquet files of committed batches, and the marker that commits them.

A batch is one raw file flattened. Its files carry its name; `batches/<batch>.json` is written
last and is the commit. Without its marker a batch does not exist, whatever files lie about.
"""

from __future__ import annotations

import dataclasses
import re
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.errors import ConfigurationError, LakeFormatError, RetryableError
from transforms.merged import marker as compactions
from transforms.merged import rows as merged
from transforms.storage import STAGING, Storage, name_of, sha256_of, without_secrets
from transforms.table_file import CommittedFile

FORMAT = 1
FORMAT_FILE = "lake.json"
MARKERS = "batches"
TABLES = "tables"
ROW_GROUP_ROWS = 256 * 1024
MOVES = 3
"""How often rows are looked for again that were moved just then."""
_BATCH = r"\d{8}T\d{6}-[0-9a-f]{12}"  # named by `raw.write_raw`
_MERGED = compactions.PREFIX + compactions.ID
_TABLE_FILE = re.compile(rf"{TABLES}/[^/]+/month=\d{{4}}-\d{{2}}/({_BATCH}|{_MERGED})\.parquet")


@dataclass(frozen=True, slots=True)
class Commit:
    """What a marker says of its batch.

    Attributes:
        batch_id: Name of the batch.
        inputs: What the batch is a function of: name of the raw file, which is never changed, rows
            left out as superseded, digest of the schemas, version of the flattening, and the rows
            of the archive that hold its subtitle files, if any. Two equal inputs give equal bytes.
        facts: Counts and times of the batch, sha256 of the raw file and version of the package, as
            in the table `batches`.
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
    storage, shown = Storage.at(uri), without_secrets(uri)
    if storage.exists(FORMAT_FILE):
        _read_format(storage, shown)
    elif not create:
        raise ConfigurationError(
            f"no lake at {shown}: make one with `cognition add`, `ingest` or `import`"
        )
    elif storage.local is not None and storage.local.is_file():
        raise ConfigurationError(f"{shown} is a file, so it is no lake: choose an empty folder")
    elif _holds_others(storage):
        raise ConfigurationError(
            f"{shown} holds files but no {FORMAT_FILE}, so it is no lake: choose an empty folder"
        )
    else:
        document = {"format": FORMAT, "lake_id": uuid.uuid4().hex}
        # Who made the lake meanwhile has given it its id: ours is nowhere but in this file.
        storage.write_bytes(FORMAT_FILE, orjson.dumps(document) + b"\n", replace=False)
    return storage


def read_lake_id(storage: Storage) -> str:
    """Returns the id a lake keeps wherever it is moved; "" of one made before lakes had ids.

    Raises:
        ConfigurationError: The lake is no longer there.
        LakeFormatError: Its format cannot be read.
    """
    place = place_of(storage)
    try:
        return str(_read_format(storage, place).get("lake_id", ""))
    except FileNotFoundError:
        raise ConfigurationError(
            f"no lake at {place}: mount it or bring it back; nothing was changed"
        ) from None


def place_of(storage: Storage) -> str:
    """Returns where a lake lies, for messages."""
    return str(storage.local or storage.root)


def write_parquet(storage: Storage, path: str, table: pa.Table) -> CommittedFile:
    """Writes one table as a Parquet file; see `encode_parquet`."""
    file, content = encode_parquet(path, table)
    write_content(storage, file, content)
    return file


def write_content(storage: Storage, file: CommittedFile, content: pa.Buffer) -> None:
    """Writes what `encode_parquet` made."""
    storage.write(file.path, lambda sink: sink.write(content) and None)


def encode_parquet(path: str, table: pa.Table) -> tuple[CommittedFile, pa.Buffer]:
    """Returns one table as a Parquet file: zstd, statistics, page index, sorted by key.

    Only text is dictionary-encoded: measured numbers rarely repeat, and looking costs time.
    """
    sink = pa.BufferOutputStream()
    with parquet_writer(sink, table.schema) as writer:
        writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
    content = sink.getvalue()
    name, digest = path.split("/")[1], sha256_of(content)
    return CommittedFile(name, path, table.num_rows, content.size, digest), content


def parquet_writer(sink: pa.NativeFile, schema: pa.Schema) -> pq.ParquetWriter:
    """Returns what writes every Parquet file of the lake's tables; see `encode_parquet`."""
    text = [field.name for field in schema if pa.types.is_string(field.type)]
    return pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        use_dictionary=text,
        write_page_index=True,
        sorting_columns=_sorting(schema),
    )


def table_path(table: str, month: str, batch_id: str) -> str:
    """Returns where a batch's rows of `table` lie; `month` is YYYY-MM."""
    return f"{TABLES}/{table}/month={month}/{batch_id}.parquet"


def read_commits(storage: Storage) -> dict[str, Commit]:
    """Returns every committed batch by id, in the order of the ids.

    Raises:
        LakeFormatError: A marker cannot be read.
    """
    ids = (name_of(path) for path in storage.list(MARKERS, ".json"))
    found = {batch_id: read_commit(storage, batch_id) for batch_id in ids}
    return {batch_id: commit for batch_id, commit in found.items() if commit is not None}


def read_commit(storage: Storage, batch_id: str) -> Commit | None:
    """Returns one committed batch, or None where it is not or no longer there.

    Raises:
        LakeFormatError: Its marker cannot be read.
    """
    path = marker_path(batch_id)
    try:
        content = storage.read(path)
    except FileNotFoundError:
        return None
    return _parse_marker(path, content)


def write_commit(storage: Storage, commit: Commit) -> None:
    """Commits a batch whose files are all in place."""
    document = {**dataclasses.asdict(commit), "format": FORMAT, "commit_id": commit.commit_id}
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    storage.write_bytes(marker_path(commit.batch_id), orjson.dumps(document, option=options))


def read_rows(
    storage: Storage,
    commit: Commit | None,
    file: CommittedFile,
    columns: Sequence[str] | None = None,
    *,
    unmerged: merged.Unmerged | None = None,
) -> pa.Table:
    """Returns a committed file's rows, having checked that they are those committed.

    Args:
        storage: The lake.
        commit: The batch as read for this.
        file: One of its files; where it was compacted, its rows lie in a merged one.
        columns: What to read; default: all.
        unmerged: Keeps what was read of merged files; to read one batch after the other with.

    Raises:
        LakeFormatError: The file is missing or damaged.
        RetryableError: Its batch was made again since its commit was read.
    """
    rows = find_rows(storage, commit, file, columns, unmerged=unmerged)
    if rows is not None:
        return rows
    batch_id = name_of(file.path)
    if read_commit(storage, batch_id) != commit:
        raise RetryableError(f"batch {batch_id} is just being made again: try again")
    raise LakeFormatError(
        f"{file.path} is not the committed file: delete {marker_path(batch_id)} and run "
        "`cognition flatten` to make it again"
    )


def find_rows(
    storage: Storage,
    commit: Commit | None,
    file: CommittedFile,
    columns: Sequence[str] | None = None,
    *,
    unmerged: merged.Unmerged | None = None,
) -> pa.Table | None:
    """Returns a committed file's rows, or None where they are not to be found as committed.

    They may be moved to a merged file, or back, while they are looked for.

    Raises:
        LakeFormatError: A merged file is damaged.
    """
    month, batch_id = file.path.split("/")[2].removeprefix("month="), name_of(file.path)
    commit_id = commit.commit_id if commit is not None else ""
    holder = unmerged.holder(batch_id, commit_id) if unmerged is not None else None
    for _ in range(MOVES):
        if holder is None and (rows := _read_own(storage, file, columns)) is not None:
            return rows
        found = [holder] if holder else compactions.holders(storage, month, batch_id, commit_id)
        for each in found:
            with suppress(merged.MovedError):
                if unmerged is not None:
                    return unmerged.rows_of(each, batch_id, file.table, columns)
                return merged.rows_of(storage, each, batch_id, file.table, columns)
        holder = None
    return None


def _read_own(
    storage: Storage, file: CommittedFile, columns: Sequence[str] | None
) -> pa.Table | None:
    """Returns the rows in a batch's own file, or None where that is not there as committed."""
    try:
        content = storage.read(file.path)
    except FileNotFoundError:
        return None
    if sha256_of(content) != file.sha256:
        return None
    return pq.ParquetFile(pa.BufferReader(content)).read(columns)


def retract(storage: Storage, commit: Commit) -> None:
    """Removes a batch: first its marker, then its files, so that a crash leaves it absent."""
    storage.remove(marker_path(commit.batch_id))
    for file in commit.files:
        storage.remove(file.path)


def clear(storage: Storage, month: str, batch_id: str) -> None:
    """Removes a batch and whatever a crash left of it, in every table there ever was."""
    storage.remove(marker_path(batch_id))
    for table in storage.folders(TABLES):
        storage.remove(table_path(table, month, batch_id))


def list_tables(storage: Storage) -> list[str]:
    """Returns the tables' Parquet files, committed or not; other files there are none of ours."""
    return [path for path in storage.list(TABLES, ".parquet") if _TABLE_FILE.fullmatch(path)]


def marker_path(batch_id: str) -> str:
    """Returns where the marker of a batch lies."""
    return f"{MARKERS}/{batch_id}.json"


def _holds_others(storage: Storage) -> bool:
    """Tells whether files lie there that are no lake's, nor of one just being made."""
    ours = ("ledger/", "aliases/", f"{STAGING}/")
    others = any(not path.startswith(ours) for path in storage.list(""))
    return others and not storage.exists(FORMAT_FILE)


def _read_format(storage: Storage, shown: str) -> Mapping[str, Any]:
    place = f"{shown}/{FORMAT_FILE}"
    try:
        document: dict[str, Any] = orjson.loads(memoryview(storage.read(FORMAT_FILE)))
        found = document["format"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise LakeFormatError(
            f"{place} cannot be read: restore it from a copy of the lake"
        ) from None
    _require_format(found, place)
    return document


def _parse_marker(path: str, content: pa.Buffer) -> Commit:
    try:
        document = orjson.loads(memoryview(content))
        _require_format(document["format"], path)
        files = tuple(CommittedFile(**file) for file in document["files"])
        commit = Commit(
            document["batch_id"], document["inputs"], document["facts"], document["totals"], files
        )
        told = (document["commit_id"], name_of(path), str(commit.inputs["raw_file"]))
        whole = told == (commit.commit_id, commit.batch_id, commit.inputs["raw_file"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        whole = False
    if not whole:
        raise LakeFormatError(
            f"{path} cannot be read: delete it and run `cognition flatten` to make it again"
        )
    return commit


def _require_format(found: object, place: str) -> None:
    if found != FORMAT:
        raise LakeFormatError(
            f"{place} has format {str(found)[:12]}, this version reads {FORMAT}: "
            "upgrade cognition-warehouse"
        )


def _sorting(schema: pa.Schema) -> list[pq.SortingColumn]:
    keys = (schema.metadata or {}).get(b"key", b"").decode().split(",")
    return [pq.SortingColumn(schema.get_field_index(k)) for k in keys if k]
