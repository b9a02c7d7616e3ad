"""Job ids collected by the DAG `collect_job_ids` from a queue and a database, each for itself."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from test_dags import events_of, run

from sandbox.queue import SandboxQueue
from transforms import ledger
from transforms.messages.mns import MnsQueue
from transforms.messages.queue import Message
from transforms.settings import Settings
from transforms.storage import Storage

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

pytest_plugins = ["airflow_session"]
pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

COLLECT = "collect_job_ids"


@pytest.fixture(autouse=True)
def lake(airflow_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """The lake of a home without a source of job ids."""
    for name in ("LEDGER_SQL", "LEDGER_SQL_CONN_ID", "QUEUE_ENDPOINT", "QUEUE_NAME"):
        monkeypatch.delenv(f"COGNITION_{name}", raising=False)
    monkeypatch.setenv("COGNITION_HOME", str(tmp_path / "home"))
    return Storage.at(Settings().lake_root)


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxQueue]:
    """A queue that the settings name; a message once delivered is on loan for the whole test."""
    with SandboxQueue(clock=lambda: 1_000_000.0) as found:
        monkeypatch.setenv("COGNITION_QUEUE_ENDPOINT", found.endpoint)
        monkeypatch.setenv("COGNITION_QUEUE_NAME", found.name)
        monkeypatch.setenv("COGNITION_QUEUE_WAIT_SECONDS", "0")
        give_keys(monkeypatch, found.credentials.access_key_secret)
        yield found


def give_keys(patch: pytest.MonkeyPatch, secret: str) -> None:
    """Makes the connection of the service hold the queue's key id and some secret."""
    pair = {"login": "sandbox-key-id", "password": secret}
    connection = json.dumps({"conn_type": "alibaba_ims", **pair})
    patch.setenv("AIRFLOW_CONN_ALIBABA_IMS_DEFAULT", connection)


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database that the settings name, with two jobs."""
    file = tmp_path / "jobs.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE jobs (job_id, at)")
        connection.execute("INSERT INTO jobs VALUES ('of-sql-1', 1), ('of-sql-2', 7)")
    given = json.dumps({"conn_type": "sqlite", "host": str(file)})
    monkeypatch.setenv("AIRFLOW_CONN_JOBS_DB", given)
    monkeypatch.setenv("COGNITION_LEDGER_SQL_CONN_ID", "jobs_db")
    query = "SELECT job_id, at AS watermark FROM jobs WHERE at >= :watermark"
    monkeypatch.setenv("COGNITION_LEDGER_SQL", query)
    monkeypatch.setenv("COGNITION_LEDGER_SQL_START", "0")
    return file


def completion(job: str) -> str:
    """Returns the message of a completed job."""
    return json.dumps({"Type": "smarttag", "JobId": job, "State": "Success"})


def test_messages_become_known_jobs_and_wake_ingest(
    dagbag: DagBag, queue: SandboxQueue, lake: Storage
) -> None:
    """Ids are in the ledger, messages gone, counts in one event; then there is nothing new."""
    other = json.dumps({"Type": "transcode", "JobId": "of-another-kind", "State": "Success"})
    for body in (completion("a"), completion("b"), completion("a"), other, "no JSON"):
        queue.send(body)
    states = run(dagbag, COLLECT)
    run_id = states.pop("run_id")
    assert states == {"run": "success", "from_sql": "skipped", "from_queue": "success"}
    assert ledger.read_ledger(lake) == ["a", "b"]
    assert queue.bodies == ["no JSON"]
    [(asset, extra)] = events_of(run_id)
    assert asset == "cognition_ledger"
    counts = {name: extra[name] for name in ("received", "added", "known", "acknowledged")}
    assert counts == {"received": 5, "added": 2, "known": 1, "acknowledged": 4}
    assert extra["ignored"] == {"transcode": 1}
    assert sum(extra["unreadable"].values()) == 1

    queue.send(completion("b"))
    states = run(dagbag, COLLECT)
    run_id = states.pop("run_id")
    assert states == {"run": "success", "from_sql": "skipped", "from_queue": "skipped"}
    assert queue.bodies == ["no JSON"]
    assert ledger.read_ledger(lake) == ["a", "b"]
    assert events_of(run_id) == []


def test_rows_become_known_jobs_and_wake_ingest(
    dagbag: DagBag, database: Path, lake: Storage
) -> None:
    """Ids of a query are in the ledger and counts in one event; then there is nothing new."""
    states = run(dagbag, COLLECT)
    run_id = states.pop("run_id")
    assert states == {"run": "success", "from_sql": "success", "from_queue": "skipped"}
    assert ledger.read_ledger(lake) == ["of-sql-1", "of-sql-2"]
    assert events_of(run_id) == [("cognition_ledger", {"rows": 2, "added": 2, "watermark": "7"})]

    states = run(dagbag, COLLECT)
    assert events_of(states.pop("run_id")) == []
    assert states == {"run": "success", "from_sql": "skipped", "from_queue": "skipped"}


def test_a_deployment_without_a_source_is_green(dagbag: DagBag, lake: Storage) -> None:
    """Neither task fails where nothing is configured, and no lake is made."""
    states = run(dagbag, COLLECT)
    assert events_of(states.pop("run_id")) == []
    assert states == {"run": "success", "from_sql": "skipped", "from_queue": "skipped"}
    assert not lake.exists("lake.json")


def test_a_refused_key_fails_the_queue_alone(
    dagbag: DagBag,
    queue: SandboxQueue,
    database: Path,
    lake: Storage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What no retry can heal fails at the first try; the ids of the database are in the ledger."""
    give_keys(monkeypatch, "not-the-secret")
    queue.send(completion("a"))
    tried: list[str] = []
    ask = MnsQueue.receive

    def receive(self: MnsQueue, wait_seconds: int, limit: int) -> list[Message]:
        tried.append("once")
        return ask(self, wait_seconds, limit)

    monkeypatch.setattr(MnsQueue, "receive", receive)
    states = run(dagbag, COLLECT)
    assert [name for name, _ in events_of(states.pop("run_id"))] == ["cognition_ledger"]
    assert states == {"run": "failed", "from_sql": "success", "from_queue": "failed"}
    assert tried == ["once"]
    assert ledger.read_ledger(lake) == ["of-sql-1", "of-sql-2"]
    assert queue.bodies == [completion("a")]


def test_a_look_of_the_trigger_empties_the_queue(queue: SandboxQueue, lake: Storage) -> None:
    """The watcher moves waiting messages into the ledger and sees the file they became."""
    from transforms.airflow_provider.triggers import look

    queue.send(completion("a"))
    [file] = look()
    assert file.startswith("ledger/queue/")
    assert ledger.read_ledger(lake) == ["a"]
    assert queue.bodies == []
    assert list(look()) == [file]
