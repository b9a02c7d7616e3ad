"""The sandbox over HTTP: every job's exact bytes, the gateway's refusals, a clean end."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from datetime import timedelta

import pytest
from sandbox_client import call

from sandbox import Sandbox
from sandbox.cache import ReplyCache
from sandbox.samples import Needs, sample_reply
from sandbox.samples.dirt import Flaw
from sandbox.samples.ids import job_ids
from sandbox.server import Exact


def test_every_job_is_answered_with_its_exact_bytes() -> None:
    """What comes over HTTP is byte for byte what the sample is, asked by POST or GET."""
    with Sandbox(jobs=20, seed=7) as sandbox:
        assert sandbox.job_ids == job_ids(7, 20)
        for number, job in enumerate(sandbox.job_ids):
            answered = call(sandbox, job, method="GET" if number % 2 else "POST")
            assert answered.body == sample_reply(7, number)
            assert answered.status in (200, 404)
        assert sandbox.calls == Counter(dict.fromkeys(sandbox.job_ids, 1))


def test_speech_and_screen_text_come_only_when_asked_for() -> None:
    """Without IncludeResults no ASR, OCR and Process is returned; each flag brings its own."""
    flags = {
        None: Needs(asr=False, ocr=False, process=False),
        '{"NeedAsr":true}': Needs(asr=True, ocr=False, process=False),
        '{"NeedOcr":true}': Needs(asr=False, ocr=True, process=False),
        '{"NeedProcess":true}': Needs(asr=False, ocr=False, process=True),
    }
    types: dict[str | None, set[str]] = {}
    with Sandbox(jobs=6, clean=True) as sandbox:
        for number, job in enumerate(sandbox.job_ids):
            for include, needs in flags.items():
                body = call(sandbox, job, include=include).body
                assert body == sample_reply(7, number, needs, clean=True)
                items = json.loads(body)["Results"]["result"]
                types.setdefault(include, set()).update(item["Type"] for item in items)
            assert sandbox.asked[job]["IncludeResults"] == '{"NeedProcess":true}'
    without = types.pop(None)
    assert [found - without for found in types.values()] == [{"ASR"}, {"OCR"}, {"Process"}]


def test_a_kept_connection_serves_many_calls() -> None:
    """HTTP/1.1 keep-alive: one connection is enough, errors included."""
    with Sandbox(jobs=3) as sandbox:
        connection = http.client.HTTPConnection(sandbox.endpoint, timeout=20)
        call(sandbox, sandbox.job_ids[0], connection=connection)
        first = connection.sock
        for job in (*sandbox.job_ids, "0" * 32):
            call(sandbox, job, connection=connection)
        assert connection.sock is first
        connection.close()


def test_the_gateway_turns_wrong_requests_away() -> None:
    """Wrong action, version, parameters, date and nonce get the gateway's own status and code."""
    with Sandbox(jobs=1) as sandbox:
        (job,) = sandbox.job_ids
        answers = {
            "action": call(sandbox, job, action="ListJobs"),
            "version": call(sandbox, job, version="2019-01-01"),
            "no job": call(sandbox, None),
            "include": call(sandbox, job, include="yes"),
            "stale": call(sandbox, job, age=timedelta(minutes=16)),
            "first": call(sandbox, job, nonce="n-1"),
            "again": call(sandbox, job, nonce="n-1"),
        }
        assert sandbox.calls == Counter({job: 1})
    assert answers.pop("first").status == 200
    assert {name: (answer.status, answer.code) for name, answer in answers.items()} == {
        "action": (404, "InvalidAction.NotFound"),
        "version": (400, "InvalidVersion"),
        "no job": (400, "MissingParameter"),
        "include": (400, "InvalidParameter.JsonFormatInvalid"),
        "stale": (400, "InvalidTimeStamp.Expired"),
        "again": (400, "SignatureNonceUsed"),
    }


def test_ids_that_the_service_does_not_know_are_404() -> None:
    """Foreign ids, ids beyond the last job and jobs planned as unknown are `JobNotFound`."""
    with Sandbox(jobs=200) as sandbox:
        beyond = job_ids(7, 201)[200]
        for job in ("no-such-job", "0" * 32, beyond, sandbox.ids_with(Flaw.UNKNOWN_JOB)[0]):
            answered = call(sandbox, job)
            assert (answered.status, answered.code) == (404, "JobNotFound")


def test_a_request_that_is_not_signed_is_refused() -> None:
    """A browser or curl gets an error about the signature, not data."""
    with Sandbox(jobs=1) as sandbox:
        connection = http.client.HTTPConnection(sandbox.endpoint, timeout=20)
        headers = {"x-acs-action": "QueryVideoCognitionJob", "x-acs-version": "2020-11-09"}
        connection.request("GET", f"/?JobId={sandbox.job_ids[0]}", headers=headers)
        response = connection.getresponse()
        assert response.status == 400
        assert json.loads(response.read())["Code"] == "IncompleteSignature"
        connection.close()


def test_exact_replies_are_sent_word_for_word() -> None:
    """Replies given by the caller are sent as they are, one a call, the last for ever."""
    replies: dict[str, Exact | list[Exact]] = {
        "mine": b'{"JobStatus":"Success"}\n ',
        "teapot": (418, {"x-note": "short"}, b"\xff\x00"),
        "slow": [b"1", (503, {}, b""), b"3"],
    }
    with Sandbox(jobs=1, replies=replies) as sandbox:
        assert call(sandbox, "mine").body == b'{"JobStatus":"Success"}\n '
        teapot = call(sandbox, "teapot")
        assert (teapot.status, teapot.headers["x-note"], teapot.body) == (418, "short", b"\xff\x00")
        slow = [call(sandbox, "slow") for _ in range(4)]
        assert [(answer.status, answer.body) for answer in slow] == [
            (200, b"1"),
            (503, b""),
            (200, b"3"),
            (200, b"3"),
        ]


def test_stopping_ends_threads_and_frees_the_port() -> None:
    """After the `with` block no thread is left and nothing listens, idle connections or not."""
    before = threading.active_count()
    with Sandbox(jobs=2) as sandbox:
        idle = http.client.HTTPConnection(sandbox.endpoint, timeout=20)
        call(sandbox, sandbox.job_ids[0], connection=idle)
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        call(sandbox, sandbox.job_ids[0])
    idle.close()


def test_many_threads_are_answered_at_once() -> None:
    """Calls from eight threads all get their own job's bytes, each counted once."""
    with Sandbox(jobs=40, clean=True) as sandbox:
        wrong: list[str] = []

        def ask(offset: int) -> None:
            connection = http.client.HTTPConnection(sandbox.endpoint, timeout=20)
            for number in range(offset, 40, 8):
                body = call(sandbox, sandbox.job_ids[number], connection=connection).body
                if body != sample_reply(7, number, clean=True):
                    wrong.append(sandbox.job_ids[number])
            connection.close()

        threads = [threading.Thread(target=ask, args=(offset,)) for offset in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert sandbox.calls == Counter(dict.fromkeys(sandbox.job_ids, 1))


def test_the_cache_keeps_the_last_used_within_its_bytes() -> None:
    """The cache drops what was used longest ago and never holds more bytes than allowed."""
    cache = ReplyCache(max_bytes=10)
    made: list[str] = []

    def get(key: str) -> bytes:
        def make() -> bytes:
            made.append(key)
            return b"4444" if key != "long" else b"x" * 11

        return cache.get(key, make)

    for key in ("a", "b", "a", "c", "a", "b", "long", "long", "b"):
        get(key)
        assert cache.total_bytes <= 10
    assert made == ["a", "b", "c", "b", "long", "long"]
