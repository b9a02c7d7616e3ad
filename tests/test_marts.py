"""Screen times against a union of intervals that is worked out in another way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sql_kit import empty_warehouse

# Quarters of a second: binary fractions hold them exactly, and a short video has all of them.
QUARTERS = 4
LENGTH = 24

Person = tuple[str, str]
Span = tuple[int, int]


@dataclass(frozen=True)
class Occurrence:
    """A row of `video_person_occurrences`, its times in quarters of a second."""

    job_id: str
    result_index: int
    name: str
    start: int | None
    end: int | None
    at: int | None

    def span(self) -> Span | None:
        """Returns from when to when it counts; None if it has no time."""
        start = self.at if self.start is None else self.start
        end = self.at if self.end is None else self.end
        if start is None:
            return None
        return start, start if end is None or end < start else end


_times = st.none() | st.integers(0, LENGTH)
_occurrences = st.lists(
    st.builds(
        Occurrence,
        job_id=st.sampled_from("ab"),
        result_index=st.integers(0, 1),
        name=st.sampled_from(["张伟", "Li Na"]),
        start=_times,
        end=_times,
        at=_times,
    ),
    max_size=16,
)


@pytest.fixture(scope="module")
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty warehouse."""
    with empty_warehouse() as connection:
        yield connection


def _insert(connection: duckdb.DuckDBPyConnection, occurrences: list[Occurrence]) -> None:
    """Inserts each occurrence as one of a person of its own, listed for it alone."""
    people = [(o.job_id, o.result_index, n, o.name) for n, o in enumerate(occurrences)]
    spans = [
        (o.job_id, o.result_index, n, *(t if t is None else t / QUARTERS for t in times))
        for n, o in enumerate(occurrences)
        for times in [(o.start, o.end, o.at)]
    ]
    connection.executemany(
        "INSERT INTO video_persons (job_id, result_index, person_index, name) VALUES (?, ?, ?, ?)",
        people,
    )
    connection.executemany(
        "INSERT INTO video_person_occurrences (job_id, result_index, person_index, "
        "occurrence_index, start_seconds, end_seconds, at_seconds) VALUES (?, ?, ?, 0, ?, ?, ?)",
        spans,
    )


def _stretches(spans: list[Span]) -> int:
    """Returns how many groups of spans touch each other, directly or through others."""
    groups: list[list[Span]] = []
    for start, end in spans:
        near = [g for g in groups if any(s <= end and start <= e for s, e in g)]
        groups = [g for g in groups if g not in near]
        groups.append([(start, end), *(span for group in near for span in group)])
    return len(groups)


def _expected(spans: list[Span]) -> tuple[int, int, float, float | None, float | None]:
    covered = {quarter for start, end in spans for quarter in range(start, end)}
    first = min((start for start, _ in spans), default=None)
    last = max((end for _, end in spans), default=None)
    return (
        len(spans),
        _stretches(spans),
        len(covered) / QUARTERS,
        None if first is None else first / QUARTERS,
        None if last is None else last / QUARTERS,
    )


@settings(max_examples=20, deadline=None)
@given(occurrences=_occurrences)
def test_screen_time_is_a_union_of_intervals(
    warehouse: duckdb.DuckDBPyConnection, occurrences: list[Occurrence]
) -> None:
    """However spans lie, each moment of a person in a video counts once, and each gap parts."""
    spans: dict[Person, list[Span]] = {}
    for occurrence in occurrences:
        found = spans.setdefault((occurrence.job_id, occurrence.name), [])
        if (span := occurrence.span()) is not None:
            found.append(span)
    warehouse.execute("BEGIN")
    try:
        if occurrences:
            _insert(warehouse, occurrences)
        rows = warehouse.execute(
            "SELECT job_id, person, occurrences_count, appearances_count, on_screen_seconds, "
            "first_seconds, last_seconds FROM person_screen_time"
        ).fetchall()
    finally:
        warehouse.execute("ROLLBACK")
    assert {row[:2]: row[2:] for row in rows} == {
        person: _expected(found) for person, found in spans.items()
    }
    assert len(rows) == len(spans)
