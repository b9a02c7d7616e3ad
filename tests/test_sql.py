"""The SQL files: each query answers its question on rows whose answer was worked out by hand."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sql_kit import empty_warehouse
from warehouse_lake import Row, Rows, commit, job, merge, new_lake, result, speech

from transforms import paths
from transforms.contract import load_contracts
from transforms.warehouse import load_batches, query_published
from transforms.warehouse.checks import run_checks
from transforms.warehouse.ddl import OWN_TABLES
from transforms.warehouse.publish import publish
from transforms.warehouse.views import read_header, read_views

QUERIES = paths.sql_dir() / "queries"
UTC = datetime(2024, 5, 6, 7, 8, 9)  # noqa: DTZ001 - the warehouse keeps UTC without a zone

Person = tuple[str, str, list[tuple[float, float]]]


def _video(job_id: str, persons: list[Person], tags: list[tuple[str, str]], lost: int = 0) -> Rows:
    """Returns a VideoLabel result; `lost` of its persons are in quarantine."""
    keys = {"job_id": job_id, "result_index": 0}
    people: list[Row] = []
    spans: list[Row] = []
    for n, (name, category, seen) in enumerate(persons):
        person = {**keys, "person_index": n}
        people.append(
            {**person, "name": name, "category": category, "occurrences_count": len(seen)}
        )
        spans += [
            {**person, "occurrence_index": i, "start_seconds": a, "end_seconds": b}
            for i, (a, b) in enumerate(seen)
        ]
    tagged = [
        {**keys, "tag_index": n, "main_tag_name": main, "sub_tag_name": sub}
        for n, (main, sub) in enumerate(tags)
    ]
    state = {"state": "partly_loaded" if lost else "loaded", "quarantined_count": lost}
    rows = 1 + len(people) + len(spans) + len(tagged)
    counts = {"persons_count": len(people) + lost, "tags_count": len(tagged)}
    return {
        "results": [result(job_id, 0, "VideoLabel", rows, **state)],
        "video_results": [{**keys, **counts}],
        "video_persons": people,
        "video_person_occurrences": spans,
        "video_tags": tagged,
    }


def _entities(job_id: str, *entities: Row) -> Rows:
    """Returns a CPVLabel result, second of its job."""
    keys = {"job_id": job_id, "result_index": 1}
    return {
        "results": [result(job_id, 1, "CPVLabel", 1 + len(entities))],
        "cpv_results": [{**keys, "entities_count": len(entities)}],
        "cpv_entities": [{**keys, "entity_index": n, **e} for n, e in enumerate(entities)],
    }


def _frames(job_id: str, *frames: tuple[float, str]) -> Rows:
    """Returns an OCR result, fourth of its job, with one text a frame."""
    keys = {"job_id": job_id, "result_index": 3}
    numbered = [{**keys, "frame_index": n} for n in range(len(frames))]
    return {
        "results": [result(job_id, 3, "OCR", 1 + 2 * len(frames))],
        "ocr_results": [{**keys, "frames_count": len(frames)}],
        "ocr_frames": [
            {**k, "at_seconds": at, "texts_count": 1}
            for k, (at, _) in zip(numbered, frames, strict=True)
        ],
        "ocr_texts": [
            {**k, "text_index": 0, "content": text}
            for k, (_, text) in zip(numbered, frames, strict=True)
        ],
    }


def _part(job_id: str, index: int, result_index: int, **other: object) -> Row:
    base = {"job_id": job_id, "quarantine_index": index, "result_index": result_index}
    return {**base, "message": "m", "errors_count": 1, **other}


def _gala() -> Rows:
    """Two videos of a gala, a job that failed and one the service does not know."""
    broken = {"type": "VideoLabel", "scope": "row", "table_name": "video_persons"}
    broken |= {"reason": "contract", "keyword": "type"}
    return merge(
        {
            "jobs": [
                job("job-a", results=4),
                job("job-b", results=3),
                job("job-c", results=None, state="failed", reason="no such file"),
                job(
                    "job-d",
                    results=None,
                    state="rejected",
                    error_code="JobNotFound",
                    reason="JobNotFound: gone",
                ),
            ]
        },
        _video(
            "job-a",
            [
                ("张伟", "celebrity", [(0.0, 10.0), (5.0, 12.0), (20.0, 25.0)]),
                ("未知人脸1", "unknown", [(0.0, 4.0)]),
                ("张伟", "celebrity", [(11.0, 13.0)]),
            ],
            [("Logo", "CCTV-1"), ("Object", "Piano")],
            lost=2,
        ),
        _video(
            "job-b",
            [
                ("张伟", "celebrity", [(0.0, 2.5)]),
                ("未知人脸1", "unknown", [(10.0, 16.0)]),
                ("Li Na", "celebrity", [(100.0, 130.0), (110.0, 120.0), (9.0, 8.0)]),
            ],
            [("台标", "CCTV-1"), ("地标", "黄山")],
        ),
        _entities(
            "job-a",
            {
                "label_level1": "Location",
                "label_level2": "Landmark",
                "label": "Huangguoshu Waterfall",
                "knowledge_name": "黄果树瀑布",
                "knowledge_address": "贵州",
            },
        ),
        _entities(
            "job-b",
            {"label_level1": "Object", "label": "Shoe", "knowledge_brand_name": "Nike"},
            {"label_level1": "Object", "label": "Chair"},
            {"label_level2": "Landmark", "label": ""},
        ),
        speech(
            "job-a",
            (3.0, 5.0, "欢迎来到黄山"),
            (62.5, 64.0, "Welcome to Huangshan Mountain"),
            (3661.9, 3663.0, "黄山再见"),
            (9000.0, 9001.0, "黄山"),
            index=2,
        ),
        _frames(
            "job-a",
            (4.0, "安徽黄山"),
            (12.0, "黄山风景区"),
            (70.0, "HUANGSHAN"),
            (3655.0, "再见黄山"),
        ),
        {
            "results": [
                result("job-b", 2, "ASR", 0, state="quarantined", quarantined_count=1),
            ],
            "quarantine": [
                _part("job-a", 0, 0, **broken, pointer="/persons/3/ratio"),
                _part("job-a", 1, 0, **broken, pointer="/persons/17/ratio"),
                _part("job-b", 0, 2, type="ASR", scope="result", reason="not_json", pointer=""),
            ],
        },
    )


@pytest.fixture(scope="module")
def gala(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published warehouse of the gala."""
    folder = tmp_path_factory.mktemp("gala")
    commit(new_lake(folder), "b1", _gala())
    contracts = load_contracts()
    load_batches(new_lake(folder), contracts, folder / "warehouse")
    report = run_checks(contracts, folder / "warehouse")
    # Backward spans are looked for in the queries, so that one is in the data.
    assert [r.name for r in report.failed] == ["times:video_person_occurrences"]
    publish(folder / "warehouse")
    return folder / "warehouse"


