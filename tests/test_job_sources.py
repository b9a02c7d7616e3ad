"""Where job ids come from under Airflow: the watched ledger, the form, and what they start."""

from __future__ import annotations

import asyncio
import logging
import runpy
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from sandbox.demo.airflow_home import ROOT
from transforms import ledger, pipeline
from transforms.errors import ConfigurationError, RetryableError
from transforms.lake import open_lake
from transforms.messages.drain import DrainReport
from transforms.settings import DagSettings, Settings

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.triggers.base import TriggerEvent
    from airflow_session import MakeFlow

pytest_plugins = ["airflow_session"]
pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


async def events(looks: Iterator[object], monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Returns what a trigger tells that sees one of `looks` after the other."""
    from transforms.airflow_provider import triggers

    class OverError(BaseException):
        """There is nothing more to look at."""

    def look() -> object:
        seen = next(looks, OverError())
        if isinstance(seen, BaseException):
            raise seen
        return seen

    monkeypatch.setattr(triggers, "look", look)
    told: list[object] = []
    trigger = triggers.LedgerTrigger(0)
    try:
        async for event in cast("AsyncIterator[TriggerEvent]", trigger.run()):
            told.append(event.payload)  # noqa: PERF401 - what came before the end counts
    except OverError:
        return told
    raise AssertionError("the trigger ended")


def test_new_files_are_told_once(airflow_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies there at first, what comes and what is written anew is told, each time once."""
    looks = [{"a": EARLY}, {"a": EARLY}, {"a": EARLY, "b": EARLY, "c": LATE}, {"a": LATE}, {}]
    told = asyncio.run(events(iter(looks), monkeypatch))
    assert told == [{"files": 1}, {"files": 2}, {"files": 1}]


def test_trouble_does_not_end_the_watch(
    airflow_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong, the next look goes on from what was seen; nothing fires twice."""
    trouble = [RetryableError("away"), OSError(5, "away"), ValueError("a setting")]
    looks = [{"a": EARLY}, *trouble, {"a": EARLY, "b": LATE}]
    told = asyncio.run(events(iter(looks), monkeypatch))
    assert told == [{"files": 1}, {"files": 1}]


def test_a_trigger_is_made_again_from_what_it_says_of_itself(airflow_home: Path) -> None:
    """The triggerer, which gets class and arguments as JSON, makes the same trigger of them."""
    from airflow.sdk._shared.module_loading import import_string

    from transforms.airflow_provider.triggers import LedgerTrigger

    path, arguments = LedgerTrigger(30).serialize()
    again = import_string(path)(**arguments)
    assert again.serialize() == (path, arguments)
    assert arguments == {"poll_seconds": 30}


def test_a_look_sees_the_ledger(
    airflow_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look gives the ledger's files with their times, and nothing where there is no lake yet."""
    from transforms.airflow_provider.triggers import look

    monkeypatch.setenv("COGNITION_HOME", str(tmp_path / "home"))
    assert look() == {}
    storage = open_lake(Settings().lake_root, create=True)
    path = ledger.append(storage, [{"job_id": "a"}], "callbacks")
    assert list(look()) == [path]


@pytest.mark.parametrize(("seconds", "watched"), [(None, 0), ("", 0), (" ", 0), ("30", 1)])
def test_the_ledger_is_watched_where_asked(
    airflow_home: Path, monkeypatch: pytest.MonkeyPatch, seconds: str | None, watched: int
) -> None:
    """Without COGNITION_WATCH_SECONDS nothing needs a triggerer."""
    from transforms.airflow_provider.wiring import read_settings, watchers

    given(monkeypatch, {} if seconds is None else {"COGNITION_WATCH_SECONDS": seconds})
    assert len(watchers(read_settings().watch_seconds)) == watched


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("WATCH_SECONDS", "often", "valid number"),
        ("WATCH_SECONDS", "0", "greater than or equal to 1"),
        ("WATCH_SECONDS", "-5", "greater than or equal to 1"),
        ("WATCH_SECONDS", "nan", "finite"),
        ("WATCH_SECONDS", "inf", "finite"),
        ("RETRY_DELAY_SECONDS", "x", "valid number"),
    ],
)
@pytest.mark.parametrize("file", ["collect_job_ids", "load_warehouse"])
def test_wrong_number_is_an_import_error_with_its_remedy(  # noqa: PLR0913, PLR0917 - fixtures, cases
    airflow_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    name: str,
    value: str,
    why: str,
) -> None:
    """What all DAGs share breaks each of them, in one line that begins with the setting."""
    given(monkeypatch, {f"COGNITION_{name}": value})
    for module in ("wiring", "upkeep"):
        monkeypatch.delitem(sys.modules, f"transforms.airflow_provider.{module}", raising=False)
    with pytest.raises(
        ConfigurationError, match=rf"^COGNITION_{name}: .*{why}.*: correct "
    ) as told:
        runpy.run_path(str(ROOT / "dags" / f"{file}.py"))
    assert "\n" not in str(told.value)


