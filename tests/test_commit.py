"""Batches are whole or absent, whatever fails and whenever, and follow raw, schemas and code."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from lake_kit import (
    Landing,
    ObjectStore,
    child_environment,
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
    use_store,
    without_id,
)

from transforms import commit, lake, pipeline, raw
from transforms.batch import FLATTEN_VERSION
from transforms.contract import load_contracts
from transforms.errors import ConservationError
from transforms.paths import schemas_dir
from transforms.reports import FlattenReport
from transforms.settings import Settings
from transforms.storage import LOCKS, Storage, name_of

SPEECH = {"details": [{"from": 1.5, "to": 2.5, "content": "你好"}]}
REPLIES = [
    Landing("a", success(("Meta", {"title": "A"}), ("ASR", SPEECH))),
    Landing("b", titled(7)),
]


def _schemas(folder: Path, change: Callable[[dict[str, object]], None]) -> Path:
    """Returns a copy of the shipped schemas with the one of Meta changed."""
    shutil.copytree(schemas_dir(), folder)
    file = folder / "results" / "meta.schema.json"
    document = json.loads(file.read_bytes())
    change(document)
    file.write_text(json.dumps(document))
    return folder


def _strict(schema: dict[str, object]) -> None:
    """Makes Meta accept no title of more than one letter."""
    schema["properties"]["title"]["maxLength"] = 1  # type: ignore[index]  # a schema is any JSON


def _with_parts(schema: dict[str, object]) -> None:
    """Gives Meta one table more."""
    items = {"type": "object", "properties": {"name": {"type": "string", "description": "Name."}}}
    parts = {"type": ["array", "null"], "description": "One row per part.", "items": items}
    parts |= {"x-table": "meta_parts", "x-index": "part_index"}
    schema["properties"]["parts"] = parts  # type: ignore[index]  # as above
    schema["x-version"] = 2


def _flattened_before(home: Path, schemas: Path) -> Settings:
    """Returns a home where each kind of change waits for the next flattening.

    Batches: one whose quarantined row the schemas accept by now and a reply of which is
    superseded; one whose raw file is gone; one that is new.
    """
    replies = [Landing("a", titled("long")), Landing("b", titled("B")), Landing("c", titled("C"))]
    settings = new_home(home, replies, [Landing("d", titled("D")).later(seconds=5)])
    pipeline.flatten(settings.model_copy(update={"schemas": _schemas(schemas, _strict)}))
    storage = lake_of(settings)
    assert {row["job_id"] for row in rows_of(storage, "quarantine")} == {"a"}
    storage.remove(raw.list_raw(storage)[1])
    land(storage, Landing("b", titled("E")).later(seconds=9))
    return settings


def _flattened_never(home: Path, schemas: Path) -> Settings:
    return new_home(home, REPLIES)


@pytest.fixture(params=["first", "replacement"])
def before(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Returns a home that waits to be flattened, for the first time or again."""
    prepare = _flattened_never if request.param == "first" else _flattened_before
    return prepare(tmp_path / "before", tmp_path / "schemas")


def _copied(settings: Settings, home: Path) -> Settings:
    shutil.copytree(settings.home, home)
    return settings.model_copy(update={"home": home})


def _result(settings: Settings) -> dict[str, bytes]:
    """Flattens a home to the end and returns its lake, having checked that nothing is left."""
    pipeline.flatten(settings)
    require_whole(lake_of(settings))
    assert staged(settings.home / "lake") == []
    return tree(settings.home / "lake")


def _undisturbed(settings: Settings, tmp_path: Path) -> dict[str, bytes]:
    return _result(_copied(settings, tmp_path / "undisturbed"))


KILLED_AT_EACH_STEP = """
import os, shutil, signal, sys
from itertools import count
from pathlib import Path
from transforms import pipeline, storage
from transforms.contract import load_contracts
from transforms.settings import Settings

def flatten_until(last, home):
    steps = count(1)
    def before(call):
        def counted(*arguments):
            if next(steps) == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments)
        return counted
    storage._fsync = before(storage._fsync)
    storage.Storage.remove = before(storage.Storage.remove)
    Path.replace = before(Path.replace)
    pipeline.flatten(Settings(home=home))

load_contracts(None)
home, killed = map(Path, sys.argv[1:])
for last in count(1):
    copy = killed / str(last)
    shutil.copytree(home, copy)
    child = os.fork()
    if not child:
        try:
            flatten_until(last, copy)
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status != signal.SIGKILL:
        sys.exit(status)
"""


