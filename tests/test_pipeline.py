"""The steps that need no service: import, flatten, what is pending, and what a reply counts as."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lake_kit import (
    Landing,
    lake_of,
    land,
    new_home,
    rows_of,
    run_python,
    success,
    titled,
    tree,
)

from transforms import lake, pipeline, raw
from transforms.errors import ConfigurationError
from transforms.reports import FlattenReport, ImportReport, Skipped
from transforms.settings import MIB, Settings, SourceSettings
from transforms.source import is_final

PROCESSING = b'{"JobStatus":"Processing","JobId":"waiting"}'
FAILED = b'{"JobStatus":"Fail","JobId":"failed"}'
REFUSED = b'{"Code":"JobNotFound","Message":"no such job"}'


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Returns the settings of a home that is not there yet."""
    return Settings(home=tmp_path / "home", batch_bytes=MIB)


def _named(body: bytes, job_id: object) -> bytes:
    return json.dumps(json.loads(body) | {"JobId": job_id}).encode()


def _asset(status: str | None, job_id: str | None) -> bytes:
    """Returns a reply of GetMediaInfo."""
    job = {"Status": status, "AiJobId": job_id, "ResultUrl": "https://host/?Signature=S3CRET"}
    rough = {"StandardSmartTagJob": {k: v for k, v in job.items() if v is not None}}
    return json.dumps({"MediaInfo": {"MediaId": "media", "AiRoughData": rough}}).encode()


def _save(folder: Path, name: str, body: bytes) -> Path:
    path = folder / name
    path.write_bytes(body)
    return path


def _landed(settings: Settings) -> dict[str, bytes]:
    storage = lake_of(settings)
    tables = [raw.read_raw(storage, file) for file in raw.list_raw(storage)]
    return {row["job_id"]: row["body"] for table in tables for row in table.to_pylist()}


@pytest.mark.parametrize(
    ("name", "body", "given", "expected"),
    [
        ("stem.json", _named(titled("A"), "own"), "given", "given"),
        ("stem.json", _named(titled("A"), "own"), None, "own"),
        ("stem.json", _named(titled("A"), " own "), None, "own"),
        ("stem.json", titled("A"), None, "stem"),
        ("stem.json", _named(titled("A"), ""), None, "stem"),
        ("stem.json", _named(titled("A"), 17), None, "stem"),
        ("stem.json", _named(titled("A"), None), None, "stem"),
        ("ab.12.reply.json", titled("A"), None, "ab.12.reply"),
        ("no_suffix", titled("A"), None, "no_suffix"),
        ("stem.json", b'{"statusCode":200,"body":%s}' % _named(titled("A"), "own"), None, "own"),
        ("stem.json", _asset("AnalyzeSuccess", "job"), None, "job"),
        ("stem.json", _asset("AnalyzeSuccess", None), None, "media"),
        ("stem.json", _asset("AnalyzeFailed", "job"), "given", "given"),
        ("stem.json", b'{"body":%s}' % _asset("AnalyzeFailed", "job"), None, "job"),
    ],
)
def test_a_saved_reply_finds_its_job(  # noqa: PLR0913, PLR0917 - one case is told by all of them
    tmp_path: Path, settings: Settings, name: str, body: bytes, given: str | None, expected: str
) -> None:
    """The job is the one given, else the one the reply names, else the stem; bytes stay exact."""
    file = _save(tmp_path, name, body)
    assert pipeline.import_replies(settings, [file], job_id=given).landed == 1
    assert _landed(settings) == {expected: body}


def test_an_import_says_what_became_of_each_file(tmp_path: Path, settings: Settings) -> None:
    """Final replies land, failed and refused ones too; those still under way are named."""
    files = [
        _save(tmp_path, "a.json", titled("A")),
        _save(tmp_path, "waiting.json", PROCESSING),
        _save(tmp_path, "failed.json", FAILED),
        _save(tmp_path, "refused.json", REFUSED),
    ]
    report = pipeline.import_replies(settings, files)
    waiting = Skipped("waiting", "not final yet, its JobStatus is Processing")
    assert (report.landed, report.unchanged, report.skipped) == (3, 0, (waiting,))
    assert list(report.raw_files) == raw.list_raw(lake_of(settings))
    assert _landed(settings) == {"a": titled("A"), "failed": FAILED, "refused": REFUSED}
    (rows,) = [raw.read_raw(lake_of(settings), file).to_pylist() for file in report.raw_files]
    assert {row["origin"] for row in rows} == {"import"}
    assert {row["http_status"] for row in rows} == {None}
    age = datetime.now(UTC).replace(tzinfo=None) - rows[0]["queried_at"]
    assert timedelta(0) <= age < timedelta(minutes=5)


