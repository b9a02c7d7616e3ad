"""Maintenance: old versions, left-overs, locks and ledger files go; nothing that counts does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from filelock import FileLock
from lake_kit import Landing, ObjectStore, lake_of, new_home, titled, tree, write_version

from transforms import ledger, maintenance, pipeline, watermark
from transforms.cli import main
from transforms.errors import ConfigurationError
from transforms.lake import open_lake
from transforms.ledger_merge import MergeReport, merge_ledger
from transforms.settings import Settings
from transforms.storage import Storage
from transforms.warehouse import publish as publishing
from transforms.warehouse import swap
from transforms.warehouse.duck import WarehouseLockedError
from transforms.warehouse.prune import PruneReport, prune

DAY = 86_400
TODAY = datetime(2026, 1, 10, 6, tzinfo=UTC)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """Returns an empty lake."""
    return open_lake(str(tmp_path / "lake"), create=True)


@pytest.fixture(scope="module")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home of two batches and one published version; it is only ever copied."""
    old = datetime(2025, 1, 1, tzinfo=UTC)
    batches = ([Landing(job, titled(job), old)] for job in "ab")
    settings = new_home(tmp_path_factory.mktemp("home"), *batches)
    pipeline.flatten(settings)
    pipeline.load(settings)
    return settings


@pytest.fixture
def warehouse(published_once: Settings, tmp_path: Path) -> Path:
    """A folder with one published version and two that are older, newest last."""
    folder, source = tmp_path / "warehouse", published_once.warehouse_dir
    shutil.copytree(source, folder, symlinks=True)
    for day in (1, 2):
        write_version(folder, f"warehouse-2020010{day}T000000-00000000", b"older" * day)
    return folder


def versions_of(warehouse: Path) -> list[str]:
    """Returns the names of the versions, oldest first."""
    return sorted(path.parent.name for path in warehouse.glob("versions/*/warehouse.duckdb"))


