"""What it costs Airflow to read each DAG file, which it does again and again: counted in imports.

Seconds differ from machine to machine; what is imported does not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from sandbox.demo.airflow_home import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.airflow

FILES = sorted(path.name for path in (ROOT / "dags").glob("*.py"))
HEAVY = {
    "Tea",
    "darabonba",
    "duckdb",
    "jsonschema_rs",
    "mns",
    "numpy",
    "openlineage",
    "orjson",
    "pyarrow",
    "waitress",
}
ALLOWED = {"asgiref", "croniter", "dotenv", "pydantic", "pydantic_settings"}
"""Packages beside Airflow's own: its cron parser and threads, and what reads our settings."""
MOST_OF_OURS = 20
READER = """
import json, os, runpy, sys
import airflow.sdk, croniter  # Airflow's cron parser asks file(1) about Python when imported
from airflow.sdk import Asset, ExceptionRetryPolicy, Param, dag, task
from airflow.sdk.exceptions import AirflowSkipException
folder, *files = sys.argv[1:]
sys.path.insert(0, os.path.dirname(folder))
before, touched = set(sys.modules), []
def look(event, given):
    if event in {"socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system"}:
        touched.append(f"{event} {given}")
    if event == "open" and isinstance(given[1], str) and set(given[1]) & set("wax+"):
        touched.append(f"open {given[0]}")
for file in files:
    reader, writer = os.pipe()
    if child := os.fork():
        os.close(writer)
        with open(reader) as answer:
            print(answer.read())
        if os.waitpid(child, 0)[1]:
            sys.exit(file)
        continue
    # A child for each file: none profits from what another has imported.
    sys.addaudithook(look)
    runpy.run_path(os.path.join(folder, file))
    told = {"touched": touched[:], "new": sorted({*sys.modules} - before), "all": [*sys.modules]}
    os.write(writer, json.dumps(told).encode())
    os._exit(0)
"""


@dataclass(frozen=True)
class Reading:
    """What reading one DAG file did, in a process that had imported `airflow.sdk` already.

    Attributes:
        touched: Files opened for writing, connections and processes.
        new: Modules it imported.
        all: Modules that were there in the end.
    """

    touched: list[str]
    new: list[str]
    all: list[str]

    @property
    def packages(self) -> set[str]:
        """Packages that are neither Python's, Airflow's nor ours, of the modules it imported."""
        known = sys.stdlib_module_names | {"airflow", "transforms"}
        return {name.partition(".")[0] for name in self.new} - known


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reading]:
    """Each DAG file, read in a process that has read no other."""
    home = tmp_path_factory.mktemp("parsing")
    done = subprocess.run(
        [sys.executable, "-c", READER, str(ROOT / "dags"), *FILES],
        env=clean_environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = [Reading(**json.loads(line)) for line in done.stdout.splitlines()]
    return dict(zip(FILES, told, strict=True))


def clean_environment(home: Path) -> dict[str, str]:
    """Returns the environment without another Airflow's settings, and ours that load the most."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "COGNITION_"))
    }
    every_option = {"COGNITION_WATCH_SECONDS": "60", "COGNITION_QUEUE_NAME": "completed"}
    return {**kept, **every_option, "AIRFLOW_HOME": str(home)}


@pytest.mark.parametrize("file", FILES)
def test_reading_a_dag_file_imports_nothing_heavy(readings: dict[str, Reading], file: str) -> None:
    """Neither the SDK nor an engine is loaded, nor any package beside Airflow and settings."""
    loaded = {name.partition(".")[0] for name in readings[file].all}
    assert {name for name in loaded if name in HEAVY or name.startswith("alibabacloud")} == set()
    assert readings[file].packages <= ALLOWED


@pytest.mark.parametrize("file", FILES)
def test_reading_a_dag_file_imports_few_modules_of_ours(
    readings: dict[str, Reading], file: str
) -> None:
    """A DAG file loads what names its tasks, not what does their work."""
    ours = [name for name in readings[file].new if name.startswith("transforms.")]
    assert "transforms.settings" in ours
    assert len(ours) <= MOST_OF_OURS, ours
    assert "transforms.pipeline" not in ours


@pytest.mark.parametrize("file", FILES)
def test_reading_a_dag_file_touches_nothing(readings: dict[str, Reading], file: str) -> None:
    """No file is written, no connection opened and no process started."""
    assert readings[file].touched == []
