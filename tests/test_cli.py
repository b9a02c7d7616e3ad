"""The command line from outside: exit codes, one clear line a misuse, JSON, no heavy imports."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest

from transforms import pipeline
from transforms.cli import app, main
from transforms.cli.options import PLACES, SOURCE
from transforms.errors import SourceRefusedError
from transforms.reports import FlattenReport, IngestReport
from transforms.settings import Settings, SourceSettings
from transforms.warehouse import LoadReport
from transforms.warehouse.checks import CheckReport, CheckResult, ChecksFailedError
from transforms.warehouse.publish import PublishReport

REPLIES = Path(__file__).parent / "api_replies"
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Runs every test in an empty folder, without settings of ours in the environment."""
    for name in [name for name in os.environ if name.startswith("COGNITION_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Returns a function that runs `cognition` and returns exit code, stdout and stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(words))
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def home(cli: Cli, tmp_path: Path) -> str:
    """Returns a home with two imported replies, flattened, loaded and published."""
    home = str(tmp_path / "home")
    files = [str(REPLIES / f"{name}.json") for name in ("meta_title", "row_wrong_type")]
    for words in (["import", *files], ["flatten"], ["load"]):
        assert cli(*words, "--home", home)[0] == 0
    return home


def ingested(**changes: object) -> IngestReport:
    """Returns the report of an ingest of ten jobs, eight of them answered well."""
    facts: dict[str, Any] = {
        "known": 10,
        "pending": 10,
        "queried": 10,
        "by_status": {"Success": 8, "Processing": 2},
        "landed": 8,
        "unanswered": 0,
        "calls": 12,
        "retries": 2,
        "throttled": 1,
        "raw_files": ("raw/month=2026-01/a.parquet",),
    }
    return IngestReport(**{**facts, **changes})


def answers(monkeypatch: pytest.MonkeyPatch, name: str, result: object) -> list[tuple[Any, ...]]:
    """Makes a pipeline function return or raise `result`; returns the list of its calls."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(pipeline, name, answering(result, calls))
    return calls


def answering(result: object, calls: list[tuple[Any, ...]] | None = None) -> Callable[..., object]:
    """Returns a function that returns or raises `result` and notes its calls."""

    def replaced(*args: object, **_: object) -> object:
        if calls is not None:
            calls.append(args)
        if isinstance(result, BaseException):
            raise result
        return result

    return replaced


# --- it works ---------------------------------------------------------------------------------


def test_import_to_query(cli: Cli, home: str) -> None:
    """Saved replies end as rows of the published warehouse."""
    code, out, err = cli("query", "SELECT job_id, title FROM meta_titles", "--home", home)
    assert (code, err) == (0, "")
    assert "meta_title" in out
    assert "example-title-****" in out
    assert out.endswith("1 row\n")


def test_second_round_changes_nothing(cli: Cli, home: str) -> None:
    """Importing, flattening and loading again does nothing and says so."""
    file = str(REPLIES / "meta_title.json")
    assert "0 replies landed, 1 known" in cli("import", file, "--home", home)[1]
    assert "nothing new: 1 batch up to date" in cli("flatten", "--home", home)[1]
    assert "unchanged, not published again" in cli("load", "--home", home)[1]


def test_import_takes_the_job_id_given(cli: Cli, tmp_path: Path) -> None:
    """`--job-id` wins over the file's own JobId, which wins over its stem."""
    named = tmp_path / "stem.json"
    named.write_text('{"JobId": "own", "JobStatus": "Success"}')
    home = str(tmp_path / "h")
    assert cli("import", str(named), "--home", home)[0] == 0
    assert cli("import", str(named), "--job-id", "given", "--home", home)[0] == 0
    cli("flatten", "--home", home)
    cli("load", "--home", home)
    _, out, _ = cli(
        "query", "SELECT job_id FROM jobs ORDER BY 1", "--format", "csv", "--home", home
    )
    assert out.split() == ["job_id", "given", "own"]


def test_drift_takes_types_as_replay_does(cli: Cli, home: str) -> None:
    """--type of drift takes Types, aliases and reply, by comma or repeated; others are refused."""

    def types(*words: str) -> set[str]:
        code, out, _ = cli("drift", "--json", "--home", home, *words)
        assert code == 0
        return {row["type"] for row in json.loads(out)["drift"]}

    assert types() == {"VideoLabel"}
    assert types("--type", "Metadata, VideoLabel") == {"VideoLabel"}
    assert types("--type", "Meta", "--type", "reply,VideoLabel") == {"VideoLabel"}
    assert types("--type", "Meta,reply") == set()
    code, _, err = cli("drift", "--type", "videolabel", "--home", home)
    assert (code, one_line(err)) == (
        2,
        "error: no schema has the Type videolabel: did you mean VideoLabel?\n",
    )
    told = one_line(cli("drift", "--type", "Meta,Speech", "--home", home)[2])
    assert "no schema has the Type Speech: give one of ASR, " in told
    assert "VideoLabel, reply, or add its schema to the folder COGNITION_SCHEMAS names" in told


def test_parameters_are_bound_not_formatted(cli: Cli, home: str) -> None:
    """`--param` gives a value to `$name`, whatever quotes it holds."""
    sql = "SELECT $word AS word, $more AS more"
    values = ("--param", "word=it's = so", "--param", "more=")
    code, out, _ = cli("query", sql, *values, "--format", "json", "--home", home)
    assert (code, json.loads(out)["rows"]) == (0, [{"word": "it's = so", "more": ""}])
    for wrong in ("word", "=x", "a b=c"):
        code, _, err = cli("query", sql, "--param", wrong, "--home", home)
        assert (code, "name=value" in err) == (2, True)


def test_an_empty_ledger_says_where_ids_go(cli: Cli, tmp_path: Path) -> None:
    """With no job id at all, `run` tells where to put them, and publishes an empty file."""
    home = str(tmp_path / "h")
    code, out, _ = cli("run", "--home", home)
    assert (code, "put them into ledger/" in " ".join(out.split())) == (0, True)
    status = json.loads(cli("status", "--json", "--home", home)[1])
    assert (status["published_batches"], status["published"] is not None) == (0, True)


def test_added_ids_are_known_once(cli: Cli, tmp_path: Path) -> None:
    """`add` takes ids and files of them; what is known already is not added again."""
    home = str(tmp_path / "home")
    (tmp_path / "more.csv").write_text("job_id\nb\nc\n")
    assert cli("add", "a,b", "--home", home)[1] == "ledger      2 jobs added, 0 known before\n"
    code, out, _ = cli("add", "@more.csv", "a", "--home", home, "--json")
    assert (code, json.loads(out)) == (0, {"added": 1, "known": 2})
    assert json.loads(cli("status", "--home", home, "--json")[1])["pending"] == 3


def test_status_tells_what_is_left(cli: Cli, home: str, tmp_path: Path) -> None:
    """Status counts every stage in plain words and names the next step, if there is one."""
    code, out, _ = cli("status", "--home", home)
    words = " ".join(out.split())
    assert code == 0
    assert "jobs loaded 2" in words
    assert "quarantine 2 parts: contract 2" in words
    assert "lag none, everything landed is published" in words
    assert "next" not in words
    (tmp_path / "home/lake/ledger").mkdir()
    (tmp_path / "home/lake/ledger/jobs.txt").write_text("meta_title\nnew_job\n")
    cli("import", str(REPLIES / "type_twice.json"), "--home", home)
    words = " ".join(cli("status", "--home", home)[1].split())
    assert "2 known jobs, 1 job pending" in words
    assert "1 raw file to flatten" in words
    assert "next cognition flatten, then cognition load" in words


def test_places_set_apart(cli: Cli, tmp_path: Path) -> None:
    """Lake and warehouse go where `--lake` and `--warehouse` say, and nothing into the home."""
    places = ["--lake", str(tmp_path / "l"), "--warehouse", str(tmp_path / "w")]
    for words in (["import", str(REPLIES / "meta_title.json")], ["flatten"], ["load"]):
        assert cli(*words, *places, "--home", str(tmp_path / "home"))[0] == 0
    assert (tmp_path / "l/lake.json").is_file()
    assert (tmp_path / "w/warehouse.duckdb").is_file()
    assert not (tmp_path / "home").exists()


def test_home_from_environment_and_default(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `--home` it is COGNITION_HOME, without that ./cognition-home."""
    cli("import", str(REPLIES / "meta_title.json"))
    assert (tmp_path / "cognition-home/lake/lake.json").is_file()
    monkeypatch.setenv("COGNITION_HOME", str(tmp_path / "elsewhere"))
    cli("import", str(REPLIES / "meta_title.json"))
    assert (tmp_path / "elsewhere/lake/lake.json").is_file()


def test_source_options_reach_the_source(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options win over the environment, and the environment over the defaults."""
    calls = answers(monkeypatch, "ingest", ingested())
    monkeypatch.setenv("COGNITION_REGION", "cn-beijing")
    monkeypatch.setenv("COGNITION_CONCURRENCY", "3")
    words = "ingest --rate 2.5 --concurrency 4 --no-ocr --endpoint 127.0.0.1:1 --protocol http"
    assert cli(*words.split())[0] == 0
    settings, source = calls[0]
    assert isinstance(settings, Settings)
    assert (source.region, source.concurrency, source.queries_per_second) == ("cn-beijing", 4, 2.5)
    assert (source.need_asr, source.need_ocr, source.endpoint) == (True, False, "127.0.0.1:1")


def test_run_shows_every_stage(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run says what each stage did and which checks only warn."""
    warned = CheckResult("score_range", "warn", 4, "scores between 0 and 1")
    report = pipeline.RunReport(
        ingested(),
        FlattenReport(batches=1, jobs=8, results=9, rows={"jobs": 8, "results": 9}, unmapped=1),
        pipeline.WarehouseReport(
            LoadReport(("a",), (), (), 0, {"jobs": 8, "results": 9, "quarantine": 0}),
            CheckReport(7, (warned,)),
            PublishReport("w/warehouse.duckdb", "v1", changed=True, bytes=1_500_000, altered=True),
        ),
    )
    answers(monkeypatch, "run", report)
    code, out, err = cli("run")
    words = " ".join(out.split())
    assert (code, err) == (0, "")
    assert "10 jobs queried of 10 pending Success 8, Processing 2" in words
    assert "1 batch: 8 jobs, 9 results 17 rows" in words
    assert "1 key no schema names" in words
    assert "17 rows in 2 tables" in words
    assert "7 passed, 1 not warn score_range: 4 rows; scores between 0 and 1" in words
    assert "published: version v1, 1.5 MB w/warehouse.duckdb" in words
    assert "the file published before had been altered: open it read-only" in words
    assert all(len(line) <= 80 for line in out.splitlines())


# --- exit codes -------------------------------------------------------------------------------

IMPERFECT: list[tuple[str, object]] = [
    ("ingest", ingested(by_status={"Success": 9, "Rejected": 1})),
    ("ingest", ingested(by_status={"Success": 9, "Malformed": 1})),
    ("ingest", ingested(unanswered=1)),
    ("flatten", FlattenReport(batches=1, quarantined=1)),
    ("flatten", FlattenReport(batches=1, rejected=1)),
]


@pytest.mark.parametrize(("command", "report"), IMPERFECT)
def test_imperfect_data_fails_only_when_strict(
    command: str, report: object, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quarantined, rejected and unanswered jobs are exit code 1 with `--strict`, else 0."""
    answers(monkeypatch, command, report)
    assert cli(command)[0] == 0
    assert cli(command, "--strict")[0] == 1


def test_strict_is_content_with_good_data(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that are only still running are no reason for exit code 1."""
    answers(monkeypatch, "ingest", ingested())
    assert cli("ingest", "--strict")[0] == 0


def test_strict_import_minds_what_it_skips(cli: Cli) -> None:
    """A saved reply that is not final is skipped by name: exit code 1 with `--strict`, else 0."""
    file = str(REPLIES / "processing_job.json")
    code, out, _ = cli("import", file)
    assert code == 0
    assert "processing_job: not final yet, its JobStatus is Processing" in out
    assert cli("import", file, "--strict")[0] == 1


def test_refusal_by_the_source_is_3(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3 and one line when the service refuses us."""
    answers(monkeypatch, "run", SourceRefusedError("the key is unknown: check the credentials"))
    assert cli("run") == (3, "", "error: the key is unknown: check the credentials\n")


def test_a_source_that_never_answers_is_3(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3 when no job at all got an answer; the report is shown all the same."""
    report = ingested(by_status={}, landed=0, unanswered=10, raw_files=())
    answers(monkeypatch, "ingest", report)
    code, out, err = cli("ingest")
    assert code == 3
    assert "no answers" in out
    assert err.startswith("warning: 10 of 10 jobs got no answer and stay pending")


def test_rejected_jobs_are_warned_of(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rejected jobs are told with codes and place: a wrong region closes them for good."""
    report = ingested(
        by_status={"Success": 6, "Rejected": 3, "Malformed": 1},
        error_codes={"JobNotFound": 3, "InvalidParameter": 1},
        region="cn-shanghai",
        endpoint="ice.cn-shanghai.aliyuncs.com",
    )
    answers(monkeypatch, "ingest", report)
    code, _, err = cli("ingest")
    assert code == 0
    assert one_line(err) == (
        "warning: 4 of 10 jobs rejected (JobNotFound 3, InvalidParameter 1) by region cn-shanghai "
        "at ice.cn-shanghai.aliyuncs.com; they are not asked for again\n"
    )


def test_an_unknown_status_is_warned_of(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A JobStatus nobody documented is named: its jobs would be asked for again for ever."""
    statuses = {"Success": 4, "Processing": 1, "Submitted": 1, "Canceled": 2, "success": 1}
    answers(monkeypatch, "ingest", ingested(by_status=statuses, unanswered=1))
    code, out, err = cli("ingest")
    assert code == 0
    assert "Canceled 2" in out
    first, second, third = err.splitlines()
    assert first.startswith("warning: 1 of 10 jobs got no answer")
    assert second == "warning: JobStatus 'Canceled' is not known; such jobs stay pending"
    assert third == "warning: JobStatus 'success' is not known; such jobs stay pending"


@pytest.mark.parametrize("foreign", [True, False])
def test_status_survives_a_foreign_warehouse(
    cli: Cli, home: str, tmp_path: Path, *, foreign: bool
) -> None:
    """What lies at the place of the warehouse is told, and every other fact is shown."""
    published = tmp_path / "home/warehouse/warehouse.duckdb"
    published.unlink()
    if foreign:
        duckdb.connect(published).close()
    else:
        published.write_bytes(b"this is no database" * 1000)
    code, out, _ = cli("status", "--home", home)
    told = " ".join(out.split())
    assert code == 0
    assert "jobs loaded 2" in told
    assert "quarantine 2 parts" in told
    assert "not published yet" not in told
    assert ("a DuckDB file of something else" if foreign else "is not a DuckDB file") in told
    document = json.loads(cli("status", "--json", "--home", home)[1])
    assert document["published"] is None
    assert "move it away" in document["published_error"]


HOLDS = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"


def test_status_survives_a_held_warehouse(cli: Cli, home: str, tmp_path: Path) -> None:
    """While someone holds the published file to write in it, status says so, and all the rest."""
    published = tmp_path / "home/warehouse/warehouse.duckdb"
    command = [sys.executable, "-c", HOLDS, str(published)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        code, out, _ = cli("status", "--home", home)
        holder.communicate(timeout=60)
    told = " ".join(out.split())
    assert code == 0
    assert "jobs loaded 2" in told
    assert "is held by " in told
    assert str(holder.pid) in told


def test_failed_checks_are_2(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that blocks the publish is exit code 2 and named in one line."""
    result = CheckResult("keys", "fail", 2, "keys are unique")
    answers(monkeypatch, "load", ChecksFailedError(CheckReport(3, (result,))))
    code, out, err = cli("load")
    assert (code, out) == (2, "")
    assert "keys (2 rows): keys are unique" in one_line(err)


def test_interrupt_is_130(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends with 130 and one line that says what to do."""
    answers(monkeypatch, "flatten", KeyboardInterrupt())
    code, out, err = cli("flatten")
    assert (code, out) == (130, "")
    assert one_line(err).startswith("error: stopped;")


def test_termination_is_143(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM ends like Ctrl-C, with its own code, and the handler is left as it was."""

    def terminated(*_: object, **__: object) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)  # the second may not disturb the tidying up

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(pipeline, "flatten", terminated)
    code, out, err = cli("flatten", "--json")
    assert code == 143
    assert json.loads(out)["exit_code"] == 143
    assert one_line(err).startswith("error: stopped;")
    assert signal.getsignal(signal.SIGTERM) == before
    with ThreadPoolExecutor(1) as pool:  # no handler can be set there
        assert pool.submit(main, ["--version"]).result() == 0


def test_defect_is_one_line_without_its_text(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected error is one line that names the place, not the text, which may be secret."""
    answers(monkeypatch, "status", RuntimeError("https://host/?Signature=abc"))
    code, _, err = cli("status")
    assert code == 2
    assert "unexpected RuntimeError at test_cli.py:" in one_line(err)
    assert "COGNITION_DEBUG=1" in err
    assert "Signature" not in err


def test_traceback_on_demand(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """COGNITION_DEBUG=1 shows the traceback before the line."""
    monkeypatch.setenv("COGNITION_DEBUG", "1")
    answers(monkeypatch, "status", RuntimeError("reason"))
    code, _, err = cli("status")
    assert code == 2
    assert err.startswith("Traceback")
    assert "RuntimeError: reason" in err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "/srv/lake/raw"), "give this user access"),
        (OSError(30, "Read-only file system", "/srv/lake/raw"), "give this user access"),
        (OSError(28, "No space left on device", "/srv/lake/raw"), "free some space there"),
        (OSError(122, "Disk quota exceeded", "/srv/lake/raw"), "free some space there"),
        (FileExistsError(17, "File exists", "/srv/lake/raw"), "move what is in the way"),
        (NotADirectoryError(20, "Not a directory", "/srv/lake/raw"), "move what is in the way"),
        (OSError(24, "Too many open files", "/srv/lake/raw"), "raise the limit of open files"),
    ],
)
def test_an_error_of_the_system_is_one_line_with_a_remedy(
    error: OSError, said: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the operating system refuses is told by place, reason and remedy, not as a defect."""
    answers(monkeypatch, "flatten", error)
    code, out, err = cli("flatten")
    assert (code, out) == (2, "")
    assert one_line(err).startswith(f"error: /srv/lake/raw: {error.strerror}; {said}")


def test_an_error_of_arrow_names_its_place(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrow puts the path into the text: the line is no other for that."""
    said = "Failed to open local file '/srv/lake/x'. Detail: [errno 13] Permission denied"
    answers(monkeypatch, "flatten", PermissionError(13, said))
    line = "error: /srv/lake/x: Permission denied; give this user access"
    assert one_line(cli("flatten")[2]).startswith(line)


def test_a_home_that_is_a_file_is_one_line(cli: Cli, tmp_path: Path) -> None:
    """A file where the home should be is named, with what to do."""
    (tmp_path / "home").write_text("-")
    code, _, err = cli("import", str(REPLIES / "meta_title.json"), "--home", "home")
    assert code == 2
    assert f"{tmp_path}/home" in one_line(err)
    assert "Not a directory; move what is in the way or choose another place" in err


@pytest.mark.slow
def test_an_unreachable_object_store_is_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that does not answer is named with the kind of trouble, and none of its keys."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    options = "endpoint_override=127.0.0.1:9&scheme=http&region=cn-shanghai"
    uri = f"s3://KEYID:S3CRET@bucket/lake?{options}"
    code, out, err = cli("flatten", "--lake", uri)
    assert (code, out) == (2, "")
    assert "the lake s3://bucket/lake cannot be reached (NETWORK_CONNECTION): " in one_line(err)
    assert "COGNITION_LAKE" in err
    assert not any(secret in err for secret in ("KEYID", "S3CRET"))


# --- used wrong on purpose --------------------------------------------------------------------

MISUSES = [
    ("nope", "error: no such command 'nope'; see `cognition --help`"),
    ("status extra", "got unexpected extra argument(s) (extra); see `cognition status --help`"),
    ("status --nope", "error: no such option: --nope"),
    ("ingest --rate fast", "invalid value for '--rate'"),
    ("ingest --rate 0", "--rate: input should be greater than or equal to 0.001"),
    ("ingest --rate 1e-300", "--rate: input should be greater than or equal to 0.001"),
    ("ingest --rate nan", "--rate: input should be a finite number"),
    ("ingest --read-timeout inf", "--read-timeout: input should be a finite number"),
    ("ingest --read-timeout 1e300", "--read-timeout: input should be less than or equal to 3600"),
    ("ingest --concurrency 1.5", "invalid value for '--concurrency'"),
    ("ingest --concurrency=999", "--concurrency: input should be less than or equal to 128"),
    ("ingest --protocol ftp", "--protocol: input should be 'https' or 'http'"),
    ("ingest --access-key-secret x", "no such option: --access-key-secret"),
    ("add", "missing argument 'IDS|@FILE...'; see `cognition add --help`"),
    ("add ,", "IDS names no job: give ids separated by commas, or @FILE"),
    ("add a,#b", "IDS: '#b' is no job id: correct or remove it"),
    ("add @nowhere.txt", "nowhere.txt: No such file or directory"),
    ("add @text.json", "IDS @text.json: give a .txt, .csv, .jsonl or .parquet file of job ids"),
    ("import", "missing argument 'files'; see `cognition import --help`"),
    ("subtitles nope", "no such command 'nope'; see `cognition subtitles --help`"),
    ("subtitles fetch --nope", "see `cognition subtitles fetch --help`"),
    ("import nowhere.json", "file 'nowhere.json' does not exist"),
    ("import .", "file '.' is a directory"),
    ("import a.json b.json --job-id j", "--job-id names the job of one file"),
    ("import a.json", "a.json is no reply: it has neither JobStatus nor Results nor Code"),
    ("import text.json", "text.json is not JSON"),
    ("import list.json", "list.json is no reply"),
    ("flatten", "no lake at cognition-home/lake"),
    ("load", "no lake at cognition-home/lake"),
    ("query SELECT", "no published warehouse at cognition-home/warehouse/warehouse.duckdb"),
    ("query", "give the SQL once"),
    ("query SELECT --file q.sql", "give the SQL once"),
    ("query --file nowhere.sql", "nowhere.sql: No such file or directory"),
    ("query --file empty.sql", "empty.sql is empty"),
    ("query --file latin.sql", "latin.sql is not UTF-8 text"),
    ("query --nope", "no such option: --nope"),
    ("query SELECT --format xml", "invalid value for '--format'"),
    ("query SELECT --limit -1", "invalid value for '--limit'"),
    ("status --lake nope://x", "cannot open the lake nope://x"),
]


def one_line(err: str) -> str:
    """Returns stderr, having made sure that it is one line."""
    assert err.count("\n") == 1
    assert err.endswith("\n")
    return err


@pytest.mark.parametrize(("words", "said"), MISUSES)
def test_misuse_is_2_and_one_line(words: str, said: str, cli: Cli, tmp_path: Path) -> None:
    """Every misuse ends with 2, one line on stderr that says what is wrong, and no new file."""
    for name, content in (
        ("a.json", b"{}"),
        ("b.json", b"{}"),
        ("text.json", b"not json"),
        ("list.json", b"[]"),
        ("q.sql", b"SELECT 1"),
        ("empty.sql", b" \n"),
        ("latin.sql", b"SELECT '\xe9'"),
    ):
        (tmp_path / name).write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    code, out, err = cli(*words.split())
    assert (code, out) == (2, "")
    assert said in one_line(err)
    assert sorted(tmp_path.rglob("*")) == before


def test_variable_is_named_and_secrets_are_not_shown(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad variable is named with its problem; no value of the environment is repeated."""
    monkeypatch.setenv("COGNITION_MAX_ATTEMPTS", "plenty-7731")
    monkeypatch.setenv("COGNITION_ACCESS_KEY_SECRET", "hush-7731")
    code, _, err = cli("ingest")
    assert code == 2
    assert one_line(err).startswith(
        "error: COGNITION_MAX_ATTEMPTS: input should be a valid integer"
    )
    assert "7731" not in err


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT nope FROM jobs", 'Referenced column "nope" not found'),
        ("SELEKT 1", "syntax error"),
        ("DROP TABLE jobs", "read-only"),
        ("SELECT * FROM 'a.csv'", "Permission Error"),
    ],
)
def test_refused_sql_is_2_and_one_line(sql: str, said: str, cli: Cli, home: str) -> None:
    """Wrong SQL, and SQL that does more than read the warehouse, is one line and exit code 2."""
    code, out, err = cli("query", sql, "--home", home)
    assert (code, out) == (2, "")
    assert said in one_line(err)


# --- JSON -------------------------------------------------------------------------------------


def test_every_command_writes_one_json_document(cli: Cli, home: str) -> None:
    """With `--json` stdout is one JSON document and nothing else; progress stays on stderr."""
    file = str(REPLIES / "type_twice.json")
    expected = {
        ("import", file): {"landed": 1, "unchanged": 0, "skipped": []},
        ("flatten",): {"batches": 1, "jobs": 1, "results": 2, "quarantined": 0},
        ("status",): {"batches": 2, "waiting_batches": 1, "quarantine": {"contract": 2}},
        ("query", "SELECT count(*) AS n FROM jobs"): {"row_count": 1, "rows": [{"n": 2}]},
    }
    for words, facts in expected.items():
        code, out, _ = cli(*words, "--json", "--home", home)
        assert code == 0
        document = json.loads(out)
        assert {key: document[key] for key in facts} == facts
    document = json.loads(cli("load", "--json", "--home", home)[1])
    assert len(document["load"]["loaded"]) == 1
    assert document["publish"]["changed"] is True


def test_errors_are_json_too(cli: Cli) -> None:
    """With `--json` an error is a document with the message and the exit code, usage included."""
    misuses = ("flatten --json", "status --nope --json", "query SELECT --json --format csv")
    for words in (misuse.split() for misuse in misuses):
        code, out, err = cli(*words)
        document = json.loads(out)
        assert document["exit_code"] == code == 2
        assert f"error: {document['error']}\n" == err


# --- the process ------------------------------------------------------------------------------


def spawn(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401 - as of run
    """Runs `cognition` in a process of its own."""
    code = "import sys; from transforms.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, text=True, check=False, timeout=60, **options)


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run", "--help"], ["nope"]])
def test_help_imports_no_engine(words: list[str]) -> None:
    """Help, version and usage errors import neither Arrow, DuckDB, the SDK nor the validators."""
    code = (
        "import sys; from transforms.cli import main; main(sys.argv[1:]); "
        "heavy = {'pyarrow', 'duckdb', 'numpy', 'jsonschema', 'jsonschema_rs', 'pydantic_settings',"
        " 'alibabacloud_ice20201109', 'tenacity', 'orjson'}; "
        "sys.exit(f'imported: {heavy & sys.modules.keys()}' if heavy & sys.modules.keys() else 0)"
    )
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_help_names_every_command_and_fits(cli: Cli) -> None:
    """Help lists all commands and the exit codes within 80 columns; no words is help, too."""
    code, out, _ = cli("--help")
    assert code == 0
    for command in ("run", "ingest", "flatten", "load", "import", "status", "query"):
        assert f" {command} " in out
    assert "Exit codes: 0 done" in out
    assert all(len(line) <= 80 for line in out.splitlines())
    assert cli()[:2] == (0, out)


STRICT = {
    "run": "Exit with 1 if jobs were quarantined, rejected, expired, not answered.",
    "import": "Exit with 1 if jobs were quarantined, rejected, expired, not answered.",
    "replay": "Exit with 1 if parts stay in quarantine or jobs were not found.",
    "subtitles fetch": "Exit with 1 if a file was not archived.",
    "verify": "Exit with 1 if a row was too long to compare.",
    "drift": "Exit with 1 if anything differs.",
    "load": None,
}


@pytest.mark.parametrize("command", STRICT)
def test_strict_says_what_it_does_there(
    command: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command's help says which outcome of its own --strict minds, if it has one."""
    monkeypatch.setenv("COLUMNS", "160")
    _, out, _ = cli(*command.split(), "--help")
    assert ("--strict" in out) is (STRICT[command] is not None)
    assert (STRICT[command] or "") in out


def test_version(cli: Cli) -> None:
    """`--version` names the program and its version."""
    code, out, _ = cli("--version")
    assert code == 0
    assert out.startswith("cognition 0.")


def test_options_belong_to_settings() -> None:
    """Every shared option sets a setting that exists, and its help ends with the true default."""
    fields = {**Settings.model_fields, **SourceSettings.model_fields}
    for option in (*PLACES, *SOURCE):
        default = fields[option.setting].default
        if isinstance(default, bool):
            assert option.help.endswith("; yes.") is default
        elif isinstance(default, (int, float)):
            assert option.help.endswith(f"; {default:g}.")
        elif default is not None:
            assert str(default) in option.help


def test_reader_that_goes_away_gets_no_traceback() -> None:
    """When the reader of stdout is gone, the program ends as by SIGPIPE, without a word."""
    for words in (["--version"], ["--help"], ["status", "--json"]):
        reader, writer = os.pipe()
        os.close(reader)
        try:
            done = spawn(*words, stdout=writer, stderr=subprocess.PIPE)
        finally:
            os.close(writer)
        assert done.returncode == 141
        assert "Traceback" not in done.stderr


def test_closed_stdout_is_141_within_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed stdout is told by the exit code, and what is left unwritten raises no more."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(["--version"]) == 141


def test_interrupt_while_writing_is_130(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the answer is shown ends the same way as during the work."""
    monkeypatch.setattr(app, "write_outcome", answering(KeyboardInterrupt()))
    answers(monkeypatch, "ingest", ingested())
    code, _, err = cli("ingest")
    assert code == 130
    assert one_line(err).startswith("error: stopped;")


def test_nothing_pending_says_so(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ingest that finds every job answered says that instead of a row of zeros."""
    answers(monkeypatch, "ingest", ingested(pending=0, queried=0, by_status={}, landed=0))
    assert "nothing pending: 10 known jobs, all answered" in cli("ingest")[1]


def test_sql_from_stdin_and_file(home: str, tmp_path: Path) -> None:
    """`-` and `--file` read the SQL, a leading comment included."""
    sql = "-- Question: how many?\nSELECT count(*) AS n FROM jobs\n"
    (tmp_path / "q.sql").write_text(sql)
    for words in (["-"], ["--file", "-"], ["--file", "q.sql"], [sql]):
        options = ["--format", "csv", "--home", home]
        done = spawn("query", *words, *options, input=sql, capture_output=True, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, "n\n2\n"), done.stderr


def test_sql_from_stdin_within_the_process(
    cli: Cli, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-` reads what stdin holds, and nothing else is asked."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT 41 + 1 AS answer"))
    assert cli("query", "-", "--format", "csv", "--home", home)[1].split() == ["answer", "42"]
