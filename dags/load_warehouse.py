"""Loads the lake's committed batches into DuckDB, checks the tables, and publishes them.

Runs when `ingest_cognition_jobs` says that the lake holds something new.

`load -> check -> publish`

| task | does |
|---|---|
| `load` | loads new and changed batches into `build.duckdb`, one transaction each |
| `check` | runs `sql/checks/`; a failing check of severity `fail` stops here |
| `publish` | swaps a new `warehouse.duckdb` in; readers of the old one keep it |

**Readers** open `warehouse.duckdb` read-only. They never block a load and never see half of one.

**When it fails.** The published file stays as it was. A failed check is not retried: its message
names the check and the rows; correct the cause and clear the task. So it is where a greater share
of jobs than `COGNITION_MAX_QUARANTINE_SHARE` is in quarantine. `COGNITION_NOTIFY_CONN_ID` names a
connection that is told. Each run of `ingest_cognition_jobs` wakes this one again as long as the
warehouse is behind the lake.

**When a version is held.** After `cognition rollback` all tasks go on and succeed, and `publish`
says that it left the held version in place, until `cognition rollback --release`.

**What it tells.** A line in the log of each task; an event of `cognition_warehouse` with version,
rows, quarantine and lag; metrics `cognition.*` and OpenLineage events where Airflow sends them.

**Settings.** `COGNITION_*` in the environment say where lake and warehouse lie. All tasks hold the
pool `duckdb_writer`, which must exist (`python -m transforms.airflow_provider.create_pools`).
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from airflow.sdk import dag, get_current_context, task

from transforms.airflow_provider import lineage
from transforms.airflow_provider.metrics import gauge_report
from transforms.airflow_provider.notifier import notify_unfinished
from transforms.airflow_provider.pools import DUCKDB_WRITER
from transforms.airflow_provider.telling import told
from transforms.airflow_provider.wiring import (
    DEFAULTS,
    LAKE,
    WAREHOUSE,
    standing,
    warehouse_event,
)
from transforms.settings import Settings


@dag(
    schedule=[LAKE],
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    default_args={**DEFAULTS, "pool": DUCKDB_WRITER},
    on_failure_callback=notify_unfinished,
    description="Loads the lake into DuckDB, checks it and publishes it.",
    doc_md=__doc__,
    tags=["cognition", "duckdb"],
)
def load_warehouse() -> None:
    """Wires the flow from the lake to the published warehouse."""

    @task(inlets=[LAKE])
    def load() -> dict[str, Any]:
        """Loads new and changed batches into the build file, one transaction each."""
        from transforms import pipeline

        return told("load", asdict(pipeline.load_batches(Settings())))

    @task
    def check() -> dict[str, Any]:
        """Runs the checks on the build file; a failing one stops the publish."""
        from transforms import pipeline

        return told("check", asdict(pipeline.run_checks(Settings())))

    @task(outlets=[WAREHOUSE])
    def publish(loaded: dict[str, Any]) -> dict[str, Any]:
        """Swaps the new file in and tells its version, rows, quarantine and lag."""
        from transforms import pipeline

        settings = Settings()
        published = told("publish", asdict(pipeline.publish(settings)))
        stands = pipeline.status(settings)
        gauge_report("lake", standing(stands))
        event = get_current_context()["outlet_events"][WAREHOUSE]
        event.extra = warehouse_event(stands, loaded, published)
        lineage.tell_published(settings, loaded, published)
        return published

    # Any: a task is declared with the values it gets, and wired with references to them.
    loaded: Any = load()
    loaded >> check() >> publish(loaded)


load_warehouse()
