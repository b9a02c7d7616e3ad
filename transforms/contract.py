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
from transforms.compile import (
    EXACT,
    compile_result,
    compile_table,
    is_number,
    kind_of,
    read_type,
)
from transforms.errors import ConfigurationError
from transforms.forms import Shape, compile_shape
from transforms.json_text import to_pointer
from transforms.layout import Schema, Table
from transforms.overlay import overlay_files, refuse_incompatible, schema_files

T = TypeVar("T")
SYSTEM_TABLES = frozenset(
    {
        "jobs",
        "results",
        "subtitle_lines",
        "quarantine",
        "unmapped_fields",
        "source_forms",
        "unknown_results",
        "usages",
        "path_counts",
        "batches",
    }
)
"""Tables of our own that the code fills by name."""
RESERVED_TABLES = frozenset(
    {
        "check_failures",
        "cognition_meta",
        "dictionary",
        "drift",
        "face_aliases",
        "macros",
        "tag_aliases",
    }
)
"""Tables and views that the warehouse makes itself; no schema may claim their names."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The validators of one schema.

    Attributes:
        schema: The schema; of references it has only those of trees, see `follow`.
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
    shape: Shape | None

    @property
    def tables(self) -> tuple[Table, ...]:
        """Returns the tables of this Type, parents first."""
        return tuple(self.root.walk())

    @property
    def may_be_text(self) -> bool:
        """Tells whether Data may be a text that is no JSON."""
        bare = self.shape.bare if self.shape is not None else None
        return bare is not None and kind_of(self.gate.schema["properties"][bare]) == "string"


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


def load_contracts(overlay: Path | None = None, *, base: Path | None = None) -> Contracts:
    """Loads, checks and compiles the schemas.

    Args:
        overlay: Folder whose files stand in for those of the same relative path in `base`, or are
            added to them.
        base: Folder with a whole set of schemas; default: the shipped one.

    Raises:
        ConfigurationError: A schema is missing, not JSON, not a valid schema, lacks an annotation,
            or two of them claim the same Type, table or column; or the overlay has none, or takes
            away what rows of the base have.
    """
    base = Path(os.path.normpath(base or paths.schemas_dir()))
    return _load_once(base, Path(os.path.normpath(overlay)) if overlay is not None else None)


@cache
def _load_once(base: Path, overlay: Path | None) -> Contracts:
    files = schema_files(base)
    if overlay is None:
        return _load(files, base)
    contracts = _load(files | overlay_files(overlay), base, overlay)
    refuse_incompatible(overlay, _load_once(base, None), contracts)
    return contracts


def _load(files: Mapping[str, Path], *folders: Path) -> Contracts:
    """Returns the contracts of a set of schema files.

    Args:
        files: The file to take for each relative path.
        folders: Where references may lead; from any of them they lead to the file taken.
    """
    read = {name: _read(file) for name, file in files.items()}
    documents = {folder / name: read[name] for name in files for folder in folders}
    types: dict[str, Contract] = {}
    results, tables = (
        [files[name] for name in sorted(files) if files[name].parent.name == kind]
        for kind in ("results", "tables")
    )
    for file in results:
        contract = _compile(_contract, file, documents)
        for name in (contract.type, *contract.aliases):
            if types.setdefault(name, contract) is not contract:
                raise ConfigurationError(f"{file}: Type {name} is claimed by another schema")
    system = [_compile(compile_table, file, documents) for file in tables]
    if "reply.schema.json" not in files:
        raise ConfigurationError(
            f"{folders[0]}/reply.schema.json is missing: copy it from the shipped schemas"
        )
    gate = _compile(compile_gate, files["reply.schema.json"], documents)
    contracts = Contracts(types, gate, {table.name: table for table in system}, _digest(files))
    if missing := SYSTEM_TABLES - contracts.system.keys():
        raise ConfigurationError(
            f"{folders[0]}/tables has no schema of {', '.join(sorted(missing))}: "
            "copy it from the shipped schemas"
        )
    _refuse_shared_names([*system, *(t for c in contracts.distinct for t in c.tables)])
    return contracts


def _digest(files: Mapping[str, Path]) -> str:
    parts = (f"{name}\n".encode() + file.read_bytes() for name, file in sorted(files.items()))
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
        return compiled(_Inliner(documents).inline_file(file))
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {error}") from None
    except KeyError as error:
        raise ConfigurationError(f"{file}: {error} is missing") from None


def _contract(schema: Schema) -> Contract:
    return Contract(
        type=schema["x-type"],
        aliases=tuple(schema["x-aliases"]),
        version=schema["x-version"],
        gate=compile_gate(schema),
        root=compile_result(schema),
        read_schema=pa.schema(list(read_type(schema))),
        shape=compile_shape(schema),
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


def follow(node: Schema, root: Schema) -> Schema:
    """Returns what a node of an inlined schema stands for: a tree's own node is a reference."""
    if "$ref" not in node:
        return node
    name = str(node["$ref"]).removeprefix("#/$defs/")
    return {**root["$defs"][name], **{key: value for key, value in node.items() if key != "$ref"}}


