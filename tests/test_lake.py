"""The lake's format, its markers, and the Parquet files that other tools read."""

from __future__ import annotations

import dataclasses
import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake_kit import NOON, Landing, ObjectStore, lake_of, new_home, success, titled

from transforms import lake, pipeline
from transforms.contract import load_contracts
from transforms.errors import ConfigurationError, LakeFormatError
from transforms.storage import Storage
from transforms.table_file import CommittedFile

FILES = (
    CommittedFile("jobs", "tables/jobs/month=2026-01/b1.parquet", 2, 4711, "ab" * 32),
    CommittedFile("results", "tables/results/month=2026-01/b1.parquet", 3, 815, "cd" * 32),
)
THEIRS = b'{"format": 1, "lake_id": "theirs"}\n'
COMMIT = lake.Commit(
    batch_id="b1",
    inputs={"raw_file": "raw/month=2026-01/b1.parquet", "superseded": "0,4"},
    facts={"jobs_count": 2, "queried_from": "2026-01-15T12:00:00", "queried_to": None},
    totals={"meta_titles": {"source": 3, "loaded": 2, "quarantined": 1}},
    files=FILES,
)


def _everything(folder: Path) -> dict[str, bytes | None]:
    """Returns all that lies below a folder, staging and empty folders included."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def _is_a_file(place: Path) -> None:
    place.write_text("I am a file")


def _holds_photos(place: Path) -> None:
    (place / "album").mkdir(parents=True)
    (place / "album" / "cat.jpg").write_bytes(b"\xff\xd8")


def _holds(content: bytes) -> Callable[[Path], None]:
    def prepare(place: Path) -> None:
        place.mkdir()
        (place / "lake.json").write_bytes(content)

    return prepare


def _nothing(place: Path) -> None:
    assert not place.exists()


@pytest.mark.parametrize(
    ("prepare", "create", "error", "said"),
    [
        (_nothing, False, ConfigurationError, ("no lake at", "cognition add")),
        (_holds_photos, False, ConfigurationError, ("no lake at", "cognition add")),
        (_holds_photos, True, ConfigurationError, ("no lake.json", "choose an empty folder")),
        (_is_a_file, True, ConfigurationError, ("is a file", "choose an empty folder")),
        (_holds(b'{"format": 2}'), True, LakeFormatError, ("has format 2", "reads 1", "upgrade")),
        (_holds(b'{"format": 2}'), False, LakeFormatError, ("has format 2", "upgrade")),
        (_holds(b'{"format": "' + b"x" * 99), True, LakeFormatError, ("cannot be read", "restore")),
        (_holds(b""), True, LakeFormatError, ("cannot be read", "restore")),
        (_holds(b"[1]"), True, LakeFormatError, ("cannot be read", "restore")),
        (_holds(b"{}"), True, LakeFormatError, ("cannot be read", "restore")),
    ],
)
def test_a_place_that_is_no_lake_of_ours_is_left_as_it_is(
    tmp_path: Path,
    prepare: Callable[[Path], None],
    error: type[Exception],
    said: tuple[str, ...],
    *,
    create: bool,
) -> None:
    """Each wrong place is one line with its name and the remedy, and nothing is written there."""
    place = tmp_path / "place"
    prepare(place)
    before = _everything(tmp_path)
    with pytest.raises(error) as caught:
        lake.open_lake(str(place), create=create)
    assert str(place) in str(caught.value)
    assert all(part in str(caught.value) for part in said), caught.value
    assert _everything(tmp_path) == before


def test_messages_name_a_lake_without_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """An object store's URI is named in errors without the keys that may stand in it."""
    monkeypatch.setattr(Storage, "at", staticmethod(lambda uri: ObjectStore().storage()))
    with pytest.raises(ConfigurationError) as caught:
        lake.open_lake("s3://ID:S3CRET@bucket/lake?region=x")
    assert "no lake at s3://bucket/lake:" in str(caught.value)
    assert "S3CRET" not in str(caught.value)


