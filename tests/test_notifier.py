"""Runs that end before their tasks do: Airflow asks no task then, so the DAG tells of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from transforms.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.callbacks.callback_requests import DagCallbackRequest
    from airflow.dag_processing.dagbag import DagBag

    from transforms.airflow_provider.webhook import Message, Webhook

pytest_plugins = ["airflow_session"]
pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

COLLECT = "collect_job_ids"
CONNECTION = '{"conn_type": "http", "password": "https://room.example/send?token=t"}'


@pytest.fixture
def sent(airflow_home: Path, monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """The messages that go to the webhook, which is not asked."""
    from transforms.airflow_provider import notifier

    found: list[Message] = []

    def send(_: Webhook, message: Message) -> None:
        found.append(message)

    monkeypatch.setattr(notifier, "send", send)
    monkeypatch.setenv("AIRFLOW_CONN_ROOM", CONNECTION)
    monkeypatch.setenv("COGNITION_NOTIFY_CONN_ID", "room")
    return found


def call_back(dagbag: DagBag, reason: str) -> None:
    """Does what the DAG processor does when a run failed and no task can be named."""
    from airflow.callbacks.callback_requests import DagCallbackRequest

    execute(
        dagbag,
        DagCallbackRequest(
            filepath="dags/collect_job_ids.py",
            bundle_name="repository",
            bundle_version=None,
            dag_id=COLLECT,
            run_id="scheduled__1",
            msg=reason,
        ),
    )


def execute(dagbag: DagBag, request: DagCallbackRequest) -> None:
    """Carries out a request as the DAG processor does."""
    import structlog
    from airflow.dag_processing.processor import _execute_callbacks

    _execute_callbacks(dagbag, [request], structlog.get_logger())


def test_every_dag_tells_of_its_runs(dagbag: DagBag) -> None:
    """Each DAG has the callback; one that is new must not forget it."""
    from transforms.airflow_provider.notifier import notify_unfinished

    assert {dag.on_failure_callback for dag in dagbag.dags.values()} == {notify_unfinished}


def test_a_run_that_takes_too_long_is_told(dagbag: DagBag, sent: list[Message]) -> None:
    """The room reads which run, its limit, and what came of the tasks that were not done."""
    call_back(dagbag, "timed_out")
    [message] = sent
    assert (message.severity, message.dag_id, message.task_id) == ("error", COLLECT, "")
    assert message.run_id == "scheduled__1"
    assert message.text == (
        "cognition: collect_job_ids ended too early\n"
        "It took longer than 2:00:00, so Airflow ended it and skipped the tasks that were not "
        "done.\n"
        "What to do: see in its tasks what they waited for. What they did stays, and the next run "
        "goes on from there.\n"
        "Run: scheduled__1"
    )


def test_a_run_whose_tasks_cannot_go_on_is_told(dagbag: DagBag, sent: list[Message]) -> None:
    """So is any other end that no task has told of."""
    call_back(dagbag, "all_tasks_deadlocked")
    [message] = sent
    assert "Airflow says why: all_tasks_deadlocked.\n" in message.text


def test_a_failed_task_is_not_told_twice(dagbag: DagBag, sent: list[Message]) -> None:
    """Where a task failed, its own callback has told of it."""
    call_back(dagbag, "task_failure")
    assert sent == []


def test_a_webhook_that_is_away_does_not_trouble_airflow(
    dagbag: DagBag,
    sent: list[Message],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever the callback meets, it raises nothing into the DAG processor."""
    from transforms.airflow_provider import notifier

    def fails(*_: object) -> None:
        raise ConfigurationError("no such format")

    monkeypatch.setattr(notifier, "send", fails)
    dag = dagbag.dags[COLLECT]
    notifier.notify_unfinished({"dag": dag, "run_id": "r", "reason": "timed_out"})
    assert "connection room was not sent: no such format" in caplog.text
    monkeypatch.delenv("COGNITION_NOTIFY_CONN_ID")
    caplog.clear()
    notifier.notify_unfinished({})
    assert caplog.text == ""


def test_the_scheduler_asks_for_it_when_a_run_times_out(
    dagbag: DagBag, sent: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run past its limit, met by Airflow's own scheduler, ends in one message of that run."""
    from airflow.jobs.job import Job
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    for name in ("LEDGER_SQL_CONN_ID", "QUEUE_NAME", "QUEUE_ENDPOINT"):
        monkeypatch.delenv(f"COGNITION_{name}", raising=False)
    done = dagbag.dags[COLLECT].test()
    with create_session() as session:
        run = session.get(DagRun, done.id)
        assert run is not None
        run.state, run.start_date = "running", datetime.now(UTC) - timedelta(hours=3)
        for task in run.get_task_instances(session=session):
            task.state = "scheduled"
        session.flush()
        scheduler = SchedulerJobRunner(Job())  # type: ignore[no-untyped-call]
        request = scheduler._schedule_dag_run(run, session)
        states = {ti.state for ti in run.get_task_instances(session=session)}
    assert states == {"skipped"}
    assert request is not None
    execute(dagbag, request)
    [message] = sent
    assert message.run_id == done.run_id
    assert "It took longer than 2:00:00" in message.text
