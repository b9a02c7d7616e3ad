"""What differs from the schemas is counted where it happens, and drift tells it job by job."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from contract_kit import dumps, flatten, result, success
from lake_kit import Landing, new_home

from transforms import pipeline
from transforms.cli import main
from transforms.decode import decode_data
from transforms.settings import Settings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Found = tuple[str, str, int]


def person(**facts: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Returns a reply with a VideoLabel result of one person."""
    return success(result("VideoLabel", {"persons": [facts], "tags": []}))


def counted(*bodies: bytes) -> dict[tuple[str, str], dict[str, Any]]:
    """Returns the rows of `path_counts` of a batch by Type and path."""
    return {(r["type"], r["path"]): r for r in flatten(*bodies).rows("path_counts")}


def loaded(home: Path, *batches: Iterable[Landing]) -> Settings:
    """Returns the settings of a home whose warehouse is published."""
    settings = new_home(home, *batches)
    pipeline.flatten(settings)
    pipeline.load(settings)
    return settings


def landing(number: int, body: bytes) -> Landing:
    """Returns the reply of job `job-NNN`, asked `number` minutes after noon."""
    return Landing(f"job-{number:03}", body, NOON + timedelta(minutes=number))


def kinds(settings: Settings) -> list[Found]:
    """Returns what has drifted: kind, path and jobs."""
    rows = pipeline.drift(settings).to_pylist()
    return sorted((r["kind"], f"{r['type']}{r['path']}", int(r["jobs_count"])) for r in rows)


def test_given_paths_are_counted_by_job_and_by_value() -> None:
    """A path counts its values, and each of its jobs once; null is not given."""
    seen = {"occurrences": [{"from": 1.0}, {"from": 2.0}, {"from": None}]}
    rows = counted(person(**seen), person(name="x"), person(**seen))
    row = rows["VideoLabel", "/persons/*/occurrences/*/from"]
    assert (row["values_count"], row["jobs_count"]) == (4, 2)
    assert (row["table_name"], row["column_name"], row["is_known"]) == (
        "video_person_occurrences",
        "start_seconds",
        True,
    )
    assert (row["first_job_id"], row["first_seen_at"].minute, row["last_seen_at"].minute) == (
        "job-0",
        0,
        2,
    )
    assert rows["VideoLabel", ""]["jobs_count"] == 3


def test_a_job_with_two_results_of_a_type_counts_once() -> None:
    """Jobs are counted, not results."""
    both = result("Meta", {"title": "a"})
    row = counted(success(both, both))["Meta", "/title"]
    assert (row["jobs_count"], row["values_count"]) == (1, 2)


def test_paths_never_given_have_no_row() -> None:
    """A path that no job gives takes no room."""
    assert ("VideoLabel", "/persons/*/ratio") not in counted(person(name="x"))


def test_unknown_paths_have_the_types_of_their_values() -> None:
    """Keys the schema does not name are counted by path, with the JSON types they came as."""
    rows = counted(person(new=1), person(new=[1]), person(new={"a": 1}), person(new=None))
    row = rows["VideoLabel", "/persons/*/new"]
    assert (row["is_known"], row["json_types"]) == (False, "array,null,number,object")
    assert (row["values_count"], row["jobs_count"]) == (4, 4)


def test_values_of_another_type_are_counted_where_they_stand() -> None:
    """A value that broke the type of the schema is counted at its path, loaded ones beside it."""
    rows = counted(person(name=5), person(name="x"))
    row = rows["VideoLabel", "/persons/*/name"]
    assert (row["retyped_count"], row["retyped_jobs_count"]) == (1, 1)
    assert (row["values_count"], row["first_job_id"]) == (1, "job-0")


def test_all_levels_of_a_tree_have_one_path() -> None:
    """A key deep in a mind map counts with those at its top."""
    tree = [
        {"title": "a", "new": 1, "topic": [{"title": "b", "topic": [{"title": "c", "new": 2}]}]}
    ]
    body = success(result("NLP", {"summarization": {"mindMapSummary": tree}}))
    rows = counted(body)
    assert rows["NLP", "/summarization/mindMapSummary/*/title"]["values_count"] == 3
    assert rows["NLP", "/summarization/mindMapSummary/*/new"]["values_count"] == 2


def test_keys_of_the_reply_are_counted_too() -> None:
    """A key beside the results is no Type's: it counts under the reply."""
    assert counted(success(surprise=True))["reply", "/surprise"]["json_types"] == "boolean"


