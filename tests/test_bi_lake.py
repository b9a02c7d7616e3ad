"""The Parquet folders of the lake as others read them: each sees the same rows and types."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from bi_kit import MONTH, READERS, Published, by_key, lake_types, published_below, run

from transforms import lake
from transforms.contract import load_contracts
from transforms.merged.marker import PREFIX
from transforms.storage import STAGING, Storage

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("bi")]
DOCUMENT = Path(__file__).parents[1] / "docs" / "bi.md"
POLARS = {
    pl.String(): pa.string(),
    pl.Int32(): pa.int32(),
    pl.Int64(): pa.int64(),
    pl.Float64(): pa.float64(),
    pl.Boolean(): pa.bool_(),
    pl.Datetime("us"): pa.timestamp("us"),
}
DUCKDB = {
    "VARCHAR": pa.string(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMP": pa.timestamp("us"),
}
SPARK = {
    "string": pa.string(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp_ntz": pa.timestamp("us"),
}
Read = tuple[dict[str, pa.DataType], pa.Table]
Reader = Callable[[Path], Read]


def with_pandas(folder: Path) -> Read:
    """Reads a folder with pandas, asked for Arrow's types: integers of NumPy know no NULL."""
    frame = pd.read_parquet(folder, dtype_backend="pyarrow")
    types = {name: kind.pyarrow_dtype for name, kind in frame.dtypes.items()}
    return types, pa.Table.from_pandas(frame, preserve_index=False)


def with_polars(folder: Path) -> Read:
    """Reads a folder with polars."""
    frame = pl.read_parquet(folder)
    return {name: POLARS[kind] for name, kind in frame.schema.items()}, frame.to_arrow()


def with_pyarrow(folder: Path) -> Read:
    """Reads a folder as a data set of pyarrow."""
    rows = ds.dataset(folder, partitioning="hive").to_table()
    return dict(zip(rows.schema.names, rows.schema.types, strict=True)), rows


def with_duckdb(folder: Path) -> Read:
    """Reads a folder with SQL of DuckDB."""
    with duckdb.connect() as connection:
        rows = connection.read_parquet(f"{folder}/*/*.parquet", hive_partitioning=True)
        types = {n: DUCKDB[str(t)] for n, t in zip(rows.columns, rows.types, strict=True)}
        return types, rows.to_arrow_table()


