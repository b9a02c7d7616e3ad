"""What the tests of the contract share: examples, replies, raw tables, and schemas to change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from transforms.batch import FlattenedBatch, flatten_raw
from transforms.contract import Contract, Contracts, load_contracts
from transforms.paths import schemas_dir
from transforms.raw import SCHEMA as RAW_SCHEMA

Json = Any
T = TypeVar("T")
TYPES = (
    "VideoLabel",
    "ImageLabel",
    "TextLabel",
    "CPVLabel",
    "ASR",
    "OCR",
    "Meta",
    "NLP",
    "Subtitle",
    "Process",
    "EventSplit",
)
EXAMPLES = Path(__file__).parent / "schema_examples"
GOLDEN = Path(__file__).parent / "golden"
NOON = datetime(2026, 1, 15, 12, 0, 0, tzinfo=UTC).replace(tzinfo=None)
LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Example:
    """One file of `schema_examples/`.

    Attributes:
        errors: All violations, as (pointer, keyword).
        rows: The rows they cost, as (pointer, table), where nothing else is lost; None where it
            is not told.
    """

    type: str
    name: str
    description: str
    blob: Json
    errors: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[str, str], ...] | None = None

    @property
    def id(self) -> str:
        """Returns what the test is called by."""
        return f"{self.type}-{self.name}"


def read_examples(kind: str) -> list[Example]:
    """Returns the `examples` or `counterexamples` of every Type."""
    return [_example(file) for file in sorted(EXAMPLES.glob(f"*/{kind}/*.json"))]


def contract_of(name: str) -> Contract:
    """Returns the shipped contract of a Type."""
    return load_contracts().types[name]


def copy_schemas(tmp_path: Path) -> Path:
    """Returns a copy of the shipped schemas that a test may change."""
    return Path(shutil.copytree(schemas_dir(), tmp_path / "schemas"))


def edit(file: Path, **changes: Json) -> None:
    """Sets keys of a JSON file; a value of `...` removes the key."""
    document = json.loads(file.read_bytes()) | changes
    file.write_text(json.dumps({k: v for k, v in document.items() if v is not ...}))


def success(*items: Json, **envelope: Json) -> bytes:
    """Returns a successful reply whose `Results.result` are `items`."""
    return dumps({"JobStatus": "Success", "Results": {"result": list(items)}} | envelope)


def result(kind: str, blob: Json) -> dict[str, Json]:
    """Returns one result, its Data as JSON in a string."""
    return {"Type": kind, "Data": json.dumps(blob, ensure_ascii=False)}


def dumps(value: Json) -> bytes:
    """Returns JSON bytes, UTF-8 as the service writes it."""
    return json.dumps(value, ensure_ascii=False).encode()


def raw_table(*bodies: bytes, http: int | None = 200, code: str | None = None) -> pa.Table:
    """Returns raw rows of the jobs `job-0`, `job-1`, ..., one minute apart."""
    rows = [
        {
            "job_id": f"job-{number}",
            "queried_at": NOON + timedelta(minutes=number),
            "origin": "api",
            "http_status": http,
            "error_code": code,
            "body_sha256": sha256(body).hexdigest(),
            "body_bytes": len(body),
            "body": body,
        }
        for number, body in enumerate(bodies)
    ]
    return pa.Table.from_pylist(rows, schema=RAW_SCHEMA)


def flatten(*bodies: bytes, contracts: Contracts | None = None, limit: int = LIMIT) -> Batch:
    """Returns the batch made of these replies."""
    found = contracts or load_contracts()
    return Batch(flatten_raw(raw_table(*bodies), found, "batch-1", max_blob_bytes=limit))


@dataclass(frozen=True, slots=True)
class Batch:
    """A flattened batch, with its rows as dictionaries."""

    made: FlattenedBatch

    def rows(self, table: str, *columns: str) -> list[Any]:
        """Returns a table's rows: dictionaries, or tuples of the columns asked for."""
        found = self.made.tables.get(table)
        rows = [] if found is None else found.to_pylist()
        return [tuple(row[c] for c in columns) for row in rows] if columns else rows

    @property
    def counts(self) -> dict[str, int]:
        """Returns the rows of every table that has any."""
        return {name: table.num_rows for name, table in self.made.tables.items()}


def counted(contract: Contract, counts: Sequence[int]) -> dict[str, int]:
    """Returns counts by table, without zeros."""
    return {t.name: n for t, n in zip(contract.tables, counts, strict=True) if n}


def only(found: Sequence[T]) -> T:
    """Returns the one element there is."""
    assert len(found) == 1, found
    return found[0]


def titles(batch: Batch) -> list[tuple[str, int, str | None]]:
    """Returns job, result and title of the Meta results loaded."""
    return batch.rows("meta_titles", "job_id", "result_index", "title")


def golden_blob(kind: str) -> str:
    """Returns the blob of a Type's golden files as it lies in the file."""
    return (GOLDEN / kind / "blob.json").read_text()


def walk_schema(schema: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Yields every subschema below `properties` and `items`, with its path; loops end at once."""
    if "$ref" in schema:
        return
    yield path, schema
    for name, node in schema.get("properties", {}).items():
        yield from walk_schema(node, f"{path}/{name}")
    if isinstance(schema.get("items"), dict):
        yield from walk_schema(schema["items"], f"{path}[]")


def nested(levels: int, opening: str = "[", closing: str = "]", inside: str = "") -> str:
    """Returns JSON text nested so many levels deep."""
    return opening * levels + inside + closing * levels


def at_pointer(document: Json, pointer: str) -> Json:
    """Returns what a JSON pointer leads to."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        document = document[int(key) if isinstance(document, list) else key]
    return document


def take_out(document: Json, pointer: str) -> None:
    """Removes the key a JSON pointer leads to from its object."""
    above, _, last = pointer.rpartition("/")
    del at_pointer(document, above)[last.replace("~1", "/").replace("~0", "~")]


def by_pointer(errors: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Returns violations in one order, whatever order an engine found them in."""
    return sorted(errors)


def _example(file: Path) -> Example:
    document = json.loads(file.read_bytes())
    errors = tuple((e["pointer"], e["keyword"]) for e in document.get("errors", ()))
    kind = file.parent.parent.name
    rows = None
    if "rows" in document:
        rows = tuple((row["pointer"], row["table"]) for row in document["rows"])
    return Example(kind, file.stem, document["description"], document["blob"], errors, rows)
