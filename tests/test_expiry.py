"""When results of pending jobs are about to be lost, and how jobs are recorded that are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lake_kit import Landing, lake_of, land, rows_of, titled

from sandbox import Sandbox
from sandbox.faults import Fault, Faults
from transforms import pipeline, raw
from transforms.cli.outcome import write_outcome
from transforms.cli.render import ingest_outcome
from transforms.cli.status import status_outcome
from transforms.contract import load_contracts
from transforms.envelope import EXPIRED
from transforms.expiry import Retention, expiry_of, read_expiry
from transforms.lake import open_lake
from transforms.ledger import Known
from transforms.reports import ExpiringJob, ExpiryReport
from transforms.settings import Settings, SourceSettings
from transforms.source.errors import readable_code
from transforms.verify import verify_lake

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
TODAY = NOW.replace(tzinfo=None)
SUCCESS = b'{"JobStatus":"Success"}'
PROCESSING = b'{"JobStatus":"Processing","RequestId":"R-1"}'


def _days_ago(days: float) -> Known:
    since = TODAY - timedelta(days=days)
    return Known(since, since)


def _source(service: Sandbox) -> SourceSettings:
    facts = {
        "endpoint": service.endpoint,
        "protocol": "http",
        "access_key_id": service.access_key_id,
        "access_key_secret": service.access_key_secret,
        "queries_per_second": 1000,
        "max_attempts": 1,
    }
    return SourceSettings.model_validate(facts)


def _know(settings: Settings, days: float, *jobs: str) -> None:
    """Puts jobs into the ledger that were submitted so many days ago."""
    storage = open_lake(settings.lake_root, create=True)
    at = datetime.now(UTC) - timedelta(days=days)
    lines = [f"{job},{at.isoformat()}" for job in jobs]
    storage.write_bytes(f"ledger/{days}.csv", "\n".join(["job_id,submitted_at", *lines]).encode())


# --- what is about to be lost


def test_pending_jobs_are_told_by_what_is_left() -> None:
    """Expiring from 150 days on, expired from 180 on; landed jobs are neither."""
    known = {
        "fresh": _days_ago(149.9),
        "soon": _days_ago(150),
        "sooner": _days_ago(179.9),
        "gone": _days_ago(180),
        "long gone": _days_ago(400),
        "landed": _days_ago(179),
        "landed late": _days_ago(300),
    }
    report = expiry_of(known, {"landed", "landed late"}, Settings(), now=NOW)
    assert report == ExpiryReport(
        pending=5,
        expiring=2,
        first_expires_at="2026-07-01T14:24:00Z",  # 179.9 days ago and 180 days: 2 h 24 min left
        expiring_jobs=(
            ExpiringJob("sooner", "2026-01-02T14:24:00Z", "2026-07-01T14:24:00Z"),
            ExpiringJob("soon", "2026-02-01T12:00:00Z", "2026-07-31T12:00:00Z"),
        ),
        expired=2,
        expired_jobs=(
            ExpiringJob("long gone", "2025-05-27T12:00:00Z", "2025-11-23T12:00:00Z"),
            ExpiringJob("gone", "2026-01-02T12:00:00Z", "2026-07-01T12:00:00Z"),
        ),
    )


def test_both_times_are_settings() -> None:
    """How long results are kept and how early to warn can be set; 0 warns of nothing."""
    known = {"a": _days_ago(9), "b": _days_ago(6), "c": _days_ago(3)}
    short = Settings(retention_days=8, expiry_warning_days=3)
    report = expiry_of(known, (), short, now=NOW)
    assert [job.job_id for job in (*report.expired_jobs, *report.expiring_jobs)] == ["a", "b"]
    silent = Settings(retention_days=10, expiry_warning_days=0)
    assert expiry_of(known, (), silent, now=NOW) == ExpiryReport(pending=3)


def test_only_the_first_hundred_are_listed() -> None:
    """Counts hold all jobs, lists the hundred that go first."""
    known = {f"{n:03}": _days_ago(179 - n / 1000) for n in range(101)}
    known |= {f"gone {n:03}": _days_ago(300 + n) for n in range(101)}
    report = expiry_of(known, (), Settings(), now=NOW)
    assert (report.expiring, report.expired) == (101, 101)
    assert [job.job_id for job in report.expiring_jobs] == [f"{n:03}" for n in range(100)]
    assert [job.job_id for job in report.expired_jobs] == [
        f"gone {n:03}" for n in range(100, 0, -1)
    ]


def test_the_lake_tells_what_it_is_about_to_lose(tmp_path: Path) -> None:
    """Ages come from the ledger, what has landed from raw; status says the same."""
    settings = Settings(home=tmp_path)
    _know(settings, 170, "a", "b")
    _know(settings, 200, "c", "d", "e")
    land(lake_of(settings), Landing("b", SUCCESS), Landing("d", SUCCESS))
    report = read_expiry(lake_of(settings), settings)
    assert (report.pending, report.expiring, report.expired) == (3, 1, 2)
    assert report.expiring_jobs[0].job_id == "a"
    status = pipeline.status(settings)
    assert (status.pending, status.expiring, status.expired) == (3, 1, 2)
    assert status.first_expires_at == report.first_expires_at


def test_status_says_what_to_do(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Both counts are lines of their own with the remedy; without any there is no line."""
    settings = Settings(home=tmp_path)
    _know(settings, 1, "new")
    write_outcome(status_outcome(pipeline.status(settings)), as_json=False)
    assert "expire" not in capsys.readouterr().out
    _know(settings, 170, "a")
    _know(settings, 200, "c", "d")
    status = pipeline.status(settings)
    write_outcome(status_outcome(status), as_json=False)
    shown = " ".join(capsys.readouterr().out.split())
    day = str(status.first_expires_at)[:10]
    assert f"1 pending job about to expire, the first {day}: see that cognition run gets" in shown
    assert "2 pending jobs past the time results are kept: cognition run asks once more" in shown


