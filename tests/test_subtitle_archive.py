"""From links in a result to rows of `subtitle_lines`: fetched once, kept exactly, loaded."""

from __future__ import annotations

import functools
import hashlib
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from lake_kit import Landing, ObjectStore, lake_of, land, new_home, rows_of, success, tree
from subtitle_server import HOST, FileServer, loopback, sends, serving, status

from transforms import lake, pipeline, raw
from transforms.cli import main
from transforms.cli.subtitles import subtitles_outcome
from transforms.errors import LakeFormatError
from transforms.reports import SubtitleFile, SubtitleReport
from transforms.settings import Settings
from transforms.storage import Storage
from transforms.subtitles import archive
from transforms.subtitles.archive import Fetched
from transforms.subtitles.links import FileKey, digest_of
from transforms.subtitles.outcome import Outcome

SECRET = "s3cr3tSignature"
ALL = "1 00:00:01,000 --> 00:00:02,500 你好\n2 00:00:03,000 --> 00:00:04,000 hello\n".encode()
CHINESE = "1 00:00:01,000 --> 00:00:02,500 你好\nnot a sentence\n".encode()
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def running() -> Iterator[FileServer]:
    """One server for all tests here."""
    with serving() as server:
        yield server


@pytest.fixture
def server(running: FileServer) -> FileServer:
    """The server with the files of one job."""
    running.asked.clear()
    running.answers = {"/all": sends(ALL), "/ch": sends(CHINESE), "/eng": status(403)}
    return running


def reply(server: FileServer, **paths: str) -> bytes:
    """Returns a reply whose one Subtitle result links to these paths, signed."""
    links = {f"{name}ResultUrl": signed(server, path) for name, path in paths.items()}
    return success(("Subtitle", {"details": [links]}))


def signed(server: FileServer, path: str) -> str:
    """Returns a signed link, or none for no path."""
    return f"{server.url(path)}?Signature={SECRET}" if path else ""


def home(tmp_path: Path, server: FileServer, *replies: Landing) -> Settings:
    """Returns the settings of a flattened home, the server being the one allowed host."""
    settings = new_home(tmp_path, replies)
    settings = settings.model_copy(update={"subtitle_hosts": server.hosts})
    pipeline.flatten(settings)
    return settings


def job(server: FileServer) -> Landing:
    """Returns a job with three files: two are there, one has expired."""
    return Landing("a", reply(server, all="/all", ch="/ch", eng="/eng"), NOW)


def fetch(settings: Settings, *, again: bool = False) -> SubtitleReport:
    """Fetches what is missing over the loopback."""
    return pipeline.fetch_subtitles(settings, again=again, network=loopback())


def asked(server: FileServer) -> list[str]:
    """Returns the paths asked for, and forgets them."""
    paths = sorted(path.partition("?")[0] for path, _ in server.asked)
    server.asked.clear()
    return paths


# --- the archive --------------------------------------------------------------------------------


def fetched(name: str, body: bytes | None, **changed: object) -> Fetched:
    """Returns a file of a job of this name."""
    facts = {"fetched_at": NOW, "outcome": Outcome.EXPIRED if body is None else Outcome.ARCHIVED}
    return Fetched(FileKey(name, 0, 0, "all"), digest_of(name), body=body, **facts | changed)  # type: ignore[arg-type]


def write(storage: Storage, *files: Fetched) -> list[str]:
    """Archives files in one batch."""
    return list(archive.write_files(storage, files, 1 << 20))


def test_the_archive_keeps_bytes_and_no_links(tmp_path: Path) -> None:
    """A file comes back byte for byte, with its hash; one that is lost is a row without a body."""
    storage = lake.open_lake(str(tmp_path), create=True)
    [path] = write(storage, fetched("b", None, http_status=404), fetched("a", b"\xff\x00\r\n"))
    assert path.startswith(f"subtitles/month={NOW:%Y-%m}/{NOW:%Y%m%dT%H%M%S}-")
    first, second = pq.read_table(tmp_path / path).to_pylist()
    assert (first["job_id"], first["body"], first["body_bytes"]) == ("a", b"\xff\x00\r\n", 4)
    assert first["body_sha256"] == hashlib.sha256(b"\xff\x00\r\n").hexdigest()
    assert (second["outcome"], second["http_status"], second["body"]) == ("expired", 404, None)
    found = list(archive.read_named(storage, archive.name_rows(archive.read_archived(storage))))
    assert [(each.key.job_id, each.body) for each in found] == [("a", b"\xff\x00\r\n")]


