"""The DAGs: what they promise on the page, and what they do when they run."""

from __future__ import annotations

import functools
import json
import runpy
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import duckdb
import pytest
from lake_kit import Landing, lake_of, land, rows_of, success
from subtitle_server import loopback, sends, serving

from sandbox.demo.airflow_home import ROOT
from transforms import pipeline
from transforms.airflow_provider.pools import POOLS
from transforms.aliases import TAGS
from transforms.errors import (
    ConfigurationError,
    ConservationError,
    RetryableError,
    SourceRefusedError,
)

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow_session import MakeFlow

    from transforms.reports import IngestReport
    from transforms.settings import Settings, SourceSettings

pytest_plugins = ["airflow_session"]
pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

INGEST, LOAD = "ingest_cognition_jobs", "load_warehouse"
DAGS = sorted(path.stem for path in (ROOT / "dags").glob("*.py"))


def run(dagbag: DagBag, dag_id: str, **options: object) -> dict[str, str]:
    """Runs a DAG in this process; returns the run's and the tasks' states by name."""
    if dag_id == INGEST:  # a run leaves its conf in the params of the tasks for those that follow
        given = cast("dict[str, object]", options.get("run_conf", {}))
        defaults = {"fetch_subtitles": False, "jobs_per_task": 500, "job_ids": None}
        options["run_conf"] = defaults | given
    dag_run = dagbag.dags[dag_id].test(**options)
    states = {
        task.task_id if task.map_index < 0 else f"{task.task_id}[{task.map_index}]": task.state
        for task in dag_run.get_task_instances()
    }
    return {"run": dag_run.state, "run_id": dag_run.run_id, **states}


