"""The DAGs on a real scheduler, started over the REST API, with a service that misbehaves."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from scheduler_kit import (
    INGEST,
    LOAD,
    MAINTAIN,
    REPLAY,
    WHOLE_RUN,
    Json,
    Scheduler,
    client_of,
    contents_of,
    files_of,
    running_scheduler,
    wait_for,
)

from sandbox import Sandbox
from sandbox.demo.airflow_home import ROOT
from sandbox.faults import Fault, Faults
from sandbox.gateway import Query, Reply
from sandbox.samples.dirt import Flaw
from sandbox.signature import Credentials
from transforms import ledger, pipeline, raw
from transforms.airflow_provider.pools import POOLS
from transforms.lake import open_lake
from transforms.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_session import Flow

    from sandbox.demo.airflow_api import TaskState

pytest_plugins = ["airflow_session"]
pytestmark = [pytest.mark.slow, pytest.mark.airflow, pytest.mark.xdist_group("scheduler")]

JOBS, SEED = 24, 149
"""24 jobs, of which one each is unknown to the service, failed, processing and submitted."""
STRANGER = "0123456789abcdef0123456789abcdef"
"""A job id that the service never gave out."""
KEYS = Credentials("flow-key-id", "secret-that-no-log-may-hold")
OTHER_KEYS = Credentials("flow-key-id", "secret-of-another-account")


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduler]:
    """The one Airflow of this module; when all is done, no log of it holds the secret."""
    with running_scheduler(tmp_path_factory.mktemp("scheduler")) as running:
        yield running
    assert running.leaks_of(KEYS.access_key_secret) == []


def make_flow(folder: Path, service: Sandbox) -> Flow:
    """Returns a flow whose ledger names the sandbox's jobs."""
    from airflow_session import Flow

    return Flow(folder / "home", service)


@dataclass(frozen=True)
class Flown:
    """A flow after two runs of ingest that were triggered at once, over a service with faults.

    Attributes:
        flow: Lake, warehouse and sandbox.
        runs: The runs of ingest in order.
        tasks: Their tasks by label, before any was cleared.
        loads: The runs of load they started, in order.
        told: What the events of the first run and of its load say, by asset.
    """

    flow: Flow
    runs: list[dict[str, Json]]
    tasks: list[dict[str, TaskState]]
    loads: list[dict[str, Json]]
    told: dict[str, dict[str, Json]]

    @property
    def published(self) -> Path:
        """Where readers look."""
        return self.flow.settings.warehouse_dir / "warehouse.duckdb"

    @property
    def unfinished(self) -> set[str]:
        """The jobs that the service is still at work on."""
        service = self.flow.service
        return {*service.ids_with(Flaw.PROCESSING), *service.ids_with(Flaw.SUBMITTED)}

    def everything(self) -> list[object]:
        """Returns what no run may change: published rows, files of the lake, calls for all else."""
        calls = self.flow.service.calls
        for job in self.unfinished:
            del calls[job]
        return [contents_of(self.published), files_of(self.flow.settings.home / "lake"), calls]


@pytest.fixture(scope="module")
def flown(scheduler: Scheduler, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flown]:
    """Two runs of ingest at once, with throttling, 5xx, a gateway's page and a reset."""
    with Sandbox(jobs=JOBS, seed=SEED) as healthy:
        resets, gateways = healthy.ids_with(Flaw.NONE)[:2]
    plan = {resets: [Fault.RESET], gateways: [Fault.BAD_GATEWAY, Fault.THROTTLE_429]}
    faults = Faults(plan, throttle_share=0.2, error_share=0.15, retry_after_ms=50)
    with Sandbox(jobs=JOBS, seed=SEED, faults=faults, credentials=KEYS) as service:
        flow = make_flow(tmp_path_factory.mktemp("flown"), service)
        ledger.add_jobs(open_lake(flow.settings.lake_root), [STRANGER], "strangers")
        scheduler.serve(flow)
        run_ids = [scheduler.api.trigger(INGEST, {"jobs_per_task": 10}) for _ in range(2)]
        runs = [scheduler.ended(INGEST, run_id) for run_id in run_ids]
        loads = {load["dag_run_id"]: load for run in run_ids for load in scheduler.loads_of(run)}
        tasks = [scheduler.tasks(INGEST, run_id) for run_id in run_ids]
        events = scheduler.events_of(INGEST, run_ids[0])
        events += scheduler.events_of(LOAD, next(iter(loads)))
        yield Flown(flow, runs, tasks, [*loads.values()], dict(events))