def _answer(gala: Path, name: str, **parameters: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 - any parameter
    sql = (QUERIES / f"{name}.sql").read_text(encoding="utf-8")
    return [tuple(row.values()) for row in query_published(gala, sql, parameters).to_pylist()]


def test_who_is_on_screen_longest(gala: Path) -> None:
    """Overlaps count once, a person listed twice is one, unknown faces stay with their video."""
    # 张伟: [0,13] and [20,25] in job-a, 2.5 s in job-b; Li Na: [100,130], the inner span adds none,
    # and the backward one is a moment at 9.
    assert _answer(gala, "who_is_on_screen_longest") == [
        ("Li Na", False, None, 1, 2, 30.0),
        ("张伟", False, None, 2, 3, 20.5),
        ("未知人脸1", True, "job-b", 1, 1, 6.0),
        ("未知人脸1", True, "job-a", 1, 1, 4.0),
    ]


def test_brands_and_landmarks(gala: Path) -> None:
    """Logos and landmarks are found under Chinese and English tags and in the knowledge graph."""
    assert _answer(gala, "brands_and_landmarks") == [
        ("brand", "CCTV-1", 2, 2, None),
        ("brand", "Nike", 1, 1, None),
        ("landmark", "黄山", 1, 1, None),
        ("landmark", "黄果树瀑布", 1, 1, "贵州"),
    ]


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        (
            "黄山",
            [
                ("job-a", "0:00:03", "欢迎来到黄山", "安徽黄山", 0.0),  # 12.0 is farther off
                ("job-a", "1:01:01", "黄山再见", "再见黄山", 6.9),  # 3661.9 - 3655
            ],
        ),
        ("huangshan", [("job-a", "0:01:02", "Welcome to Huangshan Mountain", "HUANGSHAN", 6.0)]),
        ("Piano'; DROP TABLE jobs", []),
    ],
)
def test_phrase_in_speech_and_on_screen(
    gala: Path, phrase: str, expected: list[tuple[Any, ...]]
) -> None:
    """The phrase is found in either case, said and shown within ten seconds, with its time."""
    assert _answer(gala, "phrase_in_speech_and_on_screen", phrase=phrase) == expected


