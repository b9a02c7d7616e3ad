"""The pace of queries: exact, one for all threads and processes, put off when the service says."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
from lake_kit import ObjectStore, child_environment
from pydantic import SecretStr
from tenacity import RetryCallState, Retrying

from sandbox import Sandbox
from transforms.errors import ConfigurationError, RetryableError
from transforms.landing import pace_of
from transforms.settings import SourceSettings
from transforms.source import StoppedError, account_name
from transforms.source.pace import QueryPace, RetryWait
from transforms.source.pace_state import MicrosecondClock, OwnPace, SharedPace, WallClock
from transforms.storage import Storage

SECOND = 1_000_000
DAY = 86_400


class VirtualTime(MicrosecondClock):
    """A clock that only waiting moves; stands in for clock and stop flag both."""

    def __init__(self, micros: int = SECOND) -> None:
        self.micros = micros

    def now(self) -> int:
        """Returns the virtual time in microseconds."""
        return self.micros

    def is_set(self) -> bool:
        """Never stops."""
        return False

    def wait(self, timeout: float) -> None:
        """Lets `timeout` seconds pass."""
        self.micros += round(timeout * SECOND)


def shared_pace(file: Path, clock: VirtualTime, rate: float = 10) -> QueryPace:
    """Returns the pace of one of several processes that share a file; at 10 a second 105 ms."""
    return QueryPace(rate, clock, SharedPace(file, clock))


def waited(pace: QueryPace, clock: VirtualTime) -> int:
    """Returns how many microseconds a query has to wait for its turn."""
    start = clock.micros
    pace.wait_turn(clock)
    return clock.micros - start


# --- one pace


@pytest.mark.parametrize("rate", [0.5, 2.5, 3, 7, 20, 50, 300, 333.3, 1000])
def test_the_pace_is_exact(rate: float) -> None:
    """Queries keep one distance: the rate's own and the 5 % of headroom, to the microsecond."""
    clock = VirtualTime()
    pace = QueryPace(rate, clock)
    times = []
    for _ in range(200):
        pace.wait_turn(clock)
        times.append(clock.micros)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) >= 1_050_000 / rate
    assert max(gaps) <= 1_050_000 / rate + 1


def test_an_idle_source_saves_up_no_burst() -> None:
    """After a long pause the pace is the same as ever."""
    clock = VirtualTime()
    pace = QueryPace(10, clock)
    pace.wait_turn(clock)
    clock.micros += 3600 * SECOND
    assert [waited(pace, clock) for _ in range(4)] == [0, 105_000, 105_000, 105_000]


def test_the_clocks_count_microseconds() -> None:
    """The real clocks run in microseconds, one of them never backwards."""
    clock = MicrosecondClock()
    first, wall = clock.now(), time.monotonic()
    assert abs(first / SECOND - wall) < 1
    assert clock.now() >= first
    assert abs(WallClock().now() / SECOND - time.time()) < 1


# --- one pace for many processes


@pytest.mark.parametrize("rate", [0.5, 20, 333.3, 1000])
def test_a_shared_pace_is_exact(tmp_path: Path, rate: float) -> None:
    """Three that ask by turns go out as one would, to the microsecond."""
    clock = VirtualTime(1_800_000_000 * SECOND + 7)
    paces = [shared_pace(tmp_path / "pace", clock, rate) for _ in range(3)]
    times = []
    for number in range(60):
        paces[number % 3].wait_turn(clock)
        times.append(clock.micros)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) >= 1_050_000 / rate
    assert max(gaps) <= 1_050_000 / rate + 1


