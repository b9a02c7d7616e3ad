"""Reading a reply: every shape of its container, its errors, and what it says of the job."""

from __future__ import annotations

import json
from typing import Any

import pytest
from contract_kit import Json, dumps, nested
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ANY_JSON, written

from transforms.contract import load_contracts
from transforms.envelope import Envelope, Item, read_reply, results_pointer
from transforms.findings import Finding, Unmapped
from transforms.json_text import FRAGMENT_LIMIT, MAX_DEPTH

GATE = load_contracts().reply
A, B = {"Type": "Meta", "Data": '{"title":"a"}'}, {"Type": "ASR", "Data": {"details": []}}
ITEMS = (Item(0, "Meta", '{"title":"a"}'), Item(1, "ASR", {"details": []}))


def read(body: Json, http: int | None = 200, code: str | None = None) -> Envelope:
    """Reads a reply given as bytes or as the document it holds."""
    return read_reply(body if isinstance(body, bytes) else dumps(body), http, code, GATE)


def success(**envelope: Json) -> Envelope:
    """Reads a successful reply with these keys."""
    return read({"JobStatus": "Success", **envelope})


def only(findings: tuple[Finding, ...]) -> Finding:
    """Returns the one finding."""
    assert len(findings) == 1, findings
    return findings[0]


@pytest.mark.parametrize(
    ("results", "shape"),
    [
        ({"result": [A, B]}, "Results.result"),
        ({"Result": [A, B]}, "Results.Result"),
        ([A, B], "Results"),
    ],
)
def test_three_containers_hold_the_same_results(results: Json, shape: str) -> None:
    """The documented, the sibling's and the plain form give the same items; the form is kept."""
    envelope = success(Results=results)
    assert envelope.items == ITEMS
    assert (envelope.results_shape, envelope.results_count) == (shape, 2)
    assert (envelope.state, envelope.findings, envelope.unmapped) == ("loaded", (), ())


@pytest.mark.parametrize(
    ("results", "shape", "count"),
    [
        ({"result": []}, "Results.result", 0),
        ({"Result": []}, "Results.Result", 0),
        ([], "Results", 0),
        ({"result": None}, "Results.result", None),
        ({"Result": None}, "Results.Result", None),
        ({}, "Results.result", None),
        (None, None, None),
    ],
)
def test_no_results_are_told_from_an_absent_container(
    results: Json, shape: str | None, count: int | None
) -> None:
    """An empty list counts 0; a container that is null or empty counts NULL."""
    envelope = success(Results=results)
    assert (envelope.results_shape, envelope.results_count) == (shape, count)
    assert (envelope.state, envelope.items) == ("loaded", ())


def test_a_reply_without_results_is_a_loaded_job() -> None:
    """A successful job may have no container at all."""
    envelope = success()
    assert (envelope.state, envelope.results_shape, envelope.results_count) == (
        "loaded",
        None,
        None,
    )


def test_result_stands_before_its_sibling() -> None:
    """Where both spellings are there, the documented one is read and the other is unmapped."""
    envelope = success(Results={"result": [A], "Result": [B]})
    assert envelope.items == ITEMS[:1]
    assert envelope.unmapped == (
        Unmapped("/Results/Result", '[{"Type":"ASR","Data":{"details":[]}}]'),
    )


@pytest.mark.parametrize(
    ("results", "prefix"),
    [
        ({"result": [{"Data": "{}"}, A, None, "x", {"Type": 7}]}, "/Results/result"),
        ({"Result": [{"Data": "{}"}, A, None, "x", {"Type": 7}]}, "/Results/Result"),
        ([{"Data": "{}"}, A, None, "x", {"Type": 7}], "/Results"),
    ],
)
def test_an_item_that_is_none_is_set_aside_alone(results: Json, prefix: str) -> None:
    """Items without a Type, null and of another type are findings where they were sent."""
    envelope = success(Results=results)
    assert [(item.index, item.type, item.data) for item in envelope.items] == [
        (0, None, None),
        (1, "Meta", '{"title":"a"}'),
        (2, None, None),
        (3, None, None),
        (4, None, None),
    ]
    findings = [item.finding for item in envelope.items]
    assert [f and (f.scope, f.reason, f.pointer, f.keyword, f.fragment) for f in findings] == [
        ("result", "contract", f"{prefix}/0", "required", '{"Data":"{}"}'),
        None,
        ("result", "contract", f"{prefix}/2", "type", "null"),
        ("result", "contract", f"{prefix}/3", "type", '"x"'),
        ("result", "contract", f"{prefix}/4/Type", "type", '{"Type":7}'),
    ]
    assert all(f is None or f.table_name is None for f in findings)
    assert (envelope.state, envelope.results_count, envelope.findings) == ("loaded", 5, ())