def events_of(run_id: str) -> list[tuple[str, dict[str, Any]]]:
    """Returns name and extra of the asset events a run made."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.query(AssetEvent).filter(AssetEvent.source_run_id == run_id).all()
        return [(event.asset.name, event.extra) for event in found]


def test_dags_import_without_errors(dagbag: DagBag) -> None:
    """Each file of dags/ holds the DAG of its name, and Airflow reads it without a complaint."""
    assert dagbag.import_errors == {}
    assert {INGEST, LOAD} < set(DAGS)
    assert sorted(dagbag.dags) == DAGS
    assert dagbag.captured_warnings == {}


def test_bundle_shows_airflow_the_dags_only(airflow_home: Path, tmp_path: Path) -> None:
    """Of a tree like ours, Airflow looks at the files right in dags/ and at nothing else."""
    from airflow.sdk._shared.module_loading.file_discovery import find_path_from_directory

    shutil.copy(ROOT / ".airflowignore", tmp_path)
    for name in (
        "dags/one.py",
        "dags/sub/two.py",
        "transforms/dag.py",
        "tests/dags/three.py",
        "demo-home/airflow/dags/four.py",
        ".venv/lib/dag.py",
        "setup_dag.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    seen = find_path_from_directory(str(tmp_path), ".airflowignore")
    assert [Path(path).relative_to(tmp_path).as_posix() for path in seen] == ["dags/one.py"]


@pytest.mark.parametrize("dag_id", DAGS)
def test_dag_says_what_it_is(dagbag: DagBag, dag_id: str) -> None:
    """A DAG has its page, tags and one run at a time; a task its text, owner, retries and limit."""
    dag = dagbag.dags[dag_id]
    assert "When it fails" in dag.doc_md
    assert "cognition" in dag.tags
    assert (dag.catchup, dag.max_active_runs) == (False, 1)
    for task in dag.tasks:
        partial = getattr(task, "partial_kwargs", {})
        assert task.owner == "data-engineering"
        assert task.retries == 3
        assert task.retry_exponential_backoff == 2.0
        assert task.retry_policy is not None
        assert task.execution_timeout is not None
        assert task.doc_md or partial.get("doc_md") or task.python_callable.__doc__


def test_every_pool_is_one_a_launcher_creates(dagbag: DagBag) -> None:
    """A task waits in default_pool or in a pool of the list, and never for more slots than it has.

    Who writes DuckDB is alone; who needs the lake for itself takes all slots of its pool.
    """
    slots = {pool.name: pool.slots for pool in POOLS}
    assert slots == {"ims_api": 1, "duckdb_writer": 1, "lake_writer": 4}
    used = {
        f"{dag_id}.{task.task_id}": (task.pool, task.pool_slots)
        for dag_id, dag in dagbag.dags.items()
        for task in dag.tasks
        if task.pool != "default_pool"
    }
    assert all(taken <= slots[pool] for pool, taken in used.values())
    assert used == {
        "ingest_cognition_jobs.source": ("ims_api", 1),
        "ingest_cognition_jobs.stale": ("lake_writer", 4),
        "ingest_cognition_jobs.flatten": ("lake_writer", 1),
        "ingest_cognition_jobs.subtitles": ("lake_writer", 1),
        "load_warehouse.load": ("duckdb_writer", 1),
        "load_warehouse.check": ("duckdb_writer", 1),
        "load_warehouse.publish": ("duckdb_writer", 1),
        "maintain_lake.compact": ("lake_writer", 4),
        "maintain_lake.prune": ("duckdb_writer", 1),
        "replay_results.replay": ("lake_writer", 4),
    }


@pytest.mark.parametrize("dag_id", DAGS)
def test_dag_survives_serialisation(dagbag: DagBag, dag_id: str) -> None:
    """The scheduler, which only sees the serialised form, gets the same tasks and order."""
    from airflow.serialization.serialized_objects import DagSerialization

    dag = dagbag.dags[dag_id]
    encoded = json.loads(json.dumps(DagSerialization.serialize_dag(dag)))
    back = DagSerialization.deserialize_dag(encoded)
    edges = {task.task_id: sorted(task.downstream_task_ids) for task in back.tasks}
    assert edges == {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks}


@pytest.mark.parametrize(
    ("given", "expected"), [(None, "0 * * * *"), ("15 3 * * *", "15 3 * * *"), ("", None)]
)
def test_schedule_comes_from_the_environment(
    airflow_home: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, expected: str | None
) -> None:
    """Hourly and when ids are new, unless the environment names another time, or none."""
    monkeypatch.delenv("COGNITION_SCHEDULE", raising=False)
    if given is not None:
        monkeypatch.setenv("COGNITION_SCHEDULE", given)
    made = runpy.run_path(str(ROOT / "dags" / f"{INGEST}.py"))[INGEST]()
    if expected is None:
        assert made.schedule is None
    else:
        assert made.schedule.timetable.expression == expected
        [asset] = made.schedule.asset_condition.objects
        assert asset.name == "cognition_ledger"


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (SourceRefusedError("no"), "fail"),
        (ConfigurationError("no"), "fail"),
        (ConservationError("no"), "fail"),
        (RetryableError("later"), "default"),
        (ConnectionError("later"), "default"),
    ],
)
def test_only_what_cannot_heal_fails_at_once(
    airflow_home: Path, error: Exception, action: str
) -> None:
    """What no retry could change ends a task at its first try; the rest uses up its retries."""
    from transforms.airflow_provider.wiring import FAIL_WHAT_CANNOT_HEAL

    decision = FAIL_WHAT_CANNOT_HEAL.evaluate(error, 1, 3)
    assert decision.action.value == action


def test_work_is_shared_out_in_order_and_within_the_limit(airflow_home: Path) -> None:
    """One item a task while that is few enough tasks; then as many as needed, none lost."""
    from transforms.airflow_provider.wiring import MAX_MAPPED, share_out

    few = [str(number) for number in range(MAX_MAPPED)]
    assert share_out(few) == [[item] for item in few]
    many = [str(number) for number in range(2 * MAX_MAPPED + 1)]
    shared = share_out(many)
    assert [len(part) for part in shared] == [3] * 133 + [2]
    assert [item for part in shared for item in part] == many
    assert share_out([]) == []


def test_reports_add_up_by_name(airflow_home: Path) -> None:
    """Counts and counts by name are summed over reports; lists and texts are left out."""
    from transforms.airflow_provider.wiring import add_up

    reports = [
        {"jobs": 2, "rows": {"a": 1, "b": 2}, "files": ["x"]},
        {"jobs": 3, "rows": {"b": 5}, "files": ["y"]},
    ]
    assert add_up(reports) == {"jobs": 5, "rows": {"a": 1, "b": 7}}
    assert add_up([]) == {}


@pytest.mark.parametrize(
    "options", [{}, {"logical_date": None}], ids=["logical date", "no logical date"]
)
def test_flow_runs_from_ledger_to_published_file(
    dagbag: DagBag, make_flow: MakeFlow, options: dict[str, None]
) -> None:
    """Both DAGs succeed, the events carry the counts, and the file holds every final job."""
    flow = make_flow(jobs=12, clean=True)
    states = run(dagbag, INGEST, **options, run_conf={"jobs_per_task": 5})
    run_id = states.pop("run_id")
    assert states == {
        "run": "success",
        "ledger": "success",
        **{f"source[{index}]": "success" for index in range(3)},
        "stale": "success",
        **{f"flatten[{index}]": "success" for index in range(3)},
        "subtitles": "skipped",
        "publish_lake": "success",
        "report_failure": "skipped",
    }
    [(asset, extra)] = events_of(run_id)
    assert asset == "cognition_lake"
    assert extra["waiting_batches"] == 3
    assert extra["queried"]["by_status"] == {"Success": 12}
    assert extra["flattened"]["jobs"] == 12
    assert extra["flattened"]["rows"]["jobs"] == 12
    assert extra["flattened"]["quarantined"] == 0

    states = run(dagbag, LOAD, **options)
    run_id = states.pop("run_id")
    assert states == dict.fromkeys(("run", "load", "check", "publish"), "success")
    [(asset, extra)] = events_of(run_id)
    assert asset == "cognition_warehouse"
    assert extra["rows"]["jobs"] == 12
    published = flow.settings.warehouse_dir / "warehouse.duckdb"
    with duckdb.connect(published, read_only=True) as connection:
        loaded = connection.execute("SELECT job_id FROM jobs ORDER BY 1").fetchall()
    assert [job for (job,) in loaded] == sorted(flow.service.job_ids)
    assert extra["path"] == str(published)
    assert flow.status().waiting_batches == 0


def test_run_with_nothing_to_do_is_green_and_wakes_nobody(
    dagbag: DagBag, make_flow: MakeFlow
) -> None:
    """When all is landed, flattened and published, mapped tasks are skipped, with no event."""
    flow = make_flow(jobs=4, clean=True)
    pipeline.run(flow.settings, flow.source)
    states = run(dagbag, INGEST, logical_date=None)
    assert events_of(states.pop("run_id")) == []
    assert states == {
        "run": "success",
        "ledger": "success",
        "source": "skipped",
        "stale": "success",
        "flatten": "skipped",
        "subtitles": "skipped",
        "publish_lake": "skipped",
        "report_failure": "skipped",
    }


def test_run_goes_on_where_an_earlier_one_broke_off(dagbag: DagBag, make_flow: MakeFlow) -> None:
    """Replies landed but not flattened are flattened by the next run, with nothing asked for."""
    flow = make_flow(jobs=4, clean=True)
    pipeline.ingest(flow.settings, flow.source)
    states = run(dagbag, INGEST)
    assert states["run"] == "success"
    assert (states["source"], states["flatten[0]"]) == ("skipped", "success")
    [(_, extra)] = events_of(states["run_id"])
    assert extra["queried"] == {}
    assert extra["flattened"]["jobs"] == 4


def test_lake_is_announced_until_the_warehouse_holds_it(
    dagbag: DagBag, make_flow: MakeFlow
) -> None:
    """A batch committed by a run that then died is announced by the next run, which did nothing."""
    flow = make_flow(jobs=4, clean=True)
    pipeline.ingest(flow.settings, flow.source)
    pipeline.flatten(flow.settings)
    states = run(dagbag, INGEST)
    assert (states["flatten"], states["publish_lake"]) == ("skipped", "success")
    [(_, extra)] = events_of(states["run_id"])
    told = {name: extra[name] for name in ("waiting_batches", "pending", "queried", "flattened")}
    assert told == {"waiting_batches": 1, "pending": 0, "queried": {}, "flattened": {}}
    assert extra["rows"]["jobs"] == 4


def test_a_changed_alias_alone_is_announced(dagbag: DagBag, make_flow: MakeFlow) -> None:
    """A run without new replies wakes the loader for aliases that are not published yet."""
    flow = make_flow(jobs=1, clean=True)
    pipeline.run(flow.settings, flow.source)
    pipeline.set_alias(flow.settings, TAGS, "", "Automobile", "Car")
    states = run(dagbag, INGEST)
    assert (states["flatten"], states["publish_lake"]) == ("skipped", "success")
    pipeline.load(flow.settings)
    assert run(dagbag, INGEST)["publish_lake"] == "skipped"


def test_subtitle_files_are_archived_on_request(
    dagbag: DagBag, make_flow: MakeFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `fetch_subtitles` a run archives the files and has their sentences in the lake."""
    flow = make_flow(jobs=1, clean=True)
    with serving() as server:
        server.answers["/all"] = sends(b"1 0:01 --> 0:02 hello\n")
        links = {"details": [{"allResultUrl": server.url("/all?Signature=s3cr3t")}]}
        land(lake_of(flow.settings), Landing("subtitled", success(("Subtitle", links))))
        monkeypatch.setenv("COGNITION_SUBTITLE_HOSTS", server.hosts)
        over = functools.partial(pipeline.fetch_subtitles, network=loopback())
        monkeypatch.setattr(pipeline, "fetch_subtitles", over)
        states = run(dagbag, INGEST, run_conf={"fetch_subtitles": True})
    assert (states["subtitles"], states["publish_lake"]) == ("success", "success")
    assert [row["text"] for row in rows_of(lake_of(flow.settings), "subtitle_lines")] == ["hello"]
    assert pipeline.stale_batches(flow.settings) == []


