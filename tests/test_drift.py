"""What differs from the schemas is counted where it happens, and drift tells it job by job."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from contract_kit import dumps, flatten, result, success
from lake_kit import Landing, new_home

from transforms import lake, pipeline
from transforms.cli import main
from transforms.merged.rows import Unmerged
from transforms.settings import Settings
from transforms.storage import Storage
from transforms.table_file import CommittedFile

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Found = tuple[str, str, int]


def person(**facts: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Returns a reply with a VideoLabel result of one person."""
    return success(result("VideoLabel", {"persons": [facts], "tags": []}))


def counted(*bodies: bytes, kind: str = "given") -> dict[tuple[str, str], dict[str, Any]]:
    """Returns the rows of `path_counts` of a batch and a kind by Type and path."""
    rows = flatten(*bodies).rows("path_counts")
    return {(r["type"], r["path"]): r for r in rows if r["kind"] == kind}


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
    place = ("video_person_occurrences", "start_seconds")
    assert (row["table_name"], row["column_name"]) == place
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
    bodies = [person(new=value) for value in (1, [1], {"a": 1}, None)]
    rows = counted(*bodies, kind="unmapped")
    row = rows["VideoLabel", "/persons/*/new"]
    assert (row["table_name"], row["json_types"]) == (None, "array,null,number,object")
    assert (row["values_count"], row["jobs_count"]) == (4, 4)


def test_values_of_another_type_are_counted_where_they_stand() -> None:
    """A value that broke the type of the schema is counted at its path, loaded ones beside it."""
    bodies = (person(name="x"), person(name=5))
    for kind, job in (("given", "job-0"), ("retyped", "job-1")):
        row = counted(*bodies, kind=kind)["VideoLabel", "/persons/*/name"]
        assert (row["values_count"], row["jobs_count"], row["first_job_id"]) == (1, 1, job)


def test_all_levels_of_a_tree_have_one_path() -> None:
    """A key deep in a mind map counts with those at its top."""
    tree = [
        {"title": "a", "new": 1, "topic": [{"title": "b", "topic": [{"title": "c", "new": 2}]}]}
    ]
    body = success(result("NLP", {"summarization": {"mindMapSummary": tree}}))
    rows = counted(body)
    assert rows["NLP", "/summarization/mindMapSummary/*/title"]["values_count"] == 3
    new = counted(body, kind="unmapped")
    assert new["NLP", "/summarization/mindMapSummary/*/new"]["values_count"] == 2


def test_keys_of_the_reply_are_counted_too() -> None:
    """A key beside the results is no Type's: it counts under the reply."""
    assert (
        counted(success(surprise=True), kind="unmapped")["reply", "/surprise"]["json_types"]
        == "boolean"
    )


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


def test_results_without_rows_are_drift_too(tmp_path: Path) -> None:
    """A Type without a schema, and whole results in quarantine, are told by Type and job."""
    odd = success({"Type": "Odd", "Data": "?"}, result("ASR", {"title": "x"}), result("ASR", [1]))
    settings = loaded(
        tmp_path, [landing(0, odd), landing(1, success(result("ASR", {"details": []})))]
    )
    assert kinds(settings) == [("set_aside", "ASR", 1), ("unknown_type", "Odd", 1)]
    shares = {r["type"]: r["jobs_share"] for r in pipeline.drift(settings).to_pylist()}
    assert shares == {"ASR": 0.5, "Odd": 1.0}


def test_an_unknown_key_is_told_also_where_a_known_one_lies(tmp_path: Path) -> None:
    """A key beside what a wrapper holds is new, though another one at its path is known."""
    wrapped = {
        "summarization": {"summarization": {"paragraphSummary": "a"}, "paragraphSummary": "b"}
    }
    settings = loaded(tmp_path, [landing(0, success(result("NLP", wrapped)))])
    assert kinds(settings) == [("new", "NLP/summarization/paragraphSummary", 1)]


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
    assert "/persons/*/new not in the schema; number; 1 job, 50.0% of those with" in out
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


ODD = {"Type": "Odd", "Data": "?"}
LOSSES = {
    "a whole job": ("jobs", lambda t: t.slice(1), ("job-000", -1, "")),
    "a result": ("results", lambda t: t.slice(1), ("job-000", 0, "")),
    "the root row": ("meta_titles", lambda t: t.slice(1), ("job-000", 0, "")),
    "a row below": ("asr_segments", lambda t: t.slice(1), ("job-000", 1, "/details/0")),
    "a value": ("meta_titles", lambda t: changed(t, "title", "other"), ("job-000", 0, "/title")),
    "an unknown Type": ("unknown_results", lambda t: t.slice(1), ("job-000", 2, "")),
    "its text": ("unknown_results", lambda t: changed(t, "data", "!"), ("job-000", 2, "")),
    "the reason": ("quarantine", lambda t: t.slice(1), ("job-000", 3, "")),
    "an unknown key": ("unmapped_fields", lambda t: t.slice(1), ("job-000", 0, "/new")),
}


def changed(table: pa.Table, column: str, value: str) -> pa.Table:
    """Returns a table with another value in one column."""
    at = table.column_names.index(column)
    return table.set_column(at, table.schema.field(at), pa.array([value] * table.num_rows))


@pytest.mark.parametrize("name", LOSSES)
def test_verify_finds_each_loss(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is gone from the lake, or came out otherwise, is told with its job and place."""
    body = success(
        result("Meta", {"title": "as sent", "new": 1}),
        result("ASR", {"details": [{"content": "a"}, {"content": "b"}]}),
        ODD,
        result("Meta", {"title": 5}),
    )
    settings = new_home(tmp_path, [landing(0, body)])
    pipeline.flatten(settings)
    assert pipeline.verify(settings).different == ()
    table, lose, place = LOSSES[name]
    read = lake.read_rows

    def without(
        storage: Storage, commit: lake.Commit, file: CommittedFile, *, unmerged: Unmerged
    ) -> pa.Table:
        rows = read(storage, commit, file, unmerged=unmerged)
        return lose(rows) if file.table == table else rows

    monkeypatch.setattr(lake, "read_rows", without)
    found = {(d.job_id, d.result_index, d.pointer) for d in pipeline.verify(settings).different}
    assert place in found
    assert main(["verify", "--home", str(tmp_path)]) == 1
    assert f"job {place[0]}" in " ".join(capsys.readouterr().out.split())


def test_verify_tells_what_raw_alone_has(tmp_path: Path) -> None:
    """A result that was too large to be looked at is not called whole: quarantine has no text."""
    settings = new_home(tmp_path, [landing(0, success(result("Meta", {"title": "x" * 200})))])
    small = settings.model_copy(update={"max_blob_bytes": 100})
    pipeline.flatten(small)
    report = pipeline.verify(small)
    assert (report.results, report.equal, report.whole, report.cut) == (1, 0, 0, 1)
    assert report.different == ()


def test_verify_asks_for_batches_of_today(tmp_path: Path) -> None:
    """A lake whose batches are out of date is to be flattened first."""
    new_home(tmp_path, [landing(0, dumps({"JobStatus": "Success"}))])
    assert main(["verify", "--home", str(tmp_path)]) == 2
