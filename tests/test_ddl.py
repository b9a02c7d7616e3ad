"""DDL: what the layouts say is what DuckDB holds, comments and dictionary included."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from warehouse_lake import ask_build, commit, new_lake, speech_job

from transforms.contract import load_contracts
from transforms.errors import ConfigurationError
from transforms.layout import Column, Table
from transforms.warehouse import ddl, load_batches
from transforms.warehouse.duck import connect, fetch

ODD = Table(
    name="odd table",
    description="One row per 'odd' thing.",
    keys=(Column("job_id", pa.string(), "key", "The job's id.", required=True),),
    columns=(
        Column("left", pa.int32(), "value", "A reserved word.", unit="px"),
        Column('say "hi"', pa.float64(), "value", "Quoted; not ended by a unit"),
        Column("big", pa.int64(), "value", "", unit="bytes"),
        Column("yes", pa.bool_(), "value", "x", required=True),
        Column("when", pa.timestamp("us"), "value", "UTC."),
    ),
)


def _made(tmp_path: Path, *tables: Table) -> Path:
    path = tmp_path / "some.duckdb"
    with connect(path, read_only=False) as connection:
        for table in tables:
            for statement in ddl.create_table(table):
                fetch(connection, statement)
    return path


def test_a_table_gets_its_types_and_comments_with_units(tmp_path: Path) -> None:
    """Odd names, quotes and units arrive in DuckDB's catalog as they were given."""
    with connect(_made(tmp_path, ODD), read_only=True) as connection:
        found = ddl.read_catalog(connection)["odd table"]
    assert found.comment == "One row per 'odd' thing."
    assert found.columns == {
        "job_id": ("VARCHAR", "The job's id."),
        "left": ("INTEGER", "A reserved word. Unit: px."),
        'say "hi"': ("DOUBLE", "Quoted; not ended by a unit"),
        "big": ("BIGINT", " Unit: bytes."),
        "yes": ("BOOLEAN", "x"),
        "when": ("TIMESTAMP", "UTC."),
    }


def test_only_keys_are_not_null_and_only_small_tables_are_indexed(tmp_path: Path) -> None:
    """The dictionary tells keys by NOT NULL; an index exists on batches, jobs and results."""
    contracts = load_contracts()
    path = _made(tmp_path, *contracts.tables.values())
    with connect(path, read_only=True) as connection:
        indexed = fetch(
            connection,
            "SELECT table_name, constraint_column_names FROM duckdb_constraints() "
            "WHERE constraint_type = 'PRIMARY KEY' ORDER BY 1",
        )
        keys = fetch(
            connection,
            "SELECT table_name, list(column_name ORDER BY column_index) FROM duckdb_columns() "
            "WHERE NOT is_nullable AND NOT internal GROUP BY 1",
        )
    assert indexed == [
        ("batches", ["batch_id"]),
        ("jobs", ["job_id"]),
        ("results", ["job_id", "result_index"]),
    ]
    assert dict(keys) == {t.name: [k.name for k in t.keys] for t in contracts.tables.values()}


def test_a_type_no_layout_uses_is_refused() -> None:
    """A nested Arrow type has no column type and says so."""
    with pytest.raises(ConfigurationError, match="list<item: string>"):
        ddl.duckdb_type(pa.list_(pa.string()))


def test_a_file_in_step_needs_nothing(tmp_path: Path) -> None:
    """What was created from the layouts needs no migration."""
    with connect(_made(tmp_path, ODD), read_only=True) as connection:
        assert ddl.migrate([ODD], ddl.read_catalog(connection)) == []


