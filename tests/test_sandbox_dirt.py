"""The sandbox's flawed jobs: each flaw is what it says, and as frequent as documented."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from sandbox_blobs import SEED, Json, decoded, in_schema_form, objects, validators

from sandbox.samples import sample_reply, sample_status
from sandbox.samples.dirt import BLOCK, PER_BLOCK, Flaw, flaw_of
from sandbox.samples.story import Story
from transforms.paths import schemas_dir


def numbers_with(flaw: Flaw, count: int) -> list[int]:
    """Returns the first `count` job numbers with `flaw`."""
    found = [number for number in range(count * BLOCK) if flaw_of(SEED, number) is flaw]
    return found[:count]


def reply_of(flaw: Flaw) -> Json:
    """Returns the decoded reply of the first job with `flaw`."""
    return json.loads(sample_reply(SEED, numbers_with(flaw, 1)[0]))


def errors_of(reply: Json) -> list[str]:
    """Returns the schema keywords that the results of `reply` break."""
    known = validators(schemas_dir())
    return [
        str(error.validator)
        for item in reply["Results"]["result"]
        for error in known[item["Type"]].iter_errors(
            in_schema_form(item["Type"], decoded(item["Data"]))
        )
    ]


@pytest.mark.parametrize("seed", [0, 7, 123456789])
def test_each_block_of_jobs_holds_the_documented_dirt(seed: int) -> None:
    """Every 200 jobs in a row hold exactly the documented number of each flaw."""
    for block in (0, 1, 5000):
        counts = Counter(
            flaw_of(seed, number) for number in range(block * BLOCK, (block + 1) * BLOCK)
        )
        del counts[Flaw.NONE]
        assert counts == Counter(PER_BLOCK)


def test_a_wrong_type_is_one_error_in_one_row() -> None:
    """A wrong-typed field breaks the schema, by `type`, in exactly one place."""
    for number in numbers_with(Flaw.WRONG_TYPE, 4):
        assert errors_of(json.loads(sample_reply(SEED, number))) == ["type"]


def test_wrong_parts_of_speech_are_one_error_each() -> None:
    """A word's time, a keyword and a topic's title have another type, and nothing else has."""
    places = []
    clips = [n for n in numbers_with(Flaw.WRONG_NLP, 16) if Story(SEED, n).duration < 120_000]
    for number in clips:
        items = json.loads(sample_reply(SEED, number))["Results"]["result"]
        (data,) = (item["Data"] for item in items if item["Type"] == "NLP")
        blob = in_schema_form("NLP", json.loads(data))
        errors = list(validators(schemas_dir())["NLP"].iter_errors(blob))
        assert {error.validator for error in errors} == {"type"}
        places += [tuple(key for key in e.absolute_path if isinstance(key, str)) for e in errors]
        assert len({way[0] for way in places[-len(errors) :]}) == len(errors)
    titles = {way for way in places if way[-1] == "title"}
    assert {way[:2] for way in titles} == {("summarization", "mindMapSummary")}
    assert set(places) - titles == {
        ("transcription", "paragraphs", "words", "start"),
        ("meetingAssistance", "keywords"),
    }
    assert len(places) > len(clips)


def test_an_image_is_flawed_in_its_own_result() -> None:
    """A job without speech has its wrong type where a job of the plainer flaw has it."""
    number = next(
        number
        for number in range(BLOCK * BLOCK)
        if flaw_of(SEED, number) is Flaw.WRONG_NLP and Story(SEED, number).family == "image"
    )
    reply = json.loads(sample_reply(SEED, number))
    assert [item["Type"] for item in reply["Results"]["result"]] == ["ImageLabel"]
    assert errors_of(reply) == ["type"]


def test_an_extra_key_breaks_nothing() -> None:
    """An undocumented key is no error: one row has it, and the job stays valid."""
    for number in numbers_with(Flaw.EXTRA_KEY, 3):
        reply = json.loads(sample_reply(SEED, number))
        assert errors_of(reply) == []
        extra = {"modelVersion", "trackId", "debug"}
        rows = [
            row
            for item in reply["Results"]["result"]
            for row in objects(decoded(item["Data"]))
            if extra & row.keys()
        ]
        assert len(rows) == 1


def test_truncated_data_is_not_json_and_the_rest_is() -> None:
    """Exactly one Data of a truncated job cannot be parsed."""
    items = reply_of(Flaw.TRUNCATED_DATA)["Results"]["result"]
    with pytest.raises(json.JSONDecodeError):
        json.loads(items[0]["Data"])
    for item in items[1:]:
        assert decoded(item["Data"])


def test_an_unknown_type_comes_beside_known_ones() -> None:
    """A Type without a schema is one more result."""
    names = [item["Type"] for item in reply_of(Flaw.UNKNOWN_TYPE)["Results"]["result"]]
    assert names[-1] == "ShotDetect"
    assert len(names) >= 2


def test_a_repeated_type_has_two_different_results() -> None:
    """The same Type twice is two results, not one twice."""
    items = reply_of(Flaw.REPEATED_TYPE)["Results"]["result"]
    assert items[-1]["Type"] == items[-2]["Type"]
    assert items[-1]["Data"] != items[-2]["Data"]


def test_data_may_be_an_object() -> None:
    """A Data that is an object holds what the text would have held; a bare link stays a text."""
    known = validators(schemas_dir())
    kinds = set()
    for number in numbers_with(Flaw.DATA_OBJECT, 12):
        for item in json.loads(sample_reply(SEED, number))["Results"]["result"]:
            kinds.add(type(item["Data"]).__name__)
            if item["Type"] not in {"CPVLabel", "OCR"}:  # the longest, and of no other form
                known[item["Type"]].validate(in_schema_form(item["Type"], item["Data"]))
            assert not isinstance(item["Data"], str) or item["Data"].startswith("https://")
    assert {"dict", "str"} <= kinds


def test_results_of_a_wrong_shape_vary() -> None:
    """The misshapen container is never the documented one, and more than one kind."""
    kinds = set()
    for number in numbers_with(Flaw.WRONG_RESULTS, 12):
        results = json.loads(sample_reply(SEED, number))["Results"]
        documented = isinstance(results, dict) and isinstance(results.get("result"), list)
        assert not documented
        kinds.add(type(results).__name__)
    assert kinds == {"dict", "list", "str"}


def test_a_failed_job_gives_its_reason_as_text() -> None:
    """Data of a failed job is free text, or there is no result at all."""
    given = []
    for number in numbers_with(Flaw.FAILED, 12):
        reply = json.loads(sample_reply(SEED, number))
        assert reply["JobStatus"] == "Fail"
        given += [item["Data"] for item in reply["Results"]["result"]]
    assert 0 < len(given) < 12
    for reason in given:
        with pytest.raises(json.JSONDecodeError):
            json.loads(reason)


@pytest.mark.parametrize(
    ("flaw", "status"), [(Flaw.SUBMITTED, "Submitted"), (Flaw.PROCESSING, "Processing")]
)
def test_a_job_under_way_has_no_results(flaw: Flaw, status: str) -> None:
    """A job that waits or runs says so and nothing more."""
    reply = reply_of(flaw)
    assert reply["JobStatus"] == status
    assert "Results" not in reply


def test_errors_have_a_code_and_no_status() -> None:
    """Unknown jobs are 404; an error inside HTTP 200 has a Code and no JobStatus."""
    unknown = numbers_with(Flaw.UNKNOWN_JOB, 1)[0]
    assert sample_status(SEED, unknown) == 404
    assert json.loads(sample_reply(SEED, unknown))["Code"] == "JobNotFound"
    inside = numbers_with(Flaw.ERROR_IN_200, 1)[0]
    assert sample_status(SEED, inside) == 200
    body = json.loads(sample_reply(SEED, inside))
    assert "Code" in body
    assert "JobStatus" not in body


def test_envelopes_vary_as_real_ones_do() -> None:
    """UserData is JSON text, other text, object or absent; some RequestIds end in a line feed."""
    replies = [json.loads(sample_reply(SEED, n)) for n in range(200) if n % 2 == 0]
    user_data = {type(reply.get("UserData")).__name__ for reply in replies if "JobStatus" in reply}
    assert user_data == {"str", "dict", "NoneType"}
    texts = [reply["UserData"] for reply in replies if isinstance(reply.get("UserData"), str)]
    assert any(not text.startswith("{") for text in texts)
    line_feeds = [reply["RequestId"].endswith("\n") for reply in replies]
    assert True in line_feeds
    assert False in line_feeds


def test_a_clean_world_has_no_dirt() -> None:
    """With `clean`, every job succeeds and has only text as Data."""
    for number in range(60):
        reply = json.loads(sample_reply(SEED, number, clean=True))
        assert reply["JobStatus"] == "Success"
        assert not reply["RequestId"].endswith("\n")
        assert all(isinstance(item["Data"], str) for item in reply["Results"]["result"])
        assert sample_status(SEED, number, clean=True) == 200
