"""Rows of a query: a table or records for people, CSV and JSON for programs."""

from __future__ import annotations

import base64
import datetime as dt
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from transforms.cli.outcome import Outcome, write_json
from transforms.plain import escaped
from transforms.words import amount, number

if TYPE_CHECKING:
    from rich.console import Console

SHOWN_ROWS = 100
"""Rows shown to people unless `--limit` says otherwise."""
_CELL_CHARACTERS = 1000
_FOLD_CHARACTERS = 40
_GAP_CHARACTERS = 3
_EXACT_INTEGER = 2**63


def query_outcome(table: pa.Table, *, style: str, limit: int | None) -> Outcome:
    """Returns the outcome of `cognition query`.

    Args:
        table: Rows the query returned.
        style: `table`, `csv` or `json`.
        limit: Most rows to write, 0 for all; by default 100 as a table, else all.
    """
    most = (SHOWN_ROWS if style == "table" else 0) if limit is None else limit
    shown = table.slice(0, most) if most else table
    names = distinct_names(table.column_names)
    rows = _rows(shown)
    document = {
        "columns": [
            {"name": name, "type": str(field.type)}
            for name, field in zip(names, table.schema, strict=True)
        ],
        "row_count": table.num_rows,
        "rows": [dict(zip(names, map(json_value, row), strict=True)) for row in rows]
        if style == "json"
        else [],
    }
    if style == "json":
        return Outcome(document, lambda _: write_json(document))
    if style == "csv":
        return Outcome(document, lambda console: _write_csv(console, names, rows))
    return Outcome(document, lambda console: _write_table(console, names, rows, table.num_rows))


def distinct_names(names: Sequence[str]) -> list[str]:
    """Returns column names, those that come again numbered: `a, a` gives `a, a_2`."""
    found: list[str] = []
    for name in names:
        candidate, nth = name, 1
        while candidate in found:
            nth += 1
            candidate = f"{name}_{nth}"
        found.append(candidate)
    return found


def json_value(value: Any) -> Any:  # noqa: ANN401, PLR0911 - a cell holds any value; one way out per kind
    """Returns a cell as JSON has it.

    Decimals become numbers where that loses nothing, else text; times become ISO 8601; bytes
    become base64; NaN and infinity, which JSON lacks, become text.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Decimal):
        if value == value.to_integral_value() and abs(value) < _EXACT_INTEGER:
            return int(value)
        return float(value) if Decimal(repr(float(value))) == value else str(value)
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(item) for item in value]
    return value


def cell_text(value: Any) -> str:  # noqa: ANN401 - a cell holds any value
    """Returns a cell as text without marks: what CSV writes."""
    plain = json_value(value)
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, (dict, list)):
        return orjson.dumps(plain, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    return str(plain)


def _rows(table: pa.Table) -> list[tuple[Any, ...]]:
    columns = [_values(column) for column in table.columns]
    return list(zip(*columns, strict=True)) if columns else []


def _values(column: pa.ChunkedArray) -> list[Any]:
    if not _has_nanoseconds(column.type):
        with suppress(ValueError, OverflowError):  # a date before Christ: Python has none
            values: list[Any] = column.to_pylist()
            return values
    return [_value(scalar) for chunk in column.chunks for scalar in chunk]


def _has_nanoseconds(kind: pa.DataType) -> bool:
    """Tells of times that Python lacks; where pandas is installed, pyarrow gives pandas' own."""
    return "[ns" in str(kind)


def _value(scalar: pa.Scalar) -> Any:  # noqa: ANN401 - a cell holds any value
    """Returns a value of Arrow, as text where Python has no such value."""
    if not scalar.is_valid:
        return None
    if not _has_nanoseconds(scalar.type):
        with suppress(ValueError, OverflowError):
            return scalar.as_py()
    if isinstance(scalar, pa.StructScalar):
        return {name: _value(item) for name, item in scalar.items()}
    if isinstance(scalar, pa.MapScalar):
        return [(_value(pair["key"]), _value(pair["value"])) for pair in scalar.values]
    if isinstance(scalar, pa.ListScalar):
        return [_value(item) for item in scalar.values]
    return str(scalar.cast("string"))


def _write_csv(console: Console, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    console.file.write(_csv_line(names))
    for row in rows:
        console.file.write(_csv_line(row))


def _csv_line(row: Sequence[Any]) -> str:
    return ",".join(_csv_cell(value) for value in row) + "\r\n"


def _csv_cell(value: Any) -> str:  # noqa: ANN401 - a cell holds any value
    """Returns a cell for CSV: NULL is nothing at all, an empty string is `""`."""
    if value is None:
        return ""
    text = cell_text(value)
    if text == "" or any(mark in text for mark in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _write_table(
    console: Console, names: Sequence[str], rows: Sequence[Sequence[Any]], total: int
) -> None:
    cells = [[_cell(value) for value in row] for row in rows]
    if not names:
        pass  # a statement without an answer, such as SET
    elif _fits(console, names, cells):
        numeric = [_is_numeric(row[i] for row in rows) for i in range(len(names))]
        console.print(_grid(names, numeric, cells))
    else:
        for at, row in enumerate(cells):
            _write_record(console, at, names, row)
    more = f"; the first {number(len(rows))} shown, --limit 0 shows all" * (len(rows) < total)
    console.print(f"{amount(total, 'row')}{more}", soft_wrap=True)


def _grid(names: Sequence[str], numeric: Sequence[bool], cells: Sequence[Sequence[Text]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for name, right in zip(names, numeric, strict=True):
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in cells:
        table.add_row(*row)
    return table


def _write_record(console: Console, at: int, names: Sequence[str], row: Sequence[Text]) -> None:
    """Writes a row as a block of lines, one a column, for rows wider than the console."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", overflow="fold", max_width=console.width // 2)
    grid.add_column(overflow="fold")
    for name, value in zip(names, row, strict=True):
        grid.add_row(name, value)
    console.print(f"-- row {number(at + 1)}", style="dim")
    console.print(grid)


def _fits(console: Console, names: Sequence[str], cells: Sequence[Sequence[Text]]) -> bool:
    """Tells whether all columns fit side by side without cutting a name, an id or a number."""
    needed = 0
    for i, name in enumerate(names):
        words = (word for row in cells for word in row[i].plain.split())
        longest = max((cell_len(word) for word in words), default=0)
        needed += _GAP_CHARACTERS + max(cell_len(name), min(longest, _FOLD_CHARACTERS))
    return needed <= console.width + _GAP_CHARACTERS


def _cell(value: Any) -> Text:  # noqa: ANN401 - a cell holds any value
    """Returns a cell for people: NULL is dim; an empty text and the text NULL are quoted."""
    if value is None:
        return Text("NULL", style="dim italic")
    text = cell_text(value)
    if text in {"", "NULL"}:
        return Text(f"'{text}'")
    if len(text) > _CELL_CHARACTERS:
        text = f"{text[:_CELL_CHARACTERS]}... ({number(len(text))} characters)"
    return Text(escaped(text, keep="\n"))


def _is_numeric(values: Iterator[Any]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(
        isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) for value in known
    )
