"""The sandbox's command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.samples import sample_reply
from sandbox.samples.ids import job_ids

ROOT = Path(__file__).parents[1]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Returns the ended command line of the sandbox."""
    command = [sys.executable, "-m", "sandbox", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path, stop: signal.Signals) -> None:
    """It writes ledger and ready file, prints one line with what to set, and ends with 0."""
    ledger, ready = tmp_path / "ledger.txt", tmp_path / "ready.json"
    command = [sys.executable, "-m", "sandbox", "--jobs", "300", "--seed", "3"]
    command += ["--ledger", str(ledger), "--ready-file", str(ready), "--access-key-id", "me"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        written = json.loads(ready.read_text())
        process.send_signal(stop)
        rest = process.stdout.read()
    assert process.returncode == 0
    assert rest == ""
    assert ledger.read_text().splitlines() == job_ids(3, 300)
    assert written["url"] in line
    assert written["environment"]["COGNITION_ACCESS_KEY_ID"] == "me"
    for name, value in written["environment"].items():
        assert f"{name}={value}" in line


def test_the_command_dumps_saved_replies(tmp_path: Path) -> None:
    """`--dump` writes each reply the service would give, none for jobs it does not know."""
    done = run("--jobs", "200", "--seed", "7", "--dump", str(tmp_path / "replies"))
    assert (done.returncode, done.stderr) == (0, "")
    files = {path.stem: path for path in (tmp_path / "replies").glob("*.json")}
    assert len(files) == 200 - 2  # two of 200 jobs are unknown to the service
    job = job_ids(7, 1)[0]
    assert files[job].read_bytes() == sample_reply(7, 0)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--jobs", "many"], "--jobs"),
        (["--jobs", "-1"], "negative"),
        (["--throttle-share", "2"], "Shares"),
        (["--port", "70000"], "port"),
        (["--ledger", "/no/such/folder/ledger.txt"], "No such file"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_use_is_one_clear_line(arguments: list[str], word: str) -> None:
    """A wrong option ends with code 2 and one line that names it, never a traceback."""
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("sandbox: ")
    assert done.stderr.count("\n") == 1
    assert word in done.stderr
