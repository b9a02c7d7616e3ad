"""Checks of times, boxes and scores, derived from what columns are called and expected to hold.

All warn: such a value is the service's own, the row is whole, and marts put it right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from transforms.layout import Column, Schema, Table
from transforms.warehouse.check import Check
from transforms.warehouse.ddl import literal, quote

START, END, AT = "start_seconds", "end_seconds", "at_seconds"
AUDIO, DURATION = "nlp_audio", "duration_seconds"
TOLERANCE_SECONDS = 1.0
"""The audio may end before the picture does, and frames are sampled at whole seconds."""
CEILING_SECONDS = 864_000.0
"""Ten days: nothing lies that far after the start of a video, however long it may be."""
_BOX = ("box_left", "box_right", "box_top", "box_bottom")
_LIMITS = {"const": "=", "minimum": ">=", "maximum": "<="}


def check_inside(tables: Iterable[Table]) -> Iterator[Check]:
    """Yields the check that what is timed lies inside its video, over all tables at once.

    How long a video is is known of its audio alone: where a job has none, or one that is longer
    than any can be, only times before the start and those above a ceiling are found.
    """
    every = list(tables)
    timed = [table for table in every if _times(table)]
    if not timed:
        return
    known = any(table.name == AUDIO and DURATION in _names_of(table.columns) for table in every)
    lengths = f"""
        SELECT job_id, max({DURATION}) AS {DURATION}
        FROM {AUDIO} WHERE {DURATION} > 0 AND {DURATION} <= {CEILING_SECONDS} GROUP BY job_id
    """  # noqa: S608 - constants
    nothing = f"SELECT '' AS job_id, 0.0 AS {DURATION} WHERE false"
    parts = [part for table in timed for part in (_before(table), _after(table), _beyond(table))]
    sql = f"WITH lengths AS ({lengths if known else nothing}) {' UNION ALL '.join(parts)}"
    question = (
        "Does all that is timed lie inside its video, from 0 to "
        f"{TOLERANCE_SECONDS:g} s after the end of the audio, without one to "
        f"{CEILING_SECONDS:.0f} s?"
    )
    yield Check("inside_the_video", "warn", question, sql)


def check_values(table: Table) -> Iterator[Check]:
    """Yields the checks of the values in one row of a table."""
    names = _names_of(table.columns)
    if {START, END} <= names:
        question = f"Does each row of {table.name} end after it starts?"
        yield _check_rows("times", table, question, f"{START} > {END}", (START, END))
    if {START, END, AT} <= names:
        question = f"Does the moment of each row of {table.name} lie between its start and end?"
        outside = f"{START} <= {END} AND {AT} NOT BETWEEN {START} AND {END}"
        yield _check_rows("moments", table, question, outside, (START, AT, END))
    if {*_BOX} <= names:
        left, right, top, bottom = _BOX
        question = f"Is each box of {table.name} left of its right and above its bottom edge?"
        yield _check_rows("boxes", table, question, f"{left} > {right} OR {top} > {bottom}", _BOX)
    if scores := [column for column in table.columns if _is_score(column.name)]:
        question = f"Is each score of {table.name} from 0 to 1, or -1 where that stands for none?"
        outside = " OR ".join(f"NOT ({_kept(score)})" for score in scores)
        shown = tuple(score.name for score in scores)
        yield _check_rows("scores", table, question, outside, shown)


def _check_rows(
    family: str, table: Table, question: str, condition: str, shown: tuple[str, ...]
) -> Check:
    columns = ", ".join(quote(name) for name in (*(k.name for k in table.keys), *shown))
    sql = f"SELECT {columns} FROM {quote(table.name)} WHERE {condition}"  # noqa: S608 - quoted
    return Check(f"{family}:{table.name}", "warn", question, sql)


def _before(table: Table) -> str:
    """Returns SQL for rows that begin before the video; statistics of the file answer it."""
    early = " OR ".join(f"t.{name} < 0" for name in _times(table))
    return f"""
        SELECT {_place(table)}, NULL::DOUBLE AS audio_seconds
        FROM {quote(table.name)} AS t WHERE {early}
    """  # noqa: S608 - names of the schemas, quoted


def _after(table: Table) -> str:
    last = f"greatest({', '.join(f't.{name}' for name in _times(table))})"
    first = f"least({', '.join(f't.{name}' for name in _times(table))})"
    return f"""
        SELECT {_place(table)}, l.{DURATION} AS audio_seconds
        FROM {quote(table.name)} AS t INNER JOIN lengths AS l ON t.job_id = l.job_id
        WHERE {last} > l.{DURATION} + {TOLERANCE_SECONDS} AND {first} >= 0
    """  # noqa: S608 - names of the schemas, quoted


def _beyond(table: Table) -> str:
    """Returns SQL for rows no video is long enough for; statistics of the file answer it."""
    late = " OR ".join(f"t.{name} > {CEILING_SECONDS}" for name in _times(table))
    first = f"least({', '.join(f't.{name}' for name in _times(table))})"
    return f"""
        SELECT {_place(table)}, NULL::DOUBLE AS audio_seconds
        FROM {quote(table.name)} AS t ANTI JOIN lengths AS l ON t.job_id = l.job_id
        WHERE ({late}) AND {first} >= 0
    """  # noqa: S608 - names of the schemas, quoted


def _place(table: Table) -> str:
    """Returns SQL for what is told of a row: its table, its keys, and when it is."""
    job, result, *others = (f"t.{quote(key.name)}" for key in table.keys)
    times = ", ".join(f"t.{name}" for name in _times(table))
    return (
        f"{literal(table.name)} AS table_name, {job}, {result}, "
        f"concat_ws(' ', {', '.join(others)}) AS row_key, "
        f"least({times}) AS first_seconds, greatest({times}) AS last_seconds"
    )


def _times(table: Table) -> list[str]:
    """Returns the columns that say when something is, of a table of what is in results."""
    keyed = [key.name for key in table.keys[:2]] == ["job_id", "result_index"]
    names = _names_of(table.columns)
    return [name for name in (START, END, AT) if name in names] if keyed else []


def _kept(column: Column) -> str:
    """Returns SQL for the values a score is expected to have; NULL is unknown, and no failure."""
    return _condition(quote(column.name), column.expect) or f"{quote(column.name)} BETWEEN 0 AND 1"


def _condition(name: str, expect: Schema | None) -> str:
    """Returns SQL for what a schema expects, as far as it is a range; "" of none."""
    if not expect:
        return ""
    if "anyOf" in expect:
        ranges = [_condition(name, each) for each in expect["anyOf"]]
        return " OR ".join(f"({each})" for each in ranges) if all(ranges) else ""
    limits = [
        f"{name} {sign} {float(expect[key])}" for key, sign in _LIMITS.items() if key in expect
    ]
    return " AND ".join(limits)


def _is_score(name: str) -> bool:
    return name == "score" or name.endswith("_score")


def _names_of(columns: Iterable[Column]) -> set[str]:
    return {column.name for column in columns}
