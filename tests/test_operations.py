"""docs/operations.md holds what it says: its commands run, its names, settings and texts exist."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings
from typer.main import get_command

from sandbox import Sandbox
from sandbox.demo.airflow_home import airflow_environment
from transforms import ledger, pipeline, settings
from transforms.airflow_provider.pools import POOLS
from transforms.cli.app import app
from transforms.errors import ConfigurationError
from transforms.lake import open_lake
from transforms.messages.drain import DrainReport
from transforms.reports import ExpiryReport, FlattenReport, IngestReport, Status
from transforms.settings import Settings, SourceSettings
from transforms.source.errors import PERMISSION, ServiceError, Verdict, verdict_of
from transforms.storage import Storage
from transforms.warehouse.checks import CheckReport
from transforms.warehouse.load import LoadReport
from transforms.warehouse.publish import PublishReport, publish

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/operations.md"
TEXT = PAGE.read_text(encoding="utf-8")
BIN = Path(sys.executable).parent
pytest_plugins = ["airflow_session"]
pytestmark = [
    pytest.mark.airflow,
    pytest.mark.xdist_group("operations"),  # they share one deployment to copy
]


@dataclass(frozen=True)
class Block:
    """A fenced block: the section it stands in, what its first line says, and its text."""

    section: str
    language: str
    note: str
    text: str
    line: int

    @property
    def commands(self) -> list[str]:
        """Returns its commands; what follows a `$ ` line belongs to it."""
        parts = re.split(r"^\$ ", self.text, flags=re.MULTILINE)
        return [part.rstrip("\n") for part in parts[1:]]


@cache
def read_blocks() -> tuple[Block, ...]:
    """Returns the fenced blocks of the page."""
    found, section = [], ""
    pattern = r"^## (?P<title>.+)$|^```(?P<language>\w*)(?P<note>.*)\n(?P<text>(?:.*\n)*?)```$"
    for match in re.finditer(pattern, TEXT, re.MULTILINE):
        section = match["title"] or section
        if match["title"] is None:
            line = TEXT[: match.start()].count("\n") + 1
            note = match["note"].strip()
            found.append(Block(section, match["language"], note, match["text"], line))
    return tuple(found)


def blocks_in(language: str, section: str | None = None) -> list[Block]:
    """Returns the blocks of a language, of one section or all."""
    return [b for b in read_blocks() if b.language == language and section in {None, b.section}]


def commands_of(*blocks: Block) -> str:
    """Returns the commands of some blocks as one script."""
    return "\n".join(command for block in blocks for command in block.commands)


RUN = list(dict.fromkeys(block.section for block in blocks_in("console")))


# What the blocks are


def test_each_block_is_run_or_says_why_not() -> None:
    """A block is run (console), tried by a test (json, python, sql), drawn, or says why not."""
    tried = {"console", "json", "python", "sql", "text"}
    others = [b for b in read_blocks() if b.language not in tried]
    assert [b.line for b in others if not re.match(r"not run: \S", b.note)] == []
    assert [b.line for b in blocks_in("console") if not b.text.startswith("$ ")] == []


def test_commands_that_are_not_run_could_be(airflow_home: Path) -> None:
    """Every `airflow` and `cognition` command of the page is one, its options included."""
    from airflow.cli.cli_parser import get_parser

    parser, commands = get_parser(), get_command(app).commands  # type: ignore[attr-defined]
    lines = [line for block in blocks_in("sh") for line in block.text.splitlines()]
    lines += [command.partition("\n")[0] for b in blocks_in("console") for command in b.commands]
    lines += re.findall(r"`((?:cognition|airflow) [^`]+)`", TEXT)
    found = []
    for line in lines:
        words = shlex.split(line, comments=True)
        places = [at for at, word in enumerate(words) if word in {"cognition", "airflow"}]
        found += [words[at:] for at in places[-1:] if at + 1 < len(words)]
    for program, command, *given in found:
        if program == "airflow":
            parser.parse_args([command, *given])
        elif command != "--version":
            assert command in commands, command
            told, rest = commands[command], list(given)
            while rest and rest[0] in getattr(told, "commands", {}):
                told = told.commands[rest.pop(0)]
            options = {o for parameter in told.params for o in parameter.opts}
            assert {w.partition("=")[0] for w in rest if w.startswith("--")} <= options, command
    assert len(found) > 30


def test_links_lead_somewhere() -> None:
    """Each link of the page leads to a file or a heading that is there."""
    heads = {anchor_of(title) for title in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)}
    for link in re.findall(r"\]\(([^)]+)\)", TEXT):
        place, _, anchor = link.partition("#")
        if "://" not in link:
            assert not place or (PAGE.parent / place).exists(), link
            assert place or anchor in heads, link


def anchor_of(title: str) -> str:
    """Returns the anchor a heading gets."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_paths_of_the_repository_exist() -> None:
    """Each path of the repository that the page names is there."""
    named = re.findall(r"`((?:dags|transforms|schemas|sql|tests|docs)/[\w./-]*)`", TEXT)
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_places_are_those_of_the_settings() -> None:
    """No command takes lake or warehouse to lie below the home, unless nothing else is set."""
    named = re.findall(r"\S*\$\{?COGNITION_\S+", "\n".join(b.text for b in blocks_in("console")))
    assert {*named} == {
        f'{name.lower()}="${{COGNITION_{name}:-${{COGNITION_HOME:?}}/{name.lower()}}}"'
        for name in ("LAKE", "WAREHOUSE")
    }


