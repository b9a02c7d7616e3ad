"""The macros against an independent reckoning, and the ways they are called."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sql_kit import empty_warehouse
from warehouse_lake import commit, job, new_lake, speech

from transforms.contract import load_contracts
from transforms.warehouse import load_batches, query_published
from transforms.warehouse.checks import run_checks
from transforms.warehouse.publish import publish

# Milliseconds, as the service tells them; few, so that they meet.
MOMENTS = st.integers(0, 60)
SPAN = st.tuples(MOMENTS, MOMENTS).map(lambda ends: (min(ends), max(ends)))
PEOPLE = ("Ann", "Bo", "Cy", "张伟")
# Many videos at a time: a question about thirty takes no longer than about one.
VIDEOS = st.lists(
    st.lists(st.tuples(st.sampled_from(PEOPLE), SPAN), max_size=12), min_size=20, max_size=40
)
FEW = settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

Span = tuple[int, int]
Video = list[tuple[str, Span]]
Videos = dict[str, dict[str, list[Span]]]


@pytest.fixture(scope="module")
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse of four persons in forty videos, of whom nothing is seen yet."""
    with empty_warehouse() as connection:
        connection.execute(
            "INSERT INTO video_persons BY NAME SELECT 'job-' || v AS job_id, 0 AS result_index, "
            "n - 1 AS person_index, $people[n] AS name "
            "FROM range(1, 5) AS r (n), range(40) AS s (v)",
            {"people": list(PEOPLE)},
        )
        yield connection


def _fill(connection: duckdb.DuckDBPyConnection, videos: list[Video]) -> Videos:
    """Puts what is seen into the warehouse; returns it by video and person."""
    seen: Videos = {f"job-{v}": defaultdict(list) for v in range(len(videos))}
    rows = []
    for v, video in enumerate(videos):
        for n, (person, (start, end)) in enumerate(video):
            seen[f"job-{v}"][person].append((start, end))
            rows.append((v, PEOPLE.index(person), n, start / 1000, end / 1000))
    connection.execute("DELETE FROM video_person_occurrences")
    connection.execute(
        "INSERT INTO video_person_occurrences BY NAME SELECT 'job-' || row[1]::INTEGER AS job_id, "
        "0 AS result_index, row[2] AS person_index, row[3] AS occurrence_index, "
        "row[4] AS start_seconds, row[5] AS end_seconds FROM (SELECT unnest($rows) AS row)",
        {"rows": [list(map(float, row)) for row in rows]},
    )
    return seen


def _segments(spans: list[Span], gap: int) -> list[tuple[int, int, int]]:
    """Returns start, end and number of spans of each segment, by one look at each span."""
    out: list[tuple[int, int, int]] = []
    for start, end in sorted(spans):
        if out and start - out[-1][1] <= gap:
            first, last, count = out.pop()
            out.append((first, max(last, end), count + 1))
        else:
            out.append((start, end, 1))
    return out


def _together(one: list[Span], other: list[Span]) -> tuple[int, int, int] | None:
    """Returns time together, meetings and first start, by comparing each segment with each."""
    meetings = []
    for a, b, _ in _segments(one, 0):
        for c, d, _ in _segments(other, 0):
            start, end = max(a, c), min(b, d)
            if start < end or (start == end and (a == b or c == d)):
                meetings.append((start, end))
    if not meetings:
        return None
    return sum(end - start for start, end in meetings), len(meetings), min(meetings)[0]


@FEW
@given(videos=VIDEOS, gap=st.integers(0, 20))
def test_segments_are_those_of_a_sweep(
    warehouse: duckdb.DuckDBPyConnection, videos: list[Video], gap: int
) -> None:
    """Whatever is seen, however long the gap: segments are those a sweep over the spans finds."""
    expected = {
        (job_id, person, n, start / 1000, end / 1000, count)
        for job_id, seen in _fill(warehouse, videos).items()
        for person, spans in seen.items()
        for n, (start, end, count) in enumerate(_segments(spans, gap))
    }
    found = warehouse.execute(
        "SELECT job_id, label, segment_index, start_seconds, end_seconds, occurrences_count "
        "FROM appearances($gap)",
        {"gap": gap / 1000},
    ).fetchall()
    assert len(found) == len(set(found))
    assert set(found) == expected


@FEW
@given(videos=VIDEOS, least=st.integers(0, 20))
def test_time_together_is_that_of_a_sweep(
    warehouse: duckdb.DuckDBPyConnection, videos: list[Video], least: int
) -> None:
    """Time together, meetings and the first of them are what comparing all segments gives."""
    expected = sorted(
        (job_id, one, other, shared[0] / 1000, shared[1], shared[2] / 1000)
        for job_id, seen in _fill(warehouse, videos).items()
        for one, other in combinations(sorted(seen), 2)
        if (shared := _together(seen[one], seen[other])) and shared[0] >= least
    )
    found = warehouse.execute(
        "SELECT job_id, first_person, second_person, together_seconds, meetings_count, "
        "first_seconds FROM co_appearances($least)",
        {"least": least / 1000},
    ).fetchall()
    assert sorted(found) == expected