READ_BY = [with_pandas, with_polars, with_pyarrow, with_duckdb]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """The home that all tests of BI tools read."""
    return published_below(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def spark(published: Published, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Spark made of every table, and what else it did."""
    out = tmp_path_factory.mktemp("spark")
    before = {path for path in published.lake.rglob("*") if path.is_file()}
    told: dict[str, Any] = json.loads(
        run("bi_spark.py", published.lake, out, *published.rows, paths=(READERS,), home=out)
    )
    assert {path for path in published.lake.rglob("*") if path.is_file()} == before
    return told | {"out": out}


# --- what the lake of these tests holds ---------------------------------------------------------


def test_the_rows_are_worth_reading(published: Published) -> None:
    """All that a reader may get wrong is there, in every table, in merged files and in others."""
    rows = published.rows
    assert rows.keys() == load_contracts().tables.keys() - {"batches"}
    assert {row["queried_at"].tzinfo for row in rows["jobs"].to_pylist()} == {None}
    text = [value for table in rows.values() for value in _texts(table)]
    assert any("\u4e00" <= letter <= "\u9fff" for value in text for letter in value)
    assert any(re.fullmatch(r"\d{19}", value) for value in text)
    assert -1.0 in rows["video_person_occurrences"]["score"].to_pylist()
    assert rows["jobs"]["usages_count"].null_count > 0  # an integer that is NULL
    assert set(rows["jobs"][MONTH].to_pylist()) == {"2026-01", "2026-02"}
    names = {path.name.startswith(PREFIX) for path in (published.lake / "tables/jobs").rglob("*.*")}
    assert names == {True, False}
    assert max(published.files.values()) == 2


def _texts(rows: pa.Table) -> list[str]:
    columns = [field.name for field in rows.schema if pa.types.is_string(field.type)]
    return [value for name in columns for value in rows[name].to_pylist() if value]


# --- every reader, every table ------------------------------------------------------------------


@pytest.mark.parametrize("reader", READ_BY)
def test_each_reader_sees_the_same(reader: Reader, published: Published) -> None:
    """Types and values of every table are those of schemas and commits; the month is text."""
    for name in published.rows:
        _require_same(published, name, reader(published.lake / "tables" / name))


def test_spark_sees_the_same(spark: dict[str, Any], published: Published) -> None:
    """Spark reads the types and values of every table; a time has no zone there either."""
    for name in published.rows:
        types = {column: SPARK[kind] for column, kind in spark["types"][name].items()}
        _require_same(published, name, (types, pq.read_table(spark["out"] / f"{name}.parquet")))


def test_spark_keeps_to_itself(spark: dict[str, Any]) -> None:
    """The tests' Spark listens on the loopback only."""
    assert spark["listening"] == ["127.0.0.1"]


def test_fields_bring_description_and_unit(published: Published) -> None:
    """Every Parquet field has the metadata of its column; key columns cannot be NULL."""
    for name in published.rows:
        wanted = load_contracts().tables[name].arrow_schema
        for path in (published.lake / "tables" / name).rglob("*.parquet"):
            assert pq.read_schema(path).equals(wanted, check_metadata=True), path


def _require_same(published: Published, name: str, read: Read) -> None:
    (types, rows), key = read, load_contracts().tables[name]
    wanted, text = published.rows[name], pa.dictionary(pa.int32(), pa.string())
    seen = {column: pa.string() if kind == text else kind for column, kind in types.items()}
    assert seen == lake_types(name), name
    found = by_key(rows.select(wanted.column_names).cast(wanted.schema), key)
    assert found == wanted, name


# --- while the lake is being worked on ----------------------------------------------------------


def test_compaction_doubles_nothing(published: Published) -> None:
    """The folders have as many rows after a compaction as before it."""
    for name, count in published.before.items():
        assert with_pyarrow(published.lake / "tables" / name)[1].num_rows == count


def test_committed_files_are_told_from_others(published: Published, tmp_path: Path) -> None:
    """The recipe of docs/bi.md leaves out what is half committed, staged or there twice."""
    home = published.copy(tmp_path / "home")
    committed = _recipe()
    everything = _count(committed(home.lake, "jobs"))
    assert everything == _count([*(home.lake / "tables/jobs").rglob("*.parquet")]) == 5
    # A batch without its marker is not committed yet; staging is beside the tables.
    [february] = (home.lake / "tables/jobs/month=2026-02").iterdir()
    (home.lake / "batches" / f"{february.stem}.json").rename(tmp_path / "marker.json")
    staged = home.lake / STAGING / "jobs.parquet"
    staged.parent.mkdir(exist_ok=True)
    staged.write_bytes(february.read_bytes())
    assert (_count(committed(home.lake, "jobs")), _folder(home, "jobs")) == (4, 5)
    (tmp_path / "marker.json").rename(home.lake / "batches" / f"{february.stem}.json")
    assert (_count(committed(home.lake, "jobs")), _folder(home, "jobs")) == (5, 5)


def test_readers_take_the_committed_files(published: Published) -> None:
    """A list of files is read like their folder, the month included."""
    files, wanted = _recipe()(published.lake, "jobs"), published.rows["jobs"]
    assert len(files) == 2
    with_months = (
        ds.dataset(files, partitioning="hive").to_table(),
        pl.read_parquet(files, hive_partitioning=True).to_arrow(),
    )
    for rows in with_months:
        found = by_key(rows.cast(wanted.schema), load_contracts().tables["jobs"])
        assert found == wanted


def test_rows_that_are_just_being_merged_count_once(published: Published, tmp_path: Path) -> None:
    """While a merged file and those it comes from are both there, each row is read once."""
    home = published.copy(tmp_path / "home")
    storage, committed = Storage.at(str(home.lake)), _recipe()
    first = next(iter(lake.read_commits(storage).values()))
    [jobs] = [file for file in first.files if file.table == "jobs"]
    lake.write_parquet(storage, jobs.path, lake.read_rows(storage, first, jobs))
    assert jobs.rows == 2
    assert (_count(committed(home.lake, "jobs")), _folder(home, "jobs")) == (5, 7)


def _recipe() -> Callable[[Path, str], list[Path]]:
    """Returns the function `committed` as docs/bi.md has it."""
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    [block] = [each for each in blocks if "def committed(" in each]
    names: dict[str, Any] = {}
    exec(block, names)
    found: Callable[[Path, str], list[Path]] = names["committed"]
    return found


def _folder(home: Published, name: str) -> int:
    rows: int = with_pyarrow(home.lake / "tables" / name)[1].num_rows
    return rows


def _count(files: list[Path]) -> int:
    return sum(pq.read_metadata(file).num_rows for file in files)
