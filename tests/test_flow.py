"""The whole flow against the sandbox over HTTP: the real SDK, throttling, errors and dirt."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sandbox_blobs import decoded
from source_walk import walk

from sandbox import Faults, Sandbox
from sandbox.samples import sample_reply
from sandbox.samples.dirt import BLOCK, PER_BLOCK, Flaw, flaw_of
from transforms import lake, ledger, pipeline
from transforms.contract import load_contracts
from transforms.errors import SourceRefusedError
from transforms.settings import Settings, SourceSettings

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("flow")]
SEED = 11
SUCCESS = BLOCK - sum(
    PER_BLOCK[flaw]
    for flaw in (
        Flaw.FAILED,
        Flaw.SUBMITTED,
        Flaw.PROCESSING,
        Flaw.UNKNOWN_JOB,
        Flaw.ERROR_IN_200,
    )
)


def source_of(service: Sandbox, **changes: Any) -> SourceSettings:  # noqa: ANN401 - any setting
    """Returns settings that reach the sandbox, fast."""
    given = {
        "endpoint": service.endpoint,
        "protocol": "http",
        "access_key_id": service.access_key_id,
        "access_key_secret": service.access_key_secret,
        "queries_per_second": 400,
        "max_backoff_seconds": 0.2,
        "max_attempts": 8,
    }
    return SourceSettings(**(given | changes))


class Flow:
    """A home whose ledger knows a block of sample jobs, and one run of the flow over them."""

    def __init__(self, home: Path, service: Sandbox) -> None:
        self.settings = Settings(home=home)
        self.service = service
        storage = lake.open_lake(self.settings.lake_root, create=True)
        ledger.add_jobs(storage, service.job_ids, "known")
        self.first = pipeline.run(self.settings, source_of(service))

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """Returns rows of the published warehouse."""
        rows: list[dict[str, Any]] = pipeline.query(self.settings, sql).to_pylist()
        return rows

    def counts(self) -> dict[str, int]:
        """Returns the published rows of every table."""
        names = load_contracts().tables
        return {name: self.ask(f"SELECT count(*) AS n FROM {name}")[0]["n"] for name in names}


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401 - Flow, while it serves
    """One run against a service that throttles one call in twenty and fails one in thirty."""
    faults = Faults(throttle_share=0.05, error_share=0.03)
    with Sandbox(jobs=BLOCK, seed=SEED, faults=faults) as service:
        yield Flow(tmp_path_factory.mktemp("flow"), service)


def test_every_job_ends_where_it_belongs(flow: Flow) -> None:
    """Each job is loaded, failed, rejected, quarantined or pending, as the service knows it."""
    report = flow.first.ingest
    waiting = PER_BLOCK[Flaw.SUBMITTED] + PER_BLOCK[Flaw.PROCESSING]
    assert (report.pending, report.queried, report.unanswered) == (BLOCK, BLOCK, 0)
    assert report.landed == BLOCK - waiting
    assert report.retries > 0
    assert report.throttled > 0
    status = pipeline.status(flow.settings)
    assert (status.known, status.pending) == (BLOCK, waiting)
    assert status.jobs["failed"] == PER_BLOCK[Flaw.FAILED]
    assert status.jobs["rejected"] == PER_BLOCK[Flaw.UNKNOWN_JOB]
    assert sum(status.jobs.values()) == BLOCK - waiting
    aside = status.jobs["quarantined"] - PER_BLOCK[Flaw.ERROR_IN_200]
    assert 0 <= aside <= PER_BLOCK[Flaw.WRONG_RESULTS]  # some other shapes can be read
    assert status.jobs["loaded"] == SUCCESS - aside
    assert status.unknown_types == {"ShotDetect": PER_BLOCK[Flaw.UNKNOWN_TYPE]}


def test_no_row_of_a_sound_job_is_lost_or_made_up(flow: Flow) -> None:
    """Per table, the rows of sound jobs are the elements counted in the replies as sent."""
    sound = [n for n in range(BLOCK) if flaw_of(SEED, n) is Flaw.NONE]
    elements: Counter[str] = Counter()
    for number in sound:
        for item in json.loads(sample_reply(SEED, number))["Results"]["result"]:
            kind = load_contracts().types[item["Type"]].type
            elements.update(table for table, _, _ in walk(kind, decoded(item["Data"])))
    ids = ", ".join(f"'{flow.service.job_ids[number]}'" for number in sound)
    found = {
        table: flow.ask(f"SELECT count(*) AS n FROM {table} WHERE job_id IN ({ids})")[0]["n"]
        for table in elements
    }
    assert found == dict(elements)
    assert sum(found.values()) > 100_000


def test_every_result_comes_back_from_its_rows(flow: Flow) -> None:
    """What the lake holds of 200 jobs, dirt and all, makes every result again as it was sent."""
    report = pipeline.verify(flow.settings)
    sent = flow.ask("SELECT sum(results_count) AS n FROM jobs")[0]["n"]
    whole = flow.ask("SELECT count(*) AS n FROM results WHERE rows_count = 0")[0]["n"]
    assert (report.different, report.cut) == ((), 0)
    assert (report.results, report.equal) == (sent, sent - whole)


def test_raw_keeps_the_exact_bytes(flow: Flow) -> None:
    """The checksum of each reply in the warehouse is that of the bytes the service sent."""
    sent = {
        flow.service.job_ids[n]: hashlib.sha256(sample_reply(SEED, n)).hexdigest()
        for n in range(BLOCK)
        if flaw_of(SEED, n) is not Flaw.UNKNOWN_JOB
    }
    kept = flow.ask("SELECT job_id, body_sha256 FROM jobs WHERE state <> 'rejected'")
    assert {row["job_id"]: row["body_sha256"] for row in kept}.items() <= sent.items()


def test_a_second_run_asks_for_pending_jobs_only_and_changes_nothing(flow: Flow) -> None:
    """What is landed is not asked for again, and no row, batch or file changes."""
    before, asked = flow.counts(), Counter(flow.service.calls)
    again = pipeline.run(flow.settings, source_of(flow.service))
    waiting = {
        flow.service.job_ids[n]
        for n in range(BLOCK)
        if flaw_of(SEED, n) in {Flaw.SUBMITTED, Flaw.PROCESSING}
    }
    assert set(flow.service.calls - asked) == waiting
    assert (again.ingest.landed, again.flatten.batches) == (0, 0)
    assert not again.warehouse.publish.changed
    assert flow.counts() == before


def test_a_refused_key_lands_nothing(tmp_path: Path, flow: Flow) -> None:
    """A wrong secret stops the run with the remedy, and the secret is not in it."""
    settings = Settings(home=tmp_path)
    storage = lake.open_lake(settings.lake_root, create=True)
    ledger.add_jobs(storage, flow.service.job_ids[:5], "known")
    wrong = source_of(flow.service, access_key_secret="not-the-secret-at-all")
    with pytest.raises(SourceRefusedError) as refused:
        pipeline.ingest(settings, wrong)
    assert "not-the-secret-at-all" not in str(refused.value)
    assert storage.list("raw") == []
