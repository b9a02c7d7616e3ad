"""The ER diagram as a picture: a panel for each family of tables, a box a table, keys only.

Relations are trees (a table has one nearest parent), so a layout needs no solver: what lies deeper
is further right, and a parent stands in the middle of its children. The same schemas give the same
bytes, which `--check` compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

from transforms.contract import Contracts
from transforms.docs.relations import (
    OWN,
    RESULTS,
    SYSTEM,
    Relation,
    all_columns,
    families,
    key_names,
    relations,
)
from transforms.layout import Table

COLUMNS = 2
"""Panels beside each other."""
_CHARACTER = 6.7  # width of one of 11 px in the monospaced fonts below, measured in a browser
_HEAD, _ROW, _PAD = 22, 15, 8
_GAP_X, _GAP_Y = 46, 14
_MARGIN, _TITLE = 16, 34
_STYLE = """\
text { font: 11px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #1f2933; }
.title { font: bold 15px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; }
.name { font-weight: bold; fill: #ffffff; }
.key { fill: #52606d; }
.own { font-weight: bold; }
.panel { fill: #f5f7fa; stroke: #cbd2d9; }
.box { fill: #ffffff; stroke: #7b8794; }
.head { fill: #334e68; }
.elsewhere { fill: #829ab1; }
.line { fill: none; stroke: #486581; stroke-width: 1.2; }
.loose { stroke-dasharray: 3 3; }
.end { fill: #f5f7fa; stroke: #486581; stroke-width: 1.2; }"""
_LEGEND = (
    "PK: part of the primary key, FK: key of the parent. A foot with a ring: none or many rows. "
    "A bar with a ring: none or one. Two bars: exactly one; of a dashed line, none or one."
)


@dataclass(frozen=True, slots=True)
class _Box:
    """A table as it is drawn; `x` and `y` are its top left corner inside its panel."""

    name: str
    rows: tuple[tuple[str, str], ...]
    x: float = 0
    y: float = 0
    elsewhere: bool = False

    @property
    def width(self) -> float:
        """Returns the width its longest line needs."""
        longest = max([len(self.name), *(len(name) + len(mark) + 2 for name, mark in self.rows)])
        return round(longest * _CHARACTER + 2 * _PAD, 1)

    @property
    def height(self) -> float:
        """Returns the height of its lines."""
        return _HEAD + _ROW * len(self.rows) + (4 if self.rows else 0)

    @property
    def middle(self) -> float:
        """Returns where its relations begin and end."""
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class _Panel:
    """A family: its boxes, and the relations among them."""

    title: str
    boxes: Mapping[str, _Box]
    drawn: tuple[Relation, ...]

    @property
    def width(self) -> float:
        """Returns the width with its margins."""
        return max(box.x + box.width for box in self.boxes.values()) + 2 * _MARGIN

    @property
    def height(self) -> float:
        """Returns the height with title and margins."""
        return max(box.y + box.height for box in self.boxes.values()) + _TITLE + _MARGIN


def draw(contracts: Contracts) -> str:
    """Returns the picture of all tables as SVG."""
    known = list(relations(contracts))
    panels = [_panel(title, tables, known) for title, tables in families(contracts).items()]
    columns = _in_columns(panels)
    widths = [max(panel.width for panel in column) for column in columns]
    width = sum(widths) + _MARGIN * (len(columns) + 1)
    height = max(_height(column) for column in columns) + _MARGIN + _ROW
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        "<title>All tables by family, with their keys and relations</title>",
        f"<style>\n{_STYLE}\n</style>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    left: float = _MARGIN
    for column, wide in zip(columns, widths, strict=True):
        top: float = _MARGIN
        for panel in column:
            parts += [f'<g transform="translate({left:.0f} {top:.0f})">', *_draw_panel(panel, wide)]
            parts += ["</g>"]
            top += panel.height + _MARGIN
        left += wide + _MARGIN
    parts += [f'<text x="{_MARGIN}" y="{height - 10:.0f}">{_LEGEND}</text>', "</svg>"]
    return "\n".join(parts) + "\n"


def _in_columns(panels: Sequence[_Panel]) -> list[list[_Panel]]:
    """Returns the panels in columns of about the same height, the largest placed first."""
    columns: list[list[_Panel]] = [[] for _ in range(COLUMNS)]
    for panel in sorted(panels, key=lambda panel: -panel.height):
        min(columns, key=_height).append(panel)
    order = {panel.title: place for place, panel in enumerate(panels)}
    ordered = (sorted(column, key=lambda panel: order[panel.title]) for column in columns)
    return sorted(ordered, key=lambda column: order[column[0].title])


def _height(column: Sequence[_Panel]) -> float:
    return sum(panel.height + _MARGIN for panel in column) + _MARGIN


def _panel(title: str, tables: Sequence[Table], known: Sequence[Relation]) -> _Panel:
    """Returns the panel of a family; a Type's begins at `results`, which is drawn elsewhere."""
    inside = [table.name for table in tables]
    drawn = _nearest([each for each in known if each.child in inside])
    above = {each.child: each.parent for each in drawn}
    boxes = {t.name: _Box(t.name, _rows(t, above.get(t.name), tables)) for t in tables}
    if title not in {SYSTEM, OWN}:
        boxes = {RESULTS: _Box(RESULTS, (), elsewhere=True), **boxes}
    return _Panel(title, _laid_out(boxes, drawn), tuple(drawn))


def _nearest(found: Sequence[Relation]) -> list[Relation]:
    """Returns one relation a child: to the parent that is itself a child of the others."""
    parents = {each.child: [r.parent for r in found if r.child == each.child] for each in found}
    return [
        each
        for each in found
        if not any(each.parent in parents.get(other, []) for other in parents[each.child])
    ]


def _rows(table: Table, parent: str | None, tables: Sequence[Table]) -> tuple[tuple[str, str], ...]:
    """Returns the key columns and, of others, those that lead to the parent."""
    keys = key_names(table)
    outer = next((key_names(t) for t in tables if t.name == parent), [])
    if parent == RESULTS and not outer:
        outer = ["job_id", "result_index"]
    marks = {
        column.name: " ".join(
            mark for mark, of in (("PK", keys), ("FK", outer)) if column.name in of
        )
        for column in all_columns(table)
    }
    return tuple((name, mark) for name, mark in marks.items() if mark)


def _laid_out(boxes: Mapping[str, _Box], drawn: Sequence[Relation]) -> dict[str, _Box]:
    """Returns the boxes with their places: depth gives x, the children's middle gives y."""
    below: dict[str, list[str]] = {name: [] for name in boxes}
    for each in drawn:
        below[each.parent].append(each.child)
    roots = [name for name in boxes if name not in {each.child for each in drawn}]
    levels: list[list[str]] = [roots]
    while following := [child for name in levels[-1] for child in below[name]]:
        levels.append(following)
    lefts = [0.0]
    for level in levels:
        lefts.append(lefts[-1] + max(boxes[name].width for name in level) + _GAP_X)
    placed: dict[str, _Box] = {}
    bottom = 0.0
    for root in roots:
        bottom = _place(root, boxes, below, placed, bottom)
    depths = {name: depth for depth, level in enumerate(levels) for name in level}
    return {name: replace(placed[name], x=lefts[depths[name]]) for name in boxes}


def _place(
    name: str,
    boxes: Mapping[str, _Box],
    below: Mapping[str, Sequence[str]],
    placed: dict[str, _Box],
    top: float,
) -> float:
    """Places a box and those below it from `top` on; returns where the next may begin."""
    box, bottom = boxes[name], top
    for child in below[name]:
        bottom = _place(child, boxes, below, placed, bottom)
    children = [placed[child].middle for child in below[name]]
    middle = (children[0] + children[-1]) / 2 if children else top + box.height / 2
    placed[name] = replace(box, y=max(top, middle - box.height / 2))
    return max(bottom, placed[name].y + box.height + _GAP_Y)


def _draw_panel(panel: _Panel, width: float) -> Iterator[str]:
    yield f'<rect class="panel" width="{width:.0f}" height="{panel.height:.0f}" rx="6"/>'
    yield f'<text class="title" x="{_MARGIN}" y="22">{escape(panel.title)}</text>'
    yield f'<g transform="translate({_MARGIN} {_TITLE})">'
    for each in panel.drawn:
        yield from _draw_relation(panel.boxes[each.parent], panel.boxes[each.child], each)
    for box in panel.boxes.values():
        yield from _draw_box(box)
    yield "</g>"


def _draw_box(box: _Box) -> Iterator[str]:
    kind = "head elsewhere" if box.elsewhere else "head"
    yield f'<g transform="translate({box.x:.1f} {box.y:.1f})">'
    yield f'<rect class="box" width="{box.width}" height="{box.height}" rx="3"/>'
    yield f'<rect class="{kind}" width="{box.width}" height="{_HEAD}" rx="3"/>'
    yield f'<text class="name" x="{_PAD}" y="15">{escape(box.name)}</text>'
    for place, (name, mark) in enumerate(box.rows):
        y = _HEAD + _ROW * place + 13
        own = ' class="own"' if mark == "PK" else ""
        yield f'<text{own} x="{_PAD}" y="{y}">{escape(name)}</text>'
        yield f'<text class="key" x="{box.width - _PAD}" y="{y}" text-anchor="end">{mark}</text>'
    yield "</g>"


def _draw_relation(parent: _Box, child: _Box, relation: Relation) -> Iterator[str]:
    """Yields the line from a parent to its child, with the signs of how many at both ends.

    The lines of all children leave a parent as one, so what may have no parent is dashed.
    """
    left, right = parent.x + parent.width, child.x
    bend, y = right - _GAP_X / 2, child.middle
    loose = "" if relation.sure else " loose"
    way = f"M{left:.1f} {parent.middle:.1f}H{bend:.1f}V{y:.1f}H{right:.1f}"
    yield f'<path class="line{loose}" d="{way}"/>'
    for x in (left + 5, left + 9):
        yield _bar(x, parent.middle)
    if relation.many:
        yield f'<path class="line" d="M{right:.1f} {y - 5:.1f}l-8 5l8 5"/>'
    else:
        yield _bar(right - 5, y)
    yield f'<circle class="end" cx="{right - 12:.1f}" cy="{y:.1f}" r="3.5"/>'


def _bar(x: float, y: float) -> str:
    return f'<path class="line" d="M{x:.1f} {y - 5:.1f}v10"/>'
