"""Callbacks over HTTP: signatures, statuses, and ids that are durable before the answer 200."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import orjson
import pytest

from transforms import ledger
from transforms.cli import main
from transforms.errors import ConfigurationError, LakeUnreachableError, RetryableError
from transforms.lake import open_lake
from transforms.messages import listen
from transforms.messages import receiver as receiving
from transforms.messages.body import LIMIT_BYTES, Completion
from transforms.messages.callback import Signer, is_loopback, path_of, signer_of
from transforms.messages.intake import WAITING_LIMIT, Intake
from transforms.messages.listen import Listening, listening
from transforms.messages.receiver import Receiver
from transforms.settings import CallbackSettings
from transforms.storage import Storage

URL = "https://www.example.com/your/callback"
PATH = "/your/callback"
KEY = "Test123Key"
COUNTED = frozenset({"mediaaianalysiscomplete", "smarttag"})
NOW = 1_700_000_000


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes our settings out of the environment."""
    for name in ("MESSAGE_TYPES", "CALLBACK_URL", "CALLBACK_KEY"):
        monkeypatch.delenv(f"COGNITION_{name}", raising=False)


@pytest.fixture
def lake(tmp_path: Path) -> Storage:
    """Returns an empty lake."""
    return open_lake(str(tmp_path / "lake"), create=True)


def settings(**changes: object) -> CallbackSettings:
    """Returns settings with address and key."""
    return CallbackSettings(**{"callback_url": URL, "callback_key": KEY, **changes})  # type: ignore[arg-type]


def completion(job: str) -> Completion:
    """Returns a message about a job."""
    return Completion(job, "smarttag", "Success", None)


def body_of(job: str, event: str = "MediaAiAnalysisComplete") -> bytes:
    """Returns the text of a callback."""
    body = {"Status": "Success", "JobId": job, "UserData": "token-of-a-user"}
    return json.dumps({"EventType": event, "UserId": 1, "MessageBody": body}).encode()


def signed(now: float | None = None, key: str = KEY, url: str = URL) -> dict[str, str]:
    """Returns the headers the service signs a callback with."""
    timestamp = str(int(time.time() if now is None else now))
    return {
        "X-ICE-TIMESTAMP": timestamp,
        "X-ICE-SIGNATURE": Signer(url, ()).sign(timestamp, key),
    }


def ids_of(lake: Storage) -> list[object]:
    """Returns the job ids of the ledger, one a line, as often as they are there."""
    files = lake.list(ledger.FOLDER)
    lines = [line for file in files for line in lake.read(file).to_pybytes().splitlines()]
    return [orjson.loads(line)["job_id"] for line in lines]


def post(
    listener: str,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    method: str = "POST",
    path: str = PATH,
) -> int:
    """Sends a callback and returns the status."""
    connection = HTTPConnection(listener.split("/")[2], timeout=20)
    connection.request(method, path, body, signed() if headers is None else dict(headers))
    status = connection.getresponse().status
    connection.close()
    return status


# --- signatures -------------------------------------------------------------------------------


def test_the_documented_example() -> None:
    """The vendor's example of a signature comes out, by the key that it was made with."""
    assert Signer(URL, ()).sign("1519375990", "test123") == "c72b60894140fa98920f1279219b7ed4"
    signer = Signer(URL, ("test123",))
    example = ("1519375990", "c72b60894140fa98920f1279219b7ed4")
    assert signer.refusal(*example, now=1519375990) is None
    assert signer.refusal(example[0], example[1].upper(), now=1519375990) is None


@pytest.mark.parametrize(
    ("off", "taken"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)]
)
def test_a_signature_lives_five_minutes(off: int, taken: bool) -> None:  # noqa: FBT001 - a case
    """A timestamp counts up to 300 seconds before and after our clock, and no second more."""
    headers = signed(NOW)
    refusal = Signer(URL, (KEY,)).refusal(
        headers["X-ICE-TIMESTAMP"], headers["X-ICE-SIGNATURE"], NOW + off
    )
    assert (refusal is None) == taken


