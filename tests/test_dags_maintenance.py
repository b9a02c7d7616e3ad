"""The DAGs that keep lake and warehouse in order, run by Airflow; and the pools they need."""

from __future__ import annotations

import json
import logging
import runpy
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lake_kit import Landing, lake_of, new_home, success, titled, tree, write_version

from sandbox.demo.airflow_home import ROOT
from transforms import ledger, pipeline
from transforms.airflow_provider.pools import POOLS, Pool
from transforms.errors import ConfigurationError
from transforms.paths import schemas_dir
from transforms.settings import Settings

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.models.dagrun import DagRun

pytest_plugins = ["airflow_session"]
pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

REPLAY, MAINTAIN = "replay_results", "maintain_lake"
FORMS: dict[str, dict[str, object]] = {
    REPLAY: {
        "job_ids": None,
        "types": None,
        "since": None,
        "quarantined_only": False,
        "everything": False,
        "dry_run": True,
    },
    MAINTAIN: {
        "compact": True,
        "prune": True,
        "expiry": True,
        "clean": True,
        "keep_versions": None,
        "dry_run": False,
    },
}
ASR = "results/asr.schema.json"
NO_DETAILS = ("ASR", {"message": "SUCCESS"})
"""Speech without its details: in quarantine as long as the schema asks for them."""
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A published home of two batches of a month that is over; it is only ever copied."""
    home = tmp_path_factory.mktemp("home")
    speech = Landing("speech", success(NO_DETAILS), LONG_AGO)
    settings = new_home(home, [speech], [Landing("title", titled("A"), LONG_AGO)])
    pipeline.flatten(settings)
    pipeline.load(settings)
    return settings


@pytest.fixture
def home(
    airflow_home: Path, published_once: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """A copy of the published home, at which Airflow's tasks work."""
    shutil.copytree(published_once.home, tmp_path / "home")
    monkeypatch.setenv("COGNITION_HOME", str(tmp_path / "home"))
    return Settings(home=tmp_path / "home")


