"""The build follows the lake: batch by batch, whole or not at all, and never the wrong file."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import signal
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from contract_kit import flatten, success
from contract_kit import result as reply_result
from warehouse_lake import (
    Helper,
    ask_build,
    change_build,
    commit,
    job,
    merge,
    new_lake,
    result,
    run_python,
    speech,
    speech_job,
)

from transforms import lake, pipeline
from transforms.contract import Contracts, load_contracts
from transforms.errors import ConfigurationError, LakeFormatError
from transforms.layout import Column, Table
from transforms.settings import Settings
from transforms.storage import Storage
from transforms.warehouse import (
    BatchChangedError,
    BuildWriteError,
    LoadError,
    load_batches,
    published_batches,
    query_published,
)
from transforms.warehouse import insert as inserting
from transforms.warehouse import load as loading
from transforms.warehouse.build import BUILD
from transforms.warehouse.ddl import HAND_ROWS
from transforms.warehouse.duck import (
    Limits,
    QueryError,
    WarehouseLockedError,
    connect,
    fetch,
    wal_of,
)
from transforms.warehouse.views import read_views

HELLO = (0.0, 1.5, "hello")
WORLD = (1.5, 2.0, "world")


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """An empty lake."""
    return new_lake(tmp_path)


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """The warehouse folder, not made yet."""
    return tmp_path / "warehouse"


@pytest.fixture(scope="module")
def empty_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of an empty lake, made once."""
    folder = tmp_path_factory.mktemp("empty")
    load_batches(new_lake(folder), load_contracts(), folder / "warehouse")
    return folder / "warehouse" / BUILD


@pytest.fixture
def home(fresh: Path, empty_build: Path) -> Path:
    """A warehouse folder with the build of an empty lake."""
    fresh.mkdir()
    shutil.copyfile(empty_build, fresh / BUILD)
    return fresh


@pytest.fixture
def contracts() -> Contracts:
    """The shipped schemas."""
    return load_contracts()


def _public(table: Table) -> list[str]:
    """Returns the columns of a table that the warehouse has."""
    return [c.name for c in (*table.keys, *table.columns) if c.private != "all"]


def _rows(home: Path, contracts: Contracts) -> dict[str, list[tuple[object, ...]]]:
    """Returns every row of every table, in an order of its own."""
    with connect(home / BUILD, read_only=True) as connection:
        return {
            name: fetch(
                connection, f'SELECT {", ".join(_public(table))} FROM "{name}" ORDER BY ALL'
            )
            for name, table in contracts.tables.items()
        }


def test_a_batch_becomes_rows(storage: Storage, fresh: Path, contracts: Contracts) -> None:
    """Every row of a committed batch is in the build, under its own columns."""
    made = commit(storage, "b1", speech_job("job-1", HELLO, WORLD))
    report = load_batches(storage, contracts, fresh)
    assert (report.loaded, report.replaced, report.removed) == (("b1",), (), ())
    assert report.unchanged == 0
    expected = {"jobs": 1, "results": 1, "asr_results": 1, "asr_segments": 2, "batches": 1}
    assert {name: n for name, n in report.rows.items() if n} == expected
    assert ask_build(fresh, "SELECT * FROM asr_segments ORDER BY ALL") == [
        ("job-1", 0, 0, 0.0, 1.5, "hello"),
        ("job-1", 0, 1, 1.5, 2.0, "world"),
    ]
    assert ask_build(fresh, "SELECT * FROM batches") == [
        (
            "b1",
            made.commit_id,
            "raw/month=2024-05/b1.parquet",
            "0" * 64,
            1,
            1,
            5,
            0,
            contracts.digest,
            "0.1.0",
            datetime(2024, 5, 6, 7, 8, 9),  # noqa: DTZ001 - UTC without a zone
            datetime(2024, 5, 6, 7, 8, 9),  # noqa: DTZ001 - 09:08:09+02:00 in UTC
        )
    ]


def test_an_empty_lake_gives_empty_tables(
    storage: Storage, fresh: Path, contracts: Contracts
) -> None:
    """All tables are there, and views, before the first batch is."""
    report = load_batches(storage, contracts, fresh)
    assert set(report.rows) == set(contracts.tables)
    assert set(report.rows.values()) == {0}


