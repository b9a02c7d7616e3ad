"""Going back: an older version in place, held there until it is released, whatever is loaded."""

from __future__ import annotations

import errno
import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from filelock import FileLock
from kill_kit import copy_home, kill_at_each_step, refuse_links, versions_of, words_of
from lake_kit import Landing, new_home, titled
from warehouse_lake import Helper, commit, speech_job

from transforms import pipeline
from transforms.cli import main
from transforms.contract import load_contracts
from transforms.errors import ConfigurationError
from transforms.lake import open_lake
from transforms.settings import Settings
from transforms.warehouse import PUBLISHED, kept, load_batches, swap
from transforms.warehouse import rollback as rolling
from transforms.warehouse.checks import run_checks
from transforms.warehouse.duck import WarehouseLockedError
from transforms.warehouse.hold import Hold, read_hold
from transforms.warehouse.kept import count_rows, describe_versions
from transforms.warehouse.prune import prune
from transforms.warehouse.publish import PublishError, publish, read_version
from transforms.warehouse.rollback import ReleaseReport, release, rollback

NOON = datetime(2024, 5, 6, 12, 0, 0, tzinfo=UTC)
WORDS = ("one", "two", "three", "four")


def load_words(folder: Path, count: int) -> Path:
    """Loads and checks a lake of one batch for each of the first words; returns the warehouse."""
    storage = open_lake(str(folder / "lake"), create=True)
    for number, word in enumerate(WORDS[:count]):
        commit(storage, f"b{number}", speech_job(f"job-{number}", (0.0, 1.0, word)))
    load_batches(storage, load_contracts(), folder / "warehouse")
    run_checks(load_contracts(), folder / "warehouse")
    return folder / "warehouse"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three versions, a minute apart, and `four` loaded and checked; made once."""
    folder = tmp_path_factory.mktemp("three")
    for count in (1, 2, 3):
        publish(load_words(folder, count), now=NOON + timedelta(minutes=count))
    load_words(folder, 4)
    return folder


@pytest.fixture
def home(three: Path, tmp_path: Path) -> Path:
    """The warehouse of a copy, for one test."""
    copy_home(three, tmp_path / "home")
    return tmp_path / "home" / "warehouse"


def said(home: Path) -> str:
    """Returns the words that are published."""
    return words_of(home / PUBLISHED)


def write_to(database: Path) -> None:
    """Writes to a file as someone does who takes its protection off."""
    database.chmod(0o644)
    with duckdb.connect(database) as connection:
        connection.execute("DELETE FROM asr_segments")


# Going back


def test_without_a_name_it_goes_to_the_version_before(home: Path) -> None:
    """Each rollback goes one version further back, tells what it did, and holds that version."""
    first, second, third = (path.name for path in versions_of(home))
    report = rollback(home, reason="wrong prices", now=NOON.astimezone())
    assert said(home) == "one two"
    assert (report.version, report.before, report.changed) == (second, third, True)
    assert (report.batches, report.jobs) == (2, 2)
    assert report.bytes == (home / PUBLISHED).stat().st_size
    assert (report.held_at, report.held_reason) == ("2024-05-06T12:00:00Z", "wrong prices")
    assert read_hold(home) == Hold(second, "2024-05-06T12:00:00Z", "wrong prices")
    assert read_version(home) == second
    again = rollback(home, now=NOON)
    assert said(home) == "one"
    assert (again.version, again.before) == (first, second)
    assert read_hold(home) == Hold(first, "2024-05-06T12:00:00Z", None)
    with pytest.raises(ConfigurationError, match=rf"^{first} is published and the oldest .*--list"):
        rollback(home)
    assert [path.name for path in versions_of(home)] == [first, second, third]


@pytest.mark.parametrize(
    "part", ["120100", "{stem}", "versions/{stem}/", "versions/{stem}/warehouse.duckdb", "{digest}"]
)
def test_a_part_of_a_name_is_enough(home: Path, part: str) -> None:
    """A version is named whole, as its file, or by any part no other has; back and forth."""
    first, _, third = (path.name for path in versions_of(home))
    report = rollback(home, part.format(stem=first, digest=first[-8:]))
    assert (report.version, said(home)) == (first, "one")
    assert rollback(home, third).version == third
    assert said(home) == "one two three"


def test_the_published_file_is_a_link_to_the_version_and_nothing_is_left(home: Path) -> None:
    """The swap is that of a publish: a link, with no file beside it."""
    rollback(home)
    _, second, _ = versions_of(home)
    assert (home / PUBLISHED).readlink() == Path("versions", second.name, PUBLISHED)
    names = sorted(path.name for path in home.iterdir() if path.suffix != ".lock")
    assert names == ["build.duckdb", "versions", PUBLISHED]
    assert not [path for path in home.rglob("*") if path.suffix in {".part", ".new", ".wal"}]


def test_where_links_fail_the_version_is_copied(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filesystem without links costs a second copy, which is known as its version."""
    monkeypatch.setattr(Path, "symlink_to", refuse_links)
    report = rollback(home)
    assert not (versions_of(home)[1] / PUBLISHED).samefile(home / PUBLISHED)
    assert (said(home), read_version(home)) == ("one two", report.version)
    assert publish(home).held


