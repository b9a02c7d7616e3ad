"""Ledgers of every kind are read to the letter; what is none is named, its content kept back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake_kit import ObjectStore, tree

from transforms import lake, ledger
from transforms.errors import ConfigurationError
from transforms.storage import Storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """Returns an empty lake."""
    return lake.open_lake(str(tmp_path), create=True)


def _parquet(column: pa.Array, name: str = "job_id") -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"note": ["N0TE"] * len(column), name: column}), sink)
    return bytes(sink.getvalue().to_pybytes())


def _timed_parquet(times: list[datetime | None]) -> bytes:
    sink = pa.BufferOutputStream()
    column = pa.array(times, pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"job_id": ["a", "b"], "submitted_at": column}), sink)
    return bytes(sink.getvalue().to_pybytes())


LONG = "x" * 256
LEDGERS = {
    "plain.txt": (b"a\nb\n", ["a", "b"]),
    "windows.txt": (b"\xef\xbb\xbfa\r\nb\r\n\r\nc", ["a", "b", "c"]),
    "comments.txt": (b"# ours\na\n\n  # indented\n\t\n b \n", ["a", "b"]),
    "empty.txt": (b"", []),
    "chinese.txt": ("任务一\n任务二\n".encode(), ["任务一", "任务二"]),
    "vendor.txt": (b"****20b48fb04483915d4f2cd8ac****\n", ["****20b48fb04483915d4f2cd8ac****"]),
    "long.txt": (LONG.encode(), [LONG]),
    "upper.TXT": (b"a\n", ["a"]),
    "plain.csv": (b"job_id\na\nb\n", ["a", "b"]),
    "extra.csv": (b"title,job_id,when\nA,a,2026\nB,b,\n", ["a", "b"]),
    "numbers.csv": (
        b"job_id,n\n00123,1\n1e5,2\n-0,3\n1.0,4\nTrue,5\n",
        ["00123", "1e5", "-0", "1.0", "True"],
    ),
    "nulls.csv": (b"job_id\nNULL\nNA\nnan\n", ["NULL", "NA", "nan"]),
    "quoted.csv": (
        b'title,job_id\r\n"one, ""two""\nthree",a\r\n\r\n"",\xe2\x82\xac\r\n',
        ["a", "\u20ac"],
    ),
    "windows.csv": (b'\xef\xbb\xbf"job_id",n\r\na,1\r\n', ["a"]),
    "header.csv": (b"job_id,title\n", []),
    "wide.csv": (b"job_id,title\na," + b"x" * 3_000_000 + b"\nb,\n", ["a", "b"]),
    "unread.csv": (b"job_id,title\na,\xff\xfe\n", ["a"]),
    "plain.jsonl": (b'{"job_id":"a"}\n{"n":1,"job_id":"00123"}\n', ["a", "00123"]),
    "windows.jsonl": (b'\xef\xbb\xbf{"job_id":"a"}\r\n\r\n{"job_id":" b "}', ["a", "b"]),
    "separator.jsonl": ('{"job_id":"a","t":"\u2028"}\n{"job_id":"b"}'.encode(), ["a", "b"]),
    "string.parquet": (_parquet(pa.array(["00123", "b"])), ["00123", "b"]),
    "large.parquet": (_parquet(pa.array(["a", "b"], pa.large_string())), ["a", "b"]),
    "dictionary.parquet": (
        _parquet(pa.array(["a", "b", "a"]).dictionary_encode()),
        ["a", "b"],
    ),
    "none.parquet": (_parquet(pa.array([], pa.string())), []),
}


@pytest.mark.parametrize("name", LEDGERS)
def test_reads_every_kind_to_the_letter(storage: Storage, name: str) -> None:
    """Ids come out as they stand, whatever wrote the file; nothing becomes a number or a NULL."""
    content, expected = LEDGERS[name]
    storage.write_bytes(f"ledger/{name}", content)
    assert ledger.read_ledger(storage) == expected


def test_each_job_is_known_once_in_the_order_of_files(storage: Storage) -> None:
    """A job in several files or lines is one job, at its first place."""
    storage.write_bytes("ledger/b.csv", b"job_id\nc\na\n")
    storage.write_bytes("ledger/a.txt", b"b\na\nb\n")
    storage.write_bytes("ledger/2026/01.jsonl", b'{"job_id":"d"}\n{"job_id":"c"}\n')
    assert ledger.read_ledger(storage) == ["d", "c", "b", "a"]


def test_no_ledger_knows_no_job(storage: Storage) -> None:
    """A lake without a ledger is fine: no job is known."""
    assert ledger.read_ledger(storage) == []


def test_hidden_files_are_passed_over(storage: Storage) -> None:
    """Files that tools leave behind, themselves hidden or in hidden folders, are no ledgers."""
    storage.write_bytes("ledger/a.txt", b"a\n")
    for path in (".DS_Store", ".a.txt.swp", ".ipynb_checkpoints/a.csv", "x/.git/config"):
        storage.write_bytes(f"ledger/{path}", b"\x00\xff")
    assert ledger.read_ledger(storage) == ["a"]


SECRET = "S3CRET-content-of-someone"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + SECRET.encode() + bytes(range(256))
NO_LEDGERS = {
    "picture.txt": (PNG, "it is no text in UTF-8"),
    "picture.csv": (PNG, "no job_id"),
    "picture.jsonl": (PNG, "line 1 is not JSON"),
    "picture.parquet": (PNG, "no whole Parquet file"),
    "utf16.txt": (f"a\n{SECRET}".encode("utf-16"), "it is no text in UTF-8"),
    "nul.txt": (b"a\n\x00" + SECRET.encode(), "line 2: '\\x00S3CRET-cont'... is no job id"),
    "spaces.txt": (f"a\nmy job {SECRET}\n".encode(), "line 2: 'my job S3CRE'... is no job id"),
    "tab.txt": (b"a\tb\n", "line 1: 'a\\tb' is no job id"),
    "really.txt": (b"job_id\na\n", "line 1: 'job_id' is no job id but a header: rename the file"),
    "commented.txt": (b"# ours\n\njob_id\na\n", "line 3: 'job_id' is no job id but a header"),
    "comma.txt": (f"a\nb,{SECRET}\n".encode(), "line 2: 'b,S3CRET-con'... is no job id of a .txt"),
    "semicolon.txt": (b"a;b\n", "line 1: 'a;b' is no job id of a .txt"),
    "quoted.txt": (b'"a"\n', "is no job id of a .txt"),
    "lines.txt": (b'{"job_id":"a"}\n', "rename the file to .csv or .jsonl if it is one"),
    "too_long.txt": (b"y" * 257, "line 1: 'yyyyyyyyyyyy'... is no job id"),
    "other.csv": (f"id,title\n1,{SECRET}\n".encode(), "its header has no job_id"),
    "semicolon.csv": (f"title;job_id\n{SECRET};a\n".encode(), "its header has no job_id"),
    "empty.csv": (b"", "it is empty, without a header"),
    "ragged.csv": (f"job_id,t\na,b\n{SECRET}\n".encode(), "row 3 has 1 fields, the header 2"),
    "blank.csv": (b"job_id,t\n,b\n", "job 1: '' is no job id"),
    "comment.csv": (b"job_id\n#a\n", "job 1: '#a' is no job id"),
    "open.csv": (f'job_id,t\na,"{SECRET}\nb,c\n'.encode(), "a double quote is opened"),
    "latin.csv": (b"job_id\n\xe9" + SECRET.encode(), "it is no CSV in UTF-8"),
    "broken.jsonl": (
        f'{{"job_id":"a"}}\n{{"job_id":"b"}}\n{{"job_id":"{SECRET}\n'.encode(),
        "line 3 is not JSON",
    ),
    "number.jsonl": (b'{"job_id":"a"}\n\n{"job_id":123456}\n', "line 3: job_id is no text"),
    "null.jsonl": (b'{"job_id":null}\n', "line 1: no job_id: give it"),
    "list.jsonl": (f'["{SECRET}"]\n'.encode(), "line 1 is no object with a job_id"),
    "other.jsonl": (f'{{"id":"{SECRET}"}}\n'.encode(), "line 1 is no object with a job_id"),
    "control.jsonl": (b'{"job_id":"a\\u0000b"}\n', "line 1: 'a\\x00b' is no job id"),
    "other.parquet": (_parquet(pa.array([SECRET]), SECRET), "it has no column job_id"),
    "number.parquet": (_parquet(pa.array([1, 2])), "job 1: job_id is no text"),
    "null.parquet": (_parquet(pa.array(["a", None])), "job 2: no job_id: give it"),
    "binary.parquet": (_parquet(pa.array([SECRET.encode()])), "job 1: job_id is no text"),
    "cut.parquet": (_parquet(pa.array([SECRET] * 99))[:-30], "no whole Parquet file"),
    "empty.parquet": (b"", "no whole Parquet file"),
    "book.xlsx": (b"PK\x03\x04" + SECRET.encode(), "expected one of .txt, .csv, .jsonl, .parquet"),
    "nothing": (SECRET.encode(), "expected one of .txt, .csv, .jsonl, .parquet"),
}


@pytest.mark.parametrize("name", NO_LEDGERS)
def test_what_is_no_ledger_is_named_with_the_remedy(
    tmp_path: Path, storage: Storage, name: str
) -> None:
    """One line says which file, where, what and the remedy, and shows a few letters at most."""
    content, expected = NO_LEDGERS[name]
    storage.write_bytes("ledger/a good one.txt", b"a\n")
    storage.write_bytes(f"ledger/{name}", content)
    before = tree(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        ledger.read_ledger(storage)
    said = str(caught.value)
    assert said.startswith(f"ledger/{name}")
    assert expected in said
    assert any(r in said for r in ("correct", "move it away", "remove the line", "rename the file"))
    assert SECRET not in said
    assert len(said) < 250
    assert said.isprintable()
    assert tree(tmp_path) == before


def test_a_link_to_nothing_is_named(tmp_path: Path, storage: Storage) -> None:
    """A ledger that is a link to a file that is gone is an error, not a ledger without jobs."""
    storage.write_bytes("ledger/a.txt", b"a\n")
    (tmp_path / "ledger" / ".#a.txt").symlink_to("someone@host.17")  # an editor's lock
    assert ledger.read_ledger(storage) == ["a"]
    (tmp_path / "ledger" / "more.txt").symlink_to(tmp_path / "gone.txt")
    with pytest.raises(ConfigurationError, match=r"ledger/more\.txt is a link to nothing"):
        ledger.read_ledger(storage)
    (tmp_path / "gone.txt").write_text("b\n")
    assert ledger.read_ledger(storage) == ["a", "b"]


def test_what_a_txt_may_not_hold_others_may(storage: Storage) -> None:
    """An id is refused only where it shows that the file is of another kind."""
    storage.write_bytes("ledger/a.txt", b"a\njob_id\n")
    storage.write_bytes("ledger/b.csv", b'job_id\n"b,c"\n')
    storage.write_bytes("ledger/c.jsonl", b'{"job_id":"{d}"}\n')
    assert ledger.read_ledger(storage) == ["a", "job_id", "b,c", "{d}"]


def test_adds_only_what_is_new(storage: Storage) -> None:
    """Adding jobs writes a ledger of the unknown ones, each once, in order, and counts them."""
    storage.write_bytes("ledger/a.csv", b"job_id\na\n")
    assert ledger.add_jobs(storage, ["c", "a ", "b", " c"], "more") == 2
    assert storage.read("ledger/more.txt").to_pybytes() == b"c\nb\n"
    assert ledger.read_ledger(storage) == ["a", "c", "b"]


def test_adding_known_jobs_writes_nothing(tmp_path: Path, storage: Storage) -> None:
    """Where every job is known already, no file is made."""
    storage.write_bytes("ledger/a.txt", b"a\n")
    before = tree(tmp_path)
    assert ledger.add_jobs(storage, ["a", "a"], "more") == 0
    assert tree(tmp_path) == before


def test_what_is_added_can_be_read_back(storage: Storage) -> None:
    """The word job_id is refused where it would be the file's first line, and only there."""
    assert ledger.add_jobs(storage, ["a", "job_id"], "one") == 2
    assert ledger.read_ledger(storage) == ["a", "job_id"]
    storage.remove("ledger/one.txt")
    storage.write_bytes("ledger/a.txt", b"a\n")
    with pytest.raises(ConfigurationError, match="the given ids: 'job_id' is no job id"):
        ledger.add_jobs(storage, ["a", "job_id"], "two")
    assert ledger.read_ledger(storage) == ["a"]


