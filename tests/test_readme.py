"""The README's promises: its queries run, its paths and commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lake_kit import Landing, new_home, titled
from typer.main import get_command

from transforms import pipeline
from transforms.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> object:
    """A published warehouse with one small job."""
    settings = new_home(tmp_path_factory.mktemp("home"), [Landing("a", titled("A"))])
    pipeline.flatten(settings)
    pipeline.load(settings)
    return settings


def test_there_are_five_questions() -> None:
    """The README asks five questions, each in a heading of its own."""
    assert len(QUERIES) == 5
    assert len(re.findall(r"^### .+\?\n\n```sql\n", README, re.MULTILINE)) == 5


@pytest.mark.parametrize("sql", QUERIES, ids=range(1, len(QUERIES) + 1))
def test_each_query_runs(home: object, sql: str) -> None:
    """Each query of the README names tables and columns that are there."""
    assert pipeline.query(home, sql).num_columns >= 3  # type: ignore[arg-type]


def test_each_command_exists() -> None:
    """Each `cognition` command in the README is one, and no command is left out."""
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert set(re.findall(r"`cognition (\w+)", README)) == set(commands)


def test_each_make_target_exists() -> None:
    """Each `make` target in the README is in the Makefile."""
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make (\w+)`", README)) <= targets


def test_each_linked_page_is_there() -> None:
    """No link of the README leads nowhere."""
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert [link for link in links if not (ROOT / link).exists()] == []
