"""Forms of the DAGs: what they offer, what they refuse before a run, what a filled one means."""

from __future__ import annotations

import copy
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

pytest_plugins = ["airflow_session"]
pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

INGEST, REPLAY, MAINTAIN = "ingest_cognition_jobs", "replay_results", "maintain_lake"
SWITCHES = {
    INGEST: ["fetch_subtitles"],
    REPLAY: ["quarantined_only", "everything", "dry_run"],
    MAINTAIN: ["compact", "prune", "expiry", "clean", "dry_run"],
}
WRONG_IDS = [
    "job-1",
    7,
    [7],
    [None],
    ["two words"],
    ["a\tb"],
    ["a\x00b"],
    ["# a comment"],
    ["x" * 257],
    ["ok", "not ok"],
    [f"job-{n}" for n in range(10_001)],
]
WRONG: dict[tuple[str, str], list[object]] = {
    (INGEST, "job_ids"): WRONG_IDS,
    (INGEST, "jobs_per_task"): [0, 10_001, 1.5, "5", None],
    (REPLAY, "job_ids"): WRONG_IDS,
    (REPLAY, "types"): ["ASR", ["asr"], ["NoSuchType"], [1], ["ASR", "ASR"], {"ASR": True}],
    (REPLAY, "since"): ["yesterday", "2026-02-30", "20260131", "2026-01-31T00:00:00", 2026, ""],
    (MAINTAIN, "keep_versions"): [0, 101, -1, 2.5, "3", True],
    **{
        (dag_id, name): ["true", 1, None, []]
        for dag_id, names in SWITCHES.items()
        for name in names
    },
}
RIGHT: dict[tuple[str, str], list[object]] = {
    (INGEST, "job_ids"): [None, [], ["a"], ["****20b48fb0****"], [" a ", "", "任务一"]],
    (REPLAY, "types"): [None, [], ["ASR", "VideoLabel"]],
    (REPLAY, "since"): [None, "2026-01-31"],
    (MAINTAIN, "keep_versions"): [None, 1, 100],
}
PAIRS = [pytest.param(*key, id=".".join(key)) for key in WRONG]


def param_of(dagbag: DagBag, dag_id: str, name: str) -> Any:  # noqa: ANN401 - Airflow's Param
    """Returns a copy of a Param: resolving a value keeps it."""
    return copy.copy(dagbag.dags[dag_id].params.get_param(name))


def form(**given: object) -> dict[str, object]:
    """Returns a filled form of `replay_results`."""
    empty = {"job_ids": None, "types": None, "since": None}
    return {**empty, "quarantined_only": False, "everything": False, **given}


def test_every_field_of_a_form_is_tried_here(dagbag: DagBag) -> None:
    """Each Param of each DAG has its wrong values in this file, and is described on the page."""
    fields = {(dag_id, name) for dag_id, dag in dagbag.dags.items() for name in dag.params}
    assert fields == set(WRONG)
    for dag_id, name in sorted(fields):
        param = param_of(dagbag, dag_id, name)
        assert param.description.endswith("."), (dag_id, name)
        assert param.schema["type"], (dag_id, name)
        assert param.schema["title"], (dag_id, name)


@pytest.mark.parametrize(("dag_id", "name"), PAIRS)
def test_wrong_values_are_refused_before_a_run(dagbag: DagBag, dag_id: str, name: str) -> None:
    """A value of another type, out of range or none of the choices never becomes a run."""
    from airflow.sdk.exceptions import ParamValidationError

    for value in WRONG[dag_id, name]:
        with pytest.raises(ParamValidationError):
            param_of(dagbag, dag_id, name).resolve(value)


@pytest.mark.parametrize(("dag_id", "name"), list(RIGHT))
def test_right_values_are_taken(dagbag: DagBag, dag_id: str, name: str) -> None:
    """What the page sends - nothing, lists, blank lines of pasted text - is accepted."""
    for value in RIGHT[dag_id, name]:
        assert param_of(dagbag, dag_id, name).resolve(value) == value