@pytest.mark.parametrize("job_id", ["own", None])
def test_the_job_id_of_a_saved_reply_is_a_known_key(
    tmp_path: Path, settings: Settings, job_id: str | None
) -> None:
    """The JobId an import reads is nothing new: it is not told as a key no schema names."""
    pipeline.import_replies(settings, [_save(tmp_path, "a.json", _named(titled("A"), job_id))])
    report = pipeline.flatten(settings)
    assert (report.results, report.unmapped, report.quarantined) == (1, 0, 0)
    (job,) = rows_of(lake_of(settings), "jobs")
    assert (job["job_id"], job["state"]) == (job_id or "a", "loaded")


def test_importing_again_changes_nothing(tmp_path: Path, settings: Settings) -> None:
    """The same bytes of a job land once, in one import or in two."""
    first = _save(tmp_path, "a.json", _named(titled("A"), "a"))
    copy = _save(tmp_path, "copy of a.json", first.read_bytes())
    assert pipeline.import_replies(settings, [first, copy]).landed == 1
    pipeline.flatten(settings)
    before = tree(settings.home)
    assert pipeline.import_replies(settings, [copy, first]) == ImportReport(0, 2, (), ())
    assert pipeline.flatten(settings) == FlattenReport(unchanged=1)
    assert tree(settings.home) == before


def test_importing_other_bytes_replaces_the_job(tmp_path: Path, settings: Settings) -> None:
    """A job imported again with another reply is in the lake once, with the newer one."""
    for title in ("old", "new"):
        file = _save(tmp_path, "a.json", titled(title))
        assert pipeline.import_replies(settings, [file]).landed == 1
        pipeline.flatten(settings)
    storage = lake_of(settings)
    assert len(raw.list_raw(storage)) == 2
    assert [row["job_id"] for row in rows_of(storage, "jobs")] == ["a"]
    assert [row["title"] for row in rows_of(storage, "meta_titles")] == ["new"]


def test_an_old_reply_imported_again_counts_again(tmp_path: Path, settings: Settings) -> None:
    """Importing a reply that was superseded brings it back: the last import counts."""
    for title in ("one", "two", "one"):
        file = _save(tmp_path, "a.json", titled(title))
        assert pipeline.import_replies(settings, [file]).landed == 1
    pipeline.flatten(settings)
    assert [row["title"] for row in rows_of(lake_of(settings), "meta_titles")] == ["one"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("batch_bytes", [1, MIB])
def test_of_two_files_of_a_job_the_later_counts(
    tmp_path: Path, settings: Settings, order: tuple[int, ...], batch_bytes: int
) -> None:
    """In one import, the later file of a job counts, even where each fills a batch of its own."""
    titles = [f"title {n}" for n in order]
    files = [_save(tmp_path, f"{n}.json", _named(titled(t), "a")) for n, t in enumerate(titles)]
    small = settings.model_copy(update={"batch_bytes": batch_bytes})
    assert pipeline.import_replies(small, files).landed == 3
    pipeline.flatten(small)
    assert [row["title"] for row in rows_of(lake_of(small), "meta_titles")] == [titles[-1]]


THROTTLED = b'{"Code":"Throttling.User","Message":"slow down"}'
FIVE = success(*(("Meta", {"title": str(n)}) for n in range(5)))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (THROTTLED, "Throttling.User: no answer about the job, ask the service again"),
        (b'{"code":"InternalError"}', "InternalError: no answer about the job"),
        (b'{"Code":"ServiceUnavailable","JobStatus":null}', "ServiceUnavailable: no answer"),
        (b'{"Code":"Forbidden.RAM"}', "Forbidden.RAM: the service refused whoever asked"),
        (b'{"Code":"SignatureDoesNotMatch"}', "SignatureDoesNotMatch: the service refused"),
        (b'{"JobStatus":"Submitted"}', "not final yet, its JobStatus is Submitted"),
        (b'{"JobStatus":"success"}', "its JobStatus 'success' is not known"),
        (b'{"body":{"JobStatus":"Processing"}}', "not final yet, its JobStatus is Processing"),
        (_asset("Analyzing", "a"), "not final yet, its Status is Analyzing"),
        (_asset("Waiting\x1b", "a"), "its Status 'Waiting\\x1b' is not known, so it may not be"),
        (_asset(None, "a"), "its MediaInfo has no tagging job with a Status"),
        (b'{"MediaInfo":{"MediaId":"a","AiRoughData":null}}', "its MediaInfo has no tagging job"),
        (b'{"MediaInfo":{"MediaId":"a"},"Code":"Throttling"}', "Throttling: no answer about"),
        (b'{"JobStatus":"Canceled\\u001b[2J"}', "its JobStatus 'Canceled\\x1b[2J' is not known"),
    ],
)
@pytest.mark.parametrize("held", [True, False])
def test_a_saved_reply_that_answers_nothing_is_skipped(
    tmp_path: Path, settings: Settings, body: bytes, why: str, *, held: bool
) -> None:
    """Errors that may pass, and states that are not final, close no job and replace no reply."""
    if held:
        land(lake.open_lake(settings.lake_root, create=True), Landing("a", FIVE))
    report = pipeline.import_replies(settings, [_save(tmp_path, "a.json", body)])
    (skipped,) = report.skipped
    assert (report.landed, report.unchanged, report.raw_files) == (0, 0, ())
    assert skipped.job_id == "a"
    assert skipped.reason.startswith(why)
    assert _landed(settings) == ({"a": FIVE} if held else {})