@pytest.mark.parametrize("wrong", ["my job", "", "#a", "a\nb", "a,b", '"a"', "{}", "a;b"])
def test_a_wrong_id_adds_nothing(tmp_path: Path, storage: Storage, wrong: str) -> None:
    """One id that could not be read back refuses them all."""
    before = tree(tmp_path)
    with pytest.raises(ConfigurationError, match=r"the given ids: .* is no job id"):
        ledger.add_jobs(storage, ["good", wrong], "more")
    assert tree(tmp_path) == before


def test_a_ledger_file_never_changes(tmp_path: Path, storage: Storage) -> None:
    """Jobs are not added to a file that is there already."""
    ledger.add_jobs(storage, ["a"], "more")
    before = tree(tmp_path)
    with pytest.raises(ConfigurationError, match=r"ledger/more.txt exists already"):
        ledger.add_jobs(storage, ["b"], "more")
    assert tree(tmp_path) == before


def test_a_ledger_lies_on_an_object_store_as_well() -> None:
    """Ledgers are read and added to where there is no folder."""
    storage = ObjectStore().storage()
    storage.write_bytes("ledger/a.csv", b"job_id\na\n")
    assert ledger.add_jobs(storage, ["b"], "more") == 1
    assert ledger.read_ledger(storage) == ["a", "b"]