def test_dags_pools_and_tags_are_there(scheduler: Scheduler) -> None:
    """Airflow reads all DAG files without an error, has all pools, and retries when it is told."""
    assert scheduler.get("/importErrors")["import_errors"] == []
    dags = {dag["dag_id"]: dag for dag in scheduler.get("/dags")["dags"]}
    assert {INGEST, LOAD} <= dags.keys()
    for dag in dags.values():
        assert "cognition" in {tag["name"] for tag in dag["tags"]}
        assert not dag["is_paused"]
    slots = {pool["name"]: pool["slots"] for pool in scheduler.get("/pools")["pools"]}
    assert {pool.name: pool.slots for pool in POOLS}.items() <= slots.items()
    tasks = [task for dag_id in dags for task in scheduler.get(f"/dags/{dag_id}/tasks")["tasks"]]
    assert {task["pool"] for task in tasks} <= slots.keys()
    assert {task["retry_delay"]["seconds"] for task in tasks} == {1}


@pytest.mark.parametrize(
    ("dag_id", "conf"),
    [
        (INGEST, {"jobs_per_task": 0}),
        (INGEST, {"jobs_per_task": 1001}),
        (INGEST, {"jobs_per_task": "ten"}),
        (INGEST, {"fetch_subtitles": "maybe"}),
        (REPLAY, {"types": ["NoSuchType"]}),
        (REPLAY, {"since": "yesterday"}),
        (MAINTAIN, {"keep_versions": 0}),
    ],
    ids=str,
)
def test_wrong_param_is_refused_before_there_is_a_run(
    scheduler: Scheduler, dag_id: str, conf: dict[str, object]
) -> None:
    """A value outside a Param's type, choices or range is answered with 400 and starts no run."""
    before = scheduler.runs_of(dag_id)
    with pytest.raises(httpx.HTTPStatusError) as refused:
        scheduler.api.trigger(dag_id, conf)
    assert refused.value.response.status_code == 400
    assert next(iter(conf)) in refused.value.response.text
    assert scheduler.runs_of(dag_id) == before


def test_flow_publishes_every_final_job_once_in_spite_of_faults(flown: Flown) -> None:
    """Faults cost calls, not jobs: each final job is published once, and every count adds up."""
    service = flown.flow.service
    planned = service.ids_with(Flaw.NONE)[:2]
    assert [service.calls[job] for job in planned] == [2, 3]
    again = {job for job, calls in service.calls.items() if calls > 1} - flown.unfinished
    assert len(again) > len(planned)

    final = {*service.job_ids, STRANGER} - flown.unfinished
    rows = pipeline.query(flown.flow.settings, "SELECT job_id FROM jobs").to_pylist()
    assert sorted(row["job_id"] for row in rows) == sorted(final)
    proof = pipeline.verify(flown.flow.settings)
    assert proof.different == ()
    assert proof.equal > JOBS


def test_events_carry_the_counts(flown: Flown) -> None:
    """The lake's event says what was asked and flattened, the warehouse's what was published."""
    lake, warehouse = flown.told["cognition_lake"], flown.told["cognition_warehouse"]
    assert lake["queried"]["by_status"] == {
        "Success": 20,
        "Fail": 1,
        "Rejected": 2,
        "Processing": 1,
        "Submitted": 1,
    }
    assert lake["queried"]["calls"] > 24
    assert (lake["flattened"]["jobs"], lake["flattened"]["rejected"]) == (23, 2)
    assert lake["flattened"]["quarantined"] >= 1
    assert warehouse["rows"]["jobs"] == 23
    assert Path(warehouse["path"]).name == flown.published.name


def test_unknown_jobs_are_recorded_and_unfinished_ones_wait(
    scheduler: Scheduler, flown: Flown
) -> None:
    """A job the service does not know is a row, not a failure; one at work is asked next time."""
    settings, service = flown.flow.settings, flown.flow.service
    rows = pipeline.query(settings, "SELECT job_id FROM jobs WHERE state = 'rejected'").to_pylist()
    assert {row["job_id"] for row in rows} == {*service.ids_with(Flaw.UNKNOWN_JOB), STRANGER}
    first, second = flown.tasks
    assert all(task.try_number == 1 for task in first.values() if task.state == "success")
    assert [label for label in second if label.startswith("source")] == ["source[0]"]
    assert second["source[0]"].state == "success"
    assert flown.flow.status().pending == 2
    assert scheduler.get("/pools/ims_api")["occupied_slots"] == 0


