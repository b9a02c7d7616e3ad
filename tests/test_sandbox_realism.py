"""The sandbox's jobs look like real ones and tell one coherent story each."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from sandbox_blobs import SEED, clean_blobs, objects

from sandbox.samples import sample_reply
from sandbox.samples.story import Story


def test_times_are_ordered_and_inside_the_video() -> None:
    """Whatever starts ends later, both inside the video, with at most three decimals."""
    checked = 0
    for number in range(60):
        duration = Story(SEED, number).duration / 1000
        for _, blob in clean_blobs(number):
            for row in objects(blob):
                names = ("from", "startTime", "timestamp", "to", "endTime")
                times = [row[name] for name in names if row.get(name) is not None]
                assert times == sorted(times)
                assert all(0 <= at <= duration and round(at, 3) == at for at in times)
                checked += len(times)
    assert checked > 10_000


def test_track_points_lie_inside_their_appearance() -> None:
    """Each tracked point of an entity lies between start and end of its appearance."""
    points = 0
    for number in range(60):
        for row in (row for _, blob in clean_blobs(number) for row in objects(blob)):
            if row.get("trackData") and None not in (row.get("startTime"), row.get("endTime")):
                ats = [p["timestamp"] for p in row["trackData"] if p.get("timestamp") is not None]
                assert all(row["startTime"] <= at <= row["endTime"] for at in ats)
                points += len(ats)
    assert points > 1000


def test_boxes_are_boxes() -> None:
    """The right-bottom corner of a box lies right of and below its left-top corner."""
    boxes = [
        row
        for number in range(40)
        for _, blob in clean_blobs(number)
        for row in objects(blob)
        if {"leftTop", "rightBottom"} <= row.keys()
    ]
    assert len(boxes) > 1000
    for box in boxes:
        (left, top), (right, bottom) = box["leftTop"], box["rightBottom"]
        assert 0 <= left < right
        assert 0 <= top < bottom


def test_unknown_faces_look_as_in_real_replies() -> None:
    """Faces without a name are numbered anew in each job, score -1.0 and category unknown."""
    unknown = [
        person
        for number in range(60)
        for name, blob in clean_blobs(number)
        if name == "VideoLabel"
        for person in blob.get("persons") or []
        if person.get("category") == "unknown" and person.get("name")
    ]
    assert len(unknown) > 20
    for person in unknown:
        assert person["name"].startswith("\u672a\u77e5\u4eba\u8138")
        scores = {seen.get("score") for seen in person.get("occurrences") or []}
        assert scores <= {-1.0, None}


def test_ratio_is_what_the_occurrences_cover() -> None:
    """The share of the video a person fills equals the sum of the appearances."""
    checked = 0
    for number in range(60):
        duration = Story(SEED, number).duration / 1000
        for person in (
            person
            for name, blob in clean_blobs(number)
            if name == "VideoLabel"
            for person in blob.get("persons") or []
        ):
            rows = person.get("occurrences")
            spans = [(row.get("from"), row.get("to")) for row in rows or []]
            if person.get("ratio") is None or not spans or None in sum(spans, ()):
                continue
            covered = sum(end - start for start, end in spans) / duration
            assert person["ratio"] == pytest.approx(covered, abs=0.0006)
            checked += 1
    assert checked > 50


def test_a_phrase_is_heard_and_read_at_the_same_time() -> None:
    """In subtitled videos, sentences stand on screen while they are spoken."""
    together = 0
    for number in range(60):
        blobs = dict(clean_blobs(number))
        said = (blobs.get("ASR") or {}).get("details") or []
        shown = (blobs.get("OCR") or {}).get("details") or []
        for sentence in said:
            content, start, end = (sentence.get(name) for name in ("content", "from", "to"))
            if not content or start is None or end is None:
                continue
            together += any(
                start <= (frame.get("timestamp") or -1) <= end
                and any(
                    line.get("content")
                    and line["content"] == content.rstrip(".?!\u3002\uff1f\uff01")
                    for line in frame.get("info") or []
                )
                for frame in shown
            )
    assert together > 100


def test_content_answers_the_questions_a_demo_asks() -> None:
    """People recur over videos; brands, landmarks and both languages are there."""
    people: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    tag_kinds: set[str] = set()
    knowledge = set()
    for number in range(120):
        for name, blob in clean_blobs(number):
            if name == "VideoLabel":
                people.update({p["name"] for p in blob.get("persons") or [] if p.get("name")})
                tag_kinds |= {tag.get("mainTagName") or "" for tag in blob.get("tags") or []}
            if name == "TextLabel":
                tag_kinds |= {tag.get("name") or "" for tag in blob.get("tags") or []}
            if name == "CPVLabel":
                entities = blob.get("entities") or []
                labels.update(entity.get("label") for entity in entities)
                texts = [entity.get("knowledgeInfo", "absent") for entity in entities]
                knowledge |= {text for text in texts if text in ("", None, "absent")}
                known = [json.loads(text) for text in texts if text and text != "absent"]
                assert all(graph["name"] for graph in known)
    assert people.most_common(1)[0][1] >= 5
    assert labels["\u9ec4\u679c\u6811\u7011\u5e03"] >= 3  # Huangguoshu Waterfall, in Chinese
    assert labels["Huangguoshu Waterfall"] >= 1
    assert labels["\u4e91\u5e06\u6c7d\u8f66"] >= 3  # a brand
    chinese = {"\u573a\u666f", "\u7269\u4f53", "Logo", "\u52a8\u4f5c", "\u5730\u57df"}
    chinese |= {"\u5173\u952e\u8bcd", "\u7ec4\u7ec7\u673a\u6784", "\u4eba\u7269"}
    assert chinese | {"Scene", "Object", "Action", "Location", "Keyword", "Person"} <= tag_kinds
    assert knowledge == {"", None, "absent"}


def test_films_have_hundreds_of_occurrences_and_thousands_of_points() -> None:
    """An hour of video gives the row counts of an hour of video."""
    films = [n for n in range(60) if Story(SEED, n).duration > 2_400_000]
    occurrences, points, durations = [], [], []
    for number in films:
        durations.append(Story(SEED, number).duration)
        for name, blob in clean_blobs(number):
            rows = list(objects(blob))
            if name == "VideoLabel":
                occurrences.append(sum(len(row.get("occurrences") or []) for row in rows))
            if name == "CPVLabel":
                points.append(sum(len(row.get("trackData") or []) for row in rows))
    assert max(durations) > 3_600_000
    assert min(occurrences) > 500
    assert min(points) > 2000


def test_gaps_of_all_three_kinds_occur() -> None:
    """Optional fields are now and then absent, null or empty, and seldom any of them."""
    rows = [
        row
        for number in range(60)
        for name, blob in clean_blobs(number)
        if name == "ASR"
        for row in blob.get("details") or []
    ]
    gaps = Counter(
        "absent" if len(row) < 3 else "null" if None in row.values() else "empty"
        for row in rows
        if len(row) < 3 or None in row.values() or "" in row.values()
    )
    assert set(gaps) == {"absent", "null", "empty"}
    assert gaps.total() < 0.03 * len(rows)


def test_sizes_are_those_of_a_real_mix() -> None:
    """Replies average 100 to 300 kB: many short ones and a few of one or two megabytes."""
    sizes = sorted(len(sample_reply(SEED, number, clean=True)) for number in range(120))
    assert 100_000 < sum(sizes) / len(sizes) < 300_000
    assert sizes[len(sizes) // 2] < 100_000
    assert 1_000_000 < sizes[-1] < 4_000_000
