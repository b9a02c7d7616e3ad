"""What the command line shows: rows of queries, progress, words."""

from __future__ import annotations

import datetime as dt
import doctest
import io
import json
import logging
import math
import os
import pty
import re
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from rich.console import Console

from transforms import plain, words
from transforms.cli.outcome import write_outcome
from transforms.cli.progress import ProgressLines, show_progress
from transforms.cli.rows import json_value, query_outcome
from transforms.cli.status import status_outcome
from transforms.reports import Status

REPLIES = Path(__file__).parent / "api_replies"


def shown(
    table: pa.Table, *, style: str = "table", limit: int | None = None, width: int = 80
) -> str:
    """Returns what a query's outcome shows on a console without colours."""
    text = io.StringIO()
    query_outcome(table, style=style, limit=limit).show(Console(file=text, width=width))
    return text.getvalue()


def test_words() -> None:
    """Numbers, counts, sizes and spans read as their examples say."""
    for module in (words, plain):
        tested = doctest.testmod(module)
        assert (tested.failed, tested.attempted > 0) == (0, True)


def test_table_of_few_columns() -> None:
    """Rows that fit stand under their names; NULL, empty text and the text NULL differ."""
    table = pa.table({"name": ["a", None, "", "NULL"], "n": [1, 22, None, 4444]})
    lines = [line.split() for line in shown(table).splitlines()]
    assert lines[0] == ["name", "n"]
    assert lines[2:] == [
        ["a", "1"],
        ["NULL", "22"],
        ["''", "NULL"],
        ["'NULL'", "4444"],
        ["4", "rows"],
    ]


def test_null_is_dim_on_a_terminal() -> None:
    """On a terminal with colours NULL is dim, and a text is not."""
    text = io.StringIO()
    console = Console(file=text, width=80, force_terminal=True, color_system="standard")
    query_outcome(pa.table({"a": [None, "NULL"]}), style="table", limit=None).show(console)
    assert "\x1b[2;3mNULL" in text.getvalue()
    assert "\x1b[2;3m'NULL'" not in text.getvalue()


def test_wide_rows_become_records() -> None:
    """Rows wider than the console are shown one column a line, none of them cut."""
    table = pa.table({f"column_{i}": [f"value_{i}", None] for i in range(12)})
    out = shown(table)
    assert out.startswith("-- row 1\n")
    assert [line.split() for line in out.splitlines()[1:13]] == [
        [f"column_{i}", f"value_{i}"] for i in range(12)
    ]
    assert out.splitlines()[13] == "-- row 2"
    assert out.splitlines()[-1] == "2 rows"
    assert "-- row" not in shown(table, width=240)


def test_long_cells_wrap_and_end() -> None:
    """Long text stays within the console; beyond 1,000 characters its length is told instead."""
    out = shown(pa.table({"id": ["0123456789abcdef" * 2], "said": ["语" * 3000]}))
    assert "0123456789abcdef" * 2 in out
    assert "(3,000 characters)" in out.replace("\n", " ")
    assert out.count("语") == 1000
    assert "row 1" in out or all(len(line) <= 80 for line in out.splitlines())


def test_control_characters_cannot_reach_the_terminal() -> None:
    """Escape sequences in data are shown as text, so that data cannot drive the terminal."""
    out = shown(pa.table({"a": ["\x1b[31mred\x07", "[bold]plain[/bold] :smile:"]}))
    assert "\x1b" not in out
    assert "\\x1b[31mred\\x07" in out
    assert "[bold]plain[/bold] :smile:" in out


def test_table_shows_100_rows_unless_told() -> None:
    """A table shows 100 rows and says how many there are; `--limit` changes that, 0 shows all."""
    table = pa.table({"n": range(1234)})
    out = shown(table).splitlines()
    assert len(out) == 2 + 100 + 1
    assert out[-1] == "1,234 rows; the first 100 shown, --limit 0 shows all"
    assert len(shown(table, limit=0).splitlines()) == 2 + 1234 + 1
    assert len(shown(table, limit=5).splitlines()) == 2 + 5 + 1
    assert len(shown(table, style="csv").splitlines()) == 1 + 1234
    assert len(shown(table, style="csv", limit=5).splitlines()) == 1 + 5


