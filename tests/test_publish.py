"""Publishing: one atomic swap, readers undisturbed, and a whole file whatever happens."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from filelock import FileLock
from kill_kit import copy_home, kill_at_each_step, refuse_links, versions_of
from warehouse_lake import Helper, commit, new_lake, speech_job

from transforms.contract import load_contracts
from transforms.errors import ConfigurationError
from transforms.lake import open_lake
from transforms.warehouse import PUBLISHED, build, load_batches, query_published, swap, versions
from transforms.warehouse import publish as publishing
from transforms.warehouse.build import BUILD
from transforms.warehouse.checks import run_checks
from transforms.warehouse.duck import WarehouseLockedError, connect, fetch, wal_of
from transforms.warehouse.folders import list_versions, name_of
from transforms.warehouse.kept import describe_versions
from transforms.warehouse.prune import prune
from transforms.warehouse.publish import PublishError, publish, read_version

NOON = datetime(2024, 5, 6, 12, 0, 0, tzinfo=UTC)


def _load(folder: Path, *words: str) -> Path:
    """Loads and checks a lake of one batch a word; returns the warehouse folder."""
    storage = open_lake(str(folder / "lake"), create=True)
    for number, word in enumerate(words):
        commit(storage, f"b{number}", speech_job(f"job-{number}", (0.0, 1.0, word)))
    load_batches(storage, load_contracts(), folder / "warehouse")
    run_checks(load_contracts(), folder / "warehouse")
    return folder / "warehouse"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `one` published and `one two` loaded and checked, made once."""
    folder = tmp_path_factory.mktemp("two")
    publish(_load(folder, "one"), now=NOON)
    _load(folder, "one", "two")
    return folder


@pytest.fixture
def home(two: Path, tmp_path: Path) -> Path:
    """The warehouse of a copy, for one test; the lake lies beside it."""
    copy_home(two, tmp_path / "home")
    return tmp_path / "home" / "warehouse"


def _words(home: Path) -> str:
    answer = query_published(
        home, "SELECT string_agg(content, ' ' ORDER BY job_id) w FROM asr_segments"
    )
    return str(answer["w"][0])


def _versions(home: Path) -> list[str]:
    return [path.name for path in versions_of(home)]


def _alter(database: Path, *statements: str) -> None:
    """Writes to a published file as someone does who opened it for writing, against its mode."""
    database.chmod(0o644)
    with duckdb.connect(database) as connection:
        for statement in statements:
            connection.execute(statement).fetchall()


def test_the_first_publish(tmp_path: Path) -> None:
    """The build becomes warehouse.duckdb and a named version, with nothing else beside them."""
    home = _load(tmp_path, "one")
    assert read_version(home) is None
    report = publish(home, now=NOON.astimezone())
    assert report.changed
    assert report.path == str(home / PUBLISHED)
    assert report.bytes == (home / PUBLISHED).stat().st_size > 0
    assert report.version.startswith("warehouse-20240506T120000-")
    assert len(report.version) == len("warehouse-20240506T120000-") + 8
    assert _versions(home) == [report.version]
    assert (home / PUBLISHED).readlink() == Path("versions", report.version, PUBLISHED)
    assert [path.name for path in (home / "versions" / report.version).iterdir()] == [PUBLISHED]
    files = sorted(p.name for p in home.iterdir() if p.suffix != ".lock")
    assert files == [BUILD, "versions", PUBLISHED]
    assert _words(home) == "one"
    assert read_version(home) == report.version


def test_nothing_new_is_not_published_again(home: Path) -> None:
    """An unchanged build makes no file, and still names the published version."""
    first = publish(home)
    stamp = (home / PUBLISHED).stat()
    again = publish(home)
    assert first.changed
    assert not again.changed
    assert (again.version, again.bytes) == (first.version, first.bytes)
    assert (home / PUBLISHED).stat().st_ino == stamp.st_ino
    assert (home / PUBLISHED).stat().st_mtime_ns == stamp.st_mtime_ns


