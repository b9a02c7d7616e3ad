"""Keeps lake and warehouse in order, once a day.

| task | does |
|---|---|
| `compact` | makes few big files of the many small ones of months that are over |
| `prune` | takes away published versions beyond the newest, and what publishes have left behind |
| `expiry` | warns of pending jobs that IMS is about to delete |
| `clean` | removes what dead writers left; makes one ledger file of the many of a source's day |

The tasks do not wait for each other, and no row changes. The published version always stays.

**The form.** Each step can be left out; `keep_versions` stands in for `COGNITION_KEEP_VERSIONS`;
`dry_run` tells what would be done and does nothing.

**Run it again at any time.** A second run finds nothing left to do.

**When it fails.** What was there stays, and the next day's run goes on. `expiry` warns and does not
fail: its warnings are in its log and go to `COGNITION_NOTIFY_CONN_ID`.

**Settings.** `COGNITION_MAINTENANCE_SCHEDULE` is the schedule (default `@daily`; empty: by hand
only). `compact` holds the whole pool `lake_writer`, so that no batch is written beside it, `prune`
the pool `duckdb_writer` (`python -m transforms.airflow_provider.create_pools`).
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from transforms.airflow_provider.forms import count_param, switch_param
from transforms.airflow_provider.notifier import notify_unfinished
from transforms.airflow_provider.pools import ALL_LAKE_SLOTS, DUCKDB_WRITER, LAKE_WRITER
from transforms.airflow_provider.telling import told
from transforms.airflow_provider.wiring import DEFAULTS, maintenance_schedule
from transforms.settings import Settings


@dag(
    schedule=maintenance_schedule(),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    default_args=DEFAULTS,
    on_failure_callback=notify_unfinished,
    description="Compacts and cleans the lake, keeps few versions, warns of expiring jobs.",
    doc_md=__doc__,
    tags=["cognition", "maintenance"],
    params={
        "compact": switch_param(
            "Compact", "Merge the small files of months that are over.", default=True
        ),
        "prune": switch_param(
            "Prune", "Take away published versions beyond the newest.", default=True
        ),
        "expiry": switch_param("Expiry", "Warn of jobs that are about to expire.", default=True),
        "clean": switch_param(
            "Clean", "Remove what dead writers left; merge ledger files.", default=True
        ),
        "keep_versions": count_param(
            "Versions to keep",
            "Published versions, the current one included. Empty: COGNITION_KEEP_VERSIONS.",
            most=100,
        ),
        "dry_run": switch_param(
            "Dry run", "Tell what would be done and do nothing.", default=False
        ),
    },
)
def maintain_lake() -> None:
    """Wires the steps, which do not wait for each other."""

    @task(pool=LAKE_WRITER, pool_slots=ALL_LAKE_SLOTS, execution_timeout=timedelta(hours=6))
    def compact() -> dict[str, Any]:
        """Makes few big files of the many small ones of months that are over."""
        from transforms import maintenance
        from transforms.airflow_provider.upkeep import require_chosen

        dry_run = require_chosen("compact")["dry_run"]
        return told("compact", asdict(maintenance.compact_lake(Settings(), dry_run=dry_run)))

    @task(pool=DUCKDB_WRITER)
    def prune() -> dict[str, Any]:
        """Takes away published versions beyond the newest, and what publishes have left behind."""
        from transforms import maintenance
        from transforms.airflow_provider.upkeep import require_chosen, tell_prune

        params = require_chosen("prune")
        keep, dry_run = params["keep_versions"], params["dry_run"]
        return tell_prune(maintenance.prune_versions(Settings(), keep=keep, dry_run=dry_run))

    @task
    def expiry() -> dict[str, Any]:
        """Warns of pending jobs that are about to be lost."""
        from transforms import maintenance
        from transforms.airflow_provider.upkeep import require_chosen, tell_expiry

        dry_run = require_chosen("expiry")["dry_run"]
        return tell_expiry(maintenance.report_expiry(Settings()), notify=not dry_run)

    @task
    def clean() -> dict[str, Any]:
        """Removes what dead writers left; merges the ledger files of days that are over."""
        from transforms import maintenance
        from transforms.airflow_provider.upkeep import require_chosen

        dry_run = require_chosen("clean")["dry_run"]
        return told("clean", asdict(maintenance.clean(Settings(), dry_run=dry_run)))

    compact()
    prune()
    expiry()
    clean()


maintain_lake()
