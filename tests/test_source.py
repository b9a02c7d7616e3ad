"""The source against a scripted service on loopback: the real SDK, real HTTP, no network."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from alibabacloud_credentials.exceptions import CredentialException

from transforms.errors import (
    ConfigurationError,
    RejectedJobError,
    RetryableError,
    SourceRefusedError,
)
from transforms.settings import SourceSettings
from transforms.source import (
    CognitionSource,
    Reply,
    StoppedError,
    Unanswered,
    reply_code,
    reply_status,
    sdk,
)
from transforms.source.access import endpoint_of

ROOT = Path(__file__).resolve().parent.parent
KEY_ID = "LTAIexampleKeyId"
KEY_SECRET = "exampleKeySecret0123456789"
STS_TOKEN = "exampleStsToken9876543210"
SUCCESS = b'{"JobStatus":"Success","Results":{"result":[]}}'


@dataclass(frozen=True)
class Scripted:
    """One reply of the scripted service."""

    status: int = 200
    body: bytes = SUCCESS
    headers: dict[str, str] = field(default_factory=dict)
    hold: bool = False
    cut: bool = False
    reset: bool = False


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    at: float
    target: str
    headers: dict[str, str]

    @property
    def query(self) -> dict[str, str]:
        """Returns the query's parameters."""
        return {key: value[0] for key, value in parse_qs(urlsplit(self.target).query).items()}