def test_other_sql_is_published_though_no_batch_changed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed view or check makes another version of the same rows, checked anew."""
    before = publish(home)
    monkeypatch.setattr(build, "sql_digest", lambda: "other")
    load_batches(new_lake(home.parent), load_contracts(), home)
    with pytest.raises(PublishError, match="has not passed its checks: run `cognition load`"):
        publish(home)
    run_checks(load_contracts(), home)
    after = publish(home)
    assert after.changed
    assert after.version != before.version


def test_content_that_is_kept_already_is_not_copied(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQL put back as it was publishes the version that has it; a damaged one is made anew."""
    good = publish(home, now=NOON + timedelta(minutes=1))

    def publish_sql(digest: str | None, minute: int) -> publishing.PublishReport:
        with monkeypatch.context() as patch:
            if digest:
                patch.setattr(build, "sql_digest", lambda: digest)
            load_batches(open_lake(str(home.parent / "lake")), load_contracts(), home)
            run_checks(load_contracts(), home)
            return publish(home, 9, now=NOON + timedelta(minutes=minute))

    bad = publish_sql("other", 2)
    kept = _versions(home)
    back = publish_sql(None, 3)
    assert (back.version, back.changed, _versions(home)) == (good.version, True, kept)
    assert (home / "versions" / good.version / PUBLISHED).samefile(home / PUBLISHED)
    _alter(home / "versions" / bad.version / PUBLISHED, "DELETE FROM asr_segments")
    anew = publish_sql("other", 4)
    assert anew.version not in {good.version, bad.version}
    assert _words(home) == "one two"


