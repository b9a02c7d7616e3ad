"""Landing answers of the service: what is kept, when, and what a run of rejections means."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lake_kit import NOON, Landing, child_environment, lake_of, new_home, titled, tree

from sandbox import Sandbox
from sandbox.faults import Fault, Faults
from transforms import landing, ledger, pipeline, raw
from transforms.errors import ConfigurationError, RetryableError, SourceRefusedError
from transforms.lake import open_lake
from transforms.landing import Tally, final_replies, status_of
from transforms.settings import Settings, SourceSettings
from transforms.source import Reply, Unanswered

PLACE = landing.Place("cn-shanghai", "ice.cn-shanghai.aliyuncs.com")
PROCESSING = b'{"JobStatus":"Processing"}'
SUCCESS = b'{"JobStatus":"Success"}'
GONE = b'{"Code":"JobNotFound","Message":"no such job"}'
DOWN = RetryableError("the service is down: ask again later")


def _reply(job: str, body: bytes, http_status: int = 200, code: str | None = None) -> Reply:
    return Reply(job, NOON, http_status, code, body, "api")


def _rejected(count: int, code: str = "JobNotFound") -> list[Reply]:
    return [_reply(f"gone-{n}", GONE, 404, code) for n in range(count)]


def _landed(answers: list[Reply | Unanswered], tally: Tally | None = None) -> list[str]:
    replies = final_replies(answers, tally or Tally(), PLACE)
    return [reply.job_id for reply in replies if reply is not None]


def _source(service: Sandbox, **changes: object) -> SourceSettings:
    facts = {
        "endpoint": service.endpoint,
        "protocol": "http",
        "access_key_id": service.access_key_id,
        "access_key_secret": service.access_key_secret,
        "queries_per_second": 500,
        "max_attempts": 1,
    }
    return SourceSettings(**{**facts, **changes})


def _know(settings: Settings, *jobs: str) -> None:
    storage = open_lake(settings.lake_root, create=True)
    storage.write_bytes("ledger/jobs.txt", "".join(f"{job}\n" for job in jobs).encode())


def _held(settings: Settings) -> list[str]:
    return sorted(row.job_id for row in raw.read_index(lake_of(settings)))


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (_reply("a", SUCCESS), "Success"),
        (_reply("a", b'{"JobStatus":"Canceled"}'), "Canceled"),
        (_reply("a", b'{"JobStatus":7}'), "Malformed"),
        (_reply("a", b"{}"), "Malformed"),
        (_reply("a", b"<html>"), "Malformed"),
        (_reply("a", GONE, 404, "JobNotFound"), "Rejected"),
        (_reply("a", GONE, 400, "JobNotFound"), "Rejected"),
        (_reply("a", GONE, 200, "JobNotFound"), "Malformed"),
    ],
)
def test_a_reply_counts_as_flatten_calls_it(reply: Reply, status: str) -> None:
    """A reply counts by its JobStatus; an error is Rejected only where HTTP says so as well."""
    assert status_of(reply) == status


def test_a_long_job_status_is_cut_where_it_is_counted() -> None:
    """A JobStatus is text of others: it is counted by its first 60 characters, made printable."""
    body = b'{"JobStatus":"\\u001b[31m' + b"x" * 1000 + b'"}'
    status = status_of(_reply("a", body))
    assert status == "\\x1b[31m" + "x" * 49 + "..."


def test_what_is_not_final_does_not_land() -> None:
    """Success, Fail and replies without a status land; anything else is counted and left."""
    tally = Tally()
    answers = [
        _reply("a", SUCCESS),
        _reply("b", PROCESSING),
        _reply("c", b'{"JobStatus":"Canceled"}'),
        Unanswered("d", DOWN),
        _reply("e", b"{}"),
        _reply("f", b'{"JobStatus":"Fail"}'),
    ]
    assert _landed(answers, tally) == ["a", "e", "f"]
    assert tally.by_status == {
        "Success": 1,
        "Processing": 1,
        "Canceled": 1,
        "Malformed": 1,
        "Fail": 1,
    }
    assert (tally.landed, tally.unanswered, tally.reason) == (3, 1, str(DOWN))


def test_every_answer_lets_the_flush_look_at_the_clock() -> None:
    """Answers that do not land still pass by, so that held replies are not kept waiting."""
    answers = [_reply("a", SUCCESS), _reply("b", PROCESSING), Unanswered("c", DOWN)]
    passed = list(final_replies(answers, Tally(), PLACE))
    assert [reply and reply.job_id for reply in passed] == ["a", None, None]


def test_rejections_wait_for_the_end() -> None:
    """Error replies land last: only then is it known whether the service answers any job at all."""
    answers = [*_rejected(20), _reply("a", SUCCESS), _reply("b", PROCESSING)]
    assert _landed(answers) == ["a", *(f"gone-{n}" for n in range(20))]


@pytest.mark.parametrize(
    ("others", "lands"),
    [
        ([], False),
        ([Unanswered("u", DOWN)], False),
        ([_reply("m", b"{}")], False),
        ([_reply("p", PROCESSING)], True),
        ([_reply("f", b'{"JobStatus":"Fail"}')], True),
    ],
)
def test_ten_rejections_and_no_status_are_a_wrong_region(
    others: list[Reply | Unanswered], *, lands: bool
) -> None:
    """Ten jobs rejected and none with a JobStatus is our mistake, not theirs: none is closed."""
    answers = [*_rejected(9), *others, *_rejected(1, "InvalidParameter.JobId")]
    if lands:
        assert len([job for job in _landed(answers) if job.startswith("gone")]) == 10
        return
    with pytest.raises(SourceRefusedError) as caught:
        _landed(answers)
    said = str(caught.value)
    assert "all 10 jobs rejected (InvalidParameter.JobId, JobNotFound)" in said
    assert "COGNITION_REGION (cn-shanghai)" in said
    assert "COGNITION_ENDPOINT (ice.cn-shanghai.aliyuncs.com)" in said
    assert "take them out of the ledger" in said


def test_nine_rejections_are_believed() -> None:
    """A few jobs may well be all gone: they land."""
    assert len(_landed(list(_rejected(9)))) == 9


def test_an_unreadable_code_is_not_quoted() -> None:
    """A code is text of others: one that is no plain word is not repeated."""
    with pytest.raises(SourceRefusedError) as caught:
        _landed(list(_rejected(10, "\x1b[31m https://x/?Signature=S3CRET")))
    assert "all 10 jobs rejected (no clear code)" in str(caught.value)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SourceRefusedError("key expired: renew")])
@pytest.mark.parametrize("answered", [True, False])
def test_a_run_that_breaks_off_keeps_believable_rejections(
    error: BaseException, *, answered: bool
) -> None:
    """Where some job had a status, rejections held until then land; else they stay pending."""
    seen: list[str] = []

    def answers() -> Iterator[Reply]:
        yield from _rejected(3)
        if answered:
            yield _reply("a", SUCCESS)
        raise error

    def collect() -> None:
        replies = final_replies(answers(), Tally(), PLACE)
        seen.extend(reply.job_id for reply in replies if reply is not None)

    with pytest.raises(type(error)):
        collect()
    assert seen == (["a", "gone-0", "gone-1", "gone-2"] if answered else [])


# --- through the pipeline ---------------------------------------------------------------------


def test_a_wrong_region_closes_no_job(tmp_path: Path) -> None:
    """Where every job is unknown the run is refused, raw is untouched and all stay pending."""
    settings = new_home(tmp_path, [Landing("done", titled("A"))])
    jobs = [f"elsewhere-{n}" for n in range(12)]
    _know(settings, *jobs)
    before = tree(tmp_path)
    with Sandbox(jobs=1) as service:
        place = rf"all 12 jobs rejected .*cn-shanghai.*{service.endpoint}"
        with pytest.raises(SourceRefusedError, match=place):
            pipeline.ingest(settings, _source(service))
        with pytest.raises(SourceRefusedError, match=place):
            pipeline.query_batch(settings, _source(service), jobs)
    assert tree(tmp_path) == before
    [pending] = pipeline.pending_batches(settings, size=100)
    assert sorted(pending) == sorted(jobs)


@pytest.mark.parametrize(("days", "closed"), [(0, []), (2, ["gone-0", "gone-1"])])
def test_few_rejections_alone_are_believed_a_day_later(
    tmp_path: Path, days: int, closed: list[str]
) -> None:
    """Where jobs come in ones and twos a wrong region would close them all: the new ones wait."""
    settings = Settings(home=tmp_path)
    storage = open_lake(settings.lake_root, create=True)
    since = datetime.now(UTC) - timedelta(days=days)
    records = [{"job_id": f"gone-{n}", "submitted_at": since.isoformat()} for n in range(2)]
    ledger.append(storage, records, "callbacks")
    with Sandbox(jobs=0) as service:
        report = pipeline.ingest(settings, _source(service))
    assert report.by_status == {"Rejected": 2}
    assert _held(settings) == closed


def test_rejected_jobs_among_others_are_closed_and_counted(tmp_path: Path) -> None:
    """Unknown jobs among known ones land, and the report says with which codes and where."""
    settings = Settings(home=tmp_path)
    gone = [f"gone-{n}" for n in range(11)]
    with Sandbox(jobs=0, replies={"a": SUCCESS, "b": GONE}) as service:
        _know(settings, *gone, "a", "b")
        report = pipeline.ingest(settings, _source(service))
        assert (report.region, report.endpoint) == ("cn-shanghai", service.endpoint)
    assert report.by_status == {"Rejected": 11, "Success": 1, "Malformed": 1}
    assert sum(report.error_codes.values()) == 12
    assert report.landed == 13
    assert _held(settings) == sorted([*gone, "a", "b"])


def test_a_batch_without_any_answer_is_an_error(tmp_path: Path) -> None:
    """A service that is down fails the batch with its reason, so that the task is tried again."""
    settings = Settings(home=tmp_path)
    with Sandbox(jobs=2, clean=True, faults=Faults(plan={"*": [Fault.INTERNAL_ERROR]})) as service:
        jobs = service.job_ids
        _know(settings, *jobs)
        report = pipeline.query_batch(settings, _source(service), jobs)
        with pytest.raises(RetryableError, match=r"2 of 2 jobs.*InternalError.*stays pending"):
            pipeline.require_answers(report)
        assert pipeline.query_batch(settings, _source(service), jobs).landed == 2


def test_a_batch_with_an_answer_is_none(tmp_path: Path) -> None:
    """One answer is enough for the batch to count; the others stay pending."""
    settings = Settings(home=tmp_path)
    with Sandbox(jobs=2, clean=True) as service:
        one, two = service.job_ids
    plan = {one: [Fault.INTERNAL_ERROR]}
    with Sandbox(jobs=2, clean=True, faults=Faults(plan=plan)) as service:
        report = pipeline.query_batch(settings, _source(service), [one, two])
    assert (report.landed, report.unanswered) == (1, 1)
    assert _held(settings) == [two]


def test_a_batch_that_landed_nothing_new_is_no_error(tmp_path: Path) -> None:
    """Jobs that are still running are an answer."""
    with Sandbox(jobs=0, replies={"a": PROCESSING}) as service:
        report = pipeline.query_batch(Settings(home=tmp_path), _source(service), ["a"])
    assert (report.by_status, report.landed, report.raw_files) == ({"Processing": 1}, 0, ())


def test_no_jobs_are_no_error(tmp_path: Path) -> None:
    """A batch whose jobs have all landed asks nothing and raises nothing."""
    settings = new_home(tmp_path, [Landing("a", titled("A"))])
    with Sandbox(jobs=0) as service:
        assert pipeline.query_batch(settings, _source(service), ["a"]).queried == 0


def test_a_wrong_ledger_makes_no_lake(tmp_path: Path) -> None:
    """The ledger is read before the lake is made: a wrong one leaves the folder as it was."""
    settings = Settings(home=tmp_path)
    ledgers = tmp_path / "lake" / "ledger"
    ledgers.mkdir(parents=True)
    (ledgers / "jobs.xlsx").write_bytes(b"PK")
    before = tree(tmp_path)
    with Sandbox(jobs=0) as service, pytest.raises(ConfigurationError, match=r"jobs\.xlsx"):
        pipeline.ingest(settings, _source(service))
    with pytest.raises(ConfigurationError, match=r"jobs\.xlsx"):
        pipeline.pending_batches(settings, size=1)
    assert tree(tmp_path) == before


# --- the flush --------------------------------------------------------------------------------


def test_replies_are_flushed_when_the_oldest_is_old(tmp_path: Path) -> None:
    """A batch is written once its oldest reply has waited so long, whoever passes by then."""
    storage = open_lake(str(tmp_path), create=True)
    now = [100.0]
    written: list[int] = []

    def replies() -> Iterator[Landing | None]:
        for job, seconds in (("a", 40), ("b", 19.9), (None, 0.1), (None, 90), ("c", 59), ("d", 0)):
            yield None if job is None else Landing(job, b"{}")
            now[0] += seconds
            written.append(len(raw.list_raw(storage)))

    files = raw.write_raw(storage, replies(), 1 << 20, flush_seconds=60, clock=lambda: now[0])
    held = [raw.read_raw(storage, file)["job_id"].to_pylist() for file in files]
    # a waits from 100, b from 140; the next to pass by comes at 159.9, the next at 160.
    assert held == [["a", "b"], ["c", "d"]]
    assert written == [0, 0, 0, 1, 1, 1]


def test_each_flush_starts_the_clock_anew(tmp_path: Path) -> None:
    """With no patience at all every reply is a file of its own, and what passes by is none."""
    storage = open_lake(str(tmp_path), create=True)
    replies = [None, Landing("a", b"1"), None, Landing("b", b"2")]
    files = list(raw.write_raw(storage, replies, 1 << 20, flush_seconds=0))
    assert [raw.read_raw(storage, file)["job_id"].to_pylist() for file in files] == [["a"], ["b"]]


COGNITION = "import sys; from transforms.cli import main; sys.exit(main())"


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _ingest(settings: Settings, service: Sandbox, **environment: str) -> subprocess.Popen[str]:
    told = {
        "COGNITION_ENDPOINT": service.endpoint,
        "COGNITION_PROTOCOL": "http",
        "COGNITION_ACCESS_KEY_ID": service.access_key_id,
        "COGNITION_ACCESS_KEY_SECRET": service.access_key_secret,
        "COGNITION_READ_TIMEOUT_SECONDS": "5",
        "COGNITION_MAX_ATTEMPTS": "1",
        **environment,
    }
    return subprocess.Popen(
        [sys.executable, "-c", COGNITION, "ingest", "--home", str(settings.home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=child_environment() | told,
    )


def _ask_for_the_rest(settings: Settings, service: Sandbox) -> None:
    """Runs again and sees that each job is asked for once, unless it has landed."""
    landed, before = set(_held(settings)), service.calls
    asked = set(ledger.read_ledger(lake_of(settings))) - landed
    batch = sorted(asked | landed)
    assert pipeline.query_batch(settings, _source(service), batch).queried == len(asked)
    assert service.calls - before == dict.fromkeys(asked, 1)


def test_killed_it_keeps_what_was_flushed(tmp_path: Path) -> None:
    """After kill -9 answers older than the flush are in raw; the next run asks for the rest."""
    settings = Settings(home=tmp_path)
    slow = Faults(plan={"slow": [Fault.HANG]}, hang_seconds=60)
    replies = {"a": SUCCESS, "b": SUCCESS}
    with Sandbox(jobs=0, replies=replies, faults=slow) as service:
        _know(settings, "a", "b", "slow")
        with _ingest(settings, service, COGNITION_FLUSH_SECONDS="0") as run:
            _wait_until(lambda: len(_held(settings)) == 2 and service.calls["slow"] == 1)
            run.kill()
            run.communicate(timeout=60)
        assert run.returncode == -signal.SIGKILL
        assert pipeline.pending_batches(settings, size=9) == [["slow"]]
        _ask_for_the_rest(settings, service)


@pytest.mark.parametrize(
    ("sign", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["TERM", "INT"]
)
def test_told_to_stop_it_keeps_every_answer(
    tmp_path: Path, sign: signal.Signals, code: int
) -> None:
    """SIGTERM ends like Ctrl-C: answers not yet written are; the next run asks for the rest."""
    settings = Settings(home=tmp_path)
    slow = Faults(plan={"slow": [Fault.HANG]}, hang_seconds=60)
    replies = dict.fromkeys("abc", SUCCESS)
    with Sandbox(jobs=0, replies=replies, faults=slow) as service:
        _know(settings, "a", "b", "c", "slow")
        # Two at a time, in any order: one hangs, by the other all others are answered.
        with _ingest(settings, service, COGNITION_CONCURRENCY="2") as run:
            _wait_until(lambda: all(service.calls[job] == 1 for job in ("a", "b", "c", "slow")))
            os.kill(run.pid, sign)
            _, err = run.communicate(timeout=60)
        assert run.returncode == code
        assert err.splitlines()[-1].startswith("error: stopped;")
        assert "Traceback" not in err
        held = set(_held(settings))
        assert held <= {"a", "b", "c"}
        assert len(held) >= 2  # the last answer may have been on its way
        _ask_for_the_rest(settings, service)
