"""Job ids from a database: read on from the watermark, none lost, none skipped, none twice."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import orjson
import pytest
from lake_kit import tree

from transforms import ledger, watermark
from transforms.errors import ConfigurationError
from transforms.lake import open_lake
from transforms.settings import Settings
from transforms.storage import Storage

pytest_plugins = ["airflow_session"]
pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

QUERY = "SELECT job_id, at AS watermark FROM jobs WHERE at >= :watermark"
MakeSettings = Callable[..., Settings]


@pytest.fixture
def database(
    airflow_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> sqlite3.Connection:
    """A SQLite file that the connection `jobs_db` names, with an empty table of jobs."""
    file = tmp_path / "jobs.db"
    given = json.dumps({"conn_type": "sqlite", "host": str(file)})
    monkeypatch.setenv("AIRFLOW_CONN_JOBS_DB", given)
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("CREATE TABLE jobs (job_id, at, submitted_at)")
    return connection


@pytest.fixture
def make_settings(tmp_path: Path) -> MakeSettings:
    """Makes settings of a home whose job ids come from `jobs_db`."""

    def make(**changed: object) -> Settings:
        given = {"ledger_sql": QUERY, "ledger_sql_conn_id": "jobs_db", "ledger_sql_start": "0"}
        return Settings(**{"home": tmp_path / "home", **given, **changed})  # type: ignore[arg-type]

    return make


def insert(database: sqlite3.Connection, rows: Iterable[tuple[object, object]]) -> None:
    """Adds rows of job id and watermark."""
    database.executemany("INSERT INTO jobs (job_id, at) VALUES (?, ?)", rows)


def lake_at(settings: Settings) -> Storage:
    """Returns the lake of a home, made if need be."""
    return open_lake(settings.lake_root, create=True)


def lines_of(settings: Settings) -> list[list[dict[str, object]]]:
    """Returns the lines of each file that readings wrote, oldest first."""
    folder = Path(settings.lake_root) / "ledger" / "sql"
    files = sorted(folder.glob("*.jsonl"), key=lambda file: file.stat().st_mtime_ns)
    return [[orjson.loads(line) for line in file.read_bytes().splitlines()] for file in files]


def test_nothing_is_read_where_no_connection_is_named(
    airflow_home: Path, make_settings: MakeSettings, tmp_path: Path
) -> None:
    """Without a query and a connection there is no such source, and no lake is made."""
    from transforms.airflow_provider.sql_ledger import fetch_job_ids

    assert fetch_job_ids(make_settings(ledger_sql=None, ledger_sql_conn_id=None)) is None
    assert not (tmp_path / "home").exists()


def test_each_reading_goes_on_where_the_last_one_ended(
    database: sqlite3.Connection, make_settings: MakeSettings
) -> None:
    """Only new rows are read; one that shares the last watermark is not missed, nor added twice."""
    from transforms.airflow_provider.sql_ledger import SqlLedgerReport, fetch_job_ids

    settings = make_settings()
    insert(database, [("a", 1), ("b", 2)])
    assert fetch_job_ids(settings) == SqlLedgerReport(rows=2, added=2, watermark="2")
    assert fetch_job_ids(settings) == SqlLedgerReport(rows=1, added=0, watermark="2")
    insert(database, [("c", 2), ("d", 5), ("too old", 1)])
    assert fetch_job_ids(settings) == SqlLedgerReport(rows=3, added=2, watermark="5")
    assert sorted(ledger.read_ledger(lake_at(settings))) == ["a", "b", "c", "d"]
    assert len(lines_of(settings)) == 2


def test_watermark_goes_on_over_known_jobs(
    database: sqlite3.Connection, make_settings: MakeSettings
) -> None:
    """Rows of jobs that came from elsewhere add no id, and are not read again and again."""
    from transforms.airflow_provider.sql_ledger import SqlLedgerReport, fetch_job_ids

    settings = make_settings()
    ledger.append(lake_at(settings), [{"job_id": "a"}, {"job_id": "b"}], "callbacks")
    insert(database, [("a", 3), ("b", 4)])
    assert fetch_job_ids(settings) == SqlLedgerReport(rows=2, added=0, watermark="4")
    assert fetch_job_ids(settings) == SqlLedgerReport(rows=1, added=0, watermark="4")


@pytest.mark.parametrize("later", [0, 4], ids=["in order", "out of order"])
def test_crash_between_two_files_loses_and_skips_nothing(
    database: sqlite3.Connection,
    make_settings: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
    later: int,
) -> None:
    """Ids written before a crash stay, the watermark stays back, and the next run has the rest."""
    from transforms.airflow_provider import sql_ledger

    settings = make_settings()
    insert(database, [(f"job-{n}", (n + later) % 7) for n in range(7)])
    monkeypatch.setattr(sql_ledger, "IDS_PER_FILE", 3)
    monkeypatch.setattr(sql_ledger, "ROWS_PER_PAGE", 2)
    whole, calls = ledger.append, []

    def dies(storage: Storage, records: list[dict[str, object]], origin: str) -> str | None:
        calls.append(len(records))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(storage, records, origin)

    monkeypatch.setattr(ledger, "append", dies)
    with pytest.raises(KeyboardInterrupt):
        sql_ledger.fetch_job_ids(settings)
    assert ledger.read_ledger(lake_at(settings)) == ["job-0", "job-1", "job-2"]
    assert watermark.read_watermark(lake_at(settings)) is None
    report = sql_ledger.fetch_job_ids(settings)
    assert report == sql_ledger.SqlLedgerReport(rows=7, added=4, watermark="6")
    assert sorted(ledger.read_ledger(lake_at(settings))) == [f"job-{n}" for n in range(7)]
    assert calls == [3, 3, 3, 1 if later == 0 else 2]


def test_many_rows_are_paged_and_split_over_files(
    database: sqlite3.Connection, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file holds so many ids at most, and only the last line of all has the watermark."""
    from transforms.airflow_provider import sql_ledger

    monkeypatch.setattr(sql_ledger, "IDS_PER_FILE", 4)
    monkeypatch.setattr(sql_ledger, "ROWS_PER_PAGE", 3)
    settings = make_settings()
    insert(database, [(f"job-{n:02}", n) for n in range(10)])
    sql_ledger.fetch_job_ids(settings)
    files = lines_of(settings)
    assert [len(lines) for lines in files] == [4, 4, 2]
    marks = [line.get("watermark") for lines in files for line in lines]
    assert marks == [None] * 9 + [9]


