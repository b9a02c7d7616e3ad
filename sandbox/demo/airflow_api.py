"""The part of Airflow's REST API that a launcher needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from transforms.airflow_provider.pools import Pool

_ENDED = {"success", "failed"}
_OK = 200
_NOT_FOUND = 404
_PAGE = 1000


class AirflowError(Exception):
    """Airflow did not start, or a run did not succeed; the message holds the reason."""


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task of a run; `map_index` is -1 for one that is not mapped."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    seconds: float

    @property
    def label(self) -> str:
        """Returns the name a reader knows it by."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"


class AirflowApi:
    """A logged-in client.

    Args:
        client: An HTTP client whose base URL is Airflow's.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    @classmethod
    def connect(cls, url: str) -> Self | None:
        """Returns a client, or None while nothing answers there."""
        client = httpx.Client(base_url=url, trust_env=False, timeout=30)
        try:
            answer = client.get("/auth/token")
            token = answer.json()["access_token"] if answer.is_success else None
        except httpx.TransportError:
            token = None
        if token is None:
            client.close()
            return None
        client.headers["Authorization"] = f"Bearer {token}"
        return cls(client)

    def is_healthy(self, components: Iterable[str]) -> bool:
        """Tells whether the database and these of Airflow's processes are at work."""
        answer = self._client.get("/api/v2/monitor/health")
        if not answer.is_success:
            return False
        parts = answer.json()
        watched = {name.replace("-", "_") for name in components} - {"api_server"}
        return all(parts[part]["status"] == "healthy" for part in {"metadatabase", *watched})

    def create_pools(self, pools: Iterable[Pool]) -> None:
        """Makes the pools that are not there yet."""
        there = {pool["name"] for pool in self._get("/pools", limit=_PAGE)["pools"]}
        for pool in (pool for pool in pools if pool.name not in there):
            body = {"name": pool.name, "slots": pool.slots, "description": pool.description}
            self._client.post("/api/v2/pools", json=body).raise_for_status()

    def fail_unfinished_runs(self) -> None:
        """Ends the runs a stopped Airflow left open: they would hold up new ones."""
        runs = self._get("/dags/~/dagRuns", state=["queued", "running"], limit=_PAGE)["dag_runs"]
        for run in runs:
            path = f"/api/v2/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}"
            self._client.patch(path, json={"state": "failed"}).raise_for_status()

    def has_dag(self, dag_id: str) -> bool:
        """Tells whether the DAG was parsed.

        Raises:
            AirflowError: A DAG file could not be imported.
        """
        if self._client.get(f"/api/v2/dags/{dag_id}").status_code == _OK:
            return True
        for error in self._get("/importErrors")["import_errors"]:
            raise AirflowError(f"{error['filename']} was not imported:\n{error['stack_trace']}")
        return False

    def trigger(self, dag_id: str, conf: Mapping[str, object] | None = None) -> str:
        """Starts a run without a logical date, as an asset does, and returns its id.

        Args:
            dag_id: The DAG.
            conf: Values of its Params; others keep their defaults.

        Raises:
            httpx.HTTPStatusError: Airflow refused them (400), or there is no such DAG (404).
        """
        body = {"logical_date": None, "conf": dict(conf or {})}
        answer = self._client.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        return str(answer.raise_for_status().json()["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str | None:
        """Returns `success` or `failed` once the run has ended, else None."""
        state = self._get(f"/dags/{dag_id}/dagRuns/{run_id}")["state"]
        return str(state) if state in _ENDED else None

    def last_success(self, dag_id: str) -> str | None:
        """Returns the id of the last run that succeeded, or None."""
        path = f"/dags/{dag_id}/dagRuns"
        found = self._get(path, state="success", order_by="-run_after", limit=1)["dag_runs"]
        return str(found[0]["dag_run_id"]) if found else None

    def asset_id(self, name: str) -> int:
        """Returns the number of an asset.

        Raises:
            AirflowError: There is none of that name.
        """
        for asset in self._get("/assets", limit=_PAGE)["assets"]:
            if asset["name"] == name:
                return int(asset["id"])
        raise AirflowError(f"There is no asset {name}.")

    def tasks(self, dag_id: str, run_id: str) -> list[TaskState]:
        """Returns the tasks of a run, oldest first."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        found = self._get(path, limit=_PAGE)["task_instances"]
        found.sort(key=lambda task: (task["start_date"] or "~", task["map_index"]))
        return [
            TaskState(
                task["task_id"],
                task["map_index"],
                task["state"],
                task["try_number"],
                task["duration"] or 0.0,
            )
            for task in found
        ]

    def result(self, dag_id: str, run_id: str, task: TaskState) -> Any:  # noqa: ANN401  # any JSON
        """Returns what a task returned, or None."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task.task_id}/xcomEntries"
        answer = self._client.get(
            f"/api/v2{path}/return_value", params={"map_index": task.map_index}
        )
        if answer.status_code == _NOT_FOUND:
            return None
        return answer.raise_for_status().json()["value"]

    def log_tail(self, dag_id: str, run_id: str, task: TaskState, lines: int = 12) -> list[str]:
        """Returns the last lines a task logged, its error among them."""
        path = (
            f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task.task_id}/logs/{task.try_number}"
        )
        content = self._get(path, map_index=task.map_index)["content"]
        entries = [entry for entry in content if isinstance(entry, dict)]
        errors = [entry for entry in entries if entry.get("level") in {"error", "critical"}]
        said = [line for entry in errors or entries for line in _said(entry)]
        return said[-lines:]

    def runs_started_by(self, dag_id: str, run_id: str) -> list[tuple[str, str]]:
        """Returns `(dag_id, run_id)` of the runs that the asset events of a run started."""
        params: dict[str, str | int] = {"source_dag_id": dag_id, "limit": _PAGE}
        answer = self._client.get("/api/v2/assets/events", params=params)
        if answer.is_server_error:
            # Airflow 3.3 cannot tell of an event whose run is queued: it has no start date yet.
            return []
        events = answer.raise_for_status().json()["asset_events"]
        return [
            (started["dag_id"], started["run_id"])
            for event in events
            if event["source_run_id"] == run_id
            for started in event["created_dagruns"]
        ]

    def _get(self, path: str, **params: Any) -> Any:  # noqa: ANN401  # any JSON, any query
        answer = self._client.get(f"/api/v2{path}", params=params)
        return answer.raise_for_status().json()


def _said(entry: dict[str, Any]) -> list[str]:
    details = entry.get("error_detail") or []
    causes = [f"{cause.get('exc_type')}: {cause.get('exc_value')}" for cause in details]
    return [str(entry.get("event", "")), *causes]