def test_refused_key_fails_the_run_at_once(
    dagbag: DagBag, make_flow: MakeFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong secret is not retried, fails the run and is announced to nobody."""
    flow = make_flow(jobs=4, clean=True)
    wrong = flow.connection(password="not-the-secret")
    monkeypatch.setenv("AIRFLOW_CONN_ALIBABA_IMS_DEFAULT", wrong)
    states = run(dagbag, INGEST)
    assert events_of(states.pop("run_id")) == []
    assert states == {
        "run": "failed",
        "ledger": "success",
        "source[0]": "failed",
        "stale": "success",
        "flatten": "skipped",
        "subtitles": "skipped",
        "publish_lake": "skipped",
        "report_failure": "failed",
    }
    assert flow.status().pending == 4


def test_what_landed_goes_on_though_a_task_failed(
    dagbag: DagBag, make_flow: MakeFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two source tasks one fails: the replies of the other are flattened and announced."""
    flow = make_flow(jobs=4, clean=True)
    doomed = flow.service.job_ids[0]
    query_batch = pipeline.query_batch

    def half(settings: Settings, source: SourceSettings, job_ids: list[str]) -> IngestReport:
        if doomed in job_ids:
            raise SourceRefusedError("not this one")
        return query_batch(settings, source, job_ids)

    monkeypatch.setattr(pipeline, "query_batch", half)
    states = run(dagbag, INGEST, run_conf={"jobs_per_task": 2})
    assert sorted(states[f"source[{n}]"] for n in range(2)) == ["failed", "success"]
    rest = {name: states[name] for name in ("run", "flatten[0]", "publish_lake", "report_failure")}
    assert rest == {
        "run": "failed",
        "flatten[0]": "success",
        "publish_lake": "success",
        "report_failure": "failed",
    }
    [(asset, extra)] = events_of(states["run_id"])
    assert (asset, extra["queried"]["landed"], extra["flattened"]["jobs"]) == (
        "cognition_lake",
        2,
        2,
    )


def test_failed_check_stops_the_publish(
    dagbag: DagBag, make_flow: MakeFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a check of severity fail finds rows, nothing is published and no event is made."""
    flow = make_flow(jobs=4, clean=True)
    pipeline.ingest(flow.settings, flow.source)
    pipeline.flatten(flow.settings)
    pipeline.load_batches(flow.settings)
    with duckdb.connect(flow.settings.warehouse_dir / "build.duckdb") as connection:
        connection.execute("DELETE FROM results")
    states = run(dagbag, LOAD)
    assert events_of(states.pop("run_id")) == []
    assert states == {
        "run": "failed",
        "load": "success",
        "check": "failed",
        "publish": "upstream_failed",
    }
    assert not (flow.settings.warehouse_dir / "warehouse.duckdb").exists()