def test_the_twelfth_item_keeps_its_own_finding() -> None:
    """Findings and items are matched by number, not by order or first digit."""
    items: list[Json] = [A] * 13
    items[1] = items[11] = {}
    envelope = success(Results={"result": items})
    pointers = [item.finding.pointer if item.finding else None for item in envelope.items]
    assert pointers[1] == "/Results/result/1"
    assert pointers[11] == "/Results/result/11"
    assert pointers.count(None) == 11


@pytest.mark.parametrize(
    ("results", "pointer"),
    [
        ("none", "/Results"),
        (3, "/Results"),
        ({"result": {"Type": "Meta"}}, "/Results/result"),
        ({"Result": "x"}, "/Results/Result"),
    ],
)
def test_a_container_of_another_type_sets_the_reply_aside(results: Json, pointer: str) -> None:
    """The pointer leads to the container as it was sent."""
    envelope = success(Results=results)
    finding = only(envelope.findings)
    assert (envelope.state, envelope.items) == ("quarantined", ())
    assert (finding.scope, finding.reason, finding.pointer, finding.keyword) == (
        "reply",
        "contract",
        pointer,
        "type",
    )
    assert envelope.reason == finding.message


def test_unknown_keys_of_the_envelope_are_reported_as_sent() -> None:
    """Keys beside and inside the container are unmapped, with pointers into the reply as sent."""
    item = {**A, "Score": 1}
    usage = {"Usages": {"Usage": [{"Quota": 3, "Unit": "s"}], "Total": 3}}
    for results, place in (
        ({"result": [item]}, "/Results/result/0/Score"),
        ({"Result": [item]}, "/Results/Result/0/Score"),
        ([item], "/Results/0/Score"),
    ):
        envelope = success(**usage, Results=results, Input={"a/b": None})
        assert set(envelope.unmapped) == {
            Unmapped("/Usages/Usage/0/Unit", '"s"'),
            Unmapped("/Usages/Total", "3"),
            Unmapped(place, "1"),
            Unmapped("/Input/a~1b", "null"),
        }
        assert envelope.state == "loaded"


def test_a_key_that_only_begins_like_the_container_keeps_its_name() -> None:
    """Only what lies in the container is moved to where it was sent."""
    envelope = success(Results={"Result": [A], "resultUrl": "u"})
    assert envelope.unmapped == (Unmapped("/Results/resultUrl", '"u"'),)


@pytest.mark.parametrize(
    ("given_data", "kept"),
    [
        ("text", "text"),
        ("", ""),
        ('{"a": 1}', '{"a": 1}'),
        (json.dumps('{"a": 1}'), '"{\\"a\\": 1}"'),
        ({"a": 1, "名": "值"}, '{"a":1,"名":"值"}'),
        ([1, None], "[1,null]"),
        (7, "7"),
        (True, "true"),
        (None, None),
    ],
)
def test_user_data_is_kept_as_text(given_data: Json, kept: str | None) -> None:
    """Text stays as it is, JSON or not; anything else is compact JSON; it never fails a reply."""
    for envelope in (
        success(UserData=given_data),
        read({"JobStatus": "Fail", "UserData": given_data}),
    ):
        assert envelope.user_data == kept
        assert envelope.findings == ()


