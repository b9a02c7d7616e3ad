"""`cognition query`: what a mistaken question is told, and how a long one is stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest
from lake_kit import child_environment
from warehouse_lake import commit, new_lake, speech_job

from transforms import stoppable
from transforms.cli import main
from transforms.contract import load_contracts
from transforms.stoppable import Stop, run_stoppable
from transforms.warehouse import PUBLISHED, load_batches, query_published
from transforms.warehouse.build import BUILD

Ask = Callable[..., str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a published warehouse of one sentence."""
    folder = tmp_path_factory.mktemp("query")
    commit(new_lake(folder), "b1", speech_job("job-a", (0.0, 2.0, "One tea")))
    load_batches(new_lake(folder), load_contracts(), folder / "warehouse")
    shutil.copyfile(folder / "warehouse" / BUILD, folder / "warehouse" / PUBLISHED)
    return folder


@pytest.fixture
def refused(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Ask:
    """Returns a function that asks what is refused, by one line, and returns that."""
    for name in [name for name in os.environ if name.startswith("COGNITION_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def ask(sql: str, *words: str) -> str:
        assert main(["query", sql, *words, "--home", str(home)]) == 2
        told = capsys.readouterr()
        assert (told.out, told.err.count("\n")) == ("", 1)
        assert not list(tmp_path.iterdir())
        return told.err

    return ask


# --- mistakes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("sql", ["FROM appearances", "SELECT * FROM warehouse.Appearances AS a"])
def test_a_macro_without_parentheses_is_told_how_it_is_called(refused: Ask, sql: str) -> None:
    """A macro that is taken for a table is named as a macro, and no other table is suggested."""
    told = refused(sql)
    assert "appearances is a macro: write FROM appearances(...); `FROM macros` lists" in told
    assert "Did you mean" not in told
    assert "dictionary" not in told


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("FROM appearence(1)", 'Did you mean "appearances"?'),
        ("FROM nowhere(1)", "Table Function with name nowhere does not exist"),
        ("FROM track()", "Candidate macros: track(entity)"),
        ("FROM appearances(gap := 1)", "Candidate macros: appearances(gap_seconds := 0)"),
        ("SELECT appearances(1)", "has to be called in a FROM clause"),
        ("SELECT nowhere(1)", "Scalar Function with name nowhere does not exist"),
    ],
)
def test_a_wrong_call_names_the_list_of_macros(refused: Ask, sql: str, said: str) -> None:
    """An unknown macro, or one called wrongly, leads to `FROM macros`, not to the dictionary."""
    told = refused(sql)
    assert said in told
    assert "`FROM macros` lists the macros and what they take" in told
    assert "dictionary" not in told


@pytest.mark.parametrize(
    "sql", ["FROM jbos", "SELECT nope FROM jobs", "SELECT jobs.nope FROM jobs", "FROM jobs AS j, x"]
)
def test_an_unknown_table_or_column_names_the_dictionary(refused: Ask, sql: str) -> None:
    """What is no macro leads to the dictionary."""
    told = refused(sql)
    assert "(`FROM dictionary` lists the tables and columns)" in told
    assert "macros" not in told


@pytest.mark.parametrize(
    ("sql", "given", "said"),
    [
        ("SELECT $phrase", (), "$phrase has no value: give it by --param phrase=VALUE"),
        (
            "SELECT $b, $A, $b",
            ("c=1",),
            "have no value: give them by --param a=VALUE --param b=VALUE; the statement has no $c,",
        ),
        ("SELECT $a, $b", ("a=1",), "$b has no value: give it by --param b=VALUE"),
        ("SELECT 1", ("phrase=x",), "the statement has no $phrase, which --param gives:"),
        ("SELECT $x; SELECT 1", ("x=1",), "$x stands in an earlier statement: only the last one"),
        ("", ("phrase=x",), "the SQL is empty"),
        ("/* none */", ("phrase=x",), "the statement has no $phrase, which --param gives:"),
        ("SELECT $a", ("a=1", "b=2", "c=3"), "the statement has no $b and $c, which --param gives"),
        ("SELECT ?", (), "a value without a name cannot be given: write $name in place of ? or $1"),
        ("SELECT $1", ("a=1",), "cannot be given: write $name in place of ? or $1"),
    ],
)
def test_parameters_that_do_not_fit_are_named(
    refused: Ask, sql: str, given: tuple[str, ...], said: str
) -> None:
    """A value that lacks, and one that the statement has no place for, are named with a remedy."""
    told = refused(sql, *(word for pair in given for word in ("--param", pair)))
    assert said in told


@pytest.mark.parametrize("sql", ["SELECT 1", "SELECT 1 WHERE 'x' = "])
def test_a_name_that_the_shell_took_is_told(refused: Ask, sql: str) -> None:
    """In double quotes a shell puts nothing in place of `$phrase`: the remedy is told."""
    told = refused(sql, "--param", "phrase=tea")
    assert "the statement has no $phrase, which --param gives" in told
    assert "SQL in double quotes loses it to the shell: use single quotes or --file" in told


def test_a_syntax_error_alone_tells_nothing_of_parameters(refused: Ask) -> None:
    """Where the name is in the statement, the shell is not to blame."""
    told = refused("SELEC $phrase", "--param", "phrase=tea")
    assert "syntax error" in told
    assert "shell" not in told


def test_one_parameter_does_for_any_case_and_any_place(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name counts in any case, in the last of several statements, and in one explained."""
    sql = "CREATE TEMP TABLE t AS SELECT 1 AS n; SELECT n, $Word AS a, $word AS b FROM t"
    words = ("--param", "WORD=tea", "--format", "csv", "--home", str(home))
    assert main(["query", sql, *words]) == 0
    assert capsys.readouterr().out.splitlines() == ["n,a,b", "1,tea,tea"]
    assert main(["query", "EXPLAIN SELECT $word", *words]) == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("phrase", "--param phrase has no =: give it as --param name=value"),
        ("=secret", "--param has no name before the =: give it as --param name=value"),
        ("a b=secret", "--param 'a b' is no name: give it as --param name=value, of letters"),
        ("$phrase=secret", "--param '$phrase' is no name: give it as --param name=value"),
    ],
)
def test_a_malformed_parameter_is_named(refused: Ask, given: str, said: str) -> None:
    """What is wrong with `--param` is said with how to give it; its value is not repeated."""
    told = refused("SELECT $phrase", "--param", given)
    assert said in told
    assert "secret" not in told


def test_a_parameter_given_twice_is_named(refused: Ask) -> None:
    """Neither value is taken silently; letters of either case are one name, as in the SQL."""
    told = refused("SELECT $phrase", "--param", "phrase=one", "--param", "Phrase=two")
    assert "--param phrase is given twice: give each name one value" in told


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM jobs",
        "INSERT INTO jobs (job_id) VALUES ('x')",
        "UPDATE jobs SET job_id = 'x'",
        "CREATE TABLE t (x INTEGER)",
        "DROP TABLE jobs",
        "ALTER TABLE jobs ADD COLUMN x INTEGER",
        "TRUNCATE jobs",
        "SELECT 1; DROP VIEW dictionary",
        "ATTACH ':memory:' AS mine",
    ],
)
def test_a_refused_write_says_what_to_do_instead(refused: Ask, sql: str) -> None:
    """A write is refused, and the two ways that are open are named."""
    told = refused(sql)
    assert "the published warehouse is read-only: make a CREATE TEMP TABLE in the query" in told
    assert "or change a copy of warehouse.duckdb with DuckDB" in told
    assert "dictionary" not in told


@pytest.mark.parametrize(
    "sql", ["COPY jobs TO 'jobs.csv'", "COPY (FROM jobs) TO 'j.parquet'", "EXPORT DATABASE 'x'"]
)
def test_a_refused_file_names_the_format(refused: Ask, sql: str) -> None:
    """Rows leave through stdout: that is told to whoever tries COPY."""
    told = refused(sql)
    assert "writes no file: `cognition query ... --format csv > FILE` does" in told


@pytest.mark.parametrize(
    "sql",
    [
        "ATTACH 'other.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "FROM 'x.csv'",
        "FROM read_text('x')",
        "FROM sqlite_scan('x', 'y')",
    ],
)
def test_a_refused_source_names_the_way(refused: Ask, sql: str) -> None:
    """Other files and extensions are for DuckDB itself, which may open the same file."""
    told = refused(sql)
    assert "a query reads the published warehouse alone: for other files and extensions" in told
    assert "open warehouse.duckdb read-only with DuckDB" in told
    assert "Please try installing" not in told


@pytest.mark.parametrize("sql", ["SET threads = 1", "RESET threads", "PRAGMA memory_limit='9GB'"])
def test_a_refused_setting_names_the_way(refused: Ask, sql: str) -> None:
    """Settings are fixed; memory is a setting of ours."""
    told = refused(sql)
    assert "settings are fixed but for COGNITION_MEMORY_BYTES" in told
    assert "open warehouse.duckdb read-only with DuckDB" in told


# --- signals ----------------------------------------------------------------------------------

CROSS_JOIN = "SELECT count(*) FROM range(10000000) AS a, range(10000000) AS b"
HASHES = "SELECT sum(hash(i)) FROM range(1000000000000) AS t (i)"
DEAF = "SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))"
"""One call of a function, of many minutes, in which DuckDB does not look for an interrupt."""

COGNITION = "import sys; from transforms.cli import main; sys.exit(main())"


def _seconds_beside_main(pid: int) -> float:
    """Returns the CPU seconds of all threads but the main one: few before a statement runs."""
    ticks = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        if task.name != str(pid):
            fields = (task / "stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _wait_until_it_runs(process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while _seconds_beside_main(process.pid) < 0.5:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def asking(home: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A process of the real command in which a statement runs."""
    words = ["query", request.param, "--home", str(home)]
    with subprocess.Popen(
        [sys.executable, "-c", COGNITION, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=child_environment(),
    ) as process:
        try:
            _wait_until_it_runs(process)
            yield process
        finally:
            process.kill()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads' CPU time is in /proc")
@pytest.mark.parametrize(
    ("asking", "sign", "code"),
    [
        (CROSS_JOIN, signal.SIGINT, 130),
        (CROSS_JOIN, signal.SIGTERM, 143),
        (HASHES, signal.SIGINT, 130),
        (DEAF, signal.SIGTERM, 143),
    ],
    indirect=["asking"],
)
def test_a_signal_ends_a_statement(
    asking: subprocess.Popen[str], sign: signal.Signals, code: int
) -> None:
    """Ctrl-C and SIGTERM end a query at once, like any command, even one that does not listen."""
    asking.send_signal(sign)
    out, err = asking.communicate(timeout=20)
    assert (asking.returncode, out) == (code, "")
    assert err.startswith("error: stopped;")
    assert err.count("\n") == 1


def _interrupted_in(work: Callable[[Stop], None]) -> None:
    """Runs work that a Ctrl-C meets."""

    def meet(stop: Stop) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        work(stop)

    with pytest.raises(KeyboardInterrupt):
        run_stoppable(meet)


def test_work_that_ends_is_waited_for() -> None:
    """Work is told to end until it does; what it raises then is not the caller's business."""
    ended = threading.Event()
    told: list[int] = []

    def tell() -> None:
        told.append(len(told))
        if len(told) == 3:
            ended.set()

    def work(stop: Stop) -> None:
        stop.interrupt = tell
        assert ended.wait(30)
        raise OSError

    _interrupted_in(work)
    assert told[:3] == [0, 1, 2]  # it may be told once more before it is seen to have ended
    assert not stoppable.goes_on()


def test_work_that_does_not_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that does not end in time is known to go on, even where its ending fails."""
    monkeypatch.setattr(stoppable, "PATIENCE_SECONDS", 0.01)
    may_end, ended = threading.Event(), threading.Event()

    def work(stop: Stop) -> None:
        stop.interrupt = lambda: 1 // 0
        assert may_end.wait(30)
        ended.set()

    _interrupted_in(work)
    assert stoppable.goes_on()
    assert not ended.is_set()
    may_end.set()
    deadline = time.monotonic() + 30
    while stoppable.goes_on():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert ended.is_set()


def test_a_statement_ends_before_the_signal_comes_through(home: Path) -> None:
    """A cross join is really ended, and its file closed, not left behind in a thread."""
    before = time.process_time()

    def interrupt() -> None:
        while time.process_time() < before + 0.3:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(interrupt)
        with pytest.raises(KeyboardInterrupt):
            query_published(home / "warehouse", CROSS_JOIN)
    assert not stoppable.goes_on()
    duckdb.connect(home / "warehouse" / PUBLISHED).close()  # refused while it is open read-only


def test_work_gives_back_what_it_returns_or_raises() -> None:
    """From the main thread and from others, results and errors come back as they are."""
    with ThreadPoolExecutor(1) as pool:
        for call in (run_stoppable, lambda work: pool.submit(run_stoppable, work).result()):
            assert call(lambda _: 7) == 7
            with pytest.raises(ZeroDivisionError):
                call(lambda _: 1 // 0)
        assert (
            pool.submit(run_stoppable, lambda _: threading.get_ident()).result()
            == pool.submit(threading.get_ident).result()
        )