def test_a_job_of_unknown_age_never_ends() -> None:
    """Who asks for an id that no ledger knows does not close it."""
    copied = Known(_days_ago(400).since, None)  # by the time of its file, which nobody told
    known = {"old": _days_ago(180), "young": _days_ago(179.9), "copied": copied}
    retention = Retention(180, lambda: known)
    ended = [job for job in (*known, "unknown") if retention.has_ended(job, NOW)]
    assert ended == ["old"]


# --- recording it


def test_the_mark_is_no_code_of_the_service() -> None:
    """What marks an expired reply in raw cannot be read as a code of the service."""
    assert readable_code(EXPIRED) == "no clear code"


def test_an_old_job_is_asked_once_more_and_recorded(tmp_path: Path) -> None:
    """Past its time any reply is the last: kept byte for byte, flattened to the state expired."""
    settings = Settings(home=tmp_path)
    replies = {
        "young": PROCESSING,
        "old": PROCESSING,
        "odd": b'{"JobStatus":"Canceled"}',
        "done": SUCCESS,
        "gone": (404, {}, b'{"Code":"JobNotFound","Message":"no such job"}'),
    }
    down = Faults(plan={"down": [Fault.INTERNAL_ERROR] * 9, "busy": [Fault.THROTTLE_429] * 9})
    _know(settings, 181, "old", "odd", "done", "gone", "down", "busy")
    _know(settings, 179, "young")
    with Sandbox(jobs=0, replies=replies, faults=down) as service:
        report = pipeline.ingest(settings, _source(service))
        assert (report.landed, report.expired, report.unanswered) == (4, 2, 2)
        assert report.by_status == {"Processing": 2, "Canceled": 1, "Success": 1, "Rejected": 1}
        (pending,) = pipeline.pending_batches(settings, size=9)
        assert sorted(pending) == ["busy", "down", "young"]
        asked = service.calls
        pipeline.ingest(settings, _source(service))
        again = {job: n - asked[job] for job, n in service.calls.items() if n > asked[job]}
    assert again == {"down": 1, "busy": 1, "young": 1}
    pipeline.flatten(settings)
    jobs = {row["job_id"]: row for row in rows_of(lake_of(settings), "jobs")}
    assert {job: row["state"] for job, row in jobs.items()} == {
        "old": "expired",
        "odd": "expired",
        "done": "loaded",
        "gone": "rejected",
    }
    assert jobs["old"]["reason"] == (
        "no final answer in the retention period; the last JobStatus was Processing"
    )
    assert (jobs["old"]["job_status"], jobs["old"]["error_code"]) == ("Processing", None)
    (body,) = (
        body
        for row, body in raw.read_bodies(lake_of(settings), raw.read_index(lake_of(settings)))
        if row.job_id == "old"
    )
    assert body == PROCESSING