# Settings


def settings_of_the_code() -> dict[str, str]:
    """Returns every setting by its variable, with its default as the page writes it."""
    found = {}
    for _, kind in inspect.getmembers(settings, inspect.isclass):
        if issubclass(kind, BaseSettings) and kind is not BaseSettings:
            for name, each in kind.model_fields.items():
                found[f"COGNITION_{name.upper()}"] = shown(each.default)
    for place in ("transforms", "dags"):
        for file in (ROOT / place).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    name = node.value
                    if re.fullmatch(r"COGNITION_[A-Z_]*[A-Z]", name):
                        found.setdefault(name, "*")
    return found


def shown(default: object) -> str:
    """Returns a default as the page writes it."""
    if default is None or default is PydanticUndefined or default == "":
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, int) and default >= settings.MIB and default % settings.MIB == 0:
        return f"{default // settings.MIB} MiB"
    return f"{default:g}" if isinstance(default, float) else f"{default}"


def test_table_has_every_setting_and_its_default() -> None:
    """The table lists each COGNITION_ setting once, with the default the code has."""
    rows = re.findall(r"^\| `(COGNITION_\w+)` \| (.*?) ?\|", TEXT, re.MULTILINE)
    told = {name: default.strip("`") for name, default in rows}
    assert len(told) == len(rows)
    code = settings_of_the_code()
    assert sorted(told) == sorted(code)
    wrong = {n: (told[n], want) for n, want in code.items() if want not in {"*", told[n]}}
    assert wrong == {}


def test_every_setting_named_is_one() -> None:
    """No COGNITION_ setting is named, anywhere on the page, that nothing reads."""
    named = set(re.findall(r"(?<![A-Z_])COGNITION_[A-Z_]*[A-Z]", TEXT))
    assert named - settings_of_the_code().keys() == set()


def test_settings_of_airflow_exist(airflow_home: Path) -> None:
    """Each setting of Airflow that the page names is one of Airflow or of its providers."""
    from airflow.configuration import conf

    named = set(re.findall(r"AIRFLOW__([A-Z0-9_]+?)__([A-Z0-9_]+)", TEXT))
    known = {
        (section.upper(), option.upper())
        for section, each in conf.configuration_description.items()
        for option in each["options"]
    }
    assert {name for name in named if name not in known} == set()


# What the code says