SCHEDULES = {
    "COGNITION_SCHEDULE": "ingest_cognition_jobs",
    "COGNITION_COLLECT_SCHEDULE": "collect_job_ids",
    "COGNITION_MAINTENANCE_SCHEDULE": "maintain_lake",
}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("cron", ["every hour", "61 * * * *", "* * *"])
def test_wrong_schedule_breaks_its_own_dag_alone(
    airflow_home: Path, monkeypatch: pytest.MonkeyPatch, name: str, cron: str
) -> None:
    """The import error of that DAG names the setting; the other DAGs are read as before."""
    given(monkeypatch, {name: cron})
    broken = {}
    for file in sorted((ROOT / "dags").glob("*.py")):
        try:
            runpy.run_path(str(file))
        except ConfigurationError as error:
            broken[file.stem] = str(error)
    assert broken.keys() == {SCHEDULES[name]}
    assert broken[SCHEDULES[name]].startswith(f"{name}: {cron} is no cron expression")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"COGNITION_LEDGER_SQL_CONN_ID": "jobs"}, "*/15 * * * *"),
        ({"COGNITION_LEDGER_SQL": "jobs.sql"}, "*/15 * * * *"),
        ({"COGNITION_QUEUE_NAME": "ice-callback-jobs"}, "*/15 * * * *"),
        ({"COGNITION_QUEUE_ENDPOINT": "https://queue.example"}, "*/15 * * * *"),
        ({"COGNITION_QUEUE_NAME": ""}, None),
        ({"COGNITION_QUEUE_NAME": "q", "COGNITION_COLLECT_SCHEDULE": "@daily"}, "@daily"),
        ({"COGNITION_QUEUE_NAME": "q", "COGNITION_COLLECT_SCHEDULE": ""}, None),
        ({"COGNITION_COLLECT_SCHEDULE": "@daily"}, "@daily"),
    ],
)
def test_ids_are_collected_by_a_schedule_where_there_is_a_source(
    airflow_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    expected: str | None,
) -> None:
    """A deployment without a source of ids gets no empty runs; one with half a source gets some."""
    from transforms.airflow_provider.wiring import collect_schedule

    given(monkeypatch, variables)
    assert collect_schedule() == expected


@pytest.mark.parametrize(
    ("name", "value", "task", "missing"),
    [
        ("LEDGER_SQL", "SELECT 1", "from_sql", "COGNITION_LEDGER_SQL_CONN_ID"),
        ("LEDGER_SQL_CONN_ID", "jobs", "from_sql", "COGNITION_LEDGER_SQL is empty"),
        ("QUEUE_NAME", "jobs", "from_queue", "ConfigurationError: COGNITION_QUEUE_ENDPOINT "),
        (
            "QUEUE_ENDPOINT",
            "https://1.mns.cn-shanghai.aliyuncs.com",
            "from_queue",
            "ConfigurationError: COGNITION_QUEUE_NAME ",
        ),
    ],
)
def test_half_a_source_fails_its_task_alone(  # noqa: PLR0913, PLR0917 - fixtures, cases
    dagbag: DagBag,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    name: str,
    value: str,
    task: str,
    missing: str,
) -> None:
    """What is missing is named by the task that lacks it, at its first try; the other skips."""
    given(monkeypatch, {f"COGNITION_{name}": value, "COGNITION_HOME": str(tmp_path / "home")})
    ended = dagbag.dags["collect_job_ids"].test()
    states = {each.task_id: str(each.state) for each in ended.get_task_instances()}
    assert states == {"from_sql": "skipped", "from_queue": "skipped"} | {task: "failed"}
    assert ended.get_task_instance(task).try_number == 1  # type: ignore[union-attr]
    assert missing in capfd.readouterr().out