def test_two_runs_at_once_follow_each_other_and_the_second_changes_nothing(
    scheduler: Scheduler, flown: Flown
) -> None:
    """The second run begins when the first has ended, lands nothing and flattens nothing."""
    first, second = flown.runs
    assert second["start_date"] >= first["end_date"]
    tasks = flown.tasks[1]
    assert (tasks["stale"].state, tasks["flatten"].state) == ("success", "skipped")
    landed = scheduler.api.result(INGEST, second["dag_run_id"], tasks["source[0]"])["landed"]
    assert landed == 0


@pytest.mark.parametrize(
    ("dag_id", "in_turn"),
    [
        (
            INGEST,
            ["publish_lake", "subtitles", "flatten", "stale", "source", "source[1]", "ledger"],
        ),
        (LOAD, ["publish", "check", "load"]),
    ],
    ids=[INGEST, LOAD],
)
def test_clearing_and_running_again_changes_no_row(
    scheduler: Scheduler, flown: Flown, dag_id: str, in_turn: list[str]
) -> None:
    """Each task, one mapped task and a whole run, done again, leave all as it is and ask nothing.

    They are cleared last task first: what a task hands on decides how often the next is mapped.
    """
    scheduler.serve(flown.flow)
    run_id = (flown.runs if dag_id == INGEST else flown.loads)[0]["dag_run_id"]
    before = flown.everything()
    known = {*in_turn, "report_failure"}  # which runs only where another failed
    assert {task.task_id for task in scheduler.api.tasks(dag_id, run_id)} <= known
    for cleared in [*in_turn, WHOLE_RUN]:
        tries = scheduler.tasks(dag_id, run_id)
        scheduler.clear(dag_id, run_id, cleared)
        tasks = scheduler.tasks(dag_id, run_id)
        again = {label for label in tasks if tasks[label].try_number > tries[label].try_number}
        if cleared == WHOLE_RUN:
            ran = {label for label in tries if tries[label].try_number}
            assert again >= ran & {label for label in in_turn if "[" not in label}
        else:
            assert again == {label for label in tasks if label.startswith(cleared)}
        assert flown.everything() == before, cleared


@pytest.mark.parametrize(
    ("dag_id", "conf", "states"),
    [
        (
            REPLAY,
            {"everything": True, "dry_run": False},
            {"replay": "success", "publish_lake": "skipped"},
        ),
        (MAINTAIN, {}, dict.fromkeys(("compact", "prune", "expiry", "clean"), "success")),
    ],
    ids=[REPLAY, MAINTAIN],
)
def test_hand_started_dag_gets_its_slots_and_changes_no_row(
    scheduler: Scheduler,
    flown: Flown,
    dag_id: str,
    conf: dict[str, object],
    states: dict[str, str],
) -> None:
    """A task that takes a whole pool is scheduled, and where nothing is amiss changes nothing."""
    scheduler.serve(flown.flow)
    before = flown.everything()
    run_id = scheduler.api.trigger(dag_id, conf)
    scheduler.ended(dag_id, run_id)
    assert scheduler.states(dag_id, run_id) == states
    assert flown.everything() == before


def test_killed_source_task_is_retried_for_what_had_not_landed(
    scheduler: Scheduler, tmp_path: Path
) -> None:
    """SIGKILL half-way: the retry asks for the one job without an answer, and the run is green."""
    with Sandbox(jobs=6, clean=True) as known:
        *answered, late, hanging = known.job_ids
    faults = Faults(
        {late: [Fault.THROTTLE_429_RETRY_AFTER], hanging: [Fault.HANG]},
        retry_after_ms=5000,  # long after the others: it finds them held too long, and all land
        hang_seconds=60,
    )
    with Sandbox(jobs=6, clean=True, faults=faults, credentials=KEYS) as service:
        flow = make_flow(tmp_path, service)
        scheduler.serve(flow)
        run_id = scheduler.api.trigger(INGEST)
        lake = Storage.at(flow.settings.lake_root)
        wait_for(lambda: len(raw.read_index(lake)) == 5 or None, "five replies are landed")
        wait_for(lambda: client_of(service.endpoint), "the source task").kill()
        scheduler.ended(INGEST, run_id)
        [load] = scheduler.loads_of(run_id)
        task = scheduler.tasks(INGEST, run_id)["source[0]"]
        calls = service.calls
    assert (task.state, task.try_number, load["state"]) == ("success", 2, "success")
    assert {job: calls[job] for job in answered} == dict.fromkeys(answered, 1)
    assert (calls[late], calls[hanging]) == (2, 2)
    rows = pipeline.query(flow.settings, "SELECT job_id FROM jobs").to_pylist()
    assert sorted(row["job_id"] for row in rows) == sorted(known.job_ids)


