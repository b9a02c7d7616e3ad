"""The page `erd.md`: the picture, and Mermaid diagrams with every column."""

from __future__ import annotations

from collections.abc import Sequence

from transforms.contract import Contracts
from transforms.docs.relations import OWN, Relation, all_columns, families, key_names, relations
from transforms.layout import Table
from transforms.warehouse.ddl import duckdb_type

PICTURE = "images/erd.svg"
_INTRO = """\
Relations follow from the keys: a child carries its parent's key and one position of its own, so a
join is `USING` that key. Every root table of a Type has at most one row per row of `results`. The
picture shows keys alone; the diagrams below have every column."""


def er_diagram(contracts: Contracts) -> str:
    """Returns the page: the picture, then a diagram of each family of tables."""
    known = list(relations(contracts))
    parts = ["# Tables and their relations", _INTRO]
    parts += [f"![All tables by family, with their keys and relations]({PICTURE})"]
    for family, tables in families(contracts).items():
        if family != OWN:
            parts += [f"## {family}", _diagram(tables, known)]
    return "\n\n".join(parts) + "\n"


def _diagram(tables: Sequence[Table], known: Sequence[Relation]) -> str:
    """Returns one diagram of some tables, with the relations that end in them."""
    inside = {table.name for table in tables}
    lines = ["```mermaid", "erDiagram"]
    lines += [
        f"    {each.parent} {_cardinality(each)} {each.child} : has"
        for each in known
        if each.child in inside
    ]
    for table in tables:
        keys = key_names(table)
        columns = [
            f"        {duckdb_type(c.type)} {c.name}{' PK' if c.name in keys else ''}"
            for c in all_columns(table)
        ]
        lines += [f"    {table.name} {{", *columns, "    }"]
    return "\n".join([*lines, "```"])


def _cardinality(relation: Relation) -> str:
    """Returns the line between two tables as Mermaid writes it."""
    return f"{'||' if relation.sure else '|o'}--{'o{' if relation.many else 'o|'}"