def test_old_versions_go(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest `keep` stay; the published one, and the one it took the place of, always do."""
    names = [read_version(home)]
    for minute in range(1, 4):
        monkeypatch.setattr(publishing, "read_digest", lambda _: None)
        monkeypatch.setattr(publishing, "find_content", lambda *_: None)
        names.append(publish(home, 2, now=NOON + timedelta(minutes=minute)).version)
        monkeypatch.undo()
    assert _versions(home) == names[-2:]
    older = publish(home, 1, now=NOON - timedelta(days=1))  # a clock that went back
    assert not older.changed
    assert _versions(home) == names[-1:]
    monkeypatch.setattr(publishing, "read_digest", lambda _: None)
    monkeypatch.setattr(publishing, "find_content", lambda *_: None)
    back = publish(home, 1, now=NOON - timedelta(days=1))
    assert _versions(home) == [names[-1], back.version]
    monkeypatch.undo()
    assert _words(home) == "one two"


def test_versions_sort_as_they_were_published(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A publish in the same second, or by a clock that went back, is a second later by name."""
    names = [read_version(home)]
    for moment in (NOON, NOON.replace(microsecond=999_999), NOON - timedelta(days=1)):
        with monkeypatch.context() as patch:
            patch.setattr(publishing, "read_digest", lambda _: None)
            patch.setattr(publishing, "find_content", lambda *_: None)
            names.append(publish(home, 9, now=moment).version)
        assert read_version(home) == names[-1]  # its file bears the time of its name
    assert [str(name)[:25] for name in names] == [
        f"warehouse-20240506T12000{second}" for second in range(4)
    ]
    assert not publish(home, now=NOON).changed


def test_where_links_fail_the_file_is_copied(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filesystem without links costs a second copy, nothing else."""
    monkeypatch.setattr(Path, "symlink_to", refuse_links)
    report = publish(home)
    version = home / "versions" / report.version / PUBLISHED
    assert not version.samefile(home / PUBLISHED)
    assert version.read_bytes() == (home / PUBLISHED).read_bytes()
    assert _words(home) == "one two"
    copied = (home / PUBLISHED).stat().st_ino
    monkeypatch.setattr(publishing, "find_damage", None)  # the copy's rows are not read each time
    again = publish(home)
    assert (again.version, again.changed) == (report.version, False)
    assert (home / PUBLISHED).stat().st_ino == copied
    version.unlink()
    assert read_version(home) == "warehouse"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o444), (0o027, 0o440)])
def test_what_is_published_cannot_be_written_to(
    home: Path, monkeypatch: pytest.MonkeyPatch, umask: int, mode: int
) -> None:
    """A version, or its copy, is read-only, for as many as the umask lets read."""
    before = os.umask(umask)
    try:
        report = publish(home)
        assert stat.S_IMODE((home / PUBLISHED).stat().st_mode) == mode
        with monkeypatch.context() as patch:
            patch.setattr(Path, "symlink_to", refuse_links)
            (home / PUBLISHED).unlink()
            assert publish(home).version == report.version
    finally:
        os.umask(before)
    assert not (home / PUBLISHED).is_symlink()
    assert stat.S_IMODE((home / PUBLISHED).stat().st_mode) == mode


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM asr_segments",
        "DELETE FROM batches",
        "ALTER TABLE batches RENAME TO lots",
        "ALTER TABLE cognition_meta DROP COLUMN sql_digest",
    ],
)
def test_a_published_file_that_was_written_to_is_put_right(
    home: Path, monkeypatch: pytest.MonkeyPatch, harm: str, *, links: bool
) -> None:
    """What someone wrote past the loader is replaced from the build, and its version is gone."""
    if not links:
        monkeypatch.setattr(Path, "symlink_to", refuse_links)
    good = publish(home, now=NOON)
    assert not good.altered
    _alter(home / PUBLISHED, harm)
    report = publish(home, now=NOON + timedelta(minutes=1))
    assert (report.changed, report.altered) == (True, True)
    assert _words(home) == "one two"
    assert read_version(home) == report.version
    kept = {good.version} if not links else set()
    of_this_content = {name for name in _versions(home) if good.version[-8:] in name}
    assert of_this_content == {report.version, *kept}
    again = publish(home)
    assert (again.changed, again.altered) == (False, False)


def test_a_file_that_was_written_to_gives_way_to_new_content(home: Path) -> None:
    """Of an altered file nothing is kept when there is something newer to publish, either."""
    _alter(home / PUBLISHED, "DELETE FROM asr_segments")
    report = publish(home)
    assert (report.changed, report.altered) == (True, True)
    assert _versions(home) == [report.version]
    assert _words(home) == "one two"


@pytest.mark.parametrize("harm", ["folder", "file", "loop"])
def test_a_link_to_nothing_is_put_right(home: Path, harm: str) -> None:
    """Someone took the published version away: readers have none until the next publish."""
    lost = publish(home)
    if harm == "folder":
        shutil.rmtree(home / "versions" / lost.version)
    elif harm == "file":
        (home / "versions" / lost.version / PUBLISHED).unlink()
    else:
        (home / PUBLISHED).unlink()
        (home / PUBLISHED).symlink_to(PUBLISHED)
    assert read_version(home) is None
    with pytest.raises(ConfigurationError, match=r"no published warehouse .* `cognition load`"):
        _words(home)
    report = publish(home)
    assert (report.changed, report.altered) == (True, True)
    assert _words(home) == "one two"


def test_a_version_that_goes_while_versions_are_read_is_no_matter(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status may ask what is published while a publish takes away the oldest version."""
    kept = list_versions(home)
    gone = kept[0].parent.with_name("warehouse-20240101T000000-00000000") / PUBLISHED
    monkeypatch.setattr(versions, "list_versions", lambda _: [gone, *kept])
    assert read_version(home) == name_of(kept[0])


@pytest.mark.parametrize("first", ["publish", "list", "prune"])
def test_versions_that_were_files_get_folders(home: Path, first: str) -> None:
    """A warehouse of before, whose published file is a hard link, goes on without a copy."""
    report = publish(home)
    names = _versions(home)
    for version in versions_of(home):
        (version / PUBLISHED).rename(version.with_suffix(".duckdb"))
        version.rmdir()
    (home / "versions" / "notes.duckdb").write_bytes(b"mine")
    (home / PUBLISHED).unlink()
    os.link(home / "versions" / f"{report.version}.duckdb", home / PUBLISHED)
    wal_of(home / "versions" / f"{names[0]}.duckdb").write_bytes(b"log")
    if first == "list":
        assert [each.version for each in describe_versions(home)] == names[::-1]
    elif first == "prune":
        assert prune(home, 2).kept == 2
    again = publish(home)
    assert (again.version, again.changed, again.altered) == (report.version, False, False)
    assert (home / PUBLISHED).readlink() == Path("versions", report.version, PUBLISHED)
    assert _versions(home) == names
    assert wal_of(home / "versions" / names[0] / PUBLISHED).read_bytes() == b"log"
    assert (home / "versions" / "notes.duckdb").exists()
    assert _words(home) == "one two"


def test_a_copied_folder_gets_its_link_back(home: Path) -> None:
    """Whoever copied what the link names, as `cp -rL` does, has a link again after a publish."""
    report = publish(home)
    copied = (home / PUBLISHED).resolve()
    (home / PUBLISHED).unlink()
    shutil.copy2(copied, home / PUBLISHED)
    again = publish(home)
    assert (again.version, again.changed, again.altered) == (report.version, False, False)
    assert (home / PUBLISHED).is_symlink()


@pytest.mark.parametrize("harm", ["cut", "written to", "log"])
def test_a_copy_stays_where_its_version_is_damaged(home: Path, harm: str) -> None:
    """What is published is whole: nothing that is not takes its place."""
    report = publish(home)
    version = (home / PUBLISHED).resolve()
    (home / PUBLISHED).unlink()
    shutil.copy2(version, home / PUBLISHED)
    stamp = version.stat().st_mtime_ns
    if harm == "cut":
        version.chmod(0o644)
        version.write_bytes(version.read_bytes()[:300_000])
        os.utime(version, ns=(stamp, stamp))
    elif harm == "written to":
        _alter(version, "DELETE FROM asr_segments")
    else:
        wal_of(version).write_bytes(b"log")
    again = publish(home)
    assert (again.version, again.changed) == (report.version, False)
    assert _words(home) == "one two"


def test_a_folder_without_rights_stops_no_publish(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another user keeps to itself is passed over by publish, list and prune."""
    closed = home / "versions" / "warehouse-20240101T000000-00000000"
    closed.mkdir()
    (home / "versions" / "warehouse-20241399T000000-00000000").mkdir()  # no time, no version
    exists, iterdir = Path.exists, Path.iterdir

    def refuse(path: Path) -> bool:
        if path.parent == closed:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return exists(path)

    def refuse_list(path: Path) -> Iterator[Path]:
        if path == closed:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "exists", refuse)
    monkeypatch.setattr(Path, "iterdir", refuse_list)
    report = publish(home)
    assert report.changed
    assert describe_versions(home)[0].version == report.version
    later = datetime.now(UTC) + timedelta(days=8)
    assert prune(home, 1, now=later).leftovers == ()


def test_a_version_on_a_disk_that_is_away_is_not_gone(home: Path, tmp_path: Path) -> None:
    """An operator may have moved a version and left a link: its folder is never a hollow one."""
    (version,) = list_versions(home)
    version.rename(tmp_path / "away.duckdb")
    version.symlink_to(tmp_path / "elsewhere" / "away.duckdb")
    later = datetime.now(UTC) + timedelta(days=8)
    assert prune(home, 1, now=later).leftovers == ()
    assert version.is_symlink()


def test_a_version_that_cannot_be_taken_away_stops_no_publish(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is published is told as published; the upkeep names what stays and where."""
    (oldest,) = list_versions(home)
    publish(_load(home.parent, "one", "two", "three"), now=NOON + timedelta(minutes=1))
    honest = Path.unlink

    def refuse(path: Path, **named: bool) -> None:
        if path == oldest:
            raise PermissionError(errno.EACCES, "Permission denied")
        honest(path, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        report = publish(_load(home.parent, "one", "two", "three", "four"), 1)
        assert (report.changed, _words(home)) == (True, "one two three four")
        told = (
            rf"cannot take away {oldest}: Permission denied\. .*`cognition maintain --only prune`"
        )
        with pytest.raises(PublishError, match=told):
            prune(home, 1)
    assert _versions(home) == [name_of(oldest), report.version]
    prune(home, 1)
    assert _versions(home) == [report.version]


def test_what_root_publishes_belongs_to_the_owner_of_the_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load by hand as root leaves no folder that the service's user could not take away."""
    given: list[tuple[str, int, int]] = []

    def chown(path: Path, uid: int, gid: int, *, follow_symlinks: bool) -> None:
        assert not follow_symlinks
        given.append((path.name, uid, gid))

    monkeypatch.setattr(os, "chown", chown)
    report = publish(home)
    owner = (home / "versions").stat()
    names = (f"{report.version}.part", PUBLISHED)
    assert given == [(name, owner.st_uid, owner.st_gid) for name in names]


def test_where_modes_fail_publishing_goes_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filesystem without modes cannot protect the file; that it was written to is seen still."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no modes here")

    with monkeypatch.context() as patch:
        patch.setattr(os, "chmod", refuse)
        assert publish(home).changed
        assert not publish(home).changed
    _alter(home / PUBLISHED, "DELETE FROM asr_segments")
    assert publish(home).altered


# Readers and writers

READS = """
import sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as con:
    while True:
        n = con.execute("SELECT count(*) FROM asr_segments").fetchall()[0][0]
        print(n, flush=True)
        if not sys.stdin.readline():
            break
"""


def test_a_reader_keeps_its_file_through_a_publish(home: Path) -> None:
    """Who has the old file open reads on, who opens it now sees the new one, nobody waits."""
    with Helper(READS, home / PUBLISHED) as reader:
        assert reader.hear() == "1"
        assert publish(home, 1).changed
        assert len(prune(home, 1).removed) == 1  # its version
        reader.tell()
        assert reader.hear() == "1"
        with Helper(READS, home / PUBLISHED) as late:
            assert late.hear() == "2"
        reader.tell()
        assert reader.hear() == "1"


SPILLS = """
import sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True, config={"memory_limit": "50MB"}) as con:
    print(con.execute("SELECT count(*) FROM asr_segments").fetchone()[0], flush=True)
    while sys.stdin.readline():
        con.execute("CREATE OR REPLACE TEMP TABLE big AS SELECT hash(i) h FROM range(9000000) t(i)")
        spilt = con.execute("SELECT count(*) > 0 FROM duckdb_temporary_files()").fetchone()[0]
        counts = con.execute("SELECT count(*), (SELECT count(*) FROM asr_segments) FROM big")
        print(spilt, *counts.fetchone(), flush=True)
"""


def test_a_reader_goes_on_though_its_version_is_taken_away(home: Path) -> None:
    """DuckDB works beside the file when memory is short: that folder stays, for a week."""
    with Helper(SPILLS, home / PUBLISHED) as reader:
        assert reader.hear() == "1"
        publish(home, 1)
        (gone,) = prune(home, 1).removed
        for _ in range(2):
            reader.tell()
            assert reader.hear() == "True 9000000 1"
    now = datetime.now(UTC)
    folder = home / "versions" / gone
    assert [path.name for path in folder.iterdir()] == [f"{PUBLISHED}.tmp"]  # it was killed
    assert prune(home, 1, now=now + timedelta(days=6)).leftovers == ()
    assert folder.exists()
    assert prune(home, 1, now=now + timedelta(days=8)).leftovers == (gone,)
    assert not folder.exists()
    assert prune(home, 1, now=now + timedelta(days=8)).leftovers == ()


WRITES = """
import os, signal, sys, duckdb
con = duckdb.connect(sys.argv[1])
con.execute("SET wal_autocheckpoint = '1GB'")
con.execute("INSERT INTO asr_segments (job_id, result_index, segment_index, content) "
            "VALUES ('rogue', 0, 0, 'rogue')")
print("wrote", flush=True)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""


def _leave_a_log(database: Path) -> None:
    """Someone writes to a file and is killed: a write-ahead log stays beside it."""
    database.chmod(0o644)
    with Helper(WRITES, database) as writer:
        assert writer.hear() == "wrote"
        writer.tell()
        assert writer.process.wait(timeout=30) == -signal.SIGKILL
    assert wal_of(database.resolve()).exists()


def test_someone_writing_to_the_published_file_is_named(home: Path) -> None:
    """A live writer would leave its log beside the new file: publishing waits for it to go."""
    (home / PUBLISHED).chmod(0o644)
    with Helper(WRITES, home / PUBLISHED) as writer:
        assert writer.hear() == "wrote"
        with pytest.raises(WarehouseLockedError, match=rf"PID {writer.process.pid}\): let it"):
            publish(home)
    publish(home)
    assert _words(home) == "one two"


def test_a_log_left_behind_does_not_reach_the_new_file(home: Path) -> None:
    """A killed writer's log goes into the file it belongs to, and never into the next one."""
    published = publish(home)
    _leave_a_log(home / PUBLISHED)
    (home / PUBLISHED).chmod(0o444)
    report = publish(home, now=NOON)
    assert (report.changed, report.altered) == (True, True)
    assert not [*home.rglob("*.wal")]
    assert _words(home) == "one two"
    assert published.version not in _versions(home)


def test_a_log_of_a_file_that_is_gone_is_removed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleting the published file, or its version, does not leave its log to the next one."""
    _leave_a_log(home / PUBLISHED)
    (home / PUBLISHED).resolve().unlink()
    assert publish(home).changed
    assert _words(home) == "one two"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "symlink_to", refuse_links)
        (home / PUBLISHED).unlink()
        publish(home)
    _leave_a_log(home / PUBLISHED)
    (home / PUBLISHED).unlink()
    assert publish(home).changed
    assert not wal_of(home / PUBLISHED).exists()
    assert _words(home) == "one two"


def test_a_log_of_another_file_never_reaches_the_new_one(home: Path, tmp_path: Path) -> None:
    """A log that does not belong is refused (DuckDB 2) or stays in the old file (1.5)."""
    other = tmp_path / "other"
    other.mkdir()
    shutil.copyfile(home / BUILD, other / PUBLISHED)
    with connect(other / PUBLISHED, read_only=False) as connection:
        fetch(connection, "CREATE TABLE more AS SELECT 1 AS x")
    _leave_a_log(other / PUBLISHED)
    log = wal_of((home / PUBLISHED).resolve())
    shutil.copyfile(wal_of(other / PUBLISHED), log)
    if duckdb.__version__.startswith("1."):
        assert publish(home).changed
    else:
        with pytest.raises(ConfigurationError, match=r"does not belong to .*: move it away and"):
            publish(home)
        log.unlink()
        assert _words(home) == "one"
        assert publish(home).changed
    assert _words(home) == "one two"


def test_a_log_that_appears_stops_the_swap(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that comes in the last moment is seen before the swap; the old file stays."""
    copy, log = shutil.copyfile, wal_of((home / PUBLISHED).resolve())

    def copy_slowly(*paths: Path) -> None:
        copy(*paths)
        log.write_bytes(b"x")

    monkeypatch.setattr(shutil, "copyfile", copy_slowly)
    with pytest.raises(PublishError, match=r"\.wal appeared: someone writes to the published file"):
        publish(home)
    log.unlink()
    assert _words(home) == "one"


def test_a_log_beside_a_copy_goes_with_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that comes as a copy becomes a link leaves no log to a later copy."""
    with monkeypatch.context() as patch:
        patch.setattr(Path, "symlink_to", refuse_links)
        (home / PUBLISHED).unlink()
        publish(home)
    honest = Path.replace

    def replace_late(path: Path, to: Path) -> Path:
        if path.suffix == ".new":
            wal_of(home / PUBLISHED).write_bytes(b"log")
        return honest(path, to)

    monkeypatch.setattr(Path, "replace", replace_late)
    publish(home)
    assert (home / PUBLISHED).is_symlink()
    assert not wal_of(home / PUBLISHED).exists()


def test_a_build_under_load_is_not_copied(home: Path) -> None:
    """A process that holds the build stops the publish and is named."""
    with Helper(WRITES, home / BUILD) as loader:
        assert loader.hear() == "wrote"
        with pytest.raises(WarehouseLockedError, match=f"PID {loader.process.pid}"):
            publish(home)
    assert _words(home) == "one"


def test_what_a_killed_loader_committed_is_in_the_copy(home: Path) -> None:
    """The build's own log is folded in before the copy is made."""
    _leave_a_log(home / BUILD)
    assert publish(home).changed
    assert not wal_of(home / BUILD).exists()
    assert _words(home) == "one two rogue"


def test_a_build_that_keeps_its_log_is_not_copied(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is of the main file alone, so a log that CHECKPOINT left would be lost: stop."""
    honest = publishing.fetch

    def idle(connection: Any, sql: str) -> object:  # noqa: ANN401 - DuckDB's connection
        if sql == "CHECKPOINT":
            return wal_of(home / BUILD).write_bytes(b"")
        return honest(connection, sql)

    monkeypatch.setattr(publishing, "fetch", idle)
    with pytest.raises(PublishError, match="still there after CHECKPOINT"):
        publish(home)
    assert _words(home) == "one"


def test_two_publishes_do_not_mix(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one process publishes, another waits and then says so."""
    monkeypatch.setattr(swap, "LOCK_SECONDS", 0.01)
    with (
        FileLock(home / "publish.lock"),
        pytest.raises(WarehouseLockedError, match="is being published by another process"),
    ):
        publish(home)


# Crashes


class CrashError(BaseException):
    """Stands for the power going out: nothing in the code catches it."""


def _fail_at(monkeypatch: pytest.MonkeyPatch, step: int, error: BaseException) -> list[str]:
    """Lets the given file operation of a publish fail, counted from 0; returns those done."""
    done: list[str] = []

    def wrapped(name: str, honest: Callable[..., Any]) -> Callable[..., Any]:
        def operate(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - as the operation has it
            done.append(name)
            if len(done) == step + 1:
                raise error
            return honest(*given, **named)

        return operate

    for owner, name in (
        (shutil, "copyfile"),
        (os, "utime"),
        (os, "chmod"),
        (os, "fsync"),
        (os, "chown"),
        (Path, "symlink_to"),
        (Path, "replace"),
        (Path, "unlink"),
        (Path, "mkdir"),
    ):
        monkeypatch.setattr(owner, name, wrapped(name, getattr(owner, name)))
    return done


STEPS = [
    *("mkdir", "mkdir", "chown"),  # for the lock, for the version
    *("copyfile", "chown", "utime", "chmod", "fsync"),  # the file of the version
    *("fsync", "replace", "fsync", "unlink"),  # all or nothing
    *("unlink", "symlink_to", "replace", "fsync", "unlink", "unlink"),  # the swap
    *("unlink", "unlink"),  # the oldest version
]


def _add_older(home: Path) -> Path:
    """Gives a warehouse a version from a minute before its oldest, which is one too many."""
    oldest, moment = versions_of(home)[0], NOON - timedelta(minutes=1)
    older = oldest.with_name(oldest.name.replace("T1200", "T1159"))
    shutil.copytree(oldest, older)
    os.utime(older / PUBLISHED, (moment.timestamp(), moment.timestamp()))
    return home


def test_a_publish_takes_these_steps(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file operations of a publish, in order: what the crash tests go through."""
    _add_older(home)
    done = _fail_at(monkeypatch, 99, CrashError())
    publish(home, 1)
    assert done == STEPS


@pytest.mark.parametrize("step", range(len(STEPS)))
def test_a_crash_leaves_a_whole_file(
    home: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Whatever step a crash hits, the old or the new file is published whole; then all is well."""
    _add_older(home)
    with monkeypatch.context() as patch:
        _fail_at(patch, step, CrashError())
        with pytest.raises(CrashError):
            publish(home, 1)
    swapped = step > STEPS.index("symlink_to") + 1
    assert _words(home) == ("one two" if swapped else "one")
    report = publish(home, 2)
    assert report.changed != swapped
    assert _words(home) == "one two"
    assert _versions(home)[-1] == report.version
    prune(home, 1)
    assert _versions(home) == [report.version]
    assert not (home / f"{PUBLISHED}.new").exists()


@pytest.mark.slow
def test_a_publish_killed_at_any_step_leaves_a_whole_file(two: Path, tmp_path: Path) -> None:
    """SIGKILL at each file operation: the old file is published, then the new, never neither."""
    copy_home(two, tmp_path / "crowded")
    _add_older(tmp_path / "crowded" / "warehouse")
    said = []
    for killed in kill_at_each_step("publish", tmp_path / "crowded", tmp_path / "killed"):
        said.append(killed.words)
        report = publish(killed.home, 2)
        assert report.changed == (killed.words == "one"), killed.step
        assert _words(killed.home) == "one two"
        prune(killed.home, 1)
        assert _versions(killed.home) == [report.version]
        assert not (killed.home / f"{PUBLISHED}.new").exists()
    assert len(said) == len(STEPS)
    swapped = STEPS.index("symlink_to") + 2
    assert said == ["one"] * swapped + ["one two"] * (len(STEPS) - swapped)


@pytest.mark.slow
def test_a_load_killed_at_any_statement_leaves_what_is_published(two: Path, tmp_path: Path) -> None:
    """SIGKILL all through load and checks: nothing unchecked is ever published."""
    pattern = tmp_path / "pattern"
    shutil.copytree(two, pattern)
    storage = open_lake(str(pattern / "lake"))
    commit(storage, "b2", speech_job("job-2", (0.0, 1.0, "three")))
    died = 0
    for killed in kill_at_each_step("load", pattern, tmp_path / "killed", stride=97):
        assert killed.words == "one"
        with suppress(PublishError):  # unless what was checked before is still all there is
            publish(killed.home)
        assert _words(killed.home) in {"one", "one two"}
        load_batches(open_lake(str(killed.home.parent / "lake")), load_contracts(), killed.home)
        run_checks(load_contracts(), killed.home)
        publish(killed.home)
        assert _words(killed.home) == "one two three"
        died += 1
    assert died > 2


def test_a_full_disk_is_one_clear_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system refuses is passed on with the remedy; no half copy is left."""
    before = _versions(home)
    with monkeypatch.context() as patch:
        _fail_at(patch, STEPS.index("fsync"), OSError(errno.ENOSPC, "No space left on device"))
        with pytest.raises(PublishError, match=r"No space left on device\. What was published is"):
            publish(home)
    assert _versions(home) == before
    assert _words(home) == "one"


# Whose file it is


def test_a_foreign_published_file_is_not_replaced(home: Path) -> None:
    """Someone else's warehouse.duckdb stays as it is."""
    (home / PUBLISHED).unlink()
    with duckdb.connect(home / PUBLISHED) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS x")
    before = (home / PUBLISHED).read_bytes()
    with pytest.raises(ConfigurationError, match="something else: move it away"):
        publish(home)
    assert (home / PUBLISHED).read_bytes() == before


def test_without_a_build_the_remedy_is_named(tmp_path: Path) -> None:
    """Publishing before loading says what to run, and makes nothing."""
    with pytest.raises(ConfigurationError, match=r"build.duckdb: run `cognition load` first"):
        publish(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_a_file_published_while_it_is_opened_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file is renamed, not a link, a swap must not mix header and rows of two."""
    for number in (1, 2):
        with connect(tmp_path / f"{number}.duckdb", read_only=False) as connection:
            fetch(connection, f"CREATE TABLE t AS SELECT {number} AS n")
    target, opened = tmp_path / "1.duckdb", []

    def open_and_swap(path: Path, **given: Any) -> duckdb.DuckDBPyConnection:  # noqa: ANN401
        opened.append(path)
        found = real(path, **given)
        if len(opened) == 1:
            (tmp_path / "2.duckdb").replace(target)
        return found

    real = duckdb.connect
    monkeypatch.setattr(duckdb, "connect", open_and_swap)
    with connect(target, read_only=True) as connection:
        assert fetch(connection, "FROM t") == [(2,)]
    assert len(opened) == 2
