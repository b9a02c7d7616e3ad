"""What the DAGs share: the assets, when they run, how a failed task is treated, and shares of work.

Settings read here are those of the DAG files: the scheduler must know them before a task runs.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import (
    Asset,
    AssetOrTimeSchedule,
    AssetWatcher,
    CronTriggerTimetable,
    ExceptionRetryPolicy,
    RetryAction,
    RetryRule,
    get_current_context,
)
from airflow.sdk.exceptions import AirflowSkipException, AirflowTimetableInvalid
from pydantic import ValidationError

from transforms.airflow_provider.notifier import WebhookNotifier
from transforms.airflow_provider.telling import sentence, told
from transforms.errors import ConfigurationError
from transforms.plain import plain
from transforms.settings import DagSettings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from transforms.reports import Status


_REMEDY = "correct it, or unset it, wherever DAG files are read: DAG processor and workers"


def read_settings() -> DagSettings:
    """Returns the settings of the DAG files.

    Raises:
        ConfigurationError: One has an impossible value; the DAGs' import error shows it.
    """
    try:
        return DagSettings()
    except ValidationError as error:
        wrong = "; ".join(
            f"COGNITION_{str(each['loc'][0]).upper()}: {each['msg'][:1].lower()}{each['msg'][1:]}"
            for each in error.errors(include_url=False, include_input=False)
        )
        raise ConfigurationError(f"{wrong}: {_REMEDY}") from None


def watchers(poll_seconds: float | None) -> list[AssetWatcher]:
    """Returns what looks at the ledger that often, in seconds; nothing of None."""
    if poll_seconds is None:
        return []
    from transforms.airflow_provider.triggers import (  # noqa: PLC0415 - loads Airflow's triggers
        LedgerTrigger,
    )

    return [AssetWatcher(name="cognition_ledger", trigger=LedgerTrigger(poll_seconds))]


_SETTINGS = read_settings()

LEDGER = Asset(
    name="cognition_ledger",
    uri="x-cognition://ledger",
    group="cognition",
    watchers=watchers(_SETTINGS.watch_seconds),
)
"""The known job ids; an event says that there are new ones."""


LAKE = Asset(name="cognition_lake", uri="x-cognition://lake", group="cognition")
"""The Parquet lake; an event says which batches are new to the warehouse."""

WAREHOUSE = Asset(name="cognition_warehouse", uri="x-cognition://warehouse", group="cognition")
"""The published DuckDB file; an event names the version."""

FAIL_WHAT_CANNOT_HEAL = ExceptionRetryPolicy(
    rules=[
        RetryRule(exception="transforms.errors.RetryableError", action=RetryAction.DEFAULT),
        RetryRule(
            exception=["transforms.errors.CognitionError", "pydantic_core.ValidationError"],
            action=RetryAction.FAIL,
            reason="Nothing a retry could change: the message names the remedy.",
        ),
    ]
)
"""Our errors say whether a retry can help; of anything else we assume that it can."""

DEFAULTS: dict[str, Any] = {
    "owner": "data-engineering",
    "retries": 3,
    "retry_delay": timedelta(seconds=_SETTINGS.retry_delay_seconds),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
    "retry_policy": FAIL_WHAT_CANNOT_HEAL,
    "execution_timeout": timedelta(hours=2),
    "on_failure_callback": WebhookNotifier(),
}

_SOURCES = (
    "COGNITION_LEDGER_SQL",
    "COGNITION_LEDGER_SQL_CONN_ID",
    "COGNITION_QUEUE_ENDPOINT",
    "COGNITION_QUEUE_NAME",
)
"""One that is configured by half has a schedule, too: its task fails and names what is missing."""

MAX_MAPPED = 200
"""Mapped tasks of one run: Airflow refuses more than 1,024, and starts about three a second."""


def ingest_schedule() -> AssetOrTimeSchedule | None:
    """Returns "at these times, and when ids are new"; None: by hand only."""
    cron = _checked("schedule", read_settings().schedule)
    if cron is None:
        return None
    times = CronTriggerTimetable(cron, timezone="UTC")
    return AssetOrTimeSchedule(timetable=times, assets=[LEDGER])


def collect_schedule() -> str | None:
    """Returns when job ids are collected; by default not where no source of them is configured."""
    settings = read_settings()
    configured = any(os.environ.get(name) for name in _SOURCES)
    if not configured and "collect_schedule" not in settings.model_fields_set:
        return None
    return _checked("collect_schedule", settings.collect_schedule)


def maintenance_schedule() -> str | None:
    """Returns when lake and warehouse are kept in order."""
    return _checked("maintenance_schedule", read_settings().maintenance_schedule)


def _checked(setting: str, cron: str) -> str | None:
    """Returns a schedule that Airflow can read, or None of an empty one: by hand only.

    Raises:
        ConfigurationError: It is none; the import error of its DAG shows it.
    """
    if not cron:
        return None
    try:
        CronTriggerTimetable(cron, timezone="UTC").validate()
    except (AirflowTimetableInvalid, ValueError):
        raise ConfigurationError(
            f"COGNITION_{setting.upper()}: {plain(cron)} is no cron expression: give five fields "
            "such as 15 3 * * *, or @hourly, @daily; empty: by hand only"
        ) from None
    return cron


def announce_ids(name: str, report: DataclassInstance | None) -> dict[str, Any]:
    """Returns what a source of job ids brought, for the asset `cognition_ledger`, too.

    Args:
        name: Of the task.
        report: Its counts, `added` among them; None where the source is not configured.

    Raises:
        AirflowSkipException: It is not configured, or brought nothing new: nobody is woken.
    """
    if report is None:
        raise AirflowSkipException("This source of job ids is not configured.")
    counts = told(name, asdict(report))
    if not counts["added"]:
        raise AirflowSkipException(f"There are no new job ids. {sentence(name, counts)}")
    get_current_context()["outlet_events"][LEDGER].extra = counts
    return counts


def lake_event(
    status: Status,
    queried: Iterable[dict[str, Any]] = (),
    flattened: Iterable[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Returns what an event of the lake tells: counts, no ids.

    Args:
        status: Where everything stands.
        queried: Reports of what was asked for in this run.
        flattened: Reports of what was flattened in this run.
    """
    return {
        **standing(status),
        "rows": status.rows,
        "queried": add_up(queried),
        "flattened": add_up(flattened),
    }