def test_a_kill_at_any_step_is_recovered_from(before: Settings, tmp_path: Path) -> None:
    """Killed before any rename, sync or removal, batches are whole or absent; the next run ends it.

    What it ends in is, to the byte, what an undisturbed run makes.
    """
    expected = _undisturbed(before, tmp_path)
    ran = run_python(KILLED_AT_EACH_STEP, before.home, tmp_path / "killed")
    assert ran.returncode == 0, ran.stderr
    homes = sorted((tmp_path / "killed").iterdir(), key=lambda home: int(home.name))
    assert len(homes) > 20
    for home in homes:
        settings = before.model_copy(update={"home": home})
        require_whole(lake_of(settings))
        assert _result(settings) == expected, f"killed at step {home.name}"


@pytest.mark.parametrize(("owner", "name"), [(Storage, "write"), (Path, "replace")])
def test_a_failure_of_any_write_is_recovered_from(
    before: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    name: str,
) -> None:
    """When any one write or rename fails, nothing half is seen and the next run ends it."""
    expected = _undisturbed(before, tmp_path)
    call = getattr(owner, name)
    for last in itertools.count(1):
        settings = _copied(before, tmp_path / f"failed-{last}")
        steps = itertools.count(1)

        def fail_at(
            *arguments: object,
            last: int = last,
            steps: Iterator[int] = steps,
            **options: object,
        ) -> object:
            if next(steps) == last:
                raise OSError(28, "No space left on device")
            return call(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fail_at)
            try:
                pipeline.flatten(settings)
            except OSError:
                failed = True
            else:
                failed = False
        require_whole(lake_of(settings))
        assert staged(settings.home / "lake") == []
        assert _result(settings) == expected, f"failed at step {last}"
        if not failed:
            break
    assert last > 5


def _store_before(monkeypatch: pytest.MonkeyPatch, schemas: Path) -> tuple[ObjectStore, Settings]:
    """Returns an object store whose lake waits to be flattened again."""
    store = ObjectStore()
    settings = Settings(lake=use_store(monkeypatch, store))
    storage = lake.open_lake(settings.lake_root, create=True)
    land(storage, Landing("a", titled("long")), Landing("b", titled("B")))
    pipeline.flatten(settings.model_copy(update={"schemas": _schemas(schemas, _strict)}))
    land(storage, Landing("b", titled("E")).later(seconds=9))
    return store, settings


def test_a_failure_of_any_put_is_recovered_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an object store, too, any put may fail: nothing half is seen and the next run ends it."""
    store, settings = _store_before(monkeypatch, tmp_path / "schemas")
    start = dict(store.objects)
    pipeline.flatten(settings)
    expected = dict(store.objects)
    assert expected != start
    for last in itertools.count(1):
        store.objects, store.puts = dict(start), 0

        def fail_at(key: str, last: int = last) -> None:
            if store.puts + 1 == last:
                raise OSError(5, "put failed")

        store.before_put = fail_at
        try:
            pipeline.flatten(settings)
        except OSError:
            failed = True
        else:
            failed = False
        store.before_put = lambda key: None
        require_whole(lake_of(settings))
        pipeline.flatten(settings)
        assert store.objects == expected, f"failed at put {last}"
        if not failed:
            break
    assert last > 5


def test_a_failed_conservation_leaves_the_batch_as_it_was(
    before: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When rows would be lost, nothing is committed and what was committed stays."""
    was = {k: v for k, v in tree(before.home / "lake").items() if "month=2026-01/2026" in k}
    commits = lake.read_commits(lake_of(before))

    def lose(*_: object, **__: object) -> None:
        raise ConservationError("job a: rows lost")

    monkeypatch.setattr(commit, "flatten_raw", lose)
    (raw_file, *_rest) = pipeline.stale_batches(before)
    with pytest.raises(ConservationError, match="rows lost"):
        pipeline.flatten_batches(before, [raw_file])
    assert lake.read_commits(lake_of(before)) == commits
    assert {k: v for k, v in tree(before.home / "lake").items() if "month=2026-01/2026" in k} == was


