"""What an operator sees: notifications, metrics, log lines, asset events and lineage."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pyarrow.parquet as pq
import pytest
from lake_kit import Landing, lake_of, new_home, success
from test_dags import INGEST, LOAD, events_of, run

from sandbox.demo.airflow_home import ROOT
from transforms import lake, ledger, pipeline
from transforms.compaction import CompactionReport
from transforms.errors import ConfigurationError, RetryableError
from transforms.maintenance import CleanReport
from transforms.reports import (
    ExpiryReport,
    FlattenReport,
    IngestReport,
    SubtitleReport,
)
from transforms.settings import Settings
from transforms.warehouse.checks import CheckReport
from transforms.warehouse.prune import PruneReport
from transforms.warehouse.publish import PublishReport

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow_session import MakeFlow

    from transforms.airflow_provider.webhook import Message

pytest_plugins = ["airflow_session"]
pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

Json = Any
TOKEN = "s3cr3t-of-the-room"
WRONG = {"persons": [{"name": 7}]}
"""A result with one row that breaks the contract: a name is a text."""


@dataclass
class Room:
    """A chat room's webhook: what was posted to it, and what it answers next."""

    port: int
    posts: list[tuple[str, Json]] = field(default_factory=list)
    status: int = 200
    reply: bytes = b'{"errcode": 0}'
    location: str | None = None

    @property
    def url(self) -> str:
        """Returns the webhook's URL, whose token is a secret."""
        return f"http://127.0.0.1:{self.port}/robot/send?access_token={TOKEN}"

    def connect(self, patch: pytest.MonkeyPatch, **extra: str) -> None:
        """Names this room as the one to notify."""
        connection = {"conn_type": "http", "password": self.url, "extra": extra}
        patch.setenv("AIRFLOW_CONN_ROOM", json.dumps(connection))
        patch.setenv("COGNITION_NOTIFY_CONN_ID", "room")

    @property
    def texts(self) -> list[str]:
        """Returns the texts of what was posted as plain JSON."""
        return [post["text"] for _, post in self.posts]


