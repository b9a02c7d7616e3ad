"""Raw replies: exact, written once, in their month, and found again without reading bodies."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake_kit import NOON, Landing, ObjectStore, land, tree

from transforms import lake, pipeline, raw
from transforms.errors import LakeFormatError
from transforms.settings import Settings
from transforms.storage import Storage, name_of, sha256_of


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """Returns an empty lake."""
    return lake.open_lake(str(tmp_path), create=True)


BODIES = {
    "empty": b"",
    "nul": b'{"a":"\x00"}\x00',
    "invalid utf-8": b"\xff\xfe\x80 not text \xc3",
    "every byte": bytes(range(256)) * 3,
    "line ends": b"\r\n\n\r\x85\xe2\x80\xa8",
    "5 MB": random.Random(7).randbytes(5_000_000),
}


def test_bodies_come_back_to_the_byte(storage: Storage) -> None:
    """Whatever the service sent is what raw gives back, with its hash and length."""
    (file,) = land(
        storage, *(Landing(job, body) for job, body in BODIES.items()), batch_bytes=2**30
    )
    rows = raw.read_raw(storage, file).to_pylist()
    assert {row["job_id"]: row["body"] for row in rows} == BODIES
    assert all(row["body_sha256"] == sha256_of(row["body"]) for row in rows)
    assert all(row["body_bytes"] == len(row["body"]) for row in rows)
    assert [row["job_id"] for row in rows] == sorted(BODIES)


def test_what_came_with_a_reply_is_kept(storage: Storage) -> None:
    """Origin, HTTP status, error code and time in UTC stand beside the body, NULL where unknown."""
    beijing = datetime(2026, 1, 15, 20, 0, 0, 1, tzinfo=timezone(timedelta(hours=8)))
    (file,) = land(
        storage,
        Landing("a", b"{}", beijing, "import", None, None),
        Landing("b", b"{}", NOON, "api", 404, "JobNotFound"),
    )
    first, second = raw.read_raw(storage, file).to_pylist()
    assert first["queried_at"] == datetime(2026, 1, 15, 12, 0, 0, 1)  # noqa: DTZ001 - UTC, as kept
    assert (first["origin"], first["http_status"], first["error_code"]) == ("import", None, None)
    assert (second["origin"], second["http_status"]) == ("api", 404)
    assert second["error_code"] == "JobNotFound"


def test_a_month_is_that_of_utc(storage: Storage) -> None:
    """The last microsecond of a month and the first of the next lie in two partitions."""
    midnight = datetime(2026, 2, 1, tzinfo=UTC)
    new_york = timezone(timedelta(hours=-5))
    files = land(
        storage,
        Landing("first", b"1", midnight),
        Landing("last", b"2", midnight - timedelta(microseconds=1)),
        Landing("late at home", b"3", datetime(2026, 1, 31, 20, 0, tzinfo=new_york)),
    )
    held = {file: raw.read_raw(storage, file)["job_id"].to_pylist() for file in files}
    january, february = sorted(held)
    assert january.startswith("raw/month=2026-01/20260131T235959-")
    assert february.startswith("raw/month=2026-02/20260201T000000-")
    assert held == {january: ["last"], february: ["first", "late at home"]}


def test_batches_roll_over_by_bytes(storage: Storage) -> None:
    """A batch is closed by the reply that fills it, never by a number of replies."""
    sizes = {"a": 60, "b": 39, "c": 1, "d": 250, "e": 0, "f": 99, "g": 0}
    replies = [Landing(job, b"x" * size) for job, size in sizes.items()]
    files = land(storage, *replies, batch_bytes=100)
    held = [raw.read_raw(storage, file)["job_id"].to_pylist() for file in files]
    assert held == [["a", "b", "c"], ["d"], ["e", "f", "g"]]


def test_files_are_handed_out_as_they_are_written(storage: Storage) -> None:
    """A long run is safe as it goes: a full batch is on disk before the next reply is asked for."""
    there: list[int] = []

    def replies() -> Iterator[Landing]:
        for job in "abcd":
            there.append(len(raw.list_raw(storage)))
            yield Landing(job, b"x" * 10)

    assert len(list(raw.write_raw(storage, replies(), 20))) == 2
    assert there == [0, 0, 1, 1]


def test_nothing_landed_writes_nothing(storage: Storage, tmp_path: Path) -> None:
    """No reply, no file."""
    assert land(storage) == []
    assert list(tree(tmp_path)) == ["lake.json"]


def test_replies_before_an_error_are_kept(storage: Storage) -> None:
    """What the service answered before it broke off is written, and the error goes on."""

    def replies() -> Iterator[Landing]:
        yield Landing("a", b"x" * 30)
        yield Landing("b", b"x" * 30)
        yield Landing("c", b"x" * 30)
        raise ConnectionError("gone")

    written: list[str] = []
    with pytest.raises(ConnectionError, match="gone"):
        written.extend(raw.write_raw(storage, replies(), 50))
    assert sorted(row.job_id for row in raw.read_index(storage)) == ["a", "b", "c"]
    assert len(written) == 1
    assert len(raw.list_raw(storage)) == 2


def test_replies_held_when_the_reader_stops_are_kept(storage: Storage) -> None:
    """A caller that stops listening loses no reply that came."""
    replies = (Landing(job, b"x" * 30) for job in "abcd")
    files = raw.write_raw(storage, replies, 60)
    next(files)
    files.close()  # type: ignore[attr-defined]  # the function is a generator
    assert [row.job_id for row in raw.read_index(storage)] == ["a", "b"]


def test_a_file_is_never_written_again(tmp_path: Path, storage: Storage) -> None:
    """Landing the same replies again leaves the file untouched, and other replies leave it too."""
    (file,) = land(storage, Landing("a", b"{}"))
    os.utime(tmp_path / file, ns=(1, 1))
    assert land(storage, Landing("a", b"{}")) == [file]
    land(storage, Landing("a", b"[]"), Landing("b", b"{}"))
    land(storage, Landing("a", b"{}").later(microseconds=1))
    assert (tmp_path / file).stat().st_mtime_ns == 1
    assert len(raw.list_raw(storage)) == 3


def test_the_same_replies_make_the_same_file(tmp_path: Path) -> None:
    """Name and bytes of a raw file depend on the replies alone, not on the order they came in."""
    replies = [Landing("a", b"1"), Landing("b", b"2").later(seconds=1), Landing("c", b"3")]
    for name, order in {"x": (0, 1, 2), "y": (2, 0, 1)}.items():
        land(lake.open_lake(str(tmp_path / name), create=True), *(replies[n] for n in order))
    assert tree(tmp_path / "x") == tree(tmp_path / "y")


def test_raw_files_come_oldest_first(storage: Storage) -> None:
    """Files are listed by time of first query, over all months."""
    for gap in (40, 0, 80):
        land(storage, Landing("a", str(gap).encode(), NOON + timedelta(days=gap)))
    times = [name_of(file)[:8] for file in raw.list_raw(storage)]
    assert times == ["20260115", "20260224", "20260405"]


def _wreck_bodies(file: Path) -> None:
    """Overwrites the bytes of the body column, as a disk would, and no others."""
    metadata = pq.ParquetFile(file).metadata
    content = bytearray(file.read_bytes())
    for group in range(metadata.num_row_groups):
        chunk = metadata.row_group(group).column(raw.SCHEMA.get_field_index("body"))
        start, size = chunk.data_page_offset, chunk.total_compressed_size
        content[start : start + size] = b"\xee" * size
    file.write_bytes(content)


def test_the_index_reads_no_body(tmp_path: Path, storage: Storage) -> None:
    """The index of a file is had without its bodies: it is right even where they are wrecked."""
    (file,) = land(storage, Landing("b", b"x" * 9999).later(seconds=5), Landing("a", b"y"))
    whole = raw.read_index(storage)
    _wreck_bodies(tmp_path / file)
    at = datetime(2026, 1, 15, 12)  # noqa: DTZ001 - UTC, as kept
    five = timedelta(seconds=5)
    assert raw.read_index(storage) == whole
    assert whole == [
        raw.RawRow("a", at, sha256_of(b"y"), 1, file, 0),
        raw.RawRow("b", at + five, sha256_of(b"x" * 9999), 9999, file, 1),
    ]
    with pytest.raises(LakeFormatError, match=r"cannot be read.*restore it from a copy"):
        raw.read_raw(storage, file)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PAR1 and so on PAR1",
        pytest.param("cut", id="cut off"),
        pytest.param("foreign", id="another table"),
    ],
)
def test_a_file_that_is_no_raw_file_is_named(
    tmp_path: Path, storage: Storage, content: bytes | str
) -> None:
    """A foreign or broken file in raw is one error with its name; nothing is written or hidden."""
    (file,) = land(storage, Landing("a", b"x" * 999))
    if content == "cut":
        content = (tmp_path / file).read_bytes()[:-9]
    elif content == "foreign":
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"job_id": ["a"]}), sink)
        content = sink.getvalue().to_pybytes()
    assert isinstance(content, bytes)
    (tmp_path / file).write_bytes(content)
    before = tree(tmp_path)
    with pytest.raises(LakeFormatError) as caught:
        pipeline.flatten(Settings(lake=str(tmp_path)))
    assert file in str(caught.value)
    assert tree(tmp_path) == before


def test_the_newest_reply_counts(storage: Storage) -> None:
    """Of a job's replies the newest counts, in whatever order and month they landed."""
    land(storage, Landing("a", b"2").later(days=40), Landing("b", b"1"))
    land(storage, Landing("a", b"1"))
    land(storage, Landing("a", b"0").later(days=-40), Landing("b", b"2").later(microseconds=1))
    newest = raw.newest_rows(raw.read_index(storage))
    assert {job: row.body_sha256 for job, row in newest.items()} == {
        "a": sha256_of(b"2"),
        "b": sha256_of(b"2"),
    }


