"""Files of the lake are whole or absent, on a folder and on an object store alike."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
import pytest
from lake_kit import ObjectStore, child_environment, run_python, staged, tree

from transforms import storage as storage_module
from transforms.errors import ConfigurationError, RetryableError
from transforms.storage import (
    STAGING,
    Storage,
    name_of,
    sha256_of,
    without_secrets,
)

HOST = socket.gethostname()
A_DAY = 24 * 60 * 60


@pytest.fixture(params=["folder", "object store"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Returns an empty storage of either kind."""
    if request.param == "folder":
        return Storage.at(str(tmp_path / "root"))
    return ObjectStore().storage()


def _fails(_: object) -> NoReturn:
    raise OSError(28, "No space left on device")


def test_reads_back_what_was_written(storage: Storage) -> None:
    """A file comes back byte for byte, and a later write replaces it whole."""
    storage.write_bytes("a/b/c.bin", b"first, and longer \x00\xff")
    storage.write_bytes("a/b/c.bin", b"second\x00")
    assert storage.read("a/b/c.bin").to_pybytes() == b"second\x00"


def test_lists_files_below_a_folder(storage: Storage) -> None:
    """Listing gives relative paths, sorted, of the files below a folder that end as asked."""
    for path in ("b/2.json", "b/x/1.json", "b/note.txt", "a/1.json", "top.json", "bb/1.json"):
        storage.write_bytes(path, b"-")
    assert storage.list("b", ".json") == ["b/2.json", "b/x/1.json"]
    everything = ["a/1.json", "b/2.json", "b/note.txt", "b/x/1.json", "bb/1.json", "top.json"]
    assert storage.list("") == everything
    assert storage.folders("b") == ["x"]


def test_a_missing_folder_is_empty(storage: Storage) -> None:
    """Nothing lies below a folder that is not there, and asking makes none."""
    assert storage.list("nowhere") == []
    assert storage.folders("nowhere") == []
    assert not storage.exists("nowhere")


def test_a_folder_is_no_file(storage: Storage) -> None:
    """Only files exist: the folder of a file does not."""
    storage.write_bytes("a/b.txt", b"-")
    assert storage.exists("a/b.txt")
    assert not storage.exists("a")


def test_reading_a_missing_file_says_so(storage: Storage) -> None:
    """A file that is not there is FileNotFoundError, whatever the kind of storage."""
    with pytest.raises(FileNotFoundError):
        storage.read("nothing.json")


def test_removing_twice_is_removing_once(storage: Storage) -> None:
    """A removed file is gone, and removing it again is no error."""
    storage.write_bytes("a/b.txt", b"-")
    storage.remove("a/b.txt")
    storage.remove("a/b.txt")
    assert not storage.exists("a/b.txt")


