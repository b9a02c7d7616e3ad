"""Checks: a sound build passes, each harm is found by name, and `fail` stops the publish."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from contract_kit import flatten, success
from contract_kit import result as reply_result
from lake_kit import Landing, lake_of, land, new_home, titled
from warehouse_lake import (
    QUERIED_AT,
    Rows,
    ask_build,
    change_build,
    commit,
    job,
    merge,
    new_lake,
    result,
    speech,
    speech_job,
)

from transforms import pipeline
from transforms.cli import main
from transforms.contract import load_contracts
from transforms.errors import ConfigurationError
from transforms.settings import Settings
from transforms.warehouse import checks, load_batches
from transforms.warehouse.build import BUILD
from transforms.warehouse.checks import ChecksFailedError, read_checks, run_checks
from transforms.warehouse.derived import derive_checks
from transforms.warehouse.duck import connect, fetch
from transforms.warehouse.publish import PublishError, publish


def _videos() -> Rows:
    """A job with a video (one person in quarantine), speech and a result of unknown Type."""
    keys = {"job_id": "job-v", "result_index": 0}
    span = {"person_index": 0, "score": -1.0, "start_seconds": 1.0, "end_seconds": 1.0}
    return merge(
        {
            "jobs": [job("job-v", results=3)],
            "results": [
                result("job-v", 0, "VideoLabel", 4, state="partly_loaded", quarantined_count=1),
                result("job-v", 2, "Music", 0, state="unknown_type"),
            ],
            "unknown_results": [{"job_id": "job-v", "result_index": 2, "type": "Music"}],
            "video_results": [{**keys, "persons_count": 2, "tags_count": 0}],
            "video_persons": [{**keys, "person_index": 0, "name": "x", "occurrences_count": 2}],
            "video_person_occurrences": [
                {**keys, **span, "occurrence_index": 0},
                {**keys, **span, "occurrence_index": 1},
            ],
            "quarantine": [
                {
                    **keys,
                    "quarantine_index": 0,
                    "type": "VideoLabel",
                    "scope": "row",
                    "table_name": "video_persons",
                    "reason": "contract",
                    "pointer": "/persons/1/ratio",
                    "message": "'x' is not of type 'number', 'null'",
                    "errors_count": 1,
                }
            ],
            "unmapped_fields": [
                {**keys, "unmapped_index": 0, "pointer": "/new", "value": "1", "type": "VideoLabel"}
            ],
        },
        speech("job-v", (0.0, 1.0, "one"), (1.0, 2.0, "two"), index=1),
    )


def _minutes() -> Rows:
    """A job with a mind map (a node and the one below it in quarantine), scores and text tags."""
    wrong = {"title": 7, "topic": [{"title": "below"}]}
    tree = [
        {"title": "a", "topic": [{"title": "b", "topic": [{"title": "c"}]}, wrong]},
        {"title": "d", "topic": []},
    ]
    scores = {"classifications": {"interview": 0.5, "lecture": -1, "meeting": 1.0}}
    batch = flatten(
        success(
            reply_result("NLP", {"summarization": {"mindMapSummary": tree}}),
            reply_result("NLP", {"meetingAssistance": scores}),
            reply_result("TextLabel", {"tags": [{"value": " x, y,,\u3000"}, {}, {"value": ""}]}),
        )
    )
    made = {name: rows.to_pylist() for name, rows in batch.made.tables.items()}
    return {name: rows for name, rows in made.items() if "job_id" in rows[0]}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound build of three batches, made once."""
    folder = tmp_path_factory.mktemp("sound")
    storage, home = new_lake(folder), folder / "warehouse"
    commit(storage, "b1", _videos())
    failed = job("job-f", results=None, state="failed", job_status="Fail", reason="no such file")
    commit(storage, "b2", merge(speech_job("job-s", (0.0, 1.0, "three")), {"jobs": [failed]}))
    commit(storage, "b3", _minutes())
    load_batches(storage, load_contracts(), home)
    return home


@pytest.fixture
def home(sound: Path, tmp_path: Path) -> Path:
    """A warehouse folder of the test's own, with the sound build in it."""
    return Path(shutil.copytree(sound, tmp_path / "warehouse"))


def test_a_sound_build_passes_everything(home: Path) -> None:
    """Unknown faces, quarantined rows, unknown Types and failed jobs are no failure."""
    report = run_checks(load_contracts(), home)
    assert report.failed == ()
    assert report.passed == len(read_checks()) + len(list(derive_checks(load_contracts())))
    assert ask_build(home, "SELECT count(*) FROM check_failures") == [(0,)]


