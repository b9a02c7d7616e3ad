"""Queries say in their header what they answer on a small lake, as worked out by hand.

The lake is `tests/sample_lake/<table>.csv`: two shows, a talk, a job that failed and one the
service does not know. A header has `-- Sample parameters: name = value, ...` if it has any `$name`, and
`-- Sample answer:` with a line of column names and a line a row, cells between bars.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from sql_kit import empty_warehouse, fill

from transforms import paths
from transforms.warehouse.views import read_header

LAKE = Path(__file__).parent / "sample_lake"
QUERIES = sorted((paths.sql_dir() / "queries").glob("*.sql"))


@pytest.fixture(scope="module")
def sample() -> Iterator[duckdb.DuckDBPyConnection]:
    """The sample lake as a warehouse."""
    with empty_warehouse() as connection:
        fill(connection, LAKE)
        yield connection


def _parameters(header: dict[str, list[str]]) -> dict[str, str]:
    given = ", ".join(header.get("Sample parameters", []))
    return dict(re.findall(r"(\w+) = ([^,]+)", given))


def _lines(connection: duckdb.DuckDBPyConnection, sql: str, bound: dict[str, str]) -> list[str]:
    relation = connection.sql(sql, params=bound or None)
    names = list(relation.columns)
    texts = relation.project("COLUMNS(*)::VARCHAR").fetchall() if names else []
    return [" | ".join(names), *(" | ".join("NULL" if c is None else c for c in r) for r in texts)]


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_a_query_gives_its_sample_answer(sample: duckdb.DuckDBPyConnection, path: Path) -> None:
    """What a header shows is what the query answers on the sample lake, in that order."""
    sql = path.read_text(encoding="utf-8")
    header = read_header(sql)
    shown = [re.sub(r" *\| ", " | ", line.strip()) for line in header["Sample answer"]]
    assert _lines(sample, sql, _parameters(header)) == shown
    assert len(shown) > 1, "an answer without rows shows nothing"


def test_there_are_thirty_queries() -> None:
    """Thirty questions are answered, at least."""
    assert len(QUERIES) >= 30