@pytest.mark.parametrize("body", [REFUSED, b'{"Results":null}', b'{"JobStatus":7}'])
def test_an_error_never_replaces_a_reply_with_a_status(
    tmp_path: Path, settings: Settings, body: bytes
) -> None:
    """A job that once had a JobStatus keeps it, however the reply without one came to be saved."""
    file = _save(tmp_path, "a.json", body)
    assert pipeline.import_replies(settings, [file]).landed == 1
    later = _save(tmp_path, "better.json", FIVE)
    assert pipeline.import_replies(settings, [later], job_id="a").landed == 1
    before = tree(settings.home)
    newer = _save(tmp_path, "a.json", body + b" ")
    report = pipeline.import_replies(settings, [newer, _save(tmp_path, "b.json", body)])
    assert report.skipped == (Skipped("a", "it has no JobStatus, and a reply with one is there"),)
    assert report.landed == 1
    assert _landed(settings).keys() == {"a", "b"}
    pipeline.flatten(settings)
    assert len(rows_of(lake_of(settings), "meta_titles")) == 5
    assert before.items() <= tree(settings.home).items()


@pytest.mark.parametrize("names", [("1.json", "2.json"), ("2.json", "1.json")])
def test_an_error_yields_to_a_status_in_one_import(
    tmp_path: Path, settings: Settings, names: tuple[str, str]
) -> None:
    """Of two files of a job, the one with a JobStatus lands, in whatever order they are given."""
    _save(tmp_path, "1.json", _named(FIVE, "a"))
    _save(tmp_path, "2.json", _named(REFUSED, "a"))
    report = pipeline.import_replies(settings, [tmp_path / name for name in names])
    assert (report.landed, [skipped.job_id for skipped in report.skipped]) == (1, ["a"])
    assert _landed(settings) == {"a": _named(FIVE, "a")}


def test_a_message_shows_no_key_of_the_lake(tmp_path: Path) -> None:
    """A raw file that is not there is told without the keys in the lake's URI."""
    new_home(tmp_path, [Landing("a", titled("A"))])
    settings = Settings(lake=f"file://{tmp_path}/lake?secret_key=S3CRET")
    with pytest.raises(ConfigurationError) as caught:
        pipeline.flatten_batches(settings, ["raw/nothing.parquet"])
    assert "S3CRET" not in str(caught.value)


def _missing(folder: Path) -> Path:
    return folder / "missing.json"


def _directory(folder: Path) -> Path:
    (folder / "folder.json").mkdir()
    return folder / "folder.json"