SUBMITTED = datetime.fromisoformat("2026-01-31T12:00:00")
TIMED = {
    "a.csv": b"job_id,submitted_at\na,2026-01-31T12:00:00Z\nb,\n",
    "a.jsonl": b'{"job_id":"a","submitted_at":"2026-01-31T13:00:00+01:00"}\n{"job_id":"b"}\n',
    "a.parquet": _timed_parquet([SUBMITTED, None]),
}


@pytest.mark.parametrize("name", TIMED)
def test_a_job_is_known_since_it_was_submitted(storage: Storage, name: str) -> None:
    """A line may say when its job was submitted; without it the time of the file counts."""
    before = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=5)
    storage.write_bytes(f"ledger/{name}", TIMED[name])
    known = ledger.read_jobs(storage)
    assert known["a"] == (SUBMITTED, SUBMITTED)
    assert before <= known["b"].since <= datetime.now(UTC).replace(tzinfo=None)
    assert known["b"].told is None


def test_the_earliest_time_of_a_job_counts(storage: Storage) -> None:
    """A job is as old as the oldest of its files says; a future time is not believed."""
    storage.write_bytes("ledger/a.csv", b"job_id,submitted_at\na,2026-02-01\nb,2999-01-01\n")
    storage.write_bytes("ledger/b.csv", b"job_id,submitted_at\na,2026-01-01\n")
    known = ledger.read_jobs(storage)
    assert known["a"].told == datetime.fromisoformat("2026-01-01")
    assert known["b"].since < datetime.fromisoformat("2999-01-01")
    assert known["b"].told is None


