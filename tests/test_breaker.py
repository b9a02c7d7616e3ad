"""The breaker: when a run ends because the service answers no more, and what is kept of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from lake_kit import lake_of

from sandbox import Sandbox
from sandbox.faults import Fault, Faults
from transforms import pipeline, raw
from transforms.cli.failure import SOURCE_FAILED
from transforms.cli.render import ingest_outcome
from transforms.errors import RejectedJobError, RetryableError, SourceUnavailableError
from transforms.lake import open_lake
from transforms.pipeline import to_raw
from transforms.settings import Settings, SourceSettings
from transforms.source import CognitionSource, QueryPace, Reply
from transforms.source.breaker import Breaker
from transforms.source.errors import Failure

SUCCESS = b'{"JobStatus":"Success"}'
THROTTLED = Failure(RetryableError("Job 'x': too fast."), 429, throttled=True)
DOWN = Failure(RetryableError("Job 'x': down."), 500)


def _settings(service: Sandbox, **changes: object) -> SourceSettings:
    facts = {
        "endpoint": service.endpoint,
        "protocol": "http",
        "access_key_id": service.access_key_id,
        "access_key_secret": service.access_key_secret,
        "queries_per_second": 1000,
        "max_backoff_seconds": 0.001,
        "concurrency": 1,
    }
    return SourceSettings.model_validate(facts | changes)


class WatchedPace(QueryPace):
    """A pace that writes down what it was held for, and is not held."""

    def __init__(self) -> None:
        super().__init__(1000)
        self.held: list[float] = []

    def hold(self, seconds: float) -> None:
        """Notes the hold."""
        self.held.append(seconds)


@pytest.fixture
def half_down() -> Iterator[Sandbox]:
    """A service that answers jobs a to c and throttles d to f for ever."""
    plan = {job: [Fault.THROTTLE_429] * 99 for job in "def"}
    with Sandbox(jobs=0, replies=dict.fromkeys("abc", SUCCESS), faults=Faults(plan=plan)) as made:
        yield made


# --- counting


def test_every_throttled_call_counts() -> None:
    """Throttling concerns the account: one job's calls count one by one."""
    breaker = Breaker(3)
    assert [breaker.note_failure("a", "host", THROTTLED) for _ in range(2)] == [None, None]
    stopped = breaker.note_failure("a", "host", THROTTLED)
    assert isinstance(stopped, SourceUnavailableError)
    said = str(stopped)
    assert said.startswith("host does not answer: 3 calls throttled and 0 jobs failing in a row;")
    assert "COGNITION_QUERIES_PER_SECOND" in said
    assert said.endswith("The last: Job 'x': too fast.")


def test_of_other_failures_a_job_counts_once() -> None:
    """A job that the service always fails on does not stop the others by itself."""
    breaker = Breaker(3)
    assert all(breaker.note_failure("poison", "host", DOWN) is None for _ in range(100))
    assert breaker.note_failure("b", "host", DOWN) is None
    said = str(breaker.note_failure("c", "host", DOWN))
    assert "0 calls throttled and 3 jobs failing" in said
    assert "COGNITION_FAILURES_TO_STOP" in said


def test_both_kinds_add_up_until_an_answer() -> None:
    """Any answer begins the count anew."""
    breaker = Breaker(3)
    breaker.note_failure("a", "host", THROTTLED)
    breaker.note_failure("a", "host", DOWN)
    breaker.note_answer()
    assert breaker.note_failure("a", "host", DOWN) is None
    assert breaker.note_failure("a", "host", THROTTLED) is None
    assert breaker.note_failure("a", "host", THROTTLED) is not None


# --- over the wire


def test_a_throttled_run_ends_and_holds_everybody(half_down: Sandbox) -> None:
    """After so many throttled calls nothing more goes out, and who shares the pace waits."""
    pace = WatchedPace()
    settings = _settings(half_down, failures_to_stop=4, max_attempts=3, max_backoff_seconds=0.002)
    answered: list[str] = []
    with CognitionSource(settings, pace) as source:
        run = source.query_all(["a", "d", "e", "f", "b"])
        with pytest.raises(SourceUnavailableError, match="4 calls throttled and 0 jobs failing"):
            answered.extend(answer.job_id for answer in run)
    assert answered == ["a", "d"]  # d is given up after its three calls
    assert half_down.calls == {"a": 1, "d": 3, "e": 1}
    assert pace.held == [0.002]


def test_an_answer_in_between_keeps_the_run_going(half_down: Sandbox) -> None:
    """Throttling that leaves room for answers stops no run."""
    with CognitionSource(_settings(half_down, failures_to_stop=3, max_attempts=2)) as source:
        answers = list(source.query_all("dabecf"))
    assert [each.job_id for each in answers if isinstance(each, Reply)] == ["a", "b", "c"]


