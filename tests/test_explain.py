"""Every row, loaded or set aside, leads back to the exact text it was made of."""

from __future__ import annotations

import io
import json
import random
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from contract_kit import TYPES, nested, result
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from lake_kit import NOON, Landing, ObjectStore, lake_of, land, new_home, titled
from source_walk import walk
from strategies import blobs, mutated, with_unknown_keys, written_forms

from transforms import lake, paths, pipeline, raw
from transforms.cli import main
from transforms.contract import load_contracts
from transforms.errors import ConfigurationError, LakeFormatError
from transforms.explain import explain
from transforms.explain.case import NOT_UP_TO_DATE, open_case
from transforms.explain.rows import explain_case
from transforms.reports import Explanation
from transforms.settings import Settings
from transforms.storage import Storage, sha256_of
from transforms.subtitles import archive
from transforms.subtitles.links import FileKey, digest_of

Json = Any
LIMIT = 1 << 20
CONTAINERS = {
    "/Results/result": lambda items: {"result": items},
    "/Results/Result": lambda items: {"Result": items},
    "/Results": lambda items: items,
}


def reply(*items: Json, **envelope: Json) -> bytes:
    """Returns a reply with these results, spaced out: it is no text that we would write."""
    document = {"JobStatus": "Success", "Results": {"result": list(items)}} | envelope
    return json.dumps(document, indent=1).encode()


def stored(*bodies: bytes, store: ObjectStore | None = None) -> Storage:
    """Returns a lake in memory whose raw holds these replies of one job, oldest first."""
    storage = (store or ObjectStore()).storage()
    for at, body in enumerate(bodies):
        land(storage, Landing("a", body).later(minutes=at))
    return storage


def told(storage: Storage, *words: str) -> Explanation:
    """Returns the explanation of a row, given as on the command line."""
    return explain(storage, load_contracts(), words[0], words[1:], max_blob_bytes=LIMIT)


def of(data: str | Json, *words: str, kind: str = "NLP") -> Explanation:
    """Returns the explanation of a row of job `a`, whose result 0 has this Data."""
    return told(stored(reply({"Type": kind, "Data": data})), words[0], "a", *words[1:])


def refused(storage: Storage, *words: str) -> str:
    """Returns the error that an explanation ends with."""
    with pytest.raises(ConfigurationError) as caught:
        told(storage, *words)
    return str(caught.value)


def notes(explained: Explanation) -> tuple[str, ...]:
    """Returns what is noted beside that nothing was flattened, which is noted last."""
    assert explained.notes[-1] == NOT_UP_TO_DATE
    return explained.notes[:-1]


# --- every row of every Type ------------------------------------------------------------------


@st.composite
def sent(draw: st.DrawFn, kind: str) -> tuple[Json, bytes, str]:
    """Returns a result, the reply that holds it in some form, and the pointer to its Data."""
    plain = written_forms(kind)
    source = draw(st.one_of(blobs(kind), plain, with_unknown_keys(kind, plain), mutated(plain)))
    bare = isinstance(source, str)
    text = source if bare else json.dumps(source, indent=draw(st.sampled_from([None, 1])))
    forms = [text] if bare else [text, source, json.dumps(text)]
    data = draw(st.sampled_from(forms))
    prefix = draw(st.sampled_from(sorted(CONTAINERS)))
    results = CONTAINERS[prefix]([{"Type": "Other"}, {"Data": data, "Type": kind}])
    body = json.dumps({"JobStatus": "Success", "Results": results}).encode()
    return source, body, f"{prefix}/1/Data"


