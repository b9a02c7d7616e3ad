"""Replay: jobs flattened again from raw with today's schemas, and what that changed."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from lake_kit import (
    Landing,
    lake_of,
    land,
    new_home,
    require_whole,
    rows_of,
    run_python,
    staged,
    success,
    titled,
    tree,
)

from transforms import lake, pipeline, raw, source
from transforms.cli import main
from transforms.contract import load_contracts
from transforms.errors import ConfigurationError, LakeFormatError, RetryableError
from transforms.paths import schemas_dir
from transforms.replay import replay as replay_lake
from transforms.reports import ReplayReport, TableDifference
from transforms.selection import Selection, parse_since
from transforms.settings import Settings, SourceSettings
from transforms.storage import STAGING, Storage, name_of

EVERYTHING = Selection()
ASR = "results/asr.schema.json"
TEXT = {"type": ["string", "null"], "description": "Text."}
SPEECH = {"details": [{"from": 1.5, "to": 2.5, "content": "hello"}]}
NO_DETAILS = {"message": "SUCCESS"}
"""Speech without its details: in quarantine as long as the schema asks for them."""
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes any use of the source, or of the network at all, fail the test."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a replay asks nobody")

    monkeypatch.setattr(source.CognitionSource, "__init__", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def overlay(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Returns an overlay with an amended ASR schema, its version raised."""
    schema = json.loads((schemas_dir() / ASR).read_bytes())
    schema["x-version"] += 1
    change(schema)
    (folder / "results").mkdir(parents=True)
    (folder / ASR).write_text(json.dumps(schema))
    return folder


def loose(schema: dict[str, Any]) -> None:
    """Asks for no details."""
    schema["required"] = []


def with_speaker(kind: str = "string") -> Callable[[dict[str, Any]], None]:
    """Returns what gives every sentence a speaker."""

    def change(schema: dict[str, Any]) -> None:
        sentence = schema["properties"]["details"]["items"]["properties"]
        sentence["speaker"] = {**TEXT, "type": [kind, "null"]}

    return change


def everything(folder: Path) -> dict[str, tuple[int, bytes | None]]:
    """Returns time and bytes of every file and folder, locks and staging too."""
    found = [folder, *folder.rglob("*")]
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes() if p.is_file() else None) for p in found}