def test_statement_without_rows() -> None:
    """No columns or no rows are shown as such, not as an error."""
    assert shown(pa.table({})) == "0 rows\n"
    assert shown(pa.table({"a": pa.array([], pa.string())})).splitlines()[-1] == "0 rows"


def test_csv_tells_null_from_empty() -> None:
    """CSV follows RFC 4180: NULL is nothing, an empty text is quoted, quotes are doubled."""
    table = pa.table({"a": ['x,"y"', None, "", "two\nlines"], "b": [True, False, None, True]})
    expected = '"x,""y""",true\r\n,false\r\n"",\r\n"two\nlines",true\r\n'
    assert shown(table, style="csv") == "a,b\r\n" + expected


def test_json_keeps_columns_of_one_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns that share a name are numbered in JSON, so that none is lost."""
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], ["a", "a", "a_2"])
    write_outcome(query_outcome(table, style="json", limit=None), as_json=False)
    document = json.loads(capsys.readouterr().out)
    assert list(document["rows"][0].values()) == [1, 2, 3]
    assert [c["name"] for c in document["columns"]] == list(document["rows"][0])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal(1234), 1234),
        (Decimal("0.5"), 0.5),
        (Decimal("12345678901234567890.5"), "12345678901234567890.5"),
        (Decimal(10**30), 1e30),
        (Decimal(10**30 + 1), str(10**30 + 1)),
        (math.inf, "inf"),
        (dt.datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05"),  # noqa: DTZ001 - DuckDB's TIMESTAMP has no zone
        (b"\x00\xff", "AP8="),
        ({"a": [Decimal(1), None]}, {"a": [1, None]}),
    ],
)
def test_json_values_lose_nothing(value: object, expected: object) -> None:
    """Values that JSON lacks become numbers where that is exact, and text elsewhere."""
    assert json_value(value) == expected


BEYOND_PYTHON = [
    ("DATE '0044-03-15 (BC)'", "-0043-03-15"),
    ("TIMESTAMP '0044-03-15 (BC) 01:02:03'", "-0043-03-15 01:02:03.000000"),
    ("TIMESTAMP_NS '2026-01-01 00:00:00.123456789'", "2026-01-01 00:00:00.123456789"),
    ("[DATE '0044-03-15 (BC)', NULL]", ["-0043-03-15", None]),
    ("{'a': DATE '0044-03-15 (BC)', 'b': 7}", {"a": "-0043-03-15", "b": 7}),
    ("MAP {'a': DATE '0044-03-15 (BC)'}", [["a", "-0043-03-15"]]),
    ("DATE '2026-01-02'", "2026-01-02"),
    ("NULL::DATE", None),
]


@pytest.mark.parametrize(("sql", "expected"), BEYOND_PYTHON)
def test_times_beyond_python_are_text(sql: str, expected: object) -> None:
    """Dates before Christ and nanoseconds, which Python's types lack, are shown as text."""
    table = duckdb.connect().sql(f"SELECT {sql} AS v").to_arrow_table()
    text = io.StringIO()
    outcome = query_outcome(table, style="json", limit=None)
    (row,) = outcome.document["rows"]  # type: ignore[index]  # a document is any JSON
    assert json.loads(json.dumps(row["v"])) == expected
    for style in ("csv", "table"):
        query_outcome(table, style=style, limit=None).show(Console(file=text, width=80))
    assert "0043-03-15" in text.getvalue() or "BC" not in sql