def test_a_rejected_job_is_an_answer(half_down: Sandbox) -> None:
    """A service that rejects a job answers."""
    with CognitionSource(_settings(half_down, failures_to_stop=2, max_attempts=1)) as source:
        for _ in range(3):
            with pytest.raises(RetryableError):
                source.query("d")
            with pytest.raises(RejectedJobError):
                source.query("nobody knows it")


def test_a_service_that_is_down_is_left_alone() -> None:
    """Errors on one job after another end the run with the last of them."""
    faults = Faults(plan={"*": [Fault.BAD_GATEWAY] * 99})
    with Sandbox(jobs=0, faults=faults) as service:
        settings = _settings(service, failures_to_stop=3, max_attempts=2)
        with (
            CognitionSource(settings) as source,
            pytest.raises(SourceUnavailableError, match=r"3 jobs failing.* down: .*error page"),
        ):
            list(source.query_all("abcdef"))
        assert service.calls == {"a": 2, "b": 2, "c": 1}


def test_retry_after_holds_all_who_share_the_pace() -> None:
    """What the service asks of one call, every call waits for."""
    pace = WatchedPace()
    plan = {"a": [Fault.THROTTLE_429_RETRY_AFTER], "b": [Fault.THROTTLE_429]}
    faults = Faults(plan=plan, retry_after_ms=70)
    with (
        Sandbox(jobs=0, replies=dict.fromkeys("ab", SUCCESS), faults=faults) as service,
        CognitionSource(_settings(service), pace) as source,
    ):
        list(source.query_all("ab"))
    assert pace.held == [0.07]


def test_while_one_is_told_to_wait_nobody_asks() -> None:
    """Another source on the same pace gives the service the time it asked for."""
    faults = Faults(plan={"a": [Fault.THROTTLE_429_RETRY_AFTER]}, retry_after_ms=300)
    with Sandbox(jobs=0, replies=dict.fromkeys("ab", SUCCESS), faults=faults) as service:
        pace, settings = QueryPace(1000), _settings(service, max_attempts=1)
        with CognitionSource(settings, pace) as one, CognitionSource(settings, pace) as other:
            pace.wait_turn(Event())
            with pytest.raises(RetryableError):
                one.query("a")
            start = time.monotonic()
            other.query("b")
            assert time.monotonic() - start >= 0.25


# --- what is kept


def _know(settings: Settings, jobs: str) -> None:
    storage = open_lake(settings.lake_root, create=True)
    storage.write_bytes("ledger/jobs.txt", "\n".join(jobs).encode())


def _held(settings: Settings) -> list[str]:
    return sorted(row.job_id for row in raw.read_index(lake_of(settings)))


def test_what_was_answered_lands_and_the_report_says_why_it_ended(
    half_down: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped ingest tells what landed, what stays pending and what to do, with exit code 3."""
    settings = Settings(home=tmp_path)
    monkeypatch.setattr(to_raw, "_shuffled", list)
    _know(settings, "adefbc")
    report = pipeline.ingest(settings, _settings(half_down, failures_to_stop=4, max_attempts=3))
    assert (report.queried, report.landed, report.unanswered) == (6, 1, 5)
    assert report.by_status == {"Success": 1}
    assert "4 calls throttled" in (report.stopped_reason or "")
    assert _held(settings) == ["a"]
    outcome = ingest_outcome(report, strict=False)
    assert outcome.code == SOURCE_FAILED
    (warning,) = outcome.warnings
    assert warning.startswith(f"5 of 6 jobs stay pending: {half_down.endpoint} does not answer:")


def test_a_stopped_batch_fails_and_is_tried_again(half_down: Sandbox, tmp_path: Path) -> None:
    """The task fails in a way that heals, with what landed kept; the retry asks for the rest."""
    settings = Settings(home=tmp_path)
    source = _settings(half_down, failures_to_stop=3)
    _know(settings, "adefbc")
    report = pipeline.query_batch(settings, source, list("adefbc"))
    with pytest.raises(RetryableError, match=r"1 of 6 jobs landed, .*3 calls throttled"):
        pipeline.require_answers(report)
    assert half_down.calls == {"a": 1, "d": 3}
    half_down._faults = Faults()
    half_down._replies = dict.fromkeys("abcdef", SUCCESS)
    assert pipeline.query_batch(settings, source, list("adefbc")).landed == 5
    assert half_down.calls == {"a": 1, "b": 1, "c": 1, "d": 4, "e": 1, "f": 1}


def test_rejections_that_nothing_confirms_are_not_believed(
    half_down: Sandbox, tmp_path: Path
) -> None:
    """Where a stopped run saw no job with a status, jobs it was told are unknown stay pending."""
    settings = Settings(home=tmp_path)
    _know(settings, "xyd")
    report = pipeline.ingest(settings, _settings(half_down, failures_to_stop=2))
    assert (report.landed, report.unanswered, report.by_status) == (0, 3, {})
    assert report.error_codes == {}
    assert _held(settings) == []