def stamps(folder: Path) -> dict[str, tuple[int, bytes | None]]:
    """Returns the same without locks and staging."""
    return {path: it for path, it in everything(folder).items() if STAGING not in Path(path).parts}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Makes a home of two batches once, flattened and then published; part of a is quarantined."""
    homes = {name: tmp_path_factory.mktemp(name) / "home" for name in ("flattened", "published")}
    settings = new_home(
        homes["published"],
        [Landing("a", success(("ASR", NO_DETAILS))), Landing("b", success(("ASR", SPEECH)))],
        [Landing("c", titled("C")).later(days=1), Landing("d", titled(7)).later(days=1)],
    )
    pipeline.flatten(settings)
    shutil.copytree(homes["published"], homes["flattened"])
    pipeline.load(settings)
    return homes


@pytest.fixture
def strict(made: dict[str, Path], tmp_path: Path) -> Settings:
    """Returns a copy of the flattened home."""
    return Settings(home=Path(shutil.copytree(made["flattened"], tmp_path / "home")))


@pytest.fixture
def published(made: dict[str, Path], tmp_path: Path) -> Settings:
    """Returns a copy of the published home."""
    return Settings(home=Path(shutil.copytree(made["published"], tmp_path / "published")))


@pytest.fixture
def amended(strict: Settings, tmp_path: Path) -> Settings:
    """Returns the flattened home under an overlay that asks for no details."""
    return strict.model_copy(update={"schemas": overlay(tmp_path / "overlay", loose)})


@pytest.fixture
def amended_published(published: Settings, tmp_path: Path) -> Settings:
    """Returns the published home under such an overlay."""
    return published.model_copy(update={"schemas": overlay(tmp_path / "loose", loose)})


def replay(settings: Settings, selection: Selection, *, dry_run: bool = False) -> ReplayReport:
    """Replays the lake of a home alone, without its warehouse."""
    contracts = load_contracts(settings.schemas)
    return replay_lake(
        lake_of(settings), contracts, selection, max_blob_bytes=1 << 20, dry_run=dry_run
    )


LOOSENED = {
    # a's result is loaded now; its part has left quarantine. Both results were checked with the
    # raised version; a's also changed its state.
    "asr_results": TableDifference(added=1),
    "quarantine": TableDifference(removed=1),
    "results": TableDifference(changed=2),
}


def ask(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    """Returns the rows of an answer of the published warehouse."""
    return [tuple(row.values()) for row in pipeline.query(settings, sql).to_pylist()]


def of_jobs(report: ReplayReport) -> dict[str, TableDifference]:
    """Returns the differences of tables that hold rows of jobs, not sums over them."""
    return {name: each for name, each in report.differences.items() if name != "path_counts"}


def told(report: ReplayReport) -> ReplayReport:
    """Returns a report without what differs between any two runs."""
    return dataclasses.replace(report, seconds=0.0, dry_run=False)


def test_a_dry_run_tells_and_writes_nothing(amended_published: Settings) -> None:
    """A dry run gives the difference of the replay and leaves every file and folder alone."""
    home, selection = amended_published.home, Selection(quarantined=True, types=("ASR",))
    before = everything(home)
    dry = pipeline.replay(amended_published, selection, dry_run=True)
    assert dry.warehouse is None
    assert dry.replay.dry_run
    assert of_jobs(dry.replay) == LOOSENED
    assert everything(home) == before
    assert told(replay(amended_published, selection)) == told(dry.replay)


def test_fixed_rows_leave_quarantine(amended_published: Settings) -> None:
    """A replay with a looser schema loads what was set aside, in lake and published warehouse."""
    settings = amended_published
    assert ask(settings, "SELECT job_id FROM quarantine ORDER BY 1") == [("a",), ("d",)]
    report = pipeline.replay(settings, Selection(quarantined=True, types=("ASR",)))
    assert of_jobs(report.replay) == LOOSENED
    assert dataclasses.replace(told(report.replay), differences={}) == ReplayReport(
        dry_run=False, jobs=1, batches=1, changed_batches=1, quarantine_before=1
    )
    assert report.warehouse is not None
    assert report.warehouse.load.unchanged == 1
    assert len(report.warehouse.load.replaced) == 1
    assert ask(settings, "SELECT job_id FROM quarantine") == [("d",)]
    sql = "SELECT job_id, segments_count, message FROM asr_results ORDER BY 1"
    assert ask(settings, sql) == [("a", None, "SUCCESS"), ("b", 1, None)]
    assert ask(settings, "SELECT state FROM results WHERE job_id = 'a'") == [("loaded",)]


def test_a_second_replay_changes_nothing(amended_published: Settings) -> None:
    """Replaying again finds no difference, touches no file, and the load finds nothing to do."""
    settings = amended_published
    first = pipeline.replay(settings, EVERYTHING)
    assert (first.replay.batches, first.replay.changed_batches) == (2, 1)
    before = stamps(settings.home / "lake")
    second = pipeline.replay(settings, EVERYTHING)
    assert second.replay.differences == {}
    again = second.replay
    assert (again.jobs, again.batches, again.changed_batches) == (4, 2, 0)
    assert (second.replay.quarantine_before, second.replay.quarantine_after) == (1, 1)
    assert stamps(settings.home / "lake") == before
    assert second.warehouse is not None
    load = second.warehouse.load
    assert (load.loaded, load.replaced, load.removed, load.unchanged) == ((), (), (), 2)
    assert not second.warehouse.publish.changed
    assert pipeline.flatten(settings).batches == 0


def test_a_replay_makes_what_flatten_makes(amended: Settings, tmp_path: Path) -> None:
    """A replay of everything leaves, to the byte, the lake that flattening anew would make."""
    raws = [path for path in (amended.home / "lake").rglob("*") if "raw" in path.parts]
    anew = new_home(tmp_path / "anew").model_copy(update={"schemas": amended.schemas})
    for path in filter(Path.is_file, raws):
        relative = path.relative_to(amended.home / "lake").as_posix()
        lake_of(anew).write_bytes(relative, path.read_bytes())
    replay(amended, EVERYTHING)
    pipeline.flatten(anew)
    assert tree(amended.home / "lake") == tree(anew.home / "lake")


def test_a_new_column_counts_where_it_holds_something(strict: Settings, tmp_path: Path) -> None:
    """Of rows that get a new column, those with a value in it count as changed."""
    said = {"details": [{"content": "x", "speaker": "S"}, {"content": "y"}]}
    land(lake_of(strict), Landing("e", success(("ASR", said))).later(days=2))
    pipeline.flatten(strict)
    assert [row["pointer"] for row in rows_of(lake_of(strict), "unmapped_fields")] == [
        "/details/0/speaker"
    ]
    amended = strict.model_copy(
        update={"schemas": overlay(tmp_path / "overlay", with_speaker("string"))}
    )
    report = replay(amended, Selection(jobs=("e",)))
    assert of_jobs(report) == {
        "asr_segments": TableDifference(changed=1),
        "results": TableDifference(changed=1),
        "unmapped_fields": TableDifference(removed=1),
    }
    found = {
        row["content"]: row.get("speaker") for row in rows_of(lake_of(amended), "asr_segments")
    }
    assert (found["x"], found["y"]) == ("S", None)


SELECTIONS: dict[str, tuple[Selection, int, int]] = {
    # jobs and batches: of a and b in the first, of c and d, a day later, in the second
    "everything": (EVERYTHING, 4, 2),
    "one job": (Selection(jobs=("b",)), 1, 1),
    "jobs of both": (Selection(jobs=("a", "d")), 2, 2),
    "a Type": (Selection(types=("ASR",)), 2, 1),
    "an alias": (Selection(types=("Metadata",)), 2, 1),
    "two Types": (Selection(types=("ASR", "Meta")), 4, 2),
    "a day": (Selection(since=parse_since("2026-01-16")), 2, 1),
    "a time": (Selection(since=parse_since("2026-01-16T12:00:00+00:00")), 2, 1),
    "too late": (Selection(since=parse_since("2026-01-16T12:00:01")), 0, 0),
    "quarantine": (Selection(quarantined=True), 2, 2),
    "quarantine of a Type": (Selection(types=("Meta",), quarantined=True), 1, 1),
    "all at once": (
        Selection(("a", "d"), ("Meta",), parse_since("2026-01-16"), quarantined=True),
        1,
        1,
    ),
    "no such thing": (Selection(jobs=("a",), types=("Meta",)), 0, 0),
    "a Type no job has": (Selection(types=("OCR",)), 0, 0),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_jobs_are_selected_by_all_that_is_given(strict: Settings, name: str) -> None:
    """Ids, Types with their aliases, time and quarantine select, and together narrow down."""
    selection, jobs, batches = SELECTIONS[name]
    report = replay(strict, selection, dry_run=True)
    assert (report.jobs, report.batches) == (jobs, batches)


def test_a_selection_without_a_match_does_nothing(amended: Settings) -> None:
    """Where no job matches, neither lake nor warehouse is touched, and missing ids are named."""
    before = stamps(amended.home)
    report = pipeline.replay(amended, Selection(jobs=("x", "y")))
    assert report.warehouse is None
    assert told(report.replay) == ReplayReport(dry_run=False, missing_jobs=("x", "y"))
    assert stamps(amended.home) == before
    assert replay(amended, Selection(jobs=("a", "x"))).missing_jobs == ("x",)


def test_an_unknown_type_is_refused(strict: Settings) -> None:
    """A Type without a schema is refused with those there are, before anything is done."""
    with pytest.raises(ConfigurationError, match="no schema has the Type Speech: give one of ASR,"):
        replay(strict, Selection(types=("ASR", "Speech")))


@pytest.mark.parametrize(
    "text",
    [
        "soon",
        "2026-13-01",
        "",
        "01/02/2026",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
    ],
)
def test_a_malformed_time_is_refused(text: str) -> None:
    """What is no date, or none any more in UTC, is refused with an example."""
    with pytest.raises(ConfigurationError, match="--since takes a date such as 2026-01-31"):
        parse_since(text)


def test_times_are_utc() -> None:
    """A time with an offset is turned to UTC, one without is UTC already."""
    assert parse_since("2026-01-31T02:00:00+08:00") == datetime(2026, 1, 30, 18)  # noqa: DTZ001 - the lake's times are UTC without saying so
    assert parse_since("2026-01-31") == datetime(2026, 1, 31)  # noqa: DTZ001 - as above


REFUSED: dict[str, tuple[Callable[[dict[str, Any]], None] | None, str]] = {
    "type flip": (
        with_speaker("number"),
        r"asr_segments\.speaker was string and is now double.*add a new column.*new lake",
    ),
    "dropped column": (
        None,
        r"the column asr_segments\.speaker \(string\) is gone.*COGNITION_SCHEMAS may name",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("step", ["replay", "dry run", "flatten", "load"])
def test_an_incompatible_change_is_refused(
    strict: Settings, tmp_path: Path, name: str, step: str
) -> None:
    """What would drop or retype a column of the lake is refused, and nothing is written."""
    first = overlay(tmp_path / "first", with_speaker("string"))
    pipeline.flatten(strict.model_copy(update={"schemas": first}))
    change, message = REFUSED[name]
    second = overlay(tmp_path / "second", change) if change is not None else None
    now = strict.model_copy(update={"schemas": second})
    steps: dict[str, Callable[[], object]] = {
        "replay": lambda: replay(now, EVERYTHING),
        "dry run": lambda: replay(now, EVERYTHING, dry_run=True),
        "flatten": lambda: pipeline.flatten(now),
        "load": lambda: pipeline.load(now),
    }
    before = stamps(strict.home)
    with pytest.raises(ConfigurationError, match=message):
        steps[step]()
    assert stamps(strict.home) == before


def test_a_job_that_moved_is_followed(published: Settings) -> None:
    """A newer reply that is not flattened yet takes its job along: it is nowhere twice or lost."""
    land(lake_of(published), Landing("a", success(("ASR", SPEECH))).later(days=9))
    dry = replay(published, Selection(jobs=("b",)), dry_run=True)
    report = pipeline.replay(published, Selection(jobs=("b",)))
    assert told(report.replay) == told(dry)
    assert report.replay.batches == 2
    assert report.replay.differences["jobs"] == TableDifference(added=1, removed=1)
    assert ask(published, "SELECT count(*), count(DISTINCT job_id) FROM jobs") == [(4, 4)]
    sql = "SELECT content FROM asr_segments WHERE job_id = 'a'"
    assert ask(published, sql) == [("hello",)]


def test_a_batch_without_its_raw_file_goes(published: Settings) -> None:
    """A batch whose raw file was removed is taken out, and told so by a dry run before."""
    storage = lake_of(published)
    storage.remove(raw.list_raw(storage)[1])
    before = stamps(published.home)
    dry = replay(published, Selection(jobs=("b",)), dry_run=True)
    assert stamps(published.home) == before
    report = pipeline.replay(published, Selection(jobs=("b",))).replay
    assert told(report) == told(dry)
    assert (report.retracted, report.changed_batches) == (1, 0)
    assert report.differences["jobs"] == TableDifference(removed=2)
    assert (report.quarantine_before, report.quarantine_after) == (2, 1)
    assert ask(published, "SELECT job_id FROM jobs ORDER BY 1") == [("a",), ("b",)]


@pytest.mark.parametrize("spoil", [lambda file: file.unlink(), lambda file: file.write_bytes(b"")])
def test_a_damaged_file_is_told(strict: Settings, spoil: Callable[[Path], object]) -> None:
    """A committed file that is missing or altered stops the replay with the remedy."""
    (file,) = (strict.home / "lake/tables/asr_segments").rglob("*.parquet")
    spoil(file)
    for dry_run in (True, False):
        with pytest.raises(LakeFormatError, match=r"asr_segments.*delete batches/.*flatten"):
            replay(strict, EVERYTHING, dry_run=dry_run)
    (strict.home / f"lake/batches/{file.stem}.json").unlink()
    pipeline.flatten(strict)
    assert replay(strict, EVERYTHING).differences == {}


def test_a_dry_run_waits_for_nobody(strict: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run that meets a batch just being made again says so, as it takes no lock."""
    read = Storage.read

    def read_late(self: Storage, path: str) -> pa.Buffer:
        if path.startswith("tables/jobs/"):
            lake.clear(self, "2026-01", name_of(path))  # another process has begun
        return read(self, path)

    monkeypatch.setattr(Storage, "read", read_late)
    with pytest.raises(RetryableError, match=r"batch .* is just being made again: try again"):
        replay(strict, EVERYTHING, dry_run=True)