def test_a_new_lake_says_its_format_and_id(tmp_path: Path) -> None:
    """Making a lake writes its format and an id of its own; opening it again writes nothing."""
    storage = lake.open_lake(str(tmp_path / "lake"), create=True)
    file = tmp_path / "lake" / "lake.json"
    written = orjson.loads(file.read_bytes())
    assert written == {"format": 1, "lake_id": lake.read_lake_id(storage)}
    assert re.fullmatch("[0-9a-f]{32}", written["lake_id"])
    other = lake.open_lake(str(tmp_path / "other"), create=True)
    assert lake.read_lake_id(other) != written["lake_id"]
    made = file.stat().st_mtime_ns
    lake.open_lake(str(tmp_path / "lake"), create=True)
    lake.open_lake(str(tmp_path / "lake"))
    assert file.stat().st_mtime_ns == made


def test_a_ledger_may_be_there_before_the_lake(tmp_path: Path) -> None:
    """A folder that holds nothing but a ledger becomes a lake around it."""
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "jobs.txt").write_text("a\n")
    assert lake.open_lake(str(tmp_path), create=True).exists("lake.json")


def test_two_may_make_one_lake_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds the files of a lake that was made since the first look is no stranger to it."""
    found = Storage.list

    def list_late(self: Storage, folder: str, suffix: str = "") -> list[str]:
        self.write_bytes("lake.json", THEIRS)  # another process is faster
        self.write_bytes("raw/month=2026-01/b1.parquet", b"-")
        return found(self, folder, suffix)

    monkeypatch.setattr(Storage, "list", list_late)
    storage = lake.open_lake(str(tmp_path), create=True)
    assert (tmp_path / "raw" / "month=2026-01" / "b1.parquet").read_bytes() == b"-"
    assert lake.read_lake_id(storage) == "theirs"


def test_of_two_who_make_a_lake_the_first_gives_the_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `lake.json` that comes just before ours is left, so both know the lake by one id."""
    link = os.link

    def link_late(source: Path, target: Path) -> None:
        Path(target).write_bytes(THEIRS)
        link(source, target)

    monkeypatch.setattr(os, "link", link_late)
    storage = lake.open_lake(str(tmp_path), create=True)
    assert lake.read_lake_id(storage) == "theirs"
    assert list((tmp_path / "staging").iterdir()) == []


def test_a_lake_is_made_where_links_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filesystem without hard links can hold a lake, too."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    assert len(lake.read_lake_id(lake.open_lake(str(tmp_path), create=True))) == 32


def test_a_lake_made_before_ids_has_none(tmp_path: Path) -> None:
    """An older `lake.json` is read as it is and stays so."""
    (tmp_path / "lake.json").write_bytes(b'{"format": 1}\n')
    assert lake.read_lake_id(lake.open_lake(str(tmp_path), create=True)) == ""
    assert (tmp_path / "lake.json").read_bytes() == b'{"format": 1}\n'


def test_a_lake_that_went_away_has_no_id(tmp_path: Path) -> None:
    """A lake unmounted after it was opened is an error that names it, not a lake without id."""
    storage = lake.open_lake(str(tmp_path), create=True)
    (tmp_path / "lake.json").unlink()
    with pytest.raises(ConfigurationError, match=rf"no lake at {tmp_path}: .*mount"):
        lake.read_lake_id(storage)


def test_a_marker_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """What a marker says is read back equal, alone and among others, by id."""
    storage = lake.open_lake(str(tmp_path), create=True)
    other = dataclasses.replace(COMMIT, batch_id="a0", files=())
    lake.write_commit(storage, COMMIT)
    lake.write_commit(storage, other)
    assert lake.read_commit(storage, "b1") == COMMIT
    assert list(lake.read_commits(storage).items()) == [("a0", other), ("b1", COMMIT)]
    assert lake.read_commit(storage, "nothing") is None