@pytest.mark.parametrize("kind", TYPES)
@given(st.data())
@examples(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
def test_every_row_leads_to_its_element(kind: str, data: st.DataObject) -> None:
    """Each place that a plain walk finds is explained by that very element, loaded or not."""
    source, body, pointer = data.draw(sent(kind))
    assume(source is not None)
    contracts = load_contracts()
    tables = {table.name: table for table in contracts.types[kind].tables}
    root = next(iter(tables.values()))
    case = open_case(stored(body), contracts, root, {"job_id": "a", "result_index": 1}, LIMIT)
    found = []
    for name, at, element in walk(kind, source):
        names = [column.name for column in tables[name].keys]
        keys = dict(zip(names, ("a", 1, *at), strict=True))
        row = explain_case(case.asking(tables[name], keys))
        assert row.fragment == source or as_json(row) == element
        assert row.reply_pointer == pointer
        assert row.state == ("loaded" if row.set_aside is None else "quarantined")
        found.append(row)
    assert {named(row) for row in found if row.state == "loaded"} == {
        (name, *(row[column.name] for column in table.keys))
        for name, table in tables.items()
        for row in case.rows(name)
    }


def as_json(explained: Explanation) -> Json:
    """Returns what the fragment says."""
    return json.loads(explained.fragment)


def named(explained: Explanation) -> tuple[object, ...]:
    """Returns table and keys of a row."""
    return explained.table, *explained.keys.values()


# --- hand-made forms --------------------------------------------------------------------------

WORD = '{"id": 10, "start": 4970 ,"text":"\\u4f60"}'
"""With an escape and odd space, as we would never write it."""


def test_doubled_nesting() -> None:
    """A part written inside itself once more is followed in; the row's note says so."""
    data = f'{{"transcription": {{"transcription":{{"paragraphs":[{{"words":[{WORD}]}}]}}}}}}'
    found = of(data, "nlp_words", "0", "0", "0")
    assert (found.fragment, found.state) == (WORD, "loaded")
    assert found.data_pointer == "/transcription/transcription/paragraphs/0/words/0"
    assert notes(found) == ("/transcription is written in an object under its own key",)


def test_milliseconds_stay_as_sent() -> None:
    """The fragment of a row with seconds holds the milliseconds that were sent."""
    data = '{"transcription":{"audioInfo":{ "duration": 90061 },"audioSegments":[[0, 1250]]}}'
    assert of(data, "nlp_audio", "0").fragment == '{ "duration": 90061 }'
    assert of(data, "nlp_audio_segments", "0", "0").fragment == "[0, 1250]"


def test_a_misspelt_key() -> None:
    """A row whose key was misspelt says how it was written; one beside it says nothing."""
    first, second = '{"sentenctId":1,"text":"a"}', '{"sentenceId":2,"text":"b"}'
    data = f'{{"translation":{{"paragraphs":[{{"sentences":[{first},{second}]}}]}}}}'
    found = of(data, "nlp_translation_sentences", "0", "0", "0")
    assert found.fragment == first
    place = "/translation/paragraphs/0/sentences/0/sentenceId"
    assert notes(found) == (f"{place} is written as sentenctId",)
    assert notes(of(data, "nlp_translation_sentences", "0", "0", "1")) == ()
    assert notes(of(data, "nlp_translation_paragraphs", "0", "0")) == ()


def test_one_object_in_place_of_an_array() -> None:
    """The first row of an array that came as one object is that object."""
    found = of(
        '{"details": {"allResultUrl":"https://x.example/a"}}',
        "subtitle_files",
        "0",
        "0",
        kind="Subtitle",
    )
    assert found.fragment == '{"allResultUrl":"https://x.example/a"}'
    assert found.data_pointer == "/details"
    assert notes(found) == ("/details is written as one object in place of an array",)


def test_a_bare_array() -> None:
    """Data that is the array itself has its elements at the top."""
    found = of('[{"a":1}, {"b" :2}]', "event_splits", "0", "1", kind="EventSplit")
    assert (found.fragment, found.data_pointer) == ('{"b" :2}', "/1")
    assert notes(found) == ("Data is the value of events itself",)


def test_a_bare_link() -> None:
    """Data that is no JSON but the value itself is the fragment of the result's row."""
    found = of("https://x.example/a?b=c", "process_outputs", "0", kind="Process")
    assert (found.fragment, found.state) == ("https://x.example/a?b=c", "loaded")
    assert notes(found) == ("Data is the value of url itself",)


MIND_MAP = """{"summarization": {"mindMapSummary": [
 {"title":"A","topic":[{"title":"A1","topic":[{"title" : "A11"}]},{"title":"A2"}]},
 {"title":"B"}]}}"""


@pytest.mark.parametrize(
    ("node", "title", "pointer"),
    [
        (1, "A1", "/0/topic/0"),
        (2, "A11", "/0/topic/0/topic/0"),
        (3, "A2", "/0/topic/1"),
        (4, "B", "/1"),
    ],
)
def test_nodes_of_a_tree(node: int, title: str, pointer: str) -> None:
    """The number of a node leads through the tree to it."""
    found = of(MIND_MAP, "nlp_mind_map_nodes", "0", str(node))
    assert as_json(found)["title"] == title
    assert found.data_pointer == f"/summarization/mindMapSummary{pointer}"


def test_scalars_of_an_array() -> None:
    """A row that is one text is shown as it is written, escapes and all."""
    data = '{"meetingAssistance":{"keywords":["a", "\\u4f60\\/b"]},"transcription":null}'
    assert of(data, "nlp_keywords", "0", "1").fragment == '"\\u4f60\\/b"'


def test_a_split_text() -> None:
    """A row made of a part of a text shows the text and says which part, counted as its key."""
    data = '{"tags":[{"name":"n","value":"a, b,,c"}]}'
    found = of(data, "text_tag_values", "0", "0", "3", kind="TextLabel")
    assert (found.fragment, found.data_pointer) == ('"a, b,,c"', "/tags/0/value")
    assert notes(found) == ("value_index 3 of 0 to 3, split at ','",)


def test_a_row_in_quarantine() -> None:
    """A row that was set aside is shown with the reason; so is what lies below it."""
    sound = '{"name": "n", "occurrences": [{"from": "x"}, {"from": 1}]}'
    bad = '{"name": 7, "occurrences": [{"from": 2}]}'
    data = f'{{"persons": [{sound}, {bad}]}}'
    above = of(data, "video_persons", "0", "1", kind="VideoLabel")
    below = of(data, "video_person_occurrences", "0", "1", "0", kind="VideoLabel")
    beside = of(data, "video_person_occurrences", "0", "0", "1", kind="VideoLabel")
    assert (above.fragment, above.state) == (bad, "quarantined")
    assert above.set_aside is not None
    assert (above.set_aside.reason, above.set_aside.pointer) == ("contract", "/persons/1/name")
    assert (below.fragment, below.set_aside) == ('{"from": 2}', above.set_aside)
    assert (beside.fragment, beside.state) == ('{"from": 1}', "loaded")


def test_neighbours_in_quarantine() -> None:
    """The reason of a row is its own, not that of one whose position begins alike."""
    rows = ['{"name":"n"}'] * 11
    rows[1], rows[10] = '{"name":1}', '{"name":"n","occurrences":7}'
    data = f'{{"persons":[{",".join(rows)}]}}'
    found = of(data, "video_persons", "0", "10", kind="VideoLabel")
    assert found.set_aside is not None
    assert found.set_aside.pointer == "/persons/10/occurrences"


@pytest.mark.parametrize("levels", [250, 900])
def test_data_nested_too_deep(levels: int) -> None:
    """Rows of Data that is set aside for its depth are still found, with that reason."""
    data = f'{{"details":{{"allResultUrl":"u"}},"x":{nested(levels)}}}'
    found = of(data, "subtitle_results", "0", kind="Subtitle")
    assert (found.fragment, found.state) == (data, "quarantined")
    assert found.set_aside is not None
    assert found.set_aside.reason == "unreadable"


def test_a_result_in_quarantine() -> None:
    """Rows of a result that was set aside whole are still found, with its reason."""
    found = of('{"tags":[{"name":"n"}],"message":[]}', "text_tags", "0", "0", kind="TextLabel")
    assert (found.fragment, found.state) == ('{"name":"n"}', "quarantined")
    assert found.set_aside is not None
    assert (found.set_aside.scope, found.set_aside.keyword) == ("result", "type")


def test_json_nested_too_deep_in_place_of_a_text() -> None:
    """A part too deep to be written as a text does not keep its row from being found."""
    entity = f'{{"knowledgeInfo":{nested(300)}}}'
    found = of(f'{{"entities":[{entity}]}}', "cpv_entities", "0", "0", kind="CPVLabel")
    assert (found.fragment, found.state) == (entity, "quarantined")


@pytest.mark.parametrize("prefix", CONTAINERS)
@pytest.mark.parametrize(
    ("data", "place", "fragment"),
    [
        ('{"title" : "\\u0061"}', "#", '{"title" : "\\u0061"}'),
        ({"title": "a"}, "", None),
        (json.dumps('{"title" : "a"}'), "#", '{"title" : "a"}'),
    ],
    ids=["text", "object", "twice"],
)
def test_forms_of_the_reply(prefix: str, data: Json, place: str, fragment: str | None) -> None:
    """Data is found in any container, and its text is that of what was sent, decoded once."""
    results = CONTAINERS[prefix]([{"Type": "Meta", "Data": data}])
    found = told(stored(reply(Results=results)), "meta_titles", "a", "0")
    assert found.place == f"{prefix}/0/Data{place}"
    assert (found.reply_pointer, found.data_pointer) == (f"{prefix}/0/Data", "")
    if fragment is None:
        assert found.fragment in reply(Results=results).decode()
        assert as_json(found) == data
    else:
        assert found.fragment == fragment


def test_a_reply_inside_others() -> None:
    """The wrapper of the SDK and GetMediaInfo are gone into."""
    item = {"Type": "Meta", "Data": '{"title":"a"}'}
    wrapped = json.dumps({"headers": {}, "statusCode": 200, "body": json.loads(reply(item))})
    found = told(stored(wrapped.encode()), "meta_titles", "a", "0")
    assert (found.fragment, found.place) == (item["Data"], "/body/Results/result/0/Data#")
    job = {"Status": "AnalyzeSuccess", "Results": [item]}
    media = {"MediaInfo": {"AiRoughData": {"StandardSmartTagJob": job}}}
    found = told(stored(json.dumps(media).encode()), "meta_titles", "a", "0")
    assert found.fragment == item["Data"]
    assert found.reply_pointer == "/MediaInfo/AiRoughData/StandardSmartTagJob/Results/0/Data"


# --- system tables ----------------------------------------------------------------------------

META = result("Meta", {"title": "a"})


def test_a_job() -> None:
    """A job is its whole reply, byte for byte, with what is known of it."""
    body = reply(META)
    found = told(stored(body), "jobs", "a")
    assert found.fragment.encode() == body
    assert (found.place, found.reply_pointer, found.data_pointer) == ("the whole reply", "", None)
    assert (found.body_sha256, found.body_bytes) == (sha256_of(body), len(body))
    assert (found.origin, found.http_status, found.raw_row) == ("api", 200, 0)
    assert found.queried_at == "2026-01-15T12:00:00"
    assert str(found.raw_file).startswith("raw/month=2026-01/20260115T120000-")


def test_a_reply_that_is_no_json() -> None:
    """A reply that cannot be read is shown as it is, with the reason."""
    found = told(stored(b"<html>\xff"), "jobs", "a")
    assert (found.fragment, found.state) == ("<html>\ufffd", "quarantined")
    assert found.set_aside is not None
    assert found.set_aside.reason == "not_json"
    assert told(stored(b"<html>"), "quarantine", "a", "0").fragment == "<html>"


def test_results() -> None:
    """A result is its Data; the state is that of its row."""
    storage = stored(
        reply(META, {"Type": "New", "Data": {"x": [1]}}, {"Type": "Meta", "Data": "no JSON"})
    )
    assert told(storage, "results", "a", "0").state == "loaded"
    new = told(storage, "unknown_results", "a", "1")
    assert (as_json(new), new.state, new.type) == ({"x": [1]}, "unknown_type", "New")
    for table in ("results", "meta_titles"):
        bad = told(storage, table, "a", "2")
        assert (bad.fragment, bad.state) == ("no JSON", "quarantined")
        assert bad.set_aside is not None
        assert bad.set_aside.reason == "not_json"


def test_results_without_data() -> None:
    """A result without Data or Type is shown whole."""
    storage = stored(reply({"Type": "Meta"}, {"Data": "{}"}))
    for words in (("results", "a", "0"), ("quarantine", "a", "0"), ("meta_titles", "a", "0")):
        assert as_json(told(storage, *words)) == {"Type": "Meta"}
    found = told(storage, "results", "a", "1")
    assert (as_json(found), found.type) == ({"Data": "{}"}, None)
    assert found.reply_pointer == "/Results/result/1"


def test_quarantine() -> None:
    """A part in quarantine is the part itself, found by its number among those of the job."""
    blob = '{"persons": [{"name": 1}, {"name": "n"}, {"name" : 2}]}'
    storage = stored(reply(META, {"Type": "VideoLabel", "Data": blob}))
    found = told(storage, "quarantine", "a", "1")
    assert (found.fragment, found.place) == ('{"name" : 2}', "/Results/result/1/Data#/persons/2")
    assert found.set_aside is not None
    assert found.set_aside.quarantine_index == 1


def test_quarantine_of_another_form() -> None:
    """A part in quarantine is found where it was written, not where its schema has it."""
    bad = '{"sentenctId": "x"}'
    data = f'{{"translation":{{"translation":{{"paragraphs":[{{"sentences":[{bad}]}}]}}}}}}'
    found = of(data, "quarantine", "0")
    assert found.fragment == bad
    assert found.data_pointer == "/translation/translation/paragraphs/0/sentences/0"


def test_unmapped_fields() -> None:
    """An unknown key is its value, in the reply or in Data, however odd its name."""
    blob = '{"title":"a", "x/~1": {"1": [ 2 ]}}'
    storage = stored(reply({"Type": "Meta", "Data": blob}, Odd=[1, {"0": 2}]))
    in_reply, in_data = (told(storage, "unmapped_fields", "a", str(at)) for at in range(2))
    assert (as_json(in_reply), in_reply.place, in_reply.data_pointer) == (
        [1, {"0": 2}],
        "/Odd",
        None,
    )
    assert in_data.fragment == '{"1": [ 2 ]}'
    assert in_data.place == "/Results/result/0/Data#/x~1~01"


def test_source_forms() -> None:
    """A form of one place is that place; one of every element is their array."""
    sentences = '[{"sentenctId":1}, {"sentenctId":2}]'
    data = f'{{"translation":{{"translation":{{"paragraphs":[{{"sentences":{sentences}}}]}}}}}}'
    rows = [of(data, "source_forms", str(at)) for at in range(2)]
    wrapped = next(row for row in rows if "under its own key" in row.notes[0])
    spelling = next(row for row in rows if row is not wrapped)
    assert wrapped.data_pointer == "/translation"
    assert json.dumps(as_json(wrapped), separators=(",", ":")) in data.replace(", ", ",")
    assert spelling.data_pointer == "/translation/translation/paragraphs"
    assert sentences in spelling.fragment
    assert notes(spelling) == (
        "/translation/paragraphs/*/sentences/*/sentenceId is written as sentenctId",
    )


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("Subtitle", '{"details":{"allResultUrl":"u"}}', ("subtitle_files", "0", "0")),
        ("Process", "https://x.example/a", ("process_outputs", "0")),
        ("EventSplit", "[{}]", ("event_splits", "0", "0")),
        (
            "NLP",
            '{"transcription":{"transcription":{"paragraphs":[{}]}}}',
            ("nlp_paragraphs", "0", "0"),
        ),
    ],
)
def test_a_form_is_told_alike(kind: str, data: str, words: tuple[str, ...]) -> None:
    """The row of a form and the row it was found in say the same of it, in one sentence."""
    by_form = of(data, "source_forms", "0", kind=kind)
    assert notes(by_form) == notes(of(data, *words, kind=kind)) != ()