class Service:
    """A service on loopback that answers each job by its script; the last reply repeats."""

    def __init__(self) -> None:
        self.scripts: dict[str, list[Scripted]] = {}
        self.seen: list[Seen] = []
        self.release = threading.Event()
        self.meet: threading.Barrier | None = None
        self.under_way = self.peak = 0
        self._lock = threading.Lock()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                service.answer(self, time.monotonic())

            def log_message(self, *_: object) -> None:
                """Keeps stderr clean: tests look for secrets there."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.place = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def calls(self, job_id: str) -> list[Seen]:
        """Returns the requests for one job."""
        return [seen for seen in self.seen if seen.query["JobId"] == job_id]

    def wait_for(self, *job_ids: str) -> None:
        """Waits until each of the jobs has been asked for."""
        deadline = time.monotonic() + 10
        while not all(self.calls(job_id) for job_id in job_ids):
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def answer(self, handler: BaseHTTPRequestHandler, at: float) -> None:
        """Answers one request and writes down that it came."""
        seen = Seen(at, handler.path, {k.lower(): v for k, v in handler.headers.items()})
        with self._lock:
            self.seen.append(seen)
            script = self.scripts.get(seen.query["JobId"], [Scripted()])
            turn = min(len(self.calls(seen.query["JobId"])), len(script)) - 1
            self.under_way += 1
            self.peak = max(self.peak, self.under_way)
        try:
            if self.meet is not None:
                self.meet.wait(10)
            if script[turn].hold:
                self.release.wait(20)
        finally:
            with self._lock:
                self.under_way -= 1
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            _send(handler, script[turn])

    def close(self) -> None:
        """Ends the service and lets held replies go."""
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


def _send(handler: BaseHTTPRequestHandler, reply: Scripted) -> None:
    if reply.reset:
        linger = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.close_connection = True
        handler.connection.close()
        return
    handler.send_response(reply.status)
    for name, value in {"Content-Type": "application/json", **reply.headers}.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(reply.body)))
    handler.end_headers()
    handler.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)
    if reply.cut:
        handler.close_connection = True


@pytest.fixture
def service() -> Iterator[Service]:
    """A scripted service of this test alone."""
    scripted = Service()
    yield scripted
    scripted.close()


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no setting comes from the machine that runs the tests."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("COGNITION_"):
            monkeypatch.delenv(name)


def settings_for(service: Service | None = None, **changes: object) -> SourceSettings:
    """Settings for the scripted service: dummy keys, no waiting worth the name."""
    values: dict[str, object] = {
        "access_key_id": KEY_ID,
        "access_key_secret": KEY_SECRET,
        "endpoint": service.place if service else None,
        "protocol": "http" if service else "https",
        "queries_per_second": 1000,
        "max_backoff_seconds": 0.001,
        "read_timeout_seconds": 10,
    }
    return SourceSettings.model_validate(values | changes)


def error_body(code: str, message: str = "Not today.") -> bytes:
    """An error reply as the gateway writes it."""
    return json.dumps({"RequestId": "R-1", "Code": code, "Message": message}).encode()


# --- what goes over the wire


def test_a_query_names_the_job_and_asks_for_all_three_extras(service: Service) -> None:
    """The request is the documented one, with each of the three flags said aloud."""
    with CognitionSource(settings_for(service, need_ocr=False)) as source:
        source.query("job-1")
    (seen,) = service.seen
    assert seen.headers["x-acs-action"] == "QueryVideoCognitionJob"
    assert seen.headers["x-acs-version"] == "2020-11-09"
    assert seen.headers["host"] == service.place
    assert seen.headers["authorization"].startswith(f"ACS3-HMAC-SHA256 Credential={KEY_ID},")
    assert seen.query == {
        "JobId": "job-1",
        "IncludeResults": '{"NeedAsr":true,"NeedOcr":false,"NeedProcess":true}',
    }


def test_an_sts_token_goes_with_its_key_pair(service: Service) -> None:
    """Temporary keys are sent together with their token."""
    with CognitionSource(settings_for(service, security_token=STS_TOKEN)) as source:
        source.query("job-1")
    assert service.seen[0].headers["x-acs-security-token"] == STS_TOKEN


ODD_BODIES = {
    "whitespace": b' \r\n{ "JobStatus"\t: "Success" ,\n  "RequestId": "A\\n" }\n\n',
    "duplicate-keys": b'{"JobStatus":"Fail","JobStatus":"Success","UserData":"1","UserData":"2"}',
    "chinese": '{"JobStatus":"Success","UserData":"场景,公寓 \\u4e2d 🎬"}'.encode(),
    "nan-and-overflow": b'{"JobStatus":"Success","a":NaN,"b":1e400,"c":' + b"9" * 5000 + b"}",
    "lone-surrogate": b'{"JobStatus":"Success","UserData":"\\ud800"}',
    "invalid-utf8": b'{"JobStatus":"Success","UserData":"\xff\xfe"}',
    "byte-order-mark": b'\xef\xbb\xbf{"JobStatus":"Success"}',
    "two-documents": b'{"JobStatus":"Success"}{"JobStatus":"Fail"}',
    "raw-control-character": b'{"JobStatus":"Success","UserData":"a\x01b"}',
    "deeply-nested": b'{"JobStatus":"Success","a":' + b"[" * 900 + b"]" * 900 + b"}",
}


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES.keys())
def test_a_reply_keeps_every_byte(service: Service, body: bytes) -> None:
    """A whole reply, however odd, is handed on at once and unchanged."""
    service.scripts["job-1"] = [Scripted(body=body)]
    before = datetime.now(UTC)
    with CognitionSource(settings_for(service)) as source:
        reply = source.query("job-1")
    assert reply.body == body
    assert (reply.job_id, reply.http_status, reply.error_code) == ("job-1", 200, None)
    assert reply.origin == "api"
    assert before <= reply.queried_at <= datetime.now(UTC)
    assert reply_status(reply.body) == "Success"
    assert len(service.seen) == 1


def test_nesting_beyond_any_parser_is_still_a_reply(service: Service) -> None:
    """A body too deep to parse is kept: it would be as deep the next time."""
    body = b'{"JobStatus":"Success","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    service.scripts["job-1"] = [Scripted(body=body)]
    with CognitionSource(settings_for(service)) as source:
        assert source.query("job-1").body == body


@pytest.mark.parametrize("status", ["Submitted", "Processing", "Fail", "SomethingNew"])
def test_any_job_status_is_a_reply(service: Service, status: str) -> None:
    """Whether a job is finished is for others to decide."""
    service.scripts["job-1"] = [Scripted(body=json.dumps({"JobStatus": status}).encode())]
    with CognitionSource(settings_for(service)) as source:
        assert reply_status(source.query("job-1").body) == status


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"Success"', b"{}", b'{"JobStatus":null}', b'{"JobStatus":""}', b"<p>"],
)
def test_no_status_is_read_where_none_is(body: bytes) -> None:
    """A reply without a JobStatus has none, and reading it never fails."""
    assert reply_status(body) is None


# --- errors by what to do about them

REFUSALS = [
    (403, "Forbidden.RAM", "ice:QueryVideoCognitionJob"),
    (400, "NoPermission", "ice:QueryVideoCognitionJob"),
    (400, "PermissionDenied.ResourceAccess", "ice:QueryVideoCognitionJob"),
    (403, "SomethingElse", "ice:QueryVideoCognitionJob"),
    (401, "SomethingElse", "ice:QueryVideoCognitionJob"),
    (404, "InvalidAccessKeyId.NotFound", "ALIBABA_CLOUD_ACCESS_KEY_ID"),
    (400, "SignatureDoesNotMatch", "access key secret"),
    (400, "IncompleteSignature", "access key secret"),
    (400, "InvalidTimeStamp.Expired", "clock"),
    (400, "InvalidSecurityToken.Expired", "STS token"),
    (400, "InvalidCredentials", "COGNITION_ACCESS_KEY_ID"),
    (400, "InvalidIdentity.ServiceDisabled", "Open Intelligent Media Services"),
    (404, "InvalidAction.NotFound", "COGNITION_REGION"),
]


@pytest.mark.parametrize(("status", "code", "remedy"), REFUSALS)
def test_a_refusal_stops_the_run_and_says_what_to_do(
    service: Service, status: int, code: str, remedy: str
) -> None:
    """A caller who is refused is told why, where and what to do, and is not retried."""
    service.scripts["job-1"] = [Scripted(status, error_body(code))]
    with (
        CognitionSource(settings_for(service)) as source,
        pytest.raises(SourceRefusedError) as caught,
    ):
        source.query("job-1")
    message = str(caught.value)
    assert all(part in message for part in ("'job-1'", service.place, code, str(status), remedy))
    assert len(service.seen) == 1


REJECTIONS = [
    (404, "JobNotFound"),
    (404, "InvalidParameter.ResourceNotFound"),
    (400, "InvalidParameter.NullValue"),
    (400, "MissingParameter"),
    (400, "JobExpired"),
    (400, "InvalidJob.Id"),
]


@pytest.mark.parametrize(("status", "code"), REJECTIONS)
def test_a_rejected_job_keeps_the_error_reply(service: Service, status: int, code: str) -> None:
    """A job the service does not answer is rejected with code, status and the error's JSON."""
    body = {"RequestId": "R-1", "Code": code, "Message": "不存在", "HostId": "h"}
    service.scripts["job-1"] = [Scripted(status, json.dumps(body, indent=2).encode())]
    with (
        CognitionSource(settings_for(service)) as source,
        pytest.raises(RejectedJobError) as caught,
    ):
        source.query("job-1")
    assert (caught.value.code, caught.value.http_status) == (code, status)
    expected = f'{{"RequestId":"R-1","Code":"{code}","Message":"不存在","HostId":"h"}}'
    assert caught.value.body == expected.encode()
    assert len(service.seen) == 1


