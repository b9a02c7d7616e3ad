"""The data dictionary and the ER diagram, generated from the schemas.

`python -m transforms.docs` writes them; with `--check` it writes nothing and fails when a page is
not what the schemas say.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from transforms.compile import DEPTH, PARENT, SIBLING
from transforms.contract import Contract, Contracts, load_contracts
from transforms.layout import Column, Table
from transforms.warehouse.ddl import OWN_TABLES, duckdb_type

GENERATED = "<!-- Generated from schemas/ by `python -m transforms.docs`: do not edit. -->"
RESULTS = "results"
SYSTEM = "Jobs and results"
_PRIVATE = {
    "": "",
    "all": "In the lake only.",
    "links": "In the warehouse, links in it end where their query begins.",
}
_INTRO = """\
Every table of the lake and the warehouse, by result Type. Column names, types, units and
descriptions are those of the Parquet files and of `COMMENT ON` in DuckDB; the view `dictionary`
shows the same in SQL. [naming.md](naming.md) has the rules behind the names, [erd.md](erd.md) the
relations.

- Keys come first and together are the primary key. Positions count from 0, in source order.
- NULL means absent or null in the source. A `*_count` is the length of the array in the source:
  NULL when the array is absent, 0 when it is empty.
- Sources are paths into the result's `Data`. Times of our own are UTC."""


def data_dictionary(contracts: Contracts) -> str:
    """Returns the page that describes every table and column."""
    parts = [GENERATED, "# Data dictionary", _INTRO, "## Tables", *_contents(contracts)]
    parts += [f"## {SYSTEM}", *(_table_section(t, {}) for t in contracts.system.values())]
    for contract in contracts.distinct:
        parts += [f"## {contract.type}", _type_facts(contract)]
        paths = dict(_row_paths(contract.root, "$"))
        parts += [_table_section(table, paths) for table in contract.tables]
    parts += ["## Only in DuckDB", *(_table_section(table, {}) for table in OWN_TABLES)]
    return "\n\n".join(parts) + "\n"


def er_diagram(contracts: Contracts) -> str:
    """Returns the page of Mermaid diagrams: all relations, then the tables of each Type."""
    relations = list(_relations(contracts))
    intro = (
        "Relations follow from the keys: a child carries its parent's key and one position of its "
        "own. Every root table of a Type has at most one row per row of `results`."
    )
    parts = [GENERATED, "# Tables and their relations", intro]
    parts += [f"## {SYSTEM}", _diagram(tuple(contracts.system.values()), relations)]
    for contract in contracts.distinct:
        parts += [f"## {contract.type}", _diagram(contract.tables, relations)]
    return "\n\n".join(parts) + "\n"


