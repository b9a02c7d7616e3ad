"""Compaction moves rows into fewer files and changes none; a crash loses none; it can be undone."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake_kit import (
    Landing,
    ObjectStore,
    lake_of,
    land,
    new_home,
    titled,
    tree,
    use_store,
)

from sandbox.samples import sample_reply
from transforms import commit, compaction, lake, pipeline, storage
from transforms.compaction import MOST_ROWS, CompactionReport, Item, compact, groups_of
from transforms.contract import load_contracts
from transforms.errors import (
    ConfigurationError,
    ConservationError,
    LakeFormatError,
    RetryableError,
)
from transforms.merged import marker, merge, rows, swap
from transforms.merged.marker import Compaction
from transforms.merged.rows import MovedError, Unmerged
from transforms.selection import Selection
from transforms.settings import Settings
from transforms.storage import Storage, name_of
from transforms.subtitles.collect import list_targets
from transforms.table_file import CommittedFile
from transforms.warehouse import load_merged
from transforms.warehouse.duck import connect, fetch

LATER = datetime(2026, 3, 1, tzinfo=UTC)
LARGE = 1 << 27
SPEECH = {"details": [{"from": 1.5, "to": 2.5, "content": "你好"}, {"content": "B"}]}
EVERYTHING = Selection()


def merged(settings: Settings, **how: Any) -> CompactionReport:  # noqa: ANN401 - arguments of `compact`
    """Compacts the lake of a home, long after its months were over."""
    given = {"compact_bytes": LARGE, "now": LATER} | how
    return compact(lake_of(settings), load_contracts(), **given)


def made_of(home: Path, *batches: Sequence[Landing]) -> Settings:
    """Returns a home whose lake holds these batches, flattened."""
    settings = new_home(home, *batches)
    pipeline.flatten(settings)
    return settings


def copied(settings: Settings, home: Path) -> Settings:
    """Returns a copy of a home."""
    shutil.copytree(settings.home, home)
    return settings.model_copy(update={"home": home})


class KilledError(BaseException):
    """Stands for SIGKILL: from then on nothing is written any more."""


@pytest.fixture(autouse=True)
def _in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves it to the kernel when to write: nothing here outlives a power cut anyway."""
    monkeypatch.setattr(storage, "_fsync", lambda path: None)


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home of three batches of the sandbox's jobs, all kinds of results; it is only ever copied.

    Their jobs are dealt out, so that in every merged file those of one batch lie between others.
    """
    replies = [Landing(f"job{n:02}", sample_reply(7, n)) for n in range(8)]
    dealt = [[each.later(minutes=k) for each in replies[k::3]] for k in range(3)]
    return made_of(tmp_path_factory.mktemp("sampled"), *dealt)


@pytest.fixture
def sample(sampled: Settings, tmp_path: Path) -> Settings:
    """A copy of the sampled home."""
    return copied(sampled, tmp_path / "home")


@pytest.fixture(scope="module")
def small_once(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home of three batches of one job each; it is only ever copied."""
    jobs = [Landing(job, titled(job)).later(minutes=k) for k, job in enumerate("bac")]
    return made_of(tmp_path_factory.mktemp("small"), *([job] for job in jobs))


@pytest.fixture
def small(small_once: Settings, tmp_path: Path) -> Settings:
    """A copy of the small home."""
    return copied(small_once, tmp_path / "home")


def in_folders(settings: Settings) -> dict[str, Counter[str]]:
    """Returns the rows of every table as any reader of the folders sees them, and how often."""
    tables = Path(settings.lake_root) / "tables"
    found = {}
    with duckdb.connect() as connection:
        for table in sorted(path.name for path in tables.iterdir()):
            glob = f"{tables}/{table}/*/*.parquet"
            rows = connection.execute(
                f"SELECT t::VARCHAR FROM read_parquet('{glob}', hive_partitioning = false) AS t"
            ).fetchall()
            found[table] = Counter(row for (row,) in rows)
    return found


def by_batch(storage: Storage, unmerged: Unmerged | None = None) -> dict[str, str]:
    """Returns the sha256 of every batch's every table, its rows written as a file of their own."""
    found = {}
    for each in lake.read_commits(storage).values():
        for file in each.files:
            rows = lake.read_rows(storage, each, file, unmerged=unmerged)
            found[file.path] = lake.encode_parquet(file.path, rows)[0].sha256
    return found


def committed(storage: Storage) -> dict[str, str]:
    """Returns the sha256 of every batch's every table, as its marker says."""
    commits = lake.read_commits(storage).values()
    return {file.path: file.sha256 for each in commits for file in each.files}


def merged_files(settings: Settings) -> list[str]:
    """Returns the names of the merged files of jobs."""
    return [p for p in lake_of(settings).list("tables/jobs") if "compact-" in p]


# What is merged, and what stays as it was


