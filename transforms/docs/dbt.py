"""dbt's `sources.yml`: the published warehouse, its marts, and the Parquet lake as sources.

Texts are written as JSON strings, which YAML reads as they are; so nothing has to be escaped twice
and no YAML library is needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from transforms.contract import Contracts
from transforms.docs.catalog import View
from transforms.docs.relations import all_columns, key_names
from transforms.layout import Column, Table
from transforms.warehouse.ddl import (
    OWN_TABLES,
    column_comment,
    comment,
    duckdb_type,
    table_comment,
)

_DATABASE = "{{ var('cognition_database', 'cognition') }}"
_LAKE = (
    "read_parquet('{{ env_var('COGNITION_LAKE', 'lake') }}/tables/{name}/*/*.parquet', "
    "hive_partitioning = true)"
)


def sources(contracts: Contracts, views: Sequence[View]) -> str:
    """Returns the file: three sources, with descriptions, types and tests of the keys."""
    tables = (*contracts.tables.values(), *OWN_TABLES)
    marts = [view for view in views if view.kind != "macro"]
    lines = ["version: 2", "sources:"]
    lines += _source("cognition", "Tables of the published warehouse.")
    lines += [line for table in tables for line in _table(table)]
    lines += _source("cognition_marts", "Marts and system views of the published warehouse.")
    lines += [line for view in marts for line in _mart(view)]
    lines += ["  - name: cognition_lake"]
    lines += [_text(4, "description", "Tables of the lake: Parquet, with the month they came in.")]
    lines += ["    config:", "      meta:", _text(8, "external_location", _LAKE), "    tables:"]
    for table in contracts.tables.values():
        lines += [f"      - name: {table.name}", _text(8, "description", table_comment(table))]
    return "\n".join(lines) + "\n"


def _source(name: str, description: str) -> Iterator[str]:
    yield f"  - name: {name}"
    yield _text(4, "description", description)
    yield _text(4, "database", _DATABASE)
    yield "    schema: main"
    yield "    tables:"


def _table(table: Table) -> Iterator[str]:
    """Yields a table of the warehouse, which has no columns that are private altogether."""
    yield f"      - name: {table.name}"
    yield _text(8, "description", table_comment(table))
    yield "        columns:"
    keys = key_names(table)
    for column in all_columns(table):
        if column.private != "all":
            yield from _column(column, keys)


def _column(column: Column, keys: list[str]) -> Iterator[str]:
    yield f"          - name: {column.name}"
    yield _text(12, "description", column_comment(column))
    yield f"            data_type: {duckdb_type(column.type).lower()}"
    tests = [] if column.name not in keys else ["not_null", *(["unique"] if len(keys) == 1 else [])]
    if tests:
        yield f"            data_tests: [{', '.join(tests)}]"


def _mart(view: View) -> Iterator[str]:
    yield f"      - name: {view.name}"
    yield _text(8, "description", comment(f"{view.question} {view.grain}", view.warning))
    yield "        columns:"
    for field in view.columns:
        yield f"          - name: {field.name}"
        told = comment(field.description, field.warning, field.example, field.unit)
        yield _text(12, "description", told)
        yield f"            data_type: {json.dumps(field.type.lower())}"


def _text(indent: int, key: str, text: str) -> str:
    return f"{' ' * indent}{key}: {json.dumps(text, ensure_ascii=False)}"
