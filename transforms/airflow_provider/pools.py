"""The Airflow pools the DAGs use; a deployment creates them before it unpauses a DAG.

Airflow leaves a task of a missing pool scheduled for ever. Nothing here imports airflow, so a
launcher can read it cheaply.
"""

from __future__ import annotations

from dataclasses import dataclass

IMS_API = "ims_api"
DUCKDB_WRITER = "duckdb_writer"


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool to create: its name, how many tasks may hold it at once, and why."""

    name: str
    slots: int
    description: str


POOLS = (
    Pool(IMS_API, 1, "Queries to IMS: slots x COGNITION_QUERIES_PER_SECOND is the account's rate."),
    Pool(DUCKDB_WRITER, 1, "The one writer a DuckDB file may have; must stay 1."),
)