def test_no_row_is_changed(sample: Settings) -> None:
    """Every table has the rows it had, in one file; every batch comes back byte for byte."""
    before, batches = in_folders(sample), tree(sample.home / "lake/batches")
    held, report = committed(lake_of(sample)), merged(sample)
    assert len(before) > 30
    assert in_folders(sample) == before
    assert tree(sample.home / "lake/batches") == batches
    assert by_batch(lake_of(sample)) == held
    with Unmerged(lake_of(sample)) as unmerged:
        assert by_batch(lake_of(sample), unmerged) == held
    files = [p for p in (sample.home / "lake/tables").rglob("*") if p.is_file()]
    assert len(files) == len(before) == report.files_after
    assert report.files_before == len(held)
    assert (report.months, report.compactions, report.batches) == (("2026-01",), 1, 3)
    assert report.bytes_after == sum(path.stat().st_size for path in files) < report.bytes_before


def test_a_merged_file_is_like_any_other_of_its_table(sample: Settings) -> None:
    """A merged file is sorted by its table's key and has schema, descriptions and index."""
    merged(sample)
    tables = load_contracts().tables
    for path in (sample.home / "lake/tables").rglob("*.parquet"):
        file, table = pq.ParquetFile(path), tables[path.parts[-3]]
        assert file.schema_arrow.equals(table.arrow_schema, check_metadata=True), path
        keys = [column.name for column in table.keys]
        found = list(zip(*(file.read(keys)[key].to_pylist() for key in keys), strict=True))
        assert found == sorted(found), path
        group = file.metadata.row_group(0)
        assert [each.column_index for each in group.sorting_columns] == list(range(len(keys)))
        assert group.column(0).has_offset_index
        assert group.column(0).compression == "ZSTD"


def test_row_groups_end_between_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of many batches are cut into row groups of the usual size, no job into two."""
    monkeypatch.setattr(lake, "ROW_GROUP_ROWS", 10)
    schema = load_contracts().tables["asr_segments"].arrow_schema
    lengths = {"a": 4, "b": 4, "c": 4, "d": 11, "e": 1}
    parts = [
        pa.Table.from_pylist(
            [
                {"job_id": job, "result_index": 0, "segment_index": n}
                for job in jobs
                for n in range(lengths[job])
            ],
            schema=schema,
        )
        for jobs in ("ad", "be", "c")
    ]
    _, content = merge.merge("tables/asr_segments/month=2026-01/x.parquet", parts)
    file = pq.ParquetFile(pa.BufferReader(content))
    groups = [file.read_row_group(n)["job_id"].to_pylist() for n in range(file.num_row_groups)]
    assert groups == [["a"] * 4 + ["b"] * 4, ["c"] * 4, ["d"] * 10, ["d"], ["e"]]


def test_a_second_run_changes_nothing(small: Settings) -> None:
    """Compacting again touches no file."""
    merged(small)
    lake_folder = small.home / "lake"
    was = {p: p.stat().st_mtime_ns for p in lake_folder.rglob("*") if p.is_file()}
    again = merged(small)
    assert (again.months, again.compactions, again.files_before, again.files_after) == ((), 0, 0, 0)
    assert {p: p.stat().st_mtime_ns for p in lake_folder.rglob("*") if p.is_file()} == was
    assert [path.name for path in (lake_folder / "staging/compactions").iterdir()] == []


def test_a_dry_run_tells_and_writes_nothing(small: Settings) -> None:
    """A dry run names what a run then merges; how many bytes that saves it cannot know."""
    before = {p: p.stat().st_mtime_ns for p in small.home.rglob("*")}
    told = merged(small, dry_run=True)
    assert {p: p.stat().st_mtime_ns for p in small.home.rglob("*")} == before
    assert told.bytes_after == told.bytes_before > 0
    done = merged(small)
    for name in ("months", "compactions", "batches", "files_before", "files_after", "bytes_before"):
        assert getattr(told, name) == getattr(done, name), name
    assert (done.files_before, done.files_after) == (12, 4)


def test_only_months_that_are_over_are_merged(tmp_path: Path) -> None:
    """The present month is left alone, and no month's rows get into another's file."""
    months = [[Landing(f"{day}{n}", titled("x")).later(days=day) for n in "ab"] for day in (0, 31)]
    settings = made_of(tmp_path, *([job] for month in months for job in month))
    assert merged(settings, now=datetime(2026, 2, 28, 23, 59, tzinfo=UTC)).months == ("2026-01",)
    assert [path.split("/")[2] for path in merged_files(settings)] == ["month=2026-01"]
    assert merged(settings).months == ("2026-02",)
    first, second = (pq.read_table(Path(settings.lake_root, p)) for p in merged_files(settings))
    assert first["job_id"].to_pylist() == ["0a", "0b"]
    assert second["job_id"].to_pylist() == ["31a", "31b"]


def test_chosen_months_alone_are_merged(small: Settings) -> None:
    """Other months than those asked for are left; what is no month that is over is refused."""
    assert merged(small, months=["2025-12"]).months == ()
    for month in ("2026-03", "2027-01"):
        with pytest.raises(ConfigurationError, match=f"{month} is not over.*before 2026-03"):
            merged(small, months=[month])
    with pytest.raises(ConfigurationError, match="2026-13 is no month"):
        merged(small, months=["2026-13"])
    assert merged_files(small) == []
    assert merged(small, months=["2026-01"]).months == ("2026-01",)


def test_a_month_with_a_batch_out_of_date_waits(small: Settings) -> None:
    """What is still to be flattened, or to be taken out, is not merged before that is done."""
    (new,) = land(lake_of(small), Landing("d", titled("D")).later(minutes=9))
    assert merged(small).waiting == ("2026-01",)
    pipeline.flatten(small)
    lake_of(small).remove(new)
    assert merged(small).waiting == ("2026-01",)
    pipeline.flatten(small)
    assert (merged(small).batches, merged_files(small) != []) == (3, True)


def _item(at: int, size: int, rows: int = 1) -> Item:
    path = f"tables/jobs/month=2026-01/{at}.parquet"
    return Item((f"{at:02}",), (CommittedFile("jobs", path, rows, size, ""),))


def _grouped(*items: Item) -> list[list[str]]:
    return [[item.batches[0] for item in group] for group in groups_of(items, 100)]


def test_groups_are_as_large_as_asked_for() -> None:
    """Batches go together in order of time up to the size asked for; what is half full stays."""
    assert _grouped(*(_item(n, 30) for n in (3, 1, 2, 4))) == [["01", "02", "03"]]
    assert _grouped(*(_item(n, 30) for n in range(7))) == [["00", "01", "02"], ["03", "04", "05"]]
    assert _grouped(_item(1, 49), _item(2, 50), _item(3, 49)) == [["01", "03"]]
    assert _grouped(_item(1, 99)) == _grouped(_item(1, 1)) == _grouped() == []
    assert _grouped(_item(1, 1, MOST_ROWS // 2), _item(2, 1), _item(3, 1)) == [["02", "03"]]


def test_a_table_counts_by_its_own_size() -> None:
    """The largest table of a group decides, not all tables together."""
    files = [CommittedFile(t, f"tables/{t}/m/x.parquet", 1, 40, "") for t in ("a", "b", "c")]
    assert len(groups_of([Item(("1",), tuple(files)), Item(("2",), tuple(files))], 100)) == 1
    assert groups_of([Item((n,), tuple(files)) for n in "123"], 79) == []


def test_files_grow_to_the_size_asked_for(small: Settings) -> None:
    """With a small size nothing is merged; then up to the size; then all into one."""
    largest = max(
        file.bytes for each in lake.read_commits(lake_of(small)).values() for file in each.files
    )
    assert merged(small, compact_bytes=largest).compactions == 0
    held = committed(lake_of(small))
    assert merged(small, compact_bytes=largest * 2 + 100).compactions == 1
    assert merged(small, compact_bytes=LARGE).compactions <= 1
    assert len(merged_files(small)) == 1
    assert by_batch(lake_of(small)) == held


def test_a_batch_without_rows_has_nothing_to_merge(small: Settings) -> None:
    """A batch whose replies were all superseded is in no compaction, and in nobody's way."""
    land(lake_of(small), Landing("a", titled("new")).later(minutes=9))
    pipeline.flatten(small)
    assert merged(small).batches == 3
    assert merged(small).batches == 0
    assert pipeline.flatten(small).unchanged == 4