def test_new_columns_tables_and_comments_are_brought_in(tmp_path: Path) -> None:
    """A new column is added with its comment, a new table made, changed comments replaced."""
    path = _made(tmp_path, ODD)
    more = dataclasses.replace(
        ODD,
        description="Other grain.",
        columns=(
            dataclasses.replace(ODD.columns[0], description="Left edge."),
            *ODD.columns[1:],
            Column("extra", pa.float64(), "value", "New.", unit="s"),
        ),
    )
    other = Table("other", "One row.", keys=(), columns=ODD.columns[:1])
    with connect(path, read_only=False) as connection:
        statements = ddl.migrate([more, other], ddl.read_catalog(connection))
        for statement in statements:
            fetch(connection, statement)
        found = ddl.read_catalog(connection)
        assert ddl.migrate([more, other], found) == []
    assert found["odd table"].comment == "Other grain."
    assert found["odd table"].columns["left"] == ("INTEGER", "Left edge. Unit: px.")
    assert found["odd table"].columns["extra"] == ("DOUBLE", "New. Unit: s.")
    assert len(statements) == 4 + 3  # comment, comment, ADD and comment; CREATE and two comments


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            dataclasses.replace(ODD, columns=ODD.columns[1:]),
            "no longer have the column odd table.left",
        ),
        (
            dataclasses.replace(
                ODD, columns=(Column("left", pa.float64(), "value", ""), *ODD.columns[1:])
            ),
            "odd table.left was INTEGER and is now DOUBLE",
        ),
        (
            dataclasses.replace(ODD, keys=(*ODD.keys, Column("n", pa.int32(), "key", ""))),
            "odd table.n has become part of the key",
        ),
        (dataclasses.replace(ODD, name="renamed"), "no longer have the table odd table"),
    ],
)
def test_what_cannot_be_followed_says_how_to_rebuild(
    tmp_path: Path, changed: Table, said: str
) -> None:
    """A lost, retyped or newly keyed column names itself and the remedy; nothing is lost."""
    with connect(_made(tmp_path, ODD), read_only=True) as connection:
        found = ddl.read_catalog(connection)
    with pytest.raises(ConfigurationError, match=said) as caught:
        ddl.migrate([changed], found)
    assert "Delete build.duckdb and run `cognition load`" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (None, None),
        ("", ""),
        ("no link? none", "no link? none"),
        ("https://a.example/b.txt", "https://a.example/b.txt"),
        ("https://a.example/b.txt?Signature=s%2B&Expires=1", "https://a.example/b.txt?..."),
        ("HTTP://A.EXAMPLE?x", "HTTP://A.EXAMPLE?..."),
        ("oss://b/a?Signature=S&x=1", "oss://b/a?Signature=...&x=1"),
        (
            "it's at https://h/it's.srt?OSSAccessKeyId=K",
            "it's at https://h/it's.srt?OSSAccessKeyId=...",
        ),
        ("https%3A%2F%2Fh%3FSignature%3DS", "https%3A%2F%2Fh%3FSignature%3D..."),
        ("see https://a/b?x=1 or http://c?y", "see https://a/b?... or http://c?..."),
        ('{"u":"https://a/b?x=1","v":[2]}', '{"u":"https://a/b?...","v":[2]}'),
        ('{"u":"https:\\/\\/a\\/b?x=1","v":2}', '{"u":"https:\\/\\/a\\/b?...","v":2}'),
        ('{"u":"https://a/b\\u003Fx=1","v":2}', '{"u":"https://a/b?...","v":2}'),
        ("ftp://a/b?x=1", "ftp://a/b?x=1"),
    ],
)
def test_links_lose_their_queries(text: str | None, kept: str | None) -> None:
    """What follows the question mark of a web link may be a signature; the rest of a text stays."""
    with duckdb.connect() as connection:
        sql = f"SELECT {ddl.without_queries('t')} FROM (SELECT $t::VARCHAR AS t)"
        assert fetch(connection, sql, {"t": text}) == [(kept,)]


def test_private_columns_stay_out(tmp_path: Path) -> None:
    """A column that is all private is in the lake's layout, not in the table of the warehouse."""
    private = dataclasses.replace(ODD.columns[1], private="all")
    table = dataclasses.replace(ODD, columns=(ODD.columns[0], private))
    with connect(_made(tmp_path, table), read_only=True) as connection:
        found = ddl.read_catalog(connection)
        assert list(found["odd table"].columns) == ["job_id", "left"]
        assert ddl.migrate([table], found) == []