SEGMENT = "job_id = 'job-v' AND segment_index = 1"

HARMS = {
    "a row is lost": (
        [f"DELETE FROM asr_segments WHERE {SEGMENT}"],
        {"count:asr_segments": 1, "result_rows": 1},
    ),
    "a row is there twice": (
        [f"INSERT INTO asr_segments SELECT * FROM asr_segments WHERE {SEGMENT}"],
        {"key:asr_segments": 1, "count:asr_segments": 1, "result_rows": 1},
    ),
    "a parent is lost": (
        ["DELETE FROM video_persons"],
        {"parent:video_person_occurrences": 2, "count:video_persons": 1}
        | {"count:video_person_occurrences": 1, "result_rows": 1},
    ),
    "a result is lost": (
        ["DELETE FROM results WHERE job_id = 'job-v' AND result_index = 1"],
        {"parent:asr_results": 1, "results_of_jobs": 1, "batch_counts": 1},
    ),
    "a job is lost": (
        ["DELETE FROM jobs WHERE job_id = 'job-s'"],
        {"parent:results": 1, "batch_counts": 1},
    ),
    "a quarantined part is lost": (
        ["DELETE FROM quarantine"],
        {"count:video_persons": 1, "count:nlp_mind_map_nodes": 1}
        | {"quarantine_of_results": 2, "batch_counts": 2},
    ),
    "a result hides that a part is in quarantine": (
        ["UPDATE results SET state = 'loaded' WHERE state = 'partly_loaded'"],
        {"quarantine_of_results": 2},
    ),
    "an unmapped field belongs to nobody": (
        ["UPDATE unmapped_fields SET job_id = 'nobody'"],
        {"parent:unmapped_fields": 1},
    ),
    "a job belongs to no batch": (
        ["UPDATE jobs SET batch_id = 'nowhere' WHERE job_id = 'job-f'"],
        {"job_in_one_batch": 1, "batch_counts": 1},
    ),
    "a batch is empty that should not be": (
        ["UPDATE jobs SET batch_id = 'b1'"],
        {"batch_counts": 3},
    ),
    "a name has two aliases": (
        [
            "INSERT INTO face_aliases VALUES ('', 'x', 'Li Na', NULL), ('', 'x', 'Li Na', NULL)",
            "INSERT INTO tag_aliases VALUES ('', 'a', 'b', NULL), ('tag', 'a', 'c', NULL)",
        ],
        {"alias_keys": 1},
    ),
    "an alias put in by hand is none": (
        [
            """
            INSERT INTO face_aliases VALUES
                ('', '', 'X', NULL), ('job-v', ' \u3000', 'X', NULL), ('', 'a', '\t', NULL),
                ('', 'b', NULL, NULL), ('', '未知人脸 12', 'X', NULL), ('', '未知人脸', 'X', NULL),
                ('job-v', '未知人脸1', 'X', NULL), ('', '未知人脸王', 'X', NULL),
                (' ', 'x', 'X', NULL)
            """,
            """
            INSERT INTO tag_aliases VALUES
                ('', '', 'X', NULL), ('tag', 'a', '', NULL), ('entity', 'b', NULL, NULL),
                ('Tag', 'c', 'X', NULL), ('person', 'd', 'X', NULL), ('free_tag', 'e', 'X', NULL)
            """,
        ],
        # Of the faces all but those of job-v and of Wang have a flaw, of the tags all but e.
        {"alias_keys": 12},
    ),
}