def test_a_time_beyond_python_leaves_its_neighbours() -> None:
    """Only the value Python lacks is text; the others of its column stay what they are."""
    sql = "SELECT unnest([DATE '0044-03-15 (BC)', DATE '2026-01-02', NULL]) AS v"
    table = duckdb.connect().sql(sql).to_arrow_table()
    out = shown(table, style="csv")
    assert out == "v\r\n-0043-03-15\r\n2026-01-02\r\n\r\n"


# --- status -----------------------------------------------------------------------------------

DONE = Status(
    known=2,
    pending=0,
    jobs={"loaded": 2, "failed": 0},
    raw_files=1,
    raw_replies=2,
    raw_bytes=2_500_000,
    batches=1,
    stale_batches=0,
    rows={"jobs": 2, "results": 3, "quarantine": 0},
    quarantine={},
    unknown_types={},
    published="w/warehouse.duckdb",
    published_error=None,
    published_batches=1,
    waiting_batches=0,
    newest_reply="2026-01-02T03:04:05.678901",
    lag_seconds=0.0,
)
NOTHING = replace(
    DONE, known=0, jobs={}, raw_replies=0, batches=0, rows={}, published=None, newest_reply=None
)
STATUSES = [
    (DONE, "ledger 2 known jobs, none pending", None),
    (DONE, "raw 2 replies in 1 file, 2.5 MB", None),
    (DONE, "jobs loaded 2 lake 1 batch: 5 rows in 2 tables quarantine empty", None),
    (DONE, "lag none, everything landed is published; newest reply 2026-01-02 03:04:05 UTC", None),
    (NOTHING, "warehouse not published yet lag no replies yet", "put job ids into ledger/"),
    (replace(DONE, pending=1), "1 job pending", "cognition run, to query 1 pending"),
    (replace(DONE, stale_batches=2), "2 raw files to flatten", "cognition flatten, then"),
    (
        replace(DONE, waiting_batches=1, lag_seconds=7300),
        "1 batch of the lake not in it yet lag 2 hours since the oldest unpublished reply",
        "cognition load",
    ),
    (
        replace(DONE, quarantine={"not_json": 1, "contract": 4}, unknown_types={"NLP": 3}),
        "quarantine 5 parts: contract 4, not_json 1 unknown Types without a schema: NLP 3",
        None,
    ),
]


def test_status_shows_why_the_warehouse_cannot_be_read() -> None:
    """Where the published file cannot be read its error stands in its line, and no false counts."""
    error = "w/warehouse.duckdb is not a DuckDB file: move it away, it was left as it is"
    broken = replace(DONE, published=None, published_error=error, waiting_batches=1, lag_seconds=9)
    text = io.StringIO()
    status_outcome(broken).show(Console(file=text, width=80))
    told = " ".join(text.getvalue().split())
    assert f"warehouse {error} lag not known while the warehouse cannot be read" in told
    assert "jobs loaded 2" in told
    assert "not in it yet" not in told
    assert " next " not in told


def test_names_from_data_are_short_and_harmless() -> None:
    """Types, states and reasons are text of others: cut to 60 characters, escapes made visible."""
    odd = "\x1b]0;title\x07\n" + "x" * 5000
    status = replace(DONE, jobs={odd: 1}, quarantine={odd: 2}, unknown_types={odd: 3})
    text = io.StringIO()
    status_outcome(status).show(Console(file=text, width=200))
    told = text.getvalue()
    assert "\x1b" not in told
    assert told.count("\\x1b]0;title\\x07\\n") == 3
    assert "x" * 60 not in told


@pytest.mark.parametrize(("status", "said", "step"), STATUSES)
def test_status_in_plain_words(status: Status, said: str, step: str | None) -> None:
    """Status tells counts and lag in words, and the next step when something is left to do."""
    text = io.StringIO()
    status_outcome(status).show(Console(file=text, width=80))
    words_shown = " ".join(text.getvalue().split())
    assert said in words_shown
    assert (f" next {step}" in words_shown) if step else (" next " not in words_shown)