def test_jobs_by_state(gala: Path) -> None:
    """Jobs are counted by what became of them, with a reason where there is one."""
    assert _answer(gala, "jobs_by_state") == [
        ("loaded", None, 2, 200, UTC, UTC, None),
        ("failed", None, 1, 100, UTC, UTC, "no such file"),
        ("rejected", "JobNotFound", 1, 100, UTC, UTC, "JobNotFound: gone"),
    ]


def test_what_was_quarantined(gala: Path) -> None:
    """Parts that break the same rule in the same place are counted together."""
    assert _answer(gala, "what_was_quarantined") == [
        ("VideoLabel", "video_persons", "contract", "type", "/persons/*/ratio", 2, 1, "m"),
        ("ASR", "(whole result)", "not_json", None, "", 1, 1, "m"),
    ]


def test_busiest_minutes(gala: Path) -> None:
    """Different people a minute, each once, and the seconds of speech in it."""
    assert _answer(gala, "busiest_minutes") == [
        ("job-b", 0, 3, "Li Na, 张伟, 未知人脸1", 0.0),  # Li Na for the moment at 9
        ("job-a", 0, 2, "张伟, 未知人脸1", 2.0),
        ("job-b", 1, 1, "Li Na", 0.0),
        ("job-b", 2, 1, "Li Na", 0.0),
    ]


@pytest.fixture(scope="module")
def empty() -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse without a row, which stays so."""
    with empty_warehouse() as connection:
        yield connection


def _ask(
    empty: duckdb.DuckDBPyConnection, name: str, tables: Mapping[str, str], **parameters: str
) -> list[tuple[Any, ...]]:
    """Answers a query over a warehouse of the given rows, as `table(columns)` and VALUES."""
    sql = (QUERIES / f"{name}.sql").read_text(encoding="utf-8")
    empty.execute("BEGIN TRANSACTION")
    try:
        for heading, rows in tables.items():
            empty.execute(f"INSERT INTO {heading} VALUES {rows}")
        return empty.execute(sql, parameters or None).fetchall()
    finally:
        empty.execute("ROLLBACK")


SENTENCES = "asr_segments(job_id, result_index, segment_index, start_seconds, end_seconds, content)"
FRAMES = "ocr_frames(job_id, result_index, frame_index, at_seconds)"
TEXTS = "ocr_texts(job_id, result_index, frame_index, text_index, content)"
WORDS = (
    "nlp_words(job_id, result_index, paragraph_index, word_index, sentence_id, "
    "start_seconds, end_seconds, text)"
)
PARAGRAPHS = "nlp_paragraphs(job_id, result_index, paragraph_index, speaker_id)"
AUDIO = "nlp_audio(job_id, result_index, duration_seconds)"
PERSONS = "video_persons(job_id, result_index, person_index, name, category)"
SEEN = (
    "video_person_occurrences(job_id, result_index, person_index, occurrence_index, "
    "start_seconds, end_seconds, at_seconds)"
)
TAGS = "video_tags(job_id, result_index, tag_index, main_tag_name, sub_tag_name)"
TAGGED = (
    "video_tag_occurrences(job_id, result_index, tag_index, occurrence_index, "
    "start_seconds, end_seconds)"
)


@pytest.mark.parametrize(("shown_at", "found"), [(22.0, 1), (22.001, 0), (0.0, 1)])
def test_a_phrase_is_near_within_ten_seconds(
    empty: duckdb.DuckDBPyConnection, shown_at: float, found: int
) -> None:
    """Ten seconds after the sentence's end is near, a millisecond more is not."""
    tables = {
        SENTENCES: "('a', 0, 0, 10.0, 12.0, 'tea')",
        FRAMES: f"('a', 1, 0, {shown_at})",
        TEXTS: "('a', 1, 0, 0, 'TEA')",
    }
    answer = _ask(empty, "phrase_in_speech_and_on_screen", tables, phrase="tea")
    assert len(answer) == found