@pytest.mark.parametrize(
    ("timestamp", "signature", "said"),
    [
        ("", "", "not signed"),
        (str(NOW), "", "not signed"),
        ("", "0" * 32, "not signed"),
        ("now", "0" * 32, "no number of seconds"),
        ("-5", "0" * 32, "no number of seconds"),
        ("1" * 13, "0" * 32, "no number of seconds"),
        ("\u0661700000000", "0" * 32, "no number of seconds"),
        (str(NOW), "0" * 32, "another key or address"),
        (str(NOW), "ÿ", "another key or address"),
        (str(NOW), "\ud800", "another key or address"),
        (str(NOW), "0" * 100_000, "another key or address"),
    ],
)
def test_what_is_not_signed_is_refused(timestamp: str, signature: str, said: str) -> None:
    """Missing, malformed and wrong signatures are refused with the reason."""
    assert said in str(Signer(URL, (KEY,)).refusal(timestamp, signature, NOW))


@pytest.mark.parametrize(("key", "url"), [("other", URL), (KEY, URL + "/"), (KEY.lower(), URL)])
def test_a_signature_is_for_one_key_and_address(key: str, url: str) -> None:
    """What was signed with another key, or for another address, is refused."""
    headers = signed(NOW, key, url)
    refusal = Signer(URL, (KEY,)).refusal(
        headers["X-ICE-TIMESTAMP"], headers["X-ICE-SIGNATURE"], NOW
    )
    assert refusal is not None


def test_two_keys_count_while_one_is_changed() -> None:
    """Of two keys, given by space, either counts."""
    signer = signer_of(settings(callback_key="Old1key New1key"))
    for key in ("Old1key", "New1key"):
        headers = signed(NOW, key)
        assert not signer.refusal(headers["X-ICE-TIMESTAMP"], headers["X-ICE-SIGNATURE"], NOW)


def test_keys_are_not_shown() -> None:
    """Neither settings nor what is made of them show the key."""
    assert KEY not in repr(settings()) + repr(signer_of(settings()))


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (None, "/"),
        ("https://example.com", "/"),
        ("https://example.com/a/b?c=d", "/a/b"),
        ("https://example.com/%E5%9B%9E", "/回"),
    ],
)
def test_the_path_is_that_of_the_address(url: str | None, path: str) -> None:
    """Callbacks are taken at the path they are registered for."""
    assert path_of(settings(callback_url=url)) == path


@pytest.mark.parametrize(
    "url",
    [
        "example.com/a",
        "ftp://example.com/",
        "https:///a",
        "https://a/#b",
        "https://[a/",
        "http://a/healthz",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """What cannot be the address of a callback is told by its setting."""
    with pytest.raises(ConfigurationError, match="COGNITION_CALLBACK_URL"):
        path_of(settings(callback_url=url))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example.com", False),
    ],
)
def test_loopback_is_this_machine_alone(host: str, expected: bool) -> None:  # noqa: FBT001 - a case
    """Only addresses that nobody else can reach are loopback."""
    assert is_loopback(host) == expected


# --- group commit -----------------------------------------------------------------------------


class Disk:
    """A ledger whose writes wait until they are let go.

    Attributes:
        groups: Job ids of each write.
        began: Set as soon as a write began.
        go: Lets writes end.
    """

    def __init__(self) -> None:
        self.groups: list[list[object]] = []
        self.began = threading.Event()
        self.go = threading.Event()

    def __call__(self, records: Sequence[Mapping[str, object]]) -> None:
        """Writes."""
        self.began.set()
        self.go.wait(20)
        self.groups.append([record["job_id"] for record in records])


