"""Small lakes made by hand, for the tests of the warehouse."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from transforms.contract import Contracts, load_contracts
from transforms.lake import Commit, open_lake, table_path, write_commit, write_parquet
from transforms.storage import Storage
from transforms.warehouse.build import BUILD
from transforms.warehouse.duck import connect, fetch

Row = dict[str, Any]
Rows = dict[str, list[Row]]

QUERIED_AT = datetime(2024, 5, 6, 7, 8, 9)  # noqa: DTZ001 - the lake keeps UTC without a zone
MONTH = "2024-05"


def merge(*parts: Rows) -> Rows:
    """Returns the rows of all parts, table by table."""
    merged: Rows = {}
    for part in parts:
        for table, rows in part.items():
            merged.setdefault(table, []).extend(rows)
    return merged


def job(job_id: str, *, results: int | None = 1, **other: object) -> Row:
    """Returns a row of `jobs`; the batch is filled in when it is committed."""
    return {
        "job_id": job_id,
        "state": "loaded",
        "job_status": "Success",
        "results_count": results,
        "queried_at": QUERIED_AT,
        "origin": "api",
        "body_sha256": hashlib.sha256(job_id.encode()).hexdigest(),
        "body_bytes": 100,
        **other,
    }


def result(job_id: str, index: int, kind: str, rows: int, **other: object) -> Row:
    """Returns a row of `results`."""
    return {
        "job_id": job_id,
        "result_index": index,
        "type": kind,
        "state": "loaded",
        "schema_version": 1,
        "data_form": "string",
        "data_bytes": 10,
        "rows_count": rows,
        "quarantined_count": 0,
        "unmapped_count": 0,
        **other,
    }


def speech(job_id: str, *sentences: tuple[float, float, str], index: int = 0) -> Rows:
    """Returns one ASR result: its rows in `results`, `asr_results` and `asr_segments`."""
    keys = {"job_id": job_id, "result_index": index}
    return {
        "results": [result(job_id, index, "ASR", 1 + len(sentences))],
        "asr_results": [{**keys, "segments_count": len(sentences), "message": "SUCCESS"}],
        "asr_segments": [
            {**keys, "segment_index": n, "start_seconds": a, "end_seconds": b, "content": text}
            for n, (a, b, text) in enumerate(sentences)
        ],
    }


def speech_job(job_id: str, *sentences: tuple[float, float, str]) -> Rows:
    """Returns a job whose only result is speech."""
    return merge({"jobs": [job(job_id)]}, speech(job_id, *sentences))


def commit(  # noqa: PLR0913 - a batch is told by what it holds and what is wrong with it
    storage: Storage,
    batch_id: str,
    rows: Rows,
    *,
    contracts: Contracts | None = None,
    facts: Mapping[str, Any] | None = None,
    drop: tuple[str, ...] = (),
) -> Commit:
    """Writes a batch as the flatten stage does; `drop` leaves columns out of its files."""
    contracts = contracts or load_contracts()
    for row in rows.get("jobs", ()):
        row["batch_id"] = batch_id
    files = []
    for table, found in sorted(rows.items()):
        arrow = pa.Table.from_pylist(found, schema=contracts.tables[table].arrow_schema)
        arrow = arrow.drop_columns([c for c in drop if c in arrow.column_names])
        files.append(write_parquet(storage, table_path(table, MONTH, batch_id), arrow))
    inputs = {
        "raw_file": f"raw/month={MONTH}/{batch_id}.parquet",
        "superseded": "",
        "schemas_digest": contracts.digest,
        "flatten_version": "1",
    }
    known = {
        "jobs_count": len(rows.get("jobs", ())),
        "results_count": len(rows.get("results", ())),
        "rows_count": sum(map(len, rows.values())),
        "quarantined_count": len(rows.get("quarantine", ())),
        "queried_from": "2024-05-06T07:08:09",
        "queried_to": "2024-05-06T09:08:09+02:00",
        "raw_sha256": "0" * 64,
        "package_version": "0.1.0",
    }
    made = Commit(batch_id, inputs, {**known, **(facts or {})}, {}, tuple(files))
    write_commit(storage, made)
    return made


def new_lake(tmp_path: Path) -> Storage:
    """Returns an empty lake."""
    return open_lake(str(tmp_path / "lake"), create=True)


def ask_build(warehouse_dir: Path, sql: str) -> list[tuple[Any, ...]]:
    """Returns rows of the build."""
    with connect(warehouse_dir / BUILD, read_only=True) as connection:
        return fetch(connection, sql)


def change_build(warehouse_dir: Path, *statements: str) -> None:
    """Changes the build behind the loader's back."""
    with connect(warehouse_dir / BUILD, read_only=False) as connection:
        for statement in statements:
            fetch(connection, statement)


def run_python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs code in another process that finds the same modules; waits for it."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parent,
    )


class Helper:
    """Another process that works when told: it says a line, then waits for one."""

    def __init__(self, code: str, *arguments: object, paths: Sequence[Path] = ()) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            env=os.environ | ({"PYTHONPATH": os.pathsep.join(map(str, paths))} if paths else {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent,
        )

    def hear(self) -> str:
        """Returns the next line it says."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self, line: str = "") -> None:
        """Lets it go on."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(timeout=30)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