def _file(body: bytes, name: str = "wrong.json") -> Callable[[Path], Path]:
    return lambda folder: _save(folder, name, body)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_missing, "No such file or directory"),
        (_directory, "Is a directory"),
        (_file(b""), "is not JSON"),
        (_file(b"<html>502 S3CRET</html>"), "is not JSON"),
        (_file(titled("S3CRET")[:-1]), "is not JSON"),
        (_file(titled("A") * 2), "is not JSON"),
        (_file(b'{"JobStatus": "Success\xff"}'), "is not JSON"),
        (_file(b"[" + titled("S3CRET") + b"]"), "is no reply: expected an object"),
        (_file(b'"S3CRET"'), "is no reply: expected an object"),
        (_file(b"null"), "is no reply: expected an object"),
        (_file(b'{"headers": {}, "body": "S3CRET"}'), "is no reply: it has neither JobStatus"),
        (_file(b"{}"), "has neither JobStatus nor Results nor Code"),
        (_file(b'{"title": "S3CRET", "RequestId": "r"}'), "is no reply: it has neither JobStatus"),
        (_file(titled("A"), "copy (1).json"), "give one with --job-id"),
        (_file(_named(titled("A"), "a\nb")), "give one with --job-id"),
    ],
)
@pytest.mark.parametrize("lake_is_there", [False, True])
def test_a_file_that_is_no_reply_stops_the_import(
    tmp_path: Path,
    settings: Settings,
    make: Callable[[Path], Path],
    said: str,
    *,
    lake_is_there: bool,
) -> None:
    """One wrong file among good ones is named with what is wrong, and nothing is written at all."""
    if lake_is_there:
        new_home(settings.home, [Landing("there", titled("A"))])
    before = tree(settings.home)
    good, wrong = _save(tmp_path, "good.json", titled("A")), make(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        pipeline.import_replies(settings, [good, wrong])
    assert str(wrong) in str(caught.value)
    assert said in str(caught.value)
    assert str(caught.value).endswith("nothing was imported")
    assert "S3CRET" not in str(caught.value)
    assert tree(settings.home) == before
    assert settings.home.exists() == lake_is_there


def test_one_job_id_names_one_file(tmp_path: Path, settings: Settings) -> None:
    """A given job id with several files is refused before anything is written."""
    files = [_save(tmp_path, name, titled("A")) for name in ("a.json", "b.json")]
    with pytest.raises(ConfigurationError, match="give one file at a time"):
        pipeline.import_replies(settings, files, job_id="a")
    assert not settings.home.exists()


def test_an_import_holds_one_batch_at_a_time(tmp_path: Path, settings: Settings) -> None:
    """Saved replies of any number are landed batch by batch: each file is read when its turn is."""
    files = [_save(tmp_path, f"{n}.json", titled("x" * 1000)) for n in range(5)]
    small = settings.model_copy(update={"batch_bytes": 2000})
    report = pipeline.import_replies(small, files)
    assert report.landed == 5
    sizes = [raw.read_raw(lake_of(small), file).num_rows for file in report.raw_files]
    assert sizes == [2, 2, 1]


def test_flattening_reports_its_progress(tmp_path: Path) -> None:
    """Progress goes from none to all of the batches, and a run with nothing to do says so."""
    settings = new_home(
        tmp_path, [Landing("a", titled("A"))], [Landing("b", titled("B")).later(seconds=1)]
    )
    told: list[tuple[str, int, int | None]] = []
    report = pipeline.flatten(settings, progress=lambda *at: told.append(at))
    assert told == [("flatten", 0, 2), ("flatten", 1, 2), ("flatten", 2, 2)]
    assert (report.batches, report.jobs, report.rows["jobs"]) == (2, 2, 2)
    told.clear()
    pipeline.flatten(settings, progress=lambda *at: told.append(at))
    assert told == [("flatten", 0, 0)]


def test_a_flatten_report_counts_what_was_found(tmp_path: Path) -> None:
    """Rows, rejected jobs, unknown Types, unmapped fields and quarantined parts are counted."""
    odd = success(("Meta", {"title": "A", "new": 1}), ("Unheard", {}), ("Meta", {"title": 7}))
    settings = new_home(
        tmp_path,
        [Landing("a", odd), Landing("b", REFUSED, http_status=404, error_code="JobNotFound")],
        [Landing("c", odd).later(seconds=1), Landing("d", b"<html>").later(seconds=1)],
    )
    report = pipeline.flatten(settings)
    assert (report.batches, report.unchanged, report.retracted) == (2, 0, 0)
    assert (report.jobs, report.results, report.rejected) == (4, 6, 1)
    assert (report.unknown_types, report.unmapped, report.quarantined) == (2, 2, 3)
    assert report.rows == {
        "jobs": 4,
        "results": 6,
        "meta_titles": 2,
        "quarantine": 3,
        "unknown_results": 2,
        "unmapped_fields": 2,
        "path_counts": 12,  # Meta, title, new key; Meta aside, title retyped; Unheard: each twice
    }
    assert report.bytes == 2 * len(odd) + len(REFUSED) + len(b"<html>")
    assert report.seconds > 0


def test_flattening_needs_a_lake(settings: Settings) -> None:
    """Where there is no lake, flattening says how to make one and makes none."""
    with pytest.raises(ConfigurationError, match=r"no lake at .*cognition add"):
        pipeline.flatten(settings)
    assert not settings.home.exists()


def test_batches_flattened_one_by_one_make_the_same_lake(tmp_path: Path) -> None:
    """Stale batches, each flattened alone in any order, are what one run over all makes."""
    batches = [[Landing(f"{n}", titled(f"{n}")).later(seconds=n)] for n in range(3)]
    batches.append([Landing("1", titled("new")).later(days=40)])
    whole, apart = (new_home(tmp_path / name, *batches) for name in ("whole", "apart"))
    pipeline.flatten(whole)
    stale = pipeline.stale_batches(apart)
    assert stale == raw.list_raw(lake_of(apart))
    for raw_file in reversed(stale):
        assert pipeline.flatten_batches(apart, [raw_file]).batches == 1
        assert pipeline.flatten_batches(apart, [raw_file]) == FlattenReport(unchanged=1)
    assert pipeline.stale_batches(apart) == []
    assert tree(apart.home) == tree(whole.home)


def test_a_batch_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Flattening a raw file that does not exist is one clear error."""
    settings = new_home(tmp_path, [Landing("a", titled("A"))])
    with pytest.raises(ConfigurationError, match=r"raw/nothing.parquet is no raw file of"):
        pipeline.flatten_batches(settings, ["raw/nothing.parquet"])


def test_too_long_a_blob_is_quarantined(tmp_path: Path) -> None:
    """A Data longer than the setting allows is set aside unread; the job's others load."""
    long = success(("Meta", {"title": "x" * 5000}), ("Meta", {"title": "short"}))
    settings = new_home(tmp_path, [Landing("a", long)])
    limited = settings.model_copy(update={"max_blob_bytes": 1000})
    pipeline.flatten(limited)
    storage = lake_of(limited)
    assert [row["reason"] for row in rows_of(storage, "quarantine")] == ["too_large"]
    assert [row["title"] for row in rows_of(storage, "meta_titles")] == ["short"]


def test_pending_is_what_is_known_and_has_not_landed(settings: Settings) -> None:
    """Known jobs without a final reply are pending, in any order, in lists of a size."""
    assert pipeline.pending_batches(settings, size=2) == []
    storage = lake_of(settings)
    storage.write_bytes("ledger/a.txt", b"e\nd\nc\nb\na\n")
    land(storage, Landing("d", titled("A")), Landing("unheard of", titled("B")))
    assert list(map(len, pipeline.pending_batches(settings, size=3))) == [3, 1]
    one, two = pipeline.pending_batches(settings, size=2)
    assert sorted(one + two) == ["a", "b", "c", "e"]
    land(storage, *(Landing(job, titled(job)) for job in "abce"))
    assert pipeline.pending_batches(settings, size=2) == []


def test_jobs_that_are_never_answered_do_not_stand_in_front(settings: Settings) -> None:
    """Pending jobs come in another order each time; else failing ones would end each run alike."""
    pipeline.add_jobs(settings, [f"job-{n}" for n in range(100)], "typed")
    orders = {tuple(*pipeline.pending_batches(settings, size=100)) for _ in range(3)}
    assert len(orders) == 3  # by chance alike once in 100! tries


def test_a_job_that_landed_meanwhile_is_not_asked_for(tmp_path: Path) -> None:
    """A batch of ids whose replies are all there calls nothing and writes nothing."""
    settings = new_home(tmp_path, [Landing("a", titled("A"))])
    before = tree(tmp_path)
    nowhere = SourceSettings(
        endpoint="127.0.0.1:1", protocol="http", access_key_id="id", access_key_secret="key"
    )
    report = pipeline.query_batch(settings, nowhere, ["a", "a"])
    assert (report.queried, report.calls, report.landed, report.raw_files) == (0, 0, 0, ())
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("body", "final"),
    [
        (b'{"JobStatus":"Success"}', True),
        (FAILED, True),
        (PROCESSING, False),
        (b'{"JobStatus":"Submitted"}', False),
        (b'{"JobStatus":"Canceled"}', False),
        (b'{"JobStatus":7}', True),
        (b"{}", True),
        (b"<html>", True),
    ],
)
def test_a_reply_is_final_by_its_status(body: bytes, *, final: bool) -> None:
    """A reply without a status is final: asking again changes nothing."""
    assert is_final(body) == final


