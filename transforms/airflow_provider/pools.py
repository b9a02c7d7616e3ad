"""The Airflow pools the DAGs use; a deployment creates them before it unpauses a DAG.

Airflow leaves a task of a missing pool scheduled for ever. Nothing here imports airflow, so a
launcher can read it cheaply.
"""

from __future__ import annotations

from dataclasses import dataclass

IMS_API = "ims_api"
DUCKDB_WRITER = "duckdb_writer"
LAKE_WRITER = "lake_writer"
ALL_LAKE_SLOTS = 4
"""Slots a task takes that must be alone with the lake: as many as `lake_writer` has."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool to create: its name, how many tasks may hold it at once, and why.

    The DAGs rely on a `fixed` number of slots; another is an operator's to change.
    """

    name: str
    slots: int
    description: str
    fixed: bool = False


POOLS = (
    Pool(
        IMS_API,
        1,
        "Tasks that query IMS at once; they share one rate, but each has its own where the lake is "
        "in a bucket and no COGNITION_PACE_FILE is given.",
    ),
    Pool(DUCKDB_WRITER, 1, "The one writer a DuckDB file may have; must stay 1.", fixed=True),
    Pool(
        LAKE_WRITER,
        ALL_LAKE_SLOTS,
        "Batches written at once: 4 tasks, or one that needs the lake for itself; must stay 4.",
        fixed=True,
    ),
)