def test_all_that_wait_share_one_write() -> None:
    """200 callers wait for two writes at most: the one under way and one for all of them."""
    disk = Disk()
    with (
        Intake(disk, [], patience_seconds=20) as intake,
        ThreadPoolExecutor(max_workers=201) as pool,
    ):
        first = pool.submit(intake.add, completion("first"))
        assert disk.began.wait(10)
        others = [pool.submit(intake.add, completion(f"job-{n}")) for n in range(200)]
        while len(intake._waiting) < 200:
            time.sleep(0.001)
        disk.go.set()
        assert first.result()
        assert all(other.result() for other in others)
    assert disk.groups[0] == ["first"]
    assert sorted(disk.groups[1]) == sorted(f"job-{n}" for n in range(200))  # type: ignore[type-var]
    assert len(disk.groups) == 2


def test_a_job_that_waits_twice_is_written_once() -> None:
    """Of callers with the same job one adds it; all are told once it is durable."""
    disk = Disk()
    with (
        Intake(disk, ["old"], patience_seconds=20) as intake,
        ThreadPoolExecutor(max_workers=9) as pool,
    ):
        pool.submit(intake.add, completion("first"))
        assert disk.began.wait(10)
        same = [pool.submit(intake.add, completion("same")) for _ in range(8)]
        while len(intake._waiting) < 8:
            time.sleep(0.001)
        assert intake.add(completion("old")) is False
        disk.go.set()
        assert Counter(each.result() for each in same) == {True: 1, False: 7}
    assert disk.groups == [["first"], ["same"]]


def test_nobody_waits_longer_than_the_patience() -> None:
    """Where a write hangs, callers are sent away in time, and later ones at once."""
    disk = Disk()
    seconds = [0.0]
    with Intake(disk, [], patience_seconds=0.02, clock=lambda: seconds[0]) as intake:
        with pytest.raises(RetryableError, match="not written in time"):
            intake.add(completion("a"))
        assert disk.began.is_set()
        with pytest.raises(RetryableError):
            intake.add(completion("b"))
        assert len(intake._waiting) == 1
        seconds[0] = 0.03
        with pytest.raises(RetryableError):
            intake.add(completion("c"))
        assert len(intake._waiting) == 1  # it did not even wait
        disk.go.set()
    assert disk.groups == [["a"]]  # who gave up before the write is not written