HARMS_OF_TREES = {
    "a node is lost beside one in quarantine": (
        ["DELETE FROM nlp_mind_map_nodes WHERE title = 'c'"],
        {"count:nlp_mind_map_nodes": 1, "result_rows": 1},
    ),
    "a node at the top is lost": (
        ["DELETE FROM quarantine", "DELETE FROM nlp_mind_map_nodes WHERE title = 'd'"],
        {"count:nlp_mind_map_nodes": 1, "result_rows": 1},
    ),
    "a node is there twice": (
        ["INSERT INTO nlp_mind_map_nodes SELECT * FROM nlp_mind_map_nodes WHERE title = 'c'"],
        {"key:nlp_mind_map_nodes": 1, "result_rows": 1},
    ),
    "a tree has more nodes than the source": (
        ["UPDATE nlp_summaries SET mind_map_nodes_count = 4"],
        {"count:nlp_mind_map_nodes": 1},
    ),
    "a node lies on another level": (
        ["UPDATE nlp_mind_map_nodes SET depth = 1 WHERE title IN ('c', 'd')"],
        {"tree:nlp_mind_map_nodes": 2},
    ),
    "a node hangs below one that is not there": (
        ["UPDATE nlp_mind_map_nodes SET parent_node_index = 4 WHERE title = 'c'"],
        {"tree:nlp_mind_map_nodes": 1},
    ),
    "a node lies below itself": (
        ["UPDATE nlp_mind_map_nodes SET parent_node_index = 2, depth = NULL WHERE title = 'c'"],
        {"tree:nlp_mind_map_nodes": 1},
    ),
    "a node has no place among its neighbours": (
        ["UPDATE nlp_mind_map_nodes SET sibling_index = 2 WHERE title = 'b'"],
        {"tree:nlp_mind_map_nodes": 1},
    ),
    "a node holds fewer than lie below it": (
        ["UPDATE nlp_mind_map_nodes SET topics_count = 0 WHERE title = 'b'"],
        {"tree:nlp_mind_map_nodes": 1},
    ),
    "an object that is a row is lost": (
        ["DELETE FROM nlp_summaries"],
        {"parent:nlp_mind_map_nodes": 4, "count:nlp_mind_map_nodes": 1, "result_rows": 1},
    ),
    "a value of a text is lost": (
        ["DELETE FROM text_tag_values WHERE value = 'y'"],
        {"count:text_tag_values": 1, "result_rows": 1},
    ),
    "a text has lost a value": (
        ["UPDATE text_tags SET value = 'x' WHERE tag_index = 0"],
        {"count:text_tag_values": 1},
    ),
}


