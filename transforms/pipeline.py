"""The flow, step by step: what the command line and the DAG tasks call.

`ledger -> source -> raw -> validate -> flatten -> lake -> warehouse`. Each step can be run again at
any time and then finds nothing left to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import reduce
from pathlib import Path

import pyarrow as pa

from transforms import lake, ledger, raw, warehouse
from transforms.commit import commit_raw_file, make_plan
from transforms.contract import Contracts, load_contracts
from transforms.errors import ConfigurationError
from transforms.reports import (
    FlattenReport,
    ImportReport,
    IngestReport,
    Progress,
    Status,
    no_progress,
)
from transforms.saved import open_saved, read_saved
from transforms.settings import Settings, SourceSettings
from transforms.source import CognitionSource, Reply, Unanswered, is_final, reply_status
from transforms.status import read_status
from transforms.storage import Storage
from transforms.warehouse import LoadReport, checks
from transforms.warehouse import publish as publishing
from transforms.warehouse.checks import CheckReport
from transforms.warehouse.publish import PublishReport


@dataclass(frozen=True, slots=True)
class WarehouseReport:
    """What loading did: rows, checks and the published version."""

    load: LoadReport
    checks: CheckReport
    publish: PublishReport


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a whole run did."""

    ingest: IngestReport
    flatten: FlattenReport
    warehouse: WarehouseReport


def run(
    settings: Settings, source: SourceSettings, *, progress: Progress = no_progress
) -> RunReport:
    """Runs the whole flow: from the ledger to the published warehouse."""
    return RunReport(
        ingest(settings, source, progress=progress),
        flatten(settings, progress=progress),
        load(settings, progress=progress),
    )


def ingest(
    settings: Settings, source: SourceSettings, *, progress: Progress = no_progress
) -> IngestReport:
    """Asks the service for every pending job and lands the final replies in raw."""
    storage = lake.open_lake(settings.lake_root, create=True)
    known, pending = _known_and_pending(storage)
    report = _query(storage, settings, source, pending, progress)
    return replace(report, known=len(known), pending=len(pending))


def pending_batches(settings: Settings, *, size: int) -> list[list[str]]:
    """Returns the pending job ids in lists of at most `size`."""
    storage = lake.open_lake(settings.lake_root, create=True)
    _, pending = _known_and_pending(storage)
    return [pending[start : start + size] for start in range(0, len(pending), size)]


def query_batch(
    settings: Settings,
    source: SourceSettings,
    job_ids: Sequence[str],
    *,
    progress: Progress = no_progress,
) -> IngestReport:
    """Asks the service for some jobs; those landed meanwhile are not asked for again."""
    storage = lake.open_lake(settings.lake_root, create=True)
    landed = {row.job_id for row in raw.read_index(storage)}
    pending = [job for job in job_ids if job not in landed]
    return _query(storage, settings, source, pending, progress)


def import_replies(
    settings: Settings, files: Sequence[Path], *, job_id: str | None = None
) -> ImportReport:
    """Lands saved replies: final ones that are not there yet, byte for byte.

    Args:
        settings: Where the lake lies.
        files: JSON files, one reply each.
        job_id: Job of the one file; else the file's own JobId, else its stem.

    Raises:
        ConfigurationError: A file cannot be read or is no reply; nothing was written.
    """
    if job_id is not None and len(files) != 1:
        raise ConfigurationError("--job-id names the job of one file: give one file at a time")
    saved = [read_saved(file, job_id) for file in files]
    storage = lake.open_lake(settings.lake_root, create=True)
    newest = raw.newest_rows(raw.read_index(storage))
    held = {(row.job_id, row.body_sha256) for row in newest.values()}
    fresh = {(s.job_id, s.sha256): s for s in saved if (s.job_id, s.sha256) not in held}
    final = [reply for reply in fresh.values() if reply.is_final]
    return ImportReport(
        landed=len(final),
        unchanged=len(saved) - len(fresh),
        skipped=tuple(reply.job_id for reply in fresh.values() if not reply.is_final),
        raw_files=tuple(raw.write_raw(storage, open_saved(final), settings.batch_bytes)),
    )


def flatten(settings: Settings, *, progress: Progress = no_progress) -> FlattenReport:
    """Makes every batch of the lake what raw and the schemas say it should be."""
    storage, contracts = lake.open_lake(settings.lake_root), _contracts(settings)
    plan = make_plan(storage, contracts)
    for commit in plan.gone:
        lake.retract(storage, commit)
    reports = [FlattenReport(unchanged=plan.unchanged, retracted=len(plan.gone))]
    for done, raw_file in enumerate(plan.stale):
        progress("flatten", done, len(plan.stale))
        limit = settings.max_blob_bytes
        reports.append(commit_raw_file(storage, contracts, raw_file, plan, max_blob_bytes=limit))
    progress("flatten", len(plan.stale), len(plan.stale))
    return reduce(_add, reports)