def test_a_second_load_changes_nothing(storage: Storage, home: Path, contracts: Contracts) -> None:
    """A lake that did not change leaves the file as it was, byte for byte."""
    commit(storage, "b1", speech_job("job-1", HELLO))
    load_batches(storage, contracts, home)
    before = (home / BUILD).read_bytes()
    report = load_batches(storage, contracts, home)
    assert (report.loaded, report.replaced, report.removed) == ((), (), ())
    assert report.unchanged == 1
    assert (home / BUILD).read_bytes() == before


def test_progress_counts_batches(storage: Storage, home: Path, contracts: Contracts) -> None:
    """Progress tells the batches done out of those to do, from none to all."""
    commit(storage, "b1", speech_job("job-1", HELLO))
    commit(storage, "b2", speech_job("job-2", HELLO))
    told: list[object] = []
    load_batches(storage, contracts, home, lambda *said: told.append(said))
    assert told == [("load", 0, 2), ("load", 1, 2), ("load", 2, 2)]


def test_incremental_equals_rebuild(storage: Storage, home: Path, contracts: Contracts) -> None:
    """New, changed and vanished batches leave the rows a build from nothing has."""
    commit(storage, "b1", speech_job("job-1", HELLO))
    gone = commit(storage, "b2", speech_job("job-2", WORLD))
    commit(storage, "b3", speech_job("job-3", HELLO))
    load_batches(storage, contracts, home)
    lake.retract(storage, gone)
    commit(storage, "b1", merge(speech_job("job-1", WORLD, HELLO), speech_job("job-5", HELLO)))
    commit(storage, "b4", speech_job("job-4", HELLO))
    report = load_batches(storage, contracts, home)
    assert report.loaded == ("b4",)
    assert report.replaced == ("b1",)
    assert report.removed == ("b2",)
    assert report.unchanged == 1
    incremental = _rows(home, contracts)
    (home / BUILD).unlink()
    load_batches(storage, contracts, home)
    assert incremental == _rows(home, contracts)
    assert len(incremental["asr_segments"]) == 2 + 1 + 1 + 1


def test_a_job_moves_between_changed_batches(
    storage: Storage, home: Path, contracts: Contracts
) -> None:
    """A job may leave one batch for another, whichever of the two is brought first."""
    commit(storage, "b1", merge(speech_job("job-1", HELLO), speech_job("job-x", HELLO)))
    commit(storage, "b2", speech_job("job-2", HELLO))
    load_batches(storage, contracts, home)
    commit(storage, "b1", speech_job("job-1", HELLO))
    commit(storage, "b2", merge(speech_job("job-2", HELLO), speech_job("job-x", WORLD)))
    load_batches(storage, contracts, home)
    commit(storage, "b1", merge(speech_job("job-1", HELLO), speech_job("job-x", WORLD)))
    commit(storage, "b2", {})  # every reply superseded: a batch of nothing
    load_batches(storage, contracts, home)
    assert ask_build(home, "SELECT job_id, batch_id FROM jobs ORDER BY 1") == [
        ("job-1", "b1"),
        ("job-x", "b1"),
    ]
    assert ask_build(home, "SELECT job_id, content FROM asr_segments ORDER BY 1") == [
        ("job-1", "hello"),
        ("job-x", "world"),
    ]


def test_a_job_in_two_batches_is_refused(
    storage: Storage, home: Path, contracts: Contracts
) -> None:
    """Two committed batches that hold one job are an error that names all three."""
    commit(storage, "b1", speech_job("job-1", HELLO))
    commit(storage, "b2", speech_job("job-1", WORLD))
    with pytest.raises(LoadError, match=r"job-1 is in two committed batches, b1 and b2: run"):
        load_batches(storage, contracts, home)
    assert ask_build(home, "SELECT content FROM asr_segments") == [("hello",)]