@cache
def texts_of_the_code() -> str:
    """Returns every text the code holds, `…` for what is put in."""
    texts = []
    for place in ("transforms", "dags"):
        for file in (ROOT / place).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = [p.value if isinstance(p, ast.Constant) else "…" for p in node.values]
                    texts.append("".join(map(str, parts)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    return "\n".join(texts)


def alarms() -> dict[str, str]:
    """Returns the alarms of the runbook by heading."""
    runbook = TEXT.partition("\n## Runbook\n")[2].partition("\n## ")[0]
    parts = re.split(r"^### (.+)$", runbook, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("alarm", alarms())
def test_alarm_has_its_four_parts(alarm: str) -> None:
    """Each alarm tells its symptom, what it means, what to do, and how to know that it is over."""
    heads = re.findall(r"^\*\*(.+?)\*\*", alarms()[alarm], re.MULTILINE)
    assert heads == ["Symptom.", "It means.", "Do.", "Over when."]


@pytest.mark.parametrize("alarm", alarms())
def test_texts_of_an_alarm_are_those_of_the_code(alarm: str) -> None:
    """Each message a symptom quotes is one that the code can say."""
    symptom = alarms()[alarm].partition("**It means.**")[0]
    quoted = re.findall(r"“(.+?)”", " ".join(symptom.split()))
    from_airflow = re.findall(r"Airflow says “(.+?)”", " ".join(symptom.split()))
    ours = [text for text in quoted if text not in from_airflow]
    assert [text for text in ours if text not in texts_of_the_code()] == []


def test_refusals_of_the_runbook_are_refusals() -> None:
    """Each code in the table of refusals ends a run, with the remedy of its line."""
    lines = re.findall(r"^\| (`.*?) \|", alarms()["The service refuses us"], re.MULTILINE)
    codes = re.findall(r"`(\w+)…?`", " ".join(lines))
    assert len(codes) > 7
    errors = [ServiceError(code=code, http_status=400) for code in codes]
    assert {verdict_of(error) for error in errors} == {Verdict.REFUSED}


# Examples that other programs read


def test_policy_allows_what_the_code_asks_for() -> None:
    """The RAM policy allows the service's one call and what the code says of the queue."""
    (block,) = blocks_in("json", "Permissions")
    policy = json.loads(block.text)
    granted = {a: s["Resource"] for s in policy["Statement"] for a in s["Action"]}
    assert policy["Version"] == "1"
    assert {statement["Effect"] for statement in policy["Statement"]} == {"Allow"}
    assert [action for action in granted if "*" in action] == []
    assert [action for action, on in granted.items() if "*" in on] == [PERMISSION]
    of_the_queue = {action for action in granted if action.startswith("mns:")}
    assert of_the_queue == set(re.findall(r"mns:\w+(?= )", texts_of_the_code()))


def test_lake_of_the_page_can_be_opened() -> None:
    """The example of a lake in an object store is an address that we can read."""
    (uri,) = set(re.findall(r"COGNITION_LAKE='?(s3://[^'`\s]+)", TEXT))
    opened = Storage.at(uri)
    assert (opened.fs.type_name, opened.local) == ("s3", None)
    assert opened.root == "example-bucket/cognition"


def test_pools_of_the_page_are_those_of_the_code() -> None:
    """The page names each pool with its slots."""
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", TEXT, re.MULTILINE)
    assert {name: int(slots) for name, slots in rows} == {p.name: p.slots for p in POOLS}


def test_query_of_the_page_brings_job_ids(
    airflow_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SQL query reads new rows on from its watermark, with their time of submission."""
    from transforms.airflow_provider.sql_ledger import SqlLedgerReport, fetch_job_ids

    (block,) = blocks_in("sql", "Job ids")
    query = block.text.replace("%(watermark)s", ":watermark")  # as the driver of SQLite has it
    file = tmp_path / "jobs.db"
    connection = {"conn_type": "sqlite", "host": str(file)}
    monkeypatch.setenv("AIRFLOW_CONN_JOBS", json.dumps(connection))
    given = {"ledger_sql": query, "ledger_sql_conn_id": "jobs", "ledger_sql_start": "2026-01-02"}
    here = Settings(home=tmp_path / "home", **given)  # type: ignore[arg-type]
    rows = [("a", "2025-12-01", "2026-01-01"), ("b", "2025-12-02", "2026-01-03")]
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("CREATE TABLE jobs (job_id, created_at, updated_at)")
        database.executemany("INSERT INTO jobs VALUES (?, ?, ?)", rows)
        assert fetch_job_ids(here) == SqlLedgerReport(1, 1, "2026-01-03")
        database.execute("INSERT INTO jobs VALUES ('c', '2025-12-03', '2026-01-04')")
        assert fetch_job_ids(here) == SqlLedgerReport(2, 1, "2026-01-04")
    submitted = {job: f"{known.told:%F}" for job, known in ledger.read_jobs(lake_of(here)).items()}
    assert submitted == {"b": "2025-12-02", "c": "2025-12-03"}


def lake_of(home: Settings) -> Storage:
    """Returns the lake of a home."""
    return open_lake(home.lake_root)


# Metrics

REPORTS = {
    "from_queue": DrainReport,
    "source": IngestReport,
    "flatten": FlattenReport,
    "load": LoadReport,
    "check": CheckReport,
    "publish": PublishReport,
    "expiry": ExpiryReport,
}
VALUES = {"int": 1, "float": 1.0, "bool": True, "tuple": ("x",), "dict": {"x": 1}, "str": "x"}


def filled(report: type) -> dict[str, Any]:
    """Returns something for each field of a report."""
    kinds = {each.name: str(each.type) for each in fields(report)}
    return {name: VALUES[re.split(r"\W", kind)[0]] for name, kind in kinds.items()}


def test_metrics_of_the_page_are_those_of_the_code(
    airflow_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each metric of the table is sent for the report it is named after, and is of its kind."""
    from transforms.airflow_provider import metrics, wiring

    sent: dict[str, str] = {}
    calls = {"incr": "counter", "gauge": "gauge", "timing": "timer"}
    stats = {
        call: lambda name, *_, kind=kind: sent.update({name: kind}) for call, kind in calls.items()
    }
    monkeypatch.setattr(metrics, "stats", SimpleNamespace(**stats))
    for name, report in REPORTS.items():
        metrics.count_report(name, filled(report))
    metrics.gauge_report("lake", wiring.standing(Status(**filled(Status))))
    told = {}
    for names, kind in re.findall(r"^\| (`cognition\.[^|]+) \| (\w+) \|", TEXT, re.MULTILINE):
        first, *others = re.findall(r"`([^`]+)`", names)
        task = ".".join(first.split(".")[:2])
        for name in (first, *(task + other for other in others)):
            told[re.sub(r"<\w+>", "x", name)] = kind
    assert {name: sent.get(name) for name in told} == told
    assert {name for name in sent if name.startswith("cognition.lake.")} <= told.keys()


def test_other_metrics_are_of_tasks_that_tell() -> None:
    """Each group of metrics of the page is named by a DAG or by what it calls."""
    groups = set(re.findall(r"`(?:cognition)?\.(\w+)\.\*`", TEXT))
    files = [*(ROOT / "dags").glob("*.py"), *(ROOT / "transforms/airflow_provider").glob("*.py")]
    code = "\n".join(file.read_text(encoding="utf-8") for file in files)
    told = set(re.findall(r"\b(?:told|announce_ids)\(\s*\"(\w+)\"", code))
    assert groups == told - REPORTS.keys()


# What the commands do


@dataclass
class Installation:
    """A private deployment: Airflow, a lake and a warehouse in use, and the sandbox service.

    Args:
        folder: Everything lies below it.
        environment: What its processes see.
    """

    folder: Path
    environment: dict[str, str]
    said: str = field(default="")

    @property
    def settings(self) -> Settings:
        """Returns where its lake and warehouse lie: not below its home, as with many machines."""
        elsewhere = self.folder / "elsewhere"
        return Settings(
            home=self.folder / "home", lake=str(elsewhere / "lake"), warehouse=elsewhere / "duckdb"
        )

    def run(self, script: str) -> str:
        """Runs a script that must succeed; returns what it wrote."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder / "work",
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        self.said = done.stdout
        return done.stdout

    def rows(self) -> Rows:
        """Returns all published rows by table."""
        return rows_of(self.settings)


Rows = dict[str, list[tuple[Any, ...]]]


def rows_of(here: Settings) -> Rows:
    """Returns all published rows by table."""
    path = str(here.warehouse_dir / "warehouse.duckdb")
    with closing(duckdb.connect(path, read_only=True)) as connection:
        names = "SELECT table_name FROM duckdb_tables() ORDER BY 1"
        tables = [name for (name,) in connection.execute(names).fetchall()]
        read = {t: connection.execute(f'FROM "{t}" ORDER BY ALL').fetchall() for t in tables}
    return {table: rows for table, rows in read.items() if table != "cognition_meta"}


def tables_of(here: Settings) -> dict[str, bytes]:
    """Returns the files of the lake's tables, by relative path."""
    top = Path(here.lake_root) / "tables"
    return {str(p.relative_to(top)): p.read_bytes() for p in top.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def service() -> Iterator[Sandbox]:
    """The service with a few jobs, most of them final."""
    with Sandbox(jobs=12) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def installed(service: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A deployment with nothing in it but what the commands of Install made."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "work").mkdir()
    (folder / "airflow" / "tmp").mkdir(parents=True)
    made = Installation(folder, environment_of(folder, service))
    made.run(commands_of(*blocks_in("console", "Install")))
    return made


@pytest.fixture(scope="module")
def pattern(installed: Installation, service: Sandbox) -> Path:
    """The same in use: two versions were published."""
    here = installed.settings
    lake = open_lake(here.lake_root)
    source = SourceSettings(**source_of(service))
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    for name, jobs, now in (("a", service.job_ids[:8], hour_ago), ("b", service.job_ids[8:], None)):
        ledger.add_jobs(lake, jobs, name)
        pipeline.ingest(here, source)
        pipeline.flatten(here)
        pipeline.load_batches(here)
        pipeline.run_checks(here)
        publish(here.warehouse_dir, here.keep_versions, now=now)
    return installed.folder


def source_of(service: Sandbox) -> dict[str, Any]:
    """Returns the settings that reach the sandbox."""
    return {
        "endpoint": service.endpoint,
        "protocol": "http",
        "access_key_id": service.access_key_id,
        "access_key_secret": service.access_key_secret,
        "queries_per_second": 500,
    }


def environment_of(folder: Path, service: Sandbox) -> dict[str, str]:
    """Returns the environment of a deployment in a folder."""
    made = airflow_environment(folder / "airflow", "http://127.0.0.1:9")
    made = {name: value for name, value in made.items() if not name.startswith("PYTEST")}
    ours = {f"COGNITION_{k.upper()}": str(v) for k, v in source_of(service).items()}
    here = Installation(folder, {}).settings
    ours |= {"COGNITION_HOME": str(here.home), "COGNITION_LAKE": here.lake_root}
    ours |= {"COGNITION_WAREHOUSE": str(here.warehouse_dir)}
    ours |= {"AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING"}
    path = f"{BIN}:{os.environ['PATH']}"
    return {**made, **ours, "PATH": path, "HOME": str(folder), "COLUMNS": "100"}


@pytest.fixture
def installation(pattern: Path, service: Sandbox, tmp_path: Path) -> Installation:
    """A deployment in use, for one test."""
    folder = tmp_path / "deployment"
    shutil.copytree(pattern, folder, copy_function=shutil.copy2)
    return Installation(folder, environment_of(folder, service))


@pytest.mark.slow
def test_install_begins_with_nothing(installed: Installation) -> None:
    """Its DAGs have no import errors, the pools are made, and status reads the lake it made."""
    assert "No data found" in installed.said
    assert all(f"{p.name}: made with {p.slots} slot" in installed.said for p in POOLS)
    assert "0 known jobs" in installed.said


@pytest.mark.slow
@pytest.mark.parametrize("section", [name for name in RUN if name not in {"Install", "Roll back"}])
def test_commands_of_a_section_run(installation: Installation, section: str) -> None:
    """The commands of a section run one after the other and do what the section says."""
    before = installation.rows()
    installation.run(commands_of(*blocks_in("console", section)))
    if section in CHECKS:
        CHECKS[section](installation, before)


def check_secrets(installation: Installation, before: Rows) -> None:
    """What is printed is the backend's connection, not the environment's, its secrets hidden."""
    assert "cn-beijing" in installation.said
    assert "example-key" not in installation.said


def check_pools(installation: Installation, before: Rows) -> None:
    """Slots of `ims_api` are the operator's and stay."""
    assert "ims_api: left at 2 slots" in installation.said


def check_asking(installation: Installation, before: Rows) -> None:
    """The saved reply is published, and ids that nobody knows stay pending, as the page says."""
    status = pipeline.status(installation.settings)
    assert (status.known, status.waiting_batches) == (14, 0)
    jobs = {row[0] for row in installation.rows()["jobs"]}
    assert jobs - {row[0] for row in before["jobs"]} == {"example-job-3"}
    pending = {
        j for batch in pipeline.pending_batches(installation.settings, size=9) for j in batch
    }
    assert {"example-job-1", "example-job-2"} <= pending


def check_names(installation: Installation, before: Rows) -> None:
    """The names are published, but for the one that was taken out; nothing waits."""
    rows = installation.rows()
    found = {table: {row[1:3] for row in rows[table]} for table in ("face_aliases", "tag_aliases")}
    assert found == {
        "face_aliases": {("未知人脸1", "Li Na"), ("张伟", "Zhang Wei")},
        "tag_aliases": {("CCTV-1", "China Central Television")},
    }
    assert not pipeline.status(installation.settings).waiting_aliases


def check_recovery(installation: Installation, before: Rows) -> None:
    """Warehouse and lake, made again, are as they were to the last row and byte."""
    assert installation.rows() == before
    restored = Settings(home=installation.folder / "work/restored")
    assert tables_of(restored) == tables_of(installation.settings) != {}
    assert rows_of(restored) == before


CHECKS: dict[str, Callable[[Installation, Rows], None]] = {
    "Connections and secrets": check_secrets,
    "Pools": check_pools,
    "Back-logs and asking again": check_asking,
    "Names given afterwards": check_names,
    "Back up and recover": check_recovery,
}


@pytest.mark.slow
def test_an_older_version_is_put_in_place(installation: Installation) -> None:
    """Rolled back, readers have the version before, also after a load, until it is released."""
    newest = installation.rows()
    _, back, on, _ = blocks_in("console", "Roll back")
    installation.run(commands_of(back))
    assert "(scores of 3 May are wrong)" in " ".join(installation.said.split())
    older = installation.rows()
    assert 0 < len(older["jobs"]) < len(newest["jobs"])
    assert pipeline.load(installation.settings).publish.held
    assert installation.rows() == older
    installation.run(commands_of(on))
    assert installation.rows() == newest


@pytest.mark.slow
def test_an_older_package_makes_everything_again(installation: Installation) -> None:
    """Schemas with less columns are refused; after the commands they have made what they did."""
    newest = installation.rows()
    schema = json.loads((ROOT / "schemas/results/asr.schema.json").read_text(encoding="utf-8"))
    schema["x-version"] += 1
    schema["properties"]["mood"] = {"type": ["string", "null"], "description": "Added later."}
    overlay = installation.folder / "overlay/results"
    overlay.mkdir(parents=True)
    (overlay / "asr.schema.json").write_text(json.dumps(schema), encoding="utf-8")
    newer = installation.settings.model_copy(update={"schemas": overlay.parent})
    pipeline.flatten(newer)
    pipeline.load(newer)
    with pytest.raises(ConfigurationError, match="has rows the schemas have no place for"):
        pipeline.flatten(installation.settings)
    places, _, _, again = blocks_in("console", "Roll back")
    installation.run(commands_of(places, again))
    assert installation.rows() == newest


@pytest.mark.slow
def test_bundle_from_git_is_read(installation: Installation) -> None:
    """The bundle of the page, from a repository of its own, gives the DAGs and their commit."""
    (block,) = blocks_in("json", "Install")
    (bundle,) = json.loads(block.text)
    repository = installation.folder / "repository"
    for name in ("dags", "transforms", "schemas", "sql"):
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, repository / name, ignore=skipped)
    shutil.copy2(ROOT / ".airflowignore", repository)
    git = [
        "git",
        "-C",
        str(repository),
        "-c",
        "user.name=Test",
        "-c",
        "user.email=test@example.org",
    ]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "DAGs"]):
        subprocess.run([*git, *words], check=True, capture_output=True, timeout=60)
    tag = bundle["kwargs"]["tracking_ref"]
    subprocess.run([*git, "tag", tag], check=True, capture_output=True, timeout=60)
    connection = {"conn_type": "git", "host": str(repository)}
    name = f"AIRFLOW_CONN_{bundle['kwargs']['git_conn_id']}".upper()
    installation.environment |= {
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": block.text,
        name: json.dumps(connection),
    }
    installation.run("airflow dags reserialize")
    database = installation.folder / "airflow/airflow.db"
    with closing(sqlite3.connect(database)) as connected:
        found = connected.execute("SELECT dag_id, bundle_name, bundle_version FROM dag").fetchall()
    dags = sorted(path.stem for path in (ROOT / "dags").glob("*.py"))
    assert sorted(dag for dag, _, _ in found) == dags
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    assert {row[1:] for row in found} == {("cognition", commit.stdout.strip())}


def test_policy_sends_tasks_to_the_warehouse() -> None:
    """The cluster policy gives the queue to each task that reads or writes the warehouse, only."""
    (block,) = blocks_in("python", "From one machine to many")
    policy: dict[str, Any] = {}
    exec(compile(block.text, "policy", "exec"), policy)  # the page's own example
    sent, touching = set(), set()
    for file in (ROOT / "dags").glob("*.py"):
        for task in tasks_of(file):
            each = SimpleNamespace(dag_id=file.stem, task_id=task.name, queue="default")
            policy["task_policy"](each)
            sent |= {(file.stem, task.name)} if each.queue == "warehouse" else set()
            touching |= {(file.stem, task.name)} if called_in(task) & OF_THE_WAREHOUSE else set()
    assert sent == touching
    assert len(sent) > 4


OF_THE_WAREHOUSE = {"load_batches", "run_checks", "publish", "status", "prune_versions"}


def tasks_of(file: Path) -> list[ast.FunctionDef]:
    """Returns the tasks of a DAG file: its functions with a decorator `task`."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [f for f in functions if any(is_task(mark) for mark in f.decorator_list)]


def is_task(mark: ast.expr) -> bool:
    """Tells whether a decorator is `task` or `task(...)`."""
    return ast.unparse(mark).partition("(")[0] == "task"


def called_in(function: ast.FunctionDef) -> set[str]:
    """Returns the functions of modules that a task calls, by name, or that its work calls."""
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    named = {ast.unparse(call) for call in calls if isinstance(call, ast.Attribute)}
    tasks = {name: work for name, work in works_of_ingest().items() if f"ingest.{name}" in named}
    return {name.rpartition(".")[2] for name in named}.union(*map(called_in, tasks.values()))


@cache
def works_of_ingest() -> dict[str, ast.FunctionDef]:
    """Returns what the tasks of `ingest_cognition_jobs` do, by name."""
    file = ROOT / "transforms/airflow_provider/ingest.py"
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return {each.name: each for each in body if isinstance(each, ast.FunctionDef)}
