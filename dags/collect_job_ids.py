"""Collects job ids where they come from - a SQL query, a message queue - into the ledger.

The service cannot list jobs, so their ids must be fetched or sent. New ones wake
`ingest_cognition_jobs` through the asset `cognition_ledger`.

| task | does |
|---|---|
| `from_sql` | reads the rows that are new since the last look, by a watermark |
| `from_queue` | moves completion messages from the queue into the ledger |

**Run it again at any time.** The watermark is the greatest one in the ledger; a message is
acknowledged only once its id is in the ledger. An id that is known already is not added again.

**When it fails.** The ids stay where they are, and the next run takes them. Jobs in the ledger are
asked for all the same: the other DAG does not wait for this one. A source that is not configured is
skipped; one that is configured by half fails and names what is missing.

**Settings.** `COGNITION_LEDGER_SQL` and `COGNITION_LEDGER_SQL_CONN_ID`; `COGNITION_QUEUE_ENDPOINT`
and `COGNITION_QUEUE_NAME`. `COGNITION_COLLECT_SCHEDULE` is the schedule (default: every 15 minutes
where a source is configured; empty: by hand only). Ids also come as files in `ledger/`, by
`cognition listen`, `cognition add`, and the form of `ingest_cognition_jobs`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from transforms.airflow_provider.notifier import notify_unfinished
from transforms.airflow_provider.wiring import DEFAULTS, LEDGER, announce_ids, collect_schedule
from transforms.settings import Settings


@dag(
    schedule=collect_schedule(),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args=DEFAULTS,
    on_failure_callback=notify_unfinished,
    description="Collects job ids from SQL and messages into the ledger.",
    doc_md=__doc__,
    tags=["cognition", "ims"],
)
def collect_job_ids() -> None:
    """Wires the sources, which do not wait for each other."""

    @task(outlets=[LEDGER])
    def from_sql() -> dict[str, Any]:
        """Reads the job ids that are new in a database."""
        from transforms.airflow_provider.sql_ledger import fetch_job_ids

        return announce_ids("from_sql", fetch_job_ids(Settings()))

    @task(outlets=[LEDGER])
    def from_queue() -> dict[str, Any]:
        """Moves the job ids of completion messages from the queue into the ledger."""
        from transforms import pipeline
        from transforms.airflow_provider.hook import source_settings

        return announce_ids("from_queue", pipeline.drain(Settings(), source_settings()))

    from_sql()
    from_queue()


collect_job_ids()