def test_who_goes_alone_asks_the_file_once_a_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process waits for its own pace first, so its file is not locked in vain."""
    asked = 0
    check = SharedPace.check

    def counted(*arguments: object) -> object:
        nonlocal asked
        asked += 1
        return check(*arguments)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(SharedPace, "check", counted)
    clock = VirtualTime()
    pace = shared_pace(tmp_path / "pace", clock)
    for _ in range(10):
        pace.wait_turn(clock)
    assert asked == 10


def test_a_pace_outlives_its_process(tmp_path: Path) -> None:
    """The next process begins where the last one left off; the file is a small one."""
    file, clock = tmp_path / "deep" / "folder" / "pace", VirtualTime()
    assert waited(shared_pace(file, clock), clock) == 0
    assert waited(shared_pace(file, clock), clock) == 105_000
    assert file.read_bytes() == b"%020d\n" % (1_210_000 * 1000)  # at 1.105 s, and 105 ms on


@pytest.mark.parametrize("content", [b"", b"12", b"nonsense\n", b"\0" * 21, b"-" + b"1" * 19])
def test_a_torn_file_counts_as_new(tmp_path: Path, content: bytes) -> None:
    """What is no time is as good as no file, and is made right by the first query."""
    file, clock = tmp_path / "pace", VirtualTime()
    file.write_bytes(content)
    pace = shared_pace(file, clock)
    assert [waited(pace, clock), waited(pace, clock)] == [0, 105_000]


def test_a_file_of_something_else_is_not_overwritten(tmp_path: Path) -> None:
    """A setting that names somebody's data is refused by name, and the data stays."""
    file, clock = tmp_path / "jobs.csv", VirtualTime()
    file.write_bytes(b"job_id\n" + b"a" * 32)
    with pytest.raises(ConfigurationError, match=r"jobs\.csv holds .*COGNITION_PACE_FILE"):
        shared_pace(file, clock).wait_turn(clock)
    assert file.read_bytes().startswith(b"job_id\n")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A folder that cannot be made stops the run with the setting's name."""
    (tmp_path / "file").touch()
    clock = VirtualTime()
    with pytest.raises(ConfigurationError, match=r"file/pace .*COGNITION_PACE_FILE"):
        shared_pace(tmp_path / "file" / "pace", clock).wait_turn(clock)


def test_a_lock_that_cannot_be_taken_is_named(tmp_path: Path) -> None:
    """A lock of another kind or owner stops the run in the same way."""
    (tmp_path / "pace.lock").mkdir()
    clock = VirtualTime()
    with pytest.raises(ConfigurationError, match=r"pace cannot hold .*COGNITION_PACE_FILE"):
        shared_pace(tmp_path / "pace", clock).wait_turn(clock)


def test_a_removed_file_is_made_again(tmp_path: Path) -> None:
    """Whoever cleans up a running pace costs it one early query, no error."""
    file, clock = tmp_path / "pace", VirtualTime()
    one, other = shared_pace(file, clock), shared_pace(file, clock)
    one.wait_turn(clock)
    file.unlink()
    assert [waited(other, clock), waited(one, clock)] == [0, 105_000]


def test_a_clock_set_back_blocks_nobody(tmp_path: Path) -> None:
    """A time far ahead counts as none; a process keeps its own rate all the while."""
    file, wall, own = tmp_path / "pace", VirtualTime(DAY * SECOND), VirtualTime()
    pace = QueryPace(10, own, SharedPace(file, wall))
    pace.wait_turn(own)
    wall.micros -= 3600 * SECOND
    before = own.micros
    pace.wait_turn(own)
    assert own.micros - before == 105_000


@pytest.mark.parametrize(("ahead", "wait"), [(119, 119), (121, 0)])
def test_two_minutes_are_believed(tmp_path: Path, ahead: int, wait: int) -> None:
    """A file may hold everybody for as long as the longest Retry-After, and not longer."""
    file, clock = tmp_path / "pace", VirtualTime()
    file.write_bytes(b"%020d\n" % ((clock.micros + ahead * SECOND) * 1000))
    assert waited(shared_pace(file, clock), clock) == wait * SECOND


def test_a_hold_is_everybodys(tmp_path: Path) -> None:
    """Who is told to wait makes all wait: threads of his own, other processes, later ones."""
    file, clock = tmp_path / "pace", VirtualTime()
    one, other = shared_pace(file, clock), shared_pace(file, clock)
    one.wait_turn(clock)
    one.hold(30)
    assert waited(other, clock) == 30 * SECOND
    assert waited(one, clock) == 105_000