@pytest.mark.parametrize(
    ("start", "values", "shown"),
    [
        ("2026-01-01", ["2026-01-01 00:00:00", "2026-01-03 10:00:00"], "2026-01-03 10:00:00"),
        ("-5", [-2, 2**53 + 1], "9007199254740993"),
        ("0", [0.5, 1.25], "1.25"),
    ],
    ids=["text", "integers", "numbers"],
)
def test_watermark_keeps_its_kind(
    database: sqlite3.Connection,
    make_settings: MakeSettings,
    start: str,
    values: list[object],
    shown: str,
) -> None:
    """What the database gave as watermark is what it gets back, to the last digit."""
    from transforms.airflow_provider.sql_ledger import fetch_job_ids

    settings = make_settings(ledger_sql_start=start)
    insert(database, [("a", values[0]), ("b", values[1])])
    report = fetch_job_ids(settings)
    assert report is not None
    assert (report.added, report.watermark) == (2, shown)
    insert(database, [("c", values[1])])
    again = fetch_job_ids(settings)
    assert again is not None
    assert (again.rows, again.added) == (2, 1)


def test_times_go_back_to_the_driver_as_times(
    database: sqlite3.Connection, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the driver gives times as `datetime`, it gets the watermark so, not as text."""
    from airflow.providers.sqlite.hooks.sqlite import SqliteHook

    from transforms.airflow_provider.sql_ledger import SqlLedgerReport, fetch_job_ids

    file = database.execute("PRAGMA database_list").fetchone()[2]
    given: list[object] = []

    class Watched(sqlite3.Connection):
        def cursor(self) -> sqlite3.Cursor:  # type: ignore[override]
            self.set_trace_callback(given.append)
            return super().cursor()

    def connect(_: SqliteHook) -> sqlite3.Connection:
        return sqlite3.connect(file, detect_types=sqlite3.PARSE_DECLTYPES, factory=Watched)

    monkeypatch.setattr(SqliteHook, "get_conn", connect)
    database.execute("DROP TABLE jobs")
    database.execute("CREATE TABLE jobs (job_id, at TIMESTAMP)")
    insert(database, [("a", "2026-01-02 03:04:05"), ("b", "2026-01-03 00:00:00")])
    settings = make_settings(ledger_sql_start="2026-01-01")
    fetch_job_ids(settings)
    assert lines_of(settings)[0][-1]["watermark"] == {"datetime": "2026-01-03T00:00:00"}
    again = SqlLedgerReport(rows=1, added=0, watermark="2026-01-03T00:00:00")
    assert fetch_job_ids(settings) == again
    assert "at >= '2026-01-03 00:00:00'" in str(given[-1])


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 1, 2, 3, 4, 5, 678901),  # noqa: DTZ001 - databases have such
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        date(2026, 1, 2),
        Decimal("12345678901234567890.12"),
        2**70,
        17,
        0.1,
        "R-000123",
    ],
    ids=str,
)
def test_a_watermark_of_any_kind_survives_the_ledger(tmp_path: Path, value: object) -> None:
    """Times, dates, long and exact numbers come back equal from a ledger file."""
    storage = open_lake(str(tmp_path), create=True)
    ledger.append(storage, [{"job_id": "a", "watermark": watermark.encode(value)}], "sql")
    assert watermark.read_watermark(storage) == value


def test_the_greatest_watermark_counts_whatever_file_it_is_in(tmp_path: Path) -> None:
    """A line may be anywhere, also in a merged file; a job named so is no watermark."""
    storage = open_lake(str(tmp_path), create=True)
    for day, marks in ((2, [7, 10]), (1, [9])):
        lines = [{"job_id": f"j{mark}", "watermark": mark} for mark in marks]
        ledger.append(storage, lines, "sql", now=datetime(2026, 1, day, tzinfo=UTC))
    ledger.append(storage, [{"job_id": "x", "watermark": 99}], "callbacks")
    ledger.append(storage, [{"job_id": 'a"watermark"'}], "sql")
    assert watermark.read_watermark(storage) == 10


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([b'{"job_id":"a","watermark":3}', b'{"job_id":"b","watermark":"3"}'], "of another kind"),
        ([b'{"job_id":"a","watermark":{"datetime":"soon"}}'], "no watermark that can be read"),
        ([b'{"job_id":"a","watermark":tru'], "no watermark that can be read"),
        ([b'{"job_id":"a","watermark":null}'], "no watermark that can be read"),
    ],
)
def test_a_wrong_watermark_in_the_ledger_is_named(
    tmp_path: Path, lines: list[bytes], said: str
) -> None:
    """One line says which file, which line and what to do."""
    storage = open_lake(str(tmp_path), create=True)
    storage.write_bytes("ledger/sql/20260101T000000-0123456789ab.jsonl", b"\n".join(lines))
    with pytest.raises(ConfigurationError) as caught:
        watermark.read_watermark(storage)
    place = f"ledger/sql/20260101T000000-0123456789ab.jsonl, line {len(lines)}"
    assert str(caught.value).startswith(place)
    assert said in str(caught.value)


def test_time_of_submission_is_kept(
    database: sqlite3.Connection, make_settings: MakeSettings
) -> None:
    """`submitted_at` tells how old a job is; NULL says nothing."""
    from transforms.airflow_provider.sql_ledger import fetch_job_ids

    rows = [("a", 1, "2025-06-01T12:00:00+08:00"), ("b", 2, None)]
    database.executemany("INSERT INTO jobs VALUES (?, ?, ?)", rows)
    query = "SELECT job_id, at watermark, submitted_at FROM jobs WHERE at >= :watermark;"
    settings = make_settings(ledger_sql=query)
    fetch_job_ids(settings)
    known = ledger.read_jobs(lake_at(settings))
    assert known["a"].since == datetime(2025, 6, 1, 4)  # noqa: DTZ001 - naive UTC
    assert known["b"].since > datetime(2026, 1, 1)  # noqa: DTZ001 - naive UTC


def test_query_may_lie_in_a_file(
    database: sqlite3.Connection, make_settings: MakeSettings, tmp_path: Path
) -> None:
    """A setting that ends in .sql names a file with the query; names may be in upper case."""
    from transforms.airflow_provider.sql_ledger import fetch_job_ids

    file = tmp_path / "new_jobs.sql"
    columns = "job_id AS JOB_ID, at AS WATERMARK, 1 AS more"
    file.write_text(f"-- ours\nSELECT {columns} FROM jobs WHERE at >= :watermark\n")
    insert(database, [(" a ", 1)])
    settings = make_settings(ledger_sql=str(file))
    fetch_job_ids(settings)
    assert ledger.read_ledger(lake_at(settings)) == ["a"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ledger_sql": None}, "COGNITION_LEDGER_SQL is empty"),
        ({"ledger_sql": "nowhere.sql"}, "nowhere.sql cannot be read"),
        ({"ledger_sql": "SELECT job_id, at AS watermark FROM jobs"}, "`>= :watermark`"),
        ({"ledger_sql": QUERY.replace("job_id", "job_id AS id")}, "one column job_id, it has: id"),
        ({"ledger_sql": QUERY.replace("AS", ", at AS watermark, at AS")}, "one column watermark"),
        ({"ledger_sql_start": None}, "set COGNITION_LEDGER_SQL_START"),
        ({"ledger_sql_conn_id": "no_such_db"}, "there is no Airflow connection no_such_db"),
        ({"ledger_sql_conn_id": "alibaba_ims_default"}, "none of a SQL database (AlibabaImsHook)"),
        ({"ledger_sql_conn_id": "of_no_type"}, "install the provider of its type"),
    ],
)
def test_wrong_settings_are_named(
    database: sqlite3.Connection,
    make_settings: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, object],
    said: str,
) -> None:
    """What is missing or wrong is told with the setting to correct; no id is written."""
    from transforms.airflow_provider.sql_ledger import fetch_job_ids

    monkeypatch.setenv("AIRFLOW_CONN_ALIBABA_IMS_DEFAULT", '{"conn_type": "alibaba_ims"}')
    monkeypatch.setenv("AIRFLOW_CONN_OF_NO_TYPE", '{"conn_type": "carrier_pigeon"}')
    insert(database, [("a", 1)])
    settings = make_settings(**changed)
    with pytest.raises(ConfigurationError) as caught:
        fetch_job_ids(settings)
    assert said in str(caught.value)
    assert not (Path(settings.lake_root) / "ledger").exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ((None, 3), "row 3: job_id is NULL"),
        ((17, 3), "row 3: job_id is of type int; cast it"),
        (("", 3), "row 3: job_id '' is none"),
        (("two words", 3), "row 3: job_id 'two words' is none"),
        (("c", None), "row 3: watermark is NULL; give a time"),
        (("c", b"\x01"), "row 3: watermark is of type bytes; give a time"),
        (("c", "three"), "row 3: watermark three is of another kind than 2 before"),
    ],
)
def test_wrong_row_holds_up_no_other(
    database: sqlite3.Connection,
    make_settings: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
    wrong: tuple[object, object],
    said: str,
) -> None:
    """The ids of all other rows get to the ledger; the row is named and read again until right."""
    from transforms.airflow_provider import sql_ledger

    monkeypatch.setattr(sql_ledger, "IDS_PER_FILE", 2)
    query = QUERY.replace("at >= :watermark", "coalesce(:watermark, 1) IS NOT NULL")
    settings = make_settings(ledger_sql=query)
    insert(database, [("a", 1), ("b", 2), wrong, ("d", 4)])
    for _ in range(2):
        with pytest.raises(ConfigurationError) as caught:
            sql_ledger.fetch_job_ids(settings)
        begin = "1 of 4 rows of the query of COGNITION_LEDGER_SQL cannot be used: "
        assert str(caught.value).startswith(begin + said)
        assert sorted(ledger.read_ledger(lake_at(settings))) == ["a", "b", "d"]
        assert watermark.read_watermark(lake_at(settings)) is None
    assert [len(lines) for lines in lines_of(settings)] == [2, 1]
    database.execute("DELETE FROM jobs WHERE rowid = 3")
    assert sql_ledger.fetch_job_ids(settings) == sql_ledger.SqlLedgerReport(3, 0, "4")
    assert watermark.read_watermark(lake_at(settings)) == 4


def test_of_many_wrong_rows_the_first_are_named(
    database: sqlite3.Connection, make_settings: MakeSettings
) -> None:
    """Rows written before their submit returned are counted, three are named, the rest gets in."""
    from transforms.airflow_provider.sql_ledger import fetch_job_ids

    settings = make_settings()
    ledger.append(lake_at(settings), [{"job_id": "old", "watermark": 1}], "sql")
    rows = [(None if n % 2 else f"job-{n:04}", n) for n in range(1, 2001)]
    insert(database, rows)
    with pytest.raises(ConfigurationError) as caught:
        fetch_job_ids(settings)
    assert "1,000 of 2,000 rows" in str(caught.value)
    assert "row 1: job_id is NULL; row 3: job_id is NULL; row 5: job_id is NULL; ..." in str(
        caught.value
    )
    assert "row 7:" not in str(caught.value)
    assert len(ledger.read_ledger(lake_at(settings))) == 1001
    assert watermark.read_watermark(lake_at(settings)) == 1


@pytest.mark.parametrize("time", ["soon", 1_700_000_000])
def test_submission_that_is_no_time_is_refused(
    database: sqlite3.Connection, make_settings: MakeSettings, tmp_path: Path, time: object
) -> None:
    """A `submitted_at` that the ledger could not read back never gets there."""
    from transforms.airflow_provider.sql_ledger import fetch_job_ids

    database.execute("INSERT INTO jobs VALUES ('a', 1, ?)", (time,))
    query = "SELECT job_id, at watermark, submitted_at FROM jobs WHERE at >= :watermark"
    settings = make_settings(ledger_sql=query)
    lake_at(settings)
    before = tree(tmp_path / "home")
    with pytest.raises(ConfigurationError, match=r"row 1: submitted_at is no time"):
        fetch_job_ids(settings)
    assert tree(tmp_path / "home") == before


def test_query_the_database_refuses_is_no_reason_to_retry(
    database: sqlite3.Connection, make_settings: MakeSettings
) -> None:
    """A value the query lacks is a wrong query; what may pass, such as a lock, goes on as it is."""
    from transforms.airflow_provider.sql_ledger import fetch_job_ids

    with pytest.raises(ConfigurationError, match="the database refuses the query"):
        fetch_job_ids(make_settings(ledger_sql=QUERY + " AND at < :until"))
    with closing(sqlite3.connect(str(database.execute("PRAGMA database_list").fetchone()[2]))) as c:
        c.execute("DROP TABLE jobs")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        fetch_job_ids(make_settings())
