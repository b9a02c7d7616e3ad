"""Flattening beside SQL by hand, turn by turn in one run; prints MB/s of Data and the ratio.

Ours starts from a raw file and ends with a committed batch: envelope, validation, row counts,
Parquet with checksums, commit marker. By hand starts from extracted blobs and ends with Parquet.
Each turn is a process of its own, so that peak memory is its own, too.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import orjson

HOME = Path("bench-home/flatten")


def main() -> None:
    """Runs the measurement and prints its table."""
    parser = argparse.ArgumentParser(prog="benchmarks.flatten", description=__doc__)
    parser.add_argument("--jobs", type=int, default=100, help="jobs of 0.85 MB (default 100)")
    parser.add_argument("--turns", type=int, default=5, help="turns of each way (default 5)")
    parser.add_argument("--turn", choices=["ours", "by-hand"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.turn:
        print(json.dumps(_turn(arguments.turn)))
        return
    shutil.rmtree(HOME, ignore_errors=True)
    size = _prepare(arguments.jobs)
    print(f"{size / 1e6:.1f} MB of Data, {arguments.jobs} jobs, {arguments.turns} turns each")
    found: dict[str, list[dict[str, float]]] = {"ours": [], "by-hand": []}
    for _ in range(arguments.turns):
        for way, turns in found.items():
            turns.append(_in_own_process(way))
    print(f"{'':34}{'MB/s':>8}{'min':>8}{'max':>8}{'rows':>10}{'peak MiB':>10}")
    for way, turns in found.items():
        _print_way(way, turns, size)
    ratios = [
        b["seconds"] / a["seconds"] for a, b in zip(found["ours"], found["by-hand"], strict=True)
    ]
    print(f"ours / by hand, turn by turn: median {statistics.median(ratios):.2f}")
    shutil.rmtree(HOME)


def _print_way(way: str, turns: list[dict[str, float]], size: int) -> None:
    speeds = [size / 1e6 / turn["seconds"] for turn in turns]
    title = {"ours": "raw to committed lake, validated", "by-hand": "SQL by hand, not validated"}
    print(
        f"{title[way]:34}{statistics.median(speeds):8.1f}{min(speeds):8.1f}{max(speeds):8.1f}"
        f"{turns[0]['rows']:10.0f}{max(turn['peak_mib'] for turn in turns):10.0f}"
    )


def _prepare(count: int) -> int:
    """Lands the jobs in a raw lake and writes the same blobs as jsonl; returns bytes of Data."""
    from benchmarks.blobs import jobs  # noqa: PLC0415 - not part of a measured turn
    from transforms import lake, raw  # noqa: PLC0415
    from transforms.source import Reply  # noqa: PLC0415

    now, size, replies = datetime(2026, 1, 1, tzinfo=UTC), 0, []
    HOME.mkdir(parents=True)
    with (HOME / "blobs.jsonl").open("wb") as file:
        for job_id, results in jobs(count):
            for place, (kind, data) in enumerate(results):
                size += len(data.encode())
                row = {"job_id": job_id, "result_index": place, "type": kind, "data": data}
                file.write(orjson.dumps(row) + b"\n")
            items = [{"Type": kind, "Data": data} for kind, data in results]
            body = orjson.dumps({"JobStatus": "Success", "Results": {"result": items}})
            replies.append(Reply(job_id, now, 200, None, body, "api"))
    storage = lake.open_lake(str(HOME / "lake"), create=True)
    list(raw.write_raw(storage, replies, 64 * 1024 * 1024))
    return size


def _in_own_process(way: str) -> dict[str, float]:
    shutil.rmtree(HOME / "lake" / "tables", ignore_errors=True)
    shutil.rmtree(HOME / "lake" / "batches", ignore_errors=True)
    shutil.rmtree(HOME / "by-hand", ignore_errors=True)
    command = [sys.executable, "-m", "benchmarks.flatten", "--turn", way]
    done = subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - ourselves
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def _turn(way: str) -> dict[str, float]:
    if way == "ours":
        from transforms.pipeline import flatten  # noqa: PLC0415 - imports are not measured
        from transforms.settings import Settings  # noqa: PLC0415

        settings = Settings(home=HOME)
        started = time.perf_counter()
        rows = sum(flatten(settings).rows.values())
    else:
        from benchmarks.by_hand import flatten_by_hand  # noqa: PLC0415

        target = HOME / "by-hand"
        target.mkdir()
        started = time.perf_counter()
        rows = flatten_by_hand(HOME / "blobs.jsonl", target, threads=1)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "rows": rows, "peak_mib": peak}


if __name__ == "__main__":
    main()