def test_a_phrase_is_found_in_speech_of_nlp_and_full_width(
    empty: duckdb.DuckDBPyConnection,
) -> None:
    """A sentence is that of NLP as well, and full-width letters on screen are letters."""
    tables = {
        PARAGRAPHS: "('a', 0, 0, '1')",
        WORDS: "('a', 0, 0, 0, 1, 3.0, 3.5, 'green'), ('a', 0, 0, 1, 1, 3.5, 4.0, 'tea')",
        FRAMES: "('a', 1, 0, 6.0), ('a', 1, 1, 1.5)",
        TEXTS: "('a', 1, 0, 0, 'Green tea?'), ('a', 1, 1, 0, 'ＧＲＥＥＮ ＴＥＡ')",  # noqa: RUF001 - full-width
    }
    # 2 s from the sentence's end to the text at 6.0; 1.5 s from the text at 1.5 to its start.
    assert _ask(empty, "phrase_in_speech_and_on_screen", tables, phrase="green tea") == [
        ("a", "0:00:03", "green tea", "ＧＲＥＥＮ ＴＥＡ", 1.5)  # noqa: RUF001 - full-width
    ]


def test_a_span_of_days_is_no_appearance(empty: duckdb.DuckDBPyConnection) -> None:
    """A mistaken end does not fill a million minutes, nor hide the others; a day still counts."""
    tables = {
        PERSONS: "('a', 0, 0, 'x', NULL), ('b', 0, 0, 'y', NULL), ('c', 0, 0, 'z', NULL)",
        SEEN: (
            "('a', 0, 0, 0, 0.0, 86400.001, NULL), ('a', 0, 0, 1, 70.0, 71.0, NULL), "
            "('b', 0, 0, 0, 30.0, 61.0, NULL), ('c', 0, 0, 0, 1e9, 1e9, NULL)"
        ),
    }
    assert _ask(empty, "busiest_minutes", tables) == [
        ("a", 1, 1, "x", 0.0),
        ("b", 0, 1, "y", 0.0),
        ("b", 1, 1, "y", 0.0),
    ]


def test_busy_minutes_are_of_people_as_they_are_called(empty: duckdb.DuckDBPyConnection) -> None:
    """An alias is its person, and the same place in another result is another one."""
    tables = {
        PERSONS: (
            "('a', 0, 0, 'P', 'celebrity'), ('a', 0, 1, 'face 1', 'unknown'), "
            "('a', 1, 0, 'Q', 'celebrity')"
        ),
        # By a frame alone, without an end, and with one before the start: each is a moment.
        SEEN: (
            "('a', 0, 0, 0, NULL, NULL, 5.0), ('a', 0, 1, 0, 7.0, NULL, NULL), "
            "('a', 1, 0, 0, 9.0, 8.0, NULL)"
        ),
        "face_aliases(job_id, name, person)": "('a', 'face 1', 'P')",
    }
    assert _ask(empty, "busiest_minutes", tables) == [("a", 0, 2, "P, Q", 0.0)]


def test_speech_in_a_minute_counts_once(empty: duckdb.DuckDBPyConnection) -> None:
    """Speech of two results is laid over each other, and parted where the minute ends."""
    tables = {
        PERSONS: "('a', 0, 0, 'P', NULL)",
        SEEN: "('a', 0, 0, 0, 0.0, 61.0, NULL)",
        SENTENCES: (
            "('a', 1, 0, 5.0, 6.0, 'x'), ('a', 1, 1, 1.0, 3.0, 'y'), ('a', 2, 0, 1.0, 3.0, 'y'), "
            "('a', 2, 1, 58.0, 64.0, 'z')"
        ),
        "nlp_audio_segments(job_id, result_index, segment_index, start_seconds, end_seconds)": (
            "('a', 3, 0, 2.0, 4.0)"
        ),
    }
    # Minute 0: [1, 4], [5, 6] and [58, 60]; minute 1: [60, 64].
    assert _ask(empty, "busiest_minutes", tables) == [("a", 0, 1, "P", 6.0), ("a", 1, 1, "P", 4.0)]