def test_refused_key_fails_at_the_first_try_and_says_why(
    scheduler: Scheduler, tmp_path: Path
) -> None:
    """What no retry can heal is tried once; its reason is on the page, the secret in no log."""
    with Sandbox(jobs=4, clean=True, credentials=OTHER_KEYS) as service:
        flow = make_flow(tmp_path, service)
        scheduler.serve(flow, password=KEYS.access_key_secret)
        run_id = scheduler.api.trigger(INGEST)
        scheduler.ended(INGEST, run_id, "failed")
    task = scheduler.tasks(INGEST, run_id)["source[0]"]
    assert (task.state, task.try_number) == ("failed", 1)
    said = scheduler.log(INGEST, run_id, task)
    assert "SourceRefusedError" in said
    assert "SignatureDoesNotMatch" in said
    assert scheduler.leaks_of(KEYS.access_key_secret) == []
    assert flow.status().pending == 4


def test_new_ids_in_the_ledger_start_a_run_by_themselves(
    scheduler: Scheduler, tmp_path: Path
) -> None:
    """Airflow's triggerer sees that a ledger has come, and its jobs are asked without a trigger."""
    with Sandbox(jobs=3, clean=True, credentials=KEYS) as service:
        flow = make_flow(tmp_path, service)
        scheduler.serve(flow)
        before = len(scheduler.runs_of(INGEST))
        with scheduler.watching(flow):
            [run] = wait_for(lambda: scheduler.runs_of(INGEST)[before:] or None, "a run by itself")
        scheduler.ended(INGEST, run["dag_run_id"])
        assert run["run_type"] == "asset_triggered"
        assert len(scheduler.loads_of(run["dag_run_id"])) == 1
    assert pipeline.status(flow.settings).jobs == {"loaded": 3}


class Meeting(Sandbox):
    """Answers for its first job when two callers ask for it at the same time."""

    met = threading.Barrier(2, timeout=60)

    def _reply(self, query: Query, nth: int, request_id: str) -> Reply:
        if query.job_id == self.job_ids[0]:
            self.met.wait()
        return super()._reply(query, nth, request_id)


def test_two_processes_over_one_lake_land_each_job_once_in_the_tables(tmp_path: Path) -> None:
    """Both ask for every job and land it; the tables hold each once, and verify finds no fault."""
    with Meeting(jobs=12, clean=True, credentials=KEYS) as service:
        flow = make_flow(tmp_path, service)
        environment = os.environ | {
            "COGNITION_HOME": str(flow.settings.home),
            "COGNITION_PROTOCOL": "http",
            "COGNITION_ENDPOINT": service.endpoint,
            "COGNITION_ACCESS_KEY_ID": service.access_key_id,
            "COGNITION_ACCESS_KEY_SECRET": service.access_key_secret,
            "COGNITION_QUERIES_PER_SECOND": "500",
        }
        tool = Path(sys.executable).with_name("cognition")
        both = [
            subprocess.Popen(
                ["/bin/sh", "-ec", f"{tool} ingest; {tool} flatten"],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for _ in range(2)
        ]
        said = [process.communicate(timeout=120)[0] for process in both]
        assert [process.returncode for process in both] == [0, 0], said
        assert service.calls == dict.fromkeys(service.job_ids, 2)
    settings = flow.settings
    assert len(raw.read_index(Storage.at(settings.lake_root))) == 24
    assert pipeline.stale_batches(settings) == []
    pipeline.load(settings)
    rows = pipeline.query(settings, "SELECT job_id FROM jobs").to_pylist()
    assert sorted(row["job_id"] for row in rows) == sorted(service.job_ids)
    assert pipeline.verify(settings).different == ()