def test_facts_of_the_job_are_read() -> None:
    """The documented and undocumented fields land in their columns; RequestId is stripped."""
    envelope = success(
        RequestId="C1849434-FC47-5DC1-92B6-F7EAAFE3851E\n",
        TemplateId="S00000101-100060",
        Params={"nlpParams": {}},
        Message="OK",
        Input={"Type": "OSS", "Media": "oss://bucket/a.mp4"},
    )
    assert envelope == Envelope(
        state="loaded",
        job_status="Success",
        message="OK",
        request_id="C1849434-FC47-5DC1-92B6-F7EAAFE3851E",
        template_id="S00000101-100060",
        params='{"nlpParams":{}}',
        input_type="OSS",
        input_media="oss://bucket/a.mp4",
    )
    assert success(Input=None, RequestId=None).request_id is None


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ({}, None),
        ({"Message": "no speech"}, "no speech"),
        ({"Results": None}, None),
        ({"Results": "none"}, None),
        ({"Results": {"result": []}, "Message": "m"}, "m"),
        ({"Results": {"result": "x"}, "Message": "m"}, "m"),
        (
            {"Results": {"result": [{"Data": "the file cannot be decoded"}]}},
            "the file cannot be decoded",
        ),
        ({"Results": {"Result": [{"Type": "ASR", "Data": "upper"}]}}, "upper"),
        ({"Results": [{"Data": ""}, {"Data": None}, "x", {}, {"Data": "third"}]}, "third"),
        ({"Results": [{"Data": {"code": "E", "原因": "坏"}}]}, '{"code":"E","原因":"坏"}'),
        ({"Results": [{"Data": ["a"]}]}, '["a"]'),
        ({"Results": [{"Data": 0}]}, "0"),
        ({"Results": [{"Data": False}]}, "false"),
        ({"Results": [{"Data": ""}], "Message": {"a": 1}}, '{"a":1}'),
    ],
)
def test_a_failed_job_gives_its_reason(reply: dict[str, Json], reason: str | None) -> None:
    """The first Data that says anything is the reason, else Message; nothing is validated."""
    envelope = read({"JobStatus": "Fail", "RequestId": "r\n", **reply})
    assert (envelope.state, envelope.job_status, envelope.reason) == ("failed", "Fail", reason)
    assert (envelope.items, envelope.findings, envelope.request_id) == ((), (), "r")


@pytest.mark.parametrize(
    ("http", "carrier"), [(200, "HTTP 200"), (399, "HTTP 399"), (None, "saved reply")]
)
def test_an_error_that_came_as_a_success_is_quarantined(http: int | None, carrier: str) -> None:
    """HTTP 200 with an error Code is not a job that was read: the reply is set aside whole."""
    body = dumps({"Code": "JobNotFound", "Message": "no such job", "RequestId": "r"})
    envelope = read(body, http)
    assert (envelope.state, envelope.error_code) == ("quarantined", "JobNotFound")
    assert (envelope.reason, envelope.request_id) == ("JobNotFound: no such job", "r")
    assert only(envelope.findings) == Finding(
        scope="reply",
        reason="error_reply",
        message=f"{carrier} with error Code JobNotFound: no such job",
        pointer="/Code",
        fragment=body.decode(),
        fragment_bytes=len(body),
    )


@pytest.mark.parametrize("http", [400, 404, 503])
@pytest.mark.parametrize(
    ("document", "code", "reason"),
    [
        ({"Code": "JobNotFound", "Message": "gone"}, None, "JobNotFound: gone"),
        ({"Code": "JobNotFound", "message": "small"}, None, "JobNotFound: small"),
        ({"Code": "A"}, "Forbidden.B", "Forbidden.B: no message"),
        ({}, "InvalidJobId.NotFound", "InvalidJobId.NotFound: no message"),
        ({"Code": 404, "Message": {"en": "gone"}}, None, '404: {"en":"gone"}'),
    ],
)
def test_a_job_the_service_does_not_know_is_rejected(
    document: Json, code: str | None, reason: str, http: int
) -> None:
    """An error status with a code is a final answer on the job; the source's code stands first."""
    envelope = read(document, http, code)
    assert (envelope.state, envelope.reason, envelope.findings) == ("rejected", reason, ())
    assert envelope.error_code == reason.split(":", maxsplit=1)[0]