def test_an_object_that_holds_nothing() -> None:
    """The form of an object without a value is told in words, too."""
    found = of(
        '{"persons":[{"name":"n","occurrences":[{"position":{}}]}]}',
        "source_forms",
        "0",
        kind="VideoLabel",
    )
    place = "/persons/0/occurrences/0/position"
    assert (found.fragment, found.data_pointer) == ("{}", place)
    assert notes(found) == (f"{place} is written as an object that holds nothing",)


@pytest.mark.parametrize("usages", ["Usages", "Usages/Usage"])
def test_usages(usages: str) -> None:
    """What a job was charged for is found in its list, loaded or set aside."""
    listed: Json = [{"Type": "a", "Quota": 1}, {"Type": 2}, {"Type": "b", "Quota": "x"}]
    given = {"Usage": listed} if usages.endswith("Usage") else listed
    storage = stored(reply(META, Usages=given))
    good, _, bad = (told(storage, "usages", "a", str(at)) for at in range(3))
    assert (as_json(good), good.state, good.place) == (listed[0], "loaded", f"/{usages}/0")
    assert (as_json(bad), bad.state, bad.place) == (listed[2], "quarantined", f"/{usages}/2")
    by_number = told(storage, "quarantine", "a", "1")
    assert (by_number.fragment, by_number.set_aside) == (bad.fragment, bad.set_aside)
    assert "the usages of job a end at usage_index 2" in refused(storage, "usages", "a", "3")


