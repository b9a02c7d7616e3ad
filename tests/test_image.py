"""The image: what the Dockerfile copies, installs and runs, short of a Docker daemon."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from lake_kit import child_environment
from packaging.requirements import Requirement

from transforms.messages.callback import HEALTH_PATH
from transforms.messages.listen import DEFAULT_PORT

ROOT = Path(__file__).resolve().parent.parent
REPLY = ROOT / "tests/api_replies/meta_title.json"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PING = (
    "--app airflow.providers.celery.executors.celery_executor.app inspect ping -d celery@worker-1"
)
EXTRAS = set(PROJECT["optional-dependencies"]) - {"dev"}


@dataclass(frozen=True)
class Stage:
    """A stage of a Dockerfile: its base image, and its instructions in order."""

    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def each(self, instruction: str) -> list[str]:
        """Returns the arguments of one kind of instruction."""
        return [rest for word, rest in self.steps if word == instruction]

    def environment(self) -> dict[str, str]:
        """Returns what its ENV instructions set."""
        pairs = (pair.partition("=") for text in self.each("ENV") for pair in text.split())
        return {name: value for name, _, value in pairs}


def read_stages() -> list[Stage]:
    """Returns the stages of the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", "")
    stages: list[Stage] = []
    for line in filter(None, map(str.strip, lines.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append(Stage(rest.split(" AS ")[0]))
        else:
            stages[-1].steps.append((word, rest.strip()))
    return stages


BUILD, FINAL = read_stages()
COPIED = [source for text in BUILD.each("COPY") for source in text.split()[:-1]]


def test_base_is_a_plain_name() -> None:
    """Both stages stand on the same official image, by a name without a registry's host."""
    assert [BUILD.base, FINAL.base] == ["python:3.11-slim"] * 2


def test_copied_files_are_there_and_nothing_else_is_sent() -> None:
    """Each copied path exists, and .dockerignore lets exactly these through."""
    assert [source for source in COPIED if not (ROOT / source).exists()] == []
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert sorted(r.removeprefix("!") for r in rules if r.startswith("!")) == sorted(COPIED)
    assert rules[-1] == "**/__pycache__/"


def test_files_named_by_the_project_are_copied() -> None:
    """What the wheel is built from is copied: the package, its data, readme and licence."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]
    named = {*wheel["packages"], *wheel["force-include"], PROJECT["readme"]}
    assert named | {*PROJECT["license-files"]} <= {source.rstrip("/") for source in COPIED}


def test_everything_is_installed_by_its_hash() -> None:
    """The lock's files are fetched with hashes; each later call of pip may take only those."""
    calls = re.findall(r"-m pip (.*?)(?= && |$)", "\n".join(BUILD.each("RUN")), re.MULTILINE)
    first, *later = calls
    assert {"--require-hashes", "--no-deps"} < set(first.split())
    assert "-r requirements.lock -w /wheels" in first
    assert len(later) == 3
    assert [call for call in later if "--no-index" not in call.split()] == []
    assert "pip" not in " ".join(FINAL.each("RUN"))


def test_installs_all_extras_but_development() -> None:
    """The image has every extra a deployment may use, and no tool for development."""
    (named,) = re.findall(r"cognition-warehouse\[(.*?)\]", " ".join(BUILD.each("RUN")))
    assert set(named.split(",")) == EXTRAS


@pytest.mark.parametrize("extra", sorted({"", *EXTRAS}))
def test_lock_holds_what_an_extra_asks_for(extra: str) -> None:
    """The lock has each distribution a group of requirements names, in an allowed version."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))
    wanted = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    for each in map(Requirement, wanted):
        assert locked[each.name] in each.specifier, each


def test_nobody_is_root_in_it() -> None:
    """Processes run as a user by number, whom Kubernetes can tell from root, and who owns /data."""
    (made, *_) = FINAL.each("RUN")
    assert FINAL.each("USER") == ["50000"]
    assert "useradd --uid 50000 --gid 0" in made
    assert "chown 50000:0 /data /opt/airflow" in made
    assert FINAL.environment()["COGNITION_HOME"] == "/data"
    assert FINAL.environment()["AIRFLOW_HOME"] == "/opt/airflow"


def test_bytecode_is_compiled_and_read() -> None:
    """Packages are compiled as they are installed, and nothing forbids bytecode."""
    assert "--compile" in " ".join(BUILD.each("RUN")).split()
    assert "PYTHONDONTWRITEBYTECODE" not in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_default_command_is_ours() -> None:
    """Without a command the image says what `cognition` can do."""
    assert FINAL.each("CMD") == ['["cognition", "--help"]']
    assert not FINAL.each("ENTRYPOINT")
    assert "cognition" in PROJECT["scripts"]


def test_git_is_there_for_a_bundle() -> None:
    """The image has the program that DAGs from a git bundle need, and no list of packages."""
    (installed,) = [run for run in FINAL.each("RUN") if "apt-get" in run]
    assert "install -y --no-install-recommends git " in installed
    assert installed.endswith("rm -rf /var/lib/apt/lists/*")


def health_command() -> str:
    """Returns what the health check runs."""
    (text,) = FINAL.each("HEALTHCHECK")
    return text.partition("CMD")[2]


def test_health_is_asked_where_things_are() -> None:
    """Celery's application is where the health check looks, and callbacks are at the port asked."""
    (app,) = re.findall(r"--app (\S+)\.app ", health_command())
    files = importlib.metadata.files("apache-airflow-providers-celery") or []
    assert f"{app.replace('.', '/')}.py" in {str(file) for file in files}
    assert f":{DEFAULT_PORT}{HEALTH_PATH}" in health_command()
    assert str(DEFAULT_PORT) in FINAL.each("EXPOSE")[0].split()


@pytest.mark.parametrize(
    ("process", "check"),
    [
        ("airflow scheduler", "airflow jobs check --job-type SchedulerJob --local"),
        ("/sbin/docker-init -- airflow dag-processor", "airflow jobs check --job-type DagProcess"),
        ("airflow triggerer", "airflow jobs check --job-type TriggererJob --local"),
        ("airflow api_server -- host:0.0.0.0 port:8080", "python -c import urllib.request"),
        ("/opt/cognition/bin/python /opt/cognition/bin/airflow api-server", "python -c import"),
        ("/sbin/docker-init -- airflow celery worker --queues warehouse", f"celery {PING}"),
        ("[celeryd: celery@worker-1:MainProcess] -active- (worker)", f"celery {PING}"),
        ("/opt/cognition/bin/python /opt/cognition/bin/cognition listen", "python -c import"),
        ("/sbin/docker-init -- cognition listen --host 0.0.0.0", "python -c import urllib.request"),
        ("cognition status", "cognition --version"),
    ],
)
def test_health_is_that_of_the_process(tmp_path: Path, process: str, check: str) -> None:
    """The health check asks after the process that runs, and says no when the answer is no."""
    command = health_command().replace("/proc/1/cmdline", str(tmp_path / "cmdline"))
    (tmp_path / "cmdline").write_text(process.replace(" ", "\0") + "\0")
    (tmp_path / "hostname").write_text("#!/bin/sh\necho worker-1\n")
    (tmp_path / "hostname").chmod(0o755)
    for name in ("airflow", "python", "cognition", "celery"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@"\nexit 7\n')
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", command],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.stdout.startswith(check)
    assert done.returncode == 7


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The build stage, carried out in a folder that stands for the image's root."""
    root = tmp_path_factory.mktemp("image")
    (root / "src").mkdir()
    for source in COPIED:
        target = root / "src" / source.rstrip("/")
        if source.endswith("/"):
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / source, target)
    environment = {**child_environment(), **BUILD.environment(), "HOME": str(root)}
    environment |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": ""}
    for command in BUILD.each("RUN"):
        here = re.sub(r"/(wheels|tools|opt/cognition)\b", rf"{root}/\1", command)
        (root / "opt").mkdir(exist_ok=True)
        done = subprocess.run(
            ["sh", "-ec", here],
            cwd=root / "src",
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{here}\n{done.stderr[-3000:]}"
    yield root / "opt/cognition"
    shutil.rmtree(root)


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_build_stage_gives_a_working_installation(built: Path, tmp_path: Path) -> None:
    """The build stage's own commands give an environment in which all we promise works."""
    environment = {
        "PATH": f"{built}/bin:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(built / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "COGNITION_HOME": str(tmp_path / "data"),
    }

    def run(*command: str) -> str:
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr[-3000:]}"
        return done.stdout

    for words in (["import", str(REPLY)], ["flatten"], ["load"]):
        run("cognition", *words)
    told = run("cognition", "query", "SELECT title FROM meta_titles", "--format", "csv")
    assert told.split() == ["title", "example-title-****"]
    run("airflow", "db", "migrate")
    run("airflow", "dags", "reserialize")
    assert "load_warehouse" in run("airflow", "dags", "list", "--columns", "dag_id")
    assert "No data found" in run("airflow", "dags", "list-import-errors")
    site = built / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    assert [*site.glob("transforms/pipeline/__pycache__/whole.*.pyc")]
    assert [*site.glob("airflow/__pycache__/settings.*.pyc")]
    assert not (site / "pytest").exists()
    assert not (site / "mypy").exists()