def test_a_code_beside_a_job_status_is_no_error() -> None:
    """A reply with a JobStatus is read as one; Code is one more unknown key."""
    envelope = success(Code="OK", Results={"result": [A]})
    assert (envelope.state, envelope.items, envelope.error_code) == ("loaded", ITEMS[:1], None)
    assert envelope.unmapped == (Unmapped("/Code", '"OK"'),)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502</html>",
        b'{"JobStatus":"Success"',
        b"\xff\xfe",
        b'\xef\xbb\xbf{"JobStatus":1}',
        b'{"JobStatus":NaN}',
        b'{"JobStatus":"Success"}{"JobStatus":"Success"}',
    ],
)
def test_a_reply_that_is_not_json_is_quarantined(body: bytes) -> None:
    """Its bytes are the fragment, as far as they are UTF-8; nothing else is known of the job."""
    envelope = read(body, 200)
    finding = only(envelope.findings)
    assert (finding.scope, finding.reason, finding.keyword) == ("reply", "not_json", None)
    assert (finding.fragment, finding.fragment_bytes) == (body.decode(errors="replace"), len(body))
    assert envelope == Envelope("quarantined", reason=finding.message, findings=(finding,))


@pytest.mark.parametrize("document", [[], [{"JobStatus": "Success"}], None, "Success", 7, True])
def test_a_reply_must_be_an_object(document: Json) -> None:
    """Any other JSON is quarantined as such."""
    finding = only(read(document).findings)
    assert (finding.reason, finding.pointer, finding.keyword) == ("contract", "", "type")
    assert finding.message == "a reply must be a JSON object"


@pytest.mark.parametrize(
    ("document", "pointer", "keyword"),
    [
        ({}, "", "required"),
        ({"Results": {"result": []}, "RequestId": "r"}, "", "required"),
        ({"JobStatus": 2}, "/JobStatus", "type"),
        ({"JobStatus": None}, "/JobStatus", "type"),
        ({"JobStatus": "Success", "Input": "oss://a"}, "/Input", "type"),
        ({"JobStatus": "Success", "RequestId": 5}, "/RequestId", "type"),
    ],
)
def test_an_envelope_of_another_shape_is_quarantined(
    document: Json, pointer: str, keyword: str
) -> None:
    """A JobStatus that is missing or no text, and other fields of the wrong type, are findings."""
    envelope = read(document)
    finding = only(envelope.findings)
    assert (finding.scope, finding.reason) == ("reply", "contract")
    assert (finding.pointer, finding.keyword, finding.errors_count) == (pointer, keyword, 1)
    assert (envelope.state, envelope.items) == ("quarantined", ())
    assert json.loads(finding.fragment or "") == document


def test_what_can_be_known_of_a_quarantined_reply_is_kept() -> None:
    """Facts that could be read stay beside the finding."""
    envelope = read({"JobStatus": 1, "RequestId": "r", "UserData": {"a": 1}})
    assert (envelope.state, envelope.job_status) == ("quarantined", None)
    assert (envelope.request_id, envelope.user_data) == ("r", '{"a":1}')


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"JobStatus":"Fail","JobStatus":"Success"}', "JobStatus"),
        (b'{"JobStatus":"Success","Results":{"result":[]},"Results":{"result":[]}}', "Results"),
        (
            b'{"JobStatus":"Success","Results":{"result":[{"Type":"Meta","Data":"{}","Data":"[]"}]}}',
            "Data",
        ),
        (
            b'{"JobStatus":"Success","Results":[{"Type":"A","Data":"a"},{"Type":"B","Type":"C"}]}',
            "Type",
        ),
        (
            b'{"JobStatus":"Success","Results":[{"Type":"Meta","Data":{"title":1,"title":2}}]}',
            "title",
        ),
        (b'{"JobStatus":"Fail","Message":"x","Message":"y"}', "Message"),
    ],
)
def test_a_known_key_given_twice_sets_the_reply_aside(body: bytes, key: str) -> None:
    """Where one of two values would be lost, none is trusted: the whole reply is kept aside."""
    envelope = read_reply(body, 200, None, load_contracts().reply)
    finding = only(envelope.findings)
    assert (envelope.state, envelope.items, finding.scope) == ("quarantined", (), "reply")
    assert (finding.reason, finding.fragment) == ("duplicate_key", body.decode())
    assert repr(key) in finding.message