LANDS_64_MB = """
import random, sys
from datetime import UTC, datetime, timedelta
from lake_kit import Landing, land, success
from transforms import lake

pick = random.Random(7)
number, start = pick.random, pick.randrange
span = lambda: {"from": start(3600), "to": start(3600) + number()}
box = lambda: {"leftTop": [start(900), start(900)], "rightBottom": [start(900), start(900)]}
track = lambda: {"score": number(), "bbox": [start(1900) for _ in range(4)], "timestamp": number()}
detail = lambda: {"score": number(), "startTime": number(), "endTime": number(),
                  "trackData": [track() for _ in range(20)]}
def job():
    person = lambda: {"name": f"Person {start(999)}", "category": "celebrity", "ratio": number(),
        "occurrences": [
            span() | {"score": number(), "timestamp": number(), "position": box()}
            for _ in range(60)
        ]}
    entity = lambda: {"labelLevel1": "Location", "labelLevel2": "Scenery", "label": str(start(99)),
        "knowledgeInfo": '{"name": "Huangguoshu"}', "detailInfo": [detail() for _ in range(10)]}
    frame = lambda: {"timestamp": number(), "info": [
        {"score": number(), "position": box(), "content": "weather " + str(start(999))}] * 6}
    return success(
        ("VideoLabel", {"persons": [person() for _ in range(60)], "tags": []}),
        ("CPVLabel", {"entities": [entity() for _ in range(80)]}),
        ("OCR", {"details": [frame() for _ in range(600)]}),
        ("ASR", {"details": [span() | {"content": "the quick brown fox"} for _ in range(900)]}),
    )

storage = lake.open_lake(sys.argv[1], create=True)
bodies = [job() for _ in range(4)]
replies, size, at = [], 0, datetime(2026, 1, 15, tzinfo=UTC)
while size < 64 * 2**20:
    replies.append(Landing(f"job-{len(replies):04}", bodies[len(replies) % 4], at))
    size += len(replies[-1].body)
print(len(land(storage, *replies, batch_bytes=2**40)), len(replies), size)
"""