@pytest.fixture
def room() -> Iterator[Room]:
    """A webhook on loopback."""
    found: Room

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            found.posts.append((self.path, json.loads(content)))
            self.send_response(found.status)
            if found.location:
                self.send_header("Location", found.location)
            self.send_header("Content-Length", str(len(found.reply)))
            self.end_headers()
            self.wfile.write(found.reply)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Keeps quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Room(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def context(error: BaseException | None = None, **other: object) -> dict[str, Any]:
    """Returns what a callback of Airflow is given, as far as we read it."""
    ti = {"dag_id": "load_warehouse", "task_id": "check", "run_id": "asset__1", "map_index": -1}
    given = {"ti": SimpleNamespace(**ti | other)}
    return given if error is None else {**given, "exception": error}


def notify(error: BaseException | None, **other: object) -> None:
    """Calls the notifier as a failed task does."""
    from transforms.airflow_provider.notifier import WebhookNotifier

    WebhookNotifier()(context(error, **other))


@pytest.mark.parametrize(
    ("error", "said", "remedy"),
    [
        (
            ConfigurationError("no lake at https://host/x?Signature=abc: name another"),
            "Error: ConfigurationError: no lake at (link) name another\n",
            "Correct what the error names, then clear the task.",
        ),
        (
            RetryableError("3 of 3 jobs got no answer"),
            "Error: RetryableError: 3 of 3 jobs got no answer\n",
            "Its retries are used up; the next run tries again. See to what the error names.",
        ),
        (ValueError(f"key {TOKEN}"), "Error: ValueError\n", "See its log, then clear it."),
        (None, "", "It was ended from outside: see its log, then clear it."),
    ],
    ids=["ours", "retryable", "not ours", "none"],
)
def test_failure_is_told_with_place_error_and_remedy(  # noqa: PLR0913, PLR0917 - fixtures, cases
    airflow_home: Path,
    room: Room,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException | None,
    said: str,
    remedy: str,
) -> None:
    """The room reads DAG, task, run, our own error without links, and what to do about it."""
    room.connect(monkeypatch)
    notify(error)
    [(path, post)] = room.posts
    assert path == f"/robot/send?access_token={TOKEN}"
    assert post == {
        "severity": "error",
        "dag_id": "load_warehouse",
        "task_id": "check",
        "run_id": "asset__1",
        "text": f"cognition: load_warehouse.check failed\n{said}What to do: {remedy}\n"
        "Run: asset__1",
    }


def test_long_errors_are_cut(
    airflow_home: Path, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message stays short enough for a chat, whatever the error says."""
    room.connect(monkeypatch)
    notify(ConfigurationError("x" * 5000))
    assert len(room.texts[0]) < 1000
    assert "xxx...\nWhat to do" in room.texts[0]


def message(text: str) -> Message:
    """Returns a message of a task."""
    from transforms.airflow_provider.webhook import Message

    return Message("error", "d", "t", "r", text)


def signature(key: str, text: str) -> str:
    """Returns a signature as the robots' documentation has it."""
    return base64.b64encode(hmac.digest(key.encode(), text.encode(), hashlib.sha256)).decode()


@pytest.mark.parametrize(
    ("form", "secret", "expected"),
    [
        ("slack", "", {"text": "a &lt;!channel&gt; &amp; b"}),
        ("dingtalk", "", {"msgtype": "text", "text": {"content": "a <!channel> & b"}}),
        ("dingtalk", "SEC1", {"msgtype": "text", "text": {"content": "a <!channel> & b"}}),
        ("feishu", "", {"msg_type": "text", "content": {"text": "a <!channel> & b"}}),
        (
            "feishu",
            "SEC1",
            {
                "timestamp": "1700000000",
                "sign": signature("1700000000\nSEC1", ""),
                "msg_type": "text",
                "content": {"text": "a <!channel> & b"},
            },
        ),
    ],
)
def test_each_room_gets_the_form_it_reads(
    airflow_home: Path, room: Room, form: str, secret: str, expected: Json
) -> None:
    """Slack, DingTalk and Feishu get their own JSON, signed where the robot asks for it."""
    from transforms.airflow_provider.webhook import Webhook, send

    send(Webhook(room.url, form, secret), message("a <!channel> & b"), now=1_700_000_000.25)
    [(path, post)] = room.posts
    assert post == expected
    query = {"access_token": [TOKEN]}
    if form == "dingtalk" and secret:
        query["timestamp"] = ["1700000000250"]
        query["sign"] = [signature("SEC1", "1700000000250\nSEC1")]
    assert parse_qs(urlsplit(path).query) == query


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        ({"status": 500}, "the webhook answered HTTP 500"),
        ({"status": 302, "location": "http://127.0.0.1:9/"}, "the webhook answered HTTP 302"),
        ({"reply": b'{"errcode": 310000}'}, "the webhook refused the message with code 310000"),
        ({"reply": b'{"code": 19021}'}, "the webhook refused the message with code 19021"),
        ({"port": 9}, "the webhook did not answer (URLError)"),
        ({"format": "telex"}, "format must be one of json, slack, dingtalk, feishu"),
    ],
    ids=str,
)
def test_notification_that_fails_is_logged_and_fails_nothing(  # noqa: PLR0913, PLR0917 - fixtures
    airflow_home: Path,
    room: Room,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    harm: dict[str, Any],
    why: str,
) -> None:
    """A webhook that does not take the message costs a line in the log, without its URL."""
    form = harm.pop("format", "json")
    for name, value in harm.items():
        setattr(room, name, value)
    room.connect(monkeypatch, format=form)
    with caplog.at_level(logging.INFO):
        notify(ConfigurationError("no"))
    assert why in caplog.text
    assert TOKEN not in caplog.text


