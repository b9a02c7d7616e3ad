"""One private Airflow for all tests of a process: its folder, database and pools."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox import Sandbox
from sandbox.demo.airflow_home import ROOT, airflow_environment
from transforms import ledger, pipeline
from transforms.lake import open_lake
from transforms.reports import Status
from transforms.settings import Settings, SourceSettings

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with an initialised Airflow; the environment says so before airflow is imported."""
    assert "airflow" not in sys.modules, "airflow was imported before its environment was set"
    home = tmp_path_factory.mktemp("airflow")
    (home / "tmp").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        settings = airflow_environment(home, "http://127.0.0.1:9")
        for name, value in settings.items():
            if name.startswith("AIRFLOW"):
                patch.setenv(name, value)
        patch.setenv("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")
        from airflow.utils.db import initdb

        initdb()
        yield home


@pytest.fixture(scope="session")
def dagbag(airflow_home: Path) -> DagBag:
    """The DAGs of the bundle, which is the repository root."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=str(ROOT), bundle_path=ROOT, bundle_name="repository")


class Flow:
    """A home whose ledger names the jobs of a running sandbox, and which Airflow is to serve.

    Args:
        home: The COGNITION_HOME.
        service: The running sandbox.
    """

    def __init__(self, home: Path, service: Sandbox) -> None:
        self.settings = Settings(home=home)
        self.service = service
        self.source = SourceSettings(
            endpoint=service.endpoint,
            protocol="http",
            access_key_id=service.access_key_id,
            access_key_secret=service.access_key_secret,
            queries_per_second=500,
        )
        lake = open_lake(self.settings.lake_root, create=True)
        ledger.add_jobs(lake, service.job_ids, "jobs")

    def status(self) -> Status:
        """Returns where everything stands."""
        return pipeline.status(self.settings)

    def connection(self, **changed: object) -> str:
        """Returns a connection to the sandbox, as Airflow reads it from the environment."""
        host, _, port = self.service.endpoint.rpartition(":")
        fields: dict[str, object] = {
            "conn_type": "alibaba_ims",
            "host": host,
            "port": int(port),
            "login": self.service.access_key_id,
            "password": self.service.access_key_secret,
            "extra": {"protocol": "http", "queries_per_second": 500},
        }
        return json.dumps(fields | changed)


MakeFlow = Callable[..., Flow]


@pytest.fixture
def make_flow(
    airflow_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeFlow]:
    """Makes a flow over a sandbox of some jobs, and points Airflow's tasks at it."""
    with ExitStack() as stack:

        def make(*, jobs: int, clean: bool) -> Flow:
            flow = Flow(tmp_path / "home", stack.enter_context(Sandbox(jobs=jobs, clean=clean)))
            monkeypatch.setenv("COGNITION_HOME", str(flow.settings.home))
            monkeypatch.setenv("AIRFLOW_CONN_ALIBABA_IMS_DEFAULT", flow.connection())
            return flow

        yield make
