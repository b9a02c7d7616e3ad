"""The CSV of the aliases, as people and spreadsheets write it: read strictly, written back whole.

A file may have a byte order mark, any line ends, quoted cells, blank lines, its columns in any
order and more of them than are read. What is not understood is an error that names file and line.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from transforms.errors import ConfigurationError
from transforms.plain import plain

_AS_UTF8 = "save it as CSV in UTF-8 (in Excel: CSV UTF-8)"
_ERRORS_SHOWN = 3


class AliasError(ConfigurationError):
    """A file of aliases cannot be used; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file: its cells as they stand, and the line it begins at, from 1."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a file holds.

    Attributes:
        path: The file, relative to the lake.
        columns: Columns that are read, in the order of `texts`.
        header: Its header as it stands.
        rows: Its rows; blank ones are left out.
        mark: Whether it begins with a byte order mark, by which Excel knows UTF-8.
        line_end: What its lines end with.
    """

    path: str
    columns: tuple[str, ...]
    header: tuple[str, ...]
    rows: tuple[Row, ...] = ()
    mark: bool = True
    line_end: str = "\r\n"

    @property
    def others(self) -> tuple[str, ...]:
        """Returns the names of the columns that are not read."""
        return tuple(name for name in map(str.strip, self.header) if name and not self._reads(name))

    def texts(self, row: Row) -> tuple[str, ...]:
        """Returns the cells of the columns that are read, without white space around them."""
        places = self._places()
        return tuple(row.cells[at].strip() if at < len(row.cells) else "" for at in places)

    def with_row(self, texts: Sequence[str], instead: Row | None) -> Sheet:
        """Returns the sheet with these texts in a row of their own, or in the place of another."""
        cells = list(instead.cells if instead else ())
        cells += [""] * (len(self.header) - len(cells))
        for at, text in zip(self._places(), texts, strict=True):
            cells[at] = text
        if instead:
            new = replace(instead, cells=tuple(cells))
            return replace(self, rows=tuple(new if row == instead else row for row in self.rows))
        line = self.rows[-1].line + 1 if self.rows else 2
        return replace(self, rows=(*self.rows, Row(line, tuple(cells))))

    def without(self, rows: Iterable[Row]) -> Sheet:
        """Returns the sheet without some rows."""
        gone = set(rows)
        return replace(self, rows=tuple(row for row in self.rows if row not in gone))

    def _places(self) -> tuple[int, ...]:
        names = [name.strip().casefold() for name in self.header]
        return tuple(names.index(column) for column in self.columns)

    def _reads(self, name: str) -> bool:
        return name.casefold() in self.columns


def parse_sheet(path: str, columns: tuple[str, ...], content: bytes) -> Sheet:
    """Returns what a file holds.

    Args:
        path: The file, for messages.
        columns: Columns it must have.
        content: Its bytes.

    Raises:
        AliasError: It is no CSV in UTF-8 with these columns; the message names the line.
    """
    text = _decode(path, content)
    header, *rows = list(_read(path, text)) or [Row(1, ())]
    _require_columns(path, columns, header)
    for row in rows:
        if any(cell.strip() for cell in row.cells[len(header.cells) :]):
            what = f"has {len(row.cells)} cells, the header {len(header.cells)}"
            raise error_at(path, row.line, f"{what}: put what holds a comma into double quotes")
    return Sheet(
        path=path,
        columns=columns,
        header=header.cells,
        rows=tuple(rows),
        mark=content.startswith(codecs.BOM_UTF8),
        line_end="\r\n" if "\r\n" in text else "\n",
    )


def encode_sheet(sheet: Sheet) -> bytes:
    """Returns the bytes of a file that holds a sheet."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=sheet.line_end)
    writer.writerow(sheet.header)
    writer.writerows(row.cells for row in sheet.rows)
    return (codecs.BOM_UTF8 if sheet.mark else b"") + text.getvalue().encode()


def error_at(path: str, line: int, what: str) -> AliasError:
    """Returns the error of one line."""
    return AliasError(f"{path}, line {line}: {what}; nothing was changed")


def errors_at(path: str, found: Sequence[tuple[int, str]]) -> AliasError:
    """Returns the error of several lines, the first of which it tells."""
    told = "; ".join(f"line {line}: {what}" for line, what in found[:_ERRORS_SHOWN])
    more = len(found) - _ERRORS_SHOWN
    rest = f"; and {more:,} more lines are wrong" if more > 0 else ""
    return AliasError(f"{path}, {told}{rest}; nothing was changed")


def _decode(path: str, content: bytes) -> str:
    bare = content.removeprefix(codecs.BOM_UTF8)
    try:
        text = bare.decode("utf-8")
    except UnicodeDecodeError as error:
        line = bare.count(b"\n", 0, error.start) + 1
        raise error_at(path, line, f"is not UTF-8, but GBK perhaps: {_AS_UTF8}") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise error_at(path, line, f"is not UTF-8, but UTF-16 perhaps: {_AS_UTF8}")
    return text


def _read(path: str, text: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield Row(line, tuple(cells))
            line = reader.line_num + 1
    except csv.Error:
        what = "a double quote is not closed, or stands in a quoted cell and is not doubled"
        raise error_at(path, line, f"{what}: correct it") from None


def _require_columns(path: str, columns: tuple[str, ...], header: Row) -> None:
    names = [cell.strip().casefold() for cell in header.cells]
    wanted = ",".join(columns)
    for column in columns:
        if names.count(column) > 1:
            raise error_at(path, header.line, f"two columns are named {column}: rename one")
    if missing := [column for column in columns if column not in names]:
        remedy = f"let it begin with {wanted}"
        if any(mark in cell for cell in header.cells for mark in ";\t"):
            remedy = "its cells must be parted by commas: save it as CSV with commas"
        shown = plain(",".join(header.cells))
        told = f"has {shown!r}" if shown else "is empty"
        raise error_at(path, header.line, f"{told} and no column {missing[0]}: {remedy}")