AUDIO = """
    INSERT INTO nlp_audio BY NAME
    SELECT job_id, 0 AS result_index, 10.0 AS duration_seconds FROM jobs WHERE job_id = 'job-s'
"""
OCCURRENCES = "UPDATE video_person_occurrences"
WARNINGS: dict[str, tuple[list[str], dict[str, int]]] = {
    "something ends before it starts": (
        [f"UPDATE asr_segments SET start_seconds = 5 WHERE {SEGMENT}"],
        {"times:asr_segments": 1},
    ),
    "something is before the video": (
        [
            f"UPDATE asr_segments SET start_seconds = -0.001 WHERE {SEGMENT}",
            f"{OCCURRENCES} SET at_seconds = -1, start_seconds = NULL",
        ],
        {"inside_the_video": 3},
    ),
    "a sentence ends a second and more after the audio": (
        [AUDIO, "UPDATE asr_segments SET end_seconds = 11.001 WHERE job_id = 'job-s'"],
        {"inside_the_video": 1},
    ),
    "a sentence ends a second after the audio": (
        [AUDIO, "UPDATE asr_segments SET end_seconds = 11 WHERE job_id = 'job-s'"],
        {},
    ),
    "the audio of another job is short": (
        [AUDIO, "UPDATE asr_segments SET end_seconds = 99 WHERE job_id = 'job-v'"],
        {},
    ),
    "an audio without length tells nothing": (
        [AUDIO, "UPDATE nlp_audio SET duration_seconds = 0"],
        {},
    ),
    "a job with two audios is as long as the longer": (
        [
            AUDIO,
            AUDIO.replace("0 AS result", "1 AS result").replace("10.0", "90.0"),
            "UPDATE asr_segments SET end_seconds = 60 WHERE job_id = 'job-s'",
        ],
        {},
    ),
    "without an audio, something is more than ten days after the start": (
        [
            f"UPDATE asr_segments SET end_seconds = 864000.5 WHERE {SEGMENT}",
            f"{OCCURRENCES} SET end_seconds = 1e300 WHERE occurrence_index = 0",
            f"{OCCURRENCES} SET end_seconds = 'nan' WHERE occurrence_index = 1",
        ],
        {"inside_the_video": 3},
    ),
    "without an audio, something is ten days after the start": (
        [f"UPDATE asr_segments SET end_seconds = 864000 WHERE {SEGMENT}"],
        {},
    ),
    "an audio of more than ten days tells nothing": (
        [
            AUDIO,
            "UPDATE nlp_audio SET duration_seconds = 1e300",
            "UPDATE asr_segments SET end_seconds = 1e299 WHERE job_id = 'job-s'",
        ],
        {"inside_the_video": 1},
    ),
    "what is before and long after the video is told once": (
        [f"UPDATE asr_segments SET start_seconds = -1, end_seconds = 1e9 WHERE {SEGMENT}"],
        {"inside_the_video": 1},
    ),
    "a moment lies outside its span": (
        [f"{OCCURRENCES} SET at_seconds = 1.5"],
        {"moments:video_person_occurrences": 2},
    ),
    "a moment lies in its span, or beside one that runs backward": (
        [
            f"{OCCURRENCES} SET at_seconds = 1, end_seconds = occurrence_index",
            f"{OCCURRENCES} SET at_seconds = 7 WHERE occurrence_index = 0",
        ],
        {"times:video_person_occurrences": 1},
    ),
    "a box is turned over": (
        [
            f"{OCCURRENCES} SET box_left = 9, box_right = 8 WHERE occurrence_index = 0",
            f"{OCCURRENCES} SET box_top = 9, box_bottom = 8 WHERE occurrence_index = 1",
        ],
        {"boxes:video_person_occurrences": 2},
    ),
    "a box has no size": (
        [f"{OCCURRENCES} SET box_left = 9, box_right = 9, box_top = NULL"],
        {},
    ),
    "a score is neither a share nor -1": (
        [
            f"{OCCURRENCES} SET score = -0.5 WHERE occurrence_index = 0",
            f"{OCCURRENCES} SET score = 1.001 WHERE occurrence_index = 1",
        ],
        {"scores:video_person_occurrences": 2},
    ),
    "a score is at a limit": (
        [
            f"{OCCURRENCES} SET score = occurrence_index",
            "UPDATE nlp_scene_scores SET interview_score = NULL",
        ],
        {},
    ),
    "a face alias of a job that has no such face": (
        ["INSERT INTO face_aliases VALUES ('job-v', 'y', 'Li Na', NULL)"],
        {"face_aliases_found": 1},
    ),
    "a face alias of a job without faces": (
        ["INSERT INTO face_aliases VALUES ('job-s', 'x', 'Li Na', NULL)"],
        {"face_aliases_found": 1},
    ),
    "a face alias of a job that is not there yet": (
        ["INSERT INTO face_aliases VALUES ('job-new', 'x', 'Li Na', NULL)"],
        {},
    ),
    "a face alias of every job whose name is nowhere": (
        ["INSERT INTO face_aliases VALUES ('', 'y', 'Li Na', NULL), ('', 'x', 'Li Na', NULL)"],
        {"face_aliases_found": 1},
    ),
    "a face alias of every job whose face is unknown": (
        [
            "UPDATE video_persons SET category = 'unknown'",
            "INSERT INTO face_aliases VALUES ('', 'x', 'Li Na', NULL), ('job-v', 'x', 'L', NULL)",
        ],
        {"face_aliases_found": 1},
    ),
    "face aliases in another Unicode form": (
        [
            "UPDATE video_persons SET name = 'Ame\u0301lie'",
            """
            INSERT INTO face_aliases VALUES
                ('job-v', 'Am\u00e9lie', 'A', NULL), ('', 'Am\u00e9lie', 'A', NULL)
            """,
        ],
        {"face_aliases_found": 2},
    ),
    "a tag alias in another Unicode form": (
        [
            """
            INSERT INTO video_tags BY NAME
            SELECT
                'job-v' AS job_id, 0 AS result_index, 0 AS tag_index,
                'Cafe\u0301' AS sub_tag_name
            """,
            "INSERT INTO tag_aliases VALUES ('', 'Caf\u00e9', 'Bar', NULL)",
        ],
        {"tag_aliases_found": 1},
    ),
    "tag aliases without any labels": (
        ["INSERT INTO tag_aliases VALUES ('', 'nowhere', 'Car', NULL)"],
        {},
    ),
    "tag aliases of which one is found": (
        [
            """
            INSERT INTO video_tags BY NAME
            SELECT 'job-v' AS job_id, 0 AS result_index, 0 AS tag_index, 'Car' AS sub_tag_name
            """,
            """
            INSERT INTO tag_aliases VALUES
                ('', 'Car', 'Auto', NULL), ('tag', 'Car', 'A', NULL), ('entity', 'Car', 'A', NULL),
                ('', 'car', 'Auto', NULL), ('', 'x', 'Auto', NULL)
            """,
        ],
        {"tag_aliases_found": 3},
    ),
}

