"""Loads the schemas once and gives, per result Type, its validators and its tables.

`schemas/` is the only place that says what a Type looks like. A Type is found by its wire name or
one of its `x-aliases`.
"""

from __future__ import annotations

import hashlib
import os.path
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import jsonschema_rs
import orjson
import pyarrow as pa
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from transforms import paths
from transforms.errors import ConfigurationError
from transforms.json_text import to_pointer
from transforms.layout import Schema, Table, compile_result, compile_table, read_type

T = TypeVar("T")
SYSTEM_TABLES = frozenset(
    {"jobs", "results", "quarantine", "unmapped_fields", "unknown_results", "batches"}
)
"""Tables of our own that the code fills by name."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The validators of one schema.

    Attributes:
        schema: The schema, free of references.
        accepts: Fast engine, unknown keys allowed: decides accept or quarantine.
        accepts_known: The same with unknown keys forbidden: tells whether there are any.
        reference: Reference engine, for reports with pointers and keywords.
    """

    schema: Schema
    accepts: jsonschema_rs.Draft202012Validator
    accepts_known: jsonschema_rs.Draft202012Validator
    reference: Draft202012Validator


@dataclass(frozen=True, slots=True)
class Contract:
    """One result Type: how it is checked and which tables it becomes."""

    type: str
    aliases: tuple[str, ...]
    version: int
    gate: Gate
    root: Table
    read_schema: pa.Schema

    @property
    def tables(self) -> tuple[Table, ...]:
        """Returns the tables of this Type, parents first."""
        return tuple(self.root.walk())


@dataclass(frozen=True, slots=True)
class Contracts:
    """All schemas of one folder.

    Attributes:
        types: Contract by wire name and by alias.
        reply: Validators of the reply envelope.
        system: System tables by name (`jobs`, `results`, `quarantine`, ...).
        digest: sha256 over all schema files: two equal digests flatten alike.
    """

    types: Mapping[str, Contract]
    reply: Gate
    system: Mapping[str, Table]
    digest: str

    @property
    def distinct(self) -> tuple[Contract, ...]:
        """Returns each contract once, by Type."""
        return tuple(sorted({c.type: c for c in self.types.values()}.values(), key=_by_type))

    @property
    def tables(self) -> dict[str, Table]:
        """Returns every table of the warehouse by name: system tables first."""
        result = (t for c in self.distinct for t in c.tables)
        return {t.name: t for t in (*self.system.values(), *result)}


@cache
def load_contracts(folder: Path | None = None) -> Contracts:
    """Loads, checks and compiles the schemas of `folder` (default: the shipped ones).

    Raises:
        ConfigurationError: A schema is missing, not JSON, not a valid schema, lacks an annotation,
            or two of them claim the same Type, table or column.
    """
    folder = Path(os.path.normpath(folder or paths.schemas_dir()))
    files = sorted(folder.rglob("*.schema.json"))
    if not files:
        raise ConfigurationError(f"no *.schema.json in {folder}: point COGNITION_SCHEMAS at one")
    documents = {file: _read(file) for file in files}
    types: dict[str, Contract] = {}
    for file in documents:
        if file.parent.name == "results":
            contract = _compile(_contract, file, documents)
            for name in (contract.type, *contract.aliases):
                if types.setdefault(name, contract) is not contract:
                    raise ConfigurationError(f"{file}: Type {name} is claimed by another schema")
    system = [_compile(compile_table, f, documents) for f in documents if f.parent.name == "tables"]
    reply = folder / "reply.schema.json"
    if reply not in documents:
        raise ConfigurationError(f"{reply} is missing: copy it from the shipped schemas")
    digest = _digest(folder, files)
    gate = _compile(compile_gate, reply, documents)
    contracts = Contracts(types, gate, {table.name: table for table in system}, digest)
    if missing := SYSTEM_TABLES - contracts.system.keys():
        raise ConfigurationError(
            f"{folder}/tables has no schema of {', '.join(sorted(missing))}: "
            "copy it from the shipped schemas"
        )
    _refuse_shared_names([*system, *(t for c in contracts.distinct for t in c.tables)])
    return contracts


