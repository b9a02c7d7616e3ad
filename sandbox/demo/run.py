"""The demo: a service, a scheduler, a lake and a warehouse, all real, in one folder.

`python -m sandbox.demo --home demo-home` starts the sandbox service and a private Airflow, runs
both DAGs, and shows what came out. With `--keep-airflow` it only brings up Airflow's page on the
same folder, until Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NoReturn

import httpx
from rich.console import Console

from sandbox import Sandbox
from sandbox.__main__ import whole_number
from sandbox.demo.airflow_api import AirflowError, TaskState
from sandbox.demo.airflow_home import AirflowHome
from sandbox.demo.published import Published
from sandbox.demo.report import print_report
from sandbox.demo.watch import Watch
from transforms import ledger
from transforms.errors import CognitionError
from transforms.lake import open_lake

INGEST, LOAD = "ingest_cognition_jobs", "load_warehouse"
QUERIES_PER_SECOND = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo; returns the exit code: 0 done, 1 failed, 130 interrupted."""
    given = _parse(arguments)
    console = Console(soft_wrap=False)
    for name in ("SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), _leave)
    try:
        with Sandbox(jobs=given.jobs, seed=given.seed) as service:
            _write_ledger(given.home, service)
            environment = _environment(given.home, service)
            if given.keep_airflow:
                _keep(console, given.home, environment)
            else:
                _run(console, given.home, environment)
    except KeyboardInterrupt:
        console.print("Interrupted; run it again to go on from here.")
        return 130
    except httpx.HTTPError as error:
        console.print(f"Airflow did not answer: {error}", style="red", markup=False)
        return 1
    except (AirflowError, CognitionError) as error:
        console.print(f"{error}", style="red", markup=False, soft_wrap=True)
        return 1
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__)
    parser.add_argument("--home", type=lambda text: Path(text).resolve(), default="demo-home")
    parser.add_argument("--jobs", type=whole_number, default=200, help="jobs the service knows")
    parser.add_argument("--seed", type=int, default=7, help="which world of jobs")
    parser.add_argument("--keep-airflow", action="store_true", help="only bring up the page")
    return parser.parse_args(arguments)


def _leave(number: int, _frame: object) -> NoReturn:
    """Turns a signal into an exit that unwinds: processes are stopped, folders removed."""
    sys.exit(128 + number)


def _write_ledger(home: Path, service: Sandbox) -> None:
    lake = open_lake(str(home / "lake"), create=True)
    name = "demo"
    if lake.exists(f"{ledger.FOLDER}/{name}.txt"):
        name = f"demo-seed-{service.seed}-jobs-{service.jobs}"
    ledger.add_jobs(lake, service.job_ids, name)


def _environment(home: Path, service: Sandbox) -> dict[str, str]:
    host, _, port = service.endpoint.rpartition(":")
    connection = {
        "conn_type": "alibaba_ims",
        "host": host,
        "port": int(port),
        "login": service.access_key_id,
        "password": service.access_key_secret,
        "extra": {"protocol": "http", "queries_per_second": QUERIES_PER_SECOND},
    }
    return {
        "COGNITION_HOME": str(home),
        "COGNITION_SCHEDULE": "",
        "COGNITION_MAINTENANCE_SCHEDULE": "",
        "AIRFLOW_CONN_ALIBABA_IMS_DEFAULT": json.dumps(connection),
    }


def _run(console: Console, home: Path, environment: Mapping[str, str]) -> None:
    began = time.monotonic()
    before = Published(home / "warehouse" / "warehouse.duckdb").snapshot()
    console.print("[bold]Starting Airflow[/] (scheduler, DAG processor, API server)")
    with (
        console.status("starting Airflow") as status,
        AirflowHome(home / "airflow", environment) as airflow,
    ):
        watch = Watch(airflow.api, console, status)
        watch.wait_for_dags(INGEST, LOAD)
        console.print(f"  healthy after {time.monotonic() - began:.1f} s", highlight=False)
        console.print("[bold]Running the DAGs[/]")
        waiting = _run_dags(watch)
        status.update("reading the warehouse")
        print_report(console, home, waiting, before)
        status.update("stopping Airflow")
    console.print(f"\nDone in {time.monotonic() - began:.0f} s.", highlight=False)


def _run_dags(watch: Watch) -> Counter[str]:
    """Runs both DAGs; returns the jobs the service has not finished, by its status."""
    run_id = watch.api.trigger(INGEST)
    tasks = watch.follow(INGEST, run_id)
    if _state(tasks, "publish_lake") == "success":
        watch.follow(LOAD, watch.started_by(INGEST, run_id, LOAD))
    else:
        watch.console.print(f"  {LOAD} had nothing to load and was not started")
    asked: Counter[str] = Counter()
    for task in tasks:
        if task.task_id == "source" and task.state == "success":
            asked.update(watch.api.result(INGEST, run_id, task)["by_status"])
    return Counter({s: n for s, n in asked.items() if s in {"Processing", "Submitted"}})


def _state(tasks: Sequence[TaskState], task_id: str) -> str | None:
    return next(task.state for task in tasks if task.task_id == task_id)


def _keep(console: Console, home: Path, environment: Mapping[str, str]) -> None:
    with ExitStack() as stack:
        with console.status("starting Airflow"):
            airflow = stack.enter_context(AirflowHome(home / "airflow", environment))
        console.print(f"Airflow is at [bold]{airflow.url}[/]  (Ctrl-C stops it)", soft_wrap=True)
        console.print("It runs without a triggerer, as nothing here defers.")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
        console.print("stopping Airflow")
