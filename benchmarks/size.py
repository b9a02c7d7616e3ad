"""A big lake loaded, checked, published and asked; prints the table that `size.md` keeps.

Every step and every question is a process of its own, so that its peak memory is its own, too. A
question is asked as `cognition query` asks: read-only, sealed, with the default limits. What is
asked is found in the warehouse itself: each view and macro, for one job and for all of them, and
each file of `sql/queries/`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.questions import Given, read_questions
from benchmarks.synthetic_lake import Size, write_lake
from transforms.pipeline import to_warehouse
from transforms.settings import Settings
from transforms.warehouse.duck import LIMITS, connect
from transforms.warehouse.query import PUBLISHED, query_published

HOME = Path("bench-home/size")
PATIENCE_SECONDS = 60
ONE_JOB_SECONDS, ALL_JOBS_SECONDS, PEAK_MIB = 1.0, 10.0, 4096


@dataclass(frozen=True, slots=True)
class Measured:
    """What a process of its own took.

    Attributes:
        seconds: Wall time.
        cpu_seconds: Time of its threads together.
        peak_mib: Its greatest memory.
        answer: What it found.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float
    answer: Any = None


def main() -> int:
    """Runs the measurement and prints its table; fails where a bound is broken."""
    arguments = _parse()
    if arguments.step:
        print(json.dumps(asdict(_run(arguments.step, arguments.home, sys.stdin.read()))))
        return 0
    size = Size(arguments.jobs, arguments.batches, arguments.depth)
    _prepare(arguments.home, size)
    if not arguments.ask_only:
        shutil.rmtree(arguments.home / "warehouse", ignore_errors=True)
        _print_steps(arguments.home)
    return _print_questions(arguments)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.size", description=__doc__)
    parser.add_argument("--home", type=Path, default=HOME, help=f"folder (default {HOME})")
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--batches", type=int, default=120)
    parser.add_argument("--depth", type=float, default=1.0, help="multiplies rows below a row")
    parser.add_argument("--tries", type=int, default=3, help="of which the fastest counts")
    parser.add_argument("--ask-only", action="store_true", help="of what is published already")
    parser.add_argument("--only", default="", help="ask what bears this in its name")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    return parser.parse_args()


def _prepare(home: Path, size: Size) -> None:
    """Writes the lake, unless one of this size is there."""
    told, lake = home / "size.json", home / "lake"
    if told.exists() and json.loads(told.read_text()) == asdict(size):
        return
    shutil.rmtree(home, ignore_errors=True)
    started = time.perf_counter()
    rows = sum(commit.facts["rows_count"] for commit in write_lake(lake, size))
    told.write_text(json.dumps(asdict(size)))
    print(f"wrote a lake of {rows:,} rows in {time.perf_counter() - started:.0f} s\n", flush=True)


def _run(step: str, home: Path, given: str) -> Measured:
    """Does one step in this process."""
    settings = Settings(home=home, lake=None, warehouse=None)
    started, used_before = time.perf_counter(), time.process_time()
    answer = _answer(step, settings, given)
    seconds, used = time.perf_counter() - started, time.process_time() - used_before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Measured(seconds, used, peak, answer)


def _answer(step: str, settings: Settings, given: str) -> Any:  # noqa: ANN401 - of a step, for JSON
    match step:
        case "load":
            return to_warehouse.load_batches(settings).rows
        case "check":
            report = to_warehouse.run_checks(settings)
            return {"checks": report.passed + len(report.failed), "failed": len(report.failed)}
        case "publish":
            return to_warehouse.publish(settings).bytes
        case _:
            asked = json.loads(given)
            table = query_published(settings.warehouse_dir, asked["sql"], asked["parameters"])
            return table.num_rows if asked["fetched"] else table.column(0)[0].as_py()


def _in_own_process(home: Path, step: str, given: Mapping[str, Any] | None = None) -> Measured:
    command = [sys.executable, "-m", "benchmarks.size", "--home", str(home), "--step", step]
    patience = None if given is None else PATIENCE_SECONDS
    try:
        done = subprocess.run(  # noqa: S603 - ourselves
            command,
            input=json.dumps(given),
            capture_output=True,
            text=True,
            check=False,
            timeout=patience,
        )
    except subprocess.TimeoutExpired:
        return Measured(math.inf, math.inf, 0, 0)
    if done.returncode:
        raise RuntimeError(f"{step} {given or ''}: {done.stderr.strip().splitlines()[-1:]}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def _print_steps(home: Path) -> None:
    files = [p.stat().st_size for p in (home / "lake" / "tables").rglob("*.parquet")]
    load = _in_own_process(home, "load")
    rows, tracks = sum(load.answer.values()), load.answer["cpv_entity_tracks"]
    check, publish = _in_own_process(home, "check"), _in_own_process(home, "publish")
    told = {
        "load": f"{rows:,} rows, {rows / load.seconds:,.0f} a second",
        "check": f"{check.answer['checks']} checks, {check.answer['failed']} with findings",
        "publish": f"{publish.answer / 2**20:,.0f} MiB",
    }
    print(f"{_machine()}\n")
    print(
        f"{load.answer['jobs']:,} jobs in {load.answer['batches']} batches, {tracks:,} rows of "
        f"`cpv_entity_tracks`; the tables of the lake have {sum(files) / 2**20:,.0f} MiB.\n"
    )
    print("| step | s | CPU s | peak MiB | |\n|---|---:|---:|---:|---|")
    for step, found in (("load", load), ("check", check), ("publish", publish)):
        cells = step, f"{found.seconds:.1f}", f"{found.cpu_seconds:.1f}", f"{found.peak_mib:.0f}"
        print(f"| {' | '.join(cells)} | {told[step]} |")
    print(flush=True)


def _machine() -> str:
    return (
        f"DuckDB {duckdb.__version__} with {LIMITS.threads} threads and "
        f"{LIMITS.memory_bytes / 2**30:g} GiB; Python {platform.python_version()}, "
        f"{platform.machine()}, {os.cpu_count()} cores."
    )


def _print_questions(arguments: argparse.Namespace) -> int:
    """Asks all questions, prints the table, and returns 1 if one broke a bound."""
    with connect(arguments.home / "warehouse" / PUBLISHED, read_only=True) as connection:
        questions = [q for q in read_questions(connection) if arguments.only in q.name]
    print("| question | one job: s | CPU s | MiB | rows | all jobs: s | CPU s | MiB | rows |")
    print(f"|---|{'---:|' * 8}", flush=True)
    broken = 0
    for question in questions:
        cells = [f"`{question.name}`"]
        for given, bound in (
            (question.one_job, ONE_JOB_SECONDS),
            (question.all_jobs, ALL_JOBS_SECONDS),
        ):
            best = min(_ask(arguments, given), key=lambda found: found.seconds, default=None)
            over = best is not None and (best.seconds > bound or best.peak_mib > PEAK_MIB)
            broken += over
            cells += _cells(best, "**" if over else "")
        print(f"| {' | '.join(cells)} |", flush=True)
    print(f"\n{broken} over the bounds.")
    return min(broken, 1)


def _cells(found: Measured | None, mark: str) -> list[str]:
    if found is None:
        return [""] * 4
    seconds = f"{mark}{found.seconds:.2f}{mark}"
    return [seconds, f"{found.cpu_seconds:.2f}", f"{found.peak_mib:.0f}", f"{found.answer:,}"]


def _ask(arguments: argparse.Namespace, given: Given | None) -> Iterator[Measured]:
    for _ in range(arguments.tries if given else 0):
        yield _in_own_process(arguments.home, "ask", given)


if __name__ == "__main__":
    sys.exit(main())
