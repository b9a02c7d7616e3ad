"""From raw to the lake: batches made, made again and taken out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from functools import reduce

from transforms import kept_tables, lake
from transforms.commit import Plan, commit_raw_file, dissolve_stale, make_plan, retract
from transforms.contract import Contracts, load_contracts
from transforms.errors import ConfigurationError
from transforms.merged import swap
from transforms.reports import FlattenReport, Progress, SubtitleReport, no_progress
from transforms.settings import Settings
from transforms.storage import Storage, without_secrets
from transforms.subtitles.collect import collect
from transforms.subtitles.fetch import INTERNET, Network


def flatten(settings: Settings, *, progress: Progress = no_progress) -> FlattenReport:
    """Makes every batch of the lake what raw and the schemas say it should be.

    Raises:
        ConfigurationError: The schemas have no place for rows of the lake; nothing was written.
    """
    storage, contracts = lake.open_lake(settings.lake_root), load_contracts(settings.schemas)
    plan = make_plan(storage, contracts)
    kept_tables.keep_tables(storage, contracts)
    retracted = _retract(storage, plan)
    done = FlattenReport(unchanged=plan.unchanged, retracted=retracted)
    return _add(done, _flatten_files(settings, storage, contracts, plan, plan.stale, progress))


def stale_batches(settings: Settings) -> list[str]:
    """Returns the raw files whose batch is absent or out of date."""
    storage = lake.open_lake(settings.lake_root, create=True)
    return list(make_plan(storage, load_contracts(settings.schemas)).stale)


def prepare_flatten(settings: Settings) -> list[str]:
    """Makes way for those who flatten, one beside the other; returns the raw files to share out.

    Batches whose raw file is no more are taken out. On an object store, where those who flatten
    have no locks, compactions that hold a batch which is out of date are undone.
    """
    storage = lake.open_lake(settings.lake_root, create=True)
    plan = make_plan(storage, load_contracts(settings.schemas))
    _retract(storage, plan)
    if storage.local is None:
        dissolve_stale(storage, plan)
    return list(plan.stale)


def flatten_batches(
    settings: Settings, raw_files: Sequence[str], *, progress: Progress = no_progress
) -> FlattenReport:
    """Flattens some raw files and commits a batch for each.

    Raises:
        ConfigurationError: One of them is no raw file of the lake, or the schemas have no place for
            rows of the lake; nothing was written.
    """
    storage, contracts = lake.open_lake(settings.lake_root), load_contracts(settings.schemas)
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
    if storage.local is not None:  # elsewhere nobody can tell a crash from work under way
        swap.finish(storage)
    for commit in plan.gone:
        retract(storage, commit)
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


def _add(left: FlattenReport, right: FlattenReport) -> FlattenReport:
    """Adds two reports field by field."""
    rows = dict(Counter(left.rows) + Counter(right.rows))
    names = [field.name for field in fields(left) if field.name != "rows"]
    return FlattenReport(rows=rows, **{n: getattr(left, n) + getattr(right, n) for n in names})
