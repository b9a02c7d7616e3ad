"""Kills a loader or a rollback by SIGKILL at each of its steps, for the tests of the publish.

A process that has imported all there is forks a child for each step, so that a kill costs a few
hundredths of a second and is a real one: no `finally` runs, no buffer is written.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
from warehouse_lake import run_python

from transforms.warehouse import PUBLISHED

KILLS = """
import os, shutil, signal, sys, traceback
from itertools import count
from pathlib import Path

from kill_kit import copy_home
from transforms.contract import load_contracts
from transforms.lake import open_lake
from transforms.warehouse import checks, insert, load
from transforms.warehouse.publish import publish
from transforms.warehouse.rollback import release, rollback

command, pattern, place = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
stride = int(sys.argv[4])
contracts = load_contracts()
steps = []


def load_all(folder):
    load.load_batches(open_lake(str(folder / "lake")), contracts, folder / "warehouse")
    checks.run_checks(contracts, folder / "warehouse")


WORK = {
    "load": load_all,
    "publish": lambda folder: publish(folder / "warehouse", 1),
    "rollback": lambda folder: rollback(folder / "warehouse"),
    "release": lambda folder: release(folder / "warehouse"),
}


def steps_of_files():
    names = {shutil: ["copyfile"], os: ["utime", "chmod", "chown", "fsync"]}
    return names | {Path: ["symlink_to", "replace", "unlink", "mkdir", "write_bytes"]}


def steps_of_statements():
    return {module: ["fetch"] for module in (load, insert, checks)}


def die_at(step, owner, name):
    honest = getattr(owner, name)

    def operate(*given, **named):
        steps.append(name)
        if len(steps) == step + 1:
            if name == "copyfile":
                Path(given[1]).write_bytes(Path(given[0]).read_bytes()[:9999])
            os.write(1, f"{name}\\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)
        return honest(*given, **named)

    setattr(owner, name, operate)


def child(step, folder):
    try:
        owners = steps_of_statements() if command == "load" else steps_of_files()
        for owner, names in owners.items():
            for name in names:
                die_at(step, owner, name)
        WORK[command](folder)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


for step in count(0, stride):
    folder = place / f"{step:04}"
    copy_home(pattern, folder)
    forked = os.fork()
    if not forked:
        child(step, folder)
    code = os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1])
    if code == 0:
        shutil.rmtree(folder)
        break
    if code != -signal.SIGKILL:
        sys.exit(f"step {step} ended with {code}")
"""


@dataclass(frozen=True)
class Killed:
    """What a kill left.

    Attributes:
        step: The operation it died in.
        home: The warehouse folder.
        words: What the published file says, opened as any reader does.
    """

    step: str
    home: Path
    words: str


def kill_at_each_step(
    command: str, pattern: Path, place: Path, stride: int = 1
) -> Iterator[Killed]:
    """Yields what a kill at each step of a command left behind; each folder is removed after.

    Args:
        command: `load`, `publish`, `rollback` or `release`.
        pattern: Folder with `lake` and `warehouse` to begin with.
        place: Folder for the copies.
        stride: Every so many steps one.
    """
    done = run_python(KILLS, command, pattern, place, stride)
    assert done.returncode == 0, done.stderr
    folders = sorted(place.iterdir())
    for step, folder in zip(done.stdout.split(), folders, strict=True):
        home = folder / "warehouse"
        assert not [*home.rglob("*.wal")]
        yield Killed(step, home, words_of(home / PUBLISHED))
        shutil.rmtree(folder)


def copy_home(pattern: Path, folder: Path) -> None:
    """Copies a folder; the published file of the copy is a link to its version, too."""
    shutil.copytree(pattern, folder, symlinks=True)


def versions_of(home: Path) -> list[Path]:
    """Returns the folders of the versions that are kept, oldest first."""
    files = (home / "versions").glob("warehouse-*/warehouse.duckdb")
    return sorted(path.parent for path in files)


def refuse_links(*_: object, **__: object) -> None:
    """Stands for a filesystem without symbolic links."""
    raise OSError(errno.EPERM, "no links here")


def words_of(database: Path) -> str:
    """Returns the sentences of a published file, in order of their jobs."""
    with duckdb.connect(database, read_only=True) as connection:
        sql = "SELECT string_agg(content, ' ' ORDER BY job_id) FROM asr_segments"
        (found,) = connection.execute(sql).fetchall()
        return str(found[0])
