"""The sandbox's faults: by plan, by share and by rate."""

from __future__ import annotations

import http.client
import threading
from collections import Counter

import pytest
from sandbox_client import call

from sandbox import Fault, Faults, Sandbox
from sandbox.faults import ERRORS, EVERY_JOB, THROTTLES, RateCeiling
from sandbox.samples.ids import job_ids


def test_a_fault_plan_is_kept_call_by_call() -> None:
    """The nth call of a job meets the nth fault; None and later calls are answered."""
    first, second = job_ids(7, 2)
    plan: dict[str, list[Fault | None]] = {
        first: [Fault.BAD_GATEWAY, None, Fault.INTERNAL_ERROR],
        EVERY_JOB: [Fault.EMPTY_503],
    }
    with Sandbox(jobs=2, clean=True, faults=Faults(plan=plan)) as sandbox:
        assert [call(sandbox, first).status for _ in range(5)] == [502, 200, 500, 200, 200]
        assert [call(sandbox, second).status for _ in range(2)] == [503, 200]
        assert sandbox.calls == Counter({first: 5, second: 2})


def test_throttling_says_when_to_come_back_only_if_asked_to() -> None:
    """All four kinds of throttling have code Throttling.User; two carry milliseconds."""
    (job,) = job_ids(7, 1)
    with Sandbox(jobs=1, faults=Faults(plan={job: THROTTLES}, retry_after_ms=1234)) as sandbox:
        answers = [call(sandbox, job) for _ in THROTTLES]
    assert {answer.code for answer in answers} == {"Throttling.User"}
    seen = [(answer.status, answer.headers.get("x-acs-retry-after")) for answer in answers]
    assert seen == [(429, None), (400, None), (429, "1234"), (400, "1234")]


def test_the_rate_ceiling_throttles_what_comes_above() -> None:
    """Above the ceiling a call is throttled, told how long to wait, and not counted for the job."""
    with Sandbox(jobs=1, faults=Faults(max_queries_per_second=1)) as sandbox:
        (job,) = sandbox.job_ids
        # At one a second all 20 would take 19 seconds; they are asked as fast as they go.
        answers = [call(sandbox, job) for _ in range(20)]
        throttled = [answer for answer in answers if answer.status == 429]
        assert throttled
        assert all(0 < int(answer.headers["x-acs-retry-after"]) <= 1000 for answer in throttled)
        assert sandbox.throttled == len(throttled)
        assert sandbox.calls[job] == 20 - len(throttled)


def test_the_ceiling_counts_any_one_second() -> None:
    """At most N calls are admitted within any second, and the wait is told to the moment."""
    ceiling = RateCeiling(3)
    assert [ceiling.wait_seconds(at) for at in (10.0, 10.5, 10.75)] == [0, 0, 0]
    assert ceiling.wait_seconds(10.875) == 0.125
    assert ceiling.wait_seconds(11.0) == 0
    assert ceiling.wait_seconds(11.25) == 0.25


def test_shares_of_faults_are_deterministic_and_about_right() -> None:
    """Shares hold over many calls; the same seed gives the same faults, another seed others."""
    faults = Faults(throttle_share=0.05, error_share=0.02, seed=1)
    jobs = job_ids(1, 10_000)
    drawn = [faults.of_call(job, nth) for job in jobs for nth in (1, 2)]
    kinds = Counter(drawn)
    assert set(kinds) == {None, *THROTTLES, *ERRORS}
    assert sum(kinds[fault] for fault in THROTTLES) == pytest.approx(1000, abs=120)
    assert sum(kinds[fault] for fault in ERRORS) == pytest.approx(400, abs=80)
    again = Faults(throttle_share=0.05, error_share=0.02, seed=1)
    other = Faults(throttle_share=0.05, error_share=0.02, seed=2)
    assert drawn[::2] == [again.of_call(job, 1) for job in jobs]
    assert drawn[::2] != [other.of_call(job, 1) for job in jobs]


@pytest.mark.parametrize(
    "wrong",
    [
        {"throttle_share": -0.1},
        {"throttle_share": 0.6, "error_share": 0.5},
        {"max_queries_per_second": 0},
    ],
)
def test_an_impossible_fault_plan_is_refused(wrong: dict[str, float]) -> None:
    """Shares outside 0 to 1 and a ceiling of nothing are errors at once."""
    with pytest.raises(ValueError, match="must be"):
        Faults(**wrong)  # type: ignore[arg-type]  # numbers that fit no field are the point


def test_stopping_releases_a_hanging_call() -> None:
    """A call that hangs ends when the sandbox stops, long before its own time."""
    (job,) = job_ids(7, 1)
    faults = Faults(plan={job: [Fault.HANG]}, hang_seconds=600)
    ended = threading.Event()

    def hang() -> None:
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            call(sandbox, job)
        ended.set()

    with Sandbox(jobs=1, faults=faults) as sandbox:
        caller = threading.Thread(target=hang)
        caller.start()
        while not sandbox.calls[job]:
            assert caller.is_alive()
    caller.join(timeout=20)
    assert ended.is_set()