def test_a_reader_keeps_its_file_through_a_rollback(home: Path) -> None:
    """Who has the file open reads on; who opens it after that sees the older version."""
    with duckdb.connect(home / PUBLISHED, read_only=True) as reader:
        sql = "SELECT count(*) FROM asr_segments"
        with Helper(ROLLS_BACK, home) as other:
            assert other.hear() == "done"
        assert reader.execute(sql).fetchall() == [(3,)]
    assert said(home) == "one two"


ROLLS_BACK = """
import sys
from pathlib import Path
from transforms.warehouse.rollback import rollback
rollback(Path(sys.argv[1]))
print("done", flush=True)
"""


def test_after_a_release_and_a_load_it_goes_back_to_other_content(home: Path) -> None:
    """A cycle of rollback, release and load makes no copies; what is good stays and is found."""
    kept = [path.name for path in versions_of(home)]
    assert publish(home, 4, now=NOON + timedelta(minutes=4)).changed
    fourth = versions_of(home)[-1]
    for _ in range(3):
        assert rollback(home).version == kept[-1]
        release(home)
        report = publish(home, 4)
        assert (report.version, report.changed) == (fourth.name, True)
        assert said(home) == "one two three four"
        assert (fourth / PUBLISHED).samefile(home / PUBLISHED)
    assert [path.name for path in versions_of(home)] == [*kept, fourth.name]