FLATTENS = """
import resource, sys
from pathlib import Path
from transforms import pipeline
from transforms.settings import Settings

report = pipeline.flatten(Settings(lake=sys.argv[1]))
status = Path("/proc/self/status")
if status.exists():  # ru_maxrss would count the parent's memory at the fork as ours
    peak = int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
counts = report.jobs, report.bytes, report.quarantined, report.unmapped
print(*counts, sum(report.rows.values()) - report.rows["path_counts"], peak)
"""


@pytest.mark.slow
def test_a_full_batch_is_flattened_in_a_gibibyte(tmp_path: Path) -> None:
    """A batch of 64 MiB of replies, full of nested arrays, needs less than 1 GiB of memory."""
    landed = run_python(LANDS_64_MB, tmp_path / "lake")
    assert landed.returncode == 0, landed.stderr
    files, jobs, size = map(int, landed.stdout.split())
    assert files == 1
    assert size >= 64 * MIB
    flattened = run_python(FLATTENS, tmp_path / "lake")
    assert flattened.returncode == 0, flattened.stderr
    done, read, quarantined, unmapped, rows, peak = map(int, flattened.stdout.split())
    assert (done, read, quarantined, unmapped) == (jobs, size, 0, 0)
    # A job: itself, 4 results, 4 roots, persons and theirs, entities with details and tracks,
    # frames with texts, sentences.
    assert rows == jobs * (1 + 4 + 4 + 60 * 61 + 80 * (1 + 10 * 21) + 600 * 7 + 900)
    assert peak < 1024 * MIB, f"{peak / MIB:.0f} MiB"


def test_commits_are_what_flatten_made(tmp_path: Path) -> None:
    """The rows a run reports are the rows the markers count."""
    settings = new_home(tmp_path, [Landing("a", titled("A")), Landing("b", titled(7))])
    report = pipeline.flatten(settings)
    (commit,) = lake.read_commits(lake_of(settings)).values()
    assert report.rows == {file.table: file.rows for file in commit.files}
    # Jobs, results, one title, one part in quarantine; paths: Meta and its title, good and bad.
    assert sum(report.rows.values()) == commit.facts["rows_count"] == 2 + 2 + 1 + 1 + 4
