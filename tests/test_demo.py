"""The demo: the real DAGs on a real scheduler, and what is left when it is over."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import httpx
import psutil
import pytest
from filelock import FileLock
from rich.cells import cell_len
from rich.console import Console

from sandbox import Sandbox
from sandbox.demo.airflow_api import AirflowError, TaskState
from sandbox.demo.airflow_home import ROOT, AirflowHome, airflow_environment
from sandbox.demo.published import Published
from sandbox.demo.report import print_report
from sandbox.demo.watch import Watch
from transforms import ledger, pipeline
from transforms.lake import open_lake
from transforms.settings import Settings, SourceSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

JOBS = 40


def processes_of(home: Path) -> list[str]:
    """Returns the command lines of all processes of an Airflow home."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("AIRFLOW_HOME") == str(home / "airflow"):
                found.append(" ".join(process.cmdline()))
        except (psutil.Error, OSError):
            continue
    return found


def wait_until(holds: Callable[[], bool]) -> None:
    """Waits until something holds, a minute at most."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Demo:
    """Runs the demo as a user does, in a process with an empty HOME and TMPDIR.

    Args:
        folder: A folder of its own.
    """

    def __init__(self, folder: Path) -> None:
        self.home = folder / "demo-home"
        self.outside = [folder / "user", folder / "temporary"]
        for place in self.outside:
            place.mkdir()
        user, temporary = map(str, self.outside)
        self.environment = {**os.environ, "HOME": user, "TMPDIR": temporary, "COLUMNS": "80"}

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Starts it; its output can be read."""
        place = ["--home", str(self.home), f"--jobs={JOBS}"]
        return subprocess.Popen(
            [sys.executable, "-m", "sandbox.demo", *place, *options],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self) -> str:
        """Runs it to its end, which must be a good one; returns what it said."""
        with self.start() as process:
            said, _ = process.communicate(timeout=150)
        assert process.returncode == 0, said
        return said


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """One demo home for the tests of this module."""
    return Demo(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def first_run(demo: Demo) -> str:
    """What the first demo in the home said."""
    return demo.run()


@pytest.mark.slow
@pytest.mark.airflow
@pytest.mark.xdist_group("airflow")
def test_demo_publishes_by_a_real_scheduler(demo: Demo, first_run: str) -> None:
    """The scheduler runs ingest, its asset starts load, and every final job is published."""
    tasks = [
        "ingest_cognition_jobs.ledger",
        "ingest_cognition_jobs.source[0]",
        "ingest_cognition_jobs.stale",
        "ingest_cognition_jobs.flatten[0]",
        "ingest_cognition_jobs.publish_lake",
        "load_warehouse.load",
        "load_warehouse.check",
        "load_warehouse.publish",
    ]
    lines = [line.split() for line in first_run.splitlines()]
    assert [line[:2] for line in lines if line[:1] and line[0] in tasks] == [
        [task, "success"] for task in tasks
    ]
    status = pipeline.status(Settings(home=demo.home))
    assert (status.known, status.waiting_batches, status.stale_batches) == (JOBS, 0, 0)
    with duckdb.connect(status.published, read_only=True) as connection:
        [(loaded,)] = connection.execute("SELECT count(*) FROM jobs").fetchall()
    assert loaded == JOBS - status.pending > 0


@pytest.mark.slow
@pytest.mark.airflow
@pytest.mark.xdist_group("airflow")
def test_second_demo_changes_no_row_and_says_so(demo: Demo, first_run: str) -> None:
    """Run again, it starts nothing that has nothing to do, and the published bytes stay."""
    published = demo.home / "warehouse" / "warehouse.duckdb"
    before = published.read_bytes()
    said = demo.run()
    assert "load_warehouse had nothing to load" in said
    assert "No row changed" in said
    assert "No row changed" not in first_run
    assert published.read_bytes() == before


@pytest.mark.slow
@pytest.mark.airflow
@pytest.mark.xdist_group("airflow")
def test_demo_leaves_nothing_behind(demo: Demo, first_run: str) -> None:
    """Nothing lies in HOME or TMPDIR, no process is left, and no line is wider than 80."""
    assert [list(place.iterdir()) for place in demo.outside] == [[], []]
    assert not (demo.home / "airflow" / "tmp").exists()
    assert processes_of(demo.home) == []
    wide = [line for line in first_run.splitlines() if cell_len(line) > 80]
    assert [line for line in wide if demo.home.name not in line] == []


@pytest.mark.slow
@pytest.mark.airflow
@pytest.mark.xdist_group("airflow")
@pytest.mark.parametrize(
    ("number", "moment", "code"),
    [(signal.SIGINT, "ingest_cognition_jobs.ledger", 130), (signal.SIGTERM, "Starting", 143)],
)
def test_interrupted_demo_stops_everything(
    tmp_path: Path, number: int, moment: str, code: int
) -> None:
    """Stopped at any moment, it ends all processes of Airflow before it ends itself."""
    demo = Demo(tmp_path)
    with demo.start() as process:
        assert process.stdout is not None
        next(line for line in process.stdout if moment in line)
        wait_until(lambda: processes_of(demo.home) != [])
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == code
    assert processes_of(demo.home) == []


@pytest.mark.slow
@pytest.mark.airflow
@pytest.mark.xdist_group("airflow")
def test_page_stays_up_until_it_is_interrupted(demo: Demo, first_run: str) -> None:
    """With --keep-airflow the page of the finished demo answers at the printed address."""
    assert first_run
    with demo.start("--keep-airflow") as process:
        assert process.stdout is not None
        said = next(line for line in process.stdout if "http://" in line)
        url = next(word for word in said.split() if word.startswith("http://127.0.0.1:"))
        page = httpx.get(f"{url}/dags/load_warehouse", trust_env=False, follow_redirects=True)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert page.status_code == 200
    assert "<html" in page.text
    assert process.returncode == 0
    assert processes_of(demo.home) == []


def test_one_home_runs_one_airflow(tmp_path: Path) -> None:
    """A second Airflow in a home that is in use is refused, and says what to do."""
    (tmp_path / "airflow").mkdir()
    with (
        FileLock(tmp_path / "airflow" / "running.lock"),
        pytest.raises(AirflowError, match="stop that one first"),
        AirflowHome(tmp_path / "airflow", {}),
    ):
        pass


def test_airflow_that_cannot_start_says_why(tmp_path: Path) -> None:
    """When a component fails, its last lines are the error, and nothing of it keeps running."""
    wrong = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "nosuchdatabase://"}
    with (
        pytest.raises(AirflowError, match="nosuchdatabase"),
        AirflowHome(tmp_path / "airflow", wrong),
    ):
        pass
    assert processes_of(tmp_path) == []