@pytest.mark.parametrize("shared", [True, False])
def test_a_hold_ends(tmp_path: Path, *, shared: bool) -> None:
    """No hold is longer than two minutes, and a shorter one does not cut a longer one short."""
    clock = VirtualTime()
    pace = shared_pace(tmp_path / "pace", clock) if shared else QueryPace(10, clock)
    pace.hold(DAY)
    pace.hold(1)
    assert waited(pace, clock) == 120 * SECOND


def test_a_pace_can_be_read_and_forgotten(tmp_path: Path) -> None:
    """The library's own ways to look and to begin anew work on both kinds of state."""
    clock = VirtualTime()
    pace = shared_pace(tmp_path / "pace", clock)
    pace.wait_turn(clock)
    pace.wait_turn(clock)
    assert [gate.count() for gate, _ in pace._gates] == [1, 1]
    for gate, _ in pace._gates:
        gate.flush()
    assert [gate.count() for gate, _ in pace._gates] == [0, 0]
    assert waited(pace, clock) == 0


HOLDER = """
import sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""


def test_a_killed_holder_of_the_lock_blocks_nobody(tmp_path: Path) -> None:
    """While somebody holds the lock a run can still be stopped; kill -9 sets the lock free."""
    file, clock = tmp_path / "pace", VirtualTime()
    pace = shared_pace(file, clock)
    pace.wait_turn(clock)
    command = [sys.executable, "-c", HOLDER, str(file) + ".lock"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        stop = threading.Event()
        threading.Timer(0.05, stop.set).start()
        with pytest.raises(StoppedError):
            QueryPace(10, clock, SharedPace(file, clock)).wait_turn(stop)
        pace.hold(5)  # held here; the file cannot be told
        holder.kill()
        holder.wait(20)
    assert waited(shared_pace(file, clock), clock) == 105_000
    assert waited(pace, clock) == 5 * SECOND - 105_000


ASKER = """
import json, sys, threading, time
from types import SimpleNamespace
from http.client import HTTPConnection
from pathlib import Path
from sandbox_client import call
from transforms.source.pace import QueryPace
from transforms.source.pace_state import SharedPace

file, rate, seconds, endpoint, key_id, secret = sys.argv[1:]
service = SimpleNamespace(endpoint=endpoint, access_key_id=key_id, access_key_secret=secret)
pace, times = QueryPace(float(rate), shared=SharedPace(Path(file))), []

def ask(end):
    connection = HTTPConnection(endpoint, timeout=20)
    while time.monotonic() < end:
        pace.wait_turn(threading.Event())
        times.append(time.monotonic())
        call(service, "job", connection=connection)

