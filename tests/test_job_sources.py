"""Where job ids come from under Airflow: the watched ledger, the form, and what they start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from transforms import ledger
from transforms.errors import RetryableError
from transforms.lake import open_lake
from transforms.settings import Settings

if TYPE_CHECKING:
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
    """A lake or queue that cannot be reached is looked at again later; nothing is forgotten."""
    looks = [{"a": EARLY}, RetryableError("away"), OSError(5, "away"), {"a": EARLY, "b": LATE}]
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


@pytest.mark.parametrize(("seconds", "watched"), [("", 0), ("30", 1)])
def test_the_ledger_is_watched_where_asked(airflow_home: Path, seconds: str, watched: int) -> None:
    """Without COGNITION_WATCH_SECONDS nothing needs a triggerer; a word in it is an error."""
    from transforms.airflow_provider.wiring import watchers

    assert len(watchers(seconds)) == watched
    with pytest.raises(ValueError, match="often"):
        watchers("often")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        ({"COGNITION_LEDGER_SQL_CONN_ID": "jobs"}, "*/15 * * * *"),
        ({"COGNITION_QUEUE_NAME": "ice-callback-jobs"}, "*/15 * * * *"),
        ({"COGNITION_QUEUE_NAME": "q", "COGNITION_COLLECT_SCHEDULE": "@daily"}, "@daily"),
        ({"COGNITION_QUEUE_NAME": "q", "COGNITION_COLLECT_SCHEDULE": ""}, None),
    ],
)
def test_ids_are_collected_by_a_schedule_where_there_is_a_source(
    airflow_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, str],
    expected: str | None,
) -> None:
    """A deployment without a source of ids gets no empty runs; one with a source need not ask."""
    from transforms.airflow_provider.wiring import collect_schedule

    for name in ("LEDGER_SQL_CONN_ID", "QUEUE_NAME", "COLLECT_SCHEDULE"):
        monkeypatch.delenv(f"COGNITION_{name}", raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert collect_schedule() == expected


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