def test_webhook_must_be_https_off_this_machine(
    airflow_home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A URL in clear text is not used, nor shown."""
    connection = {"conn_type": "http", "password": f"http://example.com/{TOKEN}"}
    monkeypatch.setenv("AIRFLOW_CONN_ROOM", json.dumps(connection))
    monkeypatch.setenv("COGNITION_NOTIFY_CONN_ID", "room")
    notify(ConfigurationError("no"))
    assert "password must be the webhook's https URL" in caplog.text
    assert TOKEN not in caplog.text


def test_unknown_connection_fails_nothing(
    airflow_home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection that does not exist is told in the log."""
    monkeypatch.setenv("COGNITION_NOTIFY_CONN_ID", "nowhere")
    notify(ConfigurationError("no"))
    assert "connection nowhere was not sent: AirflowNotFoundException" in caplog.text


def test_nobody_is_told_unless_a_connection_is_named(
    airflow_home: Path, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without COGNITION_NOTIFY_CONN_ID a failure and a warning are told to nobody."""
    from transforms.airflow_provider.notifier import notify_warning

    room.connect(monkeypatch)
    monkeypatch.delenv("COGNITION_NOTIFY_CONN_ID")
    notify(ConfigurationError("no"))
    notify_warning("soon", context())
    assert room.posts == []


@pytest.mark.parametrize("given", [True, False], ids=["with context", "without"])
def test_warning_is_told_too(
    airflow_home: Path, room: Room, monkeypatch: pytest.MonkeyPatch, given: object
) -> None:
    """A task can tell what needs a look before it fails, and is named if it says who it is."""
    from transforms.airflow_provider.notifier import notify_warning

    room.connect(monkeypatch)
    notify_warning("3 jobs expire in 5 days: run ingest", context() if given else None)
    [(_, post)] = room.posts
    place = "load_warehouse.check" if given else "a task"
    assert post["severity"] == "warning"
    assert post["text"].startswith(f"cognition: {place} needs a look\n3 jobs expire in 5 days")


@pytest.mark.parametrize(
    ("states", "told"),
    [
        ({"source_0": "failed", "source_1": "success"}, True),
        ({"source_0": "running", "source_1": "failed"}, False),
        ({}, True),
    ],
)
def test_mapped_task_is_told_of_once(
    airflow_home: Path,
    room: Room,
    monkeypatch: pytest.MonkeyPatch,
    states: dict[str, str],
    told: object,
) -> None:
    """Of 200 indexes that a wrong key fails the first is told of, not each."""
    room.connect(monkeypatch)
    asked: dict[str, Any] = {"task_id": "source", "map_index": 0, "run_id": "r"}
    notify(ConfigurationError("no"), **asked, get_task_states=lambda **_: {"r": states})
    assert bool(room.posts) is told


def test_refused_key_is_told_once_by_a_real_run(
    dagbag: DagBag, make_flow: MakeFlow, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two indexes of a mapped task fail for one reason, and the room reads one message."""
    flow = make_flow(jobs=4, clean=True)
    wrong = flow.connection(password="not-the-secret")
    monkeypatch.setenv("AIRFLOW_CONN_ALIBABA_IMS_DEFAULT", wrong)
    room.connect(monkeypatch)
    states = run(dagbag, INGEST, run_conf={"jobs_per_task": 2})
    assert (states["source[0]"], states["source[1]"]) == ("failed", "failed")
    [text] = room.texts
    assert text.startswith("cognition: ingest_cognition_jobs.source failed\nError: SourceRefused")
    assert "not-the-secret" not in text


def test_quarantine_above_the_limit_stops_the_publish_and_is_told(
    dagbag: DagBag, tmp_path: Path, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With too many jobs in quarantine `check` fails, nothing is published and the room knows."""
    settings = new_home(tmp_path, [Landing("wrong", success(("VideoLabel", WRONG)))])
    pipeline.flatten(settings)
    monkeypatch.setenv("COGNITION_HOME", str(settings.home))
    monkeypatch.setenv("COGNITION_MAX_QUARANTINE_SHARE", "0.25")
    room.connect(monkeypatch)
    states = run(dagbag, LOAD)
    assert events_of(states.pop("run_id")) == []
    assert (states["load"], states["check"], states["publish"]) == (
        "success",
        "failed",
        "upstream_failed",
    )
    assert not (settings.warehouse_dir / "warehouse.duckdb").exists()
    [text] = room.texts
    assert text.startswith("cognition: load_warehouse.check failed\nError: ChecksFailedError: ")
    assert "1 of 1 jobs (100.00%) are in quarantine in part or whole, and 25.00% may be" in text


@dataclass
class Loaded:
    """A run of load_warehouse with everything switched on, and what it told.

    Attributes:
        settings: Of its home.
        flattened: Rows by table of what it loaded, one job.
        states: States of the run and its tasks.
        events: Name and extra of its asset events.
        metrics: Value and kind of the metrics by name.
        lines: Lines of ours in the tasks' logs.
        lineage: File of the OpenLineage events.
    """

    settings: Settings
    flattened: dict[str, int]
    states: dict[str, str]
    events: list[tuple[str, dict[str, Any]]]
    metrics: dict[str, str]
    lines: list[str]
    lineage: Path


VIDEO = {"persons": [{"name": "x", "occurrences": [{"from": 1.0, "to": 2.0}]}, *WRONG["persons"]]}
MINUTES = {"transcription": {"audioInfo": {"duration": 1500}}}


@pytest.fixture(scope="module")
def loaded(dagbag: DagBag, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """One run for all tests that only look at it."""
    from transforms.airflow_provider import telling
    from transforms.airflow_provider.lineage import tell_flattened

    folder = tmp_path_factory.mktemp("loaded")
    reply = success(("VideoLabel", VIDEO), ("NLP", MINUTES))
    settings = new_home(folder / "home", [Landing("job-of-the-test", reply)])
    report = asdict(pipeline.flatten(settings))
    check, lines, file = pipeline.run_checks, Lines(), folder / "events.jsonl"

    def check_and_tell(settings: Settings) -> CheckReport:  # in a running task, whichever it is
        tell_flattened(settings, report)
        return check(settings)

    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("COGNITION_HOME", str(settings.home))
        patch.setattr(pipeline, "run_checks", check_and_tell)
        telling.log.setLevel(logging.INFO)
        stack.callback(telling.log.setLevel, logging.NOTSET)
        telling.log.addHandler(lines)
        stack.callback(telling.log.removeHandler, lines)
        stack.enter_context(lineage_to(file, patch))
        received = stack.enter_context(stats_over_udp(patch))
        states = run(dagbag, LOAD)
        events = events_of(states["run_id"])
        return Loaded(settings, report["rows"], states, events, received(), lines.told, file)


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a message."""
        self.told.append(record.getMessage())


def test_warehouse_event_has_rows_quarantine_and_lag(loaded: Loaded) -> None:
    """The event names the version and counts; it is small, and holds no job id."""
    assert loaded.states["run"] == "success"
    [(asset, extra)] = loaded.events
    assert asset == "cognition_warehouse"
    assert extra["changed"] is True
    assert extra["rows"]["jobs"] == 1
    assert extra["rows"]["quarantine"] == 1
    assert extra["quarantine"] == {"contract": 1}
    assert extra["lag_seconds"] == 0
    assert "job-of-the-test" not in json.dumps(extra)


def test_lake_event_has_rows_quarantine_and_lag(airflow_home: Path, tmp_path: Path) -> None:
    """The lake's event counts rows, quarantine by reason and pending jobs, and tells the lag."""
    from transforms.airflow_provider.wiring import lake_event

    replies = [Landing("job-a", success(("VideoLabel", WRONG))), Landing("job-b", b"no JSON")]
    settings = new_home(tmp_path, replies)
    ledger.add_jobs(lake_of(settings), ["job-a", "job-c"], "jobs")
    flattened = asdict(pipeline.flatten(settings))
    event = lake_event(pipeline.status(settings), (), [flattened])
    assert event["rows"]["jobs"] == 2
    assert event["quarantine"] == {"contract": 1, "not_json": 1}
    assert event["lag_seconds"] > 0
    assert (event["pending"], event["waiting_batches"]) == (1, 1)
    assert event["queried"] == {}
    assert (event["flattened"]["jobs"], event["flattened"]["quarantined"]) == (2, 2)
    assert (event["quarantined"], event["expiring"]) == (2, 0)
    assert json.loads(json.dumps(event)) == event
    assert "job-a" not in json.dumps(event)


Metrics = Callable[[], dict[str, str]]


@contextmanager
def stats_over_udp(patch: pytest.MonkeyPatch) -> Iterator[Metrics]:
    """Airflow's Stats pointed at a UDP socket; gives what has come, value and kind by name."""
    from airflow.sdk._shared.observability.metrics import stats as state
    from airflow.sdk.observability import stats
    from airflow.sdk.observability.metrics.stats_utils import get_stats_factory

    for name in ("_factory", "_backend", "_export_legacy_names"):
        patch.setattr(state, name, getattr(state, name))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        server.settimeout(5)
        patch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
        patch.setenv("AIRFLOW__METRICS__STATSD_HOST", "127.0.0.1")
        patch.setenv("AIRFLOW__METRICS__STATSD_PORT", str(server.getsockname()[1]))
        stats.initialize(factory=get_stats_factory(), export_legacy_names=False)

        def received() -> dict[str, str]:
            stats.incr("cognition.end_of_test")
            found: dict[str, str] = {}
            while "cognition.end_of_test" not in found:
                name, _, value = server.recv(65536).decode().removeprefix("airflow.").partition(":")
                found[name] = value
            return {name: found[name] for name in found if name.startswith("cognition.")}

        yield received


@pytest.fixture
def statsd(airflow_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Metrics]:
    """What Airflow's Stats sends during a test."""
    with stats_over_udp(monkeypatch) as received:
        yield received


def test_reports_become_counters_gauges_and_timers(statsd: Metrics) -> None:
    """Counts are counters, by name too; levels gauges, seconds a timer; texts are no metric."""
    from transforms.airflow_provider.metrics import count_report, gauge_report

    source = IngestReport(
        known=9,
        pending=9,
        queried=5,
        by_status={"Success": 3, "not.a status/of ours": 2},
        landed=3,
        unanswered=0,
        calls=7,
        retries=2,
        throttled=1,
        raw_files=("raw/a", "raw/b"),
        region="cn-shanghai",
    )
    told = {k: v for k, v in asdict(source).items() if k in RECORDED}
    count_report("source", told)
    count_report("flatten", {"bytes": 1500, "seconds": 0.25, "rows": {"jobs": 3}})
    count_report("load", {"loaded": ["x", "y"], "unchanged": 4, "rows": {"jobs": 12}})
    count_report("publish", {"changed": True, "altered": False, "bytes": 99, "version": "v"})
    count_report("expiry", {"expiring": 2, "first_expires_at": None})
    count_report("clean", {"files": 3, "dry_run": False})
    count_report("compact", {"files": 3, "dry_run": True})
    gauge_report("lake", {"lag_seconds": 12.5, "quarantine": {"contract": 2}, "published": "p"})
    assert statsd() == {
        "cognition.source.queried": "5|c",
        "cognition.source.by_status.Success": "3|c",
        "cognition.source.by_status.not_a_status_of_ours": "2|c",
        "cognition.source.landed": "3|c",
        "cognition.source.unanswered": "0|c",
        "cognition.source.calls": "7|c",
        "cognition.source.retries": "2|c",
        "cognition.source.throttled": "1|c",
        "cognition.source.raw_files": "2|c",
        "cognition.flatten.bytes": "1500|c",
        "cognition.flatten.duration": "250.000000|ms",
        "cognition.flatten.rows.jobs": "3|c",
        "cognition.load.loaded": "2|c",
        "cognition.load.unchanged": "4|g",
        "cognition.load.rows.jobs": "12|g",
        "cognition.publish.changed": "1|c",
        "cognition.publish.altered": "0|c",
        "cognition.publish.bytes": "99|g",
        "cognition.expiry.expiring": "2|g",
        "cognition.clean.files": "3|c",
        "cognition.lake.lag_seconds": "12.5|g",
        "cognition.lake.quarantine.contract": "2|g",
        "cognition.end_of_test": "1|c",
    }


RECORDED = frozenset(
    {
        "known",
        "pending",
        "queried",
        "by_status",
        "landed",
        "unanswered",
        "calls",
        "retries",
        "throttled",
        "raw_files",
        "region",
        "unanswered_reason",
    }
)


def test_load_counts_what_it_did(loaded: Loaded) -> None:
    """A run of load_warehouse sends batches, rows, checks and the published version over UDP."""
    found = loaded.metrics
    size = (loaded.settings.warehouse_dir / "warehouse.duckdb").stat().st_size
    assert found["cognition.load.loaded"] == "1|c"
    assert found["cognition.load.rows.jobs"] == "1|g"
    assert found["cognition.publish.changed"] == "1|c"
    assert found["cognition.publish.bytes"] == f"{size}|g"
    assert found["cognition.lake.lag_seconds"] == "0.0|g"
    assert found["cognition.lake.quarantine.contract"] == "1|g"
    assert int(found["cognition.check.passed"].removesuffix("|c")) > 100


def test_metrics_go_nowhere_by_default(airflow_home: Path) -> None:
    """Without a setting of Airflow's, counting opens no socket and loads no client."""
    from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger
    from airflow.sdk.observability.metrics.stats_utils import get_stats_factory

    assert get_stats_factory() is NoStatsLogger


MERGED = CompactionReport(
    months=("2026-01", "2026-02"),
    waiting=("2026-03",),
    compactions=2,
    batches=40,
    files_before=1200,
    files_after=9,
    bytes_before=30_000_000,
    bytes_after=12_500_000,
    finished=1,
    seconds=2.34,
)
LINES: list[tuple[str, object, str]] = [
    (
        "source",
        {"queried": 1200, "by_status": {"Success": 1000, "Processing": 200, "Fail": 0}}
        | {"calls": 1210, "retries": 10, "throttled": 4, "landed": 1000, "unanswered": 2}
        | {"expired": 0, "stopped_reason": None},
        (
            "1,200 jobs queried (Success 1,000, Processing 200); 1,210 calls, 10 of them again, 4 "
            "throttled; 1,000 final replies landed; 2 without an answer, still pending."
        ),
    ),
    (
        "source",
        {"queried": 1, "by_status": {}, "calls": 1, "retries": 0, "throttled": 1, "landed": 1}
        | {"unanswered": 1, "expired": 2, "stopped_reason": "5 failures in a row."},
        (
            "1 job queried (no answer); 1 call, 0 of them again, 1 throttled; 1 final reply "
            "landed; 2 recorded as expired; 1 without an answer, still pending. Stopped early: 5 "
            "failures in a row."
        ),
    ),
    (
        "flatten",
        FlattenReport(
            batches=3,
            jobs=1000,
            rows={"jobs": 1000, "x": 234, "y": 0},
            quarantined=5,
            unmapped=6,
            bytes=1_500_000,
            seconds=2.26,
            unchanged=1,
        ),
        (
            "Flattened 3 batches of 1,000 jobs, 1,234 rows in 2 tables; 5 parts in quarantine, 6 "
            "unmapped keys; 1.5 MB in 2.3 s; 1 up to date before."
        ),
    ),
    (
        "flatten",
        FlattenReport(batches=1, jobs=1, rows={"jobs": 1}, quarantined=1, unmapped=1, bytes=1),
        (
            "Flattened 1 batch of 1 job, 1 row in 1 table; 1 part in quarantine, 1 unmapped key; "
            "1 byte in 0.0 s; 0 up to date before."
        ),
    ),
    (
        "load",
        {"loaded": ["a", "b"], "replaced": ["c"], "removed": [], "unchanged": 7}
        | {"rows": {"jobs": 12_345, "x": 0}},
        (
            "Loaded 2 batches, replaced 1, removed 0, left 7; the build holds 12,345 rows in 1 "
            "table."
        ),
    ),
    (
        "check",
        {"passed": 214, "failed": [{"name": "times:asr_segments", "rows": 3}]},
        "214 checks passed; warnings: times:asr_segments (3 rows).",
    ),
    ("check", {"passed": 215, "failed": []}, "215 checks passed; warnings: none."),
    (
        "publish",
        {"changed": True, "version": "v1", "bytes": 2_000_000, "altered": True},
        (
            "Published version v1, 2.0 MB. The file published before had been altered: open it "
            "read-only."
        ),
    ),
    (
        "publish",
        {"changed": False, "version": "v1", "bytes": 1_500, "altered": False},
        "Nothing changed; published stays version v1, 1.5 kB.",
    ),
    (
        "publish",
        PublishReport(
            "w",
            "v1",
            changed=False,
            bytes=1_500,
            held=True,
            held_at="2026-01-02T03:04:05Z",
            held_reason="wrong",
        ),
        (
            "The build was not published, for a rollback holds version v1, 1.5 kB. Held since "
            "2026-01-02T03:04:05Z (wrong): `cognition rollback --release` ends it."
        ),
    ),
    (
        "ledger",
        {"typed": 1, "pending": 1, "asked": 1},
        "1 pending job, 1 of them asked for now; 1 new id in the form.",
    ),
    ("stale", {"batches": 0}, "0 raw files to flatten."),
    (
        "subtitles",
        SubtitleReport(
            known=9,
            archived_before=2,
            given_up=1,
            archived=3,
            expired=1,
            failed=2,
            bytes=1_500,
            reasons={"HTTP 404": 1, "timeout": 2},
        ),
        (
            "9 subtitle files known, 2 archived before, 1 given up before; 3 archived now (1.5 "
            "kB), 1 expired, 0 refused, 2 failed: timeout 2, HTTP 404 1."
        ),
    ),
    (
        "compact",
        MERGED,
        (
            "Merged 40 batches of 2026-01, 2026-02: 1,200 files into 9, 30.0 MB into 12.5 MB, in "
            "2.3 s. 1 compaction that a crash had left: ended first. Left for the next time: "
            "2026-03; their batches are out of date, or just being made."
        ),
    ),
    (
        "compact",
        replace(MERGED, dry_run=True, waiting=(), finished=0),
        "Would merge 40 batches of 2026-01, 2026-02: 1,200 files into 9, 30.0 MB, in 2.3 s.",
    ),
    ("compact", CompactionReport(seconds=0.04), "Nothing to merge in months that are over."),
    (
        "prune",
        PruneReport(dry_run=False, kept=3, removed=("a",), leftovers=("b.new",), bytes=2_500_000),
        "Took away 1 published version and 1 left-over of publishes, 2.5 MB (a, b.new); kept 3.",
    ),
    (
        "prune",
        PruneReport(dry_run=True, kept=1),
        "Would take away 0 published versions and 0 left-overs of publishes, 0 bytes; kept 1.",
    ),
    (
        "expiry",
        ExpiryReport(12, 3, "2026-01-31T00:00:00Z", (), 1),
        "12 pending jobs, 3 of them about to expire (the first 2026-01-31T00:00:00Z), 1 expired.",
    ),
    ("expiry", ExpiryReport(), "0 pending jobs, 0 of them about to expire, 0 expired."),
    (
        "clean",
        CleanReport(dry_run=False, staged_files=2, lock_files=1, ledger_files=30, merged_files=1),
        "Removed 2 files of dead writers and 1 old lock; merged 30 ledger files into 1.",
    ),
    (
        "clean",
        CleanReport(dry_run=True, staged_files=1),
        "Would remove 1 file of dead writers and 0 old locks; would merge 0 ledger files into 0.",
    ),
    (
        "replay",
        {"dry_run": True, "jobs": 5, "batches": 3, "changed_batches": 2, "retracted": 0}
        | {"differences": {"x": 12}, "quarantine_before": 4, "quarantine_after": 1, "seconds": 1.2},
        (
            "Would make 3 batches of 5 jobs again, 2 otherwise than before, 0 taken out; 12 "
            "different rows; 4 parts in quarantine before, 1 after; 1.2 s."
        ),
    ),
]


@pytest.mark.parametrize(("name", "report", "line"), LINES)
def test_tasks_say_in_a_line_what_they_did(
    airflow_home: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
    report: Any,  # noqa: ANN401 - a report, or what a task makes of one
    line: str,
) -> None:
    """A task's log has one line with the numbers a person looks for."""
    from transforms.airflow_provider.telling import log_report

    with caplog.at_level(logging.INFO):
        log_report(name, asdict(report) if is_dataclass(report) else report)
    assert caplog.messages == [line]


def test_every_task_that_tells_has_a_sentence(airflow_home: Path) -> None:
    """What a DAG, or what it calls, logs a report under has words of its own."""
    from transforms.airflow_provider.telling import SENTENCES

    files = [*(ROOT / "dags").glob("*.py"), *(ROOT / "transforms/airflow_provider").glob("*.py")]
    code = "\n".join(file.read_text(encoding="utf-8") for file in files)
    told = re.findall(r"\b(?:told|log_report|announce_ids)\(\s*\"(\w+)\"", code)
    assert set(told) == SENTENCES.keys()


def test_each_task_of_the_load_says_a_line(loaded: Loaded) -> None:
    """Load, check and publish each log what they did."""
    load, check, publish = loaded.lines
    assert load.startswith("Loaded 1 batch, replaced 0, removed 0, left 0; the build holds ")
    stale = 'freshness (1 row, such as {"newest_reply_at":"2026-01-15 12:00:00"'
    assert f" checks passed; warnings: {stale}" in check
    assert publish.startswith("Published version warehouse-")


@contextmanager
def lineage_to(file: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """OpenLineage switched on for us, to a file.

    Airflow's own listener, which forks for each event of each task, stays off: it is taken up, or
    not, when a process first asks for its listeners.
    """
    from airflow.listeners.listener import get_listener_manager
    from airflow.providers.openlineage.plugins import listener
    from airflow.sdk.listener import get_listener_manager as get_listener_manager_of_tasks

    get_listener_manager()
    get_listener_manager_of_tasks()
    transport = {"type": "file", "log_file_path": str(file), "append": True}
    patch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps(transport))
    patch.setenv("AIRFLOW__OPENLINEAGE__NAMESPACE", "test")
    listener.get_openlineage_listener.cache_clear()
    yield
    listener.get_openlineage_listener.cache_clear()


def datasets(file: Path, job: str) -> tuple[dict[str, Json], dict[str, Json]]:
    """Returns inputs and outputs by name of the one event with datasets of a task."""
    events = [json.loads(line) for line in file.read_text().splitlines()]
    [event] = [e for e in events if e["job"]["name"] == job and e["outputs"]]
    assert event["eventType"] == "RUNNING"
    assert event["job"]["namespace"] == "test"
    return tuple({d["name"]: d for d in event[side]} for side in ("inputs", "outputs"))


def fields_of(dataset: Mapping[str, Json]) -> list[tuple[str, str]]:
    """Returns names and types of a dataset's schema facet."""
    return [(f["name"], f["type"]) for f in dataset["facets"]["schema"]["fields"]]


def test_lineage_of_the_load_leads_from_parquet_to_duckdb(loaded: Loaded) -> None:
    """The publish names the tables of the loaded batches, each column with its Parquet column."""
    inputs, outputs = datasets(loaded.lineage, "load_warehouse.publish")
    tables = {"batches"} | loaded.flattened.keys()
    assert {"jobs", "quarantine", "video_person_occurrences", "nlp_audio"} < tables
    assert {name.removeprefix("warehouse.main.") for name in outputs} == tables
    root = str(loaded.settings.home / "lake")
    assert {(d["namespace"], name) for name, d in inputs.items()} == {
        ("file", f"{root}/batches" if table == "batches" else f"{root}/tables/{table}")
        for table in tables
    }
    found = outputs["warehouse.main.video_person_occurrences"]
    published = loaded.settings.warehouse_dir / "warehouse.duckdb"
    assert found["namespace"] == f"duckdb://{published}"
    assert found["outputFacets"]["outputStatistics"]["rowCount"] == 1
    assert ("start_seconds", "DOUBLE") in fields_of(found)
    [origin] = found["facets"]["columnLineage"]["fields"]["start_seconds"]["inputFields"]
    assert origin["name"] == f"{root}/tables/video_person_occurrences"
    assert origin["field"] == "start_seconds"


def test_lineage_of_the_flatten_leads_from_pointer_to_column(loaded: Loaded) -> None:
    """Tables have the schema of their Parquet files, and columns lead to JSON pointers in raw."""
    inputs, outputs = datasets(loaded.lineage, "load_warehouse.check")
    root = str(loaded.settings.home / "lake")
    assert {name.rpartition("/")[2] for name in outputs} == loaded.flattened.keys()
    [commit] = lake.read_commits(lake_of(loaded.settings)).values()
    for file in commit.files:
        schema = pq.read_schema(Path(root, file.path))
        dataset = outputs[f"{root}/tables/{file.table}"]
        assert fields_of(dataset) == [(f.name, str(f.type)) for f in schema]
        assert dataset["outputFacets"]["outputStatistics"]["rowCount"] == file.rows

    def origin(table: str, column: str) -> tuple[str, str, str, str]:
        found = outputs[f"{root}/tables/{table}"]["facets"]["columnLineage"]["fields"][column]
        [one] = found["inputFields"]
        [change] = one["transformations"]
        return one["name"], one["field"], change["subtype"], change["description"]

    raw = f"{root}/raw"
    start = "VideoLabel#/persons/*/occurrences/*/from"
    assert origin("video_person_occurrences", "start_seconds") == (raw, start, "IDENTITY", "")
    duration = "NLP#/transcription/audioInfo/duration"
    assert origin("nlp_audio", "duration_seconds") == (
        raw,
        duration,
        "TRANSFORMATION",
        "divided by 1000: seconds",
    )
    assert inputs.keys() == {raw}
    assert {"body", start, duration} <= {
        f["name"] for f in inputs[raw]["facets"]["schema"]["fields"]
    }


@pytest.mark.parametrize("off", ["not configured", "disabled", "not installed"])
def test_no_lineage_unless_configured(
    airflow_home: Path, monkeypatch: pytest.MonkeyPatch, off: str
) -> None:
    """Without a transport, switched off, or without the provider nothing is imported nor done."""
    from transforms.airflow_provider.lineage import is_on, tell_flattened

    events = "transforms.airflow_provider.lineage_events"
    monkeypatch.delitem(sys.modules, events, raising=False)
    if off == "disabled":
        monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", '{"type": "console"}')
        assert is_on()
        monkeypatch.setenv("AIRFLOW__OPENLINEAGE__DISABLED", "True")
    elif off == "not installed":
        monkeypatch.setitem(sys.modules, "airflow.providers.openlineage", None)
    assert not is_on()
    tell_flattened(Settings(), {"rows": {"jobs": 1}})
    assert events not in sys.modules


def test_lineage_that_fails_is_logged_and_fails_nothing(
    airflow_home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A task that did its work is not failed by its lineage."""
    from transforms.airflow_provider.lineage import tell_flattened

    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", '{"type": "console"}')
    monkeypatch.setenv("COGNITION_SCHEMAS", "/nowhere")
    tell_flattened(Settings(), {"rows": {"jobs": 1}})
    assert "No lineage was emitted: ConfigurationError" in caplog.text


def test_provider_lists_the_notifier(airflow_home: Path) -> None:
    """Airflow is told of the notifier, and finds it where the list says."""
    from airflow.sdk._shared.module_loading import import_string

    from transforms.airflow_provider.notifier import WebhookNotifier
    from transforms.airflow_provider.provider import get_provider_info

    [name] = get_provider_info()["notifications"]
    assert import_string(name) is WebhookNotifier


def test_every_task_has_the_notifier(dagbag: DagBag) -> None:
    """No task of any DAG fails without being told of."""
    from transforms.airflow_provider.notifier import WebhookNotifier

    for dag in dagbag.dags.values():
        for task in dag.tasks:
            if task.task_id == "report_failure":  # the task that failed before has told
                continue
            found = getattr(task, "partial_kwargs", {}).get("on_failure_callback")
            callbacks = found if found is not None else task.on_failure_callback
            callbacks = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
            assert any(isinstance(each, WebhookNotifier) for each in callbacks), task.task_id