def test_data_that_speaks_of_keys_is_no_duplicate() -> None:
    """Quotes inside Data are text: they neither hide a duplicate key nor make one up."""
    data = json.dumps({"Data": 'say "Data": twice', "title": '\\"Data\\":'})
    body = {
        "JobStatus": "Success",
        "Results": [{"Type": "A", "Data": data}, {"Data": "", "Type": "B"}],
    }
    assert [(i.type, i.data) for i in read(body).items] == [("A", data), ("B", "")]


def test_a_null_container_does_not_hide_its_sibling() -> None:
    """Of `result: null` and a filled `Result`, the filled one counts."""
    items = [{"Type": "Meta", "Data": "{}"}]
    envelope = read({"JobStatus": "Success", "Results": {"result": None, "Result": items}})
    assert (envelope.results_shape, len(envelope.items)) == ("Results.Result", 1)


def test_an_empty_code_is_none() -> None:
    """`Code: ""` names no error: the reply is judged by its missing JobStatus."""
    finding = only(read({"Code": "", "Message": "x"}).findings)
    assert (finding.reason, finding.keyword) == ("contract", "required")


def test_an_unknown_key_given_twice_sets_the_reply_aside() -> None:
    """The envelope is held to one reading like any document."""
    body = b'{"JobStatus":"Success","a":1,"a":2}'
    finding = only(read(body).findings)
    assert (finding.scope, finding.reason) == ("reply", "duplicate_key")
    assert finding.fragment == body.decode()


@pytest.mark.parametrize("levels", [1, MAX_DEPTH - 1, MAX_DEPTH, 254, 255, 600, 1000, 1022, 2000])
@pytest.mark.parametrize("status", ["Success", "Fail"])
@pytest.mark.parametrize("key", ["UserData", "Unknown", "Message", "RequestId"])
def test_a_deep_reply_never_raises(levels: int, status: str, key: str) -> None:
    """A reply nested deeper than the limit is quarantined whole, whichever key it is."""
    body = f'{{"JobStatus":"{status}","{key}":{nested(levels)}}}'.encode()
    envelope = read(body)
    reasons = {finding.reason for finding in envelope.findings}
    if levels >= MAX_DEPTH:  # the object around it is one level, too
        assert reasons == {"not_json" if levels > 1023 else "unreadable"}
        assert envelope.state == "quarantined"
    else:
        assert not reasons & {"not_json", "unreadable"}


def test_a_deep_object_as_data_never_raises() -> None:
    """Data sent as an object deeper than the limit costs the reply, with its text kept."""
    body = b'{"JobStatus":"Success","Results":[{"Type":"Meta","Data":{"x":%s}}]}'
    body = body.replace(b"%s", nested(300).encode())
    finding = only(read(body).findings)
    assert (finding.scope, finding.reason) == ("reply", "unreadable")
    assert finding.message == "reply: nested more than 200 levels deep"
    assert finding.fragment == body.decode()


def test_a_long_reply_is_cut_in_its_fragment() -> None:
    """The fragment stops at the limit, its size is that of the reply."""
    body = b"<" + b"a" * FRAGMENT_LIMIT
    finding = only(read(body).findings)
    assert finding.fragment == "<" + "a" * (FRAGMENT_LIMIT - 1)
    assert finding.fragment_bytes == FRAGMENT_LIMIT + 1


def tagging(**job: Json) -> dict[str, Json]:
    """Returns a reply of GetMediaInfo with this tagging job, links and all."""
    rough = {"StandardSmartTagJob": {"ResultUrl": LINK, **job}, "Result": LINK}
    media = {"MediaId": "m", "FileInfoList": [{"FileUrl": LINK}], "AiRoughData": rough}
    return {"RequestId": "r\n", "MediaInfo": media}


LINK = "https://bucket.example/a?Signature=SIGNED"
JOB = "/MediaInfo/AiRoughData/StandardSmartTagJob"