def test_drift_tells_new_retyped_and_unexpected_paths(tmp_path: Path) -> None:
    """Each kind is told with its jobs; what is as the schema says is not."""
    bodies = [person(name="x", ratio=1.5), person(name=7), person(name="y", new=1), person(new="1")]
    settings = loaded(tmp_path, [landing(n, body) for n, body in enumerate(bodies)])
    assert kinds(settings) == [
        ("new", "VideoLabel/persons/*/new", 2),
        ("retyped", "VideoLabel/persons/*/name", 1),
        ("retyped", "VideoLabel/persons/*/new", 2),
        ("unexpected", "VideoLabel/persons/*/ratio", 1),
    ]
    (row,) = [r for r in pipeline.drift(settings).to_pylist() if r["kind"] == "unexpected"]
    assert (row["jobs_share"], row["first_job_id"]) == (0.25, "job-000")


@pytest.mark.parametrize(("after", "told"), [(9, False), (12, True)])
def test_a_path_vanishes_once_its_absence_is_no_chance(
    tmp_path: Path, after: int, *, told: bool
) -> None:
    """Half the jobs had it: nine without it may be chance, twelve hardly are.

    With one of two before, its share is taken as 1/3: (2/3)^9 is 0.026. With four of eight it is
    4/9: (5/9)^12 is 0.0009, less than one in a thousand.
    """
    before = 8 if told else 2
    first = [landing(n, person(category="a" if n % 2 else None)) for n in range(before)]
    later = [landing(100 + n, person(name="x")) for n in range(after)]
    settings = loaded(tmp_path, first, later)
    assert (("vanished", "VideoLabel/persons/*/category", before // 2) in kinds(settings)) is told


def test_a_batch_made_again_is_counted_once(tmp_path: Path) -> None:
    """A newer reply takes the place of the older in the counts, too."""
    settings = loaded(tmp_path, [landing(0, person(new=1))])
    assert kinds(settings) == [("new", "VideoLabel/persons/*/new", 1)]
    newer = [Landing("job-000", person(name="x"), NOON + timedelta(days=1))]
    loaded(tmp_path, newer)
    assert kinds(settings) == []


def test_the_command_tells_kind_path_share_and_first_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """People read what drifted, how much of it and since when; --strict makes it exit code 1."""
    loaded(tmp_path, [landing(0, person(new=1)), landing(1, person(name="x"))])
    home = ["--home", str(tmp_path)]
    assert main(["drift", *home]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert (
        "new VideoLabel /persons/*/new not in the schema; number; 1 job, 50.0% of its jobs" in out
    )
    assert "first seen 2026-03-01, job job-000" in out
    assert main(["drift", "--type", "Meta", *home]) == 0
    assert "none" in capsys.readouterr().out
    assert main(["drift", "--strict", "--json", *home]) == 1
    assert json.loads(capsys.readouterr().out)["drift"][0]["path"] == "/persons/*/new"
    assert main(["drift", "--type", "Vidoe", *home]) == 2
    assert "no schema has the Type Vidoe" in capsys.readouterr().err


def test_verify_makes_every_result_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All results come back from their rows; those set aside whole are counted as such."""
    mixed = success(
        result("Meta", {"title": "a", "new": {"b": None}}),
        result("Meta", {"title": 5}),
        {"Type": "Odd", "Data": "?"},
    )
    settings = new_home(tmp_path, [landing(0, mixed), landing(1, person(name=3, x=1))])
    pipeline.flatten(settings)
    report = pipeline.verify(settings)
    assert (report.results, report.equal, report.whole, report.different) == (4, 2, 2, ())
    assert main(["verify", "--home", str(tmp_path)]) == 0
    assert "2 made again from their rows" in " ".join(capsys.readouterr().out.split())


def test_verify_finds_what_a_row_does_not_give_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A value that came out otherwise is told with its job and place, and fails the command."""
    settings = new_home(tmp_path, [landing(0, success(result("Meta", {"title": "as sent"})))])
    pipeline.flatten(settings)
    held = decode_data

    def otherwise(data: bytes, contract: object) -> tuple[str, bytes, Any]:
        form, line, document = held(data, contract)
        return form, line, document | {"title": "otherwise"}

    monkeypatch.setattr("transforms.verify.decode_data", otherwise)
    (found,) = pipeline.verify(settings).different
    assert (found.job_id, found.result_index, found.pointer) == ("job-000", 0, "/title")
    assert main(["verify", "--home", str(tmp_path)]) == 1
    assert "job job-000, result 0 (Meta) at /title" in " ".join(capsys.readouterr().out.split())


def test_verify_asks_for_batches_of_today(tmp_path: Path) -> None:
    """A lake whose batches are out of date is to be flattened first."""
    new_home(tmp_path, [landing(0, dumps({"JobStatus": "Success"}))])
    assert main(["verify", "--home", str(tmp_path)]) == 2
