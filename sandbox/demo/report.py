"""What the demo shows when it is done, in 80 columns: facts read from the published warehouse."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sandbox.demo.published import Published, Snapshot
from transforms.paths import sql_dir

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLE = "SELECT title FROM meta_titles LIMIT 5"
_WIDTH = 78


@dataclass(frozen=True, slots=True)
class Shown:
    """A query as the demo shows it.

    Attributes:
        title: What the reader sees above the answer.
        query: Name of its file in `sql/queries/`, or None where `view` is the whole of it.
        view: What of its answer fits a terminal, from `answer`.
        parameters: What its `$` names stand for.
    """

    title: str
    query: str | None
    view: str
    parameters: Mapping[str, str] = field(default_factory=dict)


QUARANTINED = Shown(
    "What was quarantined, and why",
    "what_was_quarantined",
    """SELECT set_aside_from AS part, place, jobs_count AS jobs, example_message AS why
       FROM answer ORDER BY jobs_count DESC, part, place LIMIT 12""",
)
QUESTIONS = (
    Shown(
        "Who is on screen longest",
        "who_is_on_screen_longest",
        """SELECT person, videos_count AS videos, appearances_count AS appearances,
                  on_screen_seconds AS seconds
           FROM answer WHERE NOT is_unknown ORDER BY on_screen_seconds DESC, person LIMIT 8""",
    ),
    Shown(
        "Which brands and landmarks appear",
        "brands_and_landmarks",
        """SELECT kind, found_name AS name, videos_count AS videos, address FROM answer
           WINDOW by_kind AS (PARTITION BY kind ORDER BY videos_count DESC, found_name)
           QUALIFY row_number() OVER by_kind <= 5
           ORDER BY kind, videos_count DESC, name""",
    ),
    Shown(
        'Where "hidden in that letter" is said while it can be read on screen',
        "phrase_in_speech_and_on_screen",
        """SELECT job_id[1:8] AS job, said_at AS at, said, shown FROM answer
           ORDER BY job_id, said_at LIMIT 5""",
        {"phrase": "hidden in that letter"},
    ),
    Shown(
        "What was understood of the speech, by its language",
        None,
        """WITH told AS (
               SELECT job_id, result_index, language, duration_seconds,
                      (SELECT count(*) FROM nlp_words AS w
                       WHERE w.job_id = a.job_id AND w.result_index = a.result_index) AS words,
                      (SELECT count(*) FROM nlp_chapters AS c
                       WHERE c.job_id = a.job_id AND c.result_index = a.result_index) AS chapters,
                      (SELECT count(*) FROM nlp_questions AS q
                       WHERE q.job_id = a.job_id AND q.result_index = a.result_index) AS questions
               FROM nlp_audio AS a
           )
           SELECT language, count(*) AS videos, sum(duration_seconds) / 60 AS minutes,
                  sum(words)::BIGINT AS words, sum(chapters)::BIGINT AS chapters,
                  sum(questions)::BIGINT AS questions
           FROM told GROUP BY language ORDER BY words DESC, language""",
    ),
)


def print_report(
    console: Console, home: Path, waiting: Mapping[str, int], before: Snapshot | None
) -> None:
    """Prints jobs, rows, quarantine, four answers, what changed, and where to go next.

    Args:
        console: Where to.
        home: Home of lake and warehouse.
        waiting: Jobs the service has not finished, by its status.
        before: What was published before this demo, if anything.
    """
    published = Published(home / "warehouse" / "warehouse.duckdb")
    after = published.snapshot()
    if after is None:
        console.print("Nothing is published.")
        return
    _print_jobs(console, published, waiting)
    _print_rows(console, after.rows)
    for shown in (QUARANTINED, *QUESTIONS):
        _print_answer(console, published, shown)
    _print_places(console, home, published.path)
    _print_changes(console, before, after)


def _print_jobs(console: Console, published: Published, waiting: Mapping[str, int]) -> None:
    done = published.ask("SELECT state, count(*) FROM jobs GROUP BY ALL ORDER BY 2 DESC").rows
    console.print("\n[bold]Jobs[/]")
    for state, count in done:
        console.print(f"  {state:<24}{count:>12,}", highlight=False)
    for status, count in sorted(waiting.items()):
        console.print(f"  {f'pending ({status})':<24}{count:>12,}", highlight=False)


def _print_rows(console: Console, rows: Mapping[str, int]) -> None:
    filled = [(name, count) for name, count in sorted(rows.items()) if count]
    console.print(f"\n[bold]Rows[/]  {sum(rows.values()):,} in {len(filled)} tables")
    half = -(-len(filled) // 2)
    for left, right in zip(filled[:half], [*filled[half:], None], strict=False):
        line = "  ".join(f"{name:<27}{count:>9,}" for name, count in filter(None, (left, right)))
        console.print(f"  {line}", highlight=False)


def _print_answer(console: Console, published: Published, shown: Shown) -> None:
    console.print(f"\n[bold]{shown.title}[/]", highlight=False)
    sql = shown.view
    if shown.query is not None:
        query = (sql_dir() / "queries" / f"{shown.query}.sql").read_text(encoding="utf-8")
        sql = f"WITH answer AS (\n{query}\n)\n{shown.view}"  # both are ours
    answer = published.ask(sql, shown.parameters)
    if not answer.rows:
        console.print("  nothing")
        return
    table = Table(box=None, pad_edge=True, padding=(0, 2, 0, 0), header_style="dim")
    for index, name in enumerate(answer.columns):
        numbers = all(isinstance(row[index], int | float) for row in answer.rows)
        table.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in answer.rows:
        table.add_row(*(_text(value) for value in row))
    console.print(Padding(table, (0, 0, 0, 2)), width=_WIDTH)


def _text(value: object) -> Text:
    if isinstance(value, float):
        return Text(f"{value:,.1f}")
    return Text(f"{value:,}" if isinstance(value, int) else str(value or ""))


def _print_places(console: Console, home: Path, path: Path) -> None:
    tool = os.path.relpath(Path(sys.executable).parent / "cognition")
    where = os.path.relpath(home)
    files = list((home / "lake" / "tables").rglob("*.parquet"))
    size = sum(file.stat().st_size for file in files) / 1e6
    console.print("\n[bold]Where it lies[/]")
    tables = os.path.relpath(home / "lake" / "tables")
    for line in (
        f"Parquet  {tables}  ({len(files)} files, {size:.1f} MB)",
        f"DuckDB   {os.path.relpath(path)}  ({path.stat().st_size / 1e6:.1f} MB)",
    ):
        console.print(f"  {line}", highlight=False, soft_wrap=True)
    console.print("\n[bold]Try next[/]")
    for line in (
        f"{tool} status --home {where}",
        f'{tool} query "{EXAMPLE}" --home {where}',
        "make airflow",
    ):
        console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)


def _print_changes(console: Console, before: Snapshot | None, after: Snapshot) -> None:
    if before is None:
        return
    total = sum(after.rows.values())
    if before == after:
        console.print(
            f"\n[bold]No row changed[/]: the same {total:,} rows, the same content of each batch.",
            highlight=False,
        )
        return
    names = before.rows.keys() | after.rows.keys()
    moved = sum(after.rows.get(name, 0) != before.rows.get(name, 0) for name in names)
    console.print(
        f"\n[bold]Changed[/]: {total - sum(before.rows.values()):+,} rows, {moved} tables with "
        f"another number of rows.",
        highlight=False,
    )