def test_a_late_batch_is_merged_into_what_is_there(small: Settings) -> None:
    """A batch that came after its month was merged joins the rest: there is one file again."""
    merged(small)
    (older,) = merged_files(small)
    land(lake_of(small), Landing("aa", titled("late")).later(seconds=1))
    pipeline.flatten(small)
    before = in_folders(small)
    assert before["jobs"].total() == 4
    report = merged(small)
    assert (report.compactions, report.batches, report.files_before, report.files_after) == (
        1,
        4,
        8,
        4,
    )
    (newer,) = merged_files(small)
    assert newer != older
    assert in_folders(small) == before
    assert by_batch(lake_of(small)) == committed(lake_of(small))
    assert len(lake_of(small).list("compactions")) == 1


def test_a_file_that_is_none_of_ours_stays(small: Settings) -> None:
    """Someone's own file in a table's folder is neither merged nor removed."""
    mine = "tables/jobs/month=2026-01/compact-mine.parquet"
    lake_of(small).write_bytes(mine, b"mine")
    merged(small)
    pipeline.flatten(small)
    assert bytes(lake_of(small).read(mine)) == b"mine"


# What reads it


def _rows(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    """Returns every row of the build, by table, in order."""
    with connect(settings.warehouse_dir / "build.duckdb", read_only=True) as build:
        names = [name for (name,) in fetch(build, "SELECT table_name FROM duckdb_tables()")]
        return {n: fetch(build, f'SELECT * FROM "{n}" ORDER BY ALL') for n in names}


def test_the_warehouse_sees_no_change(sample: Settings) -> None:
    """After compaction nothing is loaded again, and a build made anew has the same rows."""
    pipeline.load_batches(sample)
    before = _rows(sample)
    merged(sample)
    report = pipeline.load_batches(sample)
    assert (report.loaded, report.replaced, report.removed, report.unchanged) == ((), (), (), 3)
    shutil.rmtree(sample.warehouse_dir)
    told: list[tuple[int, int | None]] = []
    report = pipeline.load_batches(
        sample, progress=lambda _, done, total: told.append((done, total))
    )
    assert len(report.loaded) == 3
    assert _rows(sample) == before
    assert told == [(0, 3), (3, 3)]  # at once


def test_a_build_that_has_some_of_a_compaction_gets_the_rest(sample: Settings) -> None:
    """Where some batches of a compaction are loaded, the others are loaded one by one."""
    pipeline.load_batches(sample)
    before = _rows(sample)
    with connect(sample.warehouse_dir / "build.duckdb", read_only=False) as build:
        ((gone,),) = fetch(build, "SELECT min(batch_id) FROM batches")
        jobs = f"(SELECT job_id FROM jobs WHERE batch_id = '{gone}')"
        tables = [t.name for t in load_contracts().tables.values() if t.keys[0].name == "job_id"]
        for table in sorted(tables, key=lambda name: name == "jobs"):
            fetch(build, f'DELETE FROM "{table}" WHERE job_id IN {jobs}')
        for table in ("path_counts", "batches"):
            fetch(build, f"DELETE FROM {table} WHERE batch_id = '{gone}'")
    merged(sample)
    report = pipeline.load_batches(sample)
    assert (report.loaded, report.unchanged) == ((gone,), 2)
    assert _rows(sample) == before


def test_a_load_goes_on_when_files_are_moved_under_it(
    small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Undone between two of its files, a compaction is loaded batch by batch; nothing twice."""
    merged(small)
    opened = itertools.count()

    def moved(*given: Any) -> pq.ParquetFile:  # noqa: ANN401 - as what it stands for
        if next(opened) == 2:
            swap.dissolve(lake_of(small), "2026-01", lake.read_commits(lake_of(small)))
        return rows.open_merged(*given)

    monkeypatch.setattr(load_merged, "open_merged", moved)
    assert len(pipeline.load_batches(small).loaded) == 3
    assert next(opened) == 3
    assert len(_rows(small)["jobs"]) == 3


def test_jobs_that_move_into_a_compaction_are_loaded(small: Settings) -> None:
    """Where a loaded batch lost a job to one that is compacted already, the job is there once."""
    pipeline.load_batches(small)
    land(lake_of(small), Landing("a", titled("new")).later(days=20))
    land(lake_of(small), Landing("d", titled("D")).later(days=20))
    pipeline.flatten(small)
    assert merged(small).months == ("2026-01", "2026-02")
    report = pipeline.load_batches(small)
    assert (len(report.loaded), len(report.replaced), report.unchanged) == (2, 1, 2)
    assert [row[0] for row in _rows(small)["jobs"]] == ["a", "b", "c", "d"]


def test_every_step_takes_compacted_batches_as_they_are(sample: Settings) -> None:
    """Verify, status, replay and the list of subtitle files say the same before and after."""

    def said() -> tuple[object, ...]:
        state = pipeline.status(sample)
        again = pipeline.replay(sample, EVERYTHING, dry_run=True).replay
        return (
            pipeline.verify(sample),
            (state.rows, state.jobs, state.quarantine, state.unknown_types, state.stale_batches),
            (again.jobs, again.batches, again.changed_batches, again.quarantine_before),
            [target.key for target in list_targets(lake_of(sample))],
        )

    before = said()
    assert before[0].different == ()  # type: ignore[attr-defined]
    merged(sample)
    assert said() == before


def test_a_row_is_explained_by_its_raw_file(small: Settings) -> None:
    """Where a row comes from is told as before, and a batch by its own marker."""
    before = pipeline.explain(small, "jobs", ["a"])
    merged(small)
    assert pipeline.explain(small, "jobs", ["a"]) == before
    batch = name_of(before.raw_file or "")
    assert pipeline.explain(small, "batches", [batch]).file == f"batches/{batch}.json"


def test_some_columns_of_a_compacted_batch(small: Settings) -> None:
    """Columns are read alone, too, in the file's order, with or without the one that tells jobs."""
    merged(small)
    storage = lake_of(small)
    first = lake.read_commits(storage)[min(lake.read_commits(storage))]
    (file,) = [file for file in first.files if file.table == "jobs"]
    with Unmerged(storage) as unmerged:
        for columns in (["state"], ["state", "job_id"], ["state"]):
            for how in (None, unmerged):
                found = lake.read_rows(storage, first, file, columns, unmerged=how)
                want = {"job_id": "b", "state": "loaded"}
                assert found.to_pylist() == [{c: want[c] for c in sorted(columns)}]


def test_rows_that_moved_after_others_of_their_batch_were_read(small: Settings) -> None:
    """Who reads many batches finds those, too, whose compaction is undone in between."""
    merged(small)
    storage, held = lake_of(small), committed(lake_of(small))
    (one, *_) = lake.read_commits(storage).values()
    with Unmerged(storage) as unmerged:
        lake.read_rows(storage, one, one.files[0], unmerged=unmerged)
        swap.dissolve(storage, "2026-01", [one.batch_id])
        assert by_batch(storage, unmerged) == held


# What makes a batch again


def _never(settings: Settings, home: Path) -> dict[str, bytes]:
    """Returns the lake that a home's raw makes where nothing was ever compacted."""
    fresh = Settings(home=home)
    lake.open_lake(fresh.lake_root, create=True)
    shutil.copytree(settings.home / "lake/raw", home / "lake/raw")
    pipeline.flatten(fresh)
    return tree(home / "lake")


def _ask_again(settings: Settings) -> None:
    land(lake_of(settings), Landing("a", titled("new")).later(days=40))


def _lose_raw(settings: Settings) -> None:
    lake_of(settings).remove(min(lake_of(settings).list("raw")))


def _lose_marker(settings: Settings) -> None:
    lake_of(settings).remove(min(lake_of(settings).list("batches")))


def _replay(settings: Settings) -> None:
    _ask_again(settings)
    assert pipeline.replay(settings, Selection(jobs=("b",))).replay.batches == 3


@pytest.mark.parametrize("change", [_ask_again, _lose_raw, _lose_marker, _replay])
def test_a_batch_that_changes_takes_its_compaction_apart(
    small: Settings, tmp_path: Path, change: Callable[[Settings], None]
) -> None:
    """When one batch is made again or goes, all others get their own files back, to the byte."""
    merged(small)
    change(small)
    pipeline.flatten(small)
    assert tree(small.home / "lake") == _never(small, tmp_path / "never")
    assert pipeline.flatten(small).batches == 0
    held = committed(lake_of(small))
    merged(small)
    assert by_batch(lake_of(small)) == held
    assert pipeline.verify(small).different == ()


def test_new_code_makes_all_batches_again(
    small: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that makes every batch of a compaction out of date leaves nothing of it."""
    merged(small)
    monkeypatch.setattr(commit, "FLATTEN_VERSION", 99)
    assert pipeline.flatten(small).batches == 3
    assert tree(small.home / "lake") == _never(small, tmp_path / "never")


def _another_writer(sink: pa.NativeFile, schema: pa.Schema) -> pq.ParquetWriter:
    """Stands for another version of the writer: the same rows, other bytes."""
    metadata = {**schema.metadata, b"writer": b"newer"}
    return pq.ParquetWriter(sink, schema.with_metadata(metadata))


def test_what_another_version_wrote_is_committed_as_written_now(
    small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where today's writer gives other bytes for the same rows, the markers follow the files."""
    pipeline.load_batches(small)
    merged(small)
    before = in_folders(small)
    monkeypatch.setattr(lake, "parquet_writer", _another_writer)
    assert swap.dissolve(lake_of(small), "2026-01", [min(lake.read_commits(lake_of(small)))]) == 1
    assert in_folders(small) == before
    for each in lake.read_commits(lake_of(small)).values():
        for file in each.files:
            assert lake.read_rows(lake_of(small), each, file).num_rows == file.rows
    assert len(pipeline.load_batches(small).replaced) == 3
    assert pipeline.flatten(small).batches == 0


def test_a_crash_after_a_batch_was_committed_anew_is_ended(
    small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compaction one of whose batches is committed otherwise by now is undone to the end."""
    merged(small)
    before = in_folders(small)
    (compaction,) = lake_of(small).list("compactions")
    remove = Storage.remove

    def dies(self: Storage, path: str) -> None:
        if path == compaction:
            raise KilledError
        remove(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(lake, "parquet_writer", _another_writer)
        patch.setattr(Storage, "remove", dies)
        with pytest.raises(KilledError):
            swap.dissolve(lake_of(small), "2026-01", lake.read_commits(lake_of(small)))
    assert in_folders(small)["jobs"].total() == 6
    pipeline.flatten(small)
    assert in_folders(small) == before
    assert lake_of(small).list("compactions") == []


# What goes wrong


@contextmanager
def killed_at(last: int) -> Iterator[Callable[[], bool]]:
    """Lets no renaming or removing happen from a given one on: nothing else is to be seen."""
    steps = itertools.count(1)
    dead = False

    def before(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **how: Any) -> Any:  # noqa: ANN401 - as what it stands for
            nonlocal dead
            dead = dead or next(steps) == last
            if dead:
                raise KilledError
            return call(*given, **how)

        return counted

    remove, removes = before(Storage.remove), before(Storage.remove_all)

    def one_by_one(self: Storage, paths: Sequence[str]) -> None:
        for path in paths:
            removes(self, [path])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", before(Path.replace))
        patch.setattr(Storage, "remove", remove)
        patch.setattr(Storage, "remove_all", one_by_one)
        try:
            yield lambda: dead
        except KilledError:
            assert dead


def _first(settings: Settings) -> Callable[[Settings], object]:
    return merged


def _again(settings: Settings) -> Callable[[Settings], object]:
    merged(settings)
    land(lake_of(settings), Landing("aa", titled("late")).later(seconds=1))
    pipeline.flatten(settings)
    return merged


def _undo(settings: Settings) -> Callable[[Settings], object]:
    merged(settings)
    return lambda home: swap.dissolve(lake_of(home), "2026-01", lake.read_commits(lake_of(home)))


@pytest.mark.parametrize("prepare", [_first, _again, _undo])
def test_a_kill_at_any_step_loses_and_doubles_nothing(
    tmp_path: Path, prepare: Callable[[Settings], Callable[[Settings], object]]
) -> None:
    """Killed at any step, every batch reads as before; in the folders no row is ever missing.

    The next flattening ends what was begun, or takes it back, and the next compaction makes what an
    undisturbed one makes, to the byte.
    """
    jobs = [Landing(job, titled(job)).later(minutes=k) for k, job in enumerate("ba")]
    small = made_of(tmp_path / "home", *([job] for job in jobs))
    work = prepare(small)
    held, seen, start = committed(lake_of(small)), in_folders(small), tree(small.home / "lake")
    done = copied(small, tmp_path / "done")
    work(done)
    end = tree(done.home / "lake")
    merged(done)
    final = tree(done.home / "lake")
    for last in itertools.count(1):
        home = copied(small, tmp_path / f"killed-{last}")
        with killed_at(last) as is_dead:
            work(home)
        assert by_batch(lake_of(home)) == held, f"killed at step {last}"
        found = in_folders(home)
        assert {t: found[t].keys() for t in seen} == {t: seen[t].keys() for t in seen}
        pipeline.flatten(home)
        assert tree(home.home / "lake") in (start, end), f"killed at step {last}"
        assert not any((home.home / "lake/staging/compactions").glob("*"))
        merged(home)
        assert tree(home.home / "lake") == final, f"killed at step {last}"
        if not is_dead():
            break
    assert last > 15


@pytest.fixture
def half_way(small: Settings, tmp_path: Path) -> Settings:
    """A home killed while a late batch was merged into the others: some tables are, some not."""
    work = _again(small)
    for last in itertools.count(1):
        home = copied(small, tmp_path / f"half-{last}")
        with killed_at(last):
            work(home)
        if len(merged_files(home)) == 1 and len(lake_of(home).list("compactions")) == 2:
            return home
    raise AssertionError


def test_half_way_through_all_rows_are_loaded_once(half_way: Settings) -> None:
    """A build made anew while one compaction takes over another's rows has each of them once."""
    assert len(pipeline.load_batches(half_way).loaded) == 4
    jobs = [row[0] for row in _rows(half_way)["jobs"]]
    assert jobs == ["a", "aa", "b", "c"]


@pytest.mark.parametrize("which", [0, 1], ids=["in both", "in the newer one"])
def test_half_way_through_a_batch_that_changes_undoes_all(
    half_way: Settings, tmp_path: Path, which: int
) -> None:
    """A crash, and then a batch that is to be made again: nothing is left of either compaction."""
    lake_of(half_way).remove(lake_of(half_way).list("batches")[which])
    pipeline.flatten(half_way)
    assert tree(half_way.home / "lake") == _never(half_way, tmp_path / "never")


def test_half_way_through_a_month_that_was_busy_is_ended_first(
    half_way: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be ended at the start, as its month was locked, is ended once it is not."""
    monkeypatch.setattr(swap, "finish", lambda storage: 0)
    before = in_folders(half_way)["meta_titles"].keys()
    merged(half_way)
    assert in_folders(half_way)["meta_titles"] == Counter(dict.fromkeys(before, 1))
    assert len(merged_files(half_way)) == len(lake_of(half_way).list("compactions")) == 1


def test_a_failure_leaves_nothing_behind(small: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a merged file cannot be written, all is as it was, staging too."""
    before = tree(small.home / "lake")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(swap, "stage", full)
        with pytest.raises(OSError, match="No space"):
            merged(small)
    assert tree(small.home / "lake") == before
    assert not any((small.home / "lake/staging/compactions").iterdir())


@pytest.mark.parametrize("harm", ["lost", "doubled", "moved", "changed"])
def test_what_would_not_come_back_is_not_merged(
    small: Settings, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    """A merged file that lacks, doubles, moves or changes one row is refused; all is as it was."""
    honest = merge._in_order
    before = tree(small.home / "lake")

    def wrong(tables: Sequence[pa.Table], owner: str) -> Iterator[pa.Table]:
        table = pa.concat_tables(honest(tables, owner))
        if "title" in table.column_names:
            named = {
                "lost": lambda: table.slice(1),
                "doubled": lambda: pa.concat_tables([table, table.slice(0, 1)]),
                "moved": lambda: table.set_column(0, table.schema.field(0), [["a", "a", "c"]]),
                "changed": lambda: table.set_column(2, table.schema.field(2), [["a", "c", "b"]]),
            }
            table = named[harm]()
        yield table

    monkeypatch.setattr(merge, "_in_order", wrong)
    with pytest.raises(ConservationError, match=r"meta_titles/.*nothing was changed"):
        merged(small)
    assert tree(small.home / "lake") == before


def test_a_damaged_merged_file_is_made_again_from_raw(small: Settings, tmp_path: Path) -> None:
    """A merged file with other bytes is named with a remedy that helps."""
    merged(small)
    (path,) = (small.home / "lake/tables/meta_titles").rglob("*.parquet")
    path.write_bytes(path.read_bytes() + b" ")
    said = r"meta_titles/.*delete compactions/(202601-\w+).json and batches/202601\*.json, and run"
    for step in (pipeline.verify, pipeline.load_batches):
        with pytest.raises(LakeFormatError, match=said):
            step(small)
    (small.home / f"lake/compactions/{path.stem.removeprefix('compact-')}.json").unlink()
    for each in (small.home / "lake/batches").glob("202601*.json"):
        each.unlink()
    pipeline.flatten(small)
    assert tree(small.home / "lake") == _never(small, tmp_path / "never")


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"format": 1}', b'{"format": 2}'])
def test_a_marker_that_cannot_be_read_is_named(small: Settings, content: bytes) -> None:
    """A broken marker, or one of a newer format, stops what needs it and is not removed."""
    merged(small)
    (path,) = (small.home / "lake/compactions").iterdir()
    path.write_bytes(content)
    remedy = "upgrade" if content.endswith(b"2}") else rf"delete compactions/{path.name}"
    with pytest.raises(LakeFormatError, match=remedy):
        pipeline.verify(small)
    assert path.read_bytes() == content


def test_a_missing_file_is_still_told(small: Settings) -> None:
    """A batch that lies in no compaction and lacks a file is named as before there were any."""
    (path, *_) = (small.home / "lake/tables/meta_titles").rglob("*.parquet")
    path.unlink()
    with pytest.raises(LakeFormatError, match=rf"{path.name}.*delete batches/{path.stem}.json"):
        merged(small)


# More than one at once


def test_rows_that_are_moved_while_they_are_read(
    small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader finds rows that are merged, or split again, between two of its looks."""
    held = committed(lake_of(small))
    read = Storage.read
    turn = itertools.cycle([merged, _undo(copied(small, small.home.parent / "other"))])
    busy = False

    def moved(self: Storage, path: str) -> pa.Buffer:
        nonlocal busy
        if path.startswith("tables/jobs/") and not busy:
            busy = True
            next(turn)(small)
            busy = False
        return read(self, path)

    monkeypatch.setattr(Storage, "read", moved)
    assert by_batch(lake_of(small)) == held


def test_a_month_that_changed_since_it_was_planned_waits(
    small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that is made again after the plan is not merged as it was; the next run takes it."""
    honest = compaction.make_plan

    def then_changed(*given: Any) -> commit.Plan:  # noqa: ANN401 - as what it stands for
        plan = honest(*given)
        land(lake_of(small), Landing("a", titled("new")).later(minutes=9))
        pipeline.flatten(small)
        return plan

    with monkeypatch.context() as patch:
        patch.setattr(compaction, "make_plan", then_changed)
        assert merged(small).waiting == ("2026-01",)
    assert merged_files(small) == []
    assert merged(small).batches == 3


def test_two_at_once_merge_once(small: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two compactions at one time the second waits for the first, and finds nothing to do."""
    entered, go_on = threading.Event(), threading.Event()
    stage = swap.stage

    def slow(*given: Any) -> None:  # noqa: ANN401 - as what it stands for
        entered.set()
        assert go_on.wait(20)
        stage(*given)

    monkeypatch.setattr(swap, "stage", slow)
    before = in_folders(small)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(merged, small)
        assert entered.wait(20)
        second = pool.submit(merged, small)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.1)
        assert pipeline.flatten(small).batches == 0  # does not wait, nor end what is under way
        go_on.set()
        assert (first.result(20).compactions, second.result(20).compactions) == (1, 0)
    assert in_folders(small) == before


def test_flattening_waits_for_compaction(small: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that is to be made again while its month is merged is made after that."""
    pipeline.flatten(small)
    plan = lake.read_commits(lake_of(small))
    entered = threading.Event()
    carry_out = swap.carry_out
    flattened: list[Any] = []

    def then(*given: Any) -> None:  # noqa: ANN401 - as what it stands for
        land(lake_of(small), Landing("a", titled("new")).later(minutes=9))
        flattened.append(pool.submit(pipeline.flatten, small))
        with pytest.raises(TimeoutError):
            flattened[0].result(timeout=0.3)
        carry_out(*given)
        entered.set()

    monkeypatch.setattr(swap, "carry_out", then)
    with ThreadPoolExecutor(1) as pool:
        merged(small)
        assert entered.is_set()
        assert flattened[0].result(20).batches == 2
    assert merged_files(small) == []
    assert len(lake.read_commits(lake_of(small))) == len(plan) + 1
    titles = pq.read_table(small.home / "lake/tables/meta_titles")["title"].to_pylist()
    assert sorted(titles) == ["b", "c", "new"]


# On an object store


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> tuple[ObjectStore, Settings]:
    """An object store whose lake holds three batches."""
    store = ObjectStore()
    settings = Settings(lake=use_store(monkeypatch, store))
    storage = lake.open_lake(settings.lake_root, create=True)
    for minute, job in enumerate("bac"):
        land(storage, Landing(job, titled(job)).later(minutes=minute))
    pipeline.flatten(settings)
    return store, settings


def test_an_object_store_is_compacted_and_back(stored: tuple[ObjectStore, Settings]) -> None:
    """On an object store, too, there is one object a table then, and all of them after an undo."""
    store, settings = stored
    start, held = dict(store.objects), committed(lake_of(settings))
    report = merged(settings)
    assert (report.files_before, report.files_after) == (12, 4)
    assert len([key for key in store.objects if "/tables/" in key]) == 4
    assert by_batch(lake_of(settings)) == held
    assert [key for key in store.objects if "/staging/" in key] == []
    commit.dissolve_stale(
        lake_of(settings),
        commit.Plan({}, tuple(lake_of(settings).list("raw")), (), 0, (), {}),
    )
    assert store.objects == start


def test_stale_batches_are_taken_apart_before_they_are_shared_out(
    stored: tuple[ObjectStore, Settings],
) -> None:
    """Who lists what is stale, for workers without locks, undoes its compactions; once."""
    _, settings = stored
    merged(settings)
    assert pipeline.stale_batches(settings) == []
    assert len(lake_of(settings).list("compactions")) == 1
    land(lake_of(settings), Landing("a", titled("new")).later(minutes=9))
    stale = pipeline.prepare_flatten(settings)
    assert len(stale) == 2
    assert lake_of(settings).list("compactions") == []
    for each in stale:
        pipeline.flatten_batches(settings, [each])
    assert merged(settings).batches == 3
    assert pipeline.verify(settings).different == ()


def test_a_failed_put_at_any_time_is_recovered_from(stored: tuple[ObjectStore, Settings]) -> None:
    """Whichever put fails, every batch reads as before, and the next compaction ends it."""
    store, settings = stored
    start, held = dict(store.objects), committed(lake_of(settings))
    merged(settings)
    expected = dict(store.objects)
    for last in itertools.count(1):
        store.objects, store.puts = dict(start), 0

        def fail_at(key: str, last: int = last) -> None:
            if store.puts + 1 >= last:
                raise OSError(5, "put failed")

        store.before_put = fail_at
        try:
            merged(settings)
        except OSError:
            failed = True
        else:
            failed = False
        store.before_put = lambda key: None
        assert by_batch(lake_of(settings)) == held, f"failed at put {last}"
        merged(settings)
        assert store.objects == expected, f"failed at put {last}"
        if not failed:
            break
    assert last > 8


def test_a_compaction_that_was_overtaken_is_undone(stored: tuple[ObjectStore, Settings]) -> None:
    """Where a batch was made again beside a compaction, as without locks may be, new rows count."""
    store, settings = stored
    storage = lake_of(settings)
    merged(settings)
    compacted = {k: v for k, v in store.objects.items() if "compact" in k}
    land(storage, Landing("a", titled("new")).later(minutes=9))
    pipeline.flatten(settings)
    store.objects |= compacted
    made = committed(storage)
    assert by_batch(storage) == made
    assert merged(settings).batches == 3
    assert by_batch(storage) == made
    assert len(storage.list("compactions")) == 1


def test_a_month_is_the_months_of_its_id() -> None:
    """The id of a compaction tells its month, and depends on nothing but its batches."""
    one = marker.id_of("2026-01", {"x": "1", "y": "2"})
    assert one == marker.id_of("2026-01", {"y": "2", "x": "1"})
    assert one != marker.id_of("2026-01", {"x": "1", "y": "3"})
    assert marker.month_of_id(one) == "2026-01"


def test_a_file_that_has_moved_is_not_damage(small: Settings) -> None:
    """A merged file that is not there is told from one that is damaged."""
    merged(small)
    (compaction,) = marker.read_compactions(lake_of(small))
    lake_of(small).remove(compaction.files[0].path)
    with pytest.raises(MovedError):
        rows.open_merged(lake_of(small), compaction, compaction.files[0])


def read_all(settings: Settings) -> dict[str, pa.Table]:
    """Returns the rows of every batch's every table, wherever they lie."""
    storage = lake_of(settings)
    commits = lake.read_commits(storage).values()
    return {f.path: lake.read_rows(storage, each, f) for each in commits for f in each.files}


def test_one_that_was_taken_for_dead_removes_nothing(
    stored: tuple[ObjectStore, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without locks a frozen compaction may wake after another has cleaned up: each row stays."""
    _, settings = stored
    held = read_all(settings)
    carry_out = swap.carry_out

    def wakes_late(storage: Storage, compaction: Compaction) -> None:
        swap.finish(storage)
        carry_out(storage, compaction)

    monkeypatch.setattr(swap, "carry_out", wakes_late)
    with pytest.raises(RetryableError, match="taken for dead"):
        merged(settings)
    monkeypatch.setattr(swap, "carry_out", carry_out)
    assert read_all(settings) == held
    assert merged(settings).batches == 3
    assert read_all(settings) == held