def warehouse_event(
    status: Status, loaded: dict[str, Any], published: dict[str, Any]
) -> dict[str, Any]:
    """Returns what an event of the warehouse tells: the version, and counts.

    Args:
        status: Where everything stands after the publish.
        loaded: The report of the load.
        published: The report of the publish.
    """
    return {**published, **standing(status), "rows": loaded["rows"]}


def standing(status: Status) -> dict[str, Any]:
    """Returns what waits, and what is in quarantine: of both events, and of the metrics.

    `lag_seconds` is the age of the oldest final reply that is not published, `quarantine` counts
    parts by reason and `quarantined` all of them.
    """
    return {
        "pending": status.pending,
        "expiring": status.expiring,
        "waiting_batches": status.waiting_batches,
        "lag_seconds": round(status.lag_seconds, 1),
        "quarantined": sum(status.quarantine.values()),
        "quarantine": status.quarantine,
    }


def share_out(items: Sequence[str]) -> list[list[str]]:
    """Returns the items in order, one to a list as long as `MAX_MAPPED` lists are enough."""
    size = max(1, -(-len(items) // MAX_MAPPED))
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


def count(shares: Iterable[Sequence[str]]) -> int:
    """Returns how many items some shares hold."""
    return sum(map(len, shares))


def add_up(reports: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Returns the sums of the reports' counts, and of their counts by name; the rest is dropped."""
    counts: Counter[str] = Counter()
    by_name: dict[str, Counter[str]] = {}
    for report in reports:
        for key, value in report.items():
            if isinstance(value, dict):
                by_name.setdefault(key, Counter()).update(value)
            elif isinstance(value, int | float):
                counts[key] += value  # type: ignore[assignment]  # seconds are a float
    return {**counts, **{key: dict(sums) for key, sums in by_name.items()}}
