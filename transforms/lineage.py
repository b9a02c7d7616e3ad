"""Says where every column comes from: the JSON pointer in Data, and what was done to the value.

Two steps, table by table: from raw replies to the lake's Parquet tables, and from these to the
warehouse's. Both follow from the schemas alone; nothing here knows who is told.

A place in a result is written `VideoLabel#/persons/*/name`: its Type, and a JSON pointer into Data
with `*` for every element; all levels of a tree share the pointers of its top. A second `#` leads
into a JSON text, as it does in `cognition explain`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from transforms import raw
from transforms.contract import Contracts
from transforms.forms import EVERY
from transforms.json_text import to_pointer
from transforms.layout import Column, Keys, Table
from transforms.storage import without_secrets
from transforms.subtitles import archive
from transforms.subtitles.rows import LINES
from transforms.warehouse.ddl import column_comment, duckdb_type
from transforms.warehouse.query import PUBLISHED

Change = Literal["IDENTITY", "TRANSFORMATION", "AGGREGATION"]
"""What OpenLineage calls the way from one field to another."""

MARKERS = "batches"
"""Folder of the lake, and the one table whose rows are made of no Parquet file."""
_COUNTED = "path_counts"
_BODY = "body"


@dataclass(frozen=True, slots=True)
class Place:
    """A dataset, named as OpenLineage names it: `file` or `s3://bucket`, and the path there."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Origin:
    """A field that a column is made of.

    Attributes:
        place: Dataset of the field.
        field: Its name: a column or, in the Data of a result, the place.
        change: Kind of change.
        how: The change in words; empty where the value is as it was.
        masked: Whether part of the value is left out on purpose.
    """

    place: Place
    field: str
    change: Change = "IDENTITY"
    how: str = ""
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A column: name, type as its own system names it, description with unit, and origin if any."""

    name: str
    type: str
    description: str
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A table with its columns."""

    table: str
    place: Place
    description: str
    fields: tuple[Field, ...]


Origins = Mapping[str, Origin]


def lake_place(lake_root: str, folder: str) -> Place:
    """Returns the name of a folder of the lake, without keys or options of the lake's URI.

    >>> lake_place("s3://key:secret@media/lake?region=cn-shanghai", "raw")
    Place(namespace='s3://media', name='lake/raw')
    >>> lake_place("/data/lake", "tables/jobs")
    Place(namespace='file', name='/data/lake/tables/jobs')
    """
    scheme, mark, rest = without_secrets(lake_root).partition("://")
    if not mark or scheme == "file":
        return Place("file", str(Path(rest or scheme).absolute() / folder))
    bucket, _, prefix = rest.rstrip("/").partition("/")
    return Place(f"{scheme}://{bucket}", f"{prefix}/{folder}" if prefix else folder)


def warehouse_place(warehouse_dir: Path, table: str) -> Place:
    """Returns the name of a table of the published warehouse."""
    file = (warehouse_dir / PUBLISHED).absolute()
    return Place(f"duckdb://{file}", f"{file.stem}.main.{table}")


def lake_tables(contracts: Contracts, lake_root: str, names: Iterable[str]) -> list[Dataset]:
    """Returns Parquet tables of the lake, their columns traced to replies and archived files.

    Args:
        contracts: The schemas.
        lake_root: Folder or URI of the lake.
        names: Tables to tell of; those without Parquet are left out.
    """
    traced = {t.name: (t, _trace_system(t, lake_root)) for t in contracts.system.values()}
    replies = lake_place(lake_root, raw.FOLDER)
    for contract in contracts.distinct:
        keys = {
            "job_id": Origin(replies, "job_id"),
            "result_index": Origin(
                replies, _BODY, "TRANSFORMATION", "position of the result in the reply"
            ),
        }
        traced |= {t.name: (t, found) for t, found in _trace(contract.root, (), keys, replies)}
    return [
        _dataset(table, lake_place(lake_root, f"tables/{name}"), origins)
        for name, (table, origins) in sorted(traced.items())
        if name in {*names} - {MARKERS}
    ]


def warehouse_tables(
    contracts: Contracts, lake_root: str, warehouse_dir: Path, names: Iterable[str]
) -> list[Dataset]:
    """Returns tables of the published warehouse, their columns traced to those of the lake.

    Args:
        contracts: The schemas.
        lake_root: Folder or URI of the lake.
        warehouse_dir: Folder of the DuckDB files.
        names: Tables to tell of.
    """
    made = []
    for name in sorted({*names} & contracts.tables.keys()):
        table = contracts.tables[name]
        source = lake_place(lake_root, name if name == MARKERS else f"tables/{name}")
        fields = (
            Field(c.name, duckdb_type(c.type), column_comment(c), _loaded(c, source))
            for c in (*table.keys, *table.columns)
            if c.private != "all"
        )
        place = warehouse_place(warehouse_dir, name)
        made.append(Dataset(name, place, table.description, tuple(fields)))
    return made