def test_a_media_asset_gives_the_results_of_its_tagging_job() -> None:
    """Of GetMediaInfo the tagging job is read, its Status as a JobStatus; the media is not."""
    envelope = read({**tagging(Status="AnalyzeSuccess", Results=[A, {}, B], New=1), "Other": 2})
    assert [(item.index, item.type, item.data) for item in envelope.items] == [
        (0, "Meta", '{"title":"a"}'),
        (1, None, None),
        (2, "ASR", {"details": []}),
    ]
    finding = envelope.items[1].finding
    assert finding is not None
    assert (finding.scope, finding.pointer) == ("result", f"{JOB}/Results/1")
    assert envelope.results_shape == "MediaInfo.AiRoughData.StandardSmartTagJob.Results"
    assert (envelope.state, envelope.job_status, envelope.results_count) == ("loaded", "Success", 3)
    assert (envelope.request_id, envelope.findings) == ("r", ())
    assert envelope.unmapped == (Unmapped("/Other", "2"), Unmapped(f"{JOB}/New", "1"))
    assert LINK not in repr(envelope)


def test_an_analysis_that_failed_is_a_failed_job() -> None:
    """`AnalyzeFailed` is Fail; the first Data that says anything is the reason."""
    envelope = read(
        tagging(Status="AnalyzeFailed", Results=[{"Type": "Meta", "Data": "no frames"}])
    )
    assert (envelope.state, envelope.job_status, envelope.reason) == ("failed", "Fail", "no frames")


@pytest.mark.parametrize(
    ("document", "reason", "pointer"),
    [
        (tagging(Status="AnalyzeSuccess", Results="none"), "contract", f"{JOB}/Results"),
        (tagging(Status=["AnalyzeSuccess"], Results=[A]), "contract", f"{JOB}/Status"),
        (tagging(Results=[A]), "contract", ""),
        ({"MediaInfo": {"FileInfoList": [{"FileUrl": LINK}]}}, "contract", ""),
        ({"MediaInfo": {"FileInfoList": [{"FileUrl": LINK}]}, "Code": "NotFound"}, None, "/Code"),
        ({**tagging(Status="AnalyzeSuccess"), "a": json.loads(nested(250))}, "unreadable", ""),
        ({**tagging(Status="AnalyzeSuccess"), "a": json.loads(nested(255))}, "unreadable", ""),
    ],
)
def test_a_media_asset_set_aside_shows_no_link(
    document: Json, reason: str | None, pointer: str
) -> None:
    """The fragment of a GetMediaInfo reply is the tagging job without links; raw holds the rest."""
    envelope = read(document, None)
    finding = only(envelope.findings)
    assert (finding.scope, finding.reason) == ("reply", reason or "error_reply")
    assert finding.pointer == pointer
    assert (envelope.state, "SIGNED" in repr(envelope)) == ("quarantined", False)


def test_a_key_given_twice_in_a_media_asset_shows_no_link() -> None:
    """A reply of GetMediaInfo that cannot be read one way is set aside without its links."""
    body = dumps(tagging(Status="AnalyzeSuccess", Results=[A]))
    envelope = read(body[:-1] + b',"RequestId":"r2"}')
    finding = only(envelope.findings)
    assert (finding.reason, "SIGNED" in repr(envelope)) == ("duplicate_key", False)
    assert json.loads(finding.fragment or "") == {
        "RequestId": "r2",
        "JobStatus": "Success",
        "Results": {"result": [A]},
    }


def test_the_wrapper_of_the_sdk_is_seen_through() -> None:
    """`headers`, `statusCode` and `body` are not the reply's own: pointers lead through `body`."""
    reply = {
        "JobStatus": "Success",
        "x": 1,
        "Results": {"Result": [{}, A]},
        "Usages": [{"Quota": "1"}],
    }
    envelope = read({"headers": {"a": "b"}, "statusCode": 200, "y": None, "body": reply}, None)
    assert [(item.type, item.data) for item in envelope.items] == [
        (None, None),
        (A["Type"], A["Data"]),
    ]
    assert envelope.items[0].finding is not None
    assert envelope.items[0].finding.pointer == "/body/Results/Result/0"
    assert envelope.results_shape == "body.Results.Result"
    assert only(envelope.findings).pointer == "/body/Usages/0/Quota"
    assert envelope.unmapped == (Unmapped("/body/x", "1"), Unmapped("/y", "null"))


