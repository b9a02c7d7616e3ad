"""The synthetic lake of the benchmarks is a real one, and nothing escapes what is asked of it."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections import Counter
from pathlib import Path

import pytest
from warehouse_lake import ask_build

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import questions, size
from benchmarks.synthetic_lake import Size, write_lake
from transforms.contract import load_contracts
from transforms.lake import Commit, open_lake, read_rows
from transforms.settings import Settings
from transforms.warehouse.build import BUILD
from transforms.warehouse.duck import connect, fetch

TOY = Size(jobs=21, batches=3, depth=0.05)


class Toy:
    """A toy lake, loaded, checked and published by the steps of the runner."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home)
        self.commits = list(write_lake(home / "lake", TOY))
        (home / "size.json").write_text(json.dumps(dataclasses.asdict(TOY)))
        self.steps = {name: size._run(name, home, "") for name in ("load", "check", "publish")}

    def take(self, home: Path, step: str, given: questions.Given | None = None) -> size.Measured:
        """Stands in for a process of its own: what a step took, or the answer to a question."""
        return self.steps[step] if given is None else size._run(step, home, json.dumps(given))


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """One toy lake for all tests here."""
    return Toy(tmp_path_factory.mktemp("toy"))


def _tables(commits: list[Commit]) -> Counter[str]:
    rows = Counter({"batches": len(commits)})
    for commit in commits:
        rows.update({file.table: file.rows for file in commit.files})
    return rows


def test_every_table_of_the_schemas_has_rows(toy: Toy) -> None:
    """A toy lake has rows in each table there is, and the build as many as were committed."""
    expected = _tables(toy.commits)
    assert toy.steps["load"].answer == dict(expected)
    assert expected.keys() == load_contracts().tables.keys()
    assert expected["jobs"] == TOY.jobs


def test_all_checks_pass(toy: Toy) -> None:
    """Counts are conserved, keys unique, parents there: only its old age is told."""
    found = ask_build(toy.settings.warehouse_dir, "SELECT check_name FROM check_failures")
    assert set(found) <= {("freshness",)}
    assert toy.steps["check"].answer["failed"] == len(found)


def test_months_are_those_of_a_year(toy: Toy) -> None:
    """Batches are spread over the year, under months of their own."""
    paths = [commit.files[0].path for commit in toy.commits]
    assert [path.split("/")[2] for path in paths] == [
        "month=2024-01",
        "month=2024-05",
        "month=2024-09",
    ]


def test_same_seed_same_lake(toy: Toy, tmp_path: Path) -> None:
    """A lake written again is the same to the byte."""
    again = list(write_lake(tmp_path / "lake", TOY))
    assert [commit.commit_id for commit in again] == [commit.commit_id for commit in toy.commits]


def test_files_are_read_as_committed(toy: Toy) -> None:
    """The product's own reader finds every file with its checksum."""
    storage = open_lake(toy.settings.lake_root)
    commit = toy.commits[0]
    for file in commit.files:
        assert read_rows(storage, commit, file).num_rows == file.rows


def test_source_dirt_is_there(toy: Toy) -> None:
    """Parts in quarantine, an unknown Type, faces without a name and a result set aside."""
    home = toy.settings.warehouse_dir
    states = dict(ask_build(home, "SELECT state, count(*) FROM results GROUP BY ALL"))
    assert states["unknown_type"] == states["quarantined"] == states["partly_loaded"] == 3
    unnamed = ask_build(
        home,
        "SELECT bool_and((o.score = -1) = (p.category = 'unknown')) FROM video_persons AS p "
        "JOIN video_person_occurrences AS o USING (job_id, result_index, person_index)",
    )
    assert unnamed == [(True,)]


def test_some_persons_appear_very_often(toy: Toy) -> None:
    """Each batch has one person with ten thousand occurrences, here of a toy's depth: 500."""
    often = "SELECT count(*) FROM video_persons WHERE occurrences_count = 500"
    assert ask_build(toy.settings.warehouse_dir, often) == [(3,)]


def test_occurrences_lie_inside_the_video(toy: Toy) -> None:
    """No time is before the start of a video or after its end."""
    outside = ask_build(
        toy.settings.warehouse_dir,
        "SELECT count(*) FROM video_tag_occurrences AS o JOIN nlp_audio AS a USING (job_id) "
        "WHERE NOT (0 <= start_seconds AND start_seconds <= end_seconds "
        "AND end_seconds <= duration_seconds)",
    )
    assert outside == [(0,)]


def test_every_view_and_macro_is_asked(toy: Toy) -> None:
    """Whatever view or macro the build has, there is a question for it."""
    with connect(toy.settings.warehouse_dir / BUILD, read_only=True) as connection:
        asked = {each.name.partition("(")[0] for each in questions.read_questions(connection)}
        there = fetch(
            connection,
            "SELECT view_name FROM duckdb_views() WHERE NOT internal UNION "
            "SELECT function_name FROM duckdb_functions() WHERE function_type = 'table_macro' "
            "AND NOT internal",
        )
    assert {name for (name,) in there} <= asked


def test_a_macro_without_arguments_stops(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A macro nobody gave arguments for is not passed over."""
    monkeypatch.delitem(questions.SAMPLES, "appearances")
    with (
        connect(toy.settings.warehouse_dir / BUILD, read_only=True) as connection,
        pytest.raises(KeyError, match="appearances"),
    ):
        list(questions.read_questions(connection))


def test_steps_are_told(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Load, check and publish are told with time, memory and what they did."""
    monkeypatch.setattr(size, "_in_own_process", toy.take)
    size._print_steps(toy.settings.home)
    told = _rows(capsys.readouterr().out)
    rows = sum(toy.steps["load"].answer.values())
    assert told["load"][-1].startswith(f"{rows:,} rows, ")
    assert told["load"][0] == f"{toy.steps['load'].seconds:.1f}"
    assert told.keys() >= {"load", "check", "publish"}


def test_questions_are_told(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A question is told with its rows, for the job with the most occurrences and for all."""
    monkeypatch.setattr(size, "_in_own_process", toy.take)
    wanted = f"--home {toy.settings.home} --jobs 21 --batches 3 --depth 0.05 --tries 1"
    monkeypatch.setattr(sys, "argv", ["size", *wanted.split(), "--ask-only", "--only", "brands"])
    assert size.main() == 0
    out = capsys.readouterr().out
    brands = ask_build(toy.settings.warehouse_dir, "SELECT count(*) FROM brands")[0][0]
    assert brands > 0
    assert _rows(out)["`brands`"][-1] == f"{brands:,}"
    assert out.splitlines()[-1] == "0 over the bounds."


def test_a_broken_bound_fails(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What takes longer than it may is marked, and the run fails."""
    slow = size.Measured(seconds=10.5, cpu_seconds=1, peak_mib=100, answer=3)
    monkeypatch.setattr(size, "_in_own_process", lambda *_: slow)
    wanted = f"--home {toy.settings.home} --jobs 21 --batches 3 --depth 0.05 --tries 1"
    monkeypatch.setattr(sys, "argv", ["size", *wanted.split(), "--ask-only", "--only", "brands"])
    assert size.main() == 1
    assert _rows(capsys.readouterr().out)["`brands`"][4] == "**10.50**"


def _rows(out: str) -> dict[str, list[str]]:
    """Returns the cells of a printed table's rows, by the first."""
    lines = (line.strip("|").split("|") for line in out.splitlines() if line.startswith("|"))
    return {first.strip(): [cell.strip() for cell in cells] for first, *cells in lines}
