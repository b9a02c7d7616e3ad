"""Loads the schemas once and gives, per result Type, its validators and its tables.

`schemas/` is the only place that says what a Type looks like. A Type is found by its wire name or
one of its `x-aliases`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pyarrow as pa
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from transforms import paths
from transforms.errors import ConfigurationError
from transforms.layout import Schema, Table, compile_result, compile_table, read_type


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
        ConfigurationError: A schema is missing, not JSON, not a valid schema, or two of them claim
            the same Type or table.
    """
    folder = folder or paths.schemas_dir()
    files = sorted(folder.rglob("*.schema.json"))
    if not files:
        raise ConfigurationError(f"no *.schema.json in {folder}: point COGNITION_SCHEMAS at one")
    documents = {file: _read(file) for file in files}
    types: dict[str, Contract] = {}
    for file, document in documents.items():
        if file.parent.name == "results":
            contract = _contract(_inline(document, document, file, documents))
            for name in (contract.type, *contract.aliases):
                if types.setdefault(name, contract) is not contract:
                    raise ConfigurationError(f"{file}: Type {name} is claimed by another schema")
    system = {
        str(d["x-table"]): compile_table(_inline(d, d, f, documents))
        for f, d in documents.items()
        if f.parent.name == "tables"
    }
    reply = folder / "reply.schema.json"
    if reply not in documents:
        raise ConfigurationError(f"{reply} is missing: copy it from the shipped schemas")
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    envelope = _inline(documents[reply], documents[reply], reply, documents)
    contracts = Contracts(types, compile_gate(envelope), system, digest)
    _refuse_shared_tables(contracts)
    return contracts


def compile_gate(schema: Schema) -> Gate:
    """Returns the validators of a reference-free schema."""
    return Gate(
        schema=schema,
        accepts=jsonschema_rs.Draft202012Validator(schema),
        accepts_known=jsonschema_rs.Draft202012Validator(_closed(schema)),
        reference=Draft202012Validator(schema),
    )


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
        Draft202012Validator.check_schema(document)
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"{file} is not JSON: {error}") from None
    except SchemaError as error:
        raise ConfigurationError(f"{file} is not a JSON Schema: {error.message}") from None
    return document


def _inline(node: Any, base: Schema, file: Path, documents: Mapping[Path, Schema]) -> Any:  # noqa: ANN401 - a schema node is any JSON
    """Returns `node` with every `$ref` replaced by what it names; keys beside a `$ref` win."""
    if isinstance(node, list):
        return [_inline(item, base, file, documents) for item in node]
    if not isinstance(node, dict):
        return node
    rest = {k: _inline(v, base, file, documents) for k, v in node.items() if k != "$ref"}
    if "$ref" not in node:
        return rest
    place, _, pointer = str(node["$ref"]).partition("#")
    target = (file.parent / place).resolve() if place else file
    known = {path.resolve(): (path, document) for path, document in documents.items()}
    try:
        path, document = known[target.resolve()]
        found: Any = document
        for part in pointer.strip("/").split("/"):
            found = found[part]
    except KeyError:
        raise ConfigurationError(f"{file}: $ref {node['$ref']} names nothing") from None
    return {**_inline(found, document, path, documents), **rest}


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


def _refuse_shared_tables(contracts: Contracts) -> None:
    seen: set[str] = set()
    for table in _all_tables(contracts):
        if table.name in seen:
            raise ConfigurationError(f"two schemas claim the table {table.name}: rename one")
        seen.add(table.name)


def _all_tables(contracts: Contracts) -> Iterator[Table]:
    yield from contracts.system.values()
    for contract in contracts.distinct:
        yield from contract.tables


def _by_type(contract: Contract) -> str:
    return contract.type
