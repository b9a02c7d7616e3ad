"""A queue of completion messages: the vendor's SDK, the sandbox's queue, and the ledger."""

from __future__ import annotations

import base64
import json
import logging
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from subtitle_server import certificate

from sandbox.queue import QueueFault, SandboxQueue, sign
from sandbox.signature import Credentials, SignedRequest
from transforms import ledger
from transforms.cli import main
from transforms.errors import (
    CognitionError,
    ConfigurationError,
    LakeUnreachableError,
    RetryableError,
    SourceRefusedError,
)
from transforms.lake import open_lake
from transforms.messages.drain import drain_queue
from transforms.messages.mns import MnsQueue, place_of
from transforms.messages.queue import Message
from transforms.settings import QueueSettings, SourceSettings
from transforms.storage import Storage

SECRET = "sandbox-key-secret"


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """Returns the time."""
        return self.now


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes our settings out of the environment, and puts a dead proxy into it."""
    for name in ("MESSAGE_TYPES", "QUEUE_NAME", "QUEUE_ENDPOINT", "SECURITY_TOKEN"):
        monkeypatch.delenv(f"COGNITION_{name}", raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


@pytest.fixture
def clock() -> Clock:
    """Returns the clock of the sandbox's loans."""
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[SandboxQueue]:
    """Runs a queue whose messages are on loan for 30 seconds of the clock."""
    with SandboxQueue(clock=clock) as queue:
        yield queue


@pytest.fixture
def lake(tmp_path: Path) -> Storage:
    """Returns an empty lake."""
    return open_lake(str(tmp_path / "lake"), create=True)


def settings_for(sandbox: SandboxQueue, **changes: Any) -> QueueSettings:  # noqa: ANN401 - settings
    """Returns the settings that lead to a sandbox queue, without waits."""
    return QueueSettings(
        **{
            "queue_endpoint": sandbox.endpoint,
            "queue_name": sandbox.name,
            "queue_wait_seconds": 0,
            "queue_timeout_seconds": 5,
            **changes,
        }
    )


def keys(**changes: str) -> SourceSettings:
    """Returns source settings with the sandbox's key pair."""
    return SourceSettings(
        **{"access_key_id": "sandbox-key-id", "access_key_secret": SECRET, **changes}  # type: ignore[arg-type]
    )


def queue_of(sandbox: SandboxQueue, **changes: Any) -> MnsQueue:  # noqa: ANN401 - settings
    """Returns the SDK's queue at a sandbox queue."""
    return MnsQueue(settings_for(sandbox, **changes), keys())


def message(job: str, **more: object) -> str:
    """Returns the message of a completed job."""
    return json.dumps({"Type": "smarttag", "JobId": job, "State": "Success", **more})


def lines_of(lake: Storage) -> list[dict[str, object]]:
    """Returns all records of the ledger, file by file."""
    files = lake.list(ledger.FOLDER)
    return [orjson.loads(line) for f in files for line in lake.read(f).to_pybytes().splitlines()]


def ids_of(lake: Storage) -> list[object]:
    """Returns the job ids of the ledger, one a line, as often as they are there."""
    return [line["job_id"] for line in lines_of(lake)]


class Crashing:
    """A queue whose reader dies, by power cut say, before it has acknowledged."""

    def __init__(self, inner: MnsQueue) -> None:
        self.receive = inner.receive

    def acknowledge(self, receipts: Sequence[str]) -> int:
        """Dies."""
        raise KeyboardInterrupt


# --- draining ---------------------------------------------------------------------------------