def _stamps(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_a_second_run_is_a_no_op(before: Settings) -> None:
    """Flattening again touches no file and reports every batch as unchanged."""
    pipeline.flatten(before)
    stamps = _stamps(before.home)
    batches = len(raw.list_raw(lake_of(before)))
    assert pipeline.flatten(before) == FlattenReport(unchanged=batches)
    assert pipeline.stale_batches(before) == []
    assert _stamps(before.home) == stamps


def test_the_same_raw_makes_the_same_bytes(tmp_path: Path) -> None:
    """Two lakes with the same raw are equal file by file, markers included."""
    for name in ("x", "y"):
        pipeline.flatten(new_home(tmp_path / name, REPLIES))
    assert tree(tmp_path / "x") == tree(tmp_path / "y")


def test_a_marker_says_what_was_flattened(tmp_path: Path) -> None:
    """A marker holds the batch's inputs, its counts, the rows per table and the raw file's hash."""
    settings = new_home(tmp_path, REPLIES)
    report = pipeline.flatten(settings)
    storage = lake_of(settings)
    (made,) = lake.read_commits(storage).values()
    (raw_file,) = raw.list_raw(storage)
    assert made.batch_id == name_of(raw_file)
    assert made.inputs["raw_file"] == raw_file
    assert made.inputs["superseded"] == ""
    assert made.inputs["schemas_digest"] == load_contracts().digest
    assert made.facts["jobs_count"] == 2
    assert made.facts["queried_from"] == made.facts["queried_to"] == "2026-01-15T12:00:00"
    assert made.totals["meta_titles"] == {"source": 2, "loaded": 1, "quarantined": 1}
    rows = {file.table: file.rows for file in made.files}
    assert rows == {
        "jobs": 2,
        "results": 3,
        "quarantine": 1,
        "meta_titles": 1,
        "asr_results": 1,
        "asr_segments": 1,
        "path_counts": 8,  # Meta and its title, good and bad; ASR, its starts, ends and contents
    }
    assert report.rows == rows
    assert (report.jobs, report.results, report.quarantined) == (2, 3, 1)
    assert report.bytes == sum(len(reply.body) for reply in REPLIES)


def test_new_schemas_make_every_batch_again(tmp_path: Path) -> None:
    """A change of the schemas makes all batches again, and a fixed row leaves quarantine."""
    strict = _schemas(tmp_path / "strict", _strict)
    settings = new_home(
        tmp_path / "home",
        [Landing("a", titled("long"))],
        [Landing("b", titled("B")).later(seconds=1)],
    )
    assert pipeline.flatten(settings.model_copy(update={"schemas": strict})).quarantined == 1
    report = pipeline.flatten(settings)
    assert (report.batches, report.unchanged, report.quarantined) == (2, 0, 0)
    storage = lake_of(settings)
    assert [row["title"] for row in rows_of(storage, "meta_titles")] == ["long", "B"]
    assert storage.list("tables/quarantine") == []


def test_a_table_that_is_no_more_leaves_no_file(tmp_path: Path) -> None:
    """Of a table the schemas lack, where no note of the tables forbids that, no file stays."""
    reply = success(("Meta", {"title": "A", "parts": [{"name": "n"}]}))
    settings = new_home(tmp_path / "home", [Landing("a", reply)])
    other = settings.model_copy(update={"schemas": _schemas(tmp_path / "other", _with_parts)})
    pipeline.flatten(other)
    assert [row["name"] for row in rows_of(lake_of(settings), "meta_parts")] == ["n"]
    (marker,) = lake_of(settings).list("batches")
    lake_of(settings).remove(marker)  # as a crash in the midst of the change does
    lake_of(settings).remove("tables.json")  # as in a lake from before there was one
    pipeline.flatten(settings)
    assert lake_of(settings).list("tables/meta_parts") == []
    assert [row["title"] for row in rows_of(lake_of(settings), "meta_titles")] == ["A"]


def test_new_code_makes_every_batch_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A raised version of the flattening makes all batches again."""
    settings = new_home(tmp_path, REPLIES)
    pipeline.flatten(settings)
    monkeypatch.setattr(commit, "FLATTEN_VERSION", FLATTEN_VERSION + 1)
    assert pipeline.flatten(settings).batches == 1
    assert pipeline.flatten(settings).batches == 0


def test_a_job_asked_again_is_there_once(tmp_path: Path) -> None:
    """Of a job with a newer reply one row is in the lake; the older batch is made without it."""
    settings = new_home(tmp_path, [Landing("a", titled("old")), Landing("b", titled("B"))])
    pipeline.flatten(settings)
    land(lake_of(settings), Landing("a", titled("new")).later(days=40))
    report = pipeline.flatten(settings)
    assert (report.batches, report.jobs) == (2, 2)
    storage = lake_of(settings)
    assert Counter(row["job_id"] for row in rows_of(storage, "jobs")) == {"a": 1, "b": 1}
    titles = {row["job_id"]: row["title"] for row in rows_of(storage, "meta_titles")}
    assert titles == {"a": "new", "b": "B"}
    older, newer = lake.read_commits(storage).values()
    assert (older.facts["jobs_count"], older.inputs["superseded"]) == (1, "0")
    assert newer.files[0].path.split("/")[2] == "month=2026-02"
    assert pipeline.flatten(settings) == FlattenReport(unchanged=2)


def test_a_late_landing_of_an_older_reply_changes_nothing_seen(tmp_path: Path) -> None:
    """A reply that is older than the one held is kept in raw and nowhere else."""
    settings = new_home(tmp_path, [Landing("a", titled("new")).later(seconds=9)])
    land(lake_of(settings), Landing("a", titled("old")))
    pipeline.flatten(settings)
    storage = lake_of(settings)
    assert [row["title"] for row in rows_of(storage, "meta_titles")] == ["new"]
    assert [c.facts["jobs_count"] for c in lake.read_commits(storage).values()] == [0, 1]


def test_a_batch_all_of_whose_jobs_were_asked_again_is_empty(tmp_path: Path) -> None:
    """A batch with nothing left is committed without files and stays so."""
    settings = new_home(tmp_path, [Landing("a", titled("old"))])
    pipeline.flatten(settings)
    land(lake_of(settings), Landing("a", titled("new")).later(seconds=9))
    pipeline.flatten(settings)
    older, newer = require_whole(lake_of(settings)).values()
    assert older.files == ()
    assert lake.list_tables(lake_of(settings)) == sorted(file.path for file in newer.files)
    assert pipeline.flatten(settings) == FlattenReport(unchanged=2)


def test_a_removed_raw_file_takes_its_batch_along(tmp_path: Path) -> None:
    """A batch without its raw file is retracted, and an older reply counts again."""
    settings = new_home(tmp_path, [Landing("a", titled("old")), Landing("b", titled("B"))])
    (newest,) = land(lake_of(settings), Landing("a", titled("new")).later(seconds=9))
    pipeline.flatten(settings)
    lake_of(settings).remove(newest)
    report = pipeline.flatten(settings)
    assert (report.retracted, report.batches) == (1, 1)
    storage = lake_of(settings)
    assert sorted(row["title"] for row in rows_of(storage, "meta_titles")) == ["B", "old"]
    assert not any(name_of(newest) in path for path in tree(tmp_path))


def test_what_a_crash_left_of_a_retraction_is_removed(tmp_path: Path) -> None:
    """Files without marker and raw file, left when a retraction broke off, go with the next run."""
    settings = new_home(tmp_path, [Landing("a", titled("A"))])
    pipeline.flatten(settings)
    storage = lake_of(settings)
    storage.remove(*raw.list_raw(storage))
    storage.remove(*storage.list("batches"))
    assert lake.list_tables(storage) != []
    assert pipeline.flatten(settings).retracted == 1
    assert lake.list_tables(storage) == []
    assert pipeline.flatten(settings) == FlattenReport()


@pytest.mark.parametrize(
    "mine",
    [
        "tables/notes.parquet",
        "tables/jobs/mine.parquet",
        "tables/jobs/month=2026-01/export.parquet",
        "tables/jobs/month=2026-01/20260115T120000-0123456789ab (copy).parquet",
        "tables/jobs/month=2026-01/sub/20260115T120000-0123456789ab.parquet",
        "tables/jobs/year=2026/20260115T120000-0123456789ab.parquet",
    ],
)
def test_a_file_that_is_none_of_ours_is_left_alone(tmp_path: Path, mine: str) -> None:
    """Flattening removes only what it could have written itself; someone's own file stays."""
    settings = new_home(tmp_path, [Landing("a", titled("A"))])
    storage = lake_of(settings)
    storage.write_bytes(mine, b"mine")
    storage.write_bytes("tables/jobs/month=2026-01/20260115T120000-0123456789ab.parquet", b"left")
    assert pipeline.flatten(settings).retracted == 1
    assert storage.read(mine) == b"mine"
    assert pipeline.flatten(settings) == FlattenReport(unchanged=1)


def test_a_batch_being_made_is_no_orphan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a batch that lands and is flattened while a plan is made are not in its way."""
    settings = new_home(tmp_path)
    storage = lake_of(settings)
    index = raw.read_index

    def read_late(storage: Storage) -> list[raw.RawRow]:
        monkeypatch.undo()
        land(storage, Landing("a", titled("A")))
        pipeline.flatten(settings)
        for marker in storage.list("batches"):
            storage.remove(marker)  # not yet committed
        return index(storage)

    monkeypatch.setattr(raw, "read_index", read_late)
    plan = commit.make_plan(storage, load_contracts())
    assert plan.gone == ()
    assert lake.list_tables(storage) != []


def test_an_older_plan_brings_no_superseded_reply_back(tmp_path: Path) -> None:
    """A slow run whose plan was overtaken leaves what a later run made of newer replies."""
    settings = new_home(tmp_path, [Landing("a", titled("old")), Landing("b", titled("B"))])
    storage, contracts = lake_of(settings), load_contracts()
    plan = commit.make_plan(storage, contracts)
    land(storage, Landing("a", titled("new")).later(seconds=9))
    pipeline.flatten(settings)
    made = tree(tmp_path)
    report = commit.commit_raw_file(storage, contracts, plan.stale[0], plan, max_blob_bytes=2**20)
    assert report == FlattenReport(unchanged=1)
    assert tree(tmp_path) == made


FLATTENS_WHEN_TOLD = """
import sys
from pathlib import Path
from transforms import pipeline
from transforms.contract import load_contracts
from transforms.settings import Settings

load_contracts(None)
print("ready", flush=True)
for _ in sys.stdin:
    report = pipeline.flatten(Settings(home=Path(sys.argv[1])))
    print(report.batches, flush=True)
"""


def test_two_runs_at_once_make_what_one_makes(tmp_path: Path) -> None:
    """Two processes that flatten one lake at once make each batch once, and the lake of one run."""
    batches = [
        [Landing(f"{n:02}-{job}", titled(f"{n} {job}")).later(hours=n) for job in "abc"]
        for n in range(12)
    ]
    both, alone = (new_home(tmp_path / name, *batches) for name in ("both", "alone"))
    command = [sys.executable, "-c", FLATTENS_WHEN_TOLD, str(both.home)]
    with ExitStack() as stack:
        runs = [stack.enter_context(_spoken_to(command)) for _ in range(2)]
        assert [_heard(run) for run in runs] == ["ready", "ready"]
        assert _made_by(runs) == 12
        pipeline.flatten(alone)
        assert tree(both.home) == tree(alone.home)
        for settings in (both, alone):
            storage = lake_of(settings)
            land(storage, *(Landing(f"{n:02}-b", titled("new")).later(days=9) for n in range(8)))
            storage.remove(raw.list_raw(storage)[11])
        assert _made_by(runs) == 9  # the new one, and the eight that lose a reply to it
    assert [run.returncode for run in runs] == [0, 0]
    pipeline.flatten(alone)
    assert _result(both) == tree(alone.home / "lake")


def _spoken_to(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=child_environment(),
    )


def _heard(run: subprocess.Popen[str]) -> str:
    assert run.stdout is not None
    return run.stdout.readline().strip()


def _made_by(runs: list[subprocess.Popen[str]]) -> int:
    for run in runs:
        assert run.stdin is not None
        run.stdin.write("go\n")
        run.stdin.flush()
    return sum(int(_heard(run)) for run in runs)


def test_only_locks_stay_in_staging(tmp_path: Path) -> None:
    """After a run, staging holds nothing but one empty lock for each batch."""
    settings = new_home(tmp_path, REPLIES)
    pipeline.flatten(settings)
    staging = tmp_path / "lake" / LOCKS
    (lock,) = staging.iterdir()
    assert lock.stat().st_size == 0
    assert [path.name for path in staging.parent.iterdir()] == ["locks"]
    assert lake_of(settings).list("tables") == [
        path for path in sorted(tree(tmp_path / "lake")) if path.startswith("tables/")
    ]


def test_flattens_on_an_object_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no folder, import and flatten give the same files as on one."""
    saved = tmp_path / "a.json"
    saved.write_bytes(titled("A"))
    store = ObjectStore()
    with monkeypatch.context() as patch:
        settings = Settings(lake=use_store(patch, store))
        assert pipeline.import_replies(settings, [saved]).landed == 1
        assert pipeline.flatten(settings).batches == 1
        assert pipeline.flatten(settings) == FlattenReport(unchanged=1)
        made = require_whole(lake_of(settings))
        assert [row["title"] for row in rows_of(lake_of(settings), "meta_titles")] == ["A"]
        assert sum(len(commit.files) for commit in made.values()) == 4
    folder = Settings(lake=str(tmp_path / "lake"))
    raw_file = next(key for key in store.objects if "/raw/" in key)
    relative = raw_file.removeprefix("bucket/lake/")
    lake.open_lake(folder.lake_root, create=True).write_bytes(relative, store.objects[raw_file])
    pipeline.flatten(folder)
    in_store = {key.removeprefix("bucket/lake/"): body for key, body in store.objects.items()}
    assert tree(tmp_path / "lake") == {k: without_id(body) for k, body in in_store.items()}