def _digest(folder: Path, files: Iterable[Path]) -> str:
    parts = (f"{f.relative_to(folder).as_posix()}\n".encode() + f.read_bytes() for f in files)
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def compile_gate(schema: Schema) -> Gate:
    """Returns the validators of a reference-free schema."""
    return Gate(
        schema=schema,
        accepts=jsonschema_rs.Draft202012Validator(schema),
        accepts_known=jsonschema_rs.Draft202012Validator(_closed(schema)),
        reference=Draft202012Validator(schema),
    )


def _compile(compiled: Callable[[Schema], T], file: Path, documents: Mapping[Path, Schema]) -> T:
    """Returns what a file's schema compiles to; errors name the file."""
    try:
        return compiled(_inline(documents[file], file, documents))
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {error}") from None
    except KeyError as error:
        raise ConfigurationError(f"{file}: {error} is missing") from None
    except RecursionError:
        raise ConfigurationError(f"{file}: a $ref leads back to itself") from None


def _contract(schema: Schema) -> Contract:
    return Contract(
        type=schema["x-type"],
        aliases=tuple(schema["x-aliases"]),
        version=schema["x-version"],
        gate=compile_gate(schema),
        root=compile_result(schema),
        read_schema=pa.schema(list(read_type(schema))),
    )


def _read(file: Path) -> Schema:
    try:
        document: Schema = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"{file} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{file} is not a schema: expected an object")
    annotations = _annotations()
    if not annotations.accepts.is_valid(document):
        wrong = best_match(annotations.reference.iter_errors(document))
        place = to_pointer(tuple(wrong.absolute_path)) or "the root"
        raise ConfigurationError(f"{file} is not a schema: {wrong.message} at {place}")
    return document


@cache
def _annotations() -> Gate:
    """Returns the validators of schemas: draft 2020-12 and our own annotations."""
    file = paths.schemas_dir() / "annotations.metaschema.json"
    return compile_gate(orjson.loads(file.read_bytes()))


def _inline(node: Any, file: Path, documents: Mapping[Path, Schema]) -> Any:  # noqa: ANN401 - a schema node is any JSON
    """Returns `node` with every `$ref` replaced by what it names; keys beside a `$ref` win."""
    if isinstance(node, list):
        return [_inline(item, file, documents) for item in node]
    if not isinstance(node, dict):
        return node
    rest = {k: _inline(v, file, documents) for k, v in node.items() if k != "$ref"}
    if "$ref" not in node:
        return rest
    place, _, pointer = str(node["$ref"]).partition("#")
    path = Path(os.path.normpath(file.parent / place)) if place else file
    try:
        found: Any = documents[path]
        for part in filter(None, pointer.split("/")):
            found = found[part]
    except (KeyError, TypeError):
        raise ConfigurationError(f"$ref {node['$ref']} in {file.name} names nothing") from None
    return {**_inline(found, path, documents), **rest}


def _closed(node: Any) -> Any:  # noqa: ANN401 - a schema node is any JSON
    """Returns the schema with unknown keys forbidden in every object that lists its keys."""
    if isinstance(node, list):
        return [_closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    closed = {key: _closed(value) for key, value in node.items()}
    if isinstance(node.get("properties"), dict) and "type" in node:
        closed["additionalProperties"] = False
    return closed


def _refuse_shared_names(tables: Iterable[Table]) -> None:
    tables = list(tables)
    if name := _first_twice(table.name for table in tables):
        raise ConfigurationError(f"two schemas claim the table {name}: rename one")
    for table in tables:
        if name := _first_twice(column.name for column in (*table.keys, *table.columns)):
            raise ConfigurationError(f"{table.name} has two columns {name}: give one an x-column")


def _first_twice(names: Iterable[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _by_type(contract: Contract) -> str:
    return contract.type