def test_messages_become_ledger_lines(sandbox: SandboxQueue, lake: Storage) -> None:
    """Every job told is in the ledger, the queue is empty, and UserData is nowhere in the lake."""
    for number in range(40):
        sandbox.send(message(f"job-{number:02}", UserData="<&'\"token-of-a-user"))
    report = drain_queue(lake, queue_of(sandbox), settings_for(sandbox))
    assert (report.received, report.added, report.acknowledged) == (40, 40, 40)
    assert (report.known, report.ignored, report.unreadable, report.unfinished) == (0, {}, {}, None)
    assert ledger.read_ledger(lake) == [f"job-{number:02}" for number in range(40)]
    assert report.ledger_files == tuple(lake.list(ledger.FOLDER))
    assert len(report.ledger_files) == 1
    assert {frozenset(line) for line in lines_of(lake)} == {
        frozenset({"job_id", "event", "status", "received_at"})
    }
    assert sandbox.bodies == []
    kept = b"".join(lake.read(path).to_pybytes() for path in lake.list(""))
    assert b"token-of-a-user" not in kept


def test_raw_and_base64_are_read_side_by_side(sandbox: SandboxQueue, lake: Storage) -> None:
    """Raw and Base64 bodies of both forms, in one delivery, come through the SDK unspoiled."""
    envelope = {"EventType": "MediaAiAnalysisComplete", "MessageBody": {"JobId": "b"}}
    inside = {**envelope, "MessageBody": json.dumps({"JobId": "d", "Status": "Fail"})}
    sandbox.send(message("a", UserData="汉字 & <tag>"))
    sandbox.send(json.dumps(envelope))
    sandbox.send(base64.b64encode(message("c").encode()).decode())
    sandbox.send(base64.b64encode(json.dumps(inside).encode()).decode())
    assert drain_queue(lake, queue_of(sandbox), settings_for(sandbox)).added == 4
    assert ids_of(lake) == ["a", "b", "c", "d"]


def test_a_job_is_written_once(sandbox: SandboxQueue, lake: Storage) -> None:
    """A job told twice, or known before, is acknowledged and written no second time."""
    ledger.add_jobs(lake, ["old"], "given")
    for job in ("old", "new", "new"):
        sandbox.send(message(job))
    report = drain_queue(lake, queue_of(sandbox), settings_for(sandbox))
    assert (report.received, report.added, report.known, report.acknowledged) == (3, 1, 2, 3)
    sandbox.send(message("new"))
    again = drain_queue(lake, queue_of(sandbox), settings_for(sandbox))
    assert (again.added, again.known, again.ledger_files) == (0, 1, ())
    assert sandbox.bodies == []
    assert ledger.read_ledger(lake) == ["old", "new"]


def test_a_crash_before_the_acknowledgement_loses_and_doubles_nothing(
    sandbox: SandboxQueue, lake: Storage, clock: Clock
) -> None:
    """What was appended but not acknowledged comes again, and is then known."""
    for number in range(20):
        sandbox.send(message(f"job-{number:02}"))
    with pytest.raises(KeyboardInterrupt):
        drain_queue(lake, Crashing(queue_of(sandbox)), settings_for(sandbox))
    assert len(sandbox.bodies) == 20
    assert len(ids_of(lake)) == 20
    clock.now += 31
    report = drain_queue(lake, queue_of(sandbox), settings_for(sandbox))
    assert (report.received, report.added, report.known, report.acknowledged) == (20, 0, 20, 20)
    assert len(ids_of(lake)) == 20
    assert sandbox.bodies == []


