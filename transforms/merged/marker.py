"""The marker of a compaction: which batches lie in which merged files.

`compactions/<id>.json` is to merged files what `batches/<batch>.json` is to a batch: without it
they are not there.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from transforms.errors import LakeFormatError
from transforms.storage import STAGING, Storage, name_of, sha256_of
from transforms.table_file import CommittedFile

FOLDER = "compactions"
FORMAT = 1
UNDER_WAY = f"{STAGING}/compactions"
PREFIX = "compact-"
ID = r"\d{6}-[0-9a-f]{12}"
_MARKER = re.compile(rf"{FOLDER}/{ID}\.json")


@dataclass(frozen=True, slots=True)
class Compaction:
    """What a marker says.

    Attributes:
        id: Month and digest of its batches; names its files.
        batches: `commit_id` of each batch whose rows it holds, by batch id.
        files: One file for each table that has rows.
        replaces: Compactions whose rows it took over; they go once its files are in place.
    """

    id: str
    batches: Mapping[str, str]
    files: tuple[CommittedFile, ...]
    replaces: tuple[str, ...] = ()

    @property
    def month(self) -> str:
        """Returns the month, YYYY-MM, of its batches."""
        return month_of_id(self.id)


def id_of(month: str, batches: Mapping[str, str]) -> str:
    """Returns the id of a compaction: the same batches, the same id."""
    told = "\n".join(f"{batch} {commit}" for batch, commit in sorted(batches.items()))
    return month_prefix(month) + sha256_of(told.encode())[:12]


def month_prefix(month: str) -> str:
    """Returns what the ids of a month begin with."""
    return f"{month.replace('-', '')}-"


def month_of_id(compaction_id: str) -> str:
    """Returns the month, YYYY-MM, that an id begins with."""
    return f"{compaction_id[:4]}-{compaction_id[4:6]}"


def merged_path(table: str, compaction_id: str) -> str:
    """Returns where the rows of `table` of a compaction lie."""
    folder = f"tables/{table}/month={month_of_id(compaction_id)}"
    return f"{folder}/{PREFIX}{compaction_id}.parquet"


def staged_path(compaction_id: str, name: str) -> str:
    """Returns where a file of a compaction waits to be put in its place."""
    return f"{UNDER_WAY}/{compaction_id}~{name}.parquet"


def marker_path(compaction_id: str) -> str:
    """Returns where the marker of a compaction lies."""
    return f"{FOLDER}/{compaction_id}.json"


def read_compactions(storage: Storage, month: str | None = None) -> list[Compaction]:
    """Returns the compactions of a month, or all, in the order of their ids.

    Raises:
        LakeFormatError: A marker cannot be read.
    """
    found = (read_compaction(storage, each) for each in list_ids(storage, month))
    return [each for each in found if each is not None]


def list_ids(storage: Storage, month: str | None = None) -> list[str]:
    """Returns the ids of the compactions of a month, or all."""
    begin = f"{FOLDER}/{month_prefix(month) if month else ''}"
    paths = storage.list(FOLDER, ".json")
    return [name_of(p) for p in paths if p.startswith(begin) and _MARKER.fullmatch(p)]


def read_compaction(storage: Storage, compaction_id: str) -> Compaction | None:
    """Returns one compaction, or None where it is not or no longer there.

    Raises:
        LakeFormatError: Its marker cannot be read.
    """
    path = marker_path(compaction_id)
    try:
        content = storage.read(path)
    except FileNotFoundError:
        return None
    try:
        document = orjson.loads(memoryview(content))
        found = document.pop("format")
        if found != FORMAT:
            raise LakeFormatError(
                f"{path} has format {str(found)[:12]}, this version reads {FORMAT}: "
                "upgrade cognition-warehouse"
            )
        files = tuple(CommittedFile(**file) for file in document.pop("files"))
        replaces = tuple(document.pop("replaces"))
        compaction = Compaction(files=files, replaces=replaces, **document)
        whole = compaction.id == compaction_id == id_of(compaction.month, compaction.batches)
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        whole = False
    if not whole:
        raise damaged(path, compaction_id)
    return compaction


def write_compaction(storage: Storage, compaction: Compaction) -> None:
    """Makes merged files count from now on."""
    document = {**dataclasses.asdict(compaction), "format": FORMAT}
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    storage.write_bytes(marker_path(compaction.id), orjson.dumps(document, option=options))


def holders(
    storage: Storage, month: str, batch_id: str, commit_id: str | None = None
) -> list[Compaction]:
    """Returns the compactions that hold a batch; with `commit_id`, as it is committed now.

    There are two while one takes over the rows of another.
    """
    return [
        each
        for each in read_compactions(storage, month)
        if batch_id in each.batches and commit_id in {None, each.batches[batch_id]}
    ]


def damaged(what: str, compaction_id: str) -> LakeFormatError:
    """Returns the error on a compaction that cannot be read; raw makes its batches again."""
    return LakeFormatError(
        f"{what} is not as it was written: delete {marker_path(compaction_id)} and "
        f"batches/{compaction_id[:6]}*.json, and run `cognition flatten` to make that month again"
    )