def copy_version(version: Path, later: timedelta) -> Path:
    """Returns a copy of a version, as one that was published again before copies were avoided."""
    moment = datetime.strptime(version.name.split("-")[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    moment += later
    copy = version.with_name(f"warehouse-{moment:%Y%m%dT%H%M%S}-{version.name[-8:]}")
    shutil.copytree(version, copy)
    os.utime(copy / PUBLISHED, (moment.timestamp(), moment.timestamp()))
    return copy


def test_a_copy_of_what_is_published_is_no_version_before_it(home: Path) -> None:
    """Versions of the published content are passed over, be they damaged; others are not."""
    first, second, third = versions_of(home)
    copy_version(second, timedelta(seconds=10))
    write_to(copy_version(second, timedelta(seconds=20)) / PUBLISHED)
    rollback(home, copy_version(second, timedelta(seconds=30)).name)
    report = rollback(home)
    assert (report.version, said(home)) == (first.name, "one")
    again = copy_version(first, timedelta(seconds=10))
    rollback(home, again.name)
    nothing = rf"^{again.name} is published and .* before it hold the same; .*--list"
    with pytest.raises(ConfigurationError, match=nothing):
        rollback(home)
    assert (said(home), third.exists()) == ("one", True)


def test_equal_digits_of_other_content_are_another_version(home: Path) -> None:
    """Eight digits in a name do not prove it: what a version holds is read."""
    _, second, third = versions_of(home)
    second = second.rename(second.with_name(f"{second.name[:-8]}{third.name[-8:]}"))
    assert rollback(home).version == second.name
    assert said(home) == "one two"


# Wrong uses


@pytest.mark.parametrize("blank", ["", " ", "/", "warehouse.duckdb"])
def test_an_empty_name_is_no_version(home: Path, blank: str) -> None:
    """A variable that is not set moves nothing, be one version kept or many."""
    for keep in (3, 1):
        prune(home, keep)
        with pytest.raises(ConfigurationError, match=r"^the version is empty: .*--list"):
            rollback(home, blank)
    assert (said(home), read_hold(home)) == ("one two three", None)


@pytest.mark.parametrize(
    ("given", "said_of_it"),
    [
        ("20230101", "^no version 20230101 is kept; `cognition rollback --list` shows"),
        ("warehouse-", r"^warehouse- is part of 3 names, .*: give more of it$"),
        ("\x1b[31m", r"^no version \\x1b\[31m is kept"),
    ],
)
def test_a_name_that_is_none_changes_nothing(home: Path, given: str, said_of_it: str) -> None:
    """What is not kept, or not clear, is one line with the remedy; nothing is held."""
    with pytest.raises(ConfigurationError, match=said_of_it):
        rollback(home, given)
    assert (said(home), read_hold(home)) == ("one two three", None)


def test_the_published_version_can_be_held_once(home: Path) -> None:
    """Naming what is published holds it, without a swap; a second time there is nothing to do."""
    third = versions_of(home)[2]
    stamp = (home / PUBLISHED).stat()
    report = rollback(home, third.name, reason="audit")
    assert (report.changed, report.version, report.before) == (False, third.name, third.name)
    assert (home / PUBLISHED).stat().st_ctime_ns == stamp.st_ctime_ns
    held = read_hold(home)
    assert held is not None
    assert (held.version, held.reason) == (third.name, "audit")
    with pytest.raises(ConfigurationError, match=r"published and held already: .*--release"):
        rollback(home, third.name, reason="once more")
    assert read_hold(home) == held


DAMAGES: dict[str, Any] = {
    "was written to after it was published": write_to,
    "has a log of someone's changes beside it": lambda path: path.with_name(
        f"{path.name}.wal"
    ).write_bytes(b"x"),
    "cannot be opened as a warehouse": lambda path: rewrite(path, path.read_bytes()[:300_000]),
    "(is damaged: .*checksum|cannot be opened)": lambda path: rewrite(
        path, flipped(path.read_bytes())
    ),
}


def rewrite(path: Path, content: bytes) -> None:
    """Puts other bytes into a file, which bears the time it bore."""
    before = path.stat()
    path.chmod(0o644)
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def flipped(content: bytes) -> bytes:
    """Returns a database with the block that holds the word `two` spoilt."""
    place = content.rindex(b"two")
    return content[:place] + b"TWO" + content[place + 3 :]


@pytest.mark.parametrize("flaw", DAMAGES)
def test_a_damaged_version_is_not_put_in_place(home: Path, flaw: str) -> None:
    """A version written to, cut off, or with a spoilt block is refused, and what is out stays."""
    _, second, _ = versions_of(home)
    DAMAGES[flaw](second / PUBLISHED)
    with pytest.raises(PublishError, match=rf"^{second.name} {flaw}.*: choose another; .*--list"):
        rollback(home)
    assert (said(home), read_hold(home)) == ("one two three", None)
    assert rollback(home, versions_of(home)[0].name).changed
    assert said(home) == "one"


def test_before_the_first_publish_the_remedy_is_named(tmp_path: Path) -> None:
    """Where nothing is kept it says what to run, and makes nothing."""
    with pytest.raises(ConfigurationError, match=r"no versions are kept .*`cognition load`"):
        rollback(tmp_path / "warehouse")
    assert release(tmp_path / "warehouse") == ReleaseReport(released=False, version=None)
    assert describe_versions(tmp_path / "warehouse") == ()
    assert list(tmp_path.iterdir()) == []


def test_a_rollback_waits_for_a_publish(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollback, and a release, take the same lock as a publish."""
    monkeypatch.setattr(swap, "LOCK_SECONDS", 0.01)
    with FileLock(home / "publish.lock"):
        for command in (rollback, release):
            with pytest.raises(WarehouseLockedError, match="is being published by another"):
                command(home)
    assert said(home) == "one two three"


def test_a_published_file_someone_wrote_to_can_be_left(home: Path) -> None:
    """From an altered file one goes to the version before it; the altered one is not kept."""
    first, second, third = versions_of(home)
    write_to(home / PUBLISHED)
    report = rollback(home)
    assert (report.version, report.before) == (second.name, third.name)
    assert versions_of(home) == [first, second]
    assert said(home) == "one two"


def test_a_published_file_that_is_gone_comes_back(home: Path) -> None:
    """With warehouse.duckdb deleted, the newest version is the one to go back to."""
    (home / PUBLISHED).unlink()
    report = rollback(home)
    assert (report.before, said(home)) == (None, "one two three")


# The hold


def test_a_load_leaves_a_held_version_and_says_so(home: Path) -> None:
    """Loads and checks go on, the version stays, and the next load after a release publishes."""
    back = rollback(home, reason="wrong prices", now=NOON)
    report = publish(home)
    assert (report.held, report.changed, report.version) == (True, False, back.version)
    assert (report.held_at, report.held_reason) == ("2024-05-06T12:00:00Z", "wrong prices")
    assert said(home) == "one two"
    assert release(home) == ReleaseReport(released=True, version=back.version)
    assert release(home) == ReleaseReport(released=False, version=None)
    assert said(home) == "one two"
    after = publish(home)
    assert (after.held, after.held_at, after.changed) == (False, None, True)
    assert said(home) == "one two three four"
    assert after.version == versions_of(home)[-1].name


def test_an_unchecked_build_is_told_of_though_a_version_is_held(home: Path) -> None:
    """A hold does not hide that the build has not passed its checks."""
    rollback(home)
    storage = open_lake(str(home.parent / "lake"))
    commit(storage, "b4", speech_job("job-4", (0.0, 1.0, "five")))
    load_batches(storage, load_contracts(), home)
    with pytest.raises(PublishError, match="has not passed its checks"):
        publish(home)


def test_retention_leaves_a_held_version(home: Path) -> None:
    """Neither a publish nor the maintenance takes it away, be it the oldest and keep 1."""
    first, second, third = versions_of(home)
    rollback(home, first.name)
    assert publish(home, 3).held
    assert versions_of(home) == [first, second, third]
    assert publish(home, 2).held
    assert versions_of(home) == [first, third]
    assert prune(home, 1).removed == (third.name,)
    assert versions_of(home) == [first]
    assert said(home) == "one"


def test_a_held_version_is_put_right(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where something else is published than is held, a publish brings back what is held."""
    second = versions_of(home)[1]
    rollback(home)
    (home / PUBLISHED).unlink()
    report = publish(home)
    assert (report.held, report.changed, report.version) == (True, True, second.name)
    assert said(home) == "one two"


def test_a_held_version_that_is_spoilt_is_told(home: Path) -> None:
    """A held version that someone wrote to cannot be mended from the build: that is an error."""
    second = versions_of(home)[1]
    rollback(home)
    write_to(home / PUBLISHED)
    remedy = r"held and was written to .*rollback VERSION.*--release` and `cognition load`"
    with pytest.raises(PublishError, match=rf"^{second.name} is {remedy}"):
        publish(home)
    release(home)
    assert publish(home).altered
    assert said(home) == "one two three four"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 1, "held_at": "x"}', b'"x"'])
def test_a_hold_that_cannot_be_read_publishes_nothing(home: Path, content: bytes) -> None:
    """In doubt what is published stays; a release, or another rollback, puts it right."""
    path = home / "versions" / "hold.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"hold.json cannot be read.*--release"):
        publish(home)
    with pytest.raises(ConfigurationError, match=r"hold.json cannot be read"):
        prune(home, 1)
    assert len(versions_of(home)) == 3
    assert release(home) == ReleaseReport(released=True, version=None)
    path.write_bytes(content)
    rollback(home, versions_of(home)[-1].name)
    assert publish(home).held


# Crashes


@pytest.mark.slow
def test_a_rollback_killed_at_any_step_is_finished_by_the_next_load(
    three: Path, tmp_path: Path
) -> None:
    """SIGKILL at each file operation: one version or the other, whole; what is held comes out."""
    words, held = [], []
    for killed in kill_at_each_step("rollback", three, tmp_path / "killed"):
        words.append(killed.words)
        held.append(read_hold(killed.home) is not None)
        report = publish(killed.home, 4)
        assert report.held == held[-1], killed.step
        assert said(killed.home) == ("one two" if report.held else "one two three four")
        assert prune(killed.home, 4).removed == ()
        assert not [*killed.home.rglob("*.part"), *killed.home.glob("*.new")]
    assert {"one two", "one two three"} == {*words}
    assert words == sorted(words, reverse=True)
    assert held == sorted(held)
    assert words.index("one two") > held.index(True)  # held before it is swapped in


@pytest.mark.slow
def test_a_release_killed_at_any_step_held_or_not(three: Path, tmp_path: Path) -> None:
    """SIGKILL at each file operation of a release: the hold is there, or gone."""
    folder = tmp_path / "held"
    copy_home(three, folder)
    rollback(folder / "warehouse")
    found = []
    for killed in kill_at_each_step("release", folder, tmp_path / "killed"):
        assert killed.words == "one two"
        found.append(read_hold(killed.home) is not None)
    assert found == sorted(found, reverse=True)
    assert {*found} == {True, False}


def test_a_full_disk_is_one_clear_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system refuses is passed on with the command to run again; nothing is swapped."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(rolling, "write_hold", refuse)
        expected = r"No space left on device\. What was published is .*`cognition rollback 1201`"
        with pytest.raises(PublishError, match=expected):
            rollback(home, "1201")
    assert said(home) == "one two three"


# What is kept, and the command line


def test_what_is_kept_is_listed_newest_first(home: Path) -> None:
    """The list tells time, size, content and state of each version, and which cannot be used."""
    first, second, third = versions_of(home)
    rollback(home)
    write_to(third / PUBLISHED)
    listed = describe_versions(home)
    assert [each.version for each in listed] == [third.name, second.name, first.name]
    assert [each.published_at for each in listed] == [
        f"2024-05-06T12:0{minute}:00Z" for minute in (3, 2, 1)
    ]
    assert [(each.batches, each.jobs) for each in listed] == [(None, None), (2, 2), (1, 1)]
    assert [(each.published, each.held) for each in listed] == [
        (False, False),
        (True, True),
        (False, False),
    ]
    assert [each.flaw for each in listed] == ["was written to after it was published", None, None]
    assert listed[1].bytes == (second / PUBLISHED).stat().st_size


def test_a_version_that_goes_while_it_is_described_is_left_out(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is made while a publish takes the oldest version away."""
    first, second, third = versions_of(home)

    def count_late(version: Path) -> tuple[int, int]:
        if version.parent == first:
            version.unlink()
        return count_rows(version)

    monkeypatch.setattr(kept, "count_rows", count_late)
    assert [each.version for each in describe_versions(home)] == [third.name, second.name]


@pytest.fixture(scope="module")
def published_twice(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with two versions; it is only ever copied."""
    settings = new_home(tmp_path_factory.mktemp("home"), [Landing("a", titled("A"))])
    pipeline.flatten(settings)
    pipeline.load(settings)
    new_home(settings.home, [Landing("b", titled("B"))])
    pipeline.flatten(settings)
    pipeline.load(settings)
    return settings


@pytest.fixture
def settings(published_twice: Settings, tmp_path: Path) -> Settings:
    """A copy of it."""
    copy_home(published_twice.home, tmp_path / "home")
    return Settings(home=tmp_path / "home")


def run(capsys: pytest.CaptureFixture[str], settings: Settings, *words: str) -> tuple[int, str]:
    """Runs a command; returns its exit code and what it said, on one line."""
    code = main([*words, "--home", str(settings.home)])
    out, err = capsys.readouterr()
    return code, " ".join(f"{out} {err}".split())


def test_the_command_tells_what_it_did_and_what_ends_it(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rollback, load, status, list and release each say that a version is held, or no more."""
    older, newer = (path.name for path in versions_of(settings.warehouse_dir))
    code, told = run(capsys, settings, "rollback", "--reason", "wrong\x1b prices")
    assert code == 0
    assert f"rollback published again: version {older}" in told
    assert "1 batch, 1 job" in told
    assert f"in place of {newer}" in told
    assert f"held {older} since 20" in told
    assert r"(wrong\x1b prices): loads publish nothing until cognition rollback --release" in told
    code, told = run(capsys, settings, "load")
    assert (code, "held, the build was not published: version" in told) == (0, True)
    assert "until cognition rollback --release" in told
    code, told = run(capsys, settings, "status")
    assert f"held {older} since" in told
    assert "next cognition rollback --release once the cause is gone, then cognition load" in told
    code, told = run(capsys, settings, "rollback", "--list")
    assert (code, told.startswith(newer)) == (0, True)
    assert f"published {older}, held" in told
    code, told = run(capsys, settings, "rollback", "--release")
    assert (code, told) == (
        0,
        f"release {older} is released: the next load publishes the build",
    )
    code, told = run(capsys, settings, "rollback", "--release")
    assert (code, "no version was held" in told) == (0, True)
    code, told = run(capsys, settings, "load")
    assert "publish published: version warehouse-" in told
    assert "held" not in run(capsys, settings, "status")[1]


def test_programs_read_the_same_as_json(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --json each form writes one document with the names of the versions."""
    older, newer = (path.name for path in versions_of(settings.warehouse_dir))
    documents = []
    for words in (["--list"], ["--reason", "x"], ["--release"]):
        assert main(["rollback", *words, "--json", "--home", str(settings.home)]) == 0
        documents.append(json.loads(capsys.readouterr().out))
    listed, back, released = documents
    assert [each["version"] for each in listed["versions"]] == [newer, older]
    assert (back["version"], back["before"], back["held_reason"]) == (older, newer, "x")
    assert released == {"released": True, "version": older}


@pytest.mark.parametrize(
    "words",
    [
        ["--list", "--release"],
        ["--list", "warehouse"],
        ["--list", ""],
        ["--release", "--reason", ""],
        ["--release", "--reason", "x"],
    ],
)
def test_what_contradicts_itself_is_refused(
    settings: Settings, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """Options that do not go together are exit code 2 with one line, and change nothing."""
    code, told = run(capsys, settings, "rollback", *words)
    assert (code, "--list and --release stand alone" in told) == (2, True)
    assert read_hold(settings.warehouse_dir) is None


def test_an_unknown_version_is_exit_code_2(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command ends as others do: one line with the remedy, and 2."""
    code, told = run(capsys, settings, "rollback", "nowhere")
    assert (code, told.startswith("error: no version nowhere is kept;")) == (2, True)
    code, told = run(capsys, settings, "rollback", "")
    assert (code, told.startswith("error: the version is empty:")) == (2, True)
    assert read_hold(settings.warehouse_dir) is None


def test_status_survives_a_hold_that_cannot_be_read(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status tells all the rest, and warns of the hold."""
    (settings.warehouse_dir / "versions" / "hold.json").write_bytes(b"{")
    code, told = run(capsys, settings, "status")
    assert (code, "2 replies in 2 files" in told) == (0, True)
    assert "warning:" in told
    assert "hold.json cannot be read" in told


def test_an_empty_home_lists_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing was published the list says what would publish."""
    code, told = run(capsys, Settings(home=tmp_path / "home"), "rollback", "--list")
    assert (code, told) == (0, "versions none are kept: cognition load publishes one")
