"""Flattens jobs of the lake again with today's schemas, and tells which rows that changes.

Started by hand, after a schema was amended (`COGNITION_SCHEMAS`) or to bring jobs out of
quarantine. IMS is not asked: `raw` is read again.

`replay -> publish_lake`

| task | does |
|---|---|
| `replay` | makes the batches of the chosen jobs again; leaves one that comes out as it was |
| `publish_lake` | wakes `load_warehouse`, if there is something new to load |

**The form.** `job_ids`, `types`, `since` and `quarantined_only` narrow the choice down together;
`everything` stands for all jobs. `dry_run` is **on** unless switched off: the first run tells rows
added, removed and changed by table, and writes nothing; the second one does it.

**Run it again at any time.** A second replay finds nothing to change.

**When it fails.** A form that selects nothing, or everything and a part of it, fails at once and
says what to choose. What would take a column, a table or a type from rows that are there is refused
before anything is written. A task that dies is tried again and goes on with what is left.

**Settings.** `COGNITION_*` in the environment. `replay` holds the whole pool `lake_writer`, so that
no batch is written beside it (`python -m transforms.airflow_provider.create_pools`).
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import dag, get_current_context, task

from transforms.airflow_provider.forms import (
    job_ids_param,
    read_selection,
    since_param,
    switch_param,
    types_param,
)
from transforms.airflow_provider.notifier import notify_unfinished
from transforms.airflow_provider.pools import ALL_LAKE_SLOTS, LAKE_WRITER
from transforms.airflow_provider.wiring import DEFAULTS, LAKE
from transforms.settings import Settings


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=24),
    default_args=DEFAULTS,
    on_failure_callback=notify_unfinished,
    description="Flattens chosen jobs again with today's schemas.",
    doc_md=__doc__,
    tags=["cognition", "maintenance"],
    params={
        "job_ids": job_ids_param("Only these jobs; one id a line. Empty: any."),
        "types": types_param(
            "Only jobs with a result of one of these Types. Empty: any.",
            os.environ.get("COGNITION_SCHEMAS"),
        ),
        "since": since_param("Only jobs answered on this day (UTC) or later. Empty: any."),
        "quarantined_only": switch_param(
            "Quarantined only", "Only jobs with a part in quarantine.", default=False
        ),
        "everything": switch_param(
            "Everything", "All jobs; needed where nothing else is chosen.", default=False
        ),
        "dry_run": switch_param(
            "Dry run", "Tell what would change and write nothing.", default=True
        ),
    },
)
def replay_results() -> None:
    """Wires the replay to the lake's asset."""

    @task(
        pool=LAKE_WRITER,
        pool_slots=ALL_LAKE_SLOTS,
        execution_timeout=timedelta(hours=12),
    )
    def replay() -> dict[str, Any]:
        """Makes the batches of the chosen jobs again, or tells what that would change."""
        from transforms import maintenance
        from transforms.airflow_provider.upkeep import tell_replay

        params = get_current_context()["params"]
        selection = read_selection(params)
        return tell_replay(maintenance.replay(Settings(), selection, dry_run=params["dry_run"]))

    @task(outlets=[LAKE])
    def publish_lake(replayed: dict[str, Any]) -> dict[str, Any]:
        """Tells that the lake holds what the warehouse does not."""
        from transforms import pipeline
        from transforms.airflow_provider.upkeep import announce_replay

        return announce_replay(replayed, pipeline.status(Settings()))

    # Any: a task is declared with the values it gets, and wired with references to them.
    replayed: Any = replay()
    publish_lake(replayed)


replay_results()