def test_long_paths_stay_whole() -> None:
    """A path longer than the console is not cut or wrapped, so that it can be copied."""
    text = io.StringIO()
    path = "/".join(["a-long-folder-name"] * 8) + "/warehouse.duckdb"
    status_outcome(replace(DONE, published=path)).show(Console(file=text, width=80))
    assert path in text.getvalue()


# --- progress ---------------------------------------------------------------------------------


def test_lines_not_one_per_job() -> None:
    """Off a terminal a stage says when it begins, every 5 seconds, and when it ends."""
    now = [0.0]
    lines: list[str] = []
    progress = ProgressLines(lines.append, clock=lambda: now[0])
    for done in range(1001):
        progress("source", done, 1000)
        now[0] += 0.012
    progress("flatten", 3, None)
    progress.finish()
    assert lines[0] == "source: 0 of 1,000"
    assert lines[-2:] == ["source: 1,000 of 1,000", "flatten: 3"]
    assert len(lines) == 1 + 2 + 1 + 1  # beginning, after 5 s and 10 s, end, the other stage


def test_stage_that_begins_done_is_told_once() -> None:
    """A stage with nothing to do is one line."""
    lines: list[str] = []
    progress = ProgressLines(lines.append)
    progress("load", 0, 0)
    progress("load", 0, 0)
    progress.finish()
    assert lines == ["load: 0 of 0"]


def test_log_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings of ours reach stderr, more with --verbose, and the logger is left as it was."""
    logger = logging.getLogger("transforms.somewhere")
    before = logging.getLogger("transforms").handlers[:]
    for verbose in (False, True):
        with show_progress(verbose=verbose):
            logger.info("asked again")
            logger.warning("[odd] reply")
        told = capsys.readouterr()
        assert told.out == ""
        assert "WARNING transforms.somewhere: [odd] reply" in told.err
        assert ("asked again" in told.err) is verbose
    assert logging.getLogger("transforms").handlers == before


def on_terminal(*command: str, **environment: str) -> str:
    """Returns what a command writes to stderr when that is a terminal."""
    primary, secondary = pty.openpty()
    env = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "COLUMNS": "80", **environment}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=secondary, env=env) as process:
        os.close(secondary)
        told = b""
        while chunk := read_terminal(primary):
            told += chunk
        os.close(primary)
    assert process.returncode == 0, told
    return told.decode()


def test_bars_count_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each stage has one bar that ends at its total; an unknown total counts all the same."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stderr", terminal)
    with show_progress(verbose=False) as progress:
        progress("source", 0, 2)
        progress("source", 2, 2)
        progress("flatten", 7, None)
    last = terminal.getvalue().split("\x1b[2K")[-1]
    assert re.search(r"source .*2/2", last)
    assert re.search(r"flatten .*7/\?", last)
    assert last.count("source") == 1


def read_terminal(handle: int) -> bytes:
    """Returns what comes next; nothing once the other side is closed."""
    try:
        return os.read(handle, 4096)
    except OSError:
        return b""


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_bars_on_a_terminal(environment: dict[str, str], tmp_path: Path) -> None:
    """A terminal gets a bar, without colours under NO_COLOR; a dumb one gets plain lines."""
    program = "import sys; from transforms.cli import main; sys.exit(main())"
    cognition = (sys.executable, "-c", program)
    places = ("--home", str(tmp_path / "home"))
    on_terminal(*cognition, "import", str(REPLIES / "meta_title.json"), *places)
    told = on_terminal(*cognition, "flatten", *places, **environment)
    assert "flatten" in told
    assert ("1/1" in told) is ("TERM" not in environment)
    assert ("flatten: 1 of 1" in told) is ("TERM" in environment)
    assert any(f"\x1b[{colour}" in told for colour in ("3", "38")) is (environment == {})


def test_numbers_stand_right_and_flags_left() -> None:
    """Numbers are aligned to the right; true and false, which Python counts as numbers, are not."""
    line = shown(pa.table({"number": [1], "truthful": [True]})).splitlines()[2]
    assert line.rstrip() == "     1   true"