HINTS = {
    "a face alias of a job that has no such face": ["faces of this job: x"],
    "a face alias of a job without faces": ["no face of this job has a name"],
    "a face alias of every job whose name is nowhere": [
        "no video has this name; no harm if it is a step to another"
    ],
    "a face alias of every job whose face is unknown": ["it is an unknown face: give the job"],
    "face aliases in another Unicode form": [
        "the service writes Ame\u0301lie, in another Unicode form: copy the name from there",
        "the service writes Ame\u0301lie, in another Unicode form: copy the name from there",
    ],
    "a tag alias in another Unicode form": [
        "the service writes Cafe\u0301, in another Unicode form: copy the name from there",
    ],
    "tag aliases of which one is found": [
        "found as tag",
        "no result has this name; no harm if it is a step to another",
        "the service writes Car",
    ],
}


@pytest.mark.parametrize("harm", HARMS)
def test_each_harm_is_found_by_name(home: Path, harm: str) -> None:
    """Every check of severity `fail` finds its harm, counts it and stops the publish."""
    statements, expected = HARMS[harm]
    change_build(home, *statements)
    with pytest.raises(ChecksFailedError) as caught:
        run_checks(load_contracts(), home)
    found = {r.name: r.rows for r in caught.value.report.failed if r.severity == "fail"}
    assert found == expected
    for name in expected:
        assert name in str(caught.value)
    kept = ask_build(
        home,
        "SELECT check_name, any_value(failures_count) FROM check_failures "
        "WHERE severity = 'fail' GROUP BY 1",
    )
    assert dict(kept) == expected
    with pytest.raises(PublishError, match="has not passed its checks"):
        publish(home)