def test_a_batch(tmp_path: Path) -> None:
    """A batch is the marker that commits it."""
    settings = new_home(tmp_path, [Landing("a", titled("A"))])
    pipeline.flatten(settings)
    storage = lake.open_lake(settings.lake_root)
    batch_id, commit = next(iter(lake.read_commits(storage).items()))
    found = told(storage, "batches", batch_id)
    assert as_json(found)["commit_id"] == commit.commit_id
    assert found.file == f"batches/{batch_id}.json"
    assert found.file_sha256 == sha256_of((tmp_path / "lake" / found.file).read_bytes())
    assert found.raw_file == commit.inputs["raw_file"]
    assert f"did you mean {batch_id}?" in refused(storage, "batches", batch_id[:-1])
    assert "no batch ../lake is committed" in refused(storage, "batches", "../lake")


# --- subtitle files ---------------------------------------------------------------------------

LINK = "https://subtitles.example/all.srt?Signature=secret"
SUBTITLES = (
    "1 00:00:01,000 --> 00:00:02,000 one\r\n"
    "no sentence\r\n"
    "nor this\r\n"
    "2\r\n00:00:03,000 --> 00:00:04,000\r\na\r\nb\r\n"
)


def archived(body: bytes, link: str = LINK, store: ObjectStore | None = None) -> Storage:
    """Returns a lake whose job `a` names a subtitle file that was archived."""
    data = {"details": [{"allResultUrl": LINK}]}
    storage = stored(reply(result("Subtitle", data)), store=store)
    key = FileKey("a", 0, 0, "all")
    file = archive.Fetched(key, digest_of(link), NOON, "archived", http_status=200, body=body)
    list(archive.write_files(storage, [file], LIMIT))
    return storage


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_subtitle_lines(encoding: str) -> None:
    """A line is its exact text in the archived file; line ends inside it are kept."""
    body = SUBTITLES.encode(encoding)
    storage = archived(body)
    found = told(storage, "subtitle_lines", "a", "0", "0", "all", "3")
    assert found.fragment == "2\r\n00:00:03,000 --> 00:00:04,000\r\na\r\nb"
    assert found.place == "lines 4 to 7 of the all subtitle file"
    assert (found.file_sha256, found.file_row) == (sha256_of(body), 0)
    assert str(found.file).startswith("subtitles/month=2026-01/")
    assert (found.reply_pointer, found.data_pointer) == (
        "/Results/result/0/Data",
        "/details/0/allResultUrl",
    )