def test_a_moment_at_the_end_of_another_is_company(empty: duckdb.DuckDBPyConnection) -> None:
    """Whom co_appearances pairs is not alone, and who follows without a gap is."""
    tables = {
        PERSONS: (
            "('a', 0, 0, 'nike', NULL), ('a', 0, 1, '张三', NULL), "
            "('b', 0, 0, 'P', NULL), ('b', 0, 1, 'Q', NULL), ('b', 0, 2, 'never', NULL)"
        ),
        SEEN: (
            "('a', 0, 0, 0, 10.0, 10.0, NULL), ('a', 0, 1, 0, 5.0, 10.0, NULL), "
            "('b', 0, 0, 0, 0.0, 4.0, NULL), ('b', 0, 1, 0, 4.0, 7.0, NULL)"
        ),
    }
    assert _ask(empty, "persons_seen_alone", tables) == [
        ("b", "P", False, 1, 4.0),
        ("b", "Q", False, 1, 3.0),
    ]


def test_a_name_that_begins_with_a_digit_is_no_position(empty: duckdb.DuckDBPyConnection) -> None:
    """Only whole numbers of a pointer are positions, those side by side as well."""
    tables = {
        "quarantine(job_id, quarantine_index, type, scope, table_name, reason, pointer, message)": (
            "('a', 0, 'OCR', 'row', 't', 'contract', '/x/1/2/3d', 'first'), "
            "('b', 0, 'OCR', 'row', 't', 'contract', '/x/4/50/3d', 'another')"
        ),
    }
    assert _ask(empty, "what_was_quarantined", tables) == [
        ("OCR", "t", "contract", None, "/x/*/*/3d", 2, 2, "first")
    ]


def test_a_share_of_a_video_is_never_more_than_all_of_it(empty: duckdb.DuckDBPyConnection) -> None:
    """Where the picture is longer than the audio, the share is of the picture."""
    tables = {
        AUDIO: "('a', 0, 10.0)",
        PERSONS: "('a', 1, 0, 'P', NULL)",
        SEEN: "('a', 1, 0, 0, 5.0, 20.0, NULL)",
        TAGS: "('a', 1, 0, 'Logo', 'A'), ('a', 1, 1, 'Logo', 'B')",
        TAGGED: "('a', 1, 0, 0, 0.0, 16.0), ('a', 1, 1, 0, 14.0, 20.0)",
    }
    # B's 6 s are more than half of the audio, and not of the 20 s that are seen.
    assert _ask(empty, "tags_of_half_a_video", tables) == [
        ("a", "Logo", "A", 16.0, 0.8, "last_observation")
    ]
    assert _ask(empty, "videos_of_a_person", tables, person="P") == [
        ("a", 15.0, 1, "0:00:05", 0.75, "last_observation")
    ]


def test_a_speaker_of_two_results_has_a_row_in_each(empty: duckdb.DuckDBPyConnection) -> None:
    """Words per minute are told result by result, with the result they are of."""
    tables = {
        PARAGRAPHS: "('a', 0, 0, '1'), ('a', 1, 0, '1')",
        WORDS: "('a', 0, 0, 0, 1, 0.0, 2.0, 'yes'), ('a', 1, 0, 0, 1, 0.0, 1.0, 'yes')",
    }
    assert _ask(empty, "words_per_minute_by_speaker", tables) == [
        ("a", 0, "1", 1, 1, 2.0, 30.0, 1.0),
        ("a", 1, "1", 1, 1, 1.0, 60.0, 1.0),
    ]