def load(settings: Settings, *, progress: Progress = no_progress) -> WarehouseReport:
    """Loads committed batches, checks them and publishes the warehouse."""
    loaded = load_batches(settings, progress=progress)
    checked = run_checks(settings)
    return WarehouseReport(loaded, checked, publish(settings))


def load_batches(settings: Settings, *, progress: Progress = no_progress) -> LoadReport:
    """Brings the loader's own DuckDB file to the committed batches."""
    storage, contracts = lake.open_lake(settings.lake_root), _contracts(settings)
    return warehouse.load_batches(storage, contracts, settings.warehouse_dir, progress)


def run_checks(settings: Settings) -> CheckReport:
    """Runs all checks on what was loaded.

    Raises:
        ChecksFailedError: A check of severity `fail` found rows; nothing may be published.
    """
    return checks.run_checks(_contracts(settings), settings.warehouse_dir)


def publish(settings: Settings) -> PublishReport:
    """Swaps the checked build in as the published warehouse."""
    return publishing.publish(settings.warehouse_dir, settings.keep_versions)


def query(settings: Settings, sql: str) -> pa.Table:
    """Answers SQL from the published warehouse, read-only."""
    return warehouse.query_published(settings.warehouse_dir, sql)


def status(settings: Settings) -> Status:
    """Tells where everything stands."""
    return read_status(settings)


def stale_batches(settings: Settings) -> list[str]:
    """Returns the raw files whose batch is absent or out of date."""
    storage = lake.open_lake(settings.lake_root, create=True)
    return list(make_plan(storage, _contracts(settings)).stale)


def retract_gone(settings: Settings) -> int:
    """Takes out batches whose raw file is no more; returns how many."""
    storage = lake.open_lake(settings.lake_root, create=True)
    gone = make_plan(storage, _contracts(settings)).gone
    for commit in gone:
        lake.retract(storage, commit)
    return len(gone)


def flatten_batch(settings: Settings, raw_file: str) -> FlattenReport:
    """Flattens one raw file and commits its batch."""
    storage, contracts = lake.open_lake(settings.lake_root), _contracts(settings)
    plan = make_plan(storage, contracts)
    if raw_file not in plan.inputs:
        raise ConfigurationError(f"{raw_file} is no raw file of {settings.lake_root}")
    limit = settings.max_blob_bytes
    return commit_raw_file(storage, contracts, raw_file, plan, max_blob_bytes=limit)


def _contracts(settings: Settings) -> Contracts:
    return load_contracts(settings.schemas)


def _known_and_pending(storage: Storage) -> tuple[list[str], list[str]]:
    known = ledger.read_ledger(storage)
    landed = {row.job_id for row in raw.read_index(storage)}
    return known, [job for job in known if job not in landed]


def _query(
    storage: Storage,
    settings: Settings,
    source_settings: SourceSettings,
    job_ids: Sequence[str],
    progress: Progress,
) -> IngestReport:
    by_status: Counter[str] = Counter()
    unanswered: list[str] = []
    landed: list[str] = []

    def final_replies(answers: Iterable[Reply | Unanswered]) -> Iterator[Reply]:
        for done, answer in enumerate(answers, start=1):
            progress("source", done, len(job_ids))
            if isinstance(answer, Unanswered):
                unanswered.append(str(answer.error))
                continue
            by_status[_status_of(answer)] += 1
            if answer.error_code is not None or is_final(answer.body):
                landed.append(answer.job_id)
                yield answer

    progress("source", 0, len(job_ids))
    with CognitionSource(source_settings) as source:
        answers = source.query_all(job_ids)
        files = tuple(raw.write_raw(storage, final_replies(answers), settings.batch_bytes))
        counters = source.counters
    queried = sum(by_status.values()) + len(unanswered)
    return IngestReport(
        known=len(job_ids),
        pending=len(job_ids),
        queried=queried,
        by_status=dict(by_status),
        landed=len(landed),
        unanswered=len(unanswered),
        calls=counters.calls,
        retries=counters.retries,
        throttled=counters.throttled,
        raw_files=files,
        unanswered_reason=unanswered[-1] if unanswered else None,
    )


def _status_of(reply: Reply) -> str:
    if reply.error_code is not None:
        return "Rejected"
    return reply_status(reply.body) or "Malformed"


def _add(left: FlattenReport, right: FlattenReport) -> FlattenReport:
    """Adds two reports field by field."""
    rows = dict(Counter(left.rows) + Counter(right.rows))
    names = [field.name for field in fields(left) if field.name != "rows"]
    return FlattenReport(rows=rows, **{n: getattr(left, n) + getattr(right, n) for n in names})
