"""What the sandbox's jobs tell of speech and files: ids that link, times, languages, forms."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from urllib.parse import parse_qs, urlsplit

from sandbox_blobs import SEED, Json, decoded, in_schema_form, objects

from sandbox.samples import Needs, sample_reply
from sandbox.samples.story import Speech, Story
from sandbox.samples.world import load_world
from transforms.contract import load_contracts

NO_TEXT = Needs(asr=False, ocr=False)
ONLY_NLP = Needs(asr=False, ocr=False, process=False)
CHINESE = re.compile("[\u4e00-\u9fff]")
SLOT = re.compile(r"\{(\w+)\}")
MARKS = "\u3001\u3002\uff0c\uff1f\uff01\uff1a\uff1b\u300a\u300b\u201c\u201d\u2026\u2014"


@cache
def understood() -> tuple[tuple[int, Story, Json], ...]:
    """Returns number, story and NLP result of those of 200 jobs that have one and are no films."""
    found = []
    for number in range(200):
        story = Story(SEED, number)
        if story.duration > 900_000:
            continue
        reply = json.loads(sample_reply(SEED, number, ONLY_NLP, clean=True))
        for item in reply["Results"]["result"]:
            if item["Type"] == "NLP":
                blob = in_schema_form("NLP", json.loads(item["Data"]))
                found.append((number, story, blob))
    return tuple(found)


def part(blob: Json, *keys: str) -> list[Json]:
    """Returns the array that `keys` lead to; none where it or a part on the way is missing."""
    for key in keys:
        blob = (blob or {}).get(key)
    return blob or []


def words_of(blob: Json) -> Iterator[Json]:
    """Yields the words of a transcription."""
    for paragraph in part(blob, "transcription", "paragraphs"):
        yield from paragraph.get("words") or []


def ends_of(rows: list[Json]) -> list[tuple[int, int]]:
    """Returns start and end of the rows that have both."""
    both = [(row.get("start"), row.get("end")) for row in rows]
    return [(start, end) for start, end in both if start is not None and end is not None]


def test_words_spell_the_sentences_in_their_time() -> None:
    """The words of a sentence are the sentence, short ones in Chinese, and fill its time."""
    told, checked = 0, Counter[str]()
    for _, story, blob in understood():
        said: dict[int, list[Json]] = {}
        for word in words_of(blob):
            said.setdefault(word.get("sentenceId") or 0, []).append(word)
        told += len(story.speech) if said else 0
        for number, speech in enumerate(story.speech, 1):
            words = said.get(number, [])
            letters = sum(len(word.get("text") or "") for word in words)
            spaces = speech.text.count(" ") if is_english(speech) else 0
            whole = all(word.get(key) is not None for word in words for key in ("start", "end"))
            # Otherwise there is a gap: a word without a text, time or sentence.
            if whole and letters == len(speech.text) - spaces:
                assert_spoken(speech, words)
                checked[speech.language] += 1
    assert checked.total() > 0.85 * told
    assert min(checked["zh"], checked["en"]) > 200


def is_english(speech: Speech) -> bool:
    """Tells whether spaces part the words of a sentence."""
    return speech.language == "en"


def assert_spoken(speech: Speech, words: list[Json]) -> None:
    """Fails unless the words make up the sentence."""
    texts = [word["text"] for word in words]
    assert (" " if is_english(speech) else "").join(texts) == speech.text
    times = [time for word in words for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert (times[0], times[-1]) == (speech.start, speech.end)
    for text in texts:
        assert not CHINESE.search(text) or 1 <= len(text.strip(MARKS)) <= 3


def test_ids_of_speech_link() -> None:
    """Words count in tens; all that names a sentence, paragraph or speaker names one there is."""
    links: Counter[str] = Counter()
    for _, story, blob in understood():
        paragraphs = part(blob, "transcription", "paragraphs")
        if not paragraphs:
            continue
        ids = [word.get("id") for word in words_of(blob)]
        if None not in ids and all(row.get("words") for row in paragraphs):
            assert ids == list(range(10, 10 * len(ids) + 10, 10))
            links["words"] += 1
        own = {row["paragraphId"] for row in paragraphs if row.get("paragraphId")}
        assert all(len(each) == 19 and each.isdigit() for each in own)
        speakers = {row.get("speakerId") for row in paragraphs} | {"", None}
        for row in part(blob, "summarization", "conversationalSummary"):
            assert row.get("speakerId") in speakers
            links["speakers"] += 1
        translated = part(blob, "translation", "paragraphs")
        links["paragraphs"] += len(own & {row.get("paragraphId") for row in translated})
        for name, number in named_sentences(blob):
            assert 1 <= number <= len(story.speech), name
            links[name] += 1
    names = "words speakers paragraphs question answer keySentences actions translation"
    assert {name for name, count in links.items() if count >= 10} == set(names.split())


def named_sentences(blob: Json) -> Iterator[tuple[str, int]]:
    """Yields where a sentence is named, and its id."""
    for row in part(blob, "summarization", "questionsAnsweringSummary"):
        yield from (("question", number) for number in row.get("sentenceIdsOfQuestion") or [])
        yield from (("answer", number) for number in row.get("sentenceIdsOfAnswer") or [])
    rows = {name: part(blob, "meetingAssistance", name) for name in ("keySentences", "actions")}
    translated = part(blob, "translation", "paragraphs")
    rows["translation"] = [row for each in translated for row in each.get("sentences") or []]
    for name, found in rows.items():
        yield from ((name, row["sentenceId"]) for row in found if row.get("sentenceId"))


def test_times_of_speech_are_milliseconds_of_the_video() -> None:
    """Whatever starts ends later, inside the video; stretches, chapters and sentences in order."""
    checked: Counter[str] = Counter()
    for _, story, blob in understood():
        for row in objects(blob):
            for start, end in ends_of([row]):
                assert 0 <= start <= end <= story.duration
                checked["rows"] += 1
        for row in objects(part(blob, "summarization", "mindMapSummary")):
            assert 0 <= (row.get("beginTime") or 0) <= story.duration
            checked["topics"] += "beginTime" in row
        for name, spans in {
            "segments": part(blob, "transcription", "audioSegments"),
            "chapters": ends_of(part(blob, "autoChapters")),
        }.items():
            times = [time for span in spans for time in span]
            assert times == sorted(times)
            assert all(0 <= time <= story.duration for time in times)
            checked[name] += len(spans)
        audio = (blob.get("transcription") or {}).get("audioInfo") or {}
        assert audio.get("duration") in {story.duration, None}
    assert checked["rows"] > 5000
    assert min(checked.values()) > 20


def test_some_to_do_items_have_placeholders_for_times() -> None:
    """Most to-do items lie where their sentence does; some have 0 for both ends."""
    ends = [
        end
        for _, _, blob in understood()
        for end in ends_of(part(blob, "meetingAssistance", "actions"))
    ]
    assert 0 < ends.count((0, 0)) < len(ends) / 2


def test_mind_maps_have_two_to_four_levels() -> None:
    """Each mind map is a tree of 2 to 4 levels whose leaves have an empty array below them."""
    levels: Counter[int] = Counter()
    for _, _, blob in understood():
        topics, depth = part(blob, "summarization", "mindMapSummary"), 0
        while topics:
            depth += 1
            below = [row.get("topic") for row in topics]
            topics = [row for each in below for row in each or []]
        if depth:
            assert [] in below
            levels[depth] += 1
    assert {2, 3, 4} == set(levels)


def test_translations_are_in_the_other_language() -> None:
    """A Chinese video is translated to English and the other way round, sentence by sentence."""
    seen: Counter[str] = Counter()
    for _, story, blob in understood():
        for paragraph in part(blob, "translation", "paragraphs"):
            for row in paragraph.get("sentences") or []:
                if row.get("text") and row.get("sentenceId"):
                    assert bool(CHINESE.search(row["text"])) == (story.language == "en")
                    speech = story.speech[row["sentenceId"] - 1]
                    assert (row["text"] == speech.text) == (speech.language != story.language)
                    seen[story.language] += 1
    assert min(seen["zh"], seen["en"]) > 100


def test_both_languages_of_a_line_have_the_same_slots() -> None:
    """A line says the same in both languages: who or what it names, it names in both."""
    for topic in load_world()["topics"]:
        pairs = list(zip(topic["zh"]["lines"], topic["en"]["lines"], strict=True))
        for chinese, english in pairs:
            assert sorted(SLOT.findall(chinese)) == sorted(SLOT.findall(english))


def test_only_some_jobs_ask_for_speech_and_events() -> None:
    """NLP comes where template and parameters ask for it; so do events."""
    asked: Counter[str] = Counter()
    for number in range(120):
        reply = json.loads(sample_reply(SEED, number, ONLY_NLP, clean=True))
        types = {item["Type"] for item in reply["Results"]["result"]}
        parameters = json.loads(reply["Params"])
        assert ("NLP" in types) == ("nlpParams" in parameters)
        assert ("NLP" in types) == (reply["TemplateId"] == "S00000101-300080")
        assert any(name.lower().startswith("eventsplit") for name in types) == (
            parameters.get("clipSplitParams") == {"splitType": "event"}
        )
        asked.update(parameters.keys())
    assert 15 < asked["nlpParams"] < 40
    assert 3 < asked["clipSplitParams"] < 20


@cache
def sent() -> dict[str, list[tuple[Story, Json]]]:
    """Returns story and result, as sent, of 120 jobs by Type: those that have other forms."""
    found: dict[str, list[tuple[Story, Json]]] = {}
    types = load_contracts().types
    for number in range(120):
        reply = json.loads(sample_reply(SEED, number, NO_TEXT, clean=True))
        for item in reply["Results"]["result"]:
            kind = types[item["Type"]].type
            if kind in {"NLP", "Subtitle", "Process", "EventSplit"}:
                blob = decoded(item["Data"])
                found.setdefault(kind, []).append((Story(SEED, number), blob))
    return found


def test_speech_comes_in_all_forms_of_the_vendor() -> None:
    """Parts are nested once or twice, ids of sentences spelt in two ways, sizes too."""
    blobs = [blob for _, blob in sent()["NLP"]]
    parts = ("transcription", "autoChapters", "summarization", "meetingAssistance", "translation")
    for name in parts:
        twice = [name in blob[name] for blob in blobs if isinstance(blob.get(name), dict)]
        assert True in twice
        if name != "autoChapters":
            assert False in twice
    assert any(isinstance(blob.get("autoChapters"), list) for blob in blobs)
    assert any(blob.keys() <= {"autoChapters", "message", "success"} for blob in blobs)
    keys = Counter(key for blob in blobs for row in objects(blob) for key in row)
    assert min(keys[key] for key in ("sentenctId", "sentenceId", "size", "Size")) > 3
    for blob in blobs:
        spelt = {key for row in objects(blob.get("translation")) for key in row}
        assert not {"sentenctId", "sentenceId"} <= spelt  # one hand a result


def test_raw_output_is_a_bare_link_or_one_in_an_object() -> None:
    """Some Process results are a link and nothing else, others hold it under some key."""
    blobs = [blob for _, blob in sent()["Process"]]
    links = [blob if isinstance(blob, str) else link_of(blob) for blob in blobs]
    assert {type(blob) for blob in blobs} == {str, dict}
    assert any("url" in blob for blob in blobs if isinstance(blob, dict))
    assert all(assert_signed(link) for link in links if link)
    assert len(set(links)) > 20


def link_of(blob: Json) -> str | None:
    """Returns the one link in an object, or None where it is missing."""
    return next((each for each in blob.values() if "https" in str(each)), None)


def assert_signed(link: str) -> bool:
    """Fails unless a link is signed and leads nowhere: names under .example are reserved."""
    place = urlsplit(link)
    assert (place.scheme, place.netloc.rpartition(".")[2]) == ("https", "example")
    assert {"Expires", "Signature", "OSSAccessKeyId"} == set(parse_qs(place.query))
    return True


def test_subtitles_lie_where_languages_are_spoken() -> None:
    """Each set has a link for all lines, and one for each language that is spoken."""
    kinds: Counter[str] = Counter()
    for story, blob in sent()["Subtitle"]:
        kinds[type(blob["details"]).__name__] += 1
        sets = [blob["details"]] if isinstance(blob["details"], dict) else blob["details"] or []
        assert bool(sets) == story.subtitled
        spoken = {speech.language for speech in story.speech}
        for row in sets:
            assert all(assert_signed(link) for link in row.values() if link)
            chinese, english = row.get("chResultUrl"), row.get("engResultUrl")
            assert not chinese or "zh" in spoken
            assert not english or "en" in spoken
            kinds["chinese"] += bool(chinese)
            kinds["english"] += bool(english)
    assert min(kinds[kind] for kind in ("list", "dict", "chinese", "english")) > 0


def test_events_follow_each_other() -> None:
    """Events are an array of their own or lie under a key; they fill the video without overlap."""
    kinds = set()
    for story, blob in sent()["EventSplit"]:
        kinds.add(type(blob).__name__)
        events = blob if isinstance(blob, list) else in_schema_form("EventSplit", blob)["events"]
        times = [time for event in events or [] for time in (event["startTime"], event["endTime"])]
        assert times == sorted(times)
        assert all(0 <= time <= story.duration / 1000 for time in times)
        assert [event["eventId"] for event in events or []] == list(range(1, len(events or []) + 1))
    assert kinds == {"list", "dict"}


def test_speech_adds_a_quarter_at_most() -> None:
    """The Types of speech and files are a quarter of the others' bytes at most."""
    sizes: Counter[bool] = Counter()
    for number in range(80):
        for item in json.loads(sample_reply(SEED, number, clean=True))["Results"]["result"]:
            kind = load_contracts().types[item["Type"]].type
            added = kind in {"NLP", "Subtitle", "Process", "EventSplit"}
            sizes[added] += len(json.dumps(item["Data"], ensure_ascii=False).encode())
    assert 0.1 < sizes[True] / sizes[False] < 0.25
