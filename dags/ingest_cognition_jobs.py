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

**Run it again at any time.** Nothing is remembered between runs: what is pending, stale or not
yet loaded is derived from the data. A run with nothing to do ends green with skipped tasks.

**When it fails.** A job that IMS rejects is recorded and never fails a task. A task fails at once
if IMS refuses *us* (key, permission, region) or a setting is wrong; anything else is retried.

**When it runs.** By `COGNITION_SCHEDULE` (default `@hourly`; empty: by hand only), and whenever the
asset `cognition_ledger` says that there are new ids: `collect_job_ids` found some, or the ledger is
watched (`COGNITION_WATCH_SECONDS`; needs Airflow's triggerer).

**Settings.** `COGNITION_*` in the environment; the connection `alibaba_ims_default` says how to
reach IMS. The pools `ims_api` and `lake_writer` must exist
(`python -m transforms.airflow_provider.create_pools`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from typing import Any, cast

from airflow.sdk import Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from transforms.airflow_provider import lineage
from transforms.airflow_provider.forms import job_ids_param, typed_ids
from transforms.airflow_provider.metrics import gauge_report
from transforms.airflow_provider.pools import ALL_LAKE_SLOTS, IMS_API, LAKE_WRITER
from transforms.airflow_provider.telling import log_report, told
from transforms.airflow_provider.wiring import (
    DEFAULTS,
    LAKE,
    MAX_MAPPED,
    count,
    lake_event,
    on_time_or_new_ids,
    share_out,
    standing,
)
from transforms.settings import Settings


@dag(
    schedule=on_time_or_new_ids(os.environ.get("COGNITION_SCHEDULE", "@hourly")),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    default_args=DEFAULTS,
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
            maximum=10_000,
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
        from transforms import pipeline

        params = get_current_context()["params"]
        added = pipeline.add_jobs(Settings(), typed_ids(params["job_ids"]), "form")
        batches = pipeline.pending_batches(Settings(), size=params["jobs_per_task"])
        now = batches[:MAX_MAPPED]
        log_report("ledger", {"typed": added, "pending": count(batches), "asked": count(now)})
        return now

    @task(pool=IMS_API, map_index_template="{{ label }}")
    def source(job_ids: list[str]) -> dict[str, Any]:
        """Asks IMS for one batch of ids and lands the final replies in raw."""
        from transforms import pipeline
        from transforms.airflow_provider.hook import source_settings

        _label(job_ids)
        return told("source", asdict(pipeline.query_batch(Settings(), source_settings(), job_ids)))

    @task(pool=LAKE_WRITER, pool_slots=ALL_LAKE_SLOTS, trigger_rule="none_failed")
    def stale() -> list[list[str]]:
        """Lists the raw files to flatten; takes out batches whose raw file is no more."""
        from transforms import pipeline

        batches = pipeline.prepare_flatten(Settings())
        log_report("stale", {"batches": len(batches)})
        return share_out(batches)

    @task(pool=LAKE_WRITER, map_index_template="{{ label }}")
    def flatten(raw_files: list[str]) -> dict[str, Any]:
        """Validates and flattens raw files; commits each as one batch."""
        from transforms import pipeline

        _label(raw_files)
        flattened = told("flatten", asdict(pipeline.flatten_batches(Settings(), raw_files)))
        lineage.tell_flattened(Settings(), flattened)
        return flattened

    @task(pool=LAKE_WRITER, trigger_rule="none_failed")
    def subtitles() -> dict[str, Any]:
        """Archives subtitle files before their links die, and flattens the batches they change."""
        from transforms import pipeline

        if not get_current_context()["params"]["fetch_subtitles"]:
            raise AirflowSkipException("Set fetch_subtitles to archive subtitle files.")
        fetched = told("subtitles", asdict(pipeline.fetch_subtitles(Settings())))
        changed = pipeline.stale_batches(Settings())
        flattened = told("flatten", asdict(pipeline.flatten_batches(Settings(), changed)))
        lineage.tell_flattened(Settings(), flattened)
        return fetched | {"flattened": flattened}

    @task(outlets=[LAKE], trigger_rule="none_failed")
    def publish_lake(
        queried: Iterable[dict[str, Any]] | None,
        flattened: Iterable[dict[str, Any]] | None,
    ) -> dict[str, Any]:
        """Tells that the lake holds what the warehouse does not, with the counts of this run."""
        from transforms import pipeline

        status = pipeline.status(Settings())
        gauge_report("lake", standing(status))
        if not status.waiting_batches:
            raise AirflowSkipException("The warehouse holds the lake as it is.")
        event = lake_event(status, queried or (), flattened or ())
        get_current_context()["outlet_events"][LAKE].extra = event
        return event

    # Any: a task is declared with the values it gets, and wired with references to them.
    queried: Any = source.expand(job_ids=ledger())
    raw_files = stale()
    queried >> raw_files
    flattened: Any = flatten.expand(raw_files=raw_files)
    archived = subtitles()
    flattened >> archived >> publish_lake(queried, flattened)


def _label(items: list[str]) -> None:
    """Names a mapped task in the UI by what it works on."""
    rest = f" and {len(items) - 1} more" if len(items) > 1 else ""
    cast("dict[str, Any]", get_current_context())["label"] = f"{items[0]}{rest}"


ingest_cognition_jobs()