def test_nothing_is_acknowledged_unless_it_is_appended(
    sandbox: SandboxQueue, lake: Storage, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """Where the ledger cannot be written, all messages stay, and the next run takes them."""

    def refuse(*_: object, **__: object) -> None:
        raise LakeUnreachableError("no store")

    sandbox.send(message("a"))
    monkeypatch.setattr(ledger, "append", refuse)
    with pytest.raises(LakeUnreachableError):
        drain_queue(lake, queue_of(sandbox), settings_for(sandbox))
    assert sandbox.calls == ["GET", "GET"]
    monkeypatch.undo()
    clock.now += 31
    assert drain_queue(lake, queue_of(sandbox), settings_for(sandbox)).added == 1


def test_unreadable_messages_stay_and_are_told_without_their_text(
    sandbox: SandboxQueue, lake: Storage, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    """An unreadable message is counted and logged by hash; it stays until it is discarded."""
    bad = '{"password":"hunter2"}'
    for body in (bad, message("a"), bad):
        sandbox.send(body)
    report = drain_queue(lake, queue_of(sandbox), settings_for(sandbox))
    reasons = {"it has neither Type nor EventType": 1}
    assert (report.received, report.added, report.acknowledged) == (3, 1, 1)
    assert report.unreadable == reasons
    assert sandbox.bodies == [bad, bad]
    (record,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert sha256(bad.encode()).hexdigest() in record.getMessage()
    assert "22 characters" in record.getMessage()
    assert "hunter2" not in caplog.text
    clock.now += 31
    again = drain_queue(lake, queue_of(sandbox), settings_for(sandbox), discard_unreadable=True)
    assert (again.unreadable, again.acknowledged) == (reasons, 2)
    assert sandbox.bodies == []


def test_a_pass_ends_where_only_what_was_given_up_comes(lake: Storage) -> None:
    """Unreadable messages that come again at once do not keep a pass from its end."""
    with SandboxQueue(visibility_seconds=0) as sandbox:
        sandbox.send("nonsense")
        report = drain_queue(lake, queue_of(sandbox), settings_for(sandbox), limit=3000)
    assert report.unreadable == {"neither a JSON object nor Base64 of one": 1}
    assert report.received < 3000


def test_other_events_are_removed_and_counted_by_name(sandbox: SandboxQueue, lake: Storage) -> None:
    """Events that do not count are acknowledged and told, so that an operator can add one."""
    for event in ("FileUploadComplete", "VideoCognitionDone", "VideoCognitionDone"):
        sandbox.send(json.dumps({"EventType": event, "MessageBody": {"JobId": event}}))
    report = drain_queue(lake, queue_of(sandbox), settings_for(sandbox))
    assert report.ignored == {"FileUploadComplete": 1, "VideoCognitionDone": 2}
    assert (report.added, sandbox.bodies) == (0, [])
    sandbox.send(json.dumps({"EventType": "VideoCognitionDone", "MessageBody": {"JobId": "a"}}))
    settings = settings_for(sandbox, message_types="videocognitiondone")
    assert drain_queue(lake, queue_of(sandbox), settings).added == 1


def test_a_limit_is_kept(sandbox: SandboxQueue, lake: Storage) -> None:
    """No more messages than the limit are received; the others stay for the next run."""
    for number in range(30):
        sandbox.send(message(f"job-{number:02}"))
    report = drain_queue(lake, queue_of(sandbox), settings_for(sandbox), limit=20)
    assert (report.received, report.added, len(sandbox.bodies)) == (20, 20, 10)


def test_a_pass_ends_in_time(sandbox: SandboxQueue, lake: Storage) -> None:
    """Once its seconds are over, nothing more is received, though messages are there."""
    clock = iter((0.0, 1.0, 1.0, 1.0, 7.0, 61.0))  # start, look, first held, held on, too long, end
    for number in range(40):
        sandbox.send(message(f"job-{number:02}"))
    settings = settings_for(sandbox)
    report = drain_queue(lake, queue_of(sandbox), settings, seconds=60, clock=lambda: next(clock))
    assert (report.received, report.added, len(sandbox.bodies)) == (32, 32, 8)


def test_messages_held_do_not_wait_for_a_queue_that_fails(lake: Storage) -> None:
    """A queue that stops answering ends the pass; what it gave before is in the ledger."""
    with SandboxQueue(faults=[None, QueueFault.THROTTLE]) as sandbox:
        for number in range(20):
            sandbox.send(message(f"job-{number:02}"))
        report = drain_queue(lake, queue_of(sandbox), settings_for(sandbox))
        assert (report.received, report.added, report.acknowledged) == (16, 16, 16)
        assert "QpsLimitExceeded" in str(report.unfinished)
        assert len(ids_of(lake)) == 16


def test_a_failed_acknowledgement_is_told(lake: Storage, clock: Clock) -> None:
    """Where the queue fails over the acknowledgement, the ids are kept and known the next time."""
    with SandboxQueue(faults=[None, None, QueueFault.INTERNAL_ERROR], clock=clock) as sandbox:
        sandbox.send(message("a"))
        report = drain_queue(lake, queue_of(sandbox), settings_for(sandbox))
        assert (report.added, report.acknowledged) == (1, 0)
        assert "InternalError" in str(report.unfinished)
        clock.now += 31
        again = drain_queue(lake, queue_of(sandbox), settings_for(sandbox))
        assert (again.added, again.known, again.acknowledged) == (0, 1, 1)


def test_a_queue_that_never_answers_is_an_error(lake: Storage) -> None:
    """Where not one message could be asked for, the pass fails so that it is tried again."""
    with (
        SandboxQueue(faults=[QueueFault.BAD_GATEWAY]) as sandbox,
        pytest.raises(RetryableError, match="unreadable answer"),
    ):
        drain_queue(lake, queue_of(sandbox), settings_for(sandbox))


# --- the vendor's SDK -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (QueueFault.THROTTLE, RetryableError, "QpsLimitExceeded"),
        (QueueFault.INTERNAL_ERROR, RetryableError, "InternalError"),
        (QueueFault.BAD_GATEWAY, RetryableError, "unreadable answer"),
        (QueueFault.RESET, RetryableError, "connection reset"),
        (QueueFault.DENIED, SourceRefusedError, "mns:BatchReceiveMessage"),
    ],
)
def test_faults_say_what_to_do(fault: QueueFault, kind: type[CognitionError], said: str) -> None:
    """Each fault is an error by what the caller should do, without the SDK's own beside it."""
    with SandboxQueue(faults=[fault, fault]) as sandbox:
        sandbox.send(message("a", UserData="token-of-a-user"))
        for call in (lambda q: q.receive(0, 16), lambda q: q.acknowledge(["1-A"])):
            with pytest.raises(kind, match=said) as caught:
                call(queue_of(sandbox))
            assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"access_key_secret": "wrong"}, SourceRefusedError, "SignatureDoesNotMatch"),
        ({"access_key_id": "nobody"}, SourceRefusedError, "InvalidAccessKeyId"),
        ({"security_token": "old-token"}, SourceRefusedError, "InvalidSecurityToken"),
    ],
)
def test_wrong_keys_are_refused_without_being_quoted(
    sandbox: SandboxQueue, changes: dict[str, str], kind: type[CognitionError], said: str
) -> None:
    """A key the queue does not take stops the run, and no message holds any of it."""
    with pytest.raises(kind, match=said) as caught:
        MnsQueue(settings_for(sandbox), keys(**changes)).receive(0, 1)
    words = str(caught.value) + repr(caught.value.__context__)
    assert not any(secret in words for secret in [*changes.values(), SECRET, "waitseconds"])