def test_leftovers_of_a_killed_launcher_are_ended(tmp_path: Path) -> None:
    """A process of the home that outlived its launcher is killed, others are left alone."""
    home = tmp_path / "airflow"
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    ours = subprocess.Popen(sleeper, env={**os.environ, "AIRFLOW_HOME": str(home)})
    other = subprocess.Popen(sleeper, env={**os.environ, "AIRFLOW_HOME": f"{home}-2"})
    try:
        AirflowHome(home, {})._kill()
        assert not psutil.pid_exists(ours.pid)
        assert psutil.pid_exists(other.pid)
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()


def test_private_airflow_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It listens on loopback, keeps its files in its home and ignores the caller's settings."""
    monkeypatch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "True")
    monkeypatch.setenv("COGNITION_ACCESS_KEY_SECRET", "of-the-caller")
    monkeypatch.setenv("NO_PROXY", "intranet.test")
    given = airflow_environment(tmp_path, "http://127.0.0.1:4711")
    assert given["AIRFLOW__CORE__LOAD_EXAMPLES"] == "False"
    assert "COGNITION_ACCESS_KEY_SECRET" not in given
    assert given["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert given["AIRFLOW__API__PORT"] == "4711"
    assert given["NO_PROXY"] == "intranet.test,127.0.0.1,localhost"
    for name in ("AIRFLOW_HOME", "TMPDIR", "AIRFLOW__LOGGING__BASE_LOG_FOLDER"):
        assert Path(given[name]).is_relative_to(tmp_path)
    again = airflow_environment(tmp_path, "http://127.0.0.1:4711")
    assert given["AIRFLOW__API_AUTH__JWT_SECRET"] != again["AIRFLOW__API_AUTH__JWT_SECRET"]


@dataclass
class FailingApi:
    """A run whose second task fails at its second try."""

    states: Iterator[tuple[str | None, str, int]] = field(
        default_factory=lambda: iter(
            [(None, "running", 1), (None, "up_for_retry", 1), ("failed", "failed", 2)]
        )
    )
    state: str | None = None

    def run_state(self, _dag_id: str, _run_id: str) -> str | None:
        """Goes on to the next state, and returns the run's."""
        self.state, self.task_state, self.try_number = next(self.states)
        return self.state

    def tasks(self, _dag_id: str, _run_id: str) -> list[TaskState]:
        """Returns two tasks."""
        first = TaskState("ledger", -1, "success", 1, 1.0)
        return [first, TaskState("source", 4, self.task_state, self.try_number, 2.0)]

    def log_tail(self, _dag_id: str, _run_id: str, task: TaskState) -> list[str]:
        """Returns what the task logged."""
        return [f"SourceRefusedError: try {task.try_number} of [{task.label}]"]


def test_failed_task_shows_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each failed try is shown once with what the task logged, and the run is an error."""
    monkeypatch.setattr("sandbox.demo.watch.POLL_SECONDS", 0.0)
    console = Console(file=io.StringIO(), width=80)
    watch = Watch(FailingApi(), console, console.status(""))  # type: ignore[arg-type]  # a double
    with pytest.raises(AirflowError, match="ingest failed in source"):
        watch.follow("ingest", "run-1")
    said = [" ".join(line.split()) for line in console.file.getvalue().splitlines()]
    assert said == [
        "ingest.ledger success 1.0 s",
        "ingest.source[4] up_for_retry 2.0 s",
        "SourceRefusedError: try 1 of [source[4]]",
        "ingest.source[4] failed 2.0 s",
        "SourceRefusedError: try 2 of [source[4]]",
    ]


@pytest.fixture(scope="module")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a published warehouse of some jobs, with flaws, made without Airflow."""
    home = tmp_path_factory.mktemp("small")
    with Sandbox(jobs=JOBS) as service:
        ledger.add_jobs(open_lake(str(home / "lake"), create=True), service.job_ids, "demo")
        source = SourceSettings(
            endpoint=service.endpoint,
            protocol="http",
            access_key_id=service.access_key_id,
            access_key_secret=service.access_key_secret,
            queries_per_second=500,
        )
        pipeline.run(Settings(home=home), source)
    return home


def report_of(home: Path, before: object) -> str:
    """Returns the demo's report on a home."""
    console = Console(file=io.StringIO(), width=80)
    print_report(console, home, {"Processing": 2}, before)  # type: ignore[arg-type]  # as given
    return console.file.getvalue()


def test_report_tells_all_it_promises(small_home: Path) -> None:
    """Jobs, rows, quarantine, four answers, places and next commands, none wider than 80."""
    said = report_of(small_home, None)
    titles = [
        "Jobs",
        "Rows",
        "What was quarantined, and why",
        "Who is on screen longest",
        "Which brands and landmarks appear",
        'Where "hidden in that letter" is said while it can be read on screen',
        "What was understood of the speech, by its language",
        "Where it lies",
        "Try next",
    ]
    places = [said.index(f"\n{title}") for title in titles]
    assert places == sorted(places)
    rows = Published(small_home / "warehouse" / "warehouse.duckdb").ask("SELECT count(*) FROM jobs")
    assert f"  {'jobs':<27}{rows.rows[0][0]:>9,}" in said
    assert "pending (Processing)               2" in said
    below = said[places[-2] :].splitlines()
    shown = [line for line in said.splitlines() if line not in below]
    assert max(cell_len(line) for line in shown) <= 80
    assert "changed" not in said


def test_report_compares_content_not_only_counts(small_home: Path, tmp_path: Path) -> None:
    """Equal files are called unchanged; another row or another content of a batch is not."""
    published = Published(small_home / "warehouse" / "warehouse.duckdb")
    before = published.snapshot()
    assert before is not None
    assert "No row changed" in report_of(small_home, before)
    other = tmp_path / "other.duckdb"
    other.write_bytes(published.path.read_bytes())
    with duckdb.connect(other) as connection:
        connection.execute("UPDATE batches SET commit_id = 'another'")
    changed = Published(other).snapshot()
    assert changed is not None
    assert changed.rows == before.rows
    assert "No row changed" not in report_of(small_home, changed)
    assert "Changed: +0 rows" in report_of(small_home, changed)


def test_nothing_published_is_no_snapshot(tmp_path: Path) -> None:
    """Before the first publish there is nothing to compare with."""
    assert Published(tmp_path / "warehouse.duckdb").snapshot() is None