@pytest.fixture(scope="module")
def harmed(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sound build whose changes are taken back."""
    return Path(shutil.copytree(sound, tmp_path_factory.mktemp("harmed") / "warehouse"))


@pytest.mark.parametrize("harm", HARMS_OF_TREES)
def test_each_harm_to_a_tree_or_text_is_found_by_name(harmed: Path, harm: str) -> None:
    """Nodes are held to the tree they lie in, values to the text they are of."""
    statements, expected = HARMS_OF_TREES[harm]
    tables = ("nlp_mind_map_nodes", "nlp_summaries", "text_tags", "text_tag_values")
    named = tuple(f":{table}" for table in tables)
    checks = [c for c in derive_checks(load_contracts()) if c.name.endswith((*named, "_rows"))]
    found = {}
    with connect(harmed / BUILD, read_only=False) as connection:
        connection.execute("BEGIN")
        for statement in statements:
            fetch(connection, statement)
        for check in checks:
            found[check.name] = fetch(connection, f"SELECT count(*) FROM ({check.sql})")[0][0]
        connection.execute("ROLLBACK")
    assert {name: rows for name, rows in found.items() if rows} == expected


@pytest.fixture(scope="module")
def values(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sound build whose values are changed, and changed back."""
    return Path(shutil.copytree(sound, tmp_path_factory.mktemp("values") / "warehouse"))


@pytest.mark.parametrize("harm", WARNINGS)
def test_each_odd_value_is_told_and_lets_pass(values: Path, harm: str) -> None:
    """Values of the service, and aliases, are warned of by name; what is at a limit is not."""
    statements, expected = WARNINGS[harm]
    warning = [
        check
        for check in (*read_checks(), *derive_checks(load_contracts()))
        if check.severity == "warn" and check.name != "freshness"
    ]
    found: dict[str, int] = {}
    hints: list[tuple[str]] = []
    with connect(values / BUILD, read_only=False) as connection:
        connection.execute("BEGIN")
        for statement in statements:
            fetch(connection, statement)
        for check in warning:
            found[check.name] = fetch(connection, f"SELECT count(*) FROM ({check.sql})")[0][0]
            if check.name.endswith("_found"):
                hints += fetch(connection, f"SELECT hint FROM ({check.sql}) ORDER BY 1")
        connection.execute("ROLLBACK")
    assert {name: rows for name, rows in found.items() if rows} == expected
    assert [hint for (hint,) in hints] == HINTS.get(harm, [])


@pytest.mark.parametrize(
    ("limit", "hours", "stale"), [(24.0, 24, []), (24.0, 25, ["freshness"]), (None, 99, [])]
)
def test_an_old_warehouse_is_told_of(
    home: Path, limit: float | None, hours: int, stale: list[str]
) -> None:
    """A newest reply older than the limit is a warning that tells its age; without one, not."""
    change_build(home, f"UPDATE jobs SET queried_at = TIMESTAMP '{QUERIED_AT}'")
    now = (QUERIED_AT + timedelta(hours=hours)).replace(tzinfo=UTC)
    report = run_checks(load_contracts(), home, stale_after_hours=limit, now=now)
    assert [each.name for each in report.failed] == stale
    for each in report.failed:
        assert json.loads(each.example) == {
            "newest_reply_at": "2024-05-06 07:08:09",
            "age_hours": 25.0,
            "stale_after_hours": 24.0,
        }
    assert publish(home).changed


def test_every_check_has_a_harm() -> None:
    """No check is without a test that makes it fail or warn (one per derived family)."""
    every = (*read_checks(), *derive_checks(load_contracts()))
    for severity, harms in (("fail", {**HARMS, **HARMS_OF_TREES}), ("warn", WARNINGS)):
        harmed = {re.sub(":.*", "", name) for _, found in harms.values() for name in found}
        families = {re.sub(":.*", "", c.name) for c in every if c.severity == severity}
        assert families - {"freshness"} == harmed


def test_times_of_every_timed_table_are_checked() -> None:
    """What has a start, an end or a moment lies inside the video, whichever table it is in."""
    (check,) = (c for c in derive_checks(load_contracts()) if c.name == "inside_the_video")
    times = {"start_seconds", "end_seconds", "at_seconds"}
    timed = {
        table.name
        for table in load_contracts().tables.values()
        if times & {column.name for column in table.columns}
    }
    assert set(re.findall(r"'(\w+)' AS table_name", check.sql)) == timed
    assert {"asr_segments", "ocr_frames", "subtitle_lines", "nlp_mind_map_nodes"} < timed


def test_a_failing_row_is_kept_as_json(home: Path) -> None:
    """What failed can be read in the build: the row, its check and severity."""
    change_build(home, f"DELETE FROM asr_segments WHERE {SEGMENT}")
    with pytest.raises(ChecksFailedError):
        run_checks(load_contracts(), home)
    rows = ask_build(
        home,
        "SELECT failure_index, severity, failing_row FROM check_failures "
        "WHERE check_name = 'count:asr_segments'",
    )
    assert [(n, s, json.loads(row)) for n, s, row in rows] == [
        (0, "fail", {"job_id": "job-v", "result_index": 1, "in_source": 2, "found": 1})
    ]


def test_a_new_build_is_advised_with_what_it_loses(home: Path) -> None:
    """The remedy that loses aliases put in by hand says so, and is none where they are the harm."""
    change_build(home, "INSERT INTO face_aliases VALUES ('', '', 'X', NULL)")
    with pytest.raises(ChecksFailedError) as caught:
        run_checks(load_contracts(), home)
    assert "name is empty: correct the row, or take it out" in str(caught.value)
    assert "delete build.duckdb" not in str(caught.value)
    change_build(home, f"DELETE FROM asr_segments WHERE {SEGMENT}")
    with pytest.raises(ChecksFailedError) as caught:
        run_checks(load_contracts(), home)
    assert (
        "delete build.duckdb and run `cognition load`. Aliases put in by hand are lost with it: "
        "write them with `cognition alias` first"
    ) in str(caught.value)


def test_warnings_tell_and_let_pass(home: Path) -> None:
    """Times that run backwards and scores out of range are reported, counted, kept to a hundred."""
    change_build(
        home,
        "INSERT INTO asr_segments SELECT 'job-s', 0, i, 2.0, 1.0, 'x' FROM range(1, 251) AS t(i)",
        "UPDATE asr_results SET segments_count = 251 WHERE job_id = 'job-s'",
        "UPDATE results SET rows_count = 252 WHERE job_id = 'job-s'",
        "UPDATE video_person_occurrences SET score = 1.5 WHERE occurrence_index = 0",
        "UPDATE nlp_scene_scores SET interview_score = -1.5",
    )
    report = run_checks(load_contracts(), home)
    assert [(r.name, r.severity, r.rows) for r in report.failed] == [
        ("times:asr_segments", "warn", 250),
        ("scores:nlp_scene_scores", "warn", 1),
        ("scores:video_person_occurrences", "warn", 1),
    ]
    kept = ask_build(
        home,
        "SELECT check_name, count(*), max(failure_index), any_value(failures_count) "
        "FROM check_failures GROUP BY 1 ORDER BY 2 DESC, 1",
    )
    assert kept == [
        ("times:asr_segments", 100, 99, 250),
        ("scores:nlp_scene_scores", 1, 0, 1),
        ("scores:video_person_occurrences", 1, 0, 1),
    ]
    assert publish(home).changed


SHARE = "2 of 4 jobs (50.00%) are in quarantine in part or whole, and 49.00% may be"


def test_too_many_jobs_in_quarantine_are_not_published(home: Path) -> None:
    """A greater share of jobs in quarantine than allowed is a failed check with share and limit."""
    with pytest.raises(ChecksFailedError) as caught:
        run_checks(load_contracts(), home, max_quarantine_share=0.49)
    [failed] = caught.value.report.failed
    assert (failed.name, failed.severity, failed.rows) == ("quarantine_share", "fail", 2)
    assert f"quarantine_share (2 rows): {SHARE}" in str(caught.value)
    assert "COGNITION_MAX_QUARANTINE_SHARE" in str(caught.value)
    assert "delete build.duckdb" not in str(caught.value)
    kept = ask_build(home, "SELECT failing_row FROM check_failures ORDER BY failure_index")
    assert [json.loads(row) for (row,) in kept] == [
        {"job_id": "job-0", "parts": 1},
        {"job_id": "job-v", "parts": 1},
    ]
    with pytest.raises(PublishError, match="has not passed its checks"):
        publish(home)


@pytest.mark.parametrize("limit", [0.5, 1.0, None])
def test_a_share_within_the_limit_is_published(home: Path, limit: float | None) -> None:
    """Exactly the allowed share passes, and without a limit any does."""
    report = run_checks(load_contracts(), home, max_quarantine_share=limit)
    asked = len(read_checks()) + len(list(derive_checks(load_contracts())))
    assert (report.passed, report.failed) == (asked + (limit is not None), ())
    assert publish(home).changed


def _deliver(settings: Settings, delivery: str, *, good: int = 0, wrong: int = 0) -> None:
    """Brings a batch of jobs into the build, some of them with their title in quarantine."""
    titles = ["a title"] * good + [7] * wrong
    jobs = [Landing(f"{delivery}-{n}", titled(title)) for n, title in enumerate(titles)]
    land(lake_of(settings), *jobs)
    pipeline.flatten(settings)
    pipeline.load_batches(settings)


def _share(settings: Settings, limit: float) -> tuple[str, list[str]] | None:
    """Returns what the check of the share says and the jobs it names; None where it passes."""
    given = settings.model_copy(update={"max_quarantine_share": limit, "stale_after_hours": 0})
    try:
        pipeline.run_checks(given)
    except ChecksFailedError as error:
        [failed] = error.report.failed
        found = ask_build(settings.warehouse_dir, "SELECT failing_row FROM check_failures")
        jobs = sorted(json.loads(row)["job_id"] for (row,) in found)
        return failed.description.partition(", and ")[0], jobs
    return None


def test_what_is_published_does_not_hide_a_spoilt_delivery(tmp_path: Path) -> None:
    """Two of three new jobs in quarantine are too many beside any number of old ones."""
    settings = new_home(tmp_path / "home")
    _deliver(settings, "old", good=9, wrong=1)
    assert _share(settings, 0.1) is None
    pipeline.publish(settings)
    _deliver(settings, "new", good=1, wrong=2)
    said = "2 of 3 jobs (66.67%) that are not published yet are in quarantine in part or whole"
    assert _share(settings, 0.5) == (said, ["new-1", "new-2"])
    with pytest.raises(PublishError, match="has not passed its checks"):
        pipeline.publish(settings)
    both = f"3 of 13 jobs (23.08%) and {said}"
    assert _share(settings, 0.2) == (both, ["new-1", "new-2", "old-9"])
    assert _share(settings, 0.67) is None
    _deliver(settings, "next", good=1)
    assert _share(settings, 0.5) is None  # 2 of the 4 that are not published
    assert pipeline.publish(settings).changed


def test_a_sound_delivery_does_not_hide_what_is_published(tmp_path: Path) -> None:
    """Over all jobs the limit is kept, too: also where it was lowered, and nothing is new."""
    settings = new_home(tmp_path / "home")
    _deliver(settings, "old", good=1, wrong=1)
    pipeline.run_checks(settings)
    pipeline.publish(settings)
    said = "1 of 2 jobs (50.00%) are in quarantine in part or whole"
    assert _share(settings, 0.4) == (said, ["old-1"])
    _deliver(settings, "new", good=1)
    said = "1 of 3 jobs (33.33%) are in quarantine in part or whole"
    assert _share(settings, 0.3) == (said, ["old-1"])
    assert _share(settings, 0.4) is None


def test_a_batch_made_again_counts_as_new(tmp_path: Path) -> None:
    """What the published version holds otherwise is not published yet."""
    settings = new_home(tmp_path / "home")
    _deliver(settings, "one", good=1, wrong=1)
    _deliver(settings, "two", good=8)
    pipeline.run_checks(settings)
    pipeline.publish(settings)
    assert _share(settings, 0.1) is None
    change_build(
        settings.warehouse_dir,
        "UPDATE batches SET commit_id = 'another' WHERE batch_id = "
        "(SELECT batch_id FROM jobs WHERE job_id = 'one-0')",
    )
    said = "1 of 2 jobs (50.00%) that are not published yet are in quarantine in part or whole"
    assert _share(settings, 0.1) == (said, ["one-1"])


def test_no_jobs_are_no_share(tmp_path: Path) -> None:
    """An empty warehouse is within any limit."""
    load_batches(new_lake(tmp_path), load_contracts(), tmp_path / "warehouse")
    report = run_checks(load_contracts(), tmp_path / "warehouse", max_quarantine_share=0)
    assert report.failed == ()


def test_the_command_line_keeps_the_limit_of_the_settings(
    sound: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`cognition load` ends with an error and publishes nothing above the limit, and says why."""
    monkeypatch.setenv("COGNITION_MAX_QUARANTINE_SHARE", "0.49")
    lake, folder = str(sound.parent / "lake"), sound.parent / "from-command-line"
    given = ["load", "--home", str(sound.parent), "--lake", lake, "--warehouse", str(folder)]
    assert main(given) == 2
    assert SHARE in " ".join(capsys.readouterr().err.split())
    assert not (folder / "warehouse.duckdb").exists()


def test_mended_rows_pass_again(home: Path) -> None:
    """A later run forgets earlier failures and lets the publish happen."""
    change_build(home, "UPDATE jobs SET results_count = 7 WHERE job_id = 'job-s'")
    with pytest.raises(ChecksFailedError):
        run_checks(load_contracts(), home)
    change_build(home, "UPDATE jobs SET results_count = 1 WHERE job_id = 'job-s'")
    assert run_checks(load_contracts(), home).failed == ()
    assert ask_build(home, "SELECT count(*) FROM check_failures") == [(0,)]
    assert publish(home).changed


def test_the_shipped_checks_say_what_they_ask() -> None:
    """Each file has a severity and a question, each check a name of its own."""
    found = read_checks()
    assert {check.name for check in found} == {
        "alias_keys",
        "batch_counts",
        "face_aliases_found",
        "freshness",
        "job_in_one_batch",
        "quarantine_of_results",
        "results_of_jobs",
        "tag_aliases_found",
    }
    every = [*found, *derive_checks(load_contracts())]
    assert len({check.name for check in every}) == len(every)
    assert all(check.description.endswith("?") for check in every)


@pytest.mark.parametrize("first", ["SELECT 1", "-- severity: error", ""])
def test_a_check_without_severity_is_refused(tmp_path: Path, first: str) -> None:
    """A file that does not say how bad it is is named."""
    (tmp_path / "some.sql").write_text(f"{first}\n")
    with pytest.raises(ConfigurationError, match=r"some.sql must begin with `-- severity: fail`"):
        read_checks(tmp_path)


def test_a_check_that_is_no_sql_names_itself(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken check is an error of its own, not a passed check."""
    broken = dataclasses.replace(read_checks()[0], sql="SELECT nope FROM jobs")
    monkeypatch.setattr(checks, "read_checks", lambda: [broken])
    with pytest.raises(ConfigurationError, match=r"check alias_keys cannot run: .*nope.*its SQL"):
        run_checks(load_contracts(), home)


def test_a_warning_file_is_read_as_one(tmp_path: Path) -> None:
    """A file may warn, too."""
    (tmp_path / "w.sql").write_text("-- severity: warn\n-- Question: Is it well?\nSELECT 1\n")
    (check,) = read_checks(tmp_path)
    assert (check.name, check.severity, check.description) == ("w", "warn", "Is it well?")


def test_without_a_build_the_remedy_is_named(tmp_path: Path) -> None:
    """Checking before loading says what to run."""
    with pytest.raises(ConfigurationError, match=r"build.duckdb: run `cognition load` first"):
        run_checks(load_contracts(), tmp_path)
