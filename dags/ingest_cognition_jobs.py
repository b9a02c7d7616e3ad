"""Asks IMS for every known job without a final reply, and turns the replies into Parquet tables.

`ledger -> source -> stale -> flatten -> subtitles -> publish_lake`

| task | does |
|---|---|
| `ledger` | adds the ids typed into the form, lists the pending ones in batches |
| `source` | asks IMS for one batch of ids and lands the final replies in `raw` |
| `stale` | lists the raw files whose batch is absent from the lake or out of date |
| `flatten` | validates and flattens raw files; commits each as one batch |
| `subtitles` | only with `fetch_subtitles`: archives subtitle files before their links die |
| `publish_lake` | wakes `load_warehouse`, if the warehouse does not hold the lake as it is |
| `report_failure` | fails the run if a task failed; skipped otherwise |

**Run it again at any time.** Nothing is remembered between runs: what is pending, stale or not
yet loaded is derived from the data. A run with nothing to do ends green with skipped tasks.

**When it fails.** A job that IMS rejects is recorded and never fails a task. A task fails at once
if IMS refuses *us* (key, permission, region) or a setting is wrong; anything else is retried. What
the other tasks did goes on to the warehouse all the same; the run is red.

**When it runs.** By `COGNITION_SCHEDULE` (default `@hourly`; empty: by hand only), and whenever the
asset `cognition_ledger` says that there are new ids: `collect_job_ids` found some, or the ledger is
watched (`COGNITION_WATCH_SECONDS`; needs Airflow's triggerer).

**Settings.** `COGNITION_*` in the environment; the connection `alibaba_ims_default` says how to
reach IMS. The pools `ims_api` and `lake_writer` must exist
(`python -m transforms.airflow_provider.create_pools`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task
from airflow.sdk.exceptions import AirflowFailException

from transforms.airflow_provider.forms import job_ids_param
from transforms.airflow_provider.notifier import notify_unfinished
from transforms.airflow_provider.pools import ALL_LAKE_SLOTS, IMS_API, LAKE_WRITER
from transforms.airflow_provider.wiring import DEFAULTS, LAKE, ingest_schedule


@dag(
    schedule=ingest_schedule(),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    default_args=DEFAULTS,
    on_failure_callback=notify_unfinished,
    description="Queries pending jobs and turns their replies into Parquet tables.",
    doc_md=__doc__,
    tags=["cognition", "ims"],
    params={
        "job_ids": job_ids_param("Job ids to add to the ledger before it is asked; one a line."),
        "jobs_per_task": Param(
            500,
            type="integer",
            title="Job ids per task",
            minimum=1,
            maximum=1000,
            description="Job ids one source task asks for: what a retry repeats at most.",
        ),
        "fetch_subtitles": Param(
            default=False,
            type="boolean",
            title="Fetch subtitles",
            description="Archive the subtitle files that results link to: asks other hosts.",
        ),
    },
)
def ingest_cognition_jobs() -> None:
    """Wires the flow from the ledger to the lake."""

    @task
    def ledger() -> list[list[str]]:
        """Lists the pending job ids in batches; more than Airflow can map wait for the next run."""
        from transforms.airflow_provider import ingest

        return ingest.list_pending()

    @task(pool=IMS_API, map_index_template="{{ label }}")
    def source(job_ids: list[str]) -> dict[str, Any]:
        """Asks IMS for one batch of ids and lands the final replies in raw."""
        from transforms.airflow_provider import ingest

        return ingest.ask(job_ids)

    @task(pool=LAKE_WRITER, pool_slots=ALL_LAKE_SLOTS, trigger_rule="all_done")
    def stale() -> list[list[str]]:
        """Lists the raw files to flatten; takes out batches whose raw file is no more."""
        from transforms.airflow_provider import ingest

        return ingest.list_stale()

    @task(pool=LAKE_WRITER, map_index_template="{{ label }}")
    def flatten(raw_files: list[str]) -> dict[str, Any]:
        """Validates and flattens raw files; commits each as one batch."""
        from transforms.airflow_provider import ingest

        return ingest.flatten(raw_files)

    @task(pool=LAKE_WRITER, trigger_rule="all_done")
    def subtitles() -> dict[str, Any]:
        """Archives subtitle files before their links die, and flattens the batches they change."""
        from transforms.airflow_provider import ingest

        return ingest.archive_subtitles()

    @task(outlets=[LAKE], trigger_rule="all_done")
    def publish_lake(
        queried: Iterable[dict[str, Any]] | None,
        flattened: Iterable[dict[str, Any]] | None,
    ) -> dict[str, Any]:
        """Tells that the lake holds what the warehouse does not, with the counts of this run."""
        from transforms.airflow_provider import ingest

        return ingest.announce(queried, flattened)

    @task(trigger_rule="one_failed", on_failure_callback=None)
    def report_failure() -> None:
        """Fails the run if a task did: the others go on with what there is."""
        raise AirflowFailException("A task of this run failed: see its log.")

    # Any: a task is declared with the values it gets, and wired with references to them.
    queried: Any = source.expand(job_ids=ledger())
    raw_files = stale()
    queried >> raw_files
    flattened: Any = flatten.expand(raw_files=raw_files)
    archived, published, failed = subtitles(), publish_lake(queried, flattened), report_failure()
    flattened >> archived >> published
    [queried, raw_files, flattened, archived, published] >> failed


ingest_cognition_jobs()