@pytest.mark.parametrize("bodies", [(b"1", b"2", b"3"), (b"3", b"1", b"2"), (b"2", b"3", b"1")])
def test_of_equals_the_later_landed_counts(storage: Storage, bodies: tuple[bytes, ...]) -> None:
    """Replies of one time are told apart by the order in which they landed."""
    land(storage, Landing("z", b"-"), *(Landing("a", body) for body in bodies))
    newest = raw.newest_rows(raw.read_index(storage))
    assert newest["a"].body_sha256 == sha256_of(bodies[-1])


def test_which_counts_does_not_depend_on_the_order_of_reading(storage: Storage) -> None:
    """Any order of the same index gives the same newest replies."""
    land(storage, Landing("a", b"1"), Landing("a", b"2"), Landing("b", b"1").later(seconds=9))
    land(storage, Landing("a", b"3"), Landing("b", b"2"))
    index = raw.read_index(storage)
    assert raw.newest_rows(index) == raw.newest_rows(reversed(index))


def test_raw_works_on_an_object_store() -> None:
    """Raw is written, listed, indexed and read where there is no folder."""
    storage = ObjectStore().storage()
    (file,) = land(storage, Landing("a", BODIES["every byte"]))
    assert raw.list_raw(storage) == [file]
    assert [row.job_id for row in raw.read_index(storage)] == ["a"]
    assert raw.read_raw(storage, file)["body"].to_pylist() == [BODIES["every byte"]]