@pytest.mark.parametrize(("owner", "name"), [(Path, "replace"), (Storage, "remove")])
def test_a_replay_that_breaks_off_is_healed_by_flatten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    """Broken off before any rename or removal, a replay leaves batches whole or absent.

    `flatten` then makes, to the byte, what the undisturbed replay makes.
    """
    before = new_home(tmp_path / "before", [Landing("a", success(("ASR", NO_DETAILS)))])
    pipeline.flatten(before)
    start = _files(before.home / "lake")
    amended = before.model_copy(update={"schemas": overlay(tmp_path / "overlay", loose)})
    pipeline.flatten(amended)
    expected = tree(amended.home / "lake")
    call = getattr(owner, name)
    for last in itertools.count(1):
        home = _restored(tmp_path / f"broken-{last}", start)
        settings = amended.model_copy(update={"home": home})
        steps = itertools.count(1)

        def break_off(*arguments: object, last: int = last, steps: Iterator[int] = steps) -> object:
            if next(steps) == last:
                raise KeyboardInterrupt
            return call(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, break_off)
            try:
                replay(settings, EVERYTHING)
                broken = False
            except KeyboardInterrupt:
                broken = True
        require_whole(lake_of(settings))
        if not broken:
            assert tree(home / "lake") == expected
            break
        pipeline.flatten(settings)
        assert tree(home / "lake") == expected, f"broken off at step {last}"
        assert staged(home / "lake") == []
    assert last > 4