def test_what_waits_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit nobody waits: memory stays bounded."""
    intake = Intake(lambda _: None, [])
    intake._waiting = [None] * WAITING_LIMIT  # type: ignore[list-item]
    with pytest.raises(RetryableError):
        intake.add(completion("a"))


def test_a_failed_write_adds_nothing_and_may_be_tried_again() -> None:
    """A failed write is told to all that waited; the same job can be added later."""
    written: list[object] = []

    def write(records: Sequence[Mapping[str, object]]) -> None:
        if not written:
            written.append("failed")
            raise OSError(28, "No space left on device", "/lake/ledger")
        written.extend(record["job_id"] for record in records)

    with Intake(write, []) as intake:
        with pytest.raises(RetryableError, match="cannot be written"):
            intake.add(completion("a"))
        assert intake.add(completion("a")) is True
        assert intake.add(completion("a")) is False
    assert written == ["failed", "a"]


def test_the_end_writes_what_waits() -> None:
    """Whoever waits when the intake is closed is written first; who comes later is sent away."""
    disk = Disk()
    with ThreadPoolExecutor(max_workers=2) as pool:
        with Intake(disk, [], patience_seconds=20) as intake:
            first = pool.submit(intake.add, completion("first"))
            assert disk.began.wait(10)
            last = pool.submit(intake.add, completion("last"))
            while not intake._waiting:
                time.sleep(0.001)
            threading.Timer(0.02, disk.go.set).start()
        assert first.result()
        assert last.result()
    with pytest.raises(RetryableError):
        intake.add(completion("late"))
    assert disk.groups == [["first"], ["last"]]


# --- the application --------------------------------------------------------------------------


@pytest.fixture
def ask(lake: Storage) -> Iterator[Callable[..., tuple[int, dict[str, str], bytes]]]:
    """Returns a function that asks the application itself, without a network."""

    def write(records: Sequence[Mapping[str, object]]) -> None:
        ledger.append(lake, records, "callbacks")

    with Intake(write, ["known"]) as intake:
        receiver = Receiver(PATH, Signer(URL, (KEY,)), COUNTED, intake, now=lambda: NOW)

        def call(
            body: bytes = b"", path: str = PATH, method: str = "POST", **more: object
        ) -> tuple[int, dict[str, str], bytes]:
            headers = {f"HTTP_{k.replace('-', '_')}": v for k, v in signed(NOW).items()}
            environ: dict[str, Any] = {
                "REQUEST_METHOD": method,
                "PATH_INFO": path,
                "CONTENT_LENGTH": str(len(body)),
                "wsgi.input": io.BytesIO(body),
                **headers,
                **more,
            }
            seen: list[Any] = []
            answer = b"".join(receiver(environ, lambda *said: seen.extend(said)))
            return int(seen[0][:3]), dict(seen[1]), answer

        yield call


Ask = Callable[..., tuple[int, dict[str, str], bytes]]


@pytest.mark.parametrize(
    ("request_", "status", "answer"),
    [
        ({"body": body_of("new")}, 200, b"added\n"),
        ({"body": base64.b64encode(body_of("new"))}, 200, b"added\n"),
        ({"body": body_of("known")}, 200, b"known\n"),
        ({"body": body_of("new", "FileUploadComplete")}, 200, b"ignored\n"),
        ({"body": b"nonsense"}, 400, b"neither a JSON object nor Base64 of one\n"),
        ({"body": b""}, 400, b"neither a JSON object nor Base64 of one\n"),
        ({"body": body_of("two words")}, 400, b"no job id in JobId\n"),
        ({"body": b" " * (LIMIT_BYTES + 1)}, 413, b"too large\n"),
        ({"body": b"", "CONTENT_LENGTH": "-1"}, 413, b"too large\n"),
        ({"body": body_of("new"), "HTTP_X_ICE_SIGNATURE": "0" * 32}, 403, b"not signed"),
        ({"body": body_of("new"), "HTTP_X_ICE_TIMESTAMP": str(NOW - 301)}, 403, b"not signed"),
        ({"body": body_of("new"), "path": "/"}, 404, b"not here\n"),
        ({"body": body_of("new"), "path": PATH + "/"}, 404, b"not here\n"),
        ({"method": "GET"}, 405, b"not so\n"),
        ({"method": "PUT", "body": body_of("new")}, 405, b"not so\n"),
        ({"path": "/healthz", "method": "GET"}, 200, b"ok\n"),
        ({"path": "/healthz", "method": "HEAD"}, 200, b""),
        ({"path": "/healthz", "method": "POST"}, 405, b"not so\n"),
    ],
)
def test_statuses(ask: Ask, lake: Storage, request_: Any, status: int, answer: bytes) -> None:  # noqa: ANN401 - keyword arguments
    """Each request gets its status, and only what is added is in the ledger."""
    found, _, body = ask(**request_)
    assert found == status
    assert body.startswith(answer)
    assert ids_of(lake) == (["new"] if body == b"added\n" else [])


def test_other_methods_are_told_the_right_ones(ask: Ask) -> None:
    """405 names the methods that are allowed."""
    assert ask(method="GET")[1]["Allow"] == "POST"
    assert ask(path="/healthz", method="PUT")[1]["Allow"] == "GET, HEAD"


def test_an_unsigned_body_is_not_read(ask: Ask) -> None:
    """A callback that is refused has its body left alone."""

    class Closed(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            raise AssertionError("read")

    assert ask(HTTP_X_ICE_SIGNATURE="", **{"wsgi.input": Closed()})[0] == 403


def test_a_ledger_that_cannot_be_written_is_503(
    ask: Ask, lake: Storage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While the ledger cannot be written nobody is told 200; the retry after that adds the id."""

    def refuse(*_: object, **__: object) -> None:
        raise LakeUnreachableError("the lake cannot be reached")

    with monkeypatch.context() as broken:
        broken.setattr(ledger, "append", refuse)
        assert ask(body_of("new"))[0] == 503
        assert ask(body_of("new"))[0] == 503
    assert "the lake cannot be reached" in caplog.text
    assert ids_of(lake) == []
    assert ask(body_of("new"))[2] == b"added\n"
    assert ids_of(lake) == ["new"]