def lake_sources(contracts: Contracts, lake_root: str) -> list[Dataset]:
    """Returns the datasets the lake's tables are made of: replies, and archived subtitle files.

    To the columns of the replies come the places in results that any column is made of.
    """
    whole = sources(lake_tables(contracts, lake_root, contracts.tables))
    found = []
    for folder, schema in ((raw.FOLDER, raw.SCHEMA), (archive.FOLDER, archive.SCHEMA)):
        place = lake_place(lake_root, folder)
        columns = tuple(Field(f.name, str(f.type), "") for f in schema)
        inside = (name for name in whole.get(place, ()) if name not in schema.names)
        fields = (*columns, *(Field(name, "", "") for name in inside))
        text = schema.metadata[b"description"].decode()
        found.append(Dataset(folder, place, text, fields))
    return found


def sources(datasets: Iterable[Dataset]) -> dict[Place, list[str]]:
    """Returns the datasets that others are made of, and which of their fields, each once."""
    found: dict[Place, dict[str, None]] = {}
    for dataset in datasets:
        for field in dataset.fields:
            if field.origin is not None:
                found.setdefault(field.origin.place, {})[field.origin.field] = None
    return {place: list(fields) for place, fields in found.items()}


def _dataset(table: Table, place: Place, origins: Origins) -> Dataset:
    columns = (*table.keys, *table.columns)
    fields = (Field(c.name, str(c.type), column_comment(c), origins.get(c.name)) for c in columns)
    return Dataset(table.name, place, table.description, tuple(fields))


def _trace(
    table: Table, path: Keys, keys: Origins, replies: Place
) -> Iterator[tuple[Table, Origins]]:
    """Yields a table of a Type and those below it, with the origins of their columns.

    Args:
        table: The table.
        path: What leads to its elements in Data.
        keys: Origins of its keys.
        replies: Dataset of the replies.
    """
    own = {c.name: _origin(table, c, (*path, *c.path), replies) for c in table.columns}
    yield table, {**keys, **own}
    for child in table.children:
        place = (*path, *child.path)
        above = dict(keys)
        if len(child.keys) > len(table.keys):
            above[child.keys[-1].name] = _index_origin(child, place, replies)
        step = (EVERY,) if child.kind in {"array", "tree"} else ()
        yield from _trace(child, (*place, *step), above, replies)


def _index_origin(table: Table, path: Keys, replies: Place) -> Origin:
    how = {
        "split": "position in the text",
        "tree": "number of the node, counted from the top down",
    }
    text = how.get(table.kind, "position in the array")
    return Origin(replies, _field(table, path), "TRANSFORMATION", text)


def _origin(table: Table, column: Column, path: Keys, replies: Place) -> Origin:
    if table.kind == "split":
        text = f"one part of the text, which is split at {table.separator!r}"
        return Origin(replies, _field(table, path), "TRANSFORMATION", text)
    nodes = column.kind == "tree" and column.path == (table.tree_key,)
    if column.kind == "tree" and not nodes:  # how a node lies in its tree, not a value of it
        return Origin(replies, _field(table, path[:-2]), "TRANSFORMATION", column.description)
    if column.kind == "count" or nodes:
        return Origin(replies, _field(table, path), "AGGREGATION", "number of elements")
    if column.kind == "json":
        inside = f"{_field(table, path)}#{to_pointer((column.json_key or '',))}"
        return Origin(replies, inside, "TRANSFORMATION", "read from a JSON text as best it can be")
    if column.item is not None:
        path = (*path, str(column.item))
    if column.scale != 1:
        text = f"divided by {column.scale}: seconds"
        return Origin(replies, _field(table, path), "TRANSFORMATION", text)
    return Origin(replies, _field(table, path))


def _field(table: Table, path: Keys) -> str:
    return f"{table.family}#{to_pointer(path)}"


def _trace_system(table: Table, lake_root: str) -> Origins:
    """Returns the origins of a table of our own: fields of the reply, or of the archived file."""
    folder, schema, what = raw.FOLDER, raw.SCHEMA, "the reply"
    if table.name == LINES:
        folder, schema, what = archive.FOLDER, archive.SCHEMA, "the archived file"
    source = lake_place(lake_root, folder)
    return {
        c.name: _system_origin(table, c, source, schema, what)
        for c in (*table.keys, *table.columns)
        if c.name != "batch_id"  # a name we gave
    }


def _system_origin(
    table: Table, column: Column, source: Place, schema: pa.Schema, what: str
) -> Origin:
    if table.name == _COUNTED:
        return Origin(source, _BODY, "AGGREGATION", "counted over the replies of a batch")
    if column.name in schema.names:
        return Origin(source, column.name)
    return Origin(source, _BODY, "TRANSFORMATION", f"read from {what}")


def _loaded(column: Column, source: Place) -> Origin:
    if column.private == "links":
        text = "links end where their query begins, and signatures are left out"
        return Origin(source, column.name, "TRANSFORMATION", text, masked=True)
    return Origin(source, column.name)
