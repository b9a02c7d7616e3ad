"""From layouts to DuckDB: CREATE TABLE, comments, and what it takes to bring a file up to date.

Descriptions and units become comments; the view `dictionary` reads them back from the catalog.
Key columns, and only they, are NOT NULL: that is how the dictionary knows them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

from transforms.compile import JOB_ID
from transforms.errors import ConfigurationError
from transforms.layout import Column, Table
from transforms.warehouse.duck import META, Connection, fetch

# One row per batch, job or result: an index costs little there. On deep tables it tripled the time
# of a load and made the file six times as big, so a check proves their keys instead.
INDEXED = frozenset({"batches", "jobs", "results"})
CHECK_FAILURES = "check_failures"
FACE_ALIASES = "face_aliases"
TAG_ALIASES = "tag_aliases"
HAND_ROWS = "Aliases put in by hand are lost with it: write them with `cognition alias` first"
"""What is to be said wherever deleting the build is advised: no file of the lake has those rows."""

# A link up to its query, and the query; in JSON text, slashes and more may be escaped.
_ESCAPED = r"\\+(?:/|u[0-9A-Fa-f]{4})"
_LINK = (
    rf"(?i)(https?:(?:\\*/){{2}}(?:[^\s\"'<>?\\]|{_ESCAPED})*?)"
    rf"(?:\?|\\+u003[Ff])(?:[^\s\"'<>\\]|{_ESCAPED})*"
)
_SIGNATURE = (
    r"(?i)((?:Signature|AccessKeyId|security-token|auth_key|x-oss-[a-z0-9-]+)"
    rf"(?:=|%3D|\\+u003D))(?:[^&\s\"'<>\\]|{_ESCAPED})+"
)
_TYPES = {
    pa.string(): "VARCHAR",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.timestamp("us"): "TIMESTAMP",
}


_SHA256 = "5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592"


def _own(
    name: str, kind: pa.DataType, description: str, *examples: str | float, key: bool = False
) -> Column:
    role: Literal["key", "value"] = "key" if key else "value"
    return Column(name, kind, role, description, required=key, examples=examples)


OWN_TABLES = (
    Table(
        name=META,
        description="One row: what this file is and what it was made with.",
        keys=(),
        columns=(
            _own("format", pa.int32(), "Format of the file; a newer one asks for an upgrade.", 1),
            _own("schemas_digest", pa.string(), "sha256 over the schemas of the tables.", _SHA256),
            _own("sql_digest", pa.string(), "sha256 over the SQL of views and checks.", _SHA256),
            _own("lake_id", pa.string(), "Id of the lake whose batches it holds.", _SHA256[:32]),
            _own("checked_digest", pa.string(), "Content that passed the checks, if any.", _SHA256),
        ),
    ),
    Table(
        name=CHECK_FAILURES,
        description="One row per failing row of a check, at most 100 a check.",
        keys=(
            _own("check_name", pa.string(), "Name of the check.", "key:ocr_texts", key=True),
            _own("failure_index", pa.int32(), "Position among those kept, from 0.", key=True),
        ),
        columns=(
            _own("severity", pa.string(), "fail blocks the publish, warn does not.", "fail"),
            _own("failures_count", pa.int64(), "Failing rows of the check, kept or not."),
            _own(
                "failing_row", pa.string(), "The row as JSON.", '{"job_id":"****","rows_count":2}'
            ),
        ),
    ),
    Table(
        name=FACE_ALIASES,
        description="One row per face that is given a name, or another than the service gave it.",
        keys=(
            _own("job_id", pa.string(), "Job the face is in; empty: every job.", JOB_ID, key=True),
            _own("name", pa.string(), "Name as the service wrote it.", "未知人脸1", key=True),
        ),
        columns=(
            _own("person", pa.string(), "Who it is.", "example-name-****"),
            _own(
                "source",
                pa.string(),
                "File of the lake that says so; NULL: put in by hand.",
                "aliases/face_aliases.csv",
            ),
        ),
    ),
    Table(
        name=TAG_ALIASES,
        description="One row per name of a tag, entity or other label that is one of another.",
        keys=(
            _own("kind", pa.string(), "Kind of label; empty: every kind.", "tag", key=True),
            _own("name", pa.string(), "Name as the service wrote it.", "Automobile", key=True),
        ),
        columns=(
            _own("label", pa.string(), "Name it goes by.", "Car"),
            _own(
                "source",
                pa.string(),
                "File of the lake that says so; NULL: put in by hand.",
                "aliases/tag_aliases.csv",
            ),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Found:
    """A table as it is in a file: its comment, and type and comment of each column."""

    comment: str | None
    columns: dict[str, tuple[str, str | None]] = field(default_factory=dict)


def duckdb_type(kind: pa.DataType) -> str:
    """Returns the DuckDB type of an Arrow type.

    Raises:
        ConfigurationError: The layouts never use such a type.
    """
    if kind not in _TYPES:
        raise ConfigurationError(f"no DuckDB type for Arrow {kind}: columns are scalars")
    return _TYPES[kind]


def quote(name: str) -> str:
    """Returns a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Returns a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def without_queries(column: str) -> str:
    """Returns SQL for a text column without what may open a file: links end at their query.

    What a signature is known to be called is left out wherever it stands.
    """
    links = f"regexp_replace({quote(column)}, {literal(_LINK)}, '\\1?...', 'g')"
    return f"regexp_replace({links}, {literal(_SIGNATURE)}, '\\1...', 'g')"