@pytest.mark.parametrize("dag_id", [INGEST, REPLAY, MAINTAIN])
def test_a_form_as_it_opens_is_valid(dagbag: DagBag, dag_id: str) -> None:
    """A scheduled run, which fills in nothing, starts with valid values."""
    params = dagbag.dags[dag_id].params
    for name in params:
        param = param_of(dagbag, dag_id, name)
        assert param.resolve() == param.value


def test_a_wrong_form_starts_no_run(dagbag: DagBag) -> None:
    """The refusal comes from Airflow itself, with the field's name, and leaves no run behind."""
    from airflow.models.dagrun import DagRun
    from airflow.sdk.exceptions import ParamValidationError
    from airflow.utils.session import create_session

    def runs() -> int:
        with create_session() as session:
            return int(session.query(DagRun).filter(DagRun.dag_id == REPLAY).count())

    before = runs()
    with pytest.raises(ParamValidationError, match="types"):
        dagbag.dags[REPLAY].test(run_conf={"types": ["NoSuchType"]})
    assert runs() == before


def test_the_types_to_choose_are_those_of_the_schemas(airflow_home: Path, tmp_path: Path) -> None:
    """An overlay adds its Types; its file stands in for the shipped one; what is none is left."""
    from transforms.airflow_provider.forms import result_types, types_param

    shipped = result_types(None)
    assert shipped == [
        "ASR",
        "CPVLabel",
        "EventSplit",
        "ImageLabel",
        "Meta",
        "NLP",
        "OCR",
        "Process",
        "Subtitle",
        "TextLabel",
        "VideoLabel",
    ]
    (tmp_path / "results").mkdir()
    for name, text in {
        "brand": '{"x-type": "Brand"}',
        "asr": '{"x-type": "Speech"}',
        "broken": "{",
        "list": "[]",
        "nameless": '{"x-type": 3}',
    }.items():
        (tmp_path / "results" / f"{name}.schema.json").write_text(text)
    amended = sorted({*shipped, "Brand", "Speech"} - {"ASR"})
    assert result_types(str(tmp_path)) == amended
    assert result_types(str(tmp_path / "gone")) == shipped
    schema = types_param("Some.", str(tmp_path)).schema
    assert schema["items"]["enum"] == schema["examples"] == amended


def test_typed_ids_are_taken_without_blanks(airflow_home: Path) -> None:
    """A pasted list with an empty end and doubles gives each id once, in order."""
    from transforms.airflow_provider.forms import typed_ids

    assert typed_ids([" b", "a", "", "b\r", " "]) == ["b", "a"]
    assert typed_ids([]) == typed_ids(None) == []


def test_a_filled_form_selects_what_it_says(airflow_home: Path) -> None:
    """Every field reaches the selection; everything is a selection without a condition."""
    from transforms.airflow_provider.forms import read_selection
    from transforms.selection import Selection

    filled = form(job_ids=["a", ""], types=["ASR"], since="2026-01-31", quarantined_only=True)
    since = datetime(2026, 1, 31)  # noqa: DTZ001 - naive UTC
    assert read_selection(filled) == Selection(("a",), ("ASR",), since, quarantined=True)
    assert read_selection(form(everything=True)) == Selection()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Nothing was selected"),
        ({"job_ids": [], "types": []}, "Nothing was selected"),
        ({"job_ids": ["", " "]}, "Nothing was selected"),
        ({"everything": True, "types": ["ASR"]}, "everything replays every job"),
        ({"everything": True, "quarantined_only": True}, "everything replays every job"),
    ],
)
def test_a_form_that_contradicts_itself_fails_without_a_retry(
    airflow_home: Path, given: dict[str, object], said: str
) -> None:
    """No single field can tell that nothing was chosen: the first task ends, with the remedy."""
    from airflow.sdk.exceptions import AirflowFailException

    from transforms.airflow_provider.forms import read_selection

    with pytest.raises(AirflowFailException, match=said):
        read_selection(form(**given))
