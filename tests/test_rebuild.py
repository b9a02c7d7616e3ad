"""A build made step by step equals one made from the lake at once: every row of every table."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lake_kit import NOON, Landing, lake_of, land, new_home, success

from sandbox.samples import sample_reply
from transforms import lake, pipeline
from transforms.compaction import compact
from transforms.contract import load_contracts
from transforms.settings import Settings
from transforms.subtitles import archive
from transforms.subtitles.archive import Fetched
from transforms.subtitles.links import FileKey, digest_of
from transforms.subtitles.outcome import Outcome
from transforms.warehouse.build import BUILD
from transforms.warehouse.duck import connect, fetch
from transforms.warehouse.load import LoadReport

pytestmark = pytest.mark.slow
LATER = datetime(2026, 3, 1, tzinfo=UTC)
LINK = "https://files.oss-cn-shanghai.aliyuncs.com/1.txt"
SEED = 7
ALL_KINDS, NLP, IMAGE, EMPTY, BROKEN = 77, 110, 48, 133, 9  # sample jobs that fill all tables

Rows = dict[str, list[tuple[Any, ...]]]


def sample(job_id: str, number: int) -> Landing:
    """Returns a sample job under an id of our own."""
    return Landing(job_id, sample_reply(SEED, number))


def backwards(job_id: str, count: int = 3) -> Landing:
    """Returns a job whose sentences end before they start: rows that a check warns of."""
    wrong = [{"from": n + 5, "to": n, "content": f"{job_id} {n}"} for n in range(count)]
    return Landing(job_id, success(("ASR", {"details": wrong})))


def charged(job_id: str) -> Landing:
    """Returns a job with a subtitle file and a usage."""
    reply = success(("Subtitle", {"details": [{"allResultUrl": f"{LINK}?Signature=s"}]}))
    return Landing(job_id, reply[:-1] + b',"Usages":[{"Type":"VideoTag","Quota":60}]}')


FIRST = (sample("kinds-1", ALL_KINDS), backwards("first-1"), backwards("first-2"))
SECOND = (sample("second-1", IMAGE), backwards("second-2", 4))
THIRD = (
    sample("third-1", NLP),
    sample("third-2", EMPTY),
    charged("third-3"),
    backwards("third-4", 2),
)
FOURTH = (
    sample("fourth-1", BROKEN),
    sample("fourth-3", IMAGE),
    sample("kinds-2", ALL_KINDS),
    backwards("fourth-2", 5),
)


class Home:
    """A lake that changes, and the build that follows it."""

    def __init__(self, folder: Path) -> None:
        # The age of the newest reply is a row of check_failures that depends on the clock.
        self.settings = new_home(folder).model_copy(update={"stale_after_hours": None})
        self.storage = lake_of(self.settings)

    def load(self, settings: Settings | None = None) -> LoadReport:
        """Flattens what is new, loads and checks it."""
        pipeline.flatten(self.settings)
        report = pipeline.load_batches(settings or self.settings)
        pipeline.run_checks(settings or self.settings)
        return report

    def bring(self, replies: Iterable[Landing], minute: int) -> tuple[int, int, int]:
        """Lands replies; returns the batches loaded, replaced and removed."""
        land(self.storage, *(each.later(minutes=minute) for each in replies))
        report = self.load()
        return len(report.loaded), len(report.replaced), len(report.removed)

    def compact(self) -> int:
        """Merges the months that are over; returns the compactions made."""
        report = compact(self.storage, load_contracts(), compact_bytes=1 << 27, now=LATER)
        return report.compactions

    def archive_subtitle(self, job_id: str) -> None:
        """Archives the subtitle file of a job."""
        sentence = "1 00:00:01,000 --> 00:00:02,500 你好\n".encode()
        key = FileKey(job_id, 0, 0, "all")
        file = Fetched(key, digest_of(LINK), NOON, Outcome.ARCHIVED, body=sentence)
        list(archive.write_files(self.storage, [file], 1 << 20))

    def forget(self, batch_id: str) -> None:
        """Removes the raw file of a batch."""
        commit = lake.read_commits(self.storage)[batch_id]
        self.storage.remove(commit.inputs["raw_file"])


def rows_of(settings: Settings) -> Rows:
    """Returns every row of every table of a build, our own among them.

    Which of its failing rows a check came upon first is no matter: `failure_index` is left out.
    """
    with connect(settings.warehouse_dir / BUILD, read_only=True) as connection:
        tables = [name for (name,) in fetch(connection, "SELECT table_name FROM duckdb_tables()")]
        left_out = {"check_failures": "EXCLUDE (failure_index)"}
        return {
            name: fetch(connection, f'SELECT * {left_out.get(name, "")} FROM "{name}" ORDER BY ALL')
            for name in tables
        }


def test_every_table_is_as_a_rebuild_makes_it(tmp_path: Path) -> None:
    """New, replaced, emptied, removed and compacted batches leave no trace in any table."""
    home = Home(tmp_path / "home")
    assert home.bring(FIRST, 0) == (1, 0, 0)
    assert home.bring(SECOND, 1) == (1, 0, 0)
    removed = min(lake.read_commits(home.storage))
    assert home.compact() == 1
    assert home.bring(THIRD, 2) == (1, 0, 0)
    home.archive_subtitle("third-3")
    assert home.bring([], 3) == (0, 1, 0)  # its sentences are new

    # Asked for again, with other answers: one batch keeps some of its jobs, another none.
    answers = [sample("first-2", NLP), sample("second-1", EMPTY), backwards("second-2", 2)]
    assert home.bring(answers, 4) == (1, 2, 0)
    assert home.compact() >= 1
    assert home.bring([*FOURTH, backwards("third-2")], 5) == (1, 1, 0)
    home.forget(removed)
    assert home.bring([], 6) == (0, 0, 1)

    made = rows_of(home.settings)
    rebuilt = home.settings.model_copy(update={"warehouse": tmp_path / "rebuilt"})
    assert len(home.load(rebuilt).loaded) == len(made["batches"])
    expected = rows_of(rebuilt)
    assert made.keys() == expected.keys()
    assert [table for table, rows in expected.items() if made[table] != rows] == []
    assert {table for table, rows in expected.items() if not rows} <= {
        "face_aliases",
        "tag_aliases",
    }
    assert len(expected["check_failures"]) == 2 + 2 + 3 + 5
    assert {row[0] for row in expected["jobs"]} == {
        *(each.job_id for each in (*SECOND, *THIRD, *FOURTH)),
        "first-2",
    }