def test_a_job_twice_in_a_file_is_refused(
    storage: Storage, home: Path, contracts: Contracts
) -> None:
    """A batch that holds a job twice does not load, and leaves nothing behind."""
    commit(storage, "b1", {"jobs": [job("job-1"), job("job-1")]})
    with pytest.raises(LoadError, match=r"b1.parquet does not fit the table jobs: .*duplicate key"):
        load_batches(storage, contracts, home)
    assert ask_build(home, "SELECT count(*) FROM jobs") == [(0,)]


def _tamper(storage: Storage, path: str) -> None:
    storage.write_bytes(path, bytes(storage.read(path)) + b" ")


def _recount(storage: Storage, made: lake.Commit) -> None:
    files = tuple(dataclasses.replace(f, rows=f.rows + 1) for f in made.files)
    lake.write_commit(storage, dataclasses.replace(made, files=files))


@pytest.mark.parametrize("harm", ["tampered", "missing", "miscounted"])
def test_a_damaged_batch_changes_nothing(
    storage: Storage, home: Path, contracts: Contracts, harm: str
) -> None:
    """A file that is not the committed one is named with the remedy; the old rows stay."""
    commit(storage, "b1", speech_job("job-1", HELLO))
    load_batches(storage, contracts, home)
    made = commit(storage, "b1", speech_job("job-1", WORLD))
    path = next(f.path for f in made.files if f.table == "asr_segments")
    said = {
        "tampered": r"asr_segments/.*b1.parquet is not the committed file \(sha256\)",
        "missing": r"asr_segments/.*b1.parquet is committed but missing",
        "miscounted": r"b1.parquet has 1 rows, not 2",
    }
    if harm == "tampered":
        _tamper(storage, path)
    elif harm == "missing":
        storage.remove(path)
    else:
        _recount(storage, made)
    with pytest.raises(LoadError, match=said[harm]) as caught:
        load_batches(storage, contracts, home)
    assert "delete batches/b1.json and run `cognition flatten`" in str(caught.value)
    assert ask_build(home, "SELECT content FROM asr_segments") == [("hello",)]


def test_a_batch_made_again_meanwhile_asks_to_load_again(
    storage: Storage, home: Path, contracts: Contracts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flatten that replaces a batch under the loader's hands is no damage: load again."""
    older = commit(storage, "b1", speech_job("job-1", HELLO))
    commit(storage, "b1", speech_job("job-1", WORLD))
    with monkeypatch.context() as patch:
        patch.setattr(loading, "read_commits", lambda _: {"b1": older})
        with pytest.raises(BatchChangedError, match="batch b1 was made again"):
            load_batches(storage, contracts, home)
    load_batches(storage, contracts, home)
    assert ask_build(home, "SELECT content FROM asr_segments") == [("world",)]


def test_an_insert_that_loses_rows_rolls_back(
    storage: Storage, home: Path, contracts: Contracts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A count from DuckDB that is not the file's stops the batch."""
    commit(storage, "b1", speech_job("job-1", HELLO))
    honest = loading.fetch

    def short(connection: loading.Connection, sql: str, *given: Mapping[str, object]) -> object:
        rows = honest(connection, sql, *given)
        return [(0,)] if sql.startswith('INSERT INTO "asr_segments"') else rows

    monkeypatch.setattr(inserting, "fetch", short)
    with pytest.raises(LoadError, match="1 rows gave"):
        load_batches(storage, contracts, home)
    assert ask_build(home, "SELECT count(*) FROM jobs") == [(0,)]


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (duckdb.IOException("IO Error: No space left on device"), "free space .*cognition load"),
        (duckdb.OutOfMemoryException("Out of Memory Error: a block\n\nHints:"), "more memory"),
        (duckdb.FatalException("FATAL Error: No space left on device"), "free space"),
    ],
)
def test_a_lack_of_disk_or_memory_is_not_the_batchs_fault(  # noqa: PLR0913, PLR0917 - fixtures
    storage: Storage,
    home: Path,
    contracts: Contracts,
    monkeypatch: pytest.MonkeyPatch,
    error: duckdb.Error,
    remedy: str,
) -> None:
    """What DuckDB lacks is said in its words, with a remedy that helps; the batch is not blamed."""
    commit(storage, "b1", speech_job("job-1", HELLO))
    honest = loading.fetch

    def lacking(connection: loading.Connection, sql: str, *given: Mapping[str, object]) -> object:
        if sql.startswith('INSERT INTO "asr_segments"'):
            raise error
        return honest(connection, sql, *given)

    with monkeypatch.context() as patch:
        patch.setattr(inserting, "fetch", lacking)
        with pytest.raises(BuildWriteError, match=remedy) as caught:
            load_batches(storage, contracts, home)
    first = str(error).splitlines()[0]
    assert f"cannot load batch b1 into {home / BUILD}: {first};" in str(caught.value)
    assert "flatten" not in str(caught.value)
    assert load_batches(storage, contracts, home).loaded == ("b1",)