def test_a_missing_queue_is_a_setting(sandbox: SandboxQueue) -> None:
    """A queue that is not there is told by the settings that name it."""
    with pytest.raises(ConfigurationError, match="COGNITION_QUEUE_NAME"):
        queue_of(sandbox, queue_name="others").receive(0, 1)


def test_an_sts_token_is_sent(lake: Storage) -> None:
    """A temporary key pair is sent with its token."""
    credentials = Credentials("sts-id", "sts-secret", "sts-token")
    pair = keys(access_key_id="sts-id", access_key_secret="sts-secret", security_token="sts-token")
    with SandboxQueue(credentials=credentials) as sandbox:
        sandbox.send(message("a"))
        queue = MnsQueue(settings_for(sandbox), pair)
        assert drain_queue(lake, queue, settings_for(sandbox)).added == 1


def chain(monkeypatch: pytest.MonkeyPatch, find: Callable[[], object]) -> SourceSettings:
    """Puts a credential chain in place of the vendor's; returns settings without a key pair."""
    module = SimpleNamespace(Client=lambda: SimpleNamespace(get_credential=find))
    monkeypatch.setitem(sys.modules, "alibabacloud_credentials.client", module)
    for name in ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET"):
        monkeypatch.delenv(f"COGNITION_{name}", raising=False)
    return SourceSettings()