def pages(contracts: Contracts) -> dict[str, str]:
    """Returns every generated page by file name."""
    return {"data-dictionary.md": data_dictionary(contracts), "erd.md": er_diagram(contracts)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the pages, or checks them; returns the exit code.

    Args:
        arguments: Words after the program's name; default `sys.argv[1:]`.
    """
    parser = argparse.ArgumentParser(prog="python -m transforms.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    parser.add_argument("--into", type=Path, default=Path("docs"), help="folder of the pages")
    given = parser.parse_args(arguments)
    stale = 0
    for name, page in pages(load_contracts()).items():
        stale += _check(given.into / name, page) if given.check else _write(given.into / name, page)
    return 1 if stale else 0


def _write(path: Path, page: str) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return 0


def _check(path: Path, page: str) -> int:
    """Returns 1 and tells the first differences when a file is not the page."""
    held = path.read_text(encoding="utf-8") if path.is_file() else ""
    if held == page:
        return 0
    lines = difflib.unified_diff(held.splitlines(), page.splitlines(), str(path), "schemas", n=0)
    shown = "\n".join([*lines][:12])
    sys.stderr.write(f"{path} is out of date: run python -m transforms.docs\n{shown}\n")
    return 1


def _contents(contracts: Contracts) -> Iterator[str]:
    families = {SYSTEM: tuple(contracts.system.values())}
    families |= {contract.type: contract.tables for contract in contracts.distinct}
    rows = [
        f"| {family} | [{table.name}](#{table.name}) | {_cell(table.description)} |"
        for family, tables in families.items()
        for table in tables
    ]
    yield "\n".join(["| of | table | grain |", "|---|---|---|", *rows])


def _type_facts(contract: Contract) -> str:
    schema = contract.gate.schema
    aliases = ", ".join(f"`{alias}`" for alias in contract.aliases)
    also = f" Also sent as {aliases}." if aliases else ""
    return f"{schema['title']}: {schema['description']} Schema version {contract.version}.{also}"


def _table_section(table: Table, paths: Mapping[str, str]) -> str:
    """Returns a table's heading, grain, key and columns; `paths` is empty for system tables."""
    keys = ", ".join(f"`{column.name}`" for column in table.keys)
    facts = f"{table.description} Key: {keys}." if keys else table.description
    if not paths:
        head = "| column | type | unit | description |\n|---|---|---|---|"
        rows = [f"| {_column_cells(c)} | {_cell(_told(c))} |" for c in _columns(table)]
        return "\n".join([f"### {table.name}", "", facts, "", head, *rows])
    facts += f" Source: `{paths[table.name]}`."
    head = "| column | type | unit | source | description |\n|---|---|---|---|---|"
    rows = [
        f"| {_column_cells(c)} | {_source(c, paths[table.name])} | {_cell(_told(c))} |"
        for c in _columns(table)
    ]
    return "\n".join([f"### {table.name}", "", facts, "", head, *rows])


def _key_names(table: Table) -> list[str]:
    return [column.name for column in table.keys]


def _columns(table: Table) -> tuple[Column, ...]:
    return (*table.keys, *table.columns)


def _column_cells(column: Column) -> str:
    return f"`{column.name}` | {duckdb_type(column.type)} | {column.unit or ''}"


def _told(column: Column) -> str:
    """Returns a column's description, and what of it the warehouse does not have."""
    return " ".join(filter(None, (column.description, _PRIVATE[column.private])))


def _source(column: Column, row_path: str) -> str:
    """Returns where a column's value comes from, as a path into Data."""
    if column.kind == "key":
        return "key"
    if column.path and column.path[0] in {PARENT, DEPTH, SIBLING}:
        return "place in the tree"
    path = ".".join((row_path, *column.path))
    if column.kind in {"count", "tree"}:
        return f"length of `{path}`"
    if column.json_key is not None:
        return f"`{path}`, in its JSON text `{column.json_key}`"
    return f"`{path}`" if column.item is None else f"`{path}[{column.item}]`"


def _row_paths(table: Table, path: str) -> Iterator[tuple[str, str]]:
    """Yields the path of every table's rows, from the root down."""
    yield table.name, path
    steps = {"object": "", "split": ", a part of it", "array": "[*]", "tree": "[*]"}
    for child in table.children:
        yield from _row_paths(child, ".".join((path, *child.path)) + steps[child.kind])


def _relations(contracts: Contracts) -> Iterator[tuple[str, str, str]]:
    """Yields parent, Mermaid cardinality and child of every relation."""
    for table in contracts.system.values():
        yield from _system_relations(table, contracts.system)
    for contract in contracts.distinct:
        yield RESULTS, "||--o|", contract.root.name
        for table in contract.tables:
            for child in table.children:
                many = "||--o|" if child.kind == "object" else "||--o{"
                yield table.name, many, child.name


def _system_relations(table: Table, system: Mapping[str, Table]) -> Iterator[tuple[str, str, str]]:
    """Yields the system tables whose whole key is among the columns of `table`."""
    names = {column.name: column for column in _columns(table)}
    hub = _key_names(system[RESULTS])
    for parent in system.values():
        keys = _key_names(parent)
        beside_hub = keys == hub and parent.name != RESULTS
        if parent is table or beside_hub or not set(keys) <= set(names):
            continue
        same_key = keys == _key_names(table)
        sure = all(names[key].required for key in keys)
        many = "o|" if same_key else "o{"
        yield parent.name, f"{'||' if sure else '|o'}--{many}", table.name


def _diagram(tables: Sequence[Table], relations: Sequence[tuple[str, str, str]]) -> str:
    """Returns one diagram of some tables, with the relations that end in them."""
    inside = {table.name for table in tables}
    lines = ["```mermaid", "erDiagram"]
    for parent, cardinality, child in relations:
        if child in inside:
            lines.append(f"    {parent} {cardinality} {child} : has")
    for table in tables:
        lines.append(f"    {table.name} {{")
        keys = _key_names(table)
        lines += [
            f"        {duckdb_type(c.type)} {c.name}{' PK' if c.name in keys else ''}"
            for c in _columns(table)
        ]
        lines.append("    }")
    return "\n".join([*lines, "```"])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