def append(storage: Storage, origin: str, time: str, *lines: dict[str, object]) -> None:
    """Appends a ledger file at a time of January 2026, such as `09T235959`."""
    now = datetime.strptime(f"202601{time}", "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    ledger.append(storage, lines, origin, now=now)


def test_the_newest_versions_are_kept(warehouse: Path) -> None:
    """Beyond the number to keep, the oldest go first; the report names them and their size."""
    *older, newest = versions_of(warehouse)
    report = prune(warehouse, 2)
    assert report == PruneReport(
        dry_run=False, published=newest, kept=2, removed=(older[0],), bytes=5
    )
    assert versions_of(warehouse) == [older[1], newest]
    assert prune(warehouse, 2).removed == ()


def test_the_published_version_stays_though_others_are_newer(warehouse: Path) -> None:
    """After a roll back the published version is an old one; it is kept, and opens as before."""
    published = versions_of(warehouse)[-1]
    write_version(warehouse, "warehouse-20990101T000000-00000000", b"later")
    assert prune(warehouse, 1).kept == 1
    assert versions_of(warehouse) == [published]
    assert publishing.read_version(warehouse) == published


def test_without_a_published_file_the_newest_are_kept(warehouse: Path) -> None:
    """Where nothing is published, versions are all there is to go back to: so many stay."""
    names = versions_of(warehouse)
    (warehouse / "warehouse.duckdb").unlink()
    assert prune(warehouse, 2).removed == (names[0],)


def test_left_overs_of_dead_publishes_go(warehouse: Path) -> None:
    """Half a version and a link that never got its name go; other files are not ours to take."""
    names = versions_of(warehouse)
    write_version(warehouse, "warehouse-20200103T000000-00000000.part", b"1234")
    (warehouse / "versions" / "hold.json.part").write_bytes(b"56")
    (warehouse / "warehouse.duckdb.new").symlink_to("x")  # of a version that is gone: one byte
    (warehouse / "versions" / "notes.txt").write_bytes(b"mine")
    report = prune(warehouse, 3)
    assert (report.removed, report.bytes) == ((), 7)
    assert sorted(report.leftovers) == [
        "hold.json.part",
        "warehouse-20200103T000000-00000000.part",
        "warehouse.duckdb.new",
    ]
    assert versions_of(warehouse) == names
    assert sorted(path.name for path in (warehouse / "versions").iterdir()) == [
        "notes.txt",
        *names,
    ]
    assert not (warehouse / "warehouse.duckdb.new").exists()


def test_dry_run_of_prune_tells_the_same_and_takes_nothing(warehouse: Path) -> None:
    """What would go is what goes; a dry run does not even leave a lock."""
    (warehouse / "warehouse.duckdb.new").write_bytes(b"567")
    before = tree(warehouse)
    told = prune(warehouse, 1, dry_run=True)
    assert tree(warehouse) == before
    done = prune(warehouse, 1)
    assert (told.removed, told.leftovers, told.kept, told.bytes) == (
        done.removed,
        done.leftovers,
        done.kept,
        done.bytes,
    )
    assert len(done.removed) == 2


def test_prune_waits_for_a_publish(warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process publishes, its half copy is no left-over."""
    monkeypatch.setattr(swap, "LOCK_SECONDS", 0.05)
    (warehouse / "warehouse.duckdb.new").write_bytes(b"567")
    with (
        FileLock(warehouse / "publish.lock"),
        pytest.raises(WarehouseLockedError, match="is being published"),
    ):
        prune(warehouse, 1)
    assert (warehouse / "warehouse.duckdb.new").exists()


def test_nothing_is_pruned_where_nothing_was_published(tmp_path: Path) -> None:
    """A warehouse that is not there yet is fine, and is not made."""
    assert prune(tmp_path / "none", 1) == PruneReport(dry_run=False)
    assert not (tmp_path / "none").exists()


def test_files_of_a_day_become_one(storage: Storage) -> None:
    """One file for each source and day that is over, with every line once; today's stay."""
    append(storage, "sql", "08T010000", {"job_id": "a", "n": 1}, {"job_id": "b"})
    append(storage, "sql", "08T020000", {"job_id": "c", "watermark": 7})
    append(storage, "sql", "09T000000", {"job_id": "d"})
    append(
        storage, "callbacks", "08T030000", {"job_id": "e", "submitted_at": "2025-12-01T00:00:00Z"}
    )
    append(storage, "callbacks", "08T030001", {"job_id": "f"})
    append(storage, "sql", "10T000000", {"job_id": "g"})
    append(storage, "sql", "10T000001", {"job_id": "h"})
    storage.write_bytes("ledger/mine.txt", b"i\nj\n")
    before = ledger.read_ledger(storage)
    assert merge_ledger(storage, now=TODAY) == MergeReport(files=4, merged=2)
    paths = storage.list("ledger")
    assert [path.rpartition("-")[0] or path for path in paths] == [
        "ledger/callbacks/20260108T030000",
        "ledger/mine.txt",
        "ledger/sql/20260108T010000",
        "ledger/sql/20260109T000000",
        "ledger/sql/20260110T000000",
        "ledger/sql/20260110T000001",
    ]
    assert storage.read(paths[2]).to_pybytes() == (
        b'{"job_id":"a","n":1,"submitted_at":"2026-01-08T01:00:00Z"}\n'
        b'{"job_id":"b","submitted_at":"2026-01-08T01:00:00Z"}\n'
        b'{"job_id":"c","watermark":7,"submitted_at":"2026-01-08T02:00:00Z"}\n'
    )
    assert ledger.read_ledger(storage) == before
    assert watermark.read_watermark(storage) == 7
    assert merge_ledger(storage, now=TODAY) == MergeReport()


def test_a_job_stays_as_old_as_it_was(storage: Storage) -> None:
    """A merged file is young; its lines say since when their jobs are known."""
    early = {"job_id": "a", "submitted_at": "2025-12-01T00:00:00Z"}
    append(storage, "callbacks", "08T030000", early, {"job_id": "b"})
    append(storage, "callbacks", "08T040000", {"job_id": "a"}, {"job_id": "c", "submitted_at": ""})
    merge_ledger(storage, now=TODAY)
    assert {job: known.told for job, known in ledger.read_jobs(storage).items()} == {
        "a": datetime(2025, 12, 1),  # noqa: DTZ001 - naive UTC
        "b": datetime(2026, 1, 8, 3),  # noqa: DTZ001 - naive UTC
        "c": datetime(2026, 1, 8, 4),  # noqa: DTZ001 - naive UTC
    }


@pytest.mark.parametrize("removed", [0, 1, 2], ids=["no file", "one file", "all but one"])
def test_crash_while_merging_loses_no_id(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, removed: int
) -> None:
    """Whatever the crash left, ids stay known, and the next run ends with the same file."""
    for hour in range(3):
        append(storage, "sql", f"08T0{hour}0000", {"job_id": f"job-{hour}"}, {"job_id": "all"})
    known = ledger.read_ledger(storage)

    def dies(self: Storage, paths: Iterable[str]) -> None:
        for path in list(paths)[:removed]:
            self.remove(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(Storage, "remove_all", dies)
    with pytest.raises(KeyboardInterrupt):
        merge_ledger(storage, now=TODAY)
    monkeypatch.undo()
    assert sorted(ledger.read_ledger(storage)) == sorted(known)
    merge_ledger(storage, now=TODAY)
    (path,) = storage.list("ledger")
    content = storage.read(path).to_pybytes()
    assert len(content.splitlines()) == 6
    assert sorted(ledger.read_ledger(storage)) == sorted(known)


def test_a_file_that_came_late_is_merged_too(storage: Storage) -> None:
    """A day that was merged and got another file becomes one file again."""
    append(storage, "sql", "08T010000", {"job_id": "a"})
    append(storage, "sql", "08T020000", {"job_id": "b"})
    merge_ledger(storage, now=TODAY)
    append(storage, "sql", "08T235959", {"job_id": "c"})
    assert merge_ledger(storage, now=TODAY) == MergeReport(files=2, merged=1)
    assert len(storage.list("ledger")) == 1
    assert ledger.read_ledger(storage) == ["a", "b", "c"]


def test_a_damaged_file_keeps_its_day_from_being_merged(storage: Storage) -> None:
    """What is no JSON is named with its line, and nothing of its day is touched."""
    append(storage, "sql", "08T010000", {"job_id": "a"})
    path = "ledger/sql/20260108T020000-0123456789ab.jsonl"
    storage.write_bytes(path, b'{"job_id":"b"}\n{"job_id":')
    before = storage.list("ledger")
    with pytest.raises(ConfigurationError, match=f"{path} is no ledger: line 2"):
        merge_ledger(storage, now=TODAY)
    assert storage.list("ledger") == before


def test_ledgers_on_an_object_store_are_merged() -> None:
    """Where there are no folders and no locks, merging does the same."""
    storage = ObjectStore().storage()
    append(storage, "sql", "08T010000", {"job_id": "a"})
    append(storage, "sql", "08T020000", {"job_id": "b"})
    assert merge_ledger(storage, now=TODAY) == MergeReport(files=2, merged=1)
    assert ledger.read_ledger(storage) == ["a", "b"]


def test_reading_begins_anew_where_files_are_merged_meanwhile(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is gone between listing and reading is one that was merged: no id is missed."""
    for hour in range(3):
        append(storage, "sql", f"08T0{hour}0000", {"job_id": f"job-{hour}", "watermark": hour})
    whole = Storage.read

    def read(self: Storage, path: str) -> object:
        monkeypatch.undo()
        merge_ledger(storage, now=TODAY)
        return whole(self, path)

    monkeypatch.setattr(Storage, "read", read)
    assert ledger.read_ledger(storage) == ["job-0", "job-1", "job-2"]
    append(storage, "sql", "08T050000", {"job_id": "job-5", "watermark": 5})
    monkeypatch.setattr(Storage, "read", read)
    assert watermark.read_watermark(storage) == 5


def test_only_locks_of_batches_that_are_no_more_go(tmp_path: Path) -> None:
    """An old lock goes if its batch is gone and nobody holds it; others may still be waited for."""
    settings = new_home(tmp_path, [Landing("a", titled("A"))])
    pipeline.flatten(settings)
    locks = Path(settings.lake_root) / "staging" / "locks"
    (alive,) = [lock.name for lock in locks.iterdir()]
    gone, held, young = (f"2020010{n}T000000-0123456789ab.lock" for n in (1, 2, 3))
    others = ["pace-1234", "2020-01.lock"]
    for name in (gone, held, young, *others):
        (locks / name).touch()
    long_ago = datetime.now(UTC).timestamp() - 8 * DAY
    for name in (alive, gone, held, *others):
        os.utime(locks / name, (long_ago, long_ago))
    with FileLock(locks / held):
        os.utime(locks / held, (long_ago, long_ago))
        assert maintenance.clean(settings, dry_run=True).lock_files == 2
        assert maintenance.clean(settings).lock_files == 1
    assert {path.name for path in locks.iterdir()} == {alive, held, young, *others}


def test_what_dead_writers_left_is_removed(tmp_path: Path) -> None:
    """A staged file of a process that is no more goes; one of a living process stays."""
    settings = new_home(tmp_path)
    staging = Path(settings.lake_root) / "staging"
    dead, living = f"x@{os.uname().nodename}.{2**22 + 1}", f"y@{os.uname().nodename}.{os.getpid()}"
    staging.mkdir(exist_ok=True)
    for name in (dead, living):
        (staging / name).touch()
    assert maintenance.clean(settings, dry_run=True).staged_files == 1
    assert (staging / dead).exists()
    assert maintenance.clean(settings).staged_files == 1
    assert [path.name for path in staging.iterdir() if path.is_file()] == [living]


def test_maintenance_never_makes_a_lake(tmp_path: Path) -> None:
    """In an empty place, as a volume that is not mounted, it is refused and writes nothing."""
    with pytest.raises(ConfigurationError, match="no lake at"):
        maintenance.maintain(Settings(home=tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def worn_home(published_once: Settings, tmp_path: Path) -> Settings:
    """A home with something to do for every step."""
    shutil.copytree(published_once.home, tmp_path / "home")
    settings = Settings(home=tmp_path / "home")
    (settings.warehouse_dir / "warehouse.duckdb.new").write_bytes(b"567")
    append(lake_of(settings), "sql", "08T010000", {"job_id": "a"})
    late = {"job_id": "late", "submitted_at": "2025-06-01"}
    append(lake_of(settings), "sql", "08T020000", late)
    return settings


def test_cli_dry_run_tells_what_a_run_then_does(
    worn_home: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--dry-run` writes nothing and its lines are those of the run, but for the tense."""
    home = str(worn_home.home)
    before = tree(tmp_path)
    assert main(["maintain", "--home", home, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert tree(tmp_path) == before
    # Each batch has a file of jobs, results, meta_titles and path_counts.
    assert "compact     8 files would be merged into 4, of 2 batches" in told
    assert "2 ledger files would be merged into 1" in told
    assert "dry run     nothing was changed" in told
    assert main(["maintain", "--home", home]) == 0
    out, err = capsys.readouterr()
    assert "compact     8 files merged into 4, of 2 batches" in out
    assert "2 ledger files merged into 1" in out
    assert "1 left-over of publishes" in out
    assert "of 1 pending job, 0 expire soon, 1 are past their time" in out
    assert "warning: 1 of 1 pending job are past the time" in err
    assert main(["maintain", "--home", home, "--strict"]) == 1
    out, _ = capsys.readouterr()
    assert "merged into" not in out
    assert "of publishes" not in out


def test_cli_does_only_the_steps_that_are_named(
    worn_home: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--only` takes steps by comma or repeated; the others are not even looked at."""
    words = ["maintain", "--home", str(worn_home.home), "--only", "clean", "--json"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert '"prune":null' in out
    assert '"clean":{"dry_run":false' in out
    assert err == ""
    assert (worn_home.warehouse_dir / "warehouse.duckdb.new").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "prun"], "--only: there is no step prun: did you mean prune"),
        (["--only", ","], "--only names no step: give one or several of compact, prune"),
        (["--keep-versions", "0"], "keep-versions"),
    ],
)
def test_cli_names_wrong_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """A step that is none, or no version to keep, ends with 2 and one line."""
    assert main(["maintain", "--home", str(tmp_path), *words]) == 2
    assert said in capsys.readouterr().err
