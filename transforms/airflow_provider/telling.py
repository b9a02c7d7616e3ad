"""Tells what a task did: a line in its log for people, numbers for the metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from transforms.airflow_provider.metrics import count_report

Report = Mapping[str, Any]

log = logging.getLogger(__name__)


def told(name: str, report: dict[str, Any]) -> dict[str, Any]:
    """Logs and counts what a task did, and returns it, for XCom.

    Args:
        name: Of the task.
        report: Its report as a dict: counts and names, nothing secret.
    """
    log_report(name, report)
    count_report(name, report)
    return report


def log_report(name: str, report: Report) -> None:
    """Logs a report in one line of the task's log."""
    log.info("%s", sentence(name, report))


def sentence(name: str, report: Report) -> str:
    """Returns a report in plain words; of a task without words of its own the numbers by name.

    >>> sentence("maintain_lake", {"merged": 3, "removed": 0, "bytes": 1500, "files": ["x"]})
    'maintain_lake: merged 3, bytes 1,500.'
    """
    return _SENTENCES[name](report) if name in _SENTENCES else _plainly(name, report)


def _source(report: Report) -> str:
    asked = f"{report['queried']:,} jobs queried ({_by_name(report['by_status']) or 'no answer'})"
    calls = f"{report['calls']:,} calls, {report['retries']:,} of them again"
    landed = f"{report['throttled']:,} throttled; {report['landed']:,} final replies landed"
    rest = [
        f"; {report[key]:,} {what}"
        for key, what in (
            ("expired", "recorded as expired"),
            ("unanswered", "got no answer and stay pending"),
        )
        if report.get(key)
    ]
    stopped = f" Stopped early: {why}" if (why := report.get("stopped_reason")) else ""
    return f"{asked}; {calls}, {landed}{''.join(rest)}.{stopped}"


def _flatten(report: Report) -> str:
    made = f"{report['batches']:,} batches of {report['jobs']:,} jobs, {_rows(report['rows'])}"
    aside = f"{report['quarantined']:,} parts in quarantine, {report['unmapped']:,} unmapped keys"
    size = f"{report['bytes'] / 1e6:,.1f} MB in {report['seconds']:,.1f} s"
    return f"Flattened {made}; {aside}; {size}; {report['unchanged']:,} were up to date."


def _load(report: Report) -> str:
    done = f"Loaded {len(report['loaded']):,} batches, replaced {len(report['replaced']):,}"
    left = f"removed {len(report['removed']):,}, left {report['unchanged']:,}"
    return f"{done}, {left}; the build holds {_rows(report['rows'])}."


def _check(report: Report) -> str:
    failed = ", ".join(f"{r['name']} ({r['rows']:,} rows)" for r in report["failed"])
    return f"{report['passed']:,} checks passed; warnings: {failed or 'none'}."


def _publish(report: Report) -> str:
    what = "Published" if report["changed"] else "Nothing changed; published stays"
    altered = " The file published before had been altered: open it read-only."
    return (
        f"{what} version {report['version']}, {report['bytes'] / 1e6:,.1f} MB."
        f"{altered if report['altered'] else ''}"
    )


_SENTENCES: dict[str, Callable[[Report], str]] = {
    "source": _source,
    "flatten": _flatten,
    "load": _load,
    "check": _check,
    "publish": _publish,
}


def _plainly(name: str, report: Report) -> str:
    return f"{name}: {', '.join(_numbers(report)) or 'nothing to do'}."


def _numbers(report: Report) -> Iterator[str]:
    for key, value in report.items():
        if isinstance(value, Mapping):
            if counts := _by_name(value):
                yield f"{key} ({counts})"
        elif isinstance(value, bool):
            yield from [key] * value
        elif isinstance(value, float):
            yield f"{key} {value:,.1f}"
        elif isinstance(value, int) and value:
            yield f"{key} {value:,}"


def _by_name(counts: Mapping[str, Any]) -> str:
    numbers = {name: n for name, n in counts.items() if isinstance(n, int) and n}
    return ", ".join(f"{name} {numbers[name]:,}" for name in sorted(numbers, key=_largest(numbers)))


def _largest(numbers: Mapping[str, int]) -> Callable[[str], tuple[int, str]]:
    return lambda name: (-numbers[name], name)


def _rows(rows: Mapping[str, int]) -> str:
    return f"{sum(rows.values()):,} rows in {sum(1 for n in rows.values() if n):,} tables"
