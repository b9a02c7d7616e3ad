"""Writes a lake of any size as the flatten stage does, from chance and a seed; raw stays empty.

Every batch goes through the product's own writer, so files, checksums and markers are real. Counts
of parents, results and batches are honest: all checks of the warehouse pass.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.synthetic_batch import Batch, fill
from transforms.batch import FLATTEN_VERSION
from transforms.contract import Contracts, load_contracts
from transforms.lake import Commit, open_lake, table_path, write_commit, write_parquet
from transforms.path_counts import PathCounts
from transforms.storage import Storage

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
MONTHS = 12


@dataclass(frozen=True, slots=True)
class Size:
    """How big a lake is made.

    Attributes:
        jobs: Number of jobs.
        batches: Number of batches they come in, over twelve months.
        depth: What mean numbers of rows below a row are multiplied by.
        seed: What chance begins with.
    """

    jobs: int = 10_000
    batches: int = 120
    depth: float = 1.0
    seed: int = 7


def write_lake(root: Path, size: Size) -> Iterator[Commit]:
    """Writes a lake, one batch at a time; yields each commit.

    Args:
        root: Folder of the lake; it must be absent or empty.
        size: How big.

    Raises:
        ConfigurationError: The folder holds other files.
    """
    storage, contracts = open_lake(str(root), create=True), load_contracts()
    for number in range(size.batches):
        batch = _begin(contracts, size, number)
        fill(batch, contracts, size.depth)
        yield _commit(storage, contracts, batch)


def _begin(contracts: Contracts, size: Size, number: int) -> Batch:
    """Returns the batch of a number with its jobs, by id as the flatten stage has them."""
    rng = np.random.default_rng([size.seed, number])
    months = number * MONTHS // size.batches
    first = BEGIN.replace(month=1 + months, day=1 + number % 28, hour=int(rng.integers(24)))
    count = len(range(number, size.jobs, size.batches))
    ids = sorted(rng.bytes(16).hex() for _ in range(count))
    queried = [(first + timedelta(milliseconds=50 * n)).replace(tzinfo=None) for n in range(count)]
    name = f"{first:%Y%m%dT%H%M%S}-{rng.bytes(6).hex()}"
    return Batch(name, f"{first:%Y-%m}", ids, queried, rng, PathCounts(contracts))


def _commit(storage: Storage, contracts: Contracts, batch: Batch) -> Commit:
    """Writes the files of a batch, then its marker."""
    tables = {name: table for name, table in sorted(batch.tables.items()) if table.num_rows}
    files = [
        write_parquet(storage, table_path(name, batch.month, batch.batch_id), table)
        for name, table in tables.items()
    ]
    inputs = {
        "raw_file": f"raw/month={batch.month}/{batch.batch_id}.parquet",
        "superseded": "",
        "schemas_digest": contracts.digest,
        "flatten_version": str(FLATTEN_VERSION),
    }
    facts = {
        "jobs_count": len(batch.ids),
        "results_count": len(batch.results),
        "rows_count": sum(table.num_rows for table in tables.values()),
        "quarantined_count": len(batch.quarantine),
        "queried_from": min(batch.queried).isoformat(),
        "queried_to": max(batch.queried).isoformat(),
        "raw_sha256": hashlib.sha256(batch.batch_id.encode()).hexdigest(),
        "package_version": version("cognition-warehouse"),
    }
    made = Commit(batch.batch_id, inputs, facts, {}, tuple(files))
    write_commit(storage, made)
    return made


def main() -> None:
    """Writes a lake into an empty folder and tells how many rows it has."""
    parser = argparse.ArgumentParser(prog="benchmarks.synthetic_lake", description=__doc__)
    parser.add_argument("root", type=Path, help="folder of the lake")
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--batches", type=int, default=120)
    parser.add_argument("--depth", type=float, default=1.0)
    chosen = parser.parse_args()
    rows = 0
    for commit in write_lake(chosen.root, Size(chosen.jobs, chosen.batches, chosen.depth)):
        rows += commit.facts["rows_count"]
        print(f"{commit.batch_id} {rows:,} rows", flush=True)


if __name__ == "__main__":
    main()