@pytest.mark.parametrize("body", [b'{"Code":"NeverHeardOfIt"}', b'{"Message":"?"}'])
def test_an_error_nobody_documented_closes_no_job(service: Service, body: bytes) -> None:
    """An unknown 4xx may concern the account: the job stays pending, nothing is recorded of it."""
    service.scripts["job-1"] = [Scripted(400, body)]
    with CognitionSource(settings_for(service)) as source:
        (answer,) = source.query_all(["job-1"])
    assert isinstance(answer, Unanswered)
    assert "stays pending" in str(answer.error)


PASSING_TROUBLE = {
    "throttled-400": Scripted(400, error_body("Throttling.User")),
    "throttled-429": Scripted(429, error_body("Throttling.Api")),
    "throttled-403": Scripted(403, error_body("Throttling")),
    "throttled-503": Scripted(503, error_body("Throttling")),
    "throttled-in-200": Scripted(200, error_body("Throttling.User")),
    "busy-429": Scripted(429, error_body("TooManyRequests")),
    "asked-to-wait": Scripted(400, error_body("Busy"), {"x-acs-retry-after": "1"}),
    "nonce": Scripted(400, error_body("SignatureNonceUsed")),
    "internal": Scripted(500, error_body("InternalError")),
    "unavailable": Scripted(503, error_body("ServiceUnavailable")),
    "internal-in-200": Scripted(200, error_body("InternalError")),
    "unknown-5xx": Scripted(504, error_body("InvalidParameter.Backend")),
    "html-502": Scripted(502, b"<html>Bad Gateway</html>", {"Content-Type": "text/html"}),
    "empty-503": Scripted(503, b""),
    "list-500": Scripted(500, b'["oops"]'),
    "html-200": Scripted(200, b"<html>Sign in</html>"),
    "empty-200": Scripted(200, b""),
    "cut-json": Scripted(200, SUCCESS[:-3]),
    "cut-body": Scripted(200, SUCCESS * 50, cut=True),
    "reset": Scripted(reset=True),
    "redirect": Scripted(302, b"", {"Location": "/elsewhere?JobId=stolen"}),
}


@pytest.mark.parametrize("trouble", PASSING_TROUBLE.values(), ids=PASSING_TROUBLE.keys())
def test_passing_trouble_is_asked_again(service: Service, trouble: Scripted) -> None:
    """Throttling, server errors, gateway pages and broken connections cost one more call each."""
    service.scripts["job-1"] = [trouble, trouble, Scripted()]
    with CognitionSource(settings_for(service)) as source:
        assert source.query("job-1").body == SUCCESS
    assert len(service.seen) == 3
    assert source.counters.calls == 3
    assert source.counters.retries == 2
    nonces = {seen.headers["x-acs-signature-nonce"] for seen in service.seen}
    assert len(nonces) == 3