def test_the_index_reads_no_body(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is told from a few columns of each file, however long the bodies are."""
    storage = lake.open_lake(str(tmp_path), create=True)
    write(storage, fetched("a", bytes(500_000)), fetched("b", None))
    monkeypatch.setattr(Storage, "read", lambda *_: pytest.fail("the whole file was read"))
    assert [entry.key.job_id for entry in archive.read_index(storage)] == ["a", "b"]


def test_what_was_archived_counts_whatever_came_later(tmp_path: Path) -> None:
    """A file that expired after it was archived is there still; else the later finding counts."""
    storage = lake.open_lake(str(tmp_path), create=True)
    later = NOW + timedelta(seconds=1)
    write(storage, fetched("a", b"x"), fetched("b", None, outcome=Outcome.REFUSED))
    write(storage, fetched("a", None, fetched_at=later), fetched("b", None, fetched_at=later))
    newest = archive.newest_entries(archive.read_index(storage)).values()
    found = {entry.key.job_id: entry.outcome for entry in newest}
    assert found == {"a": Outcome.ARCHIVED, "b": Outcome.EXPIRED}


def test_rows_are_named_in_one_way(tmp_path: Path) -> None:
    """The same files have the same name as an input, in whatever order they are found."""
    storage = lake.open_lake(str(tmp_path), create=True)
    write(storage, fetched("a", b"x"), fetched("b", b"y"))
    write(storage, fetched("c", b"z"))
    entries = archive.read_archived(storage)
    named = archive.name_rows(entries)
    assert named == archive.name_rows(reversed(entries))
    found = {each.key.job_id: each.body for each in archive.read_named(storage, named)}
    assert found == {"a": b"x", "b": b"y", "c": b"z"}


def test_files_before_an_error_are_kept(tmp_path: Path) -> None:
    """What was fetched before a run breaks off is archived all the same."""
    storage = lake.open_lake(str(tmp_path), create=True)

    def breaking() -> Iterator[Fetched]:
        yield fetched("a", b"x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(archive.write_files(storage, breaking(), 1 << 20))
    assert [entry.key.job_id for entry in archive.read_index(storage)] == ["a"]


def test_batches_end_after_so_many_bytes(tmp_path: Path) -> None:
    """A long run writes as it goes, not in the end."""
    storage = lake.open_lake(str(tmp_path), create=True)
    files = (fetched(name, b"xxxx") for name in "abc")
    assert len(list(archive.write_files(storage, files, 8))) == 2


@pytest.mark.parametrize("content", [b"not parquet", None])
def test_a_damaged_archive_says_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    """A file that cannot be read, or holds something else, stops flattening with the remedy."""
    storage = lake.open_lake(str(tmp_path), create=True)
    [path] = write(storage, fetched("a", b"x"))
    if content is None:
        pq.write_table(pq.read_table(tmp_path / path).select(["job_id"]), tmp_path / path)
    else:
        (tmp_path / path).write_bytes(content)
    with pytest.raises(LakeFormatError, match="cognition subtitles fetch"):
        archive.read_index(storage)
    (tmp_path / path).unlink()
    with pytest.raises(LakeFormatError, match="restore it from a copy"):
        list(archive.read_named(storage, f"{path}:0"))


def test_an_object_store_holds_the_archive_too() -> None:
    """Where there are no folders, files are written and found the same way."""
    storage = ObjectStore().storage()
    write(storage, fetched("a", b"x"))
    [entry] = archive.read_archived(storage)
    assert [each.body for each in archive.read_named(storage, archive.name_rows([entry]))] == [b"x"]


# --- what is fetched ----------------------------------------------------------------------------


def test_each_file_is_asked_for_once(tmp_path: Path, server: FileServer) -> None:
    """Two files come, one is gone for good; the second run asks nobody."""
    settings = home(tmp_path, server, job(server))
    first = fetch(settings)
    assert (first.known, first.archived, first.expired, first.failed) == (3, 2, 1, 0)
    assert first.bytes == len(ALL) + len(CHINESE)
    assert first.reasons == {f"{HOST} answered 403": 1}
    lost = SubtitleFile("a", 0, 0, "english", "expired", f"{HOST} answered 403")
    assert (first.files, first.more_files) == ((lost,), 0)
    assert len(first.archive_files) == 1
    assert asked(server) == ["/all", "/ch", "/eng"]
    second = fetch(settings)
    assert second == SubtitleReport(known=3, archived_before=2, given_up=1)
    assert asked(server) == []


def test_passing_trouble_is_tried_again_next_time(tmp_path: Path, server: FileServer) -> None:
    """A server that is down leaves no mark in the archive, and is asked again."""
    server.answers["/all"] = status(503)
    settings = home(tmp_path, server, Landing("a", reply(server, all="/all"), NOW))
    first = fetch(settings)
    assert (first.failed, first.archive_files) == (1, ())
    assert first.reasons == {f"{HOST} answered 503": 1}
    server.answers["/all"] = sends(ALL)
    assert fetch(settings).archived == 1
    assert asked(server) == ["/all", "/all"]


def test_links_that_expire_soon_are_pointed_out(tmp_path: Path, server: FileServer) -> None:
    """A link lives half a year at most from when its job was asked about."""
    server.answers["/all"] = status(503)
    replies = [
        Landing("old", reply(server, all="/all"), NOW - timedelta(days=151)),
        Landing("new", reply(server, all="/all"), NOW - timedelta(days=149)),
    ]
    report = fetch(home(tmp_path, server, *replies))
    assert (report.failed, report.expiring_soon) == (2, 1)
    dies = (NOW + timedelta(days=29)).replace(tzinfo=None)
    assert report.expires_by == dies.isoformat()
    told = subtitles_outcome(report, strict=False).warnings[1]
    assert told.startswith("1 of those that failed have links that expire within 30 days")
    assert f"{dies:%Y-%m-%d}" in told


def test_what_the_rules_refused_is_tried_under_other_rules(
    tmp_path: Path, server: FileServer
) -> None:
    """A refusal holds as long as the list of hosts and the size do."""
    settings = home(tmp_path, server, Landing("a", reply(server, all="/all"), NOW))
    strict = settings.model_copy(update={"subtitle_max_bytes": 10})
    assert (fetch(strict).refused, fetch(strict).given_up) == (1, 1)
    assert asked(server) == ["/all"]
    elsewhere = settings.model_copy(update={"subtitle_hosts": "*.aliyuncs.com"})
    report = fetch(elsewhere)
    assert (report.refused, report.unasked) == (1, 1)
    assert asked(server) == []
    assert fetch(settings).archived == 1


def test_lost_files_are_asked_for_again_on_request(tmp_path: Path, server: FileServer) -> None:
    """`again` asks for what had expired, and leaves alone what is archived."""
    settings = home(tmp_path, server, job(server))
    fetch(settings)
    asked(server)
    server.answers["/eng"] = sends(ALL)
    assert fetch(settings, again=True).archived == 1
    assert asked(server) == ["/eng"]


def test_a_link_signed_anew_is_tried_anew(tmp_path: Path, server: FileServer) -> None:
    """A newer reply revives what had expired, and does not fetch twice what is archived."""
    settings = home(tmp_path, server, job(server))
    fetch(settings)
    asked(server)
    body = job(server).body.replace(SECRET.encode(), b"signedAnew")
    land(lake_of(settings), Landing("a", body, NOW + timedelta(days=1)))
    pipeline.flatten(settings)
    fetch(settings)
    assert asked(server) == ["/eng"]


def test_empty_and_absent_links_are_no_files(tmp_path: Path, server: FileServer) -> None:
    """A language without subtitles has an empty link, or none."""
    settings = home(tmp_path, server, Landing("a", reply(server, all="/all", ch=""), NOW))
    assert fetch(settings).known == 1


def test_more_files_than_are_fetched_at_once(tmp_path: Path, server: FileServer) -> None:
    """However many files there are, each is fetched and told of once."""
    replies = [Landing(f"job{n}", reply(server, all="/all"), NOW) for n in range(9)]
    told: list[tuple[str, int, int | None]] = []
    report = pipeline.fetch_subtitles(
        home(tmp_path, server, *replies),
        progress=lambda *each: told.append(each),
        network=loopback(),
    )
    assert report.archived == 9
    assert told == [("subtitles", done, 9) for done in range(10)]


# --- rows ---------------------------------------------------------------------------------------


def test_from_a_link_to_rows_of_the_warehouse(tmp_path: Path, server: FileServer) -> None:
    """Fetched, flattened and loaded, a sentence is a row, and a bad line is in quarantine."""
    settings = home(tmp_path, server, job(server))
    assert pipeline.stale_batches(settings) == []
    fetch(settings)
    assert len(pipeline.stale_batches(settings)) == 1
    assert pipeline.status(settings).stale_batches == 1
    report = pipeline.flatten(settings)
    assert (report.rows["subtitle_lines"], report.quarantined) == (3, 1)
    pipeline.load(settings)
    lines = pipeline.query(settings, "FROM subtitle_lines ORDER BY ALL").to_pylist()
    assert [tuple(row.values()) for row in lines] == [
        ("a", 0, 0, "all", 0, 1, 1.0, 2.5, "你好"),
        ("a", 0, 0, "all", 1, 2, 3.0, 4.0, "hello"),
        ("a", 0, 0, "chinese", 0, 1, 1.0, 2.5, "你好"),
    ]
    asks = "SELECT table_name, scope, reason, message, pointer, fragment FROM quarantine"
    [bad] = pipeline.query(settings, asks).to_pylist()
    assert tuple(bad.values()) == (
        "subtitle_lines",
        "row",
        "unreadable",
        "line 2 of the subtitle file: no serial number and time range",
        "/details/0/chResultUrl",
        "not a sentence",
    )
    [result] = pipeline.query(settings, "SELECT state, quarantined_count FROM results").to_pylist()
    assert result == {"state": "partly_loaded", "quarantined_count": 1}
    [commit] = lake.read_commits(lake_of(settings)).values()
    assert commit.totals["subtitle_lines"] == {"source": 4, "loaded": 3, "quarantined": 1}


def test_a_second_round_changes_nothing(tmp_path: Path, server: FileServer) -> None:
    """Fetching, flattening and loading again leaves every byte of the lake as it is."""
    settings = home(tmp_path, server, job(server))
    for _ in range(2):
        fetch(settings)
        report = pipeline.flatten(settings)
        before = tree(settings.home / "lake")
    assert (report.batches, report.unchanged) == (0, 1)
    storage = lake_of(settings)
    storage.remove(lake.marker_path(min(lake.read_commits(storage))))
    assert pipeline.flatten(settings).batches == 1
    assert tree(settings.home / "lake") == before


def test_batches_without_archived_files_are_not_made_again(
    tmp_path: Path, server: FileServer
) -> None:
    """Only the batch whose files came is stale; the marker of another names no such input."""
    other = Landing("b", success(("Meta", {"title": "B"})), NOW - timedelta(days=40))
    settings = home(tmp_path, server, job(server), other)
    fetch(settings)
    [stale] = pipeline.stale_batches(settings)
    assert raw.read_raw(lake_of(settings), stale)["job_id"].to_pylist() == ["a"]
    pipeline.flatten(settings)
    inputs = [commit.inputs for commit in lake.read_commits(lake_of(settings)).values()]
    assert ["subtitles" in each for each in inputs] == [False, True]


def test_files_of_a_link_that_no_longer_counts_have_no_rows(
    tmp_path: Path, server: FileServer
) -> None:
    """When a newer reply links elsewhere, what the old link held stays out of the rows."""
    settings = home(tmp_path, server, Landing("a", reply(server, all="/all"), NOW))
    fetch(settings)
    pipeline.flatten(settings)
    land(lake_of(settings), Landing("a", reply(server, all="/ch"), NOW + timedelta(seconds=1)))
    pipeline.flatten(settings)
    assert rows_of(lake_of(settings), "subtitle_lines") == []
    fetch(settings)
    pipeline.flatten(settings)
    assert [row["text"] for row in rows_of(lake_of(settings), "subtitle_lines")] == ["你好"]


def test_rows_are_sorted_by_key(tmp_path: Path, server: FileServer) -> None:
    """Rows lie in the order of their keys, in whatever order the files were fetched."""
    replies = [
        Landing("b", reply(server, all="/all"), NOW - timedelta(minutes=1)),
        Landing("a", reply(server, ch="/all", all="/all"), NOW),
    ]
    settings = home(tmp_path, server, *replies)
    fetch(settings.model_copy(update={"batch_bytes": 1}))
    pipeline.flatten(settings)
    rows = rows_of(lake_of(settings), "subtitle_lines")
    keys = [(row["job_id"], row["language"], row["line_index"]) for row in rows]
    assert keys == sorted(keys)
    assert len(keys) == 6


def test_the_archive_survives_what_takes_batches_away(tmp_path: Path, server: FileServer) -> None:
    """When raw is gone its batches go; archived files stay, and the lake is still a lake."""
    settings = home(tmp_path, server, job(server))
    fetch(settings)
    pipeline.flatten(settings)
    storage = lake_of(settings)
    files = archive.list_archive(storage)
    storage.remove(raw.list_raw(storage)[0])
    assert pipeline.prepare_flatten(settings) == []
    assert archive.list_archive(lake.open_lake(settings.lake_root)) == files
    assert pipeline.status(settings).batches == 0


# --- what is told -------------------------------------------------------------------------------


def test_no_signature_is_written_or_told(
    tmp_path: Path,
    server: FileServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither the warehouse nor the archive nor any message holds what opens a link."""
    server.answers["/all"] = status(302, Location=f"https://evil.example/x?{SECRET}")
    settings = home(tmp_path, server, job(server))
    pipeline.flatten(settings)
    monkeypatch.setattr(
        pipeline,
        "fetch_subtitles",
        functools.partial(pipeline.fetch_subtitles, network=loopback()),
    )
    monkeypatch.setenv("COGNITION_SUBTITLE_HOSTS", server.hosts)
    for words in ("subtitles fetch --json -v", "subtitles fetch", "flatten", "load", "status"):
        assert main([*words.split(), "--home", str(settings.home)]) == 0
    told = capsys.readouterr()
    assert "evil.example is not in COGNITION_SUBTITLE_HOSTS" in told.err
    assert SECRET not in told.out + told.err
    places = [*settings.home.glob("warehouse/**/*"), *settings.home.glob("lake/subtitles/**/*")]
    files = [path for path in places if path.is_file()]
    assert len(files) >= 3
    assert [path.name for path in files if SECRET.encode() in path.read_bytes()] == []


def test_the_command_says_what_to_do_next(
    tmp_path: Path,
    server: FileServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Counts, reasons and the next command for people; one document for programs; exit codes."""
    settings = home(tmp_path, server, job(server))
    over = functools.partial(pipeline.fetch_subtitles, network=loopback())
    monkeypatch.setattr(pipeline, "fetch_subtitles", over)
    monkeypatch.setenv("COGNITION_SUBTITLE_HOSTS", server.hosts)
    words = ["subtitles", "fetch", "--home", str(settings.home)]
    assert main([*words, "--strict"]) == 1
    told = capsys.readouterr()
    assert "2 of 3 files archived" in told.out
    assert "cognition flatten, then cognition load" in told.out
    assert f"warning: job a: {HOST} answered 403; ask again with --again\n" in told.err
    assert main(words) == 0
    assert "nothing to fetch: 2 archived, 1 given up" in capsys.readouterr().out
    assert main([*words, "--json", "--again"]) == 0
    assert json.loads(capsys.readouterr().out)["expired"] == 1


@pytest.mark.parametrize(
    ("report", "strict", "code"),
    [
        (SubtitleReport(), True, 0),
        (SubtitleReport(known=2, archived_before=2), True, 0),
        (SubtitleReport(known=2, archived=1, failed=1), False, 0),
        (SubtitleReport(known=2, archived=1, failed=1), True, 1),
        (SubtitleReport(known=2, failed=2), False, 3),
        (SubtitleReport(known=1, refused=1), False, 0),
        (SubtitleReport(known=1, refused=1, unasked=1), True, 1),
        (SubtitleReport(known=2, failed=1, refused=1), False, 0),
        (SubtitleReport(known=2, failed=1, refused=1, unasked=1), False, 3),
        (SubtitleReport(known=2, failed=1, expired=1), False, 0),
    ],
)
def test_exit_codes(report: SubtitleReport, *, strict: bool, code: int) -> None:
    """Failures without an answer are the source's; what our own rules refused is no answer."""
    assert subtitles_outcome(report, strict=strict).code == code


def test_nobody_asked_is_a_failure(tmp_path: Path, server: FileServer) -> None:
    """A host without an address, beside links our rules refuse, is exit code 3 with remedies."""
    elsewhere = {"all": "https://evil.example/all?s3cr3t", "ch": server.url("/ch")}
    links = {f"{name}ResultUrl": url for name, url in elsewhere.items()}
    replies = [Landing(name, success(("Subtitle", {"details": [links]})), NOW) for name in "ab"]
    settings = home(tmp_path, server, *replies)

    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, f"no {host}")

    report = pipeline.fetch_subtitles(settings, network=loopback(unknown))
    outcome = subtitles_outcome(report, strict=False)
    assert (report.failed, report.refused, report.unasked, outcome.code) == (2, 2, 2, 3)
    refused, failed = sorted(outcome.warnings)
    remedy = "correct COGNITION_SUBTITLE_HOSTS, or ask again with --again"
    reason = "evil.example is not in COGNITION_SUBTITLE_HOSTS"
    assert refused == f"job a and 1 more file: {reason}; {remedy}"
    remedy = "run `cognition subtitles fetch` again"
    assert failed == f"job a and 1 more file: {HOST} cannot be resolved; {remedy}"
    assert asked(server) == []


def test_few_files_are_named_and_all_are_counted(tmp_path: Path, server: FileServer) -> None:
    """A hundred files are named one by one, the others counted; no link is in any of it."""
    replies = [Landing(f"job{n:03}", reply(server, all="/gone"), NOW) for n in range(102)]
    report = fetch(home(tmp_path, server, *replies))
    assert report.expired == 102
    assert (len(report.files), report.more_files) == (100, 2)
    assert [each.job_id for each in report.files] == [f"job{n:03}" for n in range(100)]
    (told,) = subtitles_outcome(report, strict=False).warnings
    assert told == f"job job000 and 101 more files: {HOST} answered 404; ask again with --again"


def test_few_reasons_are_told_and_the_rest_counted() -> None:
    """Five reasons are told with a job each; of the others people read how many there are."""
    files = [SubtitleFile(f"j{n}", 0, 0, "all", "failed", f"h{n} failed") for n in range(8)]
    reasons = {each.reason: 1 for each in files} | {"h7 failed": 3}
    report = SubtitleReport(known=10, failed=10, files=tuple(files), reasons=reasons)
    *told, rest = subtitles_outcome(report, strict=False).warnings
    assert told[0] == "job j7 and 2 more files: h7 failed; run `cognition subtitles fetch` again"
    assert len(told) == 5
    assert rest == "3 more files not archived for 3 other reasons; --json has the count of each"


@pytest.mark.parametrize("text", ["", "*.com", "https://files.example"])
def test_a_wrong_list_of_hosts_is_a_wrong_setting(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list that allows nothing sensible is refused by the name of its setting; empty is unset."""
    monkeypatch.setenv("COGNITION_SUBTITLE_HOSTS", text)
    if not text:
        assert Settings().subtitle_hosts == "*.aliyuncs.com"
        return
    assert main(["subtitles", "fetch"]) == 2
    assert capsys.readouterr().err.startswith("error: COGNITION_SUBTITLE_HOSTS: ")


def test_two_forms_of_a_list_are_one_set_of_rules() -> None:
    """Order, commas and case of the list do not count as other rules."""
    one, other = (
        Settings(subtitle_hosts=t) for t in ("B.example, a.example", "a.example b.example")
    )
    assert one.subtitle_hosts == other.subtitle_hosts == "a.example b.example"
