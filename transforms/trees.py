"""Lays recursive parts of a document out as rows: one a node, numbered from the top down.

A tree of any width becomes one array of nodes with the number of the node above. A node that was
set aside keeps its number and those below it theirs: numbers do not depend on what is valid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from transforms.compile import DEPTH, PARENT, SIBLING
from transforms.findings import Path
from transforms.json_text import value_along
from transforms.layout import Table

MAX_TREE_DEPTH = 32
"""Levels a tree may have; the service states 4. A deeper node is set aside with all below it."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree in a document: the object and key that hold it, its table, and its path."""

    holder: Row
    key: str
    table: Table
    path: Path

    @property
    def nodes(self) -> list[Any]:
        """Returns the nodes at the top; none where the value is no array."""
        found = self.holder[self.key]
        return found if isinstance(found, list) else []


@dataclass(frozen=True, slots=True)
class Node:
    """One node: its value, the number of the node above, its level, and its place beside others."""

    value: Any
    parent: int | None
    depth: int
    at: int


@dataclass(frozen=True, slots=True)
class Numbered:
    """A tree with its nodes in the order of their numbers, as they were before any was cut."""

    tree: Tree
    nodes: tuple[Node, ...]

    def path_of(self, number: int) -> Path:
        """Returns the path of a node in the document."""
        way: list[str | int] = []
        above: int | None = number
        while above is not None:
            node = self.nodes[above]
            way += [node.at, self.tree.table.tree_key]
            above = node.parent
        return (*self.tree.path, *way[-2::-1])


def has_trees(table: Table) -> bool:
    """Tells whether a table or one below it is made of trees."""
    return any(each.kind == "tree" for each in table.walk())


def find_trees(table: Table, row: Any, path: Path = ()) -> Iterator[Tree]:  # noqa: ANN401 - any JSON
    """Yields the trees in a row of `table` and in what lies below it."""
    for child in table.children:
        if not has_trees(child):
            continue
        *way, key = child.path
        holder = value_along(row, way)
        if not isinstance(holder, dict) or holder.get(key) is None:
            continue
        place = (*path, *child.path)
        if child.kind == "tree":
            yield Tree(holder, key, child, place)
        elif child.kind == "object":
            yield from find_trees(child, holder[key], place)
        elif isinstance(holder[key], list):
            for position, element in enumerate(holder[key]):
                yield from find_trees(child, element, (*place, position))


def number_nodes(tree: Tree) -> Numbered:
    """Returns the nodes of a tree from the top down, each before those below it."""
    nodes: list[Node] = []
    waiting = [Node(node, None, 0, at) for at, node in enumerate(tree.nodes)][::-1]
    while waiting:
        node = waiting.pop()
        number = len(nodes)
        nodes.append(node)
        below = _below(node.value, tree.table.tree_key)
        waiting += [Node(inner, number, node.depth + 1, at) for at, inner in enumerate(below)][::-1]
    return Numbered(tree, tuple(nodes))


def too_deep(numbered: Numbered) -> Iterator[Path]:
    """Yields the paths of the topmost nodes that lie deeper than a tree may be."""
    for number, node in enumerate(numbered.nodes):
        if node.depth == MAX_TREE_DEPTH:
            yield numbered.path_of(number)


def lay_out(numbered: Numbered) -> None:
    """Puts the rows of the tree in its place; nodes cut out of it meanwhile are null."""
    tree, key = numbered.tree, numbered.tree.table.tree_key
    if not isinstance(tree.holder.get(tree.key), list):
        return
    rows: list[Row | None] = []
    beside: list[list[Any]] = []  # the nodes below each, as they are now
    for node in numbered.nodes:
        siblings = tree.nodes if node.parent is None else beside[node.parent]
        value = siblings[node.at] if siblings else None
        if not isinstance(value, dict):
            rows.append(None)
            beside.append([])
            continue
        below = value.get(key)
        place = {PARENT: node.parent, DEPTH: node.depth, SIBLING: node.at}
        count = len(below) if isinstance(below, list) else None
        rows.append({k: v for k, v in value.items() if k != key} | {key: count} | place)
        beside.append(_below(value, key))
    tree.holder[tree.key] = rows


def _below(node: Any, key: str) -> list[Any]:  # noqa: ANN401 - any JSON
    below = node.get(key) if isinstance(node, dict) else None
    return below if isinstance(below, list) else []