print("ready", flush=True)
sys.stdin.readline()
end = time.monotonic() + float(seconds)
threads = [threading.Thread(target=ask, args=(end,)) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(times))
"""


def test_four_processes_keep_one_rate(tmp_path: Path) -> None:
    """Four processes of two threads let out one rate between them, where each alone would keep it.

    The times are taken after the fact, on a machine that may be busy: hence the tenth of slack.
    The tests above are exact, on a clock of their own.
    """
    rate, seconds = 60, 1.2
    reply = {"job": b'{"JobStatus":"Success"}'}
    with Sandbox(jobs=0, replies=reply) as service:
        keys = (service.endpoint, service.access_key_id, service.access_key_secret)
        told = [str(tmp_path / "pace"), str(rate), str(seconds), *keys]
        askers = [
            subprocess.Popen(
                [sys.executable, "-c", ASKER, *told],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=child_environment(),
            )
            for _ in range(4)
        ]
        for asker in askers:
            assert asker.stdout is not None
            assert asker.stdout.readline() == "ready\n"
        for asker in askers:
            assert asker.stdin is not None
            asker.stdin.write("\n")
            asker.stdin.flush()
        times = [json.loads(asker.communicate(timeout=60)[0]) for asker in askers]
        assert service.calls["job"] == sum(map(len, times))
    assert all(times)
    every = sorted(moment for own in times for moment in own)
    assert min(later - first for first, later in zip(every, every[rate:], strict=False)) >= 0.9
    assert (len(every) - 1) / (every[-1] - every[0]) >= 0.6 * rate


# --- where it is kept


def settings_for(**changes: object) -> SourceSettings:
    """Settings of an account with a key pair of its own."""
    pair = {"access_key_id": "LTAIone", "access_key_secret": "exampleSecret"}
    return SourceSettings.model_validate(pair | changes)


def test_an_account_has_its_own_name() -> None:
    """Hosts and keys are told apart without naming the key; temporary keys are all one."""
    one = account_name(settings_for())
    assert one == account_name(settings_for(endpoint="ICE.cn-shanghai.aliyuncs.com"))
    others = [
        account_name(settings_for(**changes))
        for changes in ({"access_key_id": "LTAItwo"}, {"region": "cn-beijing"})
    ]
    nameless = {
        account_name(settings_for(security_token="t1")),
        account_name(settings_for(access_key_id="STS.x", security_token="t2")),
        account_name(SourceSettings(access_key_id=None, access_key_secret=None)),
    }
    assert len({one, *others, *nameless}) == 4
    assert "LTAI" not in one


def test_a_local_lake_holds_the_pace(tmp_path: Path) -> None:
    """Processes that share a lake share a pace, unless a setting names another file."""
    clock = threading.Event()
    settings = settings_for(queries_per_second=1000)
    pace_of(Storage.at(str(tmp_path / "lake")), settings).wait_turn(clock)
    file = tmp_path / "lake" / "staging" / "locks" / f"pace-{account_name(settings)}"
    assert file.exists()
    named = settings_for(queries_per_second=1000, pace_file=tmp_path / "named")
    pace_of(Storage.at(str(tmp_path / "other")), named).wait_turn(clock)
    assert (tmp_path / "named").exists()
    assert not (tmp_path / "other").exists()


def test_a_lake_in_a_store_has_a_pace_a_process(tmp_path: Path) -> None:
    """Without a file in common the pace is kept in the process, and nothing is written."""
    store = ObjectStore()
    pace = pace_of(store.storage(), settings_for())
    pace.wait_turn(threading.Event())
    assert [type(store) for store in pace._stores] == [OwnPace]
    assert store.objects == {}
    named = pace_of(store.storage(), settings_for(pace_file=tmp_path / "pace"))
    assert [type(store) for store in named._stores] == [OwnPace, SharedPace]


def test_no_pace_file_tells_a_key(tmp_path: Path) -> None:
    """Neither the name nor the content of any file names the key id."""
    settings = SourceSettings(
        access_key_id=SecretStr("LTAIsecretive"), access_key_secret=SecretStr("s")
    )
    pace_of(Storage.at(str(tmp_path)), settings).wait_turn(threading.Event())
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    assert not any("secretive" in path.name for path in written)
    assert not any(b"secretive" in path.read_bytes() for path in written)


# --- how long a retry waits


def _after(attempt: int, error: BaseException) -> RetryCallState:
    state = RetryCallState(retry_object=Retrying(), fn=None, args=(), kwargs={})
    state.attempt_number = attempt
    state.set_exception((type(error), error, None))
    return state


def test_the_wait_is_full_jitter_under_a_cap() -> None:
    """Waits spread from nothing to one, two, four seconds and so on, up to the setting."""
    waits = RetryWait(max_backoff_seconds=5)
    for attempt, ceiling in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (19, 5.0)):
        drawn = [waits(_after(attempt, RetryableError("x"))) for _ in range(300)]
        assert all(0 <= wait <= ceiling for wait in drawn)
        if attempt < 4:
            assert min(drawn) < ceiling / 4
            assert max(drawn) > ceiling * 3 / 4


def test_an_absurd_retry_after_is_capped() -> None:
    """No reply can make us wait for longer than two minutes."""
    error = RetryableError("x", retry_after_seconds=DAY)
    assert RetryWait(max_backoff_seconds=1)(_after(1, error)) == 120
