"""A published warehouse and its lake, for the tests that read them as BI tools do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path

import pyarrow as pa
from lake_kit import Landing, lake_of, land, new_home, success

from sandbox.samples import sample_reply
from transforms import compaction, lake, pipeline
from transforms.contract import load_contracts
from transforms.layout import Table
from transforms.settings import Settings
from transforms.subtitles import archive
from transforms.subtitles.archive import Fetched
from transforms.subtitles.links import FileKey, digest_of
from transforms.subtitles.outcome import Outcome
from transforms.warehouse.ddl import OWN_TABLES

TESTS = Path(__file__).parent
READERS = Path(sys.prefix) / "bi"
OLD_DUCKDB = Path(sys.prefix) / "duckdb-1.5"
MONTH = "month"
SEED = 7
LINK = "https://files.oss-cn-shanghai.aliyuncs.com/1.txt"
IN_FEBRUARY = datetime(2026, 2, 20, tzinfo=UTC)
Types = Mapping[str, pa.DataType]


@dataclass(frozen=True)
class Published:
    """A home whose warehouse is published.

    Attributes:
        settings: Of the home.
        before: Rows of each table in its folder before January was compacted.
    """

    settings: Settings
    before: Mapping[str, int]

    @property
    def lake(self) -> Path:
        """Returns the folder of the lake."""
        return Path(self.settings.lake_root)

    @property
    def warehouse(self) -> Path:
        """Returns the published file."""
        return self.settings.warehouse_dir / "warehouse.duckdb"

    @cached_property
    def rows(self) -> dict[str, pa.Table]:
        """Returns the committed rows of every table of the lake, by key, with their month."""
        storage, parts = lake_of(self.settings), dict[str, list[pa.Table]]()
        for commit in lake.read_commits(storage).values():
            for file in commit.files:
                rows = lake.read_rows(storage, commit, file)
                month = file.path.split("/")[2].removeprefix("month=")
                rows = rows.append_column(MONTH, pa.array([month] * rows.num_rows, pa.string()))
                parts.setdefault(file.table, []).append(rows)
        tables = load_contracts().tables
        return {
            name: by_key(pa.concat_tables(found), tables[name]) for name, found in parts.items()
        }

    @property
    def files(self) -> dict[str, int]:
        """Returns how many Parquet files each table's folder holds."""
        folders = (self.lake / "tables").iterdir()
        return {folder.name: len(list(folder.rglob("*.parquet"))) for folder in folders}

    def copy(self, home: Path) -> Published:
        """Returns a copy that a test may change."""
        shutil.copytree(self.settings.home, home, symlinks=True)
        return Published(self.settings.model_copy(update={"home": home}), self.before)

    def publish(self, *replies: Landing) -> None:
        """Lands replies, and does all that publishing them takes."""
        land(lake_of(self.settings), *replies)
        pipeline.flatten(self.settings)
        assert pipeline.load(self.settings).publish.changed


@cache
def published_below(folder: Path) -> Published:
    """Returns sample jobs with rows in every table, made by the product; January is compacted.

    It is made once a process, and only ever read or copied.
    """
    subtitle = success(("Subtitle", {"details": [{"allResultUrl": f"{LINK}?Signature=s"}]}))
    charged = subtitle[:-1] + b',"Usages":[{"Type":"VideoTag","Quota":60}]}'
    first = (Landing("all-kinds", sample_reply(SEED, 4)), Landing("image", sample_reply(SEED, 48)))
    second = (Landing("text", sample_reply(SEED, 45)), Landing("charged", charged))
    made = new_home(
        folder / "bi" / "home",
        first,
        [each.later(minutes=1) for each in second],
        [Landing("broken", sample_reply(SEED, 9)).later(days=31)],
    )
    storage = lake_of(made)
    sentence = "1 00:00:01,000 --> 00:00:02,500 你好\n".encode()
    key, now = FileKey("charged", 0, 0, "all"), datetime.now(UTC)
    file = Fetched(key, digest_of(LINK), now, Outcome.ARCHIVED, body=sentence)
    list(archive.write_files(storage, [file], 1 << 20))
    pipeline.flatten(made)
    before = {name: rows.num_rows for name, rows in Published(made, {}).rows.items()}
    # February is not over, so it stays in files of its own.
    compaction.compact(storage, load_contracts(), compact_bytes=1 << 27, now=IN_FEBRUARY)
    pipeline.load(made)
    return Published(made, before)


def by_key(rows: pa.Table, table: Table) -> pa.Table:
    """Returns rows in the order of their key, in one piece."""
    order = [(key.name, "ascending") for key in table.keys]
    return rows.sort_by(order).combine_chunks()


def lake_types(name: str) -> dict[str, pa.DataType]:
    """Returns the types a reader of a table's folder shall see, by the schemas."""
    schema = load_contracts().tables[name].arrow_schema
    return {field.name: field.type for field in schema} | {MONTH: pa.string()}


def warehouse_types(*, own: bool = True) -> dict[str, dict[str, pa.DataType]]:
    """Returns the types of every table of the warehouse, by the schemas."""
    tables = (*load_contracts().tables.values(), *(OWN_TABLES if own else ()))
    return {
        table.name: {
            column.name: column.type
            for column in (*table.keys, *table.columns)
            if column.private != "all"
        }
        for table in tables
    }


def unchanged(name: str) -> list[str]:
    """Returns the columns whose values are the same in lake and warehouse: those without links."""
    table = load_contracts().tables[name]
    return [column.name for column in (*table.keys, *table.columns) if not column.private]


def run(script: str, *arguments: object, paths: Sequence[Path], home: Path) -> str:
    """Runs a script of this folder beside other versions of its libraries; returns what it says.

    Args:
        script: Name of the file.
        arguments: Its arguments.
        paths: Folders whose packages come before those of the tests.
        home: Empty folder for whatever a library wants to write.
    """
    for path in paths:
        assert path.is_dir(), f"{path} is missing: run `make test`"
    done = subprocess.run(
        [sys.executable, TESTS / script, *map(str, arguments)],
        env={
            "PATH": os.defpath,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            **dict.fromkeys(("HOME", "TMPDIR"), str(home)),
        },
        cwd=home,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
