"""The schemas' history: what each version of a Type accepted and which tables it gave.

`python -m transforms.history` records the versions of today in `schemas/history/`; with `--check`
it writes nothing and fails when a schema changed without its version raised, when a change is no
addition, or when a recorded version was edited or removed. A history starts at version 1: a schema
of a later one has lost its history.

A schema has changed when what decides acceptance or rows has: titles, descriptions, comments,
examples, warnings and `x-expect` may change under one version. The tables of our own
(`schemas/tables/`) have no version in their files: the recorder counts theirs.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from transforms import paths
from transforms.compatibility import from_document, incompatible_changes, layouts_of, to_document
from transforms.contract import Contracts, load_contracts
from transforms.errors import ConfigurationError
from transforms.overlay import SUFFIX

SYSTEM = "system"
"""Name of the history of our own tables."""
WORDS_ONLY = frozenset(
    {
        "$comment",
        "$id",
        "$schema",
        "deprecated",
        "description",
        "examples",
        "title",
        "x-descriptions",
        "x-expect",
        "x-grain",
        "x-version",
        "x-warning",
    }
)
"""Keywords that decide neither what is accepted nor what the rows are."""
_NAMED = frozenset({"$defs", "dependentSchemas", "patternProperties", "properties"})
"""Keywords whose keys are names of the source, not keywords."""
_LITERAL = frozenset({"const", "default", "enum"})

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Current:
    """A schema as it is now.

    Attributes:
        name: Name of its history.
        label: What messages call it.
        version: Its version; None where the recorder counts.
        sha256: Digest of what decides acceptance and rows.
        tables: Layouts of its tables, as plain JSON.
    """

    name: str
    label: str
    version: int | None
    sha256: str
    tables: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comparing a schema with its history gave: nothing, an entry to record, or a problem."""

    entry: Entry | None = None
    problem: str | None = None


