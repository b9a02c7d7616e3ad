"""The flow, step by step: what the command line and the DAG tasks call.

`ledger -> source -> raw -> validate -> flatten -> lake -> warehouse`. Each step can be run again at
any time and then finds nothing left to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import reduce
from pathlib import Path

import pyarrow as pa

from transforms import kept_tables, lake, ledger, raw, warehouse
from transforms import replay as replaying
from transforms.commit import Plan, commit_raw_file, make_plan
from transforms.contract import Contracts, load_contracts
from transforms.errors import ConfigurationError, RetryableError
from transforms.explain import explain as explain_row
from transforms.landing import land_answers
from transforms.path_counts import REPLY
from transforms.reports import (
    Explanation,
    FlattenReport,
    ImportReport,
    IngestReport,
    Progress,
    ReplayReport,
    Status,
    SubtitleReport,
    VerifyReport,
    no_progress,
)
from transforms.saved import import_saved, read_saved
from transforms.selection import Selection, type_names
from transforms.settings import Settings, SourceSettings
from transforms.status import read_status
from transforms.storage import Storage, without_secrets
from transforms.subtitles.collect import collect
from transforms.subtitles.fetch import INTERNET, Network
from transforms.verify import verify_lake
from transforms.warehouse import LoadReport, checks
from transforms.warehouse import publish as publishing
from transforms.warehouse.checks import CheckReport
from transforms.warehouse.publish import PublishReport

_DRIFT = """
SELECT * FROM drift
WHERE $types = '' OR list_contains(string_split($types, ','), type)
ORDER BY ALL
"""


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


@dataclass(frozen=True, slots=True)
class ReplayedReport:
    """What a replay did; the warehouse is left alone by a dry run and where nothing matched."""

    replay: ReplayReport
    warehouse: WarehouseReport | None


def run(
    settings: Settings, source: SourceSettings, *, progress: Progress = no_progress
) -> RunReport:
    """Runs the whole flow: from the ledger to the published warehouse.

    Raises:
        ConfigurationError: The schemas have no place for rows of the lake; nobody was asked.
    """
    kept_tables.require_compatible(Storage.at(settings.lake_root), _contracts(settings))
    return RunReport(
        ingest(settings, source, progress=progress),
        flatten(settings, progress=progress),
        load(settings, progress=progress),
    )


def ingest(
    settings: Settings, source: SourceSettings, *, progress: Progress = no_progress
) -> IngestReport:
    """Asks the service for every pending job and lands the final replies in raw."""
    storage, known, pending = _known_and_pending(settings)
    report = land_answers(storage, settings, source, pending, progress)
    return replace(report, known=len(known), pending=len(pending))


def pending_batches(settings: Settings, *, size: int) -> list[list[str]]:
    """Returns the pending job ids in lists of at most `size`."""
    _, _, pending = _known_and_pending(settings)
    return [pending[start : start + size] for start in range(0, len(pending), size)]


def query_batch(
    settings: Settings,
    source: SourceSettings,
    job_ids: Sequence[str],
    *,
    progress: Progress = no_progress,
) -> IngestReport:
    """Asks the service for some jobs; those landed meanwhile are not asked for again.

    Raises:
        RetryableError: Not one of them was answered; they stay pending.
    """
    storage = lake.open_lake(settings.lake_root, create=True)
    pending = _not_landed(storage, job_ids)
    report = land_answers(storage, settings, source, pending, progress)
    if report.unanswered and report.unanswered == report.queried:
        jobs = f"{report.unanswered} of {report.queried} jobs got no answer"
        raise RetryableError(f"{jobs}; the last: {report.unanswered_reason}")
    return report


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
    return import_saved(storage, saved, settings.batch_bytes)


def flatten(settings: Settings, *, progress: Progress = no_progress) -> FlattenReport:
    """Makes every batch of the lake what raw and the schemas say it should be.

    Raises:
        ConfigurationError: The schemas have no place for rows of the lake; nothing was written.
    """
    storage, contracts = lake.open_lake(settings.lake_root), _contracts(settings)
    plan = make_plan(storage, contracts)
    kept_tables.keep_tables(storage, contracts)
    retracted = _retract(storage, plan)
    done = FlattenReport(unchanged=plan.unchanged, retracted=retracted)
    return _add(done, _flatten_files(settings, storage, contracts, plan, plan.stale, progress))


def replay(
    settings: Settings,
    selection: Selection,
    *,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> ReplayedReport:
    """Flattens jobs of the lake again with today's schemas, then loads and publishes.

    Args:
        settings: Where everything lies.
        selection: Which jobs.
        dry_run: Tell what would change and write nothing.
        progress: Told how far it came.

    Raises:
        ConfigurationError: A Type has no schema, the schemas have no place for rows of the lake, or
            nothing is committed yet; nothing was written.
    """
    storage, contracts = lake.open_lake(settings.lake_root), _contracts(settings)
    limit = settings.max_blob_bytes
    report = replaying.replay(
        storage, contracts, selection, max_blob_bytes=limit, dry_run=dry_run, progress=progress
    )
    if dry_run or not report.jobs:
        return ReplayedReport(report, None)
    return ReplayedReport(report, load(settings, progress=progress))


def load(settings: Settings, *, progress: Progress = no_progress) -> WarehouseReport:
    """Loads committed batches, checks them and publishes the warehouse."""
    loaded = load_batches(settings, progress=progress)
    checked = run_checks(settings)
    return WarehouseReport(loaded, checked, publish(settings))


def load_batches(settings: Settings, *, progress: Progress = no_progress) -> LoadReport:
    """Brings the loader's own DuckDB file to the committed batches.

    Raises:
        ConfigurationError: The schemas have no place for rows of the lake; nothing was written.
    """
    storage, contracts = lake.open_lake(settings.lake_root), _contracts(settings)
    kept_tables.require_compatible(storage, contracts)
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


def query(settings: Settings, sql: str, parameters: Mapping[str, str] | None = None) -> pa.Table:
    """Answers SQL from the published warehouse, read-only; `parameters` are bound to `$name`."""
    return warehouse.query_published(settings.warehouse_dir, sql, parameters)


def drift(settings: Settings, types: Sequence[str] = ()) -> pa.Table:
    """Returns where results differ from the schemas.

    Args:
        settings: Where the warehouse lies.
        types: Types by name or alias, or `reply` for what is of none; default: all.

    Raises:
        ConfigurationError: No schema has one of them, or nothing is published yet.
    """
    names = type_names(types, _contracts(settings), others=(REPLY,)) if types else ()
    return query(settings, _DRIFT, {"types": ",".join(names)})


def verify(settings: Settings, *, progress: Progress = no_progress) -> VerifyReport:
    """Makes every result again from its rows and compares it with raw."""
    return verify_lake(lake.open_lake(settings.lake_root), _contracts(settings), progress)


def explain(settings: Settings, table: str, keys: Sequence[str]) -> Explanation:
    """Leads a row back to the exact text of the reply it was made of.

    Args:
        settings: Where the lake lies.
        table: Name of the row's table.
        keys: Values of its key columns in order, or as `name=value`.

    Raises:
        ConfigurationError: There is no such table, job or row, or the keys do not fit.
        LakeFormatError: A file of the lake cannot be read, or does not hold what was landed.
    """
    storage, contracts = lake.open_lake(settings.lake_root), _contracts(settings)
    return explain_row(storage, contracts, table, keys, max_blob_bytes=settings.max_blob_bytes)


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
    return _retract(storage, make_plan(storage, _contracts(settings)))


def flatten_batches(
    settings: Settings, raw_files: Sequence[str], *, progress: Progress = no_progress
) -> FlattenReport:
    """Flattens some raw files and commits a batch for each.

    Raises:
        ConfigurationError: One of them is no raw file of the lake, or the schemas have no place for
            rows of the lake; nothing was written.
    """
    storage, contracts = lake.open_lake(settings.lake_root), _contracts(settings)
    plan = make_plan(storage, contracts)
    for raw_file in raw_files:
        if raw_file not in plan.inputs:
            place = without_secrets(settings.lake_root)
            raise ConfigurationError(f"{raw_file} is no raw file of {place}")
    kept_tables.keep_tables(storage, contracts)
    return _flatten_files(settings, storage, contracts, plan, raw_files, progress)


def fetch_subtitles(
    settings: Settings,
    *,
    again: bool = False,
    progress: Progress = no_progress,
    network: Network = INTERNET,
) -> SubtitleReport:
    """Archives the subtitle files that committed results name; `flatten` makes rows of them.

    Args:
        settings: Where the lake lies, and which hosts may be asked.
        again: Ask once more for files that were found expired or refused.
        progress: Told how many files are done.
        network: How hosts are found and believed; tests give another.
    """
    storage = lake.open_lake(settings.lake_root)
    return collect(storage, settings, progress, network, again=again)


def _retract(storage: Storage, plan: Plan) -> int:
    for commit in plan.gone:
        lake.retract(storage, commit)
    return len(plan.gone)


def _flatten_files(  # noqa: PLR0913, PLR0917 - a step of two functions above, given what they hold
    settings: Settings,
    storage: Storage,
    contracts: Contracts,
    plan: Plan,
    raw_files: Sequence[str],
    progress: Progress,
) -> FlattenReport:
    reports = [FlattenReport()]
    for done, raw_file in enumerate(raw_files):
        progress("flatten", done, len(raw_files))
        limit = settings.max_blob_bytes
        reports.append(commit_raw_file(storage, contracts, raw_file, plan, max_blob_bytes=limit))
    progress("flatten", len(raw_files), len(raw_files))
    return reduce(_add, reports)


def _contracts(settings: Settings) -> Contracts:
    return load_contracts(settings.schemas)


def _known_and_pending(settings: Settings) -> tuple[Storage, list[str], list[str]]:
    """Returns the lake, made if need be, the known and the pending jobs."""
    storage = Storage.at(settings.lake_root)
    known = ledger.read_ledger(storage)  # first: a wrong one must not leave a new lake behind
    storage = lake.open_lake(settings.lake_root, create=True)
    return storage, known, _not_landed(storage, known)


def _not_landed(storage: Storage, job_ids: Sequence[str]) -> list[str]:
    landed = {row.job_id for row in raw.read_index(storage)}
    return [job for job in job_ids if job not in landed]


def _add(left: FlattenReport, right: FlattenReport) -> FlattenReport:
    """Adds two reports field by field."""
    rows = dict(Counter(left.rows) + Counter(right.rows))
    names = [field.name for field in fields(left) if field.name != "rows"]
    return FlattenReport(rows=rows, **{n: getattr(left, n) + getattr(right, n) for n in names})