def test_retries_end_and_the_job_stays_pending(service: Service) -> None:
    """After the agreed number of calls the job is handed back as unanswered, with the reason."""
    service.scripts["job-1"] = [Scripted(500, error_body("InternalError"))]
    with CognitionSource(settings_for(service, max_attempts=4)) as source:
        (outcome,) = source.query_all(["job-1"])
    assert isinstance(outcome, Unanswered)
    assert outcome.job_id == "job-1"
    message = str(outcome.error)
    assert all(p in message for p in ("'job-1'", service.place, "InternalError, HTTP 500", "next"))
    assert len(service.seen) == 4


def test_an_error_in_a_200_is_a_reply_with_a_code(service: Service) -> None:
    """An unknown job told of in an HTTP 200 keeps its exact bytes and its code."""
    body = b'{ "Code": "JobNotFound", "Message": "no such job" }'
    service.scripts["job-1"] = [Scripted(body=body)]
    with CognitionSource(settings_for(service)) as source:
        reply = source.query("job-1")
    assert (reply.http_status, reply.error_code, reply.body) == (200, "JobNotFound", body)


def test_a_refusal_in_a_200_stops_the_run(service: Service) -> None:
    """A refusal is one whatever status it comes with."""
    service.scripts["job-1"] = [Scripted(200, error_body("Forbidden.RAM"))]
    with CognitionSource(settings_for(service)) as source, pytest.raises(SourceRefusedError):
        source.query("job-1")


def test_a_code_beside_a_job_status_is_no_error(service: Service) -> None:
    """A reply with a JobStatus is a reply, whatever else it carries."""
    service.scripts["job-1"] = [Scripted(body=b'{"JobStatus":"Success","Code":"Forbidden"}')]
    with CognitionSource(settings_for(service)) as source:
        assert source.query("job-1").error_code is None


def test_a_silent_service_times_out(service: Service) -> None:
    """A reply that does not come in time is a retryable error, not a hang."""
    service.scripts["job-1"] = [Scripted(hold=True)]
    changes = {"read_timeout_seconds": 0.1, "max_attempts": 2}
    with (
        CognitionSource(settings_for(service, **changes)) as source,
        pytest.raises(RetryableError, match="timed out"),
    ):
        source.query("job-1")
    assert len(service.seen) == 2


def test_a_closed_port_is_retried_and_named(service: Service) -> None:
    """Nobody listening is a retryable error that names the place."""
    with socket.socket() as spare:
        spare.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{spare.getsockname()[1]}"
        settings = settings_for(service, endpoint=place, max_attempts=3)
        with (
            CognitionSource(settings) as source,
            pytest.raises(RetryableError, match=f"connection refused.* {re.escape(place)}"),
        ):
            source.query("job-1")
    assert source.counters.snapshot() == {
        "calls": 3,
        "retries": 2,
        "throttled": 0,
        "by_status": {"none": 3},
    }


def test_a_redirect_is_not_followed(service: Service) -> None:
    """Keys and tokens never go where a reply points."""
    service.scripts["job-1"] = [Scripted(302, b"", {"Location": "/elsewhere?JobId=stolen"})]
    with (
        CognitionSource(settings_for(service, max_attempts=1)) as source,
        pytest.raises(RetryableError, match="redirects elsewhere"),
    ):
        source.query("job-1")
    assert service.calls("stolen") == []


# --- waiting


def test_the_service_is_given_the_time_it_asks_for(service: Service) -> None:
    """A retry comes no sooner than x-acs-retry-after, in milliseconds, allows."""
    wait = Scripted(429, error_body("Throttling.User"), {"x-acs-retry-after": "300"})
    service.scripts["job-1"] = [wait, Scripted()]
    with CognitionSource(settings_for(service)) as source:
        source.query("job-1")
    first, second = service.seen
    assert 0.3 <= second.at - first.at < 3
    assert source.counters.throttled == 1


def test_the_service_sees_no_second_above_the_rate(service: Service) -> None:
    """Eight threads at 50 a second, retries included: no second at the service holds 51 calls."""
    service.scripts |= {
        f"job-{n}": [Scripted(429, error_body("Throttling.User")), Scripted()]
        for n in range(0, 80, 4)
    }
    with CognitionSource(settings_for(service, queries_per_second=50)) as source:
        outcomes = list(source.query_all(f"job-{n}" for n in range(80)))
    assert all(isinstance(outcome, Reply) for outcome in outcomes)
    times = sorted(seen.at for seen in service.seen)
    assert len(times) == 100
    spans = [later - earlier for earlier, later in zip(times, times[50:], strict=False)]
    assert min(spans) >= 1.0
    assert source.counters.throttled == 20


# --- many jobs


def test_all_threads_are_used_and_no_more(service: Service) -> None:
    """The number of queries under way reaches the setting and never passes it."""
    service.meet = threading.Barrier(3)
    with CognitionSource(settings_for(service, concurrency=3)) as source:
        outcomes = list(source.query_all(f"job-{n}" for n in range(12)))
    assert {outcome.job_id for outcome in outcomes} == {f"job-{n}" for n in range(12)}
    assert service.peak == 3