def normalised(schema: Any) -> Any:  # noqa: ANN401 - a schema node is any JSON
    """Returns a schema without the words that decide neither acceptance nor rows."""
    if isinstance(schema, list):
        return [normalised(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _value(key, value) for key, value in schema.items() if key not in WORDS_ONLY}


def current_schemas(folder: Path) -> list[Current]:
    """Returns the schemas of a folder with what is recorded of them.

    Raises:
        ConfigurationError: They do not load.
    """
    contracts = load_contracts(base=folder)
    return [*_types(contracts, _stems(folder)), _system(contracts)]


def judge(schema: Current, recorded: Sequence[Entry]) -> Verdict:
    """Compares a schema with its recorded versions, oldest first.

    The versions are 1, 2, 3 and so on; each entry carries a seal over itself and those before it.
    """
    if not _is_sealed(recorded):
        return _wrong(schema, "a recorded version was edited or removed: restore its history file")
    last = len(recorded)
    same = last > 0 and recorded[-1]["sha256"] == schema.sha256
    version = last + (not same) if schema.version is None else schema.version
    if problem := _version_problem(version, last, same=same):
        return _wrong(schema, problem)
    if version == last:
        return Verdict()
    old = from_document(recorded[-1]["tables"]) if recorded else {}
    if changes := incompatible_changes(old, from_document(schema.tables)):
        remedy = "keep what is there and add a new column or table beside it"
        return _wrong(schema, f"version {version} takes away: {'; '.join(changes)}: {remedy}")
    entry = {"version": version, "sha256": schema.sha256, "tables": schema.tables}
    seal = _seal(recorded[-1]["seal"] if recorded else "", entry)
    return Verdict(entry=entry | {"seal": seal})


def main(arguments: Sequence[str] | None = None) -> int:
    """Records the versions of today, or checks them; returns the exit code.

    Args:
        arguments: Words after the program's name; default `sys.argv[1:]`.
    """
    description = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m transforms.history", description=description)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    parser.add_argument("--schemas", type=Path, default=paths.schemas_dir(), help="the schemas")
    parser.add_argument("--into", type=Path, help="folder of the histories; SCHEMAS/history")
    given = parser.parse_args(arguments)
    problems = list(_follow(given.schemas, given.into or given.schemas / "history", given.check))
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


def _follow(folder: Path, histories: Path, check: bool) -> Iterator[str]:  # noqa: FBT001 - private
    """Yields the problems; records what has none, unless only checking."""
    try:
        schemas = current_schemas(folder)
    except ConfigurationError as error:
        yield str(error)
        return
    for schema in schemas:
        file = histories / f"{schema.name}.json"
        recorded = _read(file)
        if recorded is None:
            yield f"{file} is no history: restore it"
            continue
        verdict = judge(schema, recorded)
        if verdict.problem is not None:
            yield verdict.problem
        elif verdict.entry is not None and check:
            version = verdict.entry["version"]
            yield f"{schema.label}: version {version} is not recorded: {_RECORD}"
        elif verdict.entry is not None:
            _write(file, [*recorded, verdict.entry])
    names = {schema.name for schema in schemas}
    for file in sorted(histories.glob("*.json")):
        if file.stem not in names:
            yield f"{file}: its schema is gone, and with it the tables: restore the schema"


_RECORD = "run python -m transforms.history"


def _types(contracts: Contracts, stems: Mapping[str, str]) -> Iterator[Current]:
    for contract in contracts.distinct:
        tables = to_document(layouts_of(contract.tables))
        digest = _digest(normalised(contract.gate.schema))
        yield Current(stems[contract.type], contract.type, contract.version, digest, tables)


def _system(contracts: Contracts) -> Current:
    tables = to_document(layouts_of(contracts.system.values()))
    return Current(SYSTEM, "schemas/tables", None, _digest(tables), tables)


def _stems(folder: Path) -> dict[str, str]:
    """Returns the name of the schema file of each Type."""
    files = (folder / "results").glob(f"*{SUFFIX}")
    return {orjson.loads(f.read_bytes())["x-type"]: f.name.removesuffix(SUFFIX) for f in files}


def _value(key: str, value: Any) -> Any:  # noqa: ANN401 - any JSON
    if key in _LITERAL:
        return value
    if key in _NAMED and isinstance(value, dict):
        return {name: normalised(node) for name, node in value.items()}
    return normalised(value)


def _wrong(schema: Current, problem: str) -> Verdict:
    return Verdict(problem=f"{schema.label}: {problem}, then {_RECORD}")


def _version_problem(version: int, last: int, *, same: bool) -> str | None:
    if version < last:
        return f"x-version went back from {last} to {version}: raise it again"
    if last == 0 and version > 1:
        return f"it has no history, and x-version is {version}: restore its history file"
    if version > last + 1:
        return f"x-version leaps from {last} to {version}: make it {last + 1}"
    if version == last and not same:
        return f"it changed while x-version is {last} as before: raise it to {last + 1}"
    return None


def _is_sealed(recorded: Sequence[Entry]) -> bool:
    seal = ""
    for version, entry in enumerate(recorded, start=1):
        bare = {key: value for key, value in entry.items() if key != "seal"}
        seal = _seal(seal, bare)
        if entry.get("version") != version or entry.get("seal") != seal:
            return False
    return True


def _seal(before: str, entry: Entry) -> str:
    return _digest([before, entry])


def _digest(document: object) -> str:
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _read(file: Path) -> list[Entry] | None:
    """Returns the recorded versions: none without a file, None where it is no history."""
    if not file.exists():
        return []
    try:
        versions = orjson.loads(file.read_bytes())["versions"]
        return [dict(entry) for entry in versions]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


def _write(file: Path, versions: Sequence[Entry]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    file.write_bytes(orjson.dumps({"versions": versions}, option=options))


if __name__ == "__main__":
    sys.exit(main())
