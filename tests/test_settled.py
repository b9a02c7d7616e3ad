"""A load that meets a lake in the middle of a change: no job may vanish from what is published."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from lake_kit import Landing, lake_of, land, new_home, titled

from transforms import lake, pipeline
from transforms.errors import ConfigurationError
from transforms.settings import Settings
from transforms.warehouse import BatchChangedError


def _published_jobs(settings: Settings) -> list[tuple[str, str]]:
    rows = pipeline.query(settings, "SELECT job_id, batch_id FROM jobs ORDER BY job_id").to_pylist()
    return [(row["job_id"], row["batch_id"]) for row in rows]


def test_a_load_waits_for_a_batch_that_is_being_made_again(tmp_path: Path) -> None:
    """While a loaded batch has no marker but its raw file is there, nothing is taken away."""
    settings = new_home(tmp_path, [Landing("a", titled("A"))], [Landing("b", titled("B"))])
    pipeline.flatten(settings)
    pipeline.load(settings)
    before = _published_jobs(settings)
    storage = lake_of(settings)
    making = min(lake.read_commits(storage))
    storage.remove(lake.marker_path(making))
    with pytest.raises(BatchChangedError, match=rf"{making}.*cognition flatten"):
        pipeline.load(settings)
    assert _published_jobs(settings) == before
    pipeline.flatten(settings)
    pipeline.load(settings)
    assert _published_jobs(settings) == before


def test_a_load_waits_for_the_batch_a_job_moves_to(tmp_path: Path) -> None:
    """A job that has left its old batch and is not yet in its new one stays published."""
    first = Landing("a", titled("old"))
    settings = new_home(tmp_path, [first, Landing("b", titled("B"))])
    pipeline.flatten(settings)
    pipeline.load(settings)
    storage = lake_of(settings)
    newer = land(storage, Landing("a", titled("new")).later(days=40))
    older = next(path for path in pipeline.stale_batches(settings) if path not in newer)
    pipeline.flatten_batches(settings, [older])
    with pytest.raises(BatchChangedError):
        pipeline.load(settings)
    assert [job for job, _ in _published_jobs(settings)] == ["a", "b"]
    pipeline.flatten(settings)
    pipeline.load(settings)
    titles = pipeline.query(settings, "SELECT job_id, title FROM meta_titles ORDER BY job_id")
    assert titles.to_pylist() == [{"job_id": "a", "title": "new"}, {"job_id": "b", "title": "B"}]


def test_a_load_does_not_wait_for_what_just_landed(tmp_path: Path) -> None:
    """Replies that are not flattened yet keep nobody from loading what is."""
    settings = new_home(tmp_path, [Landing("a", titled("old"))])
    land(lake_of(settings), Landing("a", titled("new")).later(seconds=1))
    pipeline.flatten(settings)
    land(lake_of(settings), Landing("c", titled("C")).later(seconds=2))
    pipeline.load(settings)
    assert [job for job, _ in _published_jobs(settings)] == ["a"]


def test_a_batch_whose_raw_file_is_gone_is_unloaded(tmp_path: Path) -> None:
    """What was taken out of raw on purpose leaves the warehouse, too."""
    settings = new_home(tmp_path, [Landing("a", titled("A"))], [Landing("b", titled("B"))])
    pipeline.flatten(settings)
    pipeline.load(settings)
    storage = lake_of(settings)
    storage.remove(min(storage.list("raw")))
    assert pipeline.status(settings).waiting_batches == 0
    pipeline.flatten(settings)
    assert pipeline.status(settings).waiting_batches == 1
    pipeline.load(settings)
    assert len(_published_jobs(settings)) == 1


# Whose lake it is


def _loaded(tmp_path: Path) -> Settings:
    settings = new_home(tmp_path / "home", [Landing("a", titled("A"))])
    pipeline.flatten(settings)
    pipeline.load(settings)
    return settings


@pytest.mark.parametrize("landed", [[], [Landing("c", titled("C"))]], ids=["empty", "filled"])
def test_another_lake_does_not_replace_what_is_published(
    tmp_path: Path, landed: list[Landing]
) -> None:
    """A mistyped lake, or one made anew where none was mounted, changes neither file."""
    settings = _loaded(tmp_path)
    before = _published_jobs(settings)
    build = settings.warehouse_dir / "build.duckdb"
    was = build.read_bytes()
    other = new_home(tmp_path / "other", landed)
    wrong = settings.model_copy(update={"lake": other.lake_root})
    pipeline.flatten(wrong)
    with pytest.raises(ConfigurationError) as caught:
        pipeline.load(wrong)
    said = str(caught.value)
    assert str(build) in said
    assert other.lake_root in said
    assert "--warehouse" in said
    assert "delete build.duckdb" in said
    assert build.read_bytes() == was
    assert _published_jobs(settings) == before
    build.unlink()  # the remedy, had it been meant
    pipeline.load(wrong)
    assert [job for job, _ in _published_jobs(settings)] == [reply.job_id for reply in landed]


def test_a_lake_that_was_moved_goes_on(tmp_path: Path) -> None:
    """A lake is known by its id and not by its place."""
    settings = _loaded(tmp_path)
    shutil.move(settings.lake_root, tmp_path / "moved")
    moved = settings.model_copy(update={"lake": str(tmp_path / "moved")})
    land(lake_of(moved), Landing("b", titled("B")))
    pipeline.flatten(moved)
    report = pipeline.load(moved)
    assert (len(report.load.loaded), report.load.unchanged) == (1, 1)


def test_a_lake_may_lose_all_its_batches(tmp_path: Path) -> None:
    """What is taken out of the very lake that was loaded is unloaded, be it everything."""
    settings = _loaded(tmp_path)
    storage = lake_of(settings)
    storage.remove(*storage.list("raw"))
    pipeline.flatten(settings)
    pipeline.load(settings)
    assert _published_jobs(settings) == []


def test_a_build_without_batches_takes_any_lake(tmp_path: Path) -> None:
    """Where nothing can be lost, as after a first load of the wrong place, no remedy is asked."""
    settings = new_home(tmp_path / "home")
    pipeline.load(settings)
    other = new_home(tmp_path / "other", [Landing("a", titled("A"))])
    right = settings.model_copy(update={"lake": other.lake_root})
    pipeline.flatten(right)
    pipeline.load(right)
    assert [job for job, _ in _published_jobs(settings)] == ["a"]
    with pytest.raises(ConfigurationError, match="another lake"):
        pipeline.load(settings)
