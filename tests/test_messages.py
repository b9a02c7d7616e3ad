"""One completion message: both forms, raw or Base64, and everything that is neither."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.ledger import is_job_id
from transforms.messages.body import (
    LIMIT_BYTES,
    Completion,
    Ignored,
    Unreadable,
    parse_body,
)
from transforms.settings import MessageSettings

COUNTED = frozenset({"smarttag", "mediaaianalysiscomplete"})
JOB = "88c6ca184c0e47098a5b665e2a126797"
TAG = {"Type": "smarttag", "JobId": JOB, "State": "Success", "UserData": "secret-of-a-user"}
ENVELOPE = {
    "EventType": "MediaAiAnalysisComplete",
    "UserId": 183322097756,
    "EventTime": "2022-07-15T08:48:14Z",
    "MessageBody": {"Status": "Fail", "JobId": JOB, "UserData": '{"token":"secret-of-a-user"}'},
}
ENVELOPE_OF_TEXT = {**ENVELOPE, "MessageBody": json.dumps(ENVELOPE["MessageBody"])}
OF_TAG = Completion(JOB, "smarttag", "Success", None)
OF_ENVELOPE = Completion(
    JOB, "MediaAiAnalysisComplete", "Fail", datetime.fromisoformat("2022-07-15T08:48:14")
)


def raw(document: object) -> bytes:
    """Returns a document as JSON."""
    return json.dumps(document).encode()


def in_lines(document: object) -> bytes:
    """Returns Base64 broken into lines, as some encoders write it."""
    return base64.encodebytes(raw(document))


def told(body: bytes | str) -> str:
    """Returns the reason a body is unreadable."""
    parsed = parse_body(body, COUNTED)
    assert isinstance(parsed, Unreadable)
    return parsed.reason


@pytest.mark.parametrize(
    ("document", "expected"),
    [(TAG, OF_TAG), (ENVELOPE, OF_ENVELOPE), (ENVELOPE_OF_TEXT, OF_ENVELOPE)],
    ids=["message", "envelope", "envelope-of-text"],
)
@pytest.mark.parametrize("encode", [raw, lambda d: base64.b64encode(raw(d)), in_lines])
@pytest.mark.parametrize("kind", [bytes, bytes.decode], ids=["bytes", "str"])
def test_both_forms_are_read(
    document: object,
    expected: Completion,
    encode: Callable[[object], bytes],
    kind: Callable[[bytes], bytes | str],
) -> None:
    """A message says the same as JSON or Base64, as bytes or text, in either form."""
    assert parse_body(kind(encode(document)), COUNTED) == expected


def test_blanks_and_byte_order_mark_are_passed_over() -> None:
    """Blanks around the JSON, and a byte-order mark before it, change nothing."""
    assert parse_body(b"\xef\xbb\xbf \n" + raw(TAG) + b"\n", COUNTED) == OF_TAG
    assert parse_body(base64.b64encode(b"\xef\xbb\xbf" + raw(TAG)), COUNTED) == OF_TAG


@pytest.mark.parametrize("state", ["Success", "Fail", "Processing", "Submitted", "Unheard-Of"])
def test_any_state_counts(state: str) -> None:
    """A job enters the ledger in whatever state it is told."""
    assert parse_body(raw({**TAG, "State": state}), COUNTED) == Completion(
        JOB, "smarttag", state, None
    )


@pytest.mark.parametrize("state", [None, 7, "two words", "x" * 65, ["Success"]])
def test_a_state_that_is_no_word_is_left_out(state: object) -> None:
    """What is no plain word as a state is not kept, and the job still counts."""
    assert parse_body(raw({**TAG, "State": state}), COUNTED) == Completion(
        JOB, "smarttag", None, None
    )


def test_types_are_compared_without_case() -> None:
    """A type counts in any case and is kept as it was written."""
    parsed = parse_body(raw({**TAG, "Type": "SmartTag"}), COUNTED)
    assert isinstance(parsed, Completion)
    assert parsed.event == "SmartTag"


@pytest.mark.parametrize(
    "document",
    [
        {"EventType": "ProduceMediaComplete", "MessageBody": {"JobId": JOB}},
        {"EventType": "ProduceMediaComplete", "MessageBody": "no JSON"},
        {"EventType": "ProduceMediaComplete"},
        {"Type": "ProduceMediaComplete", "JobId": 5},
    ],
)
def test_other_events_are_ignored_by_name(document: object) -> None:
    """An event that does not count is ignored, whatever it is made of."""
    assert parse_body(raw(document), COUNTED) == Ignored("ProduceMediaComplete")


def test_the_types_that_count_are_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """COGNITION_MESSAGE_TYPES names them, by space or comma; the default is the documented two."""
    monkeypatch.delenv("COGNITION_MESSAGE_TYPES", raising=False)
    assert MessageSettings().counted_types == COUNTED
    monkeypatch.setenv("COGNITION_MESSAGE_TYPES", "smarttag, VideoCognitionComplete")
    counted = MessageSettings().counted_types
    assert counted == {"smarttag", "videocognitioncomplete"}
    body = raw({"EventType": "VideoCognitionComplete", "MessageBody": {"JobId": JOB}})
    assert isinstance(parse_body(body, counted), Completion)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"[]",
        b"3",
        b'"text"',
        b"null",
        b"{",
        b"{}trailing",
        b"\x00\xff",
        b"{'Type': 'smarttag'}",
        base64.b64encode(b"[1]"),
        base64.b64encode(base64.b64encode(raw(TAG))),
        raw(TAG).decode().encode("utf-16"),
        b'{"Type":' + b"[" * 5000 + b"]" * 5000 + b"}",
        "\ud800",
        '{"Type":"\ud800"}',
        "eyJ",
    ],
)
def test_what_is_no_object_is_unreadable(body: bytes | str) -> None:
    """Anything but a JSON object, or Base64 of one, is told as just that."""
    assert told(body) == "neither a JSON object nor Base64 of one"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({}, "it has neither Type nor EventType"),
        ({"JobId": JOB}, "it has neither Type nor EventType"),
        ({"Type": 5, "JobId": JOB}, "its type is no plain name"),
        ({"Type": {"a": 1}}, "its type is no plain name"),
        ({"Type": "x" * 65}, "its type is no plain name"),
        ({"EventType": None, "MessageBody": {}}, "its type is no plain name"),
        ({"Type": "smarttag"}, "it counts, but has no JobId"),
        ({**ENVELOPE, "MessageBody": [JOB]}, "it counts, but has no JobId"),
        ({**ENVELOPE, "MessageBody": "[]"}, "it counts, but has no JobId"),
        ({**ENVELOPE, "MessageBody": None}, "it counts, but has no JobId"),
        ({**TAG, "JobId": 12}, "no job id in JobId"),
        ({**TAG, "JobId": ""}, "no job id in JobId"),
        ({**TAG, "JobId": "two words"}, "no job id in JobId"),
        ({**TAG, "JobId": "line\nbreak"}, "no job id in JobId"),
        ({**TAG, "JobId": "#comment"}, "no job id in JobId"),
        ({**TAG, "JobId": "x" * 257}, "no job id in JobId"),
        ({**TAG, "JobId": [JOB]}, "no job id in JobId"),
        (
            {"TopicName": "t", "Message": json.dumps(TAG)},
            "wrapped by a topic: set its subscription's format to SIMPLIFIED",
        ),
    ],
)
def test_what_says_no_job_is_unreadable(document: object, reason: str) -> None:
    """An object that names no job tells which part of it is missing or wrong."""
    assert told(raw(document)) == reason


def test_a_body_has_a_longest_size() -> None:
    """64 KiB are read, one byte more is not."""
    blank = LIMIT_BYTES - len(raw(TAG))
    assert parse_body(raw(TAG) + b" " * blank, COUNTED) == OF_TAG
    assert told(raw(TAG) + b" " * (blank + 1)) == "longer than 65,536 bytes"


NAMES = st.sampled_from(["Type", "EventType", "EventTime", "MessageBody", "JobId", "State", "x"])
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
VALUES = st.sampled_from(["smarttag", "MediaAiAnalysisComplete", JOB, "2022-07-15T08:48:14Z"])


@given(
    st.binary(max_size=64)
    | st.text(max_size=64)
    | st.dictionaries(NAMES, VALUES | ANY_JSON, max_size=6).map(json.dumps)
)
def test_nothing_makes_it_raise(body: bytes | str) -> None:
    """Whatever comes, it is read, ignored or unreadable; a job id read is one for the ledger."""
    parsed = parse_body(body, COUNTED)
    assert isinstance(parsed, Completion | Ignored | Unreadable)
    if isinstance(parsed, Completion):
        assert is_job_id(parsed.job_id)
        json.dumps(parsed.to_record(datetime.fromisoformat("2026-01-01T00:00:00")))


def test_a_record_holds_no_more_than_it_needs() -> None:
    """Of a message the ledger gets job, event, state and times; never UserData."""
    received = datetime.fromisoformat("2022-07-15T08:48:16.500")
    assert OF_ENVELOPE.to_record(received) == {
        "job_id": JOB,
        "event": "MediaAiAnalysisComplete",
        "status": "Fail",
        "received_at": "2022-07-15T08:48:16Z",
        "submitted_at": "2022-07-15T08:48:14Z",
    }
    parsed = parse_body(raw(TAG), COUNTED)
    assert isinstance(parsed, Completion)
    assert parsed.to_record(received) == {
        "job_id": JOB,
        "event": "smarttag",
        "status": "Success",
        "received_at": "2022-07-15T08:48:16Z",
    }
    assert "secret" not in repr(parsed)


@pytest.mark.parametrize(
    ("time", "kept"),
    [
        ("2022-07-15T16:48:14+08:00", "2022-07-15T08:48:14Z"),
        ("2022-06-16T00:00:00Z", "2022-06-16T00:00:00Z"),
        ("2022-06-14T00:00:00Z", None),  # more than 30 days before it came
        ("2022-07-15T10:00:01Z", None),  # after it came
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        (1657874894, None),
        (None, None),
    ],
)
def test_a_time_nobody_can_have_meant_is_left_out(time: object, kept: str | None) -> None:
    """A time is kept in UTC if it lies in the 30 days before the message came."""
    parsed = parse_body(raw({**ENVELOPE, "EventTime": time}), COUNTED)
    assert isinstance(parsed, Completion)
    assert (
        parsed.to_record(datetime.fromisoformat("2022-07-15T10:00:00")).get("submitted_at") == kept
    )