def test_answers_come_in_the_order_of_completion(service: Service) -> None:
    """A slow job does not hold up the others."""
    service.scripts["slow"] = [Scripted(hold=True)]
    with CognitionSource(settings_for(service, concurrency=2)) as source:
        order = []
        for outcome in source.query_all(["slow", "a", "b", "c"]):
            order.append(outcome.job_id)
            if len(order) == 3:
                service.release.set()
    assert order == ["a", "b", "c", "slow"]


def test_ids_are_taken_only_as_needed(service: Service) -> None:
    """No more than twice the concurrency is ever ahead of the caller."""
    taken = 0

    def ids() -> Iterator[str]:
        nonlocal taken
        for n in range(40):
            taken += 1
            yield f"job-{n}"

    with CognitionSource(settings_for(service, concurrency=2)) as source:
        run = source.query_all(ids())
        assert taken == 0
        ahead = []
        for handed, _ in enumerate(run):
            ahead.append(taken - handed)
    assert taken == 40
    assert max(ahead) == 4


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"Code":"JobNotFound"}', "JobNotFound"),
        (b'{"code":"JobNotFound","JobStatus":null}', "JobNotFound"),
        (b'{"Code":"OK","JobStatus":"Success"}', None),
        (b'{"Code":404}', None),
        (b"[]", None),
        (b"<html>", None),
    ],
)
def test_an_error_code_stands_where_no_status_does(body: bytes, code: str | None) -> None:
    """A Code makes a reply an error only where there is no JobStatus beside it."""
    assert reply_code(body) == code


def test_rejected_and_unanswered_jobs_do_not_stop_the_others(service: Service) -> None:
    """Each job ends as a reply, an error reply or unanswered; every one is accounted for."""
    service.scripts["gone"] = [Scripted(404, error_body("JobNotFound"))]
    service.scripts["down"] = [Scripted(500, error_body("InternalError"))]
    with CognitionSource(settings_for(service, max_attempts=2)) as source:
        outcomes = {o.job_id: o for o in source.query_all(["gone", "down", "good"])}
    gone, down, good = outcomes["gone"], outcomes["down"], outcomes["good"]
    assert isinstance(gone, Reply)
    assert (gone.error_code, gone.http_status, gone.origin) == ("JobNotFound", 404, "api")
    assert json.loads(gone.body)["Code"] == "JobNotFound"
    assert isinstance(down, Unanswered)
    assert isinstance(good, Reply)
    assert source.counters.snapshot() == {
        "calls": 4,
        "retries": 1,
        "throttled": 0,
        "by_status": {"200": 1, "404": 1, "500": 2},
    }


def test_a_refusal_ends_the_run_at_once_and_loses_no_answer(service: Service) -> None:
    """Answers come first, then the error; sleepers wake up and nothing more goes out."""
    service.scripts["refused"] = [Scripted(403, error_body("Forbidden.RAM"), hold=True)]
    sleepy = Scripted(429, error_body("Throttling"), {"x-acs-retry-after": "100000"})
    service.scripts |= {f"sleepy-{n}": [sleepy] for n in range(3)}
    jobs = ["refused", "good-0", "sleepy-0", "sleepy-1", "sleepy-2", "good-1", "good-2"]
    jobs += [f"late-{n}" for n in range(100)]
    answered = []
    with CognitionSource(settings_for(service, concurrency=5)) as source:
        run = source.query_all(jobs)
        answered.append(next(run).job_id)
        start = time.monotonic()
        service.release.set()
        with pytest.raises(SourceRefusedError):
            answered.extend(outcome.job_id for outcome in run)
    source._pool.shutdown(wait=True)
    assert time.monotonic() - start < 5
    calls = len(service.seen)
    replied = {s.query["JobId"] for s in service.seen} - {"refused"}
    assert set(answered) == {job for job in replied if not job.startswith("sleepy")}
    assert len(answered) == len(set(answered))
    with pytest.raises(StopIteration):
        next(run)
    assert len(service.seen) == calls < len(jobs)


def test_answers_still_on_the_wire_come_home_after_a_refusal(service: Service) -> None:
    """Queries already sent are paid for: their answers are yielded before the refusal is raised."""
    service.scripts |= {
        "slow-0": [Scripted(hold=True)],
        "slow-1": [Scripted(hold=True)],
        "refused": [Scripted(403, error_body("Forbidden.RAM"))],
    }
    service.meet = threading.Barrier(3)  # all three are on the wire before one is answered

    def release_late() -> None:
        service.wait_for("refused")
        time.sleep(0.2)  # the refusal comes first; were it late, the promise would still hold
        service.release.set()

    threading.Thread(target=release_late).start()
    answered: list[str] = []
    with CognitionSource(settings_for(service, concurrency=3)) as source:
        run = source.query_all(["slow-0", "slow-1", "refused", "never"])
        with pytest.raises(SourceRefusedError):
            answered.extend(outcome.job_id for outcome in run)
    assert sorted(answered) == ["slow-0", "slow-1"]
    assert service.calls("never") == []


