"""One real Airflow for many tests: scheduler, DAG processor, triggerer, REST API; and its driver.

Airflow's environment is fixed when it starts. What differs from test to test does so as it does in
a deployment: the connection is changed over REST, and COGNITION_HOME is a link that is turned.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb
import psutil  # type: ignore[import-untyped]  # ships no type information

from sandbox.demo.airflow_api import AirflowApi, TaskState
from sandbox.demo.airflow_home import AirflowHome
from transforms.warehouse.ddl import OWN_TABLES

if TYPE_CHECKING:
    from airflow_session import Flow

INGEST, LOAD = "ingest_cognition_jobs", "load_warehouse"
REPLAY, MAINTAIN = "replay_results", "maintain_lake"
COMPONENTS = ("scheduler", "dag-processor", "triggerer", "api-server")
WHOLE_RUN = ""
CONNECTION = "alibaba_ims_default"
WAIT_SECONDS = 150.0
POLL_SECONDS = 0.1

Got = TypeVar("Got")
Json = Any


def wait_for(look: Callable[[], Got | None], what: str) -> Got:
    """Returns what `look` finds once it finds something."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"{what}: not in {WAIT_SECONDS:.0f} s"
        time.sleep(POLL_SECONDS)
    return found


class Scheduler:
    """Drives a running Airflow over its REST API.

    Args:
        airflow: The running Airflow.
        link: What its COGNITION_HOME names.
        watched: What that of the triggerer names.
    """

    def __init__(self, airflow: AirflowHome, link: Path, watched: Path) -> None:
        self.api: AirflowApi = airflow.api
        self.home = airflow.home
        self._http = airflow.api._client
        self._link = link
        self._watched = watched

    def serve(self, flow: Flow, **changed: object) -> None:
        """Points Airflow at a flow; runs that a failed test left open are ended before.

        Args:
            flow: Lake, warehouse and sandbox.
            changed: Fields of the connection that are to be others.
        """
        self.api.fail_unfinished_runs()
        body = {**json.loads(flow.connection(**changed)), "connection_id": CONNECTION}
        body["extra"] = json.dumps(body["extra"] | {"max_backoff_seconds": 0.2})
        known = self._http.get(f"/api/v2/connections/{CONNECTION}").is_success
        call = self._http.patch if known else self._http.post
        path = f"/api/v2/connections/{CONNECTION}" if known else "/api/v2/connections"
        call(path, json=body).raise_for_status()
        turned = self._link.with_name("turned")
        turned.symlink_to(flow.settings.home)
        turned.replace(self._link)

    @contextmanager
    def watching(self, flow: Flow) -> Iterator[None]:
        """Has the triggerer see the ledger of a flow, which it sees none of else."""
        self._watched.symlink_to(flow.settings.home)
        try:
            yield
        finally:
            self._watched.unlink()

    def get(self, path: str, **params: object) -> Json:
        """Returns the answer to a GET below /api/v2."""
        return self.api._get(path, **params)

    def has_dag(self, dag_id: str) -> bool | None:
        """Tells whether a DAG is read; None while it is not."""
        return self.api.has_dag(dag_id) or None

    def ended(self, dag_id: str, run_id: str, state: str = "success") -> dict[str, Json]:
        """Returns a run once it has ended as it should; else says why it did not."""

        def look() -> dict[str, Json] | None:
            found: dict[str, Json] = self.get(f"/dags/{dag_id}/dagRuns/{run_id}")
            return found if found["state"] in {"success", "failed"} else None

        run = wait_for(look, f"the end of {dag_id}")
        if run["state"] != state:
            tasks = self.tasks(dag_id, run_id)
            said = [self.log(dag_id, run_id, t) for t in tasks.values() if t.state == "failed"]
            raise AssertionError("\n".join([f"{dag_id}: {self.states(dag_id, run_id)}", *said]))
        return run

    def runs_of(self, dag_id: str) -> list[dict[str, Json]]:
        """Returns the runs of a DAG, oldest first."""
        found: list[dict[str, Json]] = self.get(f"/dags/{dag_id}/dagRuns", limit=100)["dag_runs"]
        return sorted(found, key=lambda run: str(run["run_after"]))

    def loads_of(self, run_id: str) -> list[dict[str, Json]]:
        """Returns the loads that an ended run of ingest started, once they have ended well."""
        if self.states(INGEST, run_id)["publish_lake"] != "success":
            return []
        started = wait_for(lambda: self.api.runs_started_by(INGEST, run_id) or None, "a load")
        return [self.ended(dag_id, load_id) for dag_id, load_id in started]

    def tasks(self, dag_id: str, run_id: str) -> dict[str, TaskState]:
        """Returns the tasks of a run by label, as in `source[0]`."""
        return {task.label: task for task in self.api.tasks(dag_id, run_id)}

    def states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """Returns the states of a run's tasks by label."""
        return {label: task.state for label, task in self.tasks(dag_id, run_id).items()}

    def log(self, dag_id: str, run_id: str, task: TaskState) -> str:
        """Returns the last errors a task logged, or its last lines, as the page shows them."""
        return "\n".join(self.api.log_tail(dag_id, run_id, task))

    def events_of(self, dag_id: str, run_id: str) -> list[tuple[str, dict[str, Json]]]:
        """Returns name and extra of the asset events a run made."""
        assets = {each["id"]: each["name"] for each in self.get("/assets")["assets"]}
        found = self.get("/assets/events", source_dag_id=dag_id, limit=1000)["asset_events"]
        return [
            (assets[event["asset_id"]], event["extra"])
            for event in found
            if event["source_run_id"] == run_id
        ]

    def clear(self, dag_id: str, run_id: str, label: str) -> None:
        """Clears a task of a run by label, or the whole of it; waits for its new end."""
        body: dict[str, object] = {"dry_run": False, "only_failed": False, "dag_run_id": run_id}
        if label != WHOLE_RUN:
            task_id, _, index = label.rstrip("]").partition("[")
            body["task_ids"] = [[task_id, int(index)] if index else task_id]
        answer = self._http.post(f"/api/v2/dags/{dag_id}/clearTaskInstances", json=body)
        assert answer.is_success, answer.text
        assert answer.json()["total_entries"] > 0
        self.ended(dag_id, run_id)

    def leaks_of(self, secret: str) -> list[Path]:
        """Returns the log files of this Airflow that hold a secret."""
        logs = [path for path in (self.home / "logs").rglob("*") if path.is_file()]
        assert logs
        return [path for path in logs if secret.encode() in path.read_bytes()]