def test_a_time_before_there_were_such_jobs_tells_nothing(storage: Storage) -> None:
    """A database's 1970 does not make a job so old that it is given up."""
    storage.write_bytes("ledger/a.csv", b"job_id,submitted_at\na,1970-01-01\nb,2019-12-31\n")
    assert [each.told for each in ledger.read_jobs(storage).values()] == [None, None]


def test_a_file_that_is_merged_while_it_is_read_is_found_again(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that vanish between listing and reading are looked for in what is there then."""
    for number in range(5):
        storage.write_bytes(f"ledger/x/{number}.txt", f"job-{number}\n".encode())
    read = Storage.read

    def merge_first(self: Storage, relative: str) -> pa.Buffer:
        monkeypatch.setattr(Storage, "read", read)
        storage.write_bytes("ledger/x/merged.txt", b"job-0\njob-1\njob-2\njob-3\njob-4\n")
        storage.remove_all([f"ledger/x/{number}.txt" for number in range(4)])
        return read(self, relative)

    monkeypatch.setattr(Storage, "read", merge_first)
    assert set(ledger.read_ledger(storage)) == {f"job-{number}" for number in range(5)}


@pytest.mark.parametrize("wrong", ["yesterday", "31.01.2026", "1767225600"])
def test_a_wrong_time_is_named_with_its_line(storage: Storage, wrong: str) -> None:
    """What is no time is an error that names file, line and an example."""
    storage.write_bytes("ledger/a.csv", f"job_id,submitted_at\na,\nb,{wrong}\n".encode())
    with pytest.raises(ConfigurationError, match=r"ledger/a\.csv, job 2: submitted_at is no time"):
        ledger.read_jobs(storage)


def test_what_is_appended_is_known(tmp_path: Path, storage: Storage) -> None:
    """Records become one file by origin and time; the same ones at one time are that file."""
    records = [
        {"job_id": "a", "event": "smarttag"},
        {"job_id": " b ", "submitted_at": "2026-01-01"},
    ]
    moment = datetime(2026, 2, 1, 3, 4, 5, tzinfo=UTC)
    path = ledger.append(storage, records, "callbacks", now=moment)
    assert path is not None
    assert path.startswith("ledger/callbacks/20260201T030405-")
    before = tree(tmp_path)
    assert ledger.append(storage, records, "callbacks", now=moment) == path
    assert tree(tmp_path) == before
    known = ledger.read_jobs(storage)
    assert known["b"].told == datetime.fromisoformat("2026-01-01")
    assert known["a"].told == moment.replace(tzinfo=None)
    assert ledger.read_ledger(storage) == ["a", "b"]


def test_nothing_appended_is_no_file(tmp_path: Path, storage: Storage) -> None:
    """No records, or a wrong one among them, write nothing."""
    before = tree(tmp_path)
    assert ledger.append(storage, [], "form") is None
    with pytest.raises(ConfigurationError, match="no job id"):
        ledger.append(storage, [{"job_id": "a"}, {"job_id": "b c"}], "form")
    assert tree(tmp_path) == before