def test_a_refusal_waits_only_briefly_for_calls_on_the_wire(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hanging call does not keep a refused run from ending."""
    monkeypatch.setattr("transforms.source.query._GRACE_SECONDS", 0.1)
    service.scripts["hanging"] = [Scripted(hold=True)]
    service.scripts["refused"] = [Scripted(403, error_body("Forbidden"))]
    with CognitionSource(settings_for(service)) as source:
        start = time.monotonic()
        with pytest.raises(SourceRefusedError):
            list(source.query_all(["hanging", "refused"]))
        assert time.monotonic() - start < 5
        service.release.set()


def test_a_fault_of_our_own_is_not_swallowed(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unforeseen exception in a thread ends the run and reaches the caller."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sdk.ServiceClient, "call", broken)
    with CognitionSource(settings_for(service)) as source, pytest.raises(ZeroDivisionError):
        list(source.query_all(["job-1", "job-2"]))


def test_a_run_left_early_leaves_the_source_usable(service: Service) -> None:
    """Leaving a run calls off its waiting queries, and the next run works."""
    service.scripts |= {"b": [Scripted(hold=True)], "c": [Scripted(hold=True)]}
    with CognitionSource(settings_for(service, concurrency=2)) as source:
        run = source.query_all(["a", "b", "c", "d"])
        assert next(run).job_id == "a"
        service.wait_for("b", "c")
        run.close()  # type: ignore[attr-defined]
        service.release.set()
        assert [o.job_id for o in source.query_all(["again"])] == ["again"]
    source._pool.shutdown(wait=True)
    assert service.calls("d") == []


def test_closing_ends_a_run_and_refuses_new_ones(service: Service) -> None:
    """A closed source asks nothing any more, and says so."""
    source = CognitionSource(settings_for(service, concurrency=1))
    run = source.query_all(f"job-{n}" for n in range(50))
    next(run)
    source.close()
    assert len(list(run)) <= 2
    with pytest.raises(StoppedError):
        source.query("job-1")
    with pytest.raises(StoppedError):
        list(source.query_all(["job-1"]))
    assert len(service.seen) <= 3


def test_two_sources_share_a_host(service: Service) -> None:
    """A second source for the same host works beside the first one and after it."""
    with CognitionSource(settings_for(service)) as first:
        first.query("job-1")
        with CognitionSource(settings_for(service)) as second:
            second.query("job-2")
        first.query("job-3")
    assert [seen.query["JobId"] for seen in service.seen] == ["job-1", "job-2", "job-3"]


def test_no_jobs_is_no_query_and_no_sdk(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty run costs nothing, not even the client."""

    def unwanted(*_: object) -> None:
        raise AssertionError("the client was built")

    monkeypatch.setattr(sdk.ServiceClient, "__init__", unwanted)
    with CognitionSource(settings_for(service)) as source:
        assert list(source.query_all([])) == []


# --- proxies


@pytest.fixture
def dead_proxy(monkeypatch: pytest.MonkeyPatch) -> str:
    """A proxy that is set for everything and refuses every connection."""
    with socket.socket() as spare:
        spare.bind(("127.0.0.1", 0))
        place = f"http://127.0.0.1:{spare.getsockname()[1]}"
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, place)
    return place