def test_a_subtitle_line_in_quarantine() -> None:
    """A line that cannot be read is shown by its own number and by that in quarantine."""
    storage = archived(SUBTITLES.encode())
    for at, text in enumerate(["no sentence", "nor this"]):
        by_line = told(storage, "subtitle_lines", "a", "0", "0", "all", str(at + 1))
        by_number = told(storage, "quarantine", "a", str(at))
        assert (by_line.fragment, by_line.state) == (text, "quarantined")
        assert (by_number.fragment, by_number.set_aside) == (text, by_line.set_aside)
        assert by_number.file == by_line.file


def test_subtitle_bytes_that_are_no_text() -> None:
    """A byte that is no text is shown as one mark, so that the rest of its line is read."""
    storage = archived(b"1 1 --> 2 a\xff\xfeb\n2 3 --> 4 c")
    found = told(storage, "quarantine", "a", "0")
    assert (found.fragment, found.place) == (
        "1 1 --> 2 a\ufffd\ufffdb",
        "line 1 of the all subtitle file",
    )


def test_a_damaged_subtitle_archive() -> None:
    """A subtitle file that is not the one that was archived is never shown."""
    store = ObjectStore()
    storage = archived(SUBTITLES.encode(), store=store)
    spoil(store, archive.SCHEMA, "/subtitles/", SUBTITLES.encode()[1:])
    with pytest.raises(LakeFormatError, match="does not hold a subtitle file as it was archived"):
        told(storage, "subtitle_lines", "a", "0", "0", "all", "0")


def test_subtitle_lines_that_are_not_there() -> None:
    """Each reason why there is no such line is told, without the link."""
    storage = archived(SUBTITLES.encode(), link="https://subtitles.example/older.srt")
    told_off = [
        refused(storage, "subtitle_lines", "a", "0", "0", language, "0")
        for language in ("all", "chinese", "klingon")
    ]
    assert "is not archived: run `cognition subtitles fetch`" in told_off[0]
    assert "is not there: see the links in subtitle_files" in told_off[1]
    assert "'klingon'" in told_off[2]
    end = refused(archived(b"1 1 --> 2 a"), "subtitle_lines", "a", "0", "0", "all", "1")
    assert "ends at line_index 0" in end
    assert not any("Signature" in text for text in (*told_off, end))


# --- which reply ------------------------------------------------------------------------------


def test_the_newest_reply_counts() -> None:
    """Of several replies the newest is explained; the note names the one before."""
    old, new = titled("old"), titled("new")
    storage = stored(old, new)
    found = told(storage, "meta_titles", "a", "0")
    assert as_json(found) == {"title": "new"}
    assert found.queried_at == "2026-01-15T12:01:00"
    assert (
        "supersedes an older one of the job, the last received 2026-01-15 12:00:00 UTC, in raw/"
        in (found.notes[0])
    )


def test_a_row_of_a_superseded_reply() -> None:
    """A row that only an older reply had is refused; the error says which reply counts."""
    storage = stored(reply(META, META), reply(META))
    assert refused(storage, "meta_titles", "a", "1") == (
        "the results of job a end at result_index 0; of 2 replies of the job the newest, "
        "received 2026-01-15 12:01:00 UTC, counts"
    )


def test_two_older_replies() -> None:
    """Of replies that are superseded the last is named."""
    found = told(stored(titled("1"), titled("2"), titled("3")), "jobs", "a")
    assert "2 older ones of the job, the last received 2026-01-15 12:01:00 UTC" in found.notes[0]


def test_each_job_of_a_raw_file() -> None:
    """Jobs that share a raw file are told apart by their rows in it."""
    storage = ObjectStore().storage()
    land(storage, *(Landing(job, titled(job)) for job in "bca"))
    for row, job in enumerate("abc"):
        found = told(storage, "meta_titles", job, "0")
        assert (as_json(found), found.raw_row) == ({"title": job}, row)