def test_removing_loses_a_race_in_peace(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another process removes between the look and the removal is gone all the same."""
    storage.write_bytes("a/b.txt", b"-")
    storage.remove("a/b.txt")
    monkeypatch.setattr(Storage, "exists", lambda *_: True)
    storage.remove("a/b.txt")
    monkeypatch.undo()
    assert not storage.exists("a/b.txt")


def _half(sink: pa.NativeFile) -> None:
    sink.write(b"half of the new")
    _fails(sink)


@pytest.mark.parametrize("older", [None, b"the older content"])
def test_a_failed_fill_changes_nothing(storage: Storage, older: bytes | None) -> None:
    """A writer that fails half-way leaves the older file, or none, and nothing staged."""
    if older is not None:
        storage.write_bytes("a/b.bin", older)
    before = storage.list("")
    with pytest.raises(OSError, match="No space left"):
        storage.write("a/b.bin", _half)
    assert storage.list("") == before
    if older is not None:
        assert storage.read("a/b.bin").to_pybytes() == older


def test_half_a_file_is_never_seen(storage: Storage) -> None:
    """While a file is being written, its readers see the older content."""
    storage.write_bytes("a.bin", b"older")
    seen: list[bytes] = []

    def fill(sink: pa.NativeFile) -> None:
        sink.write(b"new" * 100_000)
        sink.flush()
        seen.append(storage.read("a.bin").to_pybytes())

    storage.write("a.bin", fill)
    assert seen == [b"older"]
    assert storage.read("a.bin").size == 300_000


def test_a_failed_rename_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the last step fails, the older file stays and the staged one goes."""
    storage = Storage.at(str(tmp_path))
    storage.write_bytes("a.bin", b"older")
    monkeypatch.setattr(Path, "replace", lambda *_: _fails(None))
    with pytest.raises(OSError, match="No space left"):
        storage.write_bytes("a.bin", b"newer")
    monkeypatch.undo()
    assert tree(tmp_path) == {"a.bin": b"older"}
    assert staged(tmp_path) == []


def test_a_failed_put_leaves_the_older_object() -> None:
    """On an object store a put that fails changes nothing."""
    store = ObjectStore()
    storage = store.storage()
    storage.write_bytes("a.bin", b"older")
    store.before_put = _fails
    with pytest.raises(OSError, match="No space left"):
        storage.write_bytes("a.bin", b"newer")
    assert store.objects == {"bucket/lake/a.bin": b"older"}


def test_what_is_seen_outlives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content reaches the disk before its name does, and new folders and removals do as well."""
    storage = Storage.at(str(tmp_path))
    steps: list[tuple[str, str]] = []
    rename = Path.replace

    def keep(path: Path) -> None:
        steps.append(("fsync", path.relative_to(tmp_path).as_posix().partition("@")[0]))

    def replace(source: Path, target: Path) -> Path:
        steps.append(("rename", target.relative_to(tmp_path).as_posix()))
        return rename(source, target)

    monkeypatch.setattr(storage_module, "_fsync", keep)
    monkeypatch.setattr(Path, "replace", replace)
    storage.write_bytes("x/y/a.bin", b"-")
    assert steps == [
        ("fsync", "."),  # staging is new here
        ("fsync", "x"),  # y is new in x
        ("fsync", "."),  # and x here
        ("fsync", f"{STAGING}/x~y~a.bin"),
        ("rename", "x/y/a.bin"),
        ("fsync", "x/y"),
    ]
    steps.clear()
    storage.remove("x/y/a.bin")
    assert steps == [("fsync", "x/y")]


KILLED_WHILE_WRITING = """
import os, signal, sys
from transforms.storage import Storage

def fill(sink):
    sink.write(b"half")
    sink.flush()
    os.kill(os.getpid(), signal.SIGKILL)

Storage.at(sys.argv[1]).write("a.bin", fill)
"""


def test_a_killed_writer_is_cleaned_up_after(tmp_path: Path) -> None:
    """A writer killed half-way leaves the older file and a staged one, which cleaning removes."""
    storage = Storage.at(str(tmp_path))
    storage.write_bytes("a.bin", b"older")
    assert run_python(KILLED_WHILE_WRITING, tmp_path).returncode == -signal.SIGKILL
    assert tree(tmp_path) == {"a.bin": b"older"}
    assert len(staged(tmp_path)) == 1
    storage.clean_staging()
    assert staged(tmp_path) == []


WRITES_UNTIL_TOLD = """
import sys
from transforms.storage import Storage

def fill(sink):
    sink.write(b"half")
    sink.flush()
    print("writing", flush=True)
    sys.stdin.readline()
    sink.write(b" and half")

Storage.at(sys.argv[1]).write("a.bin", fill)
"""


def test_a_living_writer_is_left_alone(tmp_path: Path) -> None:
    """Cleaning never takes the file away that another process is just writing."""
    command = [sys.executable, "-c", WRITES_UNTIL_TOLD, str(tmp_path)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=child_environment(),
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        Storage.at(str(tmp_path)).clean_staging()
        writer.communicate("go on\n", timeout=60)
    assert writer.returncode == 0
    assert tree(tmp_path) == {"a.bin": b"half and half"}


def _dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait(60)
    return process.pid


@pytest.mark.parametrize(
    ("name", "age_seconds", "stays"),
    [
        (lambda: f"a.bin@{HOST}.{_dead_pid()}", 0, False),
        (lambda: f"a.bin@{HOST}.{os.getpid()}", 0, True),
        (lambda: f"a.bin@{HOST}.1", 0, True),  # not ours to signal, yet running
        (lambda: f"a.bin@another.{HOST}.{_dead_pid()}", 0, True),
        (lambda: f"a.bin@another.{HOST}.{_dead_pid()}", A_DAY - 60, True),
        (lambda: f"a.bin@another.{HOST}.{_dead_pid()}", A_DAY + 60, False),
        (lambda: f"a.bin@{HOST}.{os.getpid()}", A_DAY + 60, False),
        (lambda: "a@b", 0, True),  # of unknown making
        (lambda: "a.bin", A_DAY + 60, True),
    ],
)
def test_only_dead_writers_are_cleaned_up_after(
    tmp_path: Path, name: Callable[[], str], age_seconds: float, *, stays: bool
) -> None:
    """A staged file goes when its process here is dead, or anywhere once it is a day old."""
    staging = tmp_path / STAGING
    (staging / "locks").mkdir(parents=True)
    lock, file = staging / "locks" / "batch.lock", staging / name()
    then = time.time() - age_seconds
    for path in (lock, file):
        path.touch()
        os.utime(path, (then, then))
    Storage.at(str(tmp_path)).clean_staging()
    assert file.exists() == stays
    assert lock.exists()


def test_a_running_process_of_others_is_running(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process we may not signal counts as running."""

    def refuse(pid: int, sign: int) -> NoReturn:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert storage_module._is_running(4711)


def test_cleaning_loses_a_race_in_peace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A staged file that its writer renames while we look is no error."""
    monkeypatch.setattr(Path, "glob", lambda *_: iter([tmp_path / f"gone@{HOST}.1"]))
    Storage.at(str(tmp_path)).clean_staging()
    assert list(tmp_path.iterdir()) == []


def test_an_object_store_has_nothing_to_clean() -> None:
    """Cleaning passes an object store over: nothing is staged there."""
    store = ObjectStore()
    store.objects["bucket/lake/staging/a@b.1"] = b"-"
    store.storage().clean_staging()
    assert list(store.objects) == ["bucket/lake/staging/a@b.1"]


def test_a_file_uri_is_the_folder_it_names(tmp_path: Path) -> None:
    """`file://` and the plain folder are one storage, staged writes included."""
    Storage.at(f"file://{tmp_path}/lake/").write_bytes("a.txt", b"-")
    assert Storage.at(str(tmp_path / "lake")).list("") == ["a.txt"]
    assert (tmp_path / "lake" / STAGING).is_dir()


def test_a_relative_folder_is_meant_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative folder keeps its meaning when the process goes elsewhere later."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    storage = Storage.at("lake")
    monkeypatch.chdir(tmp_path)
    storage.write_bytes("a.txt", b"-")
    assert (tmp_path / "here" / "lake" / "a.txt").is_file()


@pytest.mark.parametrize(
    "uri",
    [
        "nonsense://lake",
        "file://relative/lake",
        "s3://KEYID:S3CRET@bucket/lake?no_such_option=S3CRET",
        "nonsense://KEYID:S3/CRET@bucket/lake?session_token=S3CRET",
    ],
)
def test_a_place_out_of_reach_is_one_clear_line(uri: str) -> None:
    """A URI we cannot open is one line that names it and the remedy, never the keys in it."""
    with pytest.raises(ConfigurationError) as caught:
        Storage.at(uri)
    said = str(caught.value)
    assert said.startswith("cannot open the lake ")
    assert said.endswith("give a folder or s3://bucket/prefix")
    assert "\n" not in said
    assert not any(secret in said for secret in ("KEYID", "CRET", "S3/"))
    assert "lake" in said.removeprefix("cannot open the lake ")


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("/data/a@b/lake?x", "/data/a@b/lake?x"),
        ("s3://bucket/lake", "s3://bucket/lake"),
        ("s3://id:se/c@ret@bucket/lake?access_key=x", "s3://bucket/lake"),
        ("s3://bucket/lake?secret_key=x@y", "s3://bucket/lake"),
        ("s3://b/p?access_key=AK&secret_key=SK@LEAK&zz=1", "s3://b/p"),
        ("s3://id:secret@b/p?x=1@2", "s3://b/p"),
        ("s3://id:se?cret@b/p", "s3://..."),
        ("s3://id:se?cret/@b/p?q=1", "s3://..."),
        ("s3://host:9000/lake", "s3://host:9000/lake"),
    ],
)
def test_messages_show_no_secret_of_a_uri(uri: str, shown: str) -> None:
    """A URI is shown without keys and options, even if that costs a part of its path."""
    assert without_secrets(uri) == shown


def test_an_error_of_the_system_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, which Arrow tells without a place, is told with the file being written."""

    def full(sink: pa.NativeFile) -> NoReturn:
        raise OSError(errno.ENOSPC, "Error writing bytes to file")

    with pytest.raises(OSError, match="No space left") as caught:
        Storage.at(str(tmp_path)).write("x/a.bin", full)
    assert caught.value.filename == str(tmp_path / "x/a.bin")
    assert caught.value.strerror == os.strerror(errno.ENOSPC)


def test_a_store_that_does_not_answer_is_worth_another_try() -> None:
    """Each way of reaching a store that is gone ends as one retryable error without its text."""
    store = ObjectStore()

    def gone(*_: object) -> NoReturn:
        raise OSError("AWS Error NETWORK_CONNECTION during HeadObject: http://x/?Signature=S3CRET")

    store.get_file_info = store.get_file_info_selector = gone  # type: ignore[method-assign]
    store.open_input_file = store.before_put = gone  # type: ignore[method-assign]
    storage = store.storage()
    for reach in (
        lambda: storage.exists("a"),
        lambda: storage.list("a"),
        lambda: storage.folders("a"),
        lambda: storage.read("a"),
        lambda: storage.open("a"),
        lambda: storage.write_bytes("a", b"-"),
        lambda: storage.remove("a"),
    ):
        with pytest.raises(RetryableError) as caught:
            reach()
        said = str(caught.value)
        assert "bucket/lake cannot be reached (NETWORK_CONNECTION): check COGNITION_LAKE" in said
        assert "S3CRET" not in said


def test_names_and_hashes() -> None:
    """A file's name is without folders and last suffix; a hash is that of the bytes."""
    assert name_of("raw/month=2026-01/20260115T120000-abc.parquet") == "20260115T120000-abc"
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert sha256_of(b"") == sha256_of(pa.py_buffer(b"")) == empty