@pytest.fixture
def known_name(service: Service, monkeypatch: pytest.MonkeyPatch) -> str:
    """A name that is not loopback by the look of it but leads to the scripted service."""
    resolve = socket.getaddrinfo

    def known(host: str, *rest: int, **options: int) -> object:
        return resolve("127.0.0.1" if host == "ice.test.invalid" else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", known)
    return f"ice.test.invalid:{service.server.server_port}"


@pytest.mark.parametrize("no_proxy", [None, "127.0.0.1"])
def test_loopback_is_reached_past_any_proxy(
    service: Service, dead_proxy: str, no_proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy in the environment does not come between us and a local sandbox."""
    if no_proxy:
        monkeypatch.setenv("NO_PROXY", no_proxy)
    with CognitionSource(settings_for(service)) as source:
        assert source.query("job-1").body == SUCCESS


def test_no_proxy_is_obeyed_and_a_proxy_otherwise_used(
    service: Service, dead_proxy: str, known_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same host is reached through the proxy, or past it once NO_PROXY names it."""
    settings = settings_for(service, endpoint=known_name, max_attempts=1)
    with CognitionSource(settings) as source:
        with pytest.raises(RetryableError, match="the proxy cannot be reached"):
            source.query("job-1")
        monkeypatch.setenv("HTTP_PROXY", f"http://{service.place}")
        assert source.query("job-2").body == SUCCESS
        assert service.seen[0].target.startswith(f"http://{known_name}/?")
        monkeypatch.setenv("HTTP_PROXY", dead_proxy)
        monkeypatch.setenv("NO_PROXY", ".test.invalid")
        assert source.query("job-3").body == SUCCESS
    assert service.seen[1].target.startswith("/?")


@pytest.mark.parametrize(
    ("url", "no_proxy", "direct"),
    [
        ("http://127.0.0.9:8080/", "", True),
        ("http://[::1]:8080/", "", True),
        ("http://localhost/", "", True),
        ("http://sandbox.localhost/", "", True),
        ("https://ice.cn-shanghai.aliyuncs.com/", "", False),
        ("https://ice.cn-shanghai.aliyuncs.com/", ".aliyuncs.com", True),
        ("https://ice.cn-shanghai.aliyuncs.com/", "example.org", False),
        ("https://ice.cn-shanghai.aliyuncs.com/", "*", True),
        ("https://10.1.2.3/", "10.0.0.0/8", True),
    ],
)
def test_who_is_reached_directly(
    url: str, no_proxy: str, *, direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loopback always, others as NO_PROXY says: by suffix, network or star."""
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert sdk.goes_direct(url) is direct


def test_closing_the_session_closes_what_it_sends_by() -> None:
    """The adapter put around the SDK's own passes the end of a session on."""
    inner = requests.adapters.HTTPAdapter()
    session = requests.Session()
    adapter: Any = sdk._NoProxyAdapter(inner)
    session.mount("http://", adapter)
    inner.poolmanager.connection_from_url("http://127.0.0.1:1")
    session.close()
    assert len(inner.poolmanager.pools) == 0


# --- endpoint and credentials


@pytest.mark.parametrize("region", ["cn-shanghai", "cn-beijing", "ap-southeast-1"])
def test_the_endpoint_follows_the_region(region: str) -> None:
    """Every region has its own host, also those the SDK's table sends elsewhere."""
    assert endpoint_of(settings_for(region=region)) == f"ice.{region}.aliyuncs.com"
    client = sdk.ServiceClient(settings_for(region=region))
    assert client._client._endpoint == f"ice.{region}.aliyuncs.com"


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoint": "https://ice.cn-shanghai.aliyuncs.com"},
        {"endpoint": "user:pass@host"},
        {"endpoint": "host/path"},
        {"region": "cn shanghai"},
        {"region": ""},
        {"protocol": "http"},
        {"protocol": "http", "endpoint": "ICE.cn-shanghai.aliyuncs.com:80"},
        {"access_key_secret": None},
        {"access_key_id": ""},
        {"access_key_id": None, "access_key_secret": None, "security_token": STS_TOKEN},
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_right_is_refused_at_once(changes: dict[str, Any]) -> None:
    """A wrong place or half a key pair is found before anything is asked, without quoting it."""
    with pytest.raises(ConfigurationError, match="COGNITION_") as caught:
        CognitionSource(settings_for(**changes))
    assert not any(s in str(caught.value) for s in (KEY_SECRET, STS_TOKEN, "pass@"))


def test_an_impossible_address_is_a_configuration_error(service: Service) -> None:
    """A host that no URL can hold stops the run instead of being retried."""
    settings = settings_for(service, endpoint="127.0.0.1:99999")
    with (
        CognitionSource(settings) as source,
        pytest.raises(ConfigurationError, match="COGNITION_ENDPOINT"),
    ):
        source.query("job-1")


CHAIN = """
import sys
from transforms.settings import SourceSettings
from transforms.source import CognitionSource
from transforms.errors import SourceRefusedError
with CognitionSource(SourceSettings()) as source:
    try:
        print("answered", source.query("job-1").http_status)
    except SourceRefusedError as error:
        print("refused", error)
"""


def run_python(code: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs `code` in a fresh interpreter: the SDK reads its environment once, at import."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(home),
        "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
        **variables,
    }
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_keys_the_credential_chain_is_asked(service: Service, tmp_path: Path) -> None:
    """Keys in the SDK's own variables are found and used."""
    done = run_python(
        CHAIN,
        tmp_path,
        COGNITION_ENDPOINT=service.place,
        COGNITION_PROTOCOL="http",
        ALIBABA_CLOUD_ACCESS_KEY_ID="LTAIfromTheChain",
        ALIBABA_CLOUD_ACCESS_KEY_SECRET=KEY_SECRET,
    )
    assert done.stdout == "answered 200\n", done.stderr
    assert "Credential=LTAIfromTheChain," in service.seen[0].headers["authorization"]


def test_without_any_credentials_the_run_stops_with_the_remedy(
    service: Service, tmp_path: Path
) -> None:
    """An empty chain is a refusal that names the variables and the connection."""
    done = run_python(CHAIN, tmp_path, COGNITION_ENDPOINT=service.place, COGNITION_PROTOCOL="http")
    assert done.stdout.startswith(f"refused No credentials for {service.place}."), done.stderr
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in done.stdout
    assert "Airflow connection" in done.stdout
    assert service.seen == []


@pytest.mark.parametrize("broken", ["__init__", "get_credential"])
def test_a_broken_credential_chain_is_a_refusal(
    service: Service, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """A chain that cannot be built, or has nothing to give, stops the run without its own text."""

    def fail(*_: object) -> None:
        raise CredentialException(f"unable to load credentials: {KEY_SECRET}")

    monkeypatch.setattr(f"transforms.source.sdk.CredentialClient.{broken}", fail)
    settings = settings_for(service, access_key_id=None, access_key_secret=None, max_attempts=2)
    with (
        CognitionSource(settings) as source,
        pytest.raises(SourceRefusedError, match="COGNITION_ACCESS_KEY_ID") as caught,
    ):
        source.query("job-1")
    assert KEY_SECRET not in str(caught.value)
    assert service.seen == []


def test_the_credential_chain_prints_no_traceback(service: Service, tmp_path: Path) -> None:
    """A place of the chain that fails is told by our one line, not by the SDK's log."""
    told = CHAIN + (
        "import logging\n"
        "try: raise ValueError('no metadata here')\n"
        "except ValueError: logging.getLogger('credentials').exception('chain')\n"
    )
    done = run_python(told, tmp_path, COGNITION_ENDPOINT=service.place, COGNITION_PROTOCOL="http")
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_the_source_imports_no_sdk(tmp_path: Path) -> None:
    """The SDK's second and its 75 MB are paid with the first query, not by `--help`."""
    code = (
        "import sys, transforms.source; "
        "print(sum(m.split('.')[0].lower().startswith(('alibabacloud', 'tea', 'darabonba'))"
        " for m in sys.modules))"
    )
    done = run_python(code, tmp_path)
    assert done.stdout == "0\n", done.stderr


# --- secrets


def _shown(source: CognitionSource, job_id: str) -> str:
    """Returns all that the error of a job can show: its text, traceback and what it hides."""
    with pytest.raises((SourceRefusedError, RetryableError, RejectedJobError)) as caught:
        source.query(job_id)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    return repr(error) + "".join(traceback.format_exception(error))


def test_no_secret_and_no_signature_is_ever_shown(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Neither errors nor logs at DEBUG show keys, tokens or signatures, even under DEBUG=sdk."""
    monkeypatch.setenv("DEBUG", "sdk")
    caplog.set_level(logging.DEBUG)
    echo = f"server string to sign is: x-acs-security-token:{STS_TOKEN} {KEY_SECRET}"
    service.scripts = {
        "refused": [Scripted(400, error_body("SignatureDoesNotMatch", echo))],
        "odd-code": [Scripted(403, error_body(f"Bad {STS_TOKEN}", echo))],
        "gone": [Scripted(404, error_body("JobNotFound", echo))],
        "down": [Scripted(500, error_body("InternalError", echo))],
        "page": [Scripted(502, b"<html>")],
        "reset": [Scripted(reset=True)],
    }
    settings = settings_for(service, security_token=STS_TOKEN, max_attempts=2)
    with CognitionSource(settings) as source:
        shown = [_shown(source, job_id) for job_id in service.scripts]
        source.query("good")
        shown.append(repr(source) + repr(settings) + repr(source.counters))
    signatures = {s.headers["authorization"].split("Signature=")[1] for s in service.seen}
    assert len(signatures) == len(service.seen) == 10
    everything = "".join([*shown, caplog.text, *capfd.readouterr()])
    assert "Asking again" in everything
    for secret in (KEY_SECRET, STS_TOKEN, "Authorization", "ACS3-HMAC", *signatures):
        assert secret not in everything


def test_the_sdk_writes_nothing_to_stderr(service: Service, tmp_path: Path) -> None:
    """In a process without any logging set up, DEBUG=sdk prints nothing either."""
    done = run_python(
        CHAIN,
        tmp_path,
        DEBUG="sdk",
        COGNITION_ENDPOINT=service.place,
        COGNITION_PROTOCOL="http",
        COGNITION_ACCESS_KEY_ID=KEY_ID,
        COGNITION_ACCESS_KEY_SECRET=KEY_SECRET,
    )
    assert (done.stdout, done.stderr) == ("answered 200\n", "")