def spoil(store: ObjectStore, schema: pa.Schema, folder: str, body: bytes) -> None:
    """Puts another body in the only file of a folder, and leaves what is told of it."""
    path = next(key for key in store.objects if folder in key)
    table = pq.read_table(io.BytesIO(store.objects[path]))
    at = schema.get_field_index("body")
    sink = io.BytesIO()
    other = pa.array([body], pa.large_binary())
    pq.write_table(table.set_column(at, schema.field("body"), other), sink)
    store.objects[path] = sink.getvalue()


def test_a_damaged_raw_file() -> None:
    """A body that is not the one that landed is never shown."""
    store = ObjectStore()
    storage = stored(titled("A"), store=store)
    spoil(store, raw.SCHEMA, "/raw/", titled("B"))
    with pytest.raises(LakeFormatError, match="does not hold the reply of job a as it landed"):
        told(storage, "jobs", "a")


def test_only_one_body_is_read() -> None:
    """Of other raw files only the columns of the index are read, on an object store as well."""
    store = CountingStore()
    storage = store.storage()
    noise = random.Random(1).randbytes(700_000).hex()
    for at in range(3):
        land(storage, Landing(f"job-{at}", titled(noise)).later(days=at))
    store.bytes_read = 0
    found = told(storage, "jobs", "job-1")
    assert noise in found.fragment
    whole = sum(map(len, store.objects.values()))
    assert store.bytes_read < whole / 2


