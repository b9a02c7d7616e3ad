"""Which table belongs to which: relations follow from the keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from transforms.contract import Contracts
from transforms.layout import Column, Table
from transforms.warehouse.ddl import OWN_TABLES

RESULTS = "results"
SYSTEM = "Jobs and results"
OWN = "Only in DuckDB"


@dataclass(frozen=True, slots=True)
class Relation:
    """A parent and its child, by name.

    Attributes:
        parent: Table of the one row.
        child: Table of the rows that carry its key.
        sure: Whether each child has a parent.
        many: Whether a parent may have more than one child.
    """

    parent: str
    child: str
    sure: bool
    many: bool


def families(contracts: Contracts) -> dict[str, tuple[Table, ...]]:
    """Returns all tables of the warehouse by the heading they stand under."""
    types = {contract.type: contract.tables for contract in contracts.distinct}
    return {SYSTEM: tuple(contracts.system.values()), **types, OWN: OWN_TABLES}


def all_columns(table: Table) -> tuple[Column, ...]:
    """Returns the columns of a table in the order they are stored: keys first."""
    return (*table.keys, *table.columns)


def key_names(table: Table) -> list[str]:
    """Returns the names of the primary key's columns."""
    return [column.name for column in table.keys]


def relations(contracts: Contracts) -> Iterator[Relation]:
    """Yields every relation: a child carries its parent's key."""
    for table in contracts.system.values():
        yield from _of_system(table, contracts.system)
    for contract in contracts.distinct:
        yield Relation(RESULTS, contract.root.name, sure=True, many=False)
        for table in contract.tables:
            for child in table.children:
                yield Relation(table.name, child.name, sure=True, many=child.kind != "object")


def _of_system(table: Table, system: Mapping[str, Table]) -> Iterator[Relation]:
    """Yields the relations to the system tables whose whole key `table` has as columns."""
    columns = {column.name: column for column in all_columns(table)}
    hub = key_names(system[RESULTS])
    for parent in system.values():
        keys = key_names(parent)
        beside_hub = keys == hub and parent.name != RESULTS
        if parent is table or beside_hub or not set(keys) <= set(columns):
            continue
        sure = all(columns[key].required for key in keys)
        yield Relation(parent.name, table.name, sure=sure, many=keys != key_names(table))
