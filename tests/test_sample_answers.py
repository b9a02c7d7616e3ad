"""Queries say in their header what they answer on a small lake, as worked out by hand.

The lake is `tests/sample_lake/<table>.csv`: two shows, a talk, a job that failed and one the
service does not know. A face of show-2 is named by an alias, and both shows have a second result
of a Type, so that a query which goes round labels or timeline gives another answer. A header
has `-- Sample parameters: name = value, ...` if it has any `$name`, and `-- Sample answer:` with a
line of column names and a line a row, cells between bars.
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


def _extremes(connection: duckdb.DuckDBPyConnection, first: float, last: float) -> None:
    """Puts show-1 and talk-1 far outside of any video; show-2 stays as it is."""
    columns = connection.execute(
        "SELECT table_name, column_name FROM duckdb_columns() SEMI JOIN duckdb_tables() "
        "USING (table_name) WHERE data_type = 'DOUBLE' AND ends_with(column_name, '_seconds')"
    ).fetchall()
    values: dict[tuple[str, str], str] = {
        (table, column): str(first if column == "start_seconds" else last)
        for table, column in columns
    }
    low, high = str(-(2**31)), str(2**31 - 1)
    for side, corner in {"left": low, "top": low, "right": high, "bottom": high}.items():
        values["video_person_occurrences", f"box_{side}"] = corner
    for number in range(1, 5):  # from one end of the numbers to the other, box by box
        values["cpv_entity_tracks", f"bbox_{number}"] = f"if(track_index % 2 = 0, {low}, {high})"
    for (table, column), value in values.items():
        connection.execute(
            f"UPDATE {table} SET {column} = {value} WHERE job_id IN ('show-1', 'talk-1')"
        )


@pytest.fixture(scope="module", params=[(1e300, 1e300), (-1e300, 1e300), (0.0, 1e300)], ids=str)
def absurd(request: pytest.FixtureRequest) -> Iterator[duckdb.DuckDBPyConnection]:
    """The sample lake with two jobs whose times and boxes are as far out as their types go."""
    with empty_warehouse() as connection:
        fill(connection, LAKE)
        _extremes(connection, *request.param)
        yield connection


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_absurd_values_fail_no_query(absurd: duckdb.DuckDBPyConnection, path: Path) -> None:
    """One video with impossible times and boxes does not keep the others from being answered."""
    sql = path.read_text(encoding="utf-8")
    header = read_header(sql)
    shown = header["Sample answer"][0]
    assert _lines(absurd, sql, _parameters(header))[0] == re.sub(r" *\| ", " | ", shown.strip())


def test_beside_absurd_times_others_are_told(absurd: duckdb.DuckDBPyConnection) -> None:
    """The times of a sound video are told beside a video whose times are not."""
    for name, found in {
        "where_a_phrase_stands": "show-2 | 0:00:03 | subtitle | 我们在黄山 | NULL",
        "when_a_person_is_on_screen": "show-2 | 0:00:00 | 0:00:03 | 2.5 | 2 | 0.91",
        "busiest_minutes": "show-2 | 0 | 2 | 张伟, 未知人脸1 | 0.0",
    }.items():
        sql = next(p for p in QUERIES if p.stem == name).read_text(encoding="utf-8")
        assert found in _lines(absurd, sql, _parameters(read_header(sql)))


def test_there_are_thirty_queries() -> None:
    """Thirty questions are answered, at least."""
    assert len(QUERIES) >= 30