def test_boxes_of_any_size_are_measured(empty: duckdb.DuckDBPyConnection) -> None:
    """Corners at both ends of their numbers have a width, and centres between them."""
    tables = {
        PERSONS: "('a', 0, 0, 'face 1', 'unknown')",
        "video_person_occurrences(job_id, result_index, person_index, occurrence_index, "
        "start_seconds, end_seconds, box_left, box_top, box_right, box_bottom)": (
            "('a', 0, 0, 0, 1, 4, -2147483648, 0, 2147483647, 100)"
        ),
        "cpv_entities(job_id, result_index, entity_index, label)": "('a', 1, 0, 'ball')",
        "cpv_entity_tracks(job_id, result_index, entity_index, detail_index, track_index, "
        "bbox_1, bbox_2, bbox_3, bbox_4, at_seconds)": (
            "('a', 1, 0, 0, 0, 2147483647, 0, 2147483647, 0, 1), "
            "('a', 1, 0, 0, 1, -2147483648, 0, -2147483648, 0, 2)"
        ),
    }
    assert _ask(empty, "unknown_faces_worth_naming", tables) == [
        ("a", "face 1", 3.0, "0:00:01", -2147483648, 0, 4294967295, 100, None)
    ]
    # The second box is 2^32 - 1 pixels from the first, a second later.
    assert _ask(empty, "path_of_an_entity", tables, entity="ball") == [
        ("a", 1.0, 2147483647.0, 0.0, 3221225470.5, 0.0, None, None),
        ("a", 2.0, -2147483648.0, 0.0, -3221225472.0, 0.0, 4294967295.0, None),
    ]


def _sql_files() -> list[Path]:
    return sorted(paths.sql_dir().rglob("*.sql"))


@pytest.mark.parametrize("path", _sql_files(), ids=lambda path: path.stem)
def test_every_file_says_what_it_is(path: Path) -> None:
    """Question, grain, tables read and units head each file; checks say their severity first."""
    text = path.read_text(encoding="utf-8")
    if path.parent.name == "checks":
        first, _, text = text.partition("\n")
        assert first in {"-- severity: fail", "-- severity: warn"}
    header = read_header(text)
    assert list(header)[:4] == ["Question", "Grain", "Reads", "Units"]
    assert all(header.values())


def test_what_a_header_names_is_there_and_is_read() -> None:
    """What a header says is read is a table, view or macro, and its SQL reads it."""
    known = {*load_contracts().tables, *(table.name for table in OWN_TABLES)}
    known |= {file.name for file in read_views()}
    for path in _sql_files():
        text = path.read_text(encoding="utf-8").removeprefix("-- severity: ")
        reads = " ".join(read_header(text[text.index("-- Question") :])["Reads"])
        for name in reads.split(", ") if re.fullmatch(r"[a-z_0-9, ]+", reads) else ():
            assert name.strip() in known, f"{path.name} reads {name}"
            assert re.search(rf"\b(FROM|JOIN)\s+{name.strip()}\b", text), f"{path.name}: {name}"


def test_a_parameter_tells_its_default() -> None:
    """The default in the words of a header is that of the SQL; without one, none is told of."""
    for file in read_views():
        text = file.path.read_text(encoding="utf-8")
        taken = re.search(r"^CREATE OR REPLACE MACRO \w+\(([^)]*)\)", text, re.MULTILINE)
        assert bool(taken) == file.is_macro
        given = dict(re.findall(r"(\w+)(?: := ([^,]+))?", taken[1])) if taken else {}
        told = {
            name: "".join(re.findall(r"; default ([^.]+)\.$", parameter.description))
            for name, parameter in file.parameters.items()
        }
        assert list(told.items()) == list(given.items()), file.name


def test_remarks_are_no_fields() -> None:
    """A header has no field but those that are read: a remark with an early colon would be one."""
    known = {"Question", "Grain", "Reads", "Units", "Warning", "Kinds", "Parameters", "Columns"}
    for file in read_views():
        header = read_header(file.path.read_text(encoding="utf-8"))
        assert set(header) <= known, file.name


@pytest.mark.slow
def test_the_linter_finds_nothing() -> None:
    """sqlfluff, with the repository's rules, is content with every file."""
    root = paths.sql_dir().parent
    done = subprocess.run(
        [sys.executable, "-m", "sqlfluff", "lint", "--disable-progress-bar", "sql"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
