"""One private Airflow: its folder, its settings, its processes and nothing outside of them.

Loopback only, free ports, SQLite, no login, no examples. Airflow's own `standalone` command is not
used: it starts a fourth process we do not need, takes half as long again to be healthy, and leaves
orphans when it is stopped by anything but a signal to its whole group.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil  # type: ignore[import-untyped]  # ships no type information
from filelock import FileLock, Timeout

from sandbox.demo.airflow_api import AirflowApi, AirflowError
from transforms.airflow_provider.pools import POOLS

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
START_SECONDS = 90.0
STOP_SECONDS = 15.0
_COMMANDS = {
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "api-server": ["api-server"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
COMPONENTS = ("scheduler", "dag-processor", "api-server")
"""What runs DAGs that wait for nothing outside of Airflow; `triggerer` is the fourth."""


class AirflowHome:
    """Runs Airflow on the DAGs of this repository, in a folder of its own.

    Use it as a context manager; `api` is ready inside. Everything is stopped at the end, whatever
    the reason for it, and so is what an earlier, killed run left behind in this folder.

    Args:
        home: The AIRFLOW_HOME; made if absent, kept at the end.
        environment: What the DAGs' tasks see besides: connections, `COGNITION_*`.
        components: Which of Airflow's processes to start.

    Attributes:
        url: Where the page and the REST API are.
        api: The REST API, logged in.
    """

    api: AirflowApi

    def __init__(
        self,
        home: Path,
        environment: Mapping[str, str],
        components: Sequence[str] = COMPONENTS,
    ) -> None:
        self.home = home.resolve()
        self._components = components
        self.url = f"http://{HOST}:{_free_port()}"
        self._environment = airflow_environment(self.home, self.url) | dict(environment)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._lock())
            stack.callback(self.stop)
            self._start()
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exit.close()

    def stop(self) -> None:
        """Interrupts every process of this home, kills what is left, and waits for the end."""
        try:
            for name, process in self._processes.items():
                # A trigger holds nothing that must be put in order, yet Airflow waits 10 s for it.
                end = signal.SIGKILL if name == "triggerer" else signal.SIGINT
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, end)
            deadline = time.monotonic() + STOP_SECONDS
            while any(self._ours()) and time.monotonic() < deadline:
                time.sleep(0.1)
        finally:
            self._kill()
            shutil.rmtree(self.home / "tmp", ignore_errors=True)

    def _lock(self) -> FileLock:
        self.home.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.home / "running.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise AirflowError(
                f"Airflow already runs in {self.home}: stop that one first."
            ) from None
        return lock

    def _start(self) -> None:
        self._kill()
        for folder in ("tmp", "logs"):
            (self.home / folder).mkdir(exist_ok=True)
        self._spawn("migration", ["db", "migrate"])
        if self._processes.pop("migration").wait(START_SECONDS):
            raise AirflowError(f"Airflow's database was not made:\n{self._log_tail('migration')}")
        for name in self._components:
            self._spawn(name, _COMMANDS[name])
        deadline = time.monotonic() + START_SECONDS
        while (api := AirflowApi.connect(self.url)) is None:
            self._check_alive(deadline)
            time.sleep(0.1)
        self.api = api
        while not api.is_healthy(self._components):
            self._check_alive(deadline)
            time.sleep(0.1)
        api.create_pools(POOLS)
        api.fail_unfinished_runs()

    def _spawn(self, name: str, command: list[str]) -> None:
        with self._log(name).open("wb") as log:
            self._processes[name] = subprocess.Popen(  # noqa: S603  # our own interpreter
                [sys.executable, "-m", "airflow", *command],
                env=self._environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _check_alive(self, deadline: float) -> None:
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise AirflowError(f"Airflow's {name} ended early:\n{self._log_tail(name)}")
        if time.monotonic() > deadline:
            raise AirflowError(f"Airflow was not healthy in {START_SECONDS:.0f} s; see {self.home}")

    def _log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"

    def _log_tail(self, name: str) -> str:
        return "\n".join(self._log(name).read_text(errors="replace").splitlines()[-15:])

    def _ours(self) -> Iterator[psutil.Process]:
        """Yields the processes of this home, found by their environment.

        Tasks make process groups and orphans change parents; the environment stays.
        """
        for process in self._processes.values():
            process.poll()
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.environ().get("AIRFLOW_HOME") == str(self.home):
                    yield process

    def _kill(self) -> None:
        while left := [process for process in self._ours() if process.pid != os.getpid()]:
            for process in left:
                with suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(left, timeout=1)
        for started in self._processes.values():
            started.wait()


def airflow_environment(home: Path, url: str) -> dict[str, str]:
    """Returns the environment of a private Airflow.

    It is the caller's, without the caller's own Airflow and `COGNITION_*` settings, and with ours.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "COGNITION_"))
    }
    bundle = {
        "name": "repository",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(ROOT)},
    }
    settings = {
        ("core", "dags_folder"): str(ROOT / "dags"),
        ("core", "load_examples"): "False",
        ("core", "parallelism"): "4",
        ("core", "dags_are_paused_at_creation"): "False",
        ("core", "execution_api_server_url"): f"{url}/execution/",
        ("core", "simple_auth_manager_all_admins"): "True",
        ("database", "sql_alchemy_conn"): f"sqlite:///{home / 'airflow.db'}",
        ("logging", "base_log_folder"): str(home / "logs"),
        ("logging", "worker_log_server_port"): str(_free_port()),
        ("logging", "trigger_log_server_port"): str(_free_port()),
        ("api", "host"): HOST,
        ("api", "port"): url.rpartition(":")[2],
        ("api", "workers"): "1",
        ("api", "base_url"): url,
        ("api", "secret_key"): secrets.token_urlsafe(32),
        ("api_auth", "jwt_secret"): secrets.token_urlsafe(48),
        ("scheduler", "scheduler_idle_sleep_time"): "0.1",
        # A task whose end Airflow overlooks is seen at the next heartbeat: 5 s later by default.
        ("workers", "min_heartbeat_interval"): "1",
        ("dag_processor", "dag_bundle_config_list"): json.dumps([bundle]),
        ("dag_processor", "dag_bundle_storage_path"): str(home / "bundles"),
        ("dag_processor", "min_file_process_interval"): "300",
        ("dag_processor", "parsing_processes"): "1",
    }
    loopback = ",".join(filter(None, [inherited.get("NO_PROXY"), HOST, "localhost"]))
    return {
        **inherited,
        **{f"AIRFLOW__{s}__{key}".upper(): value for (s, key), value in settings.items()},
        "AIRFLOW_HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "NO_PROXY": loopback,
        "no_proxy": loopback,
        "SPT_NOENV": "1",  # else Airflow's process titles overwrite the environment we look for
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