@FEW
@given(videos=VIDEOS, within=st.integers(0, 20))
def test_what_is_near_is_what_comparing_all_finds(
    warehouse: duckdb.DuckDBPyConnection, videos: list[Video], within: int
) -> None:
    """Two phrases are near in exactly the pairs of spans whose gap is short enough."""
    expected = sorted(
        (job_id, a / 1000, b / 1000, c / 1000, d / 1000, gap / 1000)
        for job_id, seen in _fill(warehouse, videos).items()
        for a, b in seen["Ann"]
        for c, d in seen["张伟"]
        if (gap := max(a - d, c - b, 0)) <= within
    )
    found = warehouse.execute(
        "SELECT job_id, a_start_seconds, a_end_seconds, b_start_seconds, b_end_seconds, "
        "gap_seconds FROM moments_near('ann', '张伟', $within)",
        {"within": within / 1000},
    ).fetchall()
    assert sorted(found) == expected


SENTENCES = (
    ("We", "don", "'t", "ship", "\uff26riday", "."),
    ("我们", "用", "AI", "做", "PPT"),
    ("cafe\u0301", "au", "lait", "?", "No", "!"),
    ("Москва", "2024", "年", "서울", "100", "%"),
    (" spaced ", "out", "two  spaces", "", None),
    ("。",),
)


def test_sentences_are_those_of_the_transcript(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Each sentence put together from words is found by its own text, by its start and its end."""
    rows = [
        {"p": n // 2, "s": n or None, "w": 100 * n + i, "text": text}
        for n, words in enumerate(SENTENCES)
        for i, text in enumerate(words)
    ]
    warehouse.execute("DELETE FROM nlp_words")
    warehouse.executemany(
        "INSERT INTO nlp_words BY NAME SELECT 'job-a' AS job_id, 0 AS result_index, "
        "$p AS paragraph_index, $s AS sentence_id, $w AS word_index, $w AS start_seconds, "
        "$w + 1 AS end_seconds, $text AS text",
        rows,
    )
    columns = "job_id, result_index, start_seconds, end_seconds, text"
    transcript = warehouse.execute(f"SELECT {columns} FROM transcript").fetchall()
    assert len(transcript) == len(SENTENCES)
    for sentence in transcript:
        for phrase in {sentence[-1], sentence[-1][:5], sentence[-1][-4:]}:
            found = f"SELECT {columns} FROM moments($phrase) WHERE table_name = 'nlp_paragraphs'"
            assert sentence in warehouse.execute(found, {"phrase": phrase}).fetchall(), phrase


def test_times_of_any_size_are_answered(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Ten days are a time; a mistaken one of thousands of years is none, and spoils no answer."""
    ten_days, mistake = 864_000_000, 10**20
    ann, bo, cy = (0, ten_days), (5, 10), (mistake, mistake)
    _fill(warehouse, [[("Ann", ann), ("Bo", bo), ("Cy", cy), ("张伟", (7, mistake))]])
    together = warehouse.execute("FROM co_appearances(0)").fetchall()
    assert ("job-0", "Ann", "Bo", "person", "person", 0.005, 1, 0.005) in together
    near = "SELECT gap_seconds FROM moments_near('bo', $other, 1e300)"
    assert warehouse.execute(near, {"other": "cy"}).fetchall() == []
    assert warehouse.execute(near, {"other": "张伟"}).fetchall() == [(0.0,)]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published warehouse with a few sentences."""
    folder = tmp_path_factory.mktemp("macros")
    rows = speech("job-a", (0.0, 2.0, "One tea"), (3.0, 4.0, "100% coffee"), index=0)
    commit(new_lake(folder), "b1", {"jobs": [job("job-a", results=1)], **rows})
    load_batches(new_lake(folder), load_contracts(), folder / "warehouse")
    assert not run_checks(load_contracts(), folder / "warehouse").failed
    publish(folder / "warehouse")
    return folder / "warehouse"


@pytest.mark.parametrize(
    ("call", "parameters", "rows"),
    [
        ("moments($phrase)", {"phrase": "100% Coffee"}, 1),
        ("moments(pattern := $phrase)", {"phrase": "' OR TRUE --"}, 0),
        ("moments('tea')", {}, 1),
        ("moments_near($a, $b, $within)", {"a": "tea", "b": "coffee", "within": 1}, 1),
        ("moments_near('tea', $b, within_seconds := 0.5)", {"b": "coffee"}, 0),
        ("moments_near('tea', 'coffee')", {}, 1),
        ("appearances()", {}, 0),
        ("appearances($gap)", {"gap": 2}, 0),
        ("appearances(gap_seconds := 2)", {}, 0),
        ("co_appearances()", {}, 0),
        ("co_appearances(min_seconds := $least)", {"least": 1.5}, 0),
        ("track($entity)", {"entity": "Bus"}, 0),
        ("track(entity := 'Bus')", {}, 0),
    ],
)
def test_a_published_warehouse_answers_calls(
    published: Path, call: str, parameters: dict[str, Any], rows: int
) -> None:
    """Macros take literals and bound values, by place and by name, in the sealed warehouse."""
    assert query_published(published, f"FROM {call}", parameters).num_rows == rows