def test_ingest_tells_of_expired_jobs(tmp_path: Path) -> None:
    """Expired jobs are a warning, and with --strict exit code 1."""
    settings = Settings(home=tmp_path)
    _know(settings, 181, "old", "done")
    with Sandbox(jobs=0, replies={"old": PROCESSING, "done": SUCCESS}) as service:
        report = pipeline.ingest(settings, _source(service))
    assert ingest_outcome(report, strict=False).code == 0
    outcome = ingest_outcome(report, strict=True)
    assert outcome.code == 1
    (warning,) = outcome.warnings
    assert warning == (
        "1 of 2 jobs are past the time results are kept and recorded as expired; "
        "they are not asked for again"
    )


def test_what_an_expired_reply_holds_is_loaded(tmp_path: Path) -> None:
    """Results that came with a reply that is not final are rows like others, proven the same."""
    settings = Settings(home=tmp_path)
    body = titled("half").replace(b"Success", b"Processing")
    _know(settings, 181, "old")
    with Sandbox(jobs=0, replies={"old": body}) as service:
        pipeline.query_batch(settings, _source(service), ["old"])
    pipeline.flatten(settings)
    storage = lake_of(settings)
    assert [row["state"] for row in rows_of(storage, "jobs")] == ["expired"]
    assert [row["title"] for row in rows_of(storage, "meta_titles")] == ["half"]
    assert verify_lake(storage, load_contracts(None)).equal == 1
    explained = pipeline.explain(settings, "jobs", ["old"])
    assert (explained.state, explained.fragment) == ("expired", body.decode())
    assert pipeline.load(settings).checks.failed == ()
    assert pipeline.status(settings).jobs == {"expired": 1}
    found = pipeline.query(settings, "SELECT state FROM jobs").to_pylist()
    assert found == [{"state": "expired"}]


def test_an_expired_reply_that_breaks_the_contract_is_quarantined(tmp_path: Path) -> None:
    """The state of a reply that cannot be read says so first."""
    settings = Settings(home=tmp_path)
    body = b'{"JobStatus":"Processing","JobStatus":"Processing"}'
    _know(settings, 181, "old")
    with Sandbox(jobs=0, replies={"old": body}) as service:
        assert pipeline.ingest(settings, _source(service)).expired == 1
    pipeline.flatten(settings)
    assert [row["state"] for row in rows_of(lake_of(settings), "jobs")] == ["quarantined"]


def test_a_final_reply_supersedes(tmp_path: Path) -> None:
    """A reply that someone saved in time takes the place of the recorded expiry."""
    settings = Settings(home=tmp_path)
    _know(settings, 181, "old")
    with Sandbox(jobs=0, replies={"old": PROCESSING}) as service:
        pipeline.ingest(settings, _source(service))
    pipeline.flatten(settings)
    saved = tmp_path / "old.json"
    saved.write_bytes(titled("saved"))
    pipeline.import_replies(settings, [saved])
    pipeline.flatten(settings)
    jobs = rows_of(lake_of(settings), "jobs")
    assert [(row["job_id"], row["state"], row["reason"]) for row in jobs] == [
        ("old", "loaded", None)
    ]