@pytest.fixture
def amended(home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The same, with an overlay that takes speech without details."""
    schema = json.loads((schemas_dir() / ASR).read_bytes())
    schema |= {"x-version": schema["x-version"] + 1, "required": []}
    (tmp_path / "overlay" / "results").mkdir(parents=True)
    (tmp_path / "overlay" / ASR).write_text(json.dumps(schema))
    monkeypatch.setenv("COGNITION_SCHEMAS", str(tmp_path / "overlay"))
    return home.model_copy(update={"schemas": tmp_path / "overlay"})


def run(dagbag: DagBag, dag_id: str, **form: object) -> DagRun:
    """Runs a DAG in this process, its form whole: a run leaves its own to those that follow."""
    return dagbag.dags[dag_id].test(run_conf=FORMS[dag_id] | form)


def states_of(dag_run: DagRun) -> dict[str, str]:
    """Returns the states of the tasks of a run, by name."""
    return {task.task_id: str(task.state) for task in dag_run.get_task_instances()}


def result_of(dag_run: DagRun, task_id: str) -> Any:  # noqa: ANN401 - whatever the task returned
    """Returns what a task left in XCom; a tuple lies there as an object with its `__data__`."""
    left = dag_run.get_task_instance(task_id).xcom_pull(task_ids=task_id)  # type: ignore[union-attr]
    return {k: v["__data__"] if "__data__" in str(v) else v for k, v in left.items()}


def events_of(dag_run: DagRun) -> list[tuple[str, dict[str, Any]]]:
    """Returns name and extra of the asset events of a run."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.query(AssetEvent).filter(AssetEvent.source_run_id == dag_run.run_id).all()
        return [(event.asset.name, event.extra) for event in found]


def test_dry_replay_tells_and_writes_nothing(
    dagbag: DagBag, amended: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A form triggered as it opens, but for the choice, counts what would change, by table."""
    before = tree(tmp_path)
    with caplog.at_level(logging.INFO, logger="transforms"):
        ended = run(dagbag, REPLAY, types=["ASR"])
    assert states_of(ended) == {"replay": "success", "publish_lake": "skipped"}
    assert tree(tmp_path) == before
    assert events_of(ended) == []
    told = result_of(ended, "replay")
    assert (told["jobs"], told["batches"], told["changed_batches"]) == (1, 1, 1)
    assert (told["quarantine_before"], told["quarantine_after"]) == (1, 0)
    assert told["differences"]["asr_results"] == 1
    assert "asr_results: 1 added" in caplog.messages
    assert "quarantine: 1 removed" in caplog.messages
    assert any("A dry run: nothing was written." in line for line in caplog.messages)


def test_replay_wakes_the_loader_once(dagbag: DagBag, amended: Settings) -> None:
    """What a replay changed is announced, not loaded; a second one changes and wakes nothing."""
    form = {"job_ids": ["speech", "stranger", ""], "dry_run": False}
    ended = run(dagbag, REPLAY, **form)
    assert states_of(ended) == {"replay": "success", "publish_lake": "success"}
    told = result_of(ended, "replay")
    assert (told["jobs"], told["missing_jobs"], told["quarantine_after"]) == (1, 1, 0)
    ((asset, extra),) = events_of(ended)
    # Changed by the replay, and out of date by the schemas though not chosen.
    assert (asset, extra["waiting_batches"]) == ("cognition_lake", 2)
    assert pipeline.status(amended).quarantine == {}
    pipeline.load(amended)
    again = run(dagbag, REPLAY, **form)
    assert states_of(again) == {"replay": "success", "publish_lake": "skipped"}
    assert result_of(again, "replay")["changed_batches"] == 0


def test_replay_of_nothing_fails_at_once(dagbag: DagBag, home: Settings) -> None:
    """A form that chooses nothing is told so at the first try, and nothing is touched."""
    before = tree(home.home)
    ended = run(dagbag, REPLAY, dry_run=False)
    assert states_of(ended) == {"replay": "failed", "publish_lake": "upstream_failed"}
    assert ended.get_task_instance("replay").try_number == 1  # type: ignore[union-attr]
    assert tree(home.home) == before


def test_maintenance_does_every_step(
    dagbag: DagBag, home: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """A scheduled run compacts, prunes, cleans up and warns; a second finds nothing left to do."""
    lake, yesterday = lake_of(home), datetime.now(UTC) - timedelta(days=1)
    for minute in (1, 2):
        late = {"job_id": f"late-{minute}", "submitted_at": "2025-01-01"}
        ledger.append(lake, [late], "sql", now=yesterday.replace(hour=0, minute=minute))
    for day in range(1, 5):
        write_version(home.warehouse_dir, f"warehouse-2020010{day}T000000-{day:08}", b"")
    (home.warehouse_dir / "warehouse.duckdb.new").touch()
    with caplog.at_level(logging.INFO, logger="transforms"):
        ended = run(dagbag, MAINTAIN)
    assert states_of(ended) == dict.fromkeys(("compact", "prune", "expiry", "clean"), "success")
    assert result_of(ended, "compact")["batches"] == 2
    pruned = result_of(ended, "prune")
    assert (pruned["kept"], len(pruned["removed"])) == (3, 2)
    assert pruned["leftovers"] == ["warehouse.duckdb.new"]
    cleaned = result_of(ended, "clean")
    assert (cleaned["ledger_files"], cleaned["merged_files"]) == (2, 1)
    expired = result_of(ended, "expiry")
    assert expired == {"pending": 2, "expiring": 0, "first_expires_at": None, "expired": 2}
    (warning,) = [r.message for r in caplog.records if r.levelno == logging.WARNING]
    assert warning.startswith("Pending jobs past the time the service keeps results: 2: late-1")
    assert pipeline.status(home).waiting_batches == 0

    before = tree(home.home)
    again = run(dagbag, MAINTAIN)
    assert str(again.state) == "success"
    assert tree(home.home) == before


def test_maintenance_does_what_was_chosen(dagbag: DagBag, home: Settings) -> None:
    """Steps left out are skipped; `keep_versions` stands in for the setting."""
    versions = home.warehouse_dir / "versions"
    for day in range(1, 5):
        write_version(home.warehouse_dir, f"warehouse-2020010{day}T000000-{day:08}", b"")
    form = {"compact": False, "expiry": False, "clean": False, "keep_versions": 1}
    ended = run(dagbag, MAINTAIN, **form)
    assert states_of(ended) == {
        "compact": "skipped",
        "prune": "success",
        "expiry": "skipped",
        "clean": "skipped",
    }
    assert len([*versions.glob("*/warehouse.duckdb")]) == 1


def test_dry_maintenance_changes_nothing_and_warns_nobody(
    dagbag: DagBag, home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dry run counts what would be done; an expired job is in its log, and nobody is called."""
    from transforms.airflow_provider import upkeep

    called: list[str] = []
    monkeypatch.setattr(upkeep, "notify_warning", lambda text, _: called.append(text))
    late = {"job_id": "late", "submitted_at": "2025-01-01"}
    ledger.append(lake_of(home), [late], "sql")
    before = tree(home.home)
    ended = run(dagbag, MAINTAIN, dry_run=True)
    assert str(ended.state) == "success"
    assert result_of(ended, "compact")["batches"] == 2
    assert tree(home.home) == before
    assert called == []


def test_expiring_jobs_are_told_to_whom_it_may_concern(
    dagbag: DagBag, home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step succeeds, and the notifier gets one text with counts, jobs and what to do."""
    from transforms.airflow_provider import upkeep

    called: list[tuple[str, str]] = []
    monkeypatch.setattr(
        upkeep,
        "notify_warning",
        lambda text, context: called.append((text, context["ti"].task_id)),
    )
    soon = datetime.now(UTC) - timedelta(days=170)
    jobs = [{"job_id": f"soon-{n:02}", "submitted_at": soon.isoformat()} for n in range(12)]
    ledger.append(lake_of(home), jobs, "sql")
    ended = run(dagbag, MAINTAIN, compact=False, prune=False, clean=False)
    assert states_of(ended)["expiry"] == "success"
    ((text, task),) = called
    assert task == "expiry"
    assert text.startswith("Pending jobs that expire soon: 12, the first ")
    assert f"soon-09 ({soon + timedelta(days=180):%F}), ..." in text
    assert "soon-10" not in text
    assert "does ingest_cognition_jobs run" in text


def test_wrong_setting_fails_at_the_first_try(
    dagbag: DagBag, home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No retry makes a value possible: each step fails at once, and nothing is touched."""
    monkeypatch.setenv("COGNITION_KEEP_VERSIONS", "0")
    before = tree(home.home)
    ended = run(dagbag, MAINTAIN)
    assert {*states_of(ended).values()} == {"failed"}
    assert {each.try_number for each in ended.get_task_instances()} == {1}
    assert tree(home.home) == before


@pytest.mark.parametrize(
    ("given", "expected"), [(None, "@daily"), ("15 3 * * *", "15 3 * * *"), ("", None)]
)
def test_maintenance_has_a_schedule_of_its_own(
    airflow_home: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, expected: str | None
) -> None:
    """Maintenance is daily unless the environment says when, or that it is by hand only."""
    monkeypatch.delenv("COGNITION_MAINTENANCE_SCHEDULE", raising=False)
    if given is not None:
        monkeypatch.setenv("COGNITION_MAINTENANCE_SCHEDULE", given)
    made = runpy.run_path(str(ROOT / "dags" / f"{MAINTAIN}.py"))[MAINTAIN]()
    assert made.schedule == expected


@pytest.fixture
def no_pools(airflow_home: Path) -> None:
    """Airflow's database without our pools."""
    from airflow.models.pool import Pool as AirflowPool
    from airflow.utils.session import create_session

    with create_session() as session:
        session.query(AirflowPool).filter(AirflowPool.pool != "default_pool").delete()


def pools_there() -> dict[str, int]:
    """Returns the slots of Airflow's pools by name, but for its own."""
    from airflow.models.pool import Pool as AirflowPool

    return {str(p.pool): p.slots for p in AirflowPool.get_pools() if p.pool != "default_pool"}


def test_command_makes_the_pools_once(no_pools: None, capsys: pytest.CaptureFixture[str]) -> None:
    """The command makes what is missing and says so; again, it changes nothing."""
    from transforms.airflow_provider.create_pools import main

    assert main() == 0
    assert pools_there() == {"ims_api": 1, "duckdb_writer": 1, "lake_writer": 4}
    assert capsys.readouterr().out.splitlines() == [
        "ims_api: made with 1 slot",
        "duckdb_writer: made with 1 slot",
        "lake_writer: made with 4 slots",
    ]
    assert main() == 0
    assert capsys.readouterr().out.splitlines()[2] == "lake_writer: 4 slots, as it should be"
    assert len(pools_there()) == len(POOLS)


def test_command_corrects_only_what_must_be_so(no_pools: None) -> None:
    """Slots the DAGs rely on are set right; those that are the operator's choice stay."""
    from transforms.airflow_provider.create_pools import create_pools

    create_pools([Pool("ims_api", 3, ""), Pool("duckdb_writer", 8, ""), Pool("other", 5, "")])
    assert create_pools() == [
        "ims_api: left at 3 slots; the default is 1",
        "duckdb_writer: corrected from 8 to 1 slot",
        "lake_writer: made with 4 slots",
    ]
    assert pools_there() == {"ims_api": 3, "duckdb_writer": 1, "lake_writer": 4, "other": 5}


def test_command_names_a_database_that_is_not_there_yet(
    airflow_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before `airflow db migrate` there is one line with the remedy, and no address in it."""
    from airflow import settings
    from sqlalchemy import create_engine
    from sqlalchemy.orm import sessionmaker

    from transforms.airflow_provider.create_pools import create_pools, main

    empty = create_engine("sqlite://", creator=lambda: sqlite3.connect(":memory:"))
    monkeypatch.setattr(settings, "Session", sessionmaker(empty))
    assert main() == 2
    said = capsys.readouterr().err
    assert said.startswith("error: Airflow's database cannot be read (OperationalError)")
    assert "run `airflow db migrate` first" in said
    with pytest.raises(ConfigurationError):
        create_pools()
