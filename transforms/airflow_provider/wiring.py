"""What both DAGs share: the assets, how a failed task is treated, and how work is shared out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, ExceptionRetryPolicy, RetryAction, RetryRule

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
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
    "retry_policy": FAIL_WHAT_CANNOT_HEAL,
    "execution_timeout": timedelta(hours=2),
}

MAX_MAPPED = 200
"""Mapped tasks of one run: Airflow refuses more than 1,024, and starts about three a second."""


def share_out(items: Sequence[str]) -> list[list[str]]:
    """Returns the items in order, one to a list as long as `MAX_MAPPED` lists are enough."""
    size = max(1, -(-len(items) // MAX_MAPPED))
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


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