class _Inliner:
    """Replaces every `$ref` by what it names; keys beside a `$ref` win.

    A part that holds itself stays a reference where it does, to `$defs` of the root.
    """

    def __init__(self, documents: Mapping[Path, Schema]) -> None:
        self._documents = documents
        self._trees: dict[str, Schema] = {}
        self._looped: set[tuple[Path, str]] = set()

    def inline_file(self, file: Path) -> Schema:
        """Returns the schema of a file."""
        document = {k: v for k, v in self._documents[file].items() if k != "$defs"}
        schema: Schema = self._inline(document, file, ())
        return schema | ({"$defs": self._trees} if self._trees else {})

    def _inline(self, node: Any, file: Path, trail: tuple[tuple[Path, str], ...]) -> Any:  # noqa: ANN401 - a schema node is any JSON
        if isinstance(node, list):
            return [self._inline(item, file, trail) for item in node]
        if not isinstance(node, dict):
            return node
        rest = {k: self._inline(v, file, trail) for k, v in node.items() if k != "$ref"}
        if "$ref" not in node:
            return rest
        place, _, pointer = str(node["$ref"]).partition("#")
        path = Path(os.path.normpath(file.parent / place)) if place else file
        found, target = self._find(path, pointer, node, file), (path, pointer)
        name = pointer.rsplit("/", 1)[-1]
        if target in trail:
            if "x-tree" not in found:
                raise ConfigurationError(f"$ref {node['$ref']} leads back to itself")
            self._looped.add(target)
            return {"$ref": f"#/$defs/{name}", **rest}
        made = self._inline(found, path, (*trail, target))
        if target in self._looped:
            self._trees[name] = made
        return {**made, **rest}

    def _find(self, path: Path, pointer: str, node: Schema, file: Path) -> Schema:
        try:
            found: Any = self._documents[path]
            for part in filter(None, pointer.split("/")):
                found = found[part]
        except (KeyError, TypeError):
            raise ConfigurationError(f"$ref {node['$ref']} in {file.name} names nothing") from None
        return dict(found)


def _closed(node: Any) -> Any:  # noqa: ANN401 - a schema node is any JSON
    """Returns the schema with all forbidden that asks for a second look.

    That is unknown keys in objects that list theirs, and numbers a double may not hold exactly.
    """
    if isinstance(node, list):
        return [_closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    closed = {key: _closed(value) for key, value in node.items()}
    if isinstance(node.get("properties"), dict) and "type" in node:
        closed["additionalProperties"] = False
    if is_number(node):
        closed = {"minimum": -EXACT, "maximum": EXACT} | closed
    return closed


def _refuse_shared_names(tables: Iterable[Table]) -> None:
    tables = list(tables)
    if name := _first_twice(table.name for table in tables):
        raise ConfigurationError(f"two schemas claim the table {name}: rename one")
    if taken := sorted(RESERVED_TABLES & {table.name for table in tables}):
        raise ConfigurationError(
            f"the warehouse makes {taken[0]} itself: give the schema another x-table"
        )
    for table in tables:
        if name := _first_twice(column.name for column in (*table.keys, *table.columns)):
            raise ConfigurationError(f"{table.name} has two columns {name}: give one an x-column")


def _first_twice(names: Iterable[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _by_type(contract: Contract) -> str:
    return contract.type
