"""Several steps in one: the whole flow, and a replay up to the published warehouse."""

from __future__ import annotations

from dataclasses import dataclass

from transforms import kept_tables, maintenance
from transforms.contract import load_contracts
from transforms.pipeline.to_lake import flatten
from transforms.pipeline.to_raw import ingest
from transforms.pipeline.to_warehouse import WarehouseReport, load
from transforms.reports import FlattenReport, IngestReport, Progress, ReplayReport, no_progress
from transforms.selection import Selection
from transforms.settings import Settings, SourceSettings
from transforms.storage import Storage


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
    kept_tables.require_compatible(Storage.at(settings.lake_root), load_contracts(settings.schemas))
    return RunReport(
        ingest(settings, source, progress=progress),
        flatten(settings, progress=progress),
        load(settings, progress=progress),
    )


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
    report = maintenance.replay(settings, selection, dry_run=dry_run, progress=progress)
    if dry_run or not report.jobs:
        return ReplayedReport(report, None)
    return ReplayedReport(report, load(settings, progress=progress))