def test_a_commit_id_is_told_by_the_files_alone() -> None:
    """Two commits have one id exactly when they hold the same files with the same bytes."""
    same = dataclasses.replace(COMMIT, facts={}, inputs={})
    swapped = (FILES[0], dataclasses.replace(FILES[1], sha256="ef" * 32))
    assert same.commit_id == COMMIT.commit_id
    assert dataclasses.replace(COMMIT, files=swapped).commit_id != COMMIT.commit_id
    assert dataclasses.replace(COMMIT, files=FILES[:1]).commit_id != COMMIT.commit_id


def _changed(**changes: object) -> bytes:
    document = dataclasses.asdict(COMMIT) | {"format": 1, "commit_id": COMMIT.commit_id}
    return orjson.dumps(document | changes)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read"),
        (_changed()[:-20], "cannot be read"),
        (b"[]", "cannot be read"),
        (_changed(format=2), "has format 2"),
        (_changed(format=2, files="of another kind"), "has format 2"),
        (_changed(files=None), "cannot be read"),
        (_changed(files=[{"table": "jobs"}]), "cannot be read"),
        (_changed(files=[]), "cannot be read"),  # not those the id was made of
        (_changed(inputs={}), "cannot be read"),
        (_changed(inputs=[]), "cannot be read"),
        (_changed(inputs={"raw_file": 7}), "cannot be read"),
        (_changed(batch_id="b2"), "cannot be read"),  # copied under another name
    ],
)
def test_a_broken_marker_is_named_and_left(tmp_path: Path, content: bytes, said: str) -> None:
    """A marker that is not whole stops the run with its name and the remedy; none is touched."""
    settings = new_home(tmp_path, [Landing("job", titled("A"))])
    marker = tmp_path / "lake" / "batches" / "b1.json"
    marker.parent.mkdir()
    marker.write_bytes(content)
    before = _everything(tmp_path)
    for step in (pipeline.flatten, pipeline.stale_batches):
        with pytest.raises(LakeFormatError) as caught:
            step(settings)
        assert "batches/b1.json" in str(caught.value)
        assert said in str(caught.value)
        assert "cognition flatten" in str(caught.value) or "upgrade" in str(caught.value)
    assert _everything(tmp_path) == before


def test_the_remedy_for_a_broken_marker_works(tmp_path: Path) -> None:
    """A broken marker once deleted, flattening makes its batch again to the byte."""
    settings = new_home(tmp_path, [Landing("job", titled("A"))])
    pipeline.flatten(settings)
    whole = {k: v for k, v in _everything(tmp_path).items() if "staging" not in k}
    marker = next((tmp_path / "lake" / "batches").iterdir())
    marker.write_bytes(b"{")
    marker.unlink()
    assert pipeline.flatten(settings).batches == 1
    assert {k: v for k, v in _everything(tmp_path).items() if "staging" not in k} == whole


