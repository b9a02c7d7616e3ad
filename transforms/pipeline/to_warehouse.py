"""From the lake to the published warehouse: load, check, publish; and back to a version before."""

from __future__ import annotations

from dataclasses import dataclass

from transforms import kept_tables, lake, warehouse
from transforms.contract import load_contracts
from transforms.reports import Progress, no_progress
from transforms.settings import Settings
from transforms.warehouse import LoadReport, checks, kept
from transforms.warehouse import publish as publishing
from transforms.warehouse import rollback as rolling
from transforms.warehouse.checks import CheckReport
from transforms.warehouse.duck import Limits
from transforms.warehouse.kept import KeptVersion
from transforms.warehouse.publish import PublishReport
from transforms.warehouse.rollback import ReleaseReport, RollbackReport


@dataclass(frozen=True, slots=True)
class WarehouseReport:
    """What loading did: rows, checks and the published version."""

    load: LoadReport
    checks: CheckReport
    publish: PublishReport


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
    storage, contracts = lake.open_lake(settings.lake_root), load_contracts(settings.schemas)
    kept_tables.require_compatible(storage, contracts)
    limits = Limits(memory_bytes=settings.memory_bytes)
    return warehouse.load_batches(
        storage, contracts, settings.warehouse_dir, progress, limits=limits
    )


def run_checks(settings: Settings) -> CheckReport:
    """Runs all checks on what was loaded.

    Raises:
        ChecksFailedError: A check of severity `fail` found rows, or more jobs are in quarantine
            than `max_quarantine_share` allows; nothing may be published.
    """
    return checks.run_checks(
        load_contracts(settings.schemas),
        settings.warehouse_dir,
        max_quarantine_share=settings.max_quarantine_share,
        stale_after_hours=settings.stale_after_hours or None,
        limits=Limits(memory_bytes=settings.memory_bytes),
    )


def publish(settings: Settings) -> PublishReport:
    """Swaps the checked build in as the published warehouse, unless a version is held."""
    return publishing.publish(settings.warehouse_dir, settings.keep_versions)


def rollback(
    settings: Settings, version: str | None = None, *, reason: str | None = None
) -> RollbackReport:
    """Publishes a version that is kept, and holds it; default: the one before.

    Raises:
        ConfigurationError: There is no such version, or it is published and held already.
        PublishError: The version is damaged.
    """
    return rolling.rollback(settings.warehouse_dir, version, reason=reason)


def release(settings: Settings) -> ReleaseReport:
    """Lifts the hold of a rollback: the next load publishes the build."""
    return rolling.release(settings.warehouse_dir)


def versions(settings: Settings) -> tuple[KeptVersion, ...]:
    """Returns the versions that are kept, newest first."""
    return kept.describe_versions(settings.warehouse_dir)
