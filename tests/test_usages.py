"""What a job was charged for: rows of their own, each element loaded or set aside."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from contract_kit import Json, dumps, flatten, result, success, titles
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ANY_JSON

from transforms import batch as batches
from transforms.contract import load_contracts
from transforms.envelope import Usage, read_reply
from transforms.errors import ConservationError

META = result("Meta", {"title": "a"})
ROW = ("job_id", "usage_index", "usage_type", "quota")
PLACE = ("scope", "table_name", "pointer", "keyword", "fragment", "result_index")
ELEMENT = st.one_of(
    ANY_JSON,
    st.fixed_dictionaries({}, optional={"Type": ANY_JSON, "Quota": ANY_JSON, "x": ANY_JSON}),
    st.builds(lambda quota: {"Type": "ASR", "Quota": quota}, st.integers(-(2**70), 2**70)),
)


@pytest.mark.parametrize("status", ["Success", "Fail"])
@pytest.mark.parametrize("shape", [lambda usages: usages, lambda usages: {"Usage": usages}])
def test_usages_come_as_a_list_or_in_an_object(shape: Any, status: str) -> None:  # noqa: ANN401 - a function
    """Both forms give the same rows, of failed jobs too: what was charged was charged."""
    usages = [{"Type": "VideoTag", "Quota": 60}, {"Type": None, "Quota": 1.0}, {}]
    body = dumps({"JobStatus": status, "Usages": shape(usages)})
    batch = flatten(body)
    assert batch.rows("usages", *ROW) == [
        ("job-0", 0, "VideoTag", 60),
        ("job-0", 1, None, 1),
        ("job-0", 2, None, None),
    ]
    assert batch.rows("jobs", "usages_count") == [(3,)]
    assert (batch.rows("quarantine"), batch.rows("unmapped_fields")) == ([], [])


@pytest.mark.parametrize(
    ("usages", "count"),
    [(None, None), ({}, None), ({"Usage": None}, None), ([], 0), ({"Usage": []}, 0)],
)
def test_no_usages_are_told_from_an_absent_list(usages: Json, count: int | None) -> None:
    """An empty list counts 0; one that is absent or null counts NULL; neither has rows."""
    batch = flatten(success(META, Usages=usages))
    assert batch.rows("jobs", "usages_count") == [(count,)]
    assert "usages" not in batch.counts
    assert (titles(batch), batch.rows("quarantine")) == ([("job-0", 0, "a")], [])


def test_a_wrong_usage_costs_only_itself() -> None:
    """Others keep their place, the results load, and each element is a row or in quarantine."""
    usages = [
        {"Type": "ASR", "Quota": "60"},
        {"Type": "OCR", "Quota": 5},
        None,
        {"Type": 1, "Quota": 0.5},
        {"Type": "NLP", "Quota": 2**53},
        7,
    ]
    batch = flatten(success(META, Usages={"Usage": usages}), success(Usages=[{"Quota": -1}]))
    assert batch.rows("usages", *ROW) == [("job-0", 1, "OCR", 5), ("job-1", 0, None, -1)]
    at = "/Usages/Usage"
    assert batch.rows("quarantine", *PLACE) == [
        ("row", "usages", f"{at}/0/Quota", "type", '{"Type":"ASR","Quota":"60"}', None),
        ("row", "usages", f"{at}/2", "type", "null", None),
        ("row", "usages", f"{at}/3/Quota", "type", '{"Type":1,"Quota":0.5}', None),
        (
            "row",
            "usages",
            f"{at}/4/Quota",
            "maximum",
            '{"Type":"NLP","Quota":9007199254740992}',
            None,
        ),
        ("row", "usages", f"{at}/5", "type", "7", None),
    ]
    assert batch.rows("quarantine", "row_pointer") == [(f"{at}/{n}",) for n in (0, 2, 3, 4, 5)]
    assert batch.rows("quarantine", "errors_count") == [(1,), (1,), (2,), (1,), (1,)]
    assert titles(batch) == [("job-0", 0, "a")]
    assert batch.rows("jobs", "state", "usages_count") == [("loaded", 6), ("loaded", 1)]
    assert batch.made.totals["usages"] == {"source": 7, "loaded": 2, "quarantined": 5}


@pytest.mark.parametrize(
    ("usages", "pointer"),
    [("60", "/Usages"), (7, "/Usages"), ({"Usage": {"Type": "ASR"}}, "/Usages/Usage")],
)
@pytest.mark.parametrize("status", ["Success", "Fail"])
def test_what_is_no_list_of_usages_costs_only_itself(
    usages: Json, pointer: str, status: str
) -> None:
    """A container of another type is set aside as it was sent, and the results beside it load."""
    body = dumps({"JobStatus": status, "Results": [META], "Usages": usages})
    batch = flatten(body)
    fragment = dumps(usages).replace(b" ", b"").decode()
    (found,) = batch.rows("quarantine", *PLACE)
    assert found == ("row", "usages", pointer, "type", fragment, None)
    assert batch.rows("jobs", "usages_count") == [(None,)]
    assert len(titles(batch)) == (status == "Success")
    assert "usages" not in batch.counts


def test_usages_stay_in_sight_when_the_reply_is_set_aside() -> None:
    """A reply that is quarantined whole keeps its usages in its fragment, odd ones beside it."""
    batch = flatten(dumps({"Usages": [{"Quota": 1}]}), dumps({"Usages": 3}))
    assert batch.rows("quarantine", "job_id", "scope", "fragment") == [
        ("job-0", "reply", '{"Usages":{"Usage":[{"Quota":1}]}}'),
        ("job-1", "reply", "{}"),
        ("job-1", "row", "3"),
    ]
    assert "usages" not in batch.counts


@given(usages=st.lists(ELEMENT, max_size=6))
@settings(max_examples=150, deadline=None)
def test_each_usage_is_a_row_or_in_quarantine(usages: list[Json]) -> None:
    """Whatever a list of usages holds, its elements are rows and quarantined parts, none twice."""
    batch = flatten(success(META, Usages=usages))
    loaded = [index for (index,) in batch.rows("usages", "usage_index")]
    pointers = [pointer for (pointer,) in batch.rows("quarantine", "row_pointer")]
    aside = [int(pointer.removeprefix("/Usages/")) for pointer in pointers]
    assert sorted(loaded + aside) == list(range(len(usages)))
    assert batch.rows("jobs", "usages_count") == [(len(usages),)]


def test_a_usage_that_would_be_lost_stops_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer rows than elements are no batch; the message names the job and the counts."""
    envelope = read_reply(success(Usages=[{}, {}]), 200, None, load_contracts().reply)
    for usages, said in (((), "0 rows"), ((Usage(0, None, None),) * 3, "3 rows")):
        wrong = replace(envelope, usages=usages)
        monkeypatch.setattr(batches, "read_reply", lambda *_, wrong=wrong: wrong)
        with pytest.raises(ConservationError, match=f"job job-0: usages has {said}.*for 2 elem"):
            flatten(b"")