class CountingStore(ObjectStore):
    """An object store that counts the bytes that are read of it."""

    bytes_read = 0

    def open_input_file(self, path: str) -> pa.NativeFile:
        """Opens an object whose reads are counted."""
        store, content = self, super().open_input_file(path).read()

        class Counted(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                found = super().read(size)
                store.bytes_read += len(found)
                return found

        return pa.PythonFile(Counted(content), mode="r")


# --- whether the tables hold it ---------------------------------------------------------------


def noted(settings: Settings, *words: str) -> bool:
    """Tells whether an explanation says that the tables do not hold its row yet."""
    return NOT_UP_TO_DATE in pipeline.explain(settings, words[0], words[1:]).notes


@pytest.mark.parametrize(
    "words",
    [("jobs", "a"), ("results", "a", "0"), ("meta_titles", "a", "0"), ("quarantine", "a", "0")],
)
def test_a_batch_that_is_not_made(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Until its batch is committed, each row of a reply is noted to be only what will be."""
    settings = new_home(tmp_path, [Landing("a", reply(META, {"Type": "Meta", "Data": "no JSON"}))])
    assert noted(settings, *words)
    pipeline.flatten(settings)
    assert not noted(settings, *words)


def test_a_batch_of_other_schemas(tmp_path: Path) -> None:
    """Once the schemas are others, the batch is no longer what it should be."""
    settings = new_home(tmp_path / "home", [Landing("a", titled("A"))])
    pipeline.flatten(settings)
    schema = json.loads((paths.schemas_dir() / "results" / "meta.schema.json").read_text())
    overlay = tmp_path / "overlay" / "results"
    overlay.mkdir(parents=True)
    (overlay / "meta.schema.json").write_text(json.dumps(schema | {"$comment": "ours"}))
    other = settings.model_copy(update={"schemas": overlay.parent})
    assert noted(other, "meta_titles", "a", "0")
    assert not noted(settings, "meta_titles", "a", "0")


def test_a_batch_of_other_replies(tmp_path: Path) -> None:
    """A newer reply makes stale its own batch and the one it leaves, and no third."""
    ours, others = (Landing("a", titled("1")), Landing("b", titled("1"))), Landing("c", titled("1"))
    settings = new_home(tmp_path, ours, [others.later(days=1)])
    pipeline.flatten(settings)
    land(lake_of(settings), Landing("a", titled("2")).later(days=2))
    assert [noted(settings, "jobs", job) for job in "abc"] == [True, True, False]
    pipeline.flatten(settings)
    assert [noted(settings, "jobs", job) for job in "abc"] == [False, False, False]


def test_a_batch_without_its_subtitle_files(tmp_path: Path) -> None:
    """Files that were archived since make the batch of their job stale, and only that."""
    link = {"details": [{"allResultUrl": LINK}]}
    body = reply(result("Subtitle", link))
    settings = new_home(tmp_path, [Landing("a", body)], [Landing("b", body).later(days=1)])
    pipeline.flatten(settings)
    file = archive.Fetched(
        FileKey("a", 0, 0, "all"), digest_of(LINK), NOON, "archived", body=SUBTITLES.encode()
    )
    list(archive.write_files(lake_of(settings), [file], LIMIT))
    assert [noted(settings, "jobs", job) for job in "ab"] == [True, False]
    pipeline.flatten(settings)
    assert not noted(settings, "subtitle_lines", "a", "0", "0", "all", "0")


# --- what is refused --------------------------------------------------------------------------

TWO = reply(result("VideoLabel", {"tags": [{"name": "x"}, {"name": "y"}]}), META)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("video_tag", "a"), "no table 'video_tag': did you mean video_tags?"),
        (("VIDEO_PERSONS", "a"), "no table 'VIDEO_PERSONS': did you mean video_persons?"),
        (("drift", "x"), "drift is a view, made of many rows: ask cognition query"),
        (("Dictionary",), "dictionary is a view, made of many rows: ask cognition query"),
        (("zzz", "a"), "no table 'zzz': `cognition query \"FROM dictionary\"` lists the tables"),
        (
            ("video_tags", "a"),
            (
                "video_tags is keyed by job_id result_index tag_index: result_index and tag_index "
                "must be given, too"
            ),
        ),
        (
            ("jobs", "a", "0"),
            "jobs is keyed by job_id: more is given, drop the rest",
        ),
        (
            ("jobs", "job_id=a", "job_id=b"),
            "jobs is keyed by job_id: more is given, drop the rest",
        ),
        (
            ("results", "a", "x"),
            "result_index 'x' is no position, 0 or more; results is keyed by job_id result_index",
        ),
        (
            ("results", "a", "-1"),
            "result_index '-1' is no position, 0 or more; results is keyed by job_id result_index",
        ),
        (
            ("results", "a", "9" * 5000),
            (
                f"result_index '{'9' * 21}...' is no position, 0 or more; results is keyed by "
                "job_id result_index"
            ),
        ),
        (
            ("results", "a", "index=1"),
            "results has no key column 'index': its keys are job_id result_index",
        ),
        (
            ("video_persons", "job=my-odd", "0", "0"),
            (
                "video_persons has no key column 'job': its keys are job_id result_index "
                "person_index"
            ),
        ),
        (("jobs", "two words"), "'two words' is no job id; jobs is keyed by job_id"),
        (
            ("jobs", "https://x.example/?Signature=s"),
            "'https://x.ex' is no job id; jobs is keyed by job_id",
        ),
        (
            ("jobs", "b"),
            (
                "no final reply of job b has landed: check the id, or ask for it with "
                "`cognition ingest`"
            ),
        ),
        (("jobs", "a", "--limt"), "no such option: --limt; see `cognition explain --help`"),
        (("results", "a", "2"), "the results of job a end at result_index 1"),
        (
            ("video_tags", "a", "0", "2"),
            "the video_tags of result 0 of job a end at tag_index 1",
        ),
        (
            ("video_tag_occurrences", "a", "0", "1", "0"),
            (
                "the video_tag_occurrences of result 0 of job a, tag_index 1 are none: there is no "
                "such row"
            ),
        ),
        (
            ("video_tags", "a", "1", "0"),
            (
                "result 1 of job a is no VideoLabel, which video_tags is made of: result_index may "
                "be 0"
            ),
        ),
        (
            ("nlp_audio", "a", "1"),
            "result 1 of job a is no NLP, which nlp_audio is made of: the job has none",
        ),
        (
            ("unknown_results", "a", "1"),
            "result 1 of job a is of no unknown Type: see `cognition explain results a 1`",
        ),
        (
            ("quarantine", "a", "0"),
            "job a has no parts in quarantine: there is no such row",
        ),
        (
            ("path_counts", "b", "Meta", "/title", "given"),
            "a row of path_counts is made of many replies: explain one of another table",
        ),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_what_is_refused(words: tuple[str, ...], message: str) -> None:
    """Each misuse has one message that says what to do."""
    assert refused(stored(TWO), *words) == message


@pytest.mark.parametrize(
    ("body", "words", "message"),
    [
        (
            json.dumps({"JobStatus": "Fail", "Message": "m"}).encode(),
            ("results", "a", "0"),
            "job a is failed, so it has no results: see `cognition explain jobs a`",
        ),
        (
            b"no JSON",
            ("meta_titles", "a", "0"),
            "the reply of job a has no results: see `cognition explain jobs a`",
        ),
        (
            reply({"Type": "VideoLabel", "Data": "no JSON"}),
            ("video_tags", "a", "0", "0"),
            (
                "result 0 has no Data that is JSON; the result is in quarantine as a whole "
                "(not_json): see `cognition explain quarantine a 0`"
            ),
        ),
        (
            reply(result("VideoLabel", {"tags": {"x": 1}})),
            ("video_tags", "a", "0", "0"),
            (
                "the video_tags of result 0 of job a are none: there is no such row; the result is "
                "in quarantine as a whole (contract): see `cognition explain quarantine a 0`"
            ),
        ),
        (
            reply(result("NLP", {"transcription": {"paragraphs": []}})),
            ("nlp_audio", "a", "0"),
            "the nlp_audio of result 0 of job a is none: there is no such row",
        ),
        (
            reply(result("TextLabel", {"tags": [{"value": "a,,b"}]})),
            ("text_tag_values", "a", "0", "0", "1"),
            ("result 0 of job a, tag_index 0: value_index 1 is an empty value, which is no row"),
        ),
    ],
    ids=["failed", "no JSON", "Data no JSON", "wrong container", "no object", "empty part"],
)
def test_rows_that_a_reply_does_not_have(body: bytes, words: tuple[str, ...], message: str) -> None:
    """A reply without the row that is asked for says why, and where to look instead."""
    assert refused(stored(body), *words) == message


# --- the command ------------------------------------------------------------------------------


def cognition(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Runs `cognition` and returns exit code, stdout and stderr."""
    code = main(list(words))
    said = capfd.readouterr()
    return code, said.out, said.err


@pytest.fixture
def home(tmp_path: Path) -> str:
    """Returns a home in which job `a` has landed, its link signed, and nothing was flattened."""
    blob = f'{{"details":[{{"allResultUrl":"{LINK}"}},{{"allResultUrl":7}}]}}'
    long = '{"title":"' + "x" * 5000 + '"}'
    items = [{"Type": "Subtitle", "Data": blob}, {"Type": "Meta", "Data": long}]
    new_home(tmp_path, [Landing("a", reply(*items))])
    return str(tmp_path)


def test_the_command_shows_facts_and_fragment(home: str, capfd: pytest.CaptureFixture[str]) -> None:
    """People read where the row lies, then its exact text, signed links and all."""
    code, out, err = cognition(capfd, "explain", "subtitle_files", "a", "0", "0", "--home", home)
    assert (code, err) == (0, "")
    facts, _, fragment = out.partition("\n\n")
    assert fragment == f'{{"allResultUrl":"{LINK}"}}\n'
    assert [line.split()[0] for line in facts.splitlines() if line[0] != " "] == [
        "row",
        "state",
        "type",
        "raw",
        "reply",
        "sha256",
        "place",
        "notes",
        "fragment",
    ]
    assert "/Results/result/0/Data#/details/0" in facts
    assert ".parquet\n            row 0 (from 0)\n" in facts


def test_the_command_shows_why_a_part_is_in_quarantine(
    home: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Reason, message and place of the violation stand before the fragment."""
    _, out, _ = cognition(capfd, "explain", "quarantine", "a", "0", "--home", home)
    assert "quarantine  0, row: contract\n            7 is not of type" in out
    assert "at /details/1/allResultUrl\n" in out
    assert out.endswith('\n\n{"allResultUrl":7}\n')


def test_the_command_shows_a_marker(home: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A batch is shown with its raw file and marker; there is no one reply."""
    cognition(capfd, "flatten", "--home", home)
    batch_id = next(Path(home, "lake", "batches").iterdir()).stem
    code, out, err = cognition(capfd, "explain", "batches", batch_id, "--home", home)
    facts = [line.split() for line in out.partition("\n\n")[0].splitlines()]
    assert (code, err) == (0, "")
    assert ["file", f"batches/{batch_id}.json"] in facts
    assert ["raw", "file", f"raw/month=2026-01/{batch_id}.parquet"] in facts


def test_keys_may_be_named(home: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Keys given by name stand in any order, beside others that do not."""
    words = ("explain", "subtitle_files", "file_index=1", "a", "result_index=0")
    code, out, _ = cognition(capfd, *words, "--home", home, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["notes"] == [NOT_UP_TO_DATE]
    assert document["keys"] == {"job_id": "a", "result_index": 0, "file_index": 1}
    assert document["fragment"] == '{"allResultUrl":7}'
    assert document["state"] == "quarantined"
    assert document["set_aside"]["keyword"] == "type"


@pytest.mark.parametrize(
    ("options", "shown"), [((), 2000), (("--limit", "10"), 10), (("--limit", "0"), 5012)]
)
def test_a_long_fragment(
    home: str, capfd: pytest.CaptureFixture[str], options: tuple[str, ...], shown: int
) -> None:
    """People get the first 2000 characters unless they ask for others, and are told so."""
    words = ("explain", "meta_titles", "a", "1", "--home", home)
    facts, _, fragment = cognition(capfd, *words, *options)[1].partition("\n\n")
    assert len(fragment) == shown + 1
    cut = f", the first {shown:,} shown: --limit 0 shows all"
    assert facts.endswith("5,012 characters" + (cut if shown < 5012 else ""))


def test_a_program_gets_the_whole_fragment(home: str, capfd: pytest.CaptureFixture[str]) -> None:
    """JSON holds all of the fragment unless a limit is given."""
    words = ("explain", "meta_titles", "a", "1", "--home", home, "--json")
    for options, shown in (((), 5012), (("--limit", "10"), 10)):
        document = json.loads(cognition(capfd, *words, *options)[1])
        assert (len(document["fragment"]), document["fragment_characters"]) == (shown, 5012)


def test_the_help_tells_the_limit(capfd: pytest.CaptureFixture[str]) -> None:
    """The help says how much of a fragment is shown without the option."""
    words = cognition(capfd, "explain", "--help")[1].replace("│", " ").split()
    assert "characters of the fragment; 2,000 unless --json, 0 for all." in " ".join(words)


def test_an_error_ends_with_2_and_without_a_link(
    home: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """A row that is not there is one line on stderr; a signed link is in none."""
    code, out, err = cognition(capfd, "explain", "subtitle_files", "a", "0", "2", "--home", home)
    assert (code, out) == (2, "")
    assert err == "error: the subtitle_files of result 0 of job a end at file_index 1\n"
    code, _, err = cognition(capfd, "explain", "jobs", LINK, "--home", home)
    assert (code, "Signature" in err) == (2, False)
    code, _, err = cognition(capfd, "explain", "results", "a", "-1", "--home", home)
    assert (code, err.startswith("error: result_index '-1' is no position")) == (2, True)


def test_a_terminal_is_told_nothing_to_obey(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control characters reach a file as they are and a terminal as escapes."""
    new_home(tmp_path, [Landing("a", reply({"Type": "Meta", "Data": '{"title":\n"\x9b31m"}'}))])
    words = ("explain", "meta_titles", "a", "0", "--home", str(tmp_path))
    assert cognition(capfd, *words)[1].endswith('\n\n{"title":\n"\x9b31m"}\n')
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert cognition(capfd, *words)[1].endswith('\n\n{"title":\n"\\x9b31m"}\n')


def test_a_padded_job_id_is_no_named_key() -> None:
    """A job id that ends with `=` may stand alone; another with `=` in it is given by name."""
    for job, word in (("bXktam9i==", "bXktam9i=="), ("my=job", "job_id=my=job")):
        storage = ObjectStore().storage()
        land(storage, Landing(job, titled("A")))
        assert told(storage, "jobs", word).job_id == job


def test_no_lake(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Without a lake there is nothing to explain, and none is made."""
    code, _, err = cognition(capfd, "explain", "jobs", "a", "--home", str(tmp_path / "none"))
    assert (code, "no lake at" in err) == (2, True)
    assert not (tmp_path / "none").exists()
