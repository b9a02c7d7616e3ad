"""Follows runs on a real scheduler, and says what happens while it happens."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.demo.airflow_api import AirflowApi, AirflowError, TaskState

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

RUN_SECONDS = 600.0
POLL_SECONDS = 0.2
_ENDED = {"success", "skipped", "failed", "upstream_failed"}
_TROUBLED = {"failed", "up_for_retry"}


@dataclass(slots=True)
class Watch:
    """Shows each task once it has ended, and what is at work meanwhile.

    Args:
        api: Airflow's REST API.
        console: Where lines go.
        status: The line that is redrawn while waiting; invisible without a terminal.
    """

    api: AirflowApi
    console: Console
    status: Status
    _said: set[tuple[object, ...]] = field(default_factory=set)

    def wait_for_dags(self, *dag_ids: str) -> None:
        """Waits until Airflow has read the DAGs.

        Raises:
            AirflowError: A DAG file could not be imported, or nothing was read in time.
        """
        deadline = time.monotonic() + RUN_SECONDS / 10
        while not all(self.api.has_dag(dag_id) for dag_id in dag_ids):
            _check(deadline, f"Airflow did not read {', '.join(dag_ids)}")

    def follow(self, dag_id: str, run_id: str) -> list[TaskState]:
        """Waits for the end of a run and returns its tasks.

        Raises:
            AirflowError: The run failed; the message holds what the failed tasks logged last.
        """
        deadline = time.monotonic() + RUN_SECONDS
        while True:
            state = self.api.run_state(dag_id, run_id)
            tasks = self.api.tasks(dag_id, run_id)
            self._show(dag_id, run_id, tasks)
            if state == "success":
                return tasks
            if state == "failed":
                failed = ", ".join(t.task_id for t in tasks if t.state == "failed")
                raise AirflowError(f"{dag_id} failed in {failed or 'no task'}: see the lines above")
            _check(deadline, f"{dag_id} did not end")

    def started_by(self, dag_id: str, run_id: str, wanted: str) -> str:
        """Waits for the run of `wanted` that the assets of a run start, and returns its id.

        Raises:
            AirflowError: None was started in time.
        """
        deadline = time.monotonic() + RUN_SECONDS / 10
        while True:
            for started, started_id in self.api.runs_started_by(dag_id, run_id):
                if started == wanted:
                    return started_id
            _check(deadline, f"The assets of {dag_id} did not start {wanted}")

    def _show(self, dag_id: str, run_id: str, tasks: list[TaskState]) -> None:
        at_work = [task.label for task in tasks if task.state in {"queued", "running"}]
        self.status.update(f"{dag_id}: {', '.join(at_work) or 'scheduling'}")
        for task in tasks:
            known = (run_id, task.task_id, task.map_index, task.state, task.try_number)
            if task.state in _ENDED | _TROUBLED and known not in self._said:
                self._said.add(known)
                name = f"{dag_id}.{task.label}"
                self.console.print(f"  {name:<46} {task.state:<13} {task.seconds:6.1f} s")
                if task.state in _TROUBLED:
                    for line in self.api.log_tail(dag_id, run_id, task):
                        self.console.print(f"    {line}", markup=False, highlight=False)


def _check(deadline: float, complaint: str) -> None:
    if time.monotonic() > deadline:
        raise AirflowError(f"{complaint} in time; see the logs under the home of Airflow")
    time.sleep(POLL_SECONDS)