def _files(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _restored(home: Path, files: dict[str, bytes]) -> Path:
    for name, body in files.items():
        (home / "lake" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "lake" / name).write_bytes(body)
    return home


TWO_REPLAYS = """
import os, sys
from pathlib import Path
from transforms.contract import load_contracts
from transforms.lake import open_lake
from transforms.replay import replay
from transforms.selection import Selection

home, overlay = sys.argv[1:]
contracts = load_contracts(Path(overlay))
reading, writing = os.pipe()
children = []
for _ in range(2):
    child = os.fork()
    if not child:
        os.close(writing)
        os.read(reading, 1)  # returns when the parent lets both go
        try:
            report = replay(open_lake(home + "/lake"), contracts, Selection(), max_blob_bytes=2**20)
            code = report.differences.get("asr_results").added if report.differences else 0
        except BaseException:
            import traceback
            traceback.print_exc()
            code = 99
        os._exit(code)
    children.append(child)
os.close(writing)
print(*(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


def test_two_replays_at_once_make_what_one_makes(amended: Settings, tmp_path: Path) -> None:
    """Two processes that replay one lake at once change each batch once, and both succeed."""
    storage = lake_of(amended)
    for number in range(6):
        land(storage, Landing(f"e{number}", success(("ASR", NO_DETAILS))).later(days=2 + number))
    pipeline.flatten(amended.model_copy(update={"schemas": None}))
    alone = _restored(tmp_path / "alone", _files(amended.home / "lake"))
    ran = run_python(TWO_REPLAYS, amended.home, amended.schemas)
    assert ran.returncode == 0, ran.stderr
    added = [int(code) for code in ran.stdout.split()]
    assert sum(added) == 7, ran.stderr  # a, and the six
    pipeline.flatten(amended.model_copy(update={"home": alone}))
    assert tree(amended.home / "lake") == tree(alone / "lake")
    assert require_whole(storage)
    assert Counter(row["job_id"] for row in rows_of(storage, "jobs")).most_common(1)[0][1] == 1


@pytest.fixture
def cli(strict: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """Returns what runs `cognition replay` and gives exit code, stdout and stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["replay", "--home", str(strict.home), *words])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_the_command_tells_the_difference(
    amended_published: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`cognition replay` prints jobs, batches, rows by table and quarantine, then the load."""
    monkeypatch.setenv("COGNITION_SCHEMAS", str(amended_published.schemas))
    words = ["replay", "--home", str(amended_published.home), "--quarantined", "--type", "ASR"]
    assert main([*words, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "replay      1 job in 1 batch: 1 batch would change; " in out
    assert "dry run     nothing was written" in out
    assert "publish" not in out
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("replay      1 job in 1 batch: 1 batch changes; ")
    assert lines[1] == "rows        asr_results: added 1"
    for line in (
        "            quarantine: removed 1",
        "            results: changed 2",
        "quarantine  1 part in these batches before, 0 after",
        "load        batches: replaced 1, unchanged 1",
    ):
        assert line in lines


def test_no_difference_is_told(cli: Cli) -> None:
    """Where nothing differs, the command says so."""
    code, out, _ = cli("--all", "--dry-run")
    assert code == 0
    assert "rows        no difference" in out


def test_the_command_gives_json(
    cli: Cli, amended: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --json the whole report is one document."""
    monkeypatch.setenv("COGNITION_SCHEMAS", str(amended.schemas))
    code, out, _ = cli("--all", "--dry-run", "--json")
    document = orjson.loads(out)
    assert code == 0
    assert document["warehouse"] is None
    assert document["replay"]["differences"]["results"] == {"added": 0, "removed": 0, "changed": 2}


def test_ids_come_by_comma_or_file(cli: Cli, tmp_path: Path) -> None:
    """--jobs takes ids separated by commas, a file, or both; ids the lake lacks are a warning."""
    (tmp_path / "ids.txt").write_text("# mine\nc\nnobody\n")
    code, out, err = cli("--jobs", "a, b", "--jobs", f"@{tmp_path}/ids.txt", "--dry-run")
    assert code == 0
    assert "3 jobs in 2 batches: 0 batches would change" in out
    assert err.splitlines()[-1] == (
        "warning: 1 job is not in the lake: nobody; check the id, or land it with cognition ingest "
        "or import"
    )


def test_jobs_to_be_flattened_first_are_told_apart(cli: Cli, strict: Settings) -> None:
    """A job that has landed and is in no batch yet is not said to be missing."""
    land(lake_of(strict), Landing("e", titled("E")).later(days=3))
    code, out, err = cli("--jobs", "e,x,y")
    assert (code, out) == (0, "replay      no job of the lake matches: nothing was done\n")
    missing, waiting = err.splitlines()
    assert missing.startswith("warning: 2 jobs are not in the lake: x, y; check the ids, or land ")
    assert waiting == "warning: 1 job is not flattened yet: e; run cognition flatten"


@pytest.mark.parametrize(
    ("words", "code"), [("--all", 1), ("--jobs b,c", 1), ("--jobs a", 1), ("--jobs a,nobody", 1)]
)
def test_strict_minds_quarantine_and_missing_jobs(cli: Cli, words: str, code: int) -> None:
    """Parts that stay in quarantine, and jobs that are not there, are exit code 1 if strict."""
    assert cli(*words.split(), "--dry-run")[0] == 0
    assert cli(*words.split(), "--dry-run", "--strict")[0] == code


def test_strict_is_content_without_quarantine(
    cli: Cli, amended: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no part stays in quarantine and every job is found, --strict changes nothing."""
    monkeypatch.setenv("COGNITION_SCHEMAS", str(amended.schemas))
    assert cli("--jobs", "a", "--strict", "--dry-run")[0] == 0
    assert cli("--jobs", "a,nobody", "--strict", "--dry-run")[0] == 1


@pytest.mark.parametrize("words", ["--all", "--all --dry-run", "--jobs a"])
def test_a_lake_without_batches_is_to_be_flattened_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    """Where nothing is committed there is nothing to replay, and the remedy is told."""
    new_home(tmp_path / "raw", [Landing("a", titled("A"))])
    assert main(["replay", *words.split(), "--home", str(tmp_path / "raw")]) == 2
    told = capsys.readouterr().err
    assert told == "error: no batch is committed yet: run `cognition flatten` first\n"


def test_types_come_by_comma_or_alias(cli: Cli) -> None:
    """--type takes Types and aliases, by comma, repeated, or both."""
    for words in (["--type", "ASR, Metadata"], ["--type", "ASR", "--type", "Meta,ASR"]):
        assert "4 jobs in 2 batches" in cli(*words, "--dry-run")[1]
    assert "2 jobs in 1 batch" in cli("--type", "Metadata", "--dry-run")[1]


def test_a_forgotten_overlay_is_noticed_first(strict: Settings, tmp_path: Path) -> None:
    """Without the overlay of its lake `run` asks nobody: the refusal comes before the source."""
    first = overlay(tmp_path / "first", with_speaker())
    pipeline.flatten(strict.model_copy(update={"schemas": first}))
    lake_of(strict).write_bytes("ledger/jobs.txt", b"pending\n")
    before = stamps(strict.home)
    with pytest.raises(ConfigurationError, match=r"asr_segments\.speaker \(string\) is gone"):
        pipeline.run(strict, SourceSettings())
    assert stamps(strict.home) == before


def test_status_tells_a_forgotten_overlay(
    strict: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Status names no step that would be refused, but warns with the refusal; and never fails."""
    first = overlay(tmp_path / "first", with_speaker())
    pipeline.flatten(strict.model_copy(update={"schemas": first}))
    words = ["status", "--home", str(strict.home)]
    assert main(words) == 0
    told = capsys.readouterr()
    assert "2 raw files to flatten" in told.out
    assert "next" not in told.out
    assert told.err.count("\n") == 1
    assert told.err.startswith("warning: the lake ")
    assert "asr_segments.speaker (string) is gone" in told.err
    assert main([*words, "--json"]) == 0
    assert "is gone" in json.loads(capsys.readouterr().out)["schemas_error"]
    monkeypatch.setenv("COGNITION_SCHEMAS", str(first))
    assert main(words) == 0
    told = capsys.readouterr()
    assert "next        cognition load" in told.out
    assert told.err == ""


def test_no_match_is_told_and_is_no_error(cli: Cli) -> None:
    """A selection that no job meets is said so, with exit code 0."""
    code, out, _ = cli("--type", "OCR")
    assert (code, out) == (0, "replay      no job of the lake matches: nothing was done\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "say what to replay: --jobs, --type, --since or --quarantined, or --all"),
        (["--dry-run"], "say what to replay"),
        (["--all", "--quarantined"], "--all replays every job: drop it, or the other options"),
        (["--type", "Speech"], "no schema has the Type Speech: give one of ASR"),
        (["--type", "videolabel"], "no schema has the Type videolabel: did you mean VideoLabel?"),
        (["--type", "reply"], "no schema has the Type reply: give one of ASR"),
        (["--type", " ,"], "--type names no Type: give one of ASR"),
        (["--since", "yesterday"], "--since takes a date such as 2026-01-31"),
        (["--jobs", " , "], "--jobs names no job: give ids separated by commas, or @FILE"),
        (["--jobs", "a b"], "--jobs: 'a b' is no job id: correct or remove it"),
        (["--jobs", "@no/such/file.txt"], "no/such/file.txt: No such file or directory"),
        (
            ["--jobs", "@replies/x.json"],
            "--jobs @replies/x.json: give a .txt, .csv, .jsonl or .parquet file of job ids",
        ),
        (["--jobs", "@"], "--jobs @: give a .txt"),
    ],
)
def test_misuse_is_one_line(
    cli: Cli,
    words: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A wrong call ends with 2 and one line that says what to do; nothing is written."""
    monkeypatch.chdir(tmp_path)
    before = stamps(tmp_path / "home")
    code, out, err = cli(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert stamps(tmp_path / "home") == before