def test_a_wrapped_error_is_found_in_the_body() -> None:
    """An error that was saved with the SDK's wrapper is told where it stands."""
    envelope = read({"statusCode": 200, "body": {"Code": "JobNotFound", "Message": "gone"}}, None)
    finding = only(envelope.findings)
    assert (envelope.error_code, finding.reason) == ("JobNotFound", "error_reply")
    assert finding.pointer == "/body/Code"


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"Results": {"result": []}}, ("Results", "result")),
        ({"Results": {"Result": []}}, ("Results", "Result")),
        ({"Results": []}, ("Results",)),
        ({}, ("Results", "result")),
        ({"body": {"JobStatus": "Success", "Results": []}}, ("body", "Results")),
        (tagging(Results=[]), tuple(f"{JOB}/Results".strip("/").split("/"))),
    ],
)
def test_the_results_of_a_reply_can_be_found(document: Json, path: tuple[str, ...]) -> None:
    """The keys lead from the reply as it is to the array of its results."""
    assert results_pointer(document) == path


def test_a_type_that_is_not_there_is_no_error() -> None:
    """Which Types come back depends on what was submitted: none is missed, not even NLP."""
    envelope = success(Results={"result": [A]})
    assert [item.type for item in envelope.items] == ["Meta"]
    assert (envelope.state, envelope.findings, envelope.reason) == ("loaded", (), None)


KEYS = ["JobStatus", "Results", "RequestId", "UserData", "Input", "Code", "Message", "x"]
KEYS += ["Usages", "MediaInfo", "body"]
CONTAINERS = st.one_of(
    ANY_JSON,
    st.sampled_from([[A, None, {}], {"result": [A, B]}, {"Result": [{"Data": 1}, "x"]}]),
    st.sampled_from([{"Usage": [{"Quota": 1}, {"Quota": "1"}, None]}, {"Usage": "x"}]),
    st.sampled_from(
        [
            tagging(Status="AnalyzeSuccess", Results=[A, None])["MediaInfo"],
            {"AiRoughData": {"StandardSmartTagJob": []}},
            {"JobStatus": "Success", "Results": [A]},
        ]
    ),
)
REPLIES = st.dictionaries(
    st.sampled_from(KEYS),
    st.one_of(CONTAINERS, st.sampled_from(["Success", "Fail", "Processing"])),
    max_size=5,
)


@given(
    body=st.one_of(
        st.binary(), written(ANY_JSON).map(str.encode), written(REPLIES).map(str.encode)
    ),
    http=st.sampled_from([None, 200, 404, 500]),
    code=st.sampled_from([None, "JobNotFound"]),
)
@settings(max_examples=400, deadline=None)
def test_no_reply_raises(body: bytes, http: int | None, code: str | None) -> None:
    """Whatever a reply holds, it is read; quarantined ones alone have a finding on the whole."""
    envelope: Any = read_reply(body, http, code, GATE)
    assert envelope.state in {"loaded", "failed", "rejected", "quarantined"}
    scopes = {(finding.scope, finding.table_name) for finding in envelope.findings}
    assert scopes <= {("reply", None), ("row", "usages")}
    assert (envelope.state == "quarantined") == (("reply", None) in scopes)
    assert [item.index for item in envelope.items] == list(range(len(envelope.items)))
    assert all((item.type is None) == (item.finding is not None) for item in envelope.items)


def test_a_failed_job_keeps_what_it_had_beside_the_reason() -> None:
    """The first Data tells why; results beside it and unknown keys are kept as they were sent."""
    results = [{"Type": "VideoLabel", "Data": "too short"}, {"Type": "Meta", "Data": "{}"}]
    reply = {"JobStatus": "Fail", "Results": {"result": results}, "New": 1}
    envelope = read_reply(dumps(reply), 200, None, GATE)
    assert (envelope.state, envelope.reason) == ("failed", "too short")
    assert envelope.unmapped == (
        Unmapped("/New", "1"),
        Unmapped("/Results/result/1", '{"Type":"Meta","Data":"{}"}'),
    )
