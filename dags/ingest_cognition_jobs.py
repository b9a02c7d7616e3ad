"""Asks IMS for every known job without a final reply, and turns the replies into Parquet tables.

`ledger -> source -> stale -> flatten -> subtitles -> publish_lake`

| task | does |
|---|---|
| `ledger` | lists the pending job ids, in batches |
| `source` | asks IMS for one batch of ids and lands the final replies in `raw` |
| `stale` | lists the raw files whose batch is absent from the lake or out of date |
| `flatten` | validates and flattens raw files; commits each as one batch |
| `subtitles` | only with `fetch_subtitles`: archives subtitle files before their links die |
| `publish_lake` | wakes `load_warehouse`, if the warehouse does not hold the lake as it is |

**Run it again at any time.** Nothing is remembered between runs: what is pending, stale or not
yet loaded is derived from the data. A run with nothing to do ends green with skipped tasks.

**When it fails.** A job that IMS rejects is recorded and never fails a task. A task fails at once
if IMS refuses *us* (key, permission, region) or a setting is wrong; anything else is retried.

**Settings.** `COGNITION_*` in the environment; the connection `alibaba_ims_default` says how to
reach IMS. `COGNITION_SCHEDULE` is the schedule (default `@hourly`; empty: by hand only). The pool
`ims_api` must exist (`airflow pools set ims_api 1 IMS`); its slots times the rate is what the
account sees.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from typing import Any, cast

from airflow.sdk import Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from transforms.airflow_provider.pools import IMS_API
from transforms.airflow_provider.wiring import DEFAULTS, LAKE, MAX_MAPPED, add_up, share_out
from transforms.settings import Settings


@dag(
    schedule=os.environ.get("COGNITION_SCHEDULE", "@hourly") or None,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    default_args=DEFAULTS,
    description="Queries pending jobs and turns their replies into Parquet tables.",
    doc_md=__doc__,
    tags=["cognition", "ims"],
    params={
        "jobs_per_task": Param(
            500,
            type="integer",
            minimum=1,
            maximum=10_000,
            description="Job ids one source task asks for: what a retry repeats at most.",
        ),
        "fetch_subtitles": Param(
            default=False,
            type="boolean",
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

        size = get_current_context()["params"]["jobs_per_task"]
        return pipeline.pending_batches(Settings(), size=size)[:MAX_MAPPED]

    @task(pool=IMS_API, map_index_template="{{ label }}")
    def source(job_ids: list[str]) -> dict[str, Any]:
        """Asks IMS for one batch of ids and lands the final replies in raw."""
        from transforms import pipeline
        from transforms.airflow_provider.hook import source_settings

        _label(job_ids)
        return asdict(pipeline.query_batch(Settings(), source_settings(), job_ids))

    @task(trigger_rule="none_failed")
    def stale() -> list[list[str]]:
        """Lists the raw files to flatten; takes out batches whose raw file is no more."""
        from transforms import pipeline

        pipeline.retract_gone(Settings())
        return share_out(pipeline.stale_batches(Settings()))

    @task(map_index_template="{{ label }}", max_active_tis_per_dagrun=4)
    def flatten(raw_files: list[str]) -> dict[str, Any]:
        """Validates and flattens raw files; commits each as one batch."""
        from transforms import pipeline

        _label(raw_files)
        return asdict(pipeline.flatten_batches(Settings(), raw_files))

    @task(trigger_rule="none_failed")
    def subtitles() -> dict[str, Any]:
        """Archives subtitle files before their links die, and flattens the batches they change."""
        from transforms import pipeline

        if not get_current_context()["params"]["fetch_subtitles"]:
            raise AirflowSkipException("Set fetch_subtitles to archive subtitle files.")
        fetched = asdict(pipeline.fetch_subtitles(Settings()))
        changed = pipeline.stale_batches(Settings())
        return fetched | {"flattened": asdict(pipeline.flatten_batches(Settings(), changed))}

    @task(outlets=[LAKE], trigger_rule="none_failed")
    def publish_lake(
        queried: Iterable[dict[str, Any]] | None,
        flattened: Iterable[dict[str, Any]] | None,
    ) -> dict[str, Any]:
        """Tells that the lake holds what the warehouse does not, with the counts of this run."""
        from transforms import pipeline

        waiting = pipeline.status(Settings()).waiting_batches
        if not waiting:
            raise AirflowSkipException("The warehouse holds the lake as it is.")
        counts: dict[str, Any] = {
            "waiting_batches": waiting,
            "queried": add_up(queried or ()),
            "flattened": add_up(flattened or ()),
        }
        get_current_context()["outlet_events"][LAKE].extra = counts
        return counts

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