def test_without_a_key_pair_the_chain_is_asked_each_time(
    sandbox: SandboxQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys of the default chain are found anew for each request: temporary ones are renewed."""
    found = [Credentials("sandbox-key-id", SECRET, None), Credentials("expired", "pair", "token")]

    def find() -> object:
        each = found.pop(0)
        return SimpleNamespace(
            get_access_key_id=lambda: each.access_key_id,
            get_access_key_secret=lambda: each.access_key_secret,
            get_security_token=lambda: each.security_token,
        )

    queue = MnsQueue(settings_for(sandbox), chain(monkeypatch, find))
    assert queue.receive(0, 1) == []
    with pytest.raises(SourceRefusedError, match="InvalidAccessKeyId"):
        queue.receive(0, 1)


def test_a_chain_without_keys_says_what_to_set(
    sandbox: SandboxQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no keys are found, the run stops and names the variables."""

    def find() -> object:
        raise ValueError("a place with a secret in it")

    queue = MnsQueue(settings_for(sandbox), chain(monkeypatch, find))
    with pytest.raises(SourceRefusedError, match="ALIBABA_CLOUD_ACCESS_KEY_ID") as caught:
        queue.receive(0, 1)
    assert caught.value.__context__ is None


def test_without_the_sdk_the_extra_is_named(
    sandbox: SandboxQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the SDK is not installed, the message says how to install it."""
    monkeypatch.setitem(sys.modules, "mns.account", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'cognition-warehouse\[mns\]'"):
        queue_of(sandbox)


def test_a_loan_that_is_over_is_not_acknowledged(sandbox: SandboxQueue, clock: Clock) -> None:
    """Of messages acknowledged too late only the others count; those come again."""
    sandbox.send(message("a"))
    queue = queue_of(sandbox)
    (late,) = queue.receive(0, 16)
    clock.now += 31
    sandbox.send(message("b"))
    fresh = queue.receive(0, 16)
    assert len(fresh) == 2
    assert queue.acknowledge([late.receipt, fresh[1].receipt]) == 1
    assert sandbox.bodies == [message("a")]


@contextmanager
def silent_server() -> Iterator[str]:
    """Yields the address of a server that accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_silence_has_an_end(scheme: str) -> None:
    """A server that never answers, or never shakes hands, is given up after the time-out."""
    with silent_server() as host:
        settings = QueueSettings(
            queue_endpoint=f"{scheme}://{host}",
            queue_name="q",
            queue_wait_seconds=0,
            queue_timeout_seconds=0.05,
        )
        with pytest.raises(RetryableError, match="timed out"):
            MnsQueue(settings, keys()).receive(0, 1)


def test_a_certificate_is_verified(tmp_path: Path) -> None:
    """A queue with a certificate nobody vouches for is not spoken to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    chain_file = tmp_path / "server.pem"
    chain_file.write_bytes(b"".join(certificate()))
    context.load_cert_chain(chain_file)

    def shake_hands(server: socket.socket) -> None:
        with server.accept()[0] as plain, pytest.raises(ssl.SSLError):
            context.wrap_socket(plain, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=shake_hands, args=(server,))
        thread.start()
        endpoint = f"https://127.0.0.1:{server.getsockname()[1]}"
        settings = QueueSettings(queue_endpoint=endpoint, queue_name="q")
        with pytest.raises(RetryableError, match="certificate is not trusted"):
            MnsQueue(settings, keys()).receive(0, 1)
        thread.join()


@pytest.mark.parametrize(
    ("endpoint", "name", "said"),
    [
        (None, "q", "COGNITION_QUEUE_ENDPOINT is not set"),
        ("1.mns.cn-shanghai.aliyuncs.com/queues", "q", "COGNITION_QUEUE_ENDPOINT"),
        ("ftp://1.mns.cn-shanghai.aliyuncs.com", "q", "COGNITION_QUEUE_ENDPOINT"),
        ("https://user@1.mns.cn-shanghai.aliyuncs.com", "q", "COGNITION_QUEUE_ENDPOINT"),
        ("http://1.mns.cn-shanghai.aliyuncs.com", "q", "over https:// only"),
        ("1.mns.cn-shanghai.aliyuncs.com", None, "COGNITION_QUEUE_NAME is not set"),
        ("1.mns.cn-shanghai.aliyuncs.com", "../other", "COGNITION_QUEUE_NAME"),
        ("1.mns.cn-shanghai.aliyuncs.com", "q?peekonly=true", "COGNITION_QUEUE_NAME"),
    ],
)
def test_wrong_places_are_refused(endpoint: str | None, name: str | None, said: str) -> None:
    """Endpoint and name must be just that, and the real service is asked over TLS only."""
    with pytest.raises(ConfigurationError, match=said):
        place_of(QueueSettings(queue_endpoint=endpoint, queue_name=name))


def test_a_bare_host_is_asked_over_tls() -> None:
    """An endpoint without a scheme is asked over TLS."""
    settings = QueueSettings(queue_endpoint="1.mns.cn-shanghai.aliyuncs.com", queue_name="q")
    assert place_of(settings).url == "https://1.mns.cn-shanghai.aliyuncs.com"


def test_a_body_is_not_shown() -> None:
    """A message shown in a log or traceback does not show its body."""
    assert "token" not in repr(Message("token", "1-A"))


# --- the sandbox's queue ----------------------------------------------------------------------


def ask(sandbox: SandboxQueue, *, date: float | None = None, secret: str = SECRET) -> int:
    """Asks for a message as the vendor describes it, without the SDK; returns the status."""
    target = f"/queues/{sandbox.name}/messages?numOfMessages=1"
    headers = {"date": formatdate(date or time.time(), usegmt=True), "x-mns-version": "2015-06-06"}
    signature = sign(SignedRequest("GET", target, [], headers), secret)
    connection = HTTPConnection(sandbox.endpoint.removeprefix("http://"), timeout=5)
    connection.request(
        "GET",
        target,
        headers=headers | {"Authorization": signature and (f"MNS sandbox-key-id:{signature}")},
    )
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_sandbox_checks_signature_and_date(sandbox: SandboxQueue) -> None:
    """A wrong signature is 403, a date 16 minutes off 408; the right ones find messages."""
    sandbox.send(message("a"))
    assert ask(sandbox, secret="wrong") == 403
    assert ask(sandbox, date=time.time() - 16 * 60) == 408
    assert ask(sandbox) == 200


def test_a_wait_ends_with_the_first_message(sandbox: SandboxQueue) -> None:
    """A long poll returns as soon as a message comes, long before its wait is over."""
    queue = queue_of(sandbox, queue_wait_seconds=30)
    sender = threading.Timer(0.05, sandbox.send, [message("a")])
    sender.start()
    began = time.monotonic()
    assert len(queue.receive(30, 16)) == 1
    assert time.monotonic() - began < 15
    sender.join()


def test_a_stopped_sandbox_lets_waiters_go(clock: Clock) -> None:
    """Stopping the sandbox ends long polls at once."""
    with SandboxQueue(clock=clock) as sandbox:
        queue = queue_of(sandbox, queue_wait_seconds=30)
        waiter = threading.Thread(target=lambda: suppressed(queue))
        waiter.start()
        while not sandbox.calls:
            time.sleep(0.001)
    waiter.join(timeout=10)
    assert not waiter.is_alive()


def suppressed(queue: MnsQueue) -> None:
    """Waits for a message and passes over what ends the wait."""
    try:
        queue.receive(30, 1)
    except RetryableError:
        return


@pytest.mark.parametrize("body", ["", "x" * (64 * 1024 + 1), "\x00"])
def test_the_sandbox_takes_what_the_service_takes(sandbox: SandboxQueue, body: str) -> None:
    """Empty, too long and unwritable messages are refused where they are sent."""
    with pytest.raises(ValueError, match="1 to 65536 bytes"):
        sandbox.send(body)


# --- the command ------------------------------------------------------------------------------


@pytest.fixture
def command(
    sandbox: SandboxQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    """Returns `cognition drain` for the sandbox's queue, as set in the environment."""
    variables = {
        "QUEUE_ENDPOINT": sandbox.endpoint,
        "QUEUE_NAME": sandbox.name,
        "QUEUE_WAIT_SECONDS": "0",
        "ACCESS_KEY_ID": "sandbox-key-id",
        "ACCESS_KEY_SECRET": SECRET,
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"COGNITION_{name}", value)
    return lambda *words: main(["drain", "--home", str(tmp_path / "home"), *words])


def test_drain_tells_what_came(
    sandbox: SandboxQueue, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """`cognition drain` tells added, ignored and left messages, in words or as JSON."""
    for body in (message("a"), message("a"), '{"EventType":"Other"}', "nonsense"):
        sandbox.send(body)
    assert command() == 0
    told = capsys.readouterr()
    assert "1 job added, 1 known before" in told.out
    assert "Other 1" in told.out
    assert "1 message to come again" in told.out
    assert "1 unreadable message" in told.err
    assert command("--json") == 0
    assert json.loads(capsys.readouterr().out)["received"] == 0


def test_drain_says_where_unreadable_messages_are(
    sandbox: SandboxQueue,
    clock: Clock,
    command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They stay in the queue, or with --discard-unreadable were removed: it says which."""
    sandbox.send("nonsense")
    assert command() == 0
    assert "they stay in the queue" in capsys.readouterr().err
    sandbox.send("other nonsense")
    clock.now += 31  # what was on loan comes again
    assert command("--discard-unreadable") == 0
    told = capsys.readouterr().err
    assert "2 unreadable messages" in told
    assert "they were removed" in told
    assert "stay" not in told
    assert sandbox.bodies == []


def test_drain_goes_on_beside_a_wrong_ledger_file(
    sandbox: SandboxQueue,
    command: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With a wrong file in the ledger, messages are taken nevertheless; the file is told."""
    lake = open_lake(str(tmp_path / "home/lake"), create=True)
    lake.write_bytes("ledger/wrong.csv", b"video\n1\n")
    sandbox.send(message("a"))
    assert command() == 0
    assert "ledger/wrong.csv is no ledger" in capsys.readouterr().err
    lake.remove("ledger/wrong.csv")
    assert ledger.read_ledger(lake) == ["a"]


def test_drain_without_a_queue_is_2(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no queue is configured, what is not set is named."""
    for name in ("COGNITION_QUEUE_ENDPOINT", "COGNITION_QUEUE_NAME"):
        monkeypatch.setenv(name, "")
        assert command() == 2
        assert f"{name} is not set" in capsys.readouterr().err


def test_drain_is_strict_when_asked(
    sandbox: SandboxQueue, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """With --strict an unreadable message makes the exit code 1."""
    sandbox.send("nonsense")
    assert command("--strict") == 1
    assert "--discard-unreadable" in " ".join(capsys.readouterr().err.split())


def test_drain_without_an_answer_is_3(
    command: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A queue that cannot be reached, or refuses us, makes the exit code 3."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    monkeypatch.setenv("COGNITION_QUEUE_ENDPOINT", f"http://127.0.0.1:{port}")
    assert command() == 3
    told = capsys.readouterr().err
    assert "connection refused" in told
    assert "check COGNITION_QUEUE_ENDPOINT" in told


def test_drain_refused_is_3(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong keys make the exit code 3, and none of them is printed."""
    monkeypatch.setenv("COGNITION_ACCESS_KEY_SECRET", "another-secret")
    assert command("--json") == 3
    told = capsys.readouterr()
    assert "another-secret" not in told.out + told.err
    assert "SignatureDoesNotMatch" in json.loads(told.out)["error"]