class WatchfulHome(AirflowHome):
    """An Airflow whose triggerer looks at a place of its own, so that only one test wakes runs.

    Args:
        home: The AIRFLOW_HOME.
        environment: What the DAGs' tasks see besides.
        watched: The triggerer's COGNITION_HOME.
    """

    def __init__(self, home: Path, environment: Mapping[str, str], watched: Path) -> None:
        super().__init__(home, environment, COMPONENTS)
        self._watched = watched

    def _spawn(self, name: str, command: list[str]) -> None:
        shared = self._environment
        if name == "triggerer":
            self._environment = shared | {"COGNITION_HOME": str(self._watched)}
        super()._spawn(name, command)
        self._environment = shared


@contextmanager
def running_scheduler(folder: Path) -> Iterator[Scheduler]:
    """Starts an Airflow with all its processes, which has read our DAGs.

    A failed task is tried again after a second, and a reply waits half a second to be written.

    Args:
        folder: A folder of its own.
    """
    link, watched = folder / "home", folder / "watched"
    environment = {
        "COGNITION_HOME": str(link),
        "COGNITION_SCHEDULE": "0 0 1 1 *",
        "COGNITION_MAINTENANCE_SCHEDULE": "",
        "COGNITION_WATCH_SECONDS": "1",
        "COGNITION_FLUSH_SECONDS": "0.5",
        "COGNITION_RETRY_DELAY_SECONDS": "1",
    }
    with WatchfulHome(folder / "airflow", environment, watched) as airflow:
        running = Scheduler(airflow, link, watched)
        for dag_id in (INGEST, LOAD, REPLAY, MAINTAIN):
            wait_for(partial(running.has_dag, dag_id), f"{dag_id} is read")
        yield running


def client_of(endpoint: str) -> psutil.Process | None:
    """Returns the other process that is connected to an endpoint, if there is one."""
    port = int(endpoint.rpartition(":")[2])
    for connection in psutil.net_connections("tcp4"):
        is_client = connection.raddr and connection.raddr.port == port
        if is_client and connection.pid not in {None, os.getpid()}:
            return psutil.Process(connection.pid)
    return None


def contents_of(path: Path) -> Mapping[str, tuple[int, int]]:
    """Returns rows and a sum over the contents of all rows, by table of a DuckDB file."""
    with duckdb.connect(path, read_only=True) as connection:
        found = connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY ALL").fetchall()
        names = {name for (name,) in found} - {table.name for table in OWN_TABLES}
        sums = {}
        for name in sorted(names):
            sql = f"SELECT count(*), coalesce(sum(hash(row)), 0) FROM {name} AS row"
            [sums[name]] = connection.execute(sql).fetchall()
        return sums


def files_of(lake: Path) -> Mapping[str, tuple[str, int]]:
    """Returns digest and time of change, in nanoseconds, of a lake's files by path.

    What lies in `staging`, such as locks, is no part of what the lake says.
    """
    return {
        str(path.relative_to(lake)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(lake.rglob("*"))
        if path.is_file() and "staging" not in path.relative_to(lake).parts
    }