def test_a_marker_removed_while_listing_is_no_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that another process takes back while markers are read is absent, not an error."""
    storage = lake.open_lake(str(tmp_path), create=True)
    lake.write_commit(storage, COMMIT)
    monkeypatch.setattr(Storage, "list", lambda *_: ["batches/a0.json", "batches/b1.json"])
    assert list(lake.read_commits(storage)) == ["b1"]


def test_retracting_removes_marker_and_files(tmp_path: Path) -> None:
    """A retracted batch is gone with its files, while others stay."""
    settings = new_home(
        tmp_path, [Landing("a", titled("A"))], [Landing("b", titled("B")).later(seconds=1)]
    )
    pipeline.flatten(settings)
    storage = lake_of(settings)
    first, second = lake.read_commits(storage).values()
    lake.retract(storage, first)
    assert list(lake.read_commits(storage)) == [second.batch_id]
    assert lake.list_tables(storage) == sorted(file.path for file in second.files)


SPEECH = {"details": [{"from": 1.5, "to": 2.5, "content": "你好"}, {"from": 3.0, "to": 4.0}]}
ODD = {"title": "A", "unheard_of": {"x": 1}}


@pytest.fixture
def flattened(tmp_path: Path) -> Storage:
    """Returns a lake whose tables are all of a kind one meets, system tables included."""
    replies = [
        Landing("b", success(("Meta", ODD), ("ASR", SPEECH), ("Unheard", {}))),
        Landing("a", success(("ASR", SPEECH), ("Meta", {"title": 7}))),
    ]
    settings = new_home(tmp_path, replies)
    pipeline.flatten(settings)
    return lake_of(settings)


def _files(storage: Storage) -> dict[str, pq.ParquetFile]:
    (commit,) = lake.read_commits(storage).values()
    return {f.table: pq.ParquetFile(pa.BufferReader(storage.read(f.path))) for f in commit.files}


def test_files_hold_what_scans_need(flattened: Storage) -> None:
    """Every column chunk of every file is zstd, with statistics, page index and sort order."""
    files = _files(flattened)
    assert set(files) >= {"jobs", "results", "quarantine", "unmapped_fields", "unknown_results"}
    for name, file in files.items():
        keys = [key.name for key in load_contracts().tables[name].keys]
        assert keys, name
        for group in range(file.metadata.num_row_groups):
            row_group = file.metadata.row_group(group)
            chunks = [row_group.column(place) for place in range(row_group.num_columns)]
            assert {chunk.compression for chunk in chunks} == {"ZSTD"}, name
            assert all(c.has_offset_index and c.has_column_index for c in chunks), name
            assert all(c.is_stats_set and c.statistics.has_null_count for c in chunks), name
            sorting = [s.column_index for s in row_group.sorting_columns]
            assert [file.schema_arrow.names[place] for place in sorting] == keys, name
            assert not any(s.descending for s in row_group.sorting_columns), name


def test_files_are_sorted_as_they_say(flattened: Storage) -> None:
    """Rows stand in the order of the key, whatever the order of landing; no key comes twice."""
    for name, file in _files(flattened).items():
        keys = [key.name for key in load_contracts().tables[name].keys]
        found = [tuple(row[k] for k in keys) for row in file.read(columns=keys).to_pylist()]
        assert found == sorted(set(found)), name


def test_files_describe_their_columns(flattened: Storage) -> None:
    """A file alone says what its table, columns and units are, in the words of the schemas."""
    files = _files(flattened)
    for name, file in files.items():
        table = load_contracts().tables[name]
        assert file.schema_arrow.equals(table.arrow_schema, check_metadata=False), name
        assert file.schema_arrow.metadata[b"description"].decode() == table.description
        for column in (*table.keys, *table.columns):
            told = file.schema_arrow.field(column.name).metadata
            assert column.description, f"{name}.{column.name}"
            assert told[b"description"].decode() == column.description
            assert told.get(b"unit", b"").decode() == (column.unit or "")
    start = files["asr_segments"].schema_arrow.field("start_seconds")
    assert start.metadata[b"description"] == b"Start of the sentence."
    assert start.metadata[b"unit"] == b"s"


def test_long_tables_come_in_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table longer than a row group is split, so that readers need not hold it whole."""
    monkeypatch.setattr(lake, "ROW_GROUP_ROWS", 2)
    storage = lake.open_lake(str(tmp_path), create=True)
    schema = load_contracts().tables["unknown_results"].arrow_schema
    rows = [
        {"job_id": job, "result_index": 0, "type": "T", "data_bytes": 0, "data": ""}
        for job in "abcde"
    ]
    path = lake.table_path("unknown_results", f"{NOON:%Y-%m}", "b1")
    assert path == "tables/unknown_results/month=2026-01/b1.parquet"
    written = lake.write_parquet(storage, path, pa.Table.from_pylist(rows, schema=schema))
    file = pq.ParquetFile(pa.BufferReader(storage.read(path)))
    assert [file.metadata.row_group(g).num_rows for g in range(3)] == [2, 2, 1]
    assert (written.table, written.rows, written.path) == ("unknown_results", 5, path)
    assert written.bytes == storage.read(path).size
