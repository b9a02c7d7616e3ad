"""Job ids from a SQL query on any Airflow connection, read from where the last reading ended.

The query selects `job_id` and `watermark`, and `submitted_at` if it is known, of the rows that are
new: `WHERE updated_at >= :watermark`, with `>=` and the driver's own way to write a named value
(`:watermark`, `%(watermark)s`). Rows at the watermark come again and are dropped as known. Order
does not matter: the watermark is written last, with the last of the ids.

Many rows are read page by page and written to the ledger in files of at most 50,000 ids. A crash
between two of them leaves ids that are known and the watermark where it was. (Some drivers, such
as psycopg2, fetch a whole result before the first page: there, end the query with
`ORDER BY watermark LIMIT 1000000`.)

A row that cannot be used, such as one without a job id, holds up no other: the ids of the rest are
written, the watermark stays where it was, and the reading ends in an error that names the row. So
it is read again, and told of, until it is right or the query leaves it out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException

from transforms import lake, ledger, watermark
from transforms.errors import ConfigurationError
from transforms.settings import Settings
from transforms.storage import Storage
from transforms.watermark import KEY, ORIGIN, Watermark, shown

IDS_PER_FILE = 50_000
ROWS_PER_PAGE = 5_000
SUBMITTED_AT = "submitted_at"
_NAMED_ROWS = 3
_NEEDED = ("job_id", KEY)
_PLACEHOLDER = re.compile(r"[:@$]watermark\b|%\(watermark\)s")
_INTEGER = re.compile(r"-?\d{1,18}")

Record = dict[str, object]


@dataclass(frozen=True, slots=True)
class SqlLedgerReport:
    """What a reading brought.

    Attributes:
        rows: Rows the query gave.
        added: Job ids among them that were not known.
        watermark: Where the next reading begins, for people.
    """

    rows: int
    added: int
    watermark: str


def fetch_job_ids(settings: Settings) -> SqlLedgerReport | None:
    """Adds the query's new job ids to the ledger; None where neither query nor connection is set.

    Raises:
        ConfigurationError: A setting, the connection or the query is wrong, or a row cannot be
            used; the ids of all other rows are in the ledger, and the watermark stays where it
            was, so that a corrected query reads the same rows again.
    """
    if settings.ledger_sql is None and settings.ledger_sql_conn_id is None:
        return None
    if settings.ledger_sql_conn_id is None:
        raise ConfigurationError(
            "COGNITION_LEDGER_SQL is set and COGNITION_LEDGER_SQL_CONN_ID is empty: name the "
            "Airflow connection that the query is sent to"
        )
    query = _read_query(settings)
    storage = lake.open_lake(settings.lake_root, create=True)
    before = watermark.read_watermark(storage)
    begin = _first(settings) if before is None else before
    reading = _Reading(storage, set(ledger.read_ledger(storage)), before)
    hook = _hook(settings.ledger_sql_conn_id)
    with closing(hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
        for row in _rows(cursor, query, begin):
            reading.take(row)
    reading.end()
    reached = begin if reading.greatest is None else reading.greatest
    return SqlLedgerReport(reading.rows, reading.added, shown(reached))


class _Reading:
    """Takes the rows of one reading into the ledger, the watermark last.

    Args:
        storage: The lake.
        known: Ids the ledger holds.
        before: The ledger's watermark.
    """

    def __init__(self, storage: Storage, known: set[str], before: Watermark | None) -> None:
        self.rows = 0
        self.added = 0
        self.greatest = before
        self._storage = storage
        self._known = known
        self._held: list[Record] = []
        self._last: Record | None = None
        self._wrong = 0
        self._said: list[str] = []

    def take(self, row: dict[str, object]) -> None:
        """Takes one row; one that holds no job id or no watermark is put on record."""
        self.rows += 1
        try:
            record, mark = _to_record(row), watermark.encode(row[KEY])
            if _is_later(watermark.decode(mark), self.greatest):
                self.greatest, self._last = watermark.decode(mark), {**record, KEY: mark}
        except (ValueError, TypeError) as error:
            self._note(str(error))
            return
        job = str(record["job_id"])
        if job not in self._known:
            self._known.add(job)
            self._held.append(record)
            self.added += 1
        if len(self._held) >= IDS_PER_FILE:
            self._write()

    def end(self) -> None:
        """Writes what is left, and the watermark if it went on and every row could be used.

        Raises:
            ConfigurationError: Some could not; the watermark stays where it was.
        """
        if self._last is not None and not self._wrong:
            self._held = [each for each in self._held if each["job_id"] != self._last["job_id"]]
            self._held.append(self._last)
        self._write()
        if self._wrong:
            said = "; ".join(self._said) + ("; ..." if self._wrong > len(self._said) else "")
            raise ConfigurationError(
                f"{self._wrong:,} of {self.rows:,} rows of the query of COGNITION_LEDGER_SQL "
                f"cannot be used: {said}. Correct them, or leave them out in the query; the ids of "
                "all others are in the ledger, and the watermark stays where it was"
            )

    def _write(self) -> None:
        ledger.append(self._storage, self._held, ORIGIN)
        self._held = []

    def _note(self, said: str) -> None:
        self._wrong += 1
        if len(self._said) < _NAMED_ROWS:
            self._said.append(f"row {self.rows:,}: {said}")


def _read_query(settings: Settings) -> str:
    """Returns the query, from the setting or from the file it names."""
    query = (settings.ledger_sql or "").strip()
    if query.endswith(".sql"):
        try:
            query = Path(query).read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError):
            raise ConfigurationError(
                f"COGNITION_LEDGER_SQL: {query} cannot be read: give a query or a .sql file in "
                "UTF-8 that every worker can read"
            ) from None
    if not query:
        raise ConfigurationError(
            "COGNITION_LEDGER_SQL_CONN_ID is set and COGNITION_LEDGER_SQL is empty: give the query "
            "that selects job_id and watermark, or a .sql file with it"
        )
    if not _PLACEHOLDER.search(query):
        raise ConfigurationError(
            "the query of COGNITION_LEDGER_SQL does not ask for new rows only: compare its "
            "watermark with `>= :watermark` or `>= %(watermark)s`, as the driver writes it"
        )
    return query.removesuffix(";")


def _first(settings: Settings) -> Watermark:
    """Returns where the first reading begins: digits are a number, all else is text."""
    start = settings.ledger_sql_start
    if not start:
        raise ConfigurationError(
            "the ledger has no watermark yet: set COGNITION_LEDGER_SQL_START to where the first "
            "reading begins, such as 2026-01-01 or 0"
        )
    return int(start) if _INTEGER.fullmatch(start) else start


def _hook(conn_id: str) -> Any:  # noqa: ANN401 - the driver's own connections have no common type
    """Returns the database hook of a connection.

    Raises:
        ConfigurationError: There is no such connection, or it is none of a database.
    """
    from airflow.providers.common.sql.hooks.sql import DbApiHook  # noqa: PLC0415 - slow to import

    try:
        hook = BaseHook.get_hook(conn_id)
    except AirflowNotFoundException:
        raise ConfigurationError(
            f"there is no Airflow connection {conn_id}: make it, or correct "
            "COGNITION_LEDGER_SQL_CONN_ID"
        ) from None
    except (AirflowException, ImportError) as error:
        raise ConfigurationError(
            f"connection {conn_id}: {error}: install the provider of its type"
        ) from None
    if not isinstance(hook, DbApiHook):
        raise ConfigurationError(
            f"connection {conn_id} is none of a SQL database ({type(hook).__name__}): name another "
            "in COGNITION_LEDGER_SQL_CONN_ID"
        )
    return hook


def _rows(cursor: Any, query: str, begin: Watermark) -> Iterator[dict[str, object]]:  # noqa: ANN401 - as above
    """Yields the rows of the query by column; it asks for them page by page."""
    try:
        cursor.execute(query, {KEY: begin})
        names = _names(cursor.description or ())
        while page := cursor.fetchmany(ROWS_PER_PAGE):
            for row in page:
                yield dict(zip(names, row, strict=True))
    except Exception as error:
        if type(error).__name__ == "ProgrammingError":  # PEP 249's name; drivers share no class
            raise ConfigurationError(
                f"the database refuses the query of COGNITION_LEDGER_SQL: {_line(error)}"
            ) from None
        raise


def _names(description: Sequence[Sequence[Any]]) -> list[str]:
    """Returns the columns' names in lower case; some databases give them in upper case."""
    names = [str(column[0]).lower() for column in description]
    for name in _NEEDED:
        if names.count(name) != 1:
            given = ", ".join(names) or "none"
            raise ConfigurationError(
                f"the query of COGNITION_LEDGER_SQL must have one column {name}, it has: {given}; "
                f"write `SELECT ... AS {name}`"
            )
    return names