def test_the_dictionary_explains_every_column(tmp_path: Path) -> None:
    """The view gives type, unit, meaning, example, key and grain of each column of each table."""
    storage, home = new_lake(tmp_path), tmp_path / "warehouse"
    commit(storage, "b1", speech_job("job-1", (0.0, 1.0, "hello")))
    contracts = load_contracts()
    load_batches(storage, contracts, home)
    found = ask_build(
        home,
        "SELECT column_name, column_type, unit, is_key, description, example FROM dictionary "
        "WHERE table_name = 'asr_segments'",
    )
    place = "Position of the result in the reply, from 0."
    job_id = "****20b48fb04483915d4f2cd8ac****"
    assert found == [
        ("job_id", "VARCHAR", None, True, "Id of the job, as given to the service.", job_id),
        ("result_index", "INTEGER", None, True, place, None),
        ("segment_index", "INTEGER", None, True, "Position in the source, from 0.", None),
        ("start_seconds", "DOUBLE", "s", False, "Start of the sentence.", "2.96"),
        ("end_seconds", "DOUBLE", "s", False, "End of the sentence.", "6.908"),
        (
            "content",
            "VARCHAR",
            None,
            False,
            "The recognised words.",
            "At the moment, it is raining",
        ),
    ]
    [(kind, grain, warning)] = ask_build(
        home,
        "SELECT DISTINCT kind, grain, table_warning FROM dictionary "
        "WHERE table_name = 'asr_segments'",
    )
    assert (kind, grain) == ("table", "One row per spoken sentence.")
    assert warning.startswith("Only where the query asked for ASR.")
    listed = ask_build(
        home,
        "SELECT table_name, list(column_name) FROM dictionary WHERE kind = 'table' GROUP BY ALL",
    )
    tables = (*contracts.tables.values(), *ddl.OWN_TABLES)
    assert dict(listed) == {
        t.name: [c.name for c in (*t.keys, *t.columns) if c.private != "all"] for t in tables
    }


COMMENTS = {
    "plain": ("What it is.", ("What it is.", None, None, None)),
    "unit": ("Length. Unit: s.", ("Length.", None, None, "s")),
    "nothing": (" Unit: s.", ("", None, None, "s")),
    "warned": ("A. Warning: B: C. Unit: s. Or not.", ("A.", "B: C. Unit: s. Or not.", None, None)),
    "shown": ("A. Example: B. Or C..", ("A.", None, "B. Or C.", None)),
    "whole": ("A. Warning: B. C. Example: -1.0. Unit: px.", ("A.", "B. C.", "-1.0", "px")),
    "no_words": (None, (None, None, None, None)),
}


def test_the_dictionary_takes_comments_apart(tmp_path: Path) -> None:
    """What was put together into a comment comes out as it went in, whatever of it there is."""
    storage, home = new_lake(tmp_path), tmp_path / "warehouse"
    load_batches(storage, load_contracts(), home)
    columns = ", ".join(f"{name} INTEGER" for name in COMMENTS)
    comments = [
        f"COMMENT ON COLUMN odd.{name} IS '{text}'" for name, (text, _) in COMMENTS.items() if text
    ]
    with connect(home / "build.duckdb", read_only=False) as connection:
        for statement in (f"CREATE TABLE odd ({columns})", *comments):
            fetch(connection, statement)
        found = fetch(
            connection,
            "SELECT column_name, (description, warning, example, unit) FROM dictionary "
            "WHERE table_name = 'odd'",
        )
    assert dict(found) == {name: parts for name, (_, parts) in COMMENTS.items()}


def test_the_dictionary_works_where_the_file_is_attached(tmp_path: Path) -> None:
    """A BI tool that attaches the file under a name of its own sees the same dictionary."""
    storage, home = new_lake(tmp_path), tmp_path / "warehouse"
    load_batches(storage, load_contracts(), home)
    own = ask_build(home, "SELECT count(*) FROM dictionary")
    with connect(tmp_path / "mine.duckdb", read_only=False) as connection:
        fetch(connection, "CREATE TABLE mine (x INTEGER)")
        fetch(connection, f"ATTACH '{home / 'build.duckdb'}' AS w (READ_ONLY)")
        assert fetch(connection, "SELECT count(*) FROM w.dictionary") == own