def test_refusals_do_not_flood_the_log(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One reason is told once a minute with its number; texts, keys and signatures never are."""
    clock = [0.0]
    monkeypatch.setattr(receiving.time, "monotonic", lambda: clock[0])
    for _ in range(5):
        ask(body_of("new"), HTTP_X_ICE_SIGNATURE="0" * 32)
    clock[0] = 61.0
    ask(body_of("new"), HTTP_X_ICE_SIGNATURE="0" * 32)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "a callback refused",
        "5 callbacks refused",
    ]
    assert KEY not in caplog.text
    assert "token-of-a-user" not in caplog.text


# --- the server -------------------------------------------------------------------------------


@pytest.fixture
def listener(lake: Storage) -> Iterator[Listening]:
    """Runs a listener on a free loopback port."""
    with listening(lake, settings(), port=0) as running:
        yield running


def test_200_callbacks_at_once(listener: Listening, lake: Storage) -> None:
    """Of 200 callbacks at once, each sent twice, every id is in the ledger once."""
    jobs = [f"job-{number:03}" for number in range(200)] * 2
    with ThreadPoolExecutor(max_workers=200) as pool:
        statuses = list(pool.map(lambda job: post(listener.url, body_of(job)), jobs))
    assert statuses == [200] * 400
    assert sorted(map(str, ids_of(lake))) == sorted(set(jobs))
    report = listener.report()
    assert (report.added, report.known, report.failed) == (200, 200, 0)


def test_a_restart_knows_what_the_ledger_holds(lake: Storage) -> None:
    """A callback for a job of the ledger, from whatever source, is written no second time."""
    ledger.add_jobs(lake, ["given"], "by-hand")
    for _ in range(2):
        with listening(lake, settings(), port=0) as running:
            assert post(running.url, body_of("given")) == 200
            assert post(running.url, body_of("told")) == 200
    assert len(lake.list(ledger.FOLDER)) == 2
    assert set(ledger.read_ledger(lake)) == {"given", "told"}


@pytest.mark.parametrize(("size", "status"), [(LIMIT_BYTES, 400), (LIMIT_BYTES + 1, 413)])
def test_a_body_has_a_longest_size(listener: Listening, size: int, status: int) -> None:
    """64 KiB are read, one byte more is 413."""
    assert post(listener.url, b" " * size) == status


def test_a_body_in_pieces_has_the_same_longest_size(listener: Listening, lake: Storage) -> None:
    """A body without a length said ahead is read, and refused once it is too long."""
    host = listener.url.split("/")[2]
    too_long = [b" " * 1000] * 65 + [b" " * 537]  # by its last byte: all of it is sent before 413
    for pieces, status in (([body_of("a")], 200), (too_long, 413)):
        connection = HTTPConnection(host, timeout=10)
        connection.request("POST", PATH, iter(pieces), signed(), encode_chunked=True)
        assert connection.getresponse().status == status
        connection.close()
    assert ids_of(lake) == ["a"]


def test_the_end_answers_who_is_under_way(lake: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping waits for callbacks under way, those that wait for a thread too: all are told."""
    append, go = ledger.append, threading.Event()

    def slow(*arguments: Any, **options: Any) -> object:  # noqa: ANN401 - as of append
        go.wait(10)
        return append(*arguments, **options)

    monkeypatch.setattr(ledger, "append", slow)
    monkeypatch.setattr(listen, "_THREADS", 1)
    with ThreadPoolExecutor(max_workers=3) as pool:
        with listening(lake, settings(), port=0) as running:
            answers = [pool.submit(post, running.url, body_of(job)) for job in "abc"]
            channels = running._server._server.active_channels
            while sum(len(channel.requests) for channel in list(channels.values())) < 3:
                time.sleep(0.001)
            threading.Timer(0.05, go.set).start()
        assert [answer.result() for answer in answers] == [200, 200, 200]
    assert set(ids_of(lake)) == {"a", "b", "c"}
    with pytest.raises(ConnectionRefusedError):
        post(running.url, body_of("too-late"))


def test_connections_are_kept(listener: Listening, lake: Storage) -> None:
    """A proxy sends many callbacks over one connection, whatever their answers."""
    connection = HTTPConnection(listener.url.split("/")[2], timeout=10)
    statuses = []
    for body in (body_of("a"), b"nonsense", body_of("b")):
        connection.request("POST", PATH, body, signed())
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    connection.close()
    assert statuses == [200, 400, 200]
    assert set(ids_of(lake)) == {"a", "b"}


@pytest.mark.parametrize("text", [b"nonsense\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b""])
def test_what_is_no_http_harms_nobody(listener: Listening, text: bytes) -> None:
    """Garbage and TLS on the port end that connection; the next callback is taken."""
    host, port = listener.url.split("/")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=10) as caller:
        caller.sendall(text)
    assert post(listener.url, body_of("a")) == 200


# --- starting ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "options", "said"),
    [
        ({"callback_key": None}, {}, "COGNITION_CALLBACK_KEY is not set"),
        ({"callback_key": " "}, {}, "COGNITION_CALLBACK_KEY is not set"),
        ({"callback_key": "a b c"}, {}, "COGNITION_CALLBACK_KEY holds 3 keys"),
        ({"callback_url": None}, {}, "COGNITION_CALLBACK_URL is not set"),
        ({"callback_url": "nonsense"}, {}, "COGNITION_CALLBACK_URL must be"),
        ({}, {"signed": False}, "drop one of them"),
        ({"callback_key": None}, {"signed": False, "host": "0.0.0.0"}, "--host 127.0.0.1 only"),
        ({}, {"host": "203.0.113.1"}, "cannot listen at 203.0.113.1"),
    ],
)
def test_wrong_settings_stop_the_start(
    lake: Storage, changes: dict[str, object], options: dict[str, Any], said: str
) -> None:
    """What would take callbacks from anybody, or from nobody, is refused before it listens."""
    with (
        pytest.raises(ConfigurationError, match=said),
        listening(lake, settings(**changes), **{"port": 0, **options}),
    ):
        pytest.fail("it listens")


def test_a_port_in_use_is_told(lake: Storage, listener: Listening) -> None:
    """A port that is taken is named once, with the option that changes it."""
    port = int(listener.url.split("/")[2].split(":")[1])
    with (
        pytest.raises(ConfigurationError, match=f"port {port}.*--port") as caught,
        listening(lake, settings(), port=port),
    ):
        pytest.fail("it listens")
    assert str(caught.value).count(str(port)) == 1


def test_a_wrong_ledger_file_stops_no_callback(
    lake: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    """With a wrong file in the ledger it starts with a warning, and ids are durable as ever."""
    lake.write_bytes("ledger/wrong.csv", b"video\n1\n")
    with listening(lake, settings(), port=0) as running:
        assert post(running.url, body_of("a")) == 200
    (warning,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert "ledger/wrong.csv is no ledger" in warning
    lake.remove("ledger/wrong.csv")
    assert ledger.read_ledger(lake) == ["a"]


def test_without_signatures_on_loopback(lake: Storage) -> None:
    """--no-signature takes unsigned callbacks at / on this machine."""
    plain = settings(callback_url=None, callback_key=None)
    with listening(lake, plain, port=0, signed=False) as running:
        assert post(running.url, body_of("a"), headers={}, path="/") == 200
    assert ids_of(lake) == ["a"]


def test_a_server_that_breaks_is_told(lake: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect that ends the server ends the wait for it too, so that it is started again."""
    with listening(lake, settings(), port=0) as running:
        monkeypatch.setattr(running._server, "_turn", lambda _: 1 / 0)
        with suppress(OSError):  # wakes it
            post(running.url, b"", method="GET", path="/healthz")
        with pytest.raises(ZeroDivisionError):
            running.wait()


# --- the command ------------------------------------------------------------------------------


def test_listen_ends_with_what_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`cognition listen` says where it listens, and at the end what came; the code is 0."""

    def interrupted(listener: Listening, _: float | None = None) -> bool:
        assert post(listener.url, body_of("a"), path="/hook", headers=signed(url=hook)) == 200
        assert post(listener.url, body_of("a"), path="/hook", headers={}) == 403
        raise KeyboardInterrupt

    hook = "https://example.com/hook"
    monkeypatch.setenv("COGNITION_CALLBACK_KEY", KEY)
    monkeypatch.setattr(Listening, "wait", interrupted)
    home = str(tmp_path / "home")
    assert main(["listen", "--home", home, "--port", "0", "--url", hook]) == 0
    told = capsys.readouterr()
    assert "listening at http://127.0.0.1:" in told.err
    assert "signatures are checked" in told.err
    assert "1 job added, 0 known before" in told.out
    assert "a callback refused: it is not signed" in " ".join(told.err.split())


def test_listen_tells_what_it_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Now and then one line tells how many ids were added since the last, if any were."""

    def waited(listener: Listening, _: float | None = None) -> bool:
        jobs = rounds.pop(0)
        for job in jobs:
            assert post(listener.url, body_of(job)) == 200
        return not rounds

    rounds = [["a"], ["b", "c", "a"], ["a"], [], ["d"]]
    monkeypatch.setenv("COGNITION_CALLBACK_KEY", KEY)
    monkeypatch.setattr(Listening, "wait", waited)
    assert main(["listen", "--home", str(tmp_path), "--port", "0", "--url", URL]) == 0
    _, *lines = capsys.readouterr().err.splitlines()
    assert lines == ["1 job id added to the ledger", "2 job ids added to the ledger"]


def test_listening_is_looked_at_now_and_then(listener: Listening) -> None:
    """A wait for a listener that runs ends after its seconds and says that it goes on."""
    assert listener.wait(0.001) is False


def test_listen_without_a_key_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a key `cognition listen` does not start, and says what to set."""
    assert main(["listen", "--home", str(tmp_path / "home"), "--port", "0"]) == 2
    assert "COGNITION_CALLBACK_KEY is not set" in capsys.readouterr().err


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Runs `cognition listen --json` in a process of its own; yields it and its address."""
    code = "import sys; from transforms.cli import main; sys.exit(main())"
    words = ["listen", "--home", str(tmp_path), "--port", "0", "--url", URL, "--json"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *words],
        env={**os.environ, "COGNITION_CALLBACK_KEY": KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        line = running.stderr.readline()
        assert line.startswith("listening at "), line
        yield running, line.split()[2].rstrip(";")
        running.kill()


@pytest.mark.slow
def test_what_was_acknowledged_survives_kill_9(
    process: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    """Killed amid callbacks, every id that was told 200 is in the ledger, and once."""
    running, url = process
    told: list[str] = []

    def send(number: int) -> None:
        try:
            for each in range(1000):
                job = f"job-{number}-{each}"
                if post(url, body_of(job)) == 200:
                    told.append(job)
        except OSError:
            return  # the listener is dead

    with ThreadPoolExecutor(max_workers=8) as pool:
        senders = [pool.submit(send, number) for number in range(8)]
        while len(told) < 40:
            assert not any(sender.done() for sender in senders)
            time.sleep(0.001)
        running.kill()
    kept = ids_of(open_lake(str(tmp_path / "lake")))
    assert set(told) <= set(kept)
    assert len(kept) == len(set(kept))


@pytest.mark.slow
def test_sigterm_ends_it_in_order(
    process: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    """SIGTERM ends the listener with the exit code 0 and its report."""
    running, url = process
    assert post(url, body_of("a")) == 200
    running.send_signal(signal.SIGTERM)
    out, _ = running.communicate(timeout=20)
    assert running.returncode == 0
    assert json.loads(out)["added"] == 1
    assert ids_of(open_lake(str(tmp_path / "lake"))) == ["a"]
