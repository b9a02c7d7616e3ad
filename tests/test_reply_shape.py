"""Finding the reply in a document: whose it is, what its parts are called, and nothing changed."""

from __future__ import annotations

import copy

import pytest
from contract_kit import Json
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ANY_JSON

from transforms.reply_shape import ANALYSES, read_shape

REPLY = {"JobStatus": "Success", "Results": []}


def media(rough: Json = None, **keys: Json) -> dict[str, Json]:
    """Returns a reply of GetMediaInfo."""
    return {"RequestId": "r", "MediaInfo": {"AiRoughData": rough, **keys}}


@pytest.mark.parametrize(
    ("document", "job_id"),
    [
        ({**REPLY, "JobId": "own"}, "own"),
        ({**REPLY, "JobId": 7}, None),
        ({**REPLY, "JobId": ""}, None),
        ({"body": {**REPLY, "JobId": "inside"}}, "inside"),
        (
            media({"AiJobId": "rough", "StandardSmartTagJob": {"AiJobId": "job"}}, MediaId="m"),
            "job",
        ),
        (media({"AiJobId": "rough", "StandardSmartTagJob": {}}, MediaId="m"), "rough"),
        (media({"AiJobId": "", "StandardSmartTagJob": {"AiJobId": None}}, MediaId="m"), "m"),
        (media(None, MediaId="m"), "m"),
        (media("text"), None),
        ({"body": media(None, MediaId="m")}, "m"),
    ],
)
def test_a_document_names_its_job(document: Json, job_id: str | None) -> None:
    """JobId of a reply; of a media asset the id of the tagging job, the analysis or the asset."""
    assert read_shape(document).job_id == job_id


@pytest.mark.parametrize(
    ("document", "is_reply", "is_media"),
    [
        (REPLY, True, False),
        ({"Results": None}, True, False),
        ({"Code": "x"}, True, False),
        ({"code": "x"}, True, False),
        ({}, False, False),
        ({"RequestId": "r"}, False, False),
        ({"body": REPLY}, True, False),
        ({"body": {}}, False, False),
        ({"body": "text"}, False, False),
        ({"body": {"body": REPLY}}, False, False),
        (media(), True, True),
        ({"body": media()}, True, True),
        ({"MediaInfo": "text"}, False, False),
        ({"MediaInfo": {}, **REPLY}, True, False),
    ],
)
def test_a_reply_is_told_by_its_keys(document: Json, *, is_reply: bool, is_media: bool) -> None:
    """One wrapper is seen through; a JobStatus or Results of its own stands before any other."""
    shape = read_shape(document)
    assert (shape.is_reply, shape.is_media) == (is_reply, is_media)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("AnalyzeSuccess", "Success"),
        ("AnalyzeFailed", "Fail"),
        ("Analyzing", "Processing"),
        ("Paused", "Paused"),
        (7, 7),
        (None, None),
    ],
)
def test_a_status_of_an_analysis_is_a_job_status(sent: Json, meant: Json) -> None:
    """The three documented ones have one each, any other stays as it is; the sent one is told."""
    shape = read_shape(media({"StandardSmartTagJob": {"Status": sent}}))
    assert (shape.reply["JobStatus"], shape.status) == (meant, ("Status", sent))
    assert len(ANALYSES) == 3


def test_the_reply_of_a_media_asset_is_its_tagging_job() -> None:
    """Nothing of the media is in it; unknown keys of the tagging job alone are told."""
    job = {"AiJobId": "j", "ResultUrl": "u", "Status": "Analyzing", "Results": [1], "New": [2]}
    rough = {"StandardSmartTagJob": job, "Result": "u", "Unknown": 3}
    shape = read_shape({**media(rough, FileInfoList=["u"]), "Message": "m"})
    assert shape.reply == {
        "RequestId": "r",
        "Message": "m",
        "JobStatus": "Processing",
        "Results": {"result": [1]},
    }
    place = ("MediaInfo", "AiRoughData", "StandardSmartTagJob")
    assert shape.unknown == (((*place, "New"), [2]),)
    assert shape.results_path == (*place, "Results")


@pytest.mark.parametrize(
    ("document", "here", "there"),
    [
        ({"Results": {"Result": []}}, "/Results/result/0/Type", "/Results/Result/0/Type"),
        ({"Results": {"Result": []}}, "/Results/resultUrl", "/Results/resultUrl"),
        ({"Results": []}, "/Results/result/3", "/Results/3"),
        ({"Results": []}, "/Results/result", "/Results"),
        ({"Results": "x"}, "/Results", "/Results"),
        ({"Usages": []}, "/Usages/Usage/0", "/Usages/0"),
        ({"Usages": {}}, "/Usages/Total", "/Usages/Total"),
        ({"body": REPLY}, "", "/body"),
        ({"body": REPLY}, "/Input", "/body/Input"),
        ({"body": REPLY}, "/JobStatus", "/body/JobStatus"),
        (media(), "/JobStatus", "/MediaInfo/AiRoughData/StandardSmartTagJob/Status"),
        (media(), "/RequestId", "/RequestId"),
    ],
)
def test_a_pointer_leads_into_the_document_as_it_is(document: Json, here: str, there: str) -> None:
    """Pointers into the one form are told as pointers into what was sent or saved."""
    assert read_shape(document).as_sent(here) == there


PARTS = st.sampled_from(
    ["body", "MediaInfo", "AiRoughData", "StandardSmartTagJob", "Results", "result", "Result"]
)
DOCUMENTS = st.recursive(
    ANY_JSON, lambda inner: st.dictionaries(PARTS, inner, max_size=4), max_leaves=12
).filter(lambda document: isinstance(document, dict))


@given(document=DOCUMENTS)
@settings(max_examples=300, deadline=None)
def test_a_document_is_read_and_left_as_it_is(document: dict[str, Json]) -> None:
    """Whatever a document holds, finding the reply neither fails nor changes it."""
    before = copy.deepcopy(document)
    shape = read_shape(document)
    assert repr(document) == repr(before)
    at: Json = document
    for key in shape.results_path if shape.items else ():
        at = at[key]
    assert not shape.items or at is shape.items
