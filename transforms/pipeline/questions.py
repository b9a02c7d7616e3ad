"""What can be asked of lake and warehouse; nothing is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from transforms import lake, warehouse
from transforms.contract import load_contracts
from transforms.explain import explain as explain_row
from transforms.path_counts import REPLY
from transforms.reports import Explanation, Progress, Status, VerifyReport, no_progress
from transforms.selection import type_names
from transforms.settings import Settings
from transforms.status import read_status
from transforms.verify import verify_lake
from transforms.warehouse.duck import Limits

_DRIFT = """
SELECT * FROM drift
WHERE $types = '' OR list_contains(string_split($types, ','), type)
ORDER BY ALL
"""


def query(settings: Settings, sql: str, parameters: Mapping[str, str] | None = None) -> pa.Table:
    """Answers SQL from the published warehouse, read-only; `parameters` are bound to `$name`."""
    limits = Limits(memory_bytes=settings.memory_bytes)
    return warehouse.query_published(settings.warehouse_dir, sql, parameters, limits=limits)


def drift(settings: Settings, types: Sequence[str] = ()) -> pa.Table:
    """Returns where results differ from the schemas.

    Args:
        settings: Where the warehouse lies.
        types: Types by name or alias, or `reply` for what is of none; default: all.

    Raises:
        ConfigurationError: No schema has one of them, or nothing is published yet.
    """
    names = type_names(types, load_contracts(settings.schemas), others=(REPLY,)) if types else ()
    return query(settings, _DRIFT, {"types": ",".join(names)})


def verify(settings: Settings, *, progress: Progress = no_progress) -> VerifyReport:
    """Makes every result again from its rows and compares it with raw."""
    return verify_lake(
        lake.open_lake(settings.lake_root), load_contracts(settings.schemas), progress
    )


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
    storage, contracts = lake.open_lake(settings.lake_root), load_contracts(settings.schemas)
    return explain_row(storage, contracts, table, keys, max_blob_bytes=settings.max_blob_bytes)


def status(settings: Settings) -> Status:
    """Tells where everything stands."""
    return read_status(settings)
