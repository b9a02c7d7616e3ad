"""Numbers of reports as metrics, through Airflow's own `Stats`: StatsD, Datadog or OpenTelemetry.

Nothing is sent unless Airflow's section `[metrics]` says where to. Names begin with `cognition.`
and hold no tags, so that every backend tells them apart: `cognition.source.by_status.Success`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow.sdk.observability import stats

PREFIX = "cognition"
_LEVELS = frozenset(
    {
        ("load", "rows"),
        ("load", "aliases"),
        ("load", "unchanged"),
        ("publish", "bytes"),
        ("expiry", "expiring"),
        ("expiry", "expired"),
    }
)
"""Fields of reports that say how much there is: gauges, where the others count what was done."""
_UNTOLD = frozenset({"known", "pending", "dry_run"})
"""What a task was given; how much there is of it in all is a gauge of the lake."""
_NAME_CHARACTERS = 60


def count_report(name: str, report: Mapping[str, Any]) -> None:
    """Counts what a task did, as `cognition.<name>.<field>`.

    Whole numbers are counters, a list counts its entries and a flag 1, counts by name are counters
    by name; seconds are a timer, in milliseconds as StatsD has them. Texts are left out. A dry
    run did nothing and is not counted; a task that is tried again did the work again.

    Args:
        name: Of the task, such as `flatten`.
        report: Its report as a dict.
    """
    if report.get("dry_run"):
        return
    for key, value in report.items():
        stat = f"{PREFIX}.{name}.{key}"
        if (name, key) in _LEVELS:
            _gauge(stat, value)
        elif key == "seconds":
            stats.timing(f"{PREFIX}.{name}.duration", float(value) * 1000)
        elif key not in _UNTOLD:
            _count(stat, value)


def gauge_report(name: str, levels: Mapping[str, Any]) -> None:
    """Tells how much there is, as gauges `cognition.<name>.<field>`; texts are left out.

    Args:
        name: Of what there is, such as `lake`.
        levels: Numbers, and numbers by name.
    """
    for key, value in levels.items():
        _gauge(f"{PREFIX}.{name}.{key}", value)


def _count(stat: str, value: object) -> None:
    if isinstance(value, Mapping):
        for part, count in value.items():
            if isinstance(count, int):
                stats.incr(f"{stat}.{_part(part)}", count)
    elif isinstance(value, int):
        stats.incr(stat, int(value))
    elif isinstance(value, list | tuple):
        stats.incr(stat, len(value))


def _gauge(stat: str, value: object) -> None:
    if isinstance(value, Mapping):
        for part, level in value.items():
            _gauge(f"{stat}.{_part(part)}", level)
    elif isinstance(value, int | float):
        stats.gauge(stat, value)


def _part(name: object) -> str:
    """Returns a name that may come from data as one part of a metric's name."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", str(name))[:_NAME_CHARACTERS] or "_"
