"""Forms of the DAGs that people start: Params that several share, and what a filled form means.

Airflow refuses a value that a Param does not allow before there is a run. What no single field can
tell - that nothing was chosen at all - ends the first task, without a retry.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowFailException

from transforms import paths

if TYPE_CHECKING:
    from transforms.selection import Selection

MOST_TYPED_IDS = 10_000
"""Ids of one form: they lie in Airflow's database; more come as a file in `ledger/`."""
_ID = r"^\s*([^\s#\x00-\x1f\x7f-\x9f][^\s\x00-\x1f\x7f-\x9f]*)?\s*$"
"""A job id or an empty line: the form sends the end of a pasted list as one."""


def job_ids_param(description: str) -> Param:
    """Returns a field of job ids, one a line; empty unless filled in.

    Args:
        description: What becomes of the ids.
    """
    return Param(
        None,
        type=["null", "array"],
        title="Job ids",
        description=description,
        items={"type": "string", "maxLength": 256, "pattern": _ID},
        maxItems=MOST_TYPED_IDS,
    )


def types_param(description: str, overlay: str | None) -> Param:
    """Returns a field to choose result Types from; none unless chosen.

    Args:
        description: What becomes of them.
        overlay: The folder COGNITION_SCHEMAS names, if any: its Types can be chosen, too.
    """
    names = result_types(overlay)
    return Param(
        None,
        type=["null", "array"],
        title="Types",
        description=description,
        items={"type": "string", "enum": names},
        uniqueItems=True,
        examples=names,  # what the page offers to choose from
    )


def since_param(description: str) -> Param:
    """Returns a field for a day, UTC; empty unless filled in."""
    return Param(
        None,
        type=["null", "string"],
        title="Since",
        description=description,
        format="date",
        pattern=r"^\d{4}-\d{2}-\d{2}$",  # the format alone takes 20260131 as well
    )


def switch_param(title: str, description: str, *, default: bool) -> Param:
    """Returns a field that is on or off."""
    return Param(default, type="boolean", title=title, description=description)


def count_param(title: str, description: str, *, most: int) -> Param:
    """Returns a field for a number from 1 to `most`; empty: the setting of the deployment."""
    return Param(
        None,
        type=["null", "integer"],
        title=title,
        description=description,
        minimum=1,
        maximum=most,
    )


def result_types(overlay: str | None) -> list[str]:
    """Returns the Types that have a schema, without loading one: only their names are read.

    A file that is no schema is passed over: the task that uses it tells what is wrong with it.
    """
    folders = [paths.schemas_dir(), *([Path(overlay)] if overlay else [])]
    found = (file for folder in folders for file in (folder / "results").glob("*.schema.json"))
    counting = {file.name: file for file in found}  # an overlay's file stands in for the shipped
    return sorted({name for file in counting.values() if (name := _type_of(file))})


def typed_ids(given: Sequence[str] | None) -> list[str]:
    """Returns the ids typed into a field, each once, without blanks and empty lines."""
    return list(dict.fromkeys(job for text in given or () if (job := text.strip())))


def read_selection(params: Mapping[str, Any]) -> Selection:
    """Returns which jobs a filled form of `replay_results` selects.

    Raises:
        AirflowFailException: It selects nothing, or everything and a part of it.
    """
    # Late: parsing a DAG must not load the engine.
    from transforms.selection import Selection, parse_since  # noqa: PLC0415

    jobs = typed_ids(params["job_ids"])
    narrowed = bool(
        jobs or params["types"] or params["since"] is not None or params["quarantined_only"]
    )
    if not narrowed and not params["everything"]:
        raise AirflowFailException(
            "Nothing was selected: trigger again with job_ids, types, since or quarantined_only, "
            "or with everything for all jobs."
        )
    if narrowed and params["everything"]:
        raise AirflowFailException(
            "everything replays every job: trigger again without it, or without job_ids, types, "
            "since and quarantined_only."
        )
    since = None if params["since"] is None else parse_since(params["since"])
    return Selection(tuple(jobs), tuple(params["types"] or ()), since, params["quarantined_only"])


def _type_of(file: Path) -> str | None:
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    name = document.get("x-type") if isinstance(document, dict) else None
    return name if isinstance(name, str) else None