def _is_later(found: Watermark, greatest: Watermark | None) -> bool:
    """Tells whether a watermark is greater than the greatest so far.

    Raises:
        ValueError: The two cannot be compared.
    """
    try:
        return greatest is None or found > greatest  # type: ignore[operator]  # told just below
    except TypeError:
        raise ValueError(
            f"watermark {shown(found):.40} is of another kind than {shown(greatest):.40} before "
            f"(if the query was changed on purpose, move {ledger.FOLDER}/{ORIGIN} to "
            f"{ledger.FOLDER}/{ORIGIN}-before)"
        ) from None


def _to_record(row: dict[str, object]) -> Record:
    """Returns what the ledger keeps of a row.

    Raises:
        ValueError: The job id is none.
        TypeError: The job id is no text, or `submitted_at` no time.
    """
    job, submitted = row["job_id"], row.get(SUBMITTED_AT)
    if not isinstance(job, str):
        kind = "NULL" if job is None else f"of type {type(job).__name__}; cast it to text"
        raise TypeError(f"job_id is {kind}")
    if not ledger.is_job_id(job := job.strip()):
        raise ValueError(f"job_id {job[:12]!r} is none (at most 256 characters, no spaces)")
    record: Record = {"job_id": job}
    return record if submitted is None else {**record, SUBMITTED_AT: _time(submitted)}


def _time(value: object) -> str:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if not isinstance(moment, date):
        raise TypeError(f"{SUBMITTED_AT} is no time ({type(value).__name__}): cast it to one")
    return moment.isoformat()


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