def given(patch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """Sets these of the settings that DAG files and sources of ids read, and no other of them."""
    sources = ("LEDGER_SQL", "LEDGER_SQL_CONN_ID", "QUEUE_NAME", "QUEUE_ENDPOINT")
    for name in (*sources, *map(str.upper, DagSettings.model_fields)):
        patch.delenv(f"COGNITION_{name}", raising=False)
    for name, value in variables.items():
        patch.setenv(name, value)


@pytest.fixture
def brought(airflow_home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Stands in for the context of a task that announces ids; keeps counters and the event."""
    from transforms.airflow_provider import metrics, wiring

    kept: dict[str, object] = {"event": None}
    event = SimpleNamespace(extra=None)
    context = {"outlet_events": {wiring.LEDGER: event}}
    monkeypatch.setattr(wiring, "get_current_context", lambda: context)
    monkeypatch.setattr(metrics.stats, "incr", kept.__setitem__)
    kept["event"] = event
    return kept


def test_messages_that_bring_no_id_are_told(
    brought: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    """A queue of other messages is emptied loudly: in the log, the metrics and the skip."""
    from airflow.sdk.exceptions import AirflowSkipException

    from transforms.airflow_provider.wiring import announce_ids

    told = (
        "4 messages: 0 new job ids, 1 about known jobs; 3 acknowledged. "
        "Ignored for their type: TranscodeComplete 2; COGNITION_MESSAGE_TYPES says which count. "
        "Unreadable, left in the queue: it has neither Type nor EventType 1. "
        "Ended early: the queue did not answer."
    )
    report = DrainReport(
        received=4,
        known=1,
        ignored={"TranscodeComplete": 2},
        unreadable={"it has neither Type nor EventType": 1},
        acknowledged=3,
        unfinished="the queue did not answer.",
    )
    with (
        caplog.at_level(logging.INFO, logger="transforms"),
        pytest.raises(AirflowSkipException) as skipped,
    ):
        announce_ids("from_queue", report)
    assert str(skipped.value) == f"There are no new job ids. {told}"
    assert caplog.messages == [told]
    assert brought["cognition.from_queue.ignored.TranscodeComplete"] == 2
    assert brought["cognition.from_queue.unreadable.it_has_neither_Type_nor_EventType"] == 1


def test_new_ids_are_told_and_announced(
    brought: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    """Found ids have a line in the log, a counter, and the event that wakes the ingest."""
    from transforms.airflow_provider.sql_ledger import SqlLedgerReport
    from transforms.airflow_provider.wiring import announce_ids

    with caplog.at_level(logging.INFO, logger="transforms"):
        counts = announce_ids("from_sql", SqlLedgerReport(3, 1, "2026-01-03"))
    assert counts == {"rows": 3, "added": 1, "watermark": "2026-01-03"}
    assert cast("SimpleNamespace", brought["event"]).extra == counts
    assert caplog.messages == ["3 rows, 1 new job id; the next reading begins at 2026-01-03."]
    assert brought["cognition.from_sql.added"] == 1


@pytest.mark.parametrize(
    ("report", "lines"),
    [
        (DrainReport(received=1, added=1, acknowledged=1), 0),
        (DrainReport(received=1, ignored={"TranscodeComplete": 1}, acknowledged=1), 1),
        (DrainReport(received=1, unreadable={"longer than 65,536 bytes": 1}), 1),
        (DrainReport(received=1, added=1, unfinished="the queue did not answer."), 1),
    ],
)
def test_a_look_tells_what_no_id_came_of(  # noqa: PLR0913, PLR0917 - fixtures, cases
    airflow_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    report: DrainReport,
    lines: int,
) -> None:
    """Messages ignored or unreadable, and a queue that went away, have a line each look."""
    from transforms.airflow_provider import triggers

    place = {"COGNITION_QUEUE_NAME": "jobs", "COGNITION_HOME": str(tmp_path / "home")}
    given(monkeypatch, place)
    monkeypatch.setattr(pipeline, "drain", lambda *_: report)
    with caplog.at_level(logging.INFO, logger="transforms"):
        triggers.look()
    assert len(caplog.messages) == lines
    assert all(text.startswith("1 message: ") for text in caplog.messages)


def test_typed_ids_are_asked_for_and_kept(
    dagbag: Any,  # noqa: ANN401 - airflow is imported late
    make_flow: MakeFlow,
) -> None:
    """Ids typed into the form go to the ledger, and are asked for by the same run."""
    flow = make_flow(jobs=3, clean=True)
    storage = open_lake(flow.settings.lake_root)
    for path in storage.list(ledger.FOLDER):
        storage.remove(path)
    typed = flow.service.job_ids[:2]
    conf = {"fetch_subtitles": False, "jobs_per_task": 500, "job_ids": typed}
    done = dagbag.dags["ingest_cognition_jobs"].test(run_conf=conf)
    dagbag.dags["ingest_cognition_jobs"].test(run_conf={**conf, "job_ids": []})
    assert done.state == "success"
    assert sorted(ledger.read_ledger(storage)) == sorted(typed)
    assert (flow.status().known, flow.status().jobs) == (2, {"loaded": 2})
