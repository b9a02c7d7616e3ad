"""What the tasks of `ingest_cognition_jobs` do: call the pipeline, tell what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, cast

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from transforms import pipeline
from transforms.airflow_provider import lineage
from transforms.airflow_provider.forms import typed_ids
from transforms.airflow_provider.hook import source_settings
from transforms.airflow_provider.metrics import gauge_report
from transforms.airflow_provider.telling import log_report, told
from transforms.airflow_provider.wiring import (
    LAKE,
    MAX_MAPPED,
    count,
    lake_event,
    share_out,
    standing,
)
from transforms.settings import Settings


def list_pending() -> list[list[str]]:
    """Adds the ids typed into the form; returns as many pending ones as a run may ask for."""
    params = get_current_context()["params"]
    added = pipeline.add_jobs(Settings(), typed_ids(params["job_ids"]), "form")
    batches = pipeline.pending_batches(Settings(), size=params["jobs_per_task"])
    now = batches[:MAX_MAPPED]
    log_report("ledger", {"typed": added, "pending": count(batches), "asked": count(now)})
    return now


def ask(job_ids: list[str]) -> dict[str, Any]:
    """Asks IMS for some jobs, and tells the counts also where it ends early.

    Raises:
        RetryableError: Not one was answered, or the service stopped answering.
        FatalError: The service refused us, or a setting is wrong.
    """
    _label(job_ids)
    report = pipeline.query_batch(Settings(), source_settings(), job_ids)
    counts = told("source", asdict(report))
    pipeline.require_answers(report)
    return counts


def list_stale() -> list[list[str]]:
    """Makes way for those who flatten; returns the raw files, shared out."""
    batches = pipeline.prepare_flatten(Settings())
    log_report("stale", {"batches": len(batches)})
    return share_out(batches)


def flatten(raw_files: list[str]) -> dict[str, Any]:
    """Flattens some raw files and emits their lineage."""
    _label(raw_files)
    flattened = told("flatten", asdict(pipeline.flatten_batches(Settings(), raw_files)))
    lineage.tell_flattened(Settings(), flattened)
    return flattened


def archive_subtitles() -> dict[str, Any]:
    """Archives subtitle files and flattens the batches they change.

    Raises:
        AirflowSkipException: It was not asked for.
    """
    if not get_current_context()["params"]["fetch_subtitles"]:
        raise AirflowSkipException("Set fetch_subtitles to archive subtitle files.")
    fetched = told("subtitles", asdict(pipeline.fetch_subtitles(Settings())))
    changed = pipeline.stale_batches(Settings())
    flattened = told("flatten", asdict(pipeline.flatten_batches(Settings(), changed)))
    lineage.tell_flattened(Settings(), flattened)
    return fetched | {"flattened": flattened}


def announce(
    queried: Iterable[dict[str, Any]] | None, flattened: Iterable[dict[str, Any]] | None
) -> dict[str, Any]:
    """Returns the event of the lake that a run ends with, which wakes the loader.

    A batch that could not be made waits, too, but there is nothing to load of it.

    Args:
        queried: What `ask` returned, of each task; None where there was nothing to ask.
        flattened: What `flatten` returned, likewise.

    Raises:
        AirflowSkipException: The warehouse holds the lake as it is.
    """
    status = pipeline.status(Settings())
    gauge_report("lake", standing(status))
    if status.waiting_batches <= status.stale_batches and not status.waiting_aliases:
        raise AirflowSkipException("The warehouse holds the lake as it is.")
    event = lake_event(status, queried or (), flattened or ())
    get_current_context()["outlet_events"][LAKE].extra = event
    return event


def _label(items: list[str]) -> None:
    """Names a mapped task in the UI by what it works on."""
    rest = f" and {len(items) - 1} more" if len(items) > 1 else ""
    cast("dict[str, Any]", get_current_context())["label"] = f"{items[0]}{rest}"
