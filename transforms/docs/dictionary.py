"""The page `data-dictionary.md`: every mart, macro, table and column, for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from transforms.compile import DEPTH, PARENT, SIBLING
from transforms.contract import Contract, Contracts
from transforms.docs.catalog import Field, View
from transforms.docs.relations import OWN, SYSTEM, all_columns, families
from transforms.layout import Column, Table
from transforms.warehouse.ddl import OWN_TABLES, duckdb_type

_HEADINGS = {"mart": "Marts", "macro": "Table macros", "system view": "System views"}
_PRIVATE = {
    "": "",
    "all": "In the lake only.",
    "links": "In the warehouse, links in it end where their query begins.",
}
_INTRO = """\
Every mart, macro and table of the warehouse, and every Parquet table of the lake. The words are
those of `COMMENT ON` in DuckDB and of the field metadata in Parquet; in SQL, `FROM dictionary` and
`FROM macros` show the same. [naming.md](naming.md) has the rules behind the names,
[erd.md](erd.md) the relations, [dbt/sources.yml](dbt/sources.yml) the same for dbt.

- Begin with the marts: they treat unnamed faces, overlaps, missing ends and scores of -1 the same
  way everywhere. The tables are what the service sent, cell by cell.
- Keys come first and together are the primary key of a table. Positions count from 0, in source
  order.
- NULL means absent or null in the source. A `*_count` is the length of the array in the source:
  NULL when the array is absent, 0 when it is empty; rows in `quarantine` are counted, too.
- Times in a video are seconds from its start, of the type DOUBLE. Times of our own are UTC.
- Sources are paths into the result's `Data`. Examples are those of the vendor's page where it has
  one."""
_HEAD = "| column | type | unit | description | example |\n|---|---|---|---|---|"
_SOURCE_HEAD = (
    "| column | type | unit | source | description | example |\n|---|---|---|---|---|---|"
)
_PARAMETER_HEAD = "| parameter | unit | description | example |\n|---|---|---|---|"


def data_dictionary(contracts: Contracts, views: Sequence[View] = ()) -> str:
    """Returns the page that describes every mart, macro, table and column."""
    parts = ["# Data dictionary", _INTRO, "## Contents", *_contents(contracts, views)]
    for kind, heading in _HEADINGS.items():
        if kind != "system view":
            parts += _view_sections(heading, [view for view in views if view.kind == kind])
    parts += [f"## {SYSTEM}", *(_table_section(t, {}) for t in contracts.system.values())]
    for contract in contracts.distinct:
        parts += [f"## {contract.type}", _type_facts(contract)]
        paths = dict(_row_paths(contract.root, "$"))
        parts += [_table_section(table, paths) for table in contract.tables]
    parts += [f"## {OWN}", *(_table_section(table, {}) for table in OWN_TABLES)]
    system = [view for view in views if view.kind == "system view"]
    parts += _view_sections(_HEADINGS["system view"], system)
    return "\n\n".join(parts) + "\n"


def _contents(contracts: Contracts, views: Sequence[View]) -> Iterator[str]:
    rows = [
        f"| {_HEADINGS[kind]} | {_link(view.name)} | {_cell(view.question)} |"
        for kind in _HEADINGS
        for view in views
        if view.kind == kind
    ]
    if rows:
        yield "\n".join(["| kind | name | question |", "|---|---|---|", *rows])
    rows = [
        f"| {family} | {_link(table.name)} | {_cell(table.description)} |"
        for family, tables in families(contracts).items()
        for table in tables
    ]
    yield "\n".join(["| tables of | name | grain |", "|---|---|---|", *rows])


def _view_sections(heading: str, views: Sequence[View]) -> list[str]:
    return [f"## {heading}", *map(_view_section, views)] if views else []


def _view_section(view: View) -> str:
    """Returns heading, question, grain, parameters and columns of a mart, view or macro."""
    reads = ", ".join(map(_link, view.reads)) or "DuckDB's catalog"
    parts = [f"### {view.name}", f"**{_cell(view.question)}**", f"{view.grain} Reads {reads}."]
    parts += _warning(view.warning)
    if view.kind == "macro":
        call = ", ".join(parameter.name for parameter in view.parameters)
        parts += [f"`FROM {view.name}({call})`"]
        rows = [f"| `{p.name}` | {_known(p)} |" for p in view.parameters]
        parts += ["\n".join([_PARAMETER_HEAD, *rows])] if rows else []
    rows = [f"| `{c.name}` | {c.type} | {_known(c)} |" for c in view.columns]
    parts += ["\n".join([_HEAD, *rows])]
    return "\n\n".join(parts)


def _known(field: Field) -> str:
    """Returns the cells of unit, description with warning, and example."""
    told = _cell(_told(field.description, field.warning))
    return f"{field.unit} | {told} | {_cell(f'`{field.example}`') if field.example else ''}"


def _type_facts(contract: Contract) -> str:
    schema = contract.gate.schema
    names = ", ".join(f"`{name}`" for name in contract.aliases)
    also = f" Also sent as {names}." if names else ""
    about = f"{schema['title']}: {schema['description']}"
    return f"{about} Schema version {contract.version}.{also}"


def _table_section(table: Table, paths: Mapping[str, str]) -> str:
    """Returns a table's heading, grain, key and columns; `paths` is empty for system tables."""
    keys = ", ".join(f"`{column.name}`" for column in table.keys)
    facts = f"{table.description} Key: {keys}." if keys else table.description
    facts += f" Source: `{paths[table.name]}`." if paths else ""
    rows = [_column_row(column, paths.get(table.name)) for column in all_columns(table)]
    head = _SOURCE_HEAD if paths else _HEAD
    parts = [f"### {table.name}", facts, *_warning(table.warning), "\n".join([head, *rows])]
    return "\n\n".join(parts)


def _column_row(column: Column, row_path: str | None) -> str:
    cells = [f"`{column.name}`", duckdb_type(column.type), column.unit or ""]
    cells += [] if row_path is None else [_source(column, row_path)]
    told = _told(" ".join(filter(None, (column.description, _PRIVATE[column.private]))), "")
    cells += [_cell(_told(told, column.warning)), _cell(_examples(column))]
    return f"| {' | '.join(cells)} |"


def _warning(text: str) -> list[str]:
    return [f"> **Warning:** {text}"] if text else []


def _told(description: str, warning: str) -> str:
    return f"{description} **Warning:** {warning}" if warning else description


def _examples(column: Column) -> str:
    """Returns the examples as they are in JSON, texts without their quotes."""
    shown = (e if isinstance(e, str) and e else json.dumps(e) for e in column.examples)
    return ", ".join(f"`{example}`" for example in shown)


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


def _link(name: str) -> str:
    return f"[{name}](#{name})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