FILLS = """
import resource, sys
from pathlib import Path
from transforms.contract import load_contracts
from transforms.lake import open_lake
from transforms.warehouse import BuildWriteError, load_batches

storage, home = open_lake(sys.argv[1]), Path(sys.argv[2])
room = (home / "build.duckdb").stat().st_size + 100_000
resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
try:
    load_batches(storage, load_contracts(), home)
except BuildWriteError as error:
    print(error)
"""


@pytest.mark.parametrize("rows", [60_000, 150_000], ids=["log", "file"])
def test_no_room_for_the_build_is_one_clear_line(
    storage: Storage, home: Path, contracts: Contracts, rows: int
) -> None:
    """Refused by the system in log or file, at insert or commit, a batch leaves nothing behind."""
    load_batches(storage, contracts, home)
    words = (hashlib.sha256(bytes([n % 256, n // 256 % 256, n // 65536])) for n in range(rows))
    sentences = ((float(n), n + 0.5, word.hexdigest()) for n, word in enumerate(words))
    commit(storage, "b1", speech_job("job-1", *sentences))
    said = run_python(FILLS, storage.root, home)
    assert said.stdout.startswith("cannot load batch b1 into "), said.stderr
    assert said.stdout.count("\n") == 1
    assert "free space" in said.stdout
    assert ask_build(home, "SELECT count(*) FROM jobs") == [(0,)]
    assert load_batches(storage, contracts, home).rows["asr_segments"] == rows


def _with_column(contracts: Contracts, table: str, column: Column) -> Contracts:
    """Returns the contracts with one more column in a system table."""
    changed = dataclasses.replace(
        contracts.system[table], columns=(*contracts.system[table].columns, column)
    )
    return dataclasses.replace(
        contracts, system={**contracts.system, table: changed}, digest="other schemas"
    )


def test_a_new_column_is_null_for_old_batches(
    storage: Storage, home: Path, contracts: Contracts
) -> None:
    """A schema that grew reads old files, and fills the column of new ones."""
    commit(storage, "b1", speech_job("job-1", HELLO))
    load_batches(storage, contracts, home)
    grown = _with_column(contracts, "jobs", Column("colour", pa.string(), "value", "New."))
    commit(storage, "b2", {"jobs": [job("job-2", results=0, colour="red")]}, contracts=grown)
    load_batches(storage, grown, home)
    assert ask_build(home, "SELECT job_id, colour FROM jobs ORDER BY 1") == [
        ("job-1", None),
        ("job-2", "red"),
    ]
    assert ask_build(home, "SELECT description FROM dictionary WHERE column_name = 'colour'") == [
        ("New.",)
    ]
    with pytest.raises(ConfigurationError, match=r"no longer have the column jobs.colour.* Delete"):
        load_batches(storage, contracts, home)


def test_a_file_may_lack_a_column(storage: Storage, home: Path, contracts: Contracts) -> None:
    """A batch made before a column was named loads with NULL there."""
    commit(storage, "b1", speech_job("job-1", HELLO), drop=("content", "message"))
    load_batches(storage, contracts, home)
    assert ask_build(home, "SELECT end_seconds, content FROM asr_segments") == [(1.5, None)]


def test_a_file_with_more_than_the_schemas_is_refused(
    storage: Storage, home: Path, contracts: Contracts
) -> None:
    """A column or table the schemas do not name is an error, not a silent loss."""
    grown = _with_column(contracts, "jobs", Column("colour", pa.string(), "value", "New."))
    commit(storage, "b1", {"jobs": [job("job-1", results=0)]}, contracts=grown)
    with pytest.raises(LoadError, match=r"b1.parquet does not fit the table jobs: .*colour"):
        load_batches(storage, contracts, home)
    other = Table("poems", "One row.", keys=contracts.system["jobs"].keys)
    more = dataclasses.replace(contracts, system={**contracts.system, "poems": other})
    commit(storage, "b1", {"jobs": [job("j")], "poems": [{"job_id": "j"}]}, contracts=more)
    with pytest.raises(LoadError, match="the schemas have no table poems"):
        load_batches(storage, contracts, home)


def test_signed_links_stay_in_the_lake(storage: Storage, home: Path, contracts: Contracts) -> None:
    """Links of subtitles and raw output are no columns; elsewhere links end at their query."""
    link = "https://bucket.example/a.txt?Expires=1&Signature=secret"
    urls = {"allResultUrl": link, "chResultUrl": None, "more": link}
    batch = flatten(
        success(
            reply_result("Subtitle", {"details": [urls, {"engResultUrl": [link]}]}),
            {"Type": "Process", "Data": link},
            {"Type": "Process", "Data": {"url": f"see {link}"}},
            {"Type": "Music", "Data": link},
        )
    )
    made = {name: rows.to_pylist() for name, rows in batch.made.tables.items()}
    assert made["subtitle_files"][0]["all_url"] == made["process_outputs"][0]["url"] == link
    commit(storage, "b1", {n: rows for n, rows in made.items() if "job_id" in rows[0]})
    load_batches(storage, contracts, home)
    for name, rows in _rows(home, contracts).items():
        assert "secret" not in str(rows), name
    assert _rows(home, contracts)["subtitle_files"] == [("job-0", 0, 0)]
    cut = "https://bucket.example/a.txt?..."
    found = ask_build(home, "SELECT value FROM unmapped_fields")
    found += ask_build(home, "SELECT fragment FROM quarantine ORDER BY 1")
    found += ask_build(home, "SELECT data FROM unknown_results")
    assert found == [
        (f'"{cut}"',),
        (f'{{"engResultUrl":["{cut}"]}}',),
        (f'{{"url":"see {cut}"}}',),
        (cut,),
    ]


def test_views_that_left_the_sql_folder_leave_the_build(
    storage: Storage, home: Path, contracts: Contracts
) -> None:
    """Views and macros are made anew when schemas or SQL change; one without a file goes."""
    load_batches(storage, contracts, home)
    change_build(
        home,
        "CREATE VIEW leftover AS SELECT 1",
        "CREATE MACRO left_behind(a) AS TABLE SELECT a",
        "CREATE MACRO left_over(a) AS a",
        "UPDATE cognition_meta SET sql_digest = 'x'",
    )
    load_batches(storage, contracts, home)
    found = ask_build(
        home,
        "SELECT view_name FROM duckdb_views() WHERE NOT internal AND NOT temporary "
        "UNION ALL SELECT function_name FROM duckdb_functions() "
        "WHERE NOT internal AND function_type LIKE '%macro'",
    )
    assert sorted(found) == sorted((file.name,) for file in read_views())


# Whose lake and whose file it is


def test_a_build_made_before_lakes_had_ids_goes_on(
    storage: Storage, home: Path, contracts: Contracts
) -> None:
    """A lake and a build without ids belong together; a lake with one is another lake."""
    storage.write_bytes("lake.json", b'{"format": 1}')
    commit(storage, "b1", speech_job("job-1", HELLO))
    load_batches(storage, contracts, home)
    change_build(home, "ALTER TABLE cognition_meta DROP COLUMN lake_id")
    before = (home / BUILD).read_bytes()
    storage.write_bytes("lake.json", b'{"format": 1, "lake_id": "other"}')
    with pytest.raises(ConfigurationError, match=rf"{BUILD} .*another lake than {storage.root}:"):
        load_batches(storage, contracts, home)
    with pytest.raises(ConfigurationError, match=rf"delete {BUILD} .*\. {HAND_ROWS}"):
        load_batches(storage, contracts, home)
    assert (home / BUILD).read_bytes() == before
    storage.write_bytes("lake.json", b'{"format": 1}')
    assert load_batches(storage, contracts, home).unchanged == 1
    assert ask_build(home, "SELECT lake_id FROM cognition_meta") == [("",)]


def test_a_lake_that_goes_away_under_the_load_takes_nothing_along(
    storage: Storage, home: Path, contracts: Contracts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lake unmounted between opening and reading is an error, not a lake without batches."""
    commit(storage, "b1", speech_job("job-1", HELLO))
    load_batches(storage, contracts, home)
    shutil.rmtree(storage.root)
    with pytest.raises(ConfigurationError, match="no lake at"):
        load_batches(storage, contracts, home)
    assert ask_build(home, "SELECT job_id FROM jobs") == [("job-1",)]


def test_a_foreign_database_is_left_alone(
    storage: Storage, fresh: Path, contracts: Contracts
) -> None:
    """A DuckDB file without our mark is refused and not written to."""
    fresh.mkdir()
    with duckdb.connect(fresh / BUILD) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS x")
    before = (fresh / BUILD).read_bytes()
    with pytest.raises(ConfigurationError, match="is a DuckDB file of something else: move it"):
        load_batches(storage, contracts, fresh)
    assert (fresh / BUILD).read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + b"x" * 20000])
def test_a_file_that_is_no_database_is_left_alone(
    storage: Storage, fresh: Path, contracts: Contracts, content: bytes
) -> None:
    """Some other file under the build's name is refused and not written to."""
    fresh.mkdir()
    (fresh / BUILD).write_bytes(content)
    with pytest.raises(ConfigurationError, match="is not a DuckDB file: move it away"):
        load_batches(storage, contracts, fresh)
    assert (fresh / BUILD).read_bytes() == content


def test_a_newer_format_asks_for_an_upgrade(
    storage: Storage, home: Path, contracts: Contracts
) -> None:
    """A build of a later version is not touched."""
    load_batches(storage, contracts, home)
    change_build(home, "UPDATE cognition_meta SET format = 2")
    before = (home / BUILD).read_bytes()
    with pytest.raises(LakeFormatError, match="format 2, this version reads 1: upgrade"):
        load_batches(storage, contracts, home)
    assert (home / BUILD).read_bytes() == before


def test_a_place_that_cannot_be_opened_says_so(
    storage: Storage, fresh: Path, contracts: Contracts
) -> None:
    """What DuckDB says about a file it cannot open is passed on with the path."""
    (fresh / BUILD).mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=f"{BUILD} cannot be opened: "):
        load_batches(storage, contracts, fresh)


def test_a_log_of_a_deleted_build_is_not_replayed(
    storage: Storage, fresh: Path, contracts: Contracts
) -> None:
    """Deleting build.duckdb alone gives a clean rebuild, whatever log was left beside it."""
    commit(storage, "b1", speech_job("job-1", HELLO))
    fresh.mkdir()
    wal_of(fresh / BUILD).write_bytes(b"left over")
    load_batches(storage, contracts, fresh)
    assert not wal_of(fresh / BUILD).exists()
    assert ask_build(fresh, "SELECT content FROM asr_segments") == [("hello",)]


# Other processes

HOLDS = """
import sys
from pathlib import Path
from transforms.contract import load_contracts
from transforms.lake import open_lake
from transforms.warehouse import load_batches

def progress(stage, done, total):
    print("loading", flush=True)
    sys.stdin.readline()

load_batches(open_lake(sys.argv[1]), load_contracts(), Path(sys.argv[2]), progress)
"""


def test_a_second_loader_is_told_who_holds_the_build(
    storage: Storage, home: Path, contracts: Contracts
) -> None:
    """Two loads at once: the second stops at once, naming the process, and the first goes on."""
    commit(storage, "b1", speech_job("job-1", HELLO))
    with Helper(HOLDS, storage.root, home) as loader:
        assert loader.hear() == "loading"
        with pytest.raises(WarehouseLockedError, match=rf"is held by .*PID {loader.process.pid}\)"):
            load_batches(storage, contracts, home)
        loader.tell()
        loader.tell()
        assert loader.process.wait(timeout=30) == 0
    assert load_batches(storage, contracts, home).unchanged == 1


def test_a_connection_of_this_process_is_told_apart(
    storage: Storage, home: Path, contracts: Contracts
) -> None:
    """A build this very process has open otherwise is said to be open here."""
    load_batches(storage, contracts, home)
    with (
        duckdb.connect(home / BUILD, read_only=True),
        pytest.raises(WarehouseLockedError, match="is open in this process"),
    ):
        load_batches(storage, contracts, home)


DIES = """
import os, signal, sys
from pathlib import Path
from transforms.warehouse import insert as inserting
from transforms.warehouse import load as loading
from transforms.contract import load_contracts
from transforms.lake import open_lake

honest = inserting.insert_table

def insert(connection, table, rows, place, links=()):
    if (table, rows["job_id"][0].as_py() if "job_id" in rows.column_names else "") == (
        "asr_segments", "job-2"
    ):
        os.kill(os.getpid(), signal.SIGKILL)
    honest(connection, table, rows, place, links)

inserting.insert_table = insert
loading.load_batches(open_lake(sys.argv[1]), load_contracts(), Path(sys.argv[2]))
"""


def test_a_killed_loader_leaves_whole_batches(
    storage: Storage, home: Path, contracts: Contracts
) -> None:
    """SIGKILL inside the second batch: the first is whole, the next load brings the rest."""
    commit(storage, "b1", speech_job("job-1", HELLO))
    commit(storage, "b2", speech_job("job-2", WORLD))
    commit(storage, "b3", speech_job("job-3", WORLD))
    assert run_python(DIES, storage.root, home).returncode == -signal.SIGKILL
    assert ask_build(home, "SELECT batch_id FROM batches") == [("b1",)]
    assert ask_build(home, "SELECT job_id FROM results") == [("job-1",)]
    report = load_batches(storage, contracts, home)
    assert (report.loaded, report.unchanged) == (("b2", "b3"), 1)
    recovered = _rows(home, contracts)
    shutil.rmtree(home)
    load_batches(storage, contracts, home)
    assert recovered == _rows(home, contracts)


def test_a_loader_killed_while_replacing_leaves_the_old_batch(
    storage: Storage, home: Path, contracts: Contracts
) -> None:
    """SIGKILL between delete and insert of a batch: its old rows are still there, then the new."""
    commit(storage, "b2", speech_job("job-2", HELLO))
    load_batches(storage, contracts, home)
    commit(storage, "b2", speech_job("job-2", WORLD))
    assert run_python(DIES, storage.root, home).returncode == -signal.SIGKILL
    assert ask_build(home, "SELECT content FROM asr_segments") == [("hello",)]
    assert load_batches(storage, contracts, home).replaced == ("b2",)
    assert ask_build(home, "SELECT content FROM asr_segments") == [("world",)]


# Asking the published warehouse


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose build is taken for the published file; the tests only read it."""
    folder = tmp_path_factory.mktemp("published")
    storage, home = new_lake(folder), folder / "warehouse"
    rows = merge(
        {"jobs": [job("job-1", results=2)]},
        speech("job-1", HELLO, WORLD),
        {"results": [result("job-1", 1, "Music", 0, state="unknown_type")]},
    )
    commit(storage, "b1", rows)
    load_batches(storage, load_contracts(), home)
    shutil.copyfile(home / BUILD, home / "warehouse.duckdb")
    return home


def test_a_query_answers_in_arrow(published: Path) -> None:
    """Rows, names and types come back as Arrow; times need no time zone library."""
    answer = query_published(
        published,
        "SELECT s.content, j.queried_at FROM asr_segments AS s JOIN jobs AS j USING (job_id) "
        "WHERE s.content = $word",
        {"word": "world"},
    )
    assert answer.schema.types == [pa.string(), pa.timestamp("us")]
    assert answer.to_pylist() == [
        {"content": "world", "queried_at": datetime(2024, 5, 6, 7, 8, 9)}  # noqa: DTZ001 - UTC
    ]
    zoned = query_published(published, "SELECT queried_at AT TIME ZONE 'UTC' AS t FROM jobs")
    assert zoned["t"][0].cast(pa.timestamp("us")).as_py() == datetime(2024, 5, 6, 7, 8, 9)  # noqa: DTZ001 - UTC


@pytest.mark.parametrize("sql", ["", "-- nothing"])
def test_a_statement_without_answer_gives_an_empty_table(published: Path, sql: str) -> None:
    """Nothing asked, nothing answered."""
    assert query_published(published, sql).num_columns == 0


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC 1", "syntax error at or near"),
        ("SELECT nope FROM jobs", 'Referenced column "nope" not found'),
        ("SELECT * FROM nowhere", "Table with name nowhere does not exist"),
        ("SELECT error('x' || chr(10) || 'y')", "x y"),
        ("SELECT $phrase", "phrase"),
        ("DELETE FROM jobs", "read-only mode"),
        ("CREATE TABLE t (x INTEGER)", "read-only mode"),
        ("COPY jobs TO 'jobs.csv'", "disabled by configuration"),
        ("SELECT * FROM read_text('warehouse_lake.py')", "disabled by configuration"),
        ("ATTACH 'other.duckdb'", "disabled by configuration"),
        ("INSTALL httpfs", "disabled by configuration"),
        ("SET enable_external_access = true", "annot"),
        ("SET threads = 1", "locked"),
    ],
)
def test_a_refused_statement_is_one_clear_line(
    published: Path, monkeypatch: pytest.MonkeyPatch, sql: str, said: str
) -> None:
    """Wrong SQL, writes and reaching for other files give one line of DuckDB's own words."""
    monkeypatch.chdir(published)
    before = sorted(path.name for path in published.iterdir())
    with pytest.raises(QueryError) as caught:
        query_published(published, sql, {"other": 1} if "$" in sql else None)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    unknown_name = "does not exist" in said or "not found" in said
    assert ("FROM dictionary" in str(caught.value)) == unknown_name
    assert sorted(path.name for path in published.iterdir()) == before


def test_python_variables_are_out_of_reach(published: Path) -> None:
    """A table that happens to be a variable here is not found by someone's SQL."""
    secret = pa.table({"x": [1]})
    with pytest.raises(QueryError, match="secret does not exist"):
        query_published(published, "SELECT * FROM secret")
    assert secret.num_rows == 1


def test_published_batches_are_named_with_their_content(published: Path) -> None:
    """What is published is known by batch and commit id."""
    known = published_batches(published)
    assert known == dict(ask_build(published, "SELECT batch_id, commit_id FROM batches"))
    assert list(known) == ["b1"]


def test_memory_is_what_the_settings_say(published: Path) -> None:
    """DuckDB takes no more memory than it is given, by default 3 GiB."""
    ask = "SELECT current_setting('memory_limit') AS memory"
    assert query_published(published, ask).to_pylist() == [{"memory": "3.0 GiB"}]
    settings = Settings(warehouse=published, memory_bytes=512 * 1024**2)
    assert pipeline.query(settings, ask).to_pylist() == [{"memory": "512.0 MiB"}]


def test_what_needs_more_memory_works_on_disk(published: Path) -> None:
    """A sealed question larger than its memory is answered, and leaves no file behind."""
    sql = "SELECT count(*) AS n FROM (SELECT DISTINCT i FROM range(3_000_000) AS t (i))"
    small = query_published(published, sql, limits=Limits(memory_bytes=48 * 1024**2))
    assert small.to_pylist() == [{"n": 3_000_000}]
    assert not list(published.glob("*.tmp"))


def test_before_the_first_publish_the_remedy_is_named(tmp_path: Path) -> None:
    """Asking too early says what to run."""
    with pytest.raises(ConfigurationError, match=r"no published warehouse at .*cognition load"):
        query_published(tmp_path, "SELECT 1")
    with pytest.raises(ConfigurationError, match="no published warehouse"):
        published_batches(tmp_path)


def test_a_published_file_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    """Someone else's warehouse.duckdb is not taken for ours."""
    with connect(tmp_path / "warehouse.duckdb", read_only=False) as connection:
        fetch(connection, "CREATE TABLE mine (x INTEGER)")
    with pytest.raises(ConfigurationError, match="something else"):
        query_published(tmp_path, "SELECT 1")