def comment(description: str, warning: str = "", example: str = "", unit: str = "") -> str:
    """Returns the description, followed by warning, example and unit where there are any.

    The view `dictionary` takes it apart again.
    """
    return "".join(
        (
            description,
            f" Warning: {warning}" if warning else "",
            f" Example: {example}." if example else "",
            f" Unit: {unit}." if unit else "",
        )
    )


def column_comment(column: Column) -> str:
    """Returns what a column holds, in the shape of `comment`."""
    return comment(column.description, column.warning, column.example, column.unit or "")


def table_comment(table: Table) -> str:
    """Returns what a row is, followed by the warning if there is one."""
    return comment(table.description, table.warning)


def create_table(table: Table) -> Iterator[str]:
    """Yields the statements that make a table and comment on it and its columns."""
    columns = [
        f"{quote(c.name)} {duckdb_type(c.type)}{' NOT NULL' if c.kind == 'key' else ''}"
        for c in _columns(table)
    ]
    if table.name in INDEXED:
        columns.append(f"PRIMARY KEY ({', '.join(quote(k.name) for k in table.keys)})")
    yield f"CREATE TABLE {quote(table.name)} ({', '.join(columns)})"
    yield _comment_table(table)
    for column in _columns(table):
        yield _comment_column(table, column)


def migrate(tables: Iterable[Table], found: Mapping[str, Found]) -> list[str]:
    """Returns what brings a file to these tables: new tables, new columns, other comments.

    Raises:
        ConfigurationError: A column or table changed its type or key, or is gone from the schemas.
    """
    wanted = {table.name: table for table in tables}
    if gone := sorted(found.keys() - wanted.keys()):
        raise _rebuild(f"the schemas no longer have the table {gone[0]}")
    statements: list[str] = []
    for table in wanted.values():
        known = found.get(table.name)
        statements += create_table(table) if known is None else _alter_table(table, known)
    return statements


def read_catalog(connection: Connection) -> dict[str, Found]:
    """Returns the tables of the open file by name."""
    tables = fetch(
        connection,
        "SELECT table_name, comment FROM duckdb_tables() "
        "WHERE database_name = current_database() AND NOT temporary",
    )
    catalog = {name: Found(comment) for name, comment in tables}
    columns = fetch(
        connection,
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE database_name = current_database() ORDER BY table_name, column_index",
    )
    for table, column, kind, comment in columns:
        if table in catalog:  # columns of views are listed too
            catalog[table].columns[column] = (kind, comment)
    return catalog


def _alter_table(table: Table, found: Found) -> Iterator[str]:
    names = {column.name for column in _columns(table)}
    if gone := sorted(found.columns.keys() - names):
        raise _rebuild(f"the schemas no longer have the column {table.name}.{gone[0]}")
    if (found.comment or "") != table_comment(table):
        yield _comment_table(table)
    for column in _columns(table):
        kind = duckdb_type(column.type)
        known, comment = found.columns.get(column.name, (None, None))
        if known is None:
            if column.kind == "key":
                raise _rebuild(f"{table.name}.{column.name} has become part of the key")
            yield f"ALTER TABLE {quote(table.name)} ADD COLUMN {quote(column.name)} {kind}"
        elif known != kind:
            raise _rebuild(f"{table.name}.{column.name} was {known} and is now {kind}")
        if known is None or (comment or "") != column_comment(column):
            yield _comment_column(table, column)


def _columns(table: Table) -> tuple[Column, ...]:
    """Returns the columns the warehouse has: signed links, which open files, stay in the lake."""
    return (*table.keys, *(column for column in table.columns if column.private != "all"))


def _comment_table(table: Table) -> str:
    return f"COMMENT ON TABLE {quote(table.name)} IS {literal(table_comment(table))}"


def _comment_column(table: Table, column: Column) -> str:
    place = f"{quote(table.name)}.{quote(column.name)}"
    return f"COMMENT ON COLUMN {place} IS {literal(column_comment(column))}"


def _rebuild(reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"build.duckdb cannot follow: {reason}. Delete build.duckdb and run `cognition load`: "
        f"it is made again from the lake, and what is published stays until then. {HAND_ROWS}"
    )
