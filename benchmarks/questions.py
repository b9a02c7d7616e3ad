"""What a warehouse is asked to see how it bears its size."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transforms import paths
from transforms.warehouse.ddl import literal, quote
from transforms.warehouse.duck import Connection, fetch
from transforms.warehouse.views import read_header

SAMPLES = {
    "appearances": "2",
    "co_appearances": "1",
    "moments": "'weather'",
    "moments_near": "'city match', 'weather', 10",
    "track": "'Regole'",
}
"""Arguments a macro is asked with; a macro that is not here stops the measurement."""
PARAMETERS = {
    "brand": "Regole",
    "entity": "Regole",
    "person": "Person 1",
    "phrase": "city match",
    "speaker": "1",
    "tag": "Tag 1",
    "word": "weather",
}
"""Values the lake has for parameters of `sql/queries/`; others are asked as in the header."""
_PARAMETER = re.compile(r"\$([a-z_]+)")
_SAMPLE = re.compile(r"([a-z_]+) = ([^,]+)")

Given = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """One view, macro or query.

    Attributes:
        name: Its name, with the arguments of a macro.
        one_job: Statement and parameters for the job with the most occurrences; None without jobs.
        all_jobs: The same for all jobs.
    """

    name: str
    one_job: Given | None
    all_jobs: Given | None


def read_questions(connection: Connection) -> Iterator[Question]:
    """Yields all that can be asked of a published warehouse.

    Raises:
        KeyError: A macro or a query asks for an argument that nobody has given.
    """
    job = _heaviest(connection)
    views = fetch(
        connection,
        "SELECT view_name FROM duckdb_views() WHERE NOT internal AND NOT temporary "
        "AND database_name = current_database() ORDER BY 1",
    )
    macros = fetch(
        connection,
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE NOT internal "
        "AND function_type = 'table_macro' AND database_name = current_database() ORDER BY 1",
    )
    sources = [quote(name) for (name,) in views]
    sources += [f"{name}({SAMPLES[name]})" for (name,) in macros]
    for source in sources:
        columns = [row[0] for row in fetch(connection, f"DESCRIBE FROM {source}")]
        one = _about(source, f"WHERE job_id = {literal(job)}") if "job_id" in columns else None
        yield Question(source.replace('"', ""), one, _all_of(source))
    for file in sorted((paths.sql_dir() / "queries").glob("*.sql")):
        yield _read_query(file, job)


def _read_query(file: Path, job: str) -> Question:
    """Returns a file of `sql/queries/`; what asks for a job is a question over one job."""
    text = file.read_text(encoding="utf-8")
    samples = " ".join(read_header(text).get("Sample parameters", []))
    known = {**dict(_SAMPLE.findall(samples)), **PARAMETERS, "job_id": job}
    named = {name: known[name] for name in sorted(set(_PARAMETER.findall(text)))}
    given = {"sql": text, "parameters": named or None, "fetched": True}
    of_one = "job_id" in named
    return Question(f"queries/{file.stem}", given if of_one else None, None if of_one else given)


def _heaviest(connection: Connection) -> str:
    found = fetch(
        connection,
        "SELECT job_id FROM video_person_occurrences GROUP BY job_id "
        "ORDER BY count(*) DESC, job_id LIMIT 1",
    )
    return str(found[0][0])


def _about(source: str, condition: str) -> Given:
    """Returns the question for all rows of a job, all of them fetched."""
    sql = f"SELECT * FROM {source} {condition}"  # noqa: S608 - our own names
    return {"sql": sql, "parameters": None, "fetched": True}


def _all_of(source: str) -> Given:
    """Returns the question for every row of every job: all columns are read, none is fetched."""
    sql = f"SELECT count(*), bit_xor(hash(COLUMNS(*))) FROM {source}"  # noqa: S608 - our own names
    return {"sql": sql, "parameters": None, "fetched": False}
