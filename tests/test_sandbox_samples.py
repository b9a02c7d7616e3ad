"""The sandbox's sample jobs: valid by the schemas, and the same in every process."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

from sandbox_blobs import SEED, clean_blobs, validators

from sandbox.samples import Needs, sample_reply, sample_status
from sandbox.samples.ids import MAX_NUMBER, job_id, job_ids, job_number
from sandbox.samples.story import Story
from sandbox.samples.values import ABSENT
from sandbox.samples.walker import load_result_schemas
from transforms.contract import load_contracts
from transforms.paths import schemas_dir


def test_every_blob_is_valid_by_its_schema() -> None:
    """Each result of 200 jobs passes the schema of its Type, and every Type occurs."""
    known = validators(schemas_dir())
    seen: Counter[str] = Counter()
    # The reference validator reads some 1 MB/s: clips by the hundred, few of the longer ones.
    clips = [n for n in range(4000) if Story(SEED, n).duration < 45_000][:198]
    longer = [n for n in range(100) if 180_000 < Story(SEED, n).duration < 400_000][:2]
    assert len(clips + longer) == 200
    for number in clips + longer:
        for name, blob in clean_blobs(number):
            known[name].validate(blob)
            seen[name] += 1
    types = {name: contract.type for name, contract in load_contracts().types.items()}
    assert {types[name] for name in seen} == set(types.values())
    assert any(types[name] != name for name in seen)  # some results come under an alias


def test_a_film_is_valid_too() -> None:
    """The results of an hour-long video pass their schemas, with everything they hold."""
    number = next(n for n in range(100) if Story(SEED, n).duration > 2_400_000)
    known = validators(schemas_dir())
    for name, blob in clean_blobs(number):
        assert not list(known[name].iter_errors(blob))


def test_a_new_schema_file_needs_no_code(tmp_path: Path) -> None:
    """A Type nobody has told a story for gives valid, ordered and bounded samples."""
    (tmp_path / "results").mkdir()
    topic = {
        "type": "object",
        "required": ["title"],
        "properties": {
            "title": {"type": "string"},
            "topic": {"type": ["array", "null"], "items": {"$ref": "#/$defs/topic"}},
        },
    }
    topics = {
        "type": ["array", "null"],
        "x-table": "nodes",
        "x-tree": "below",
        "items": {"type": "object", "properties": {"below": {"$ref": "#/$defs/topics"}}},
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://example.com/schemas/results/chapters.schema.json",
        "x-type": "Chapters",
        "$defs": {"topic": topic, "topics": topics},
        "type": "object",
        "required": ["chapters"],
        "properties": {
            "chapters": {
                "type": "array",
                "x-table": "chapters",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["start", "end", "box", "kind", "id", "stretch", "values"],
                    "properties": {
                        "id": {"type": "string"},
                        "start": {"type": "integer", "minimum": 0, "x-unit": "ms"},
                        "end": {"type": "integer", "minimum": 0, "x-unit": "ms"},
                        "at": {"type": ["number", "null"], "x-unit": "s"},
                        "kind": {"enum": ["scene", "talk"], "type": "string"},
                        "box": {
                            "type": "array",
                            "items": {"type": "integer"},
                            "minItems": 4,
                            "maxItems": 4,
                        },
                        "done": {"type": ["boolean", "null"]},
                        "words": {"type": "array", "items": {"type": "string"}},
                        "stretch": {
                            "type": "array",
                            "items": {"type": "integer"},
                            "minItems": 2,
                            "maxItems": 2,
                            "x-columns": ["start_seconds", "end_seconds"],
                            "x-unit": "ms",
                        },
                        "stretches": {
                            "type": "array",
                            "x-table": "stretches",
                            "items": {
                                "type": "array",
                                "items": {"type": "integer"},
                                "minItems": 2,
                                "maxItems": 2,
                                "x-columns": ["start_seconds", "end_seconds"],
                                "x-unit": "ms",
                            },
                        },
                        "values": {
                            "type": "string",
                            "x-split": {"separator": ";", "x-table": "chapter_values"},
                        },
                        "sound": {
                            "type": ["object", "null"],
                            "x-table": "chapter_sounds",
                            "properties": {"rate": {"type": "integer", "x-unit": "Hz"}},
                        },
                        "map": {"$ref": "#/$defs/topic"},
                        "tree": {"$ref": "#/$defs/topics"},
                    },
                },
            },
        },
    }
    (tmp_path / "results" / "chapters.schema.json").write_text(json.dumps(schema))
    validator = validators(tmp_path)["Chapters"]
    blobs = [
        json.loads(item["Data"])
        for number in range(100)
        for item in json.loads(sample_reply(SEED, number, clean=True, schemas=tmp_path))["Results"][
            "result"
        ]
    ]
    assert len(blobs) >= 10
    for blob in blobs:
        validator.validate(blob)
    chapters = [chapter for blob in blobs for chapter in blob["chapters"]]
    hour = max(Story(SEED, number).duration for number in range(100))
    for chapter in chapters:
        assert chapter["start"] <= chapter["end"]
        for start, end in (chapter["stretch"], *chapter.get("stretches", ())):
            assert 0 <= start <= end <= hour
    assert max(chapter["stretch"][1] for chapter in chapters) > 60_000  # milliseconds
    assert any(chapter["map"].get("topic") for chapter in chapters)
    assert any(node.get("below") for chapter in chapters for node in chapter["tree"] or ())
    assert any(";" in chapter["values"] for chapter in chapters)
    assert all(type(chapter["sound"]["rate"]) is int for chapter in chapters if chapter["sound"])


def test_the_last_anchor_of_a_result_stays() -> None:
    """A result told by one part alone never loses it, whatever gaps it gets; others may."""
    schema, story = load_result_schemas(schemas_dir())["NLP"], Story(SEED, 0)
    parts = ("transcription", "summarization", "meetingAssistance", "translation")
    alone = dict.fromkeys(parts, ABSENT) | {"autoChapters": [{"id": 1}]}
    two = alone | {"translation": {"paragraphs": []}}
    blobs = [schema.blob(dict(alone), story, Random(n)) for n in range(1000)]
    assert all("autoChapters" in blob for blob in blobs)
    assert any("autoChapters" not in schema.blob(dict(two), story, Random(n)) for n in range(1000))


def test_two_processes_give_the_same_bytes() -> None:
    """Seed and number alone decide: another process with another hash seed agrees byte for byte."""
    program = (
        "import hashlib\n"
        "from sandbox.samples import job_id, sample_reply\n"
        "digest = hashlib.sha256()\n"
        "for n in [*range(40), 999_999]:\n"
        "    digest.update(job_id(7, n).encode() + sample_reply(7, n))\n"
        "print(digest.hexdigest())\n"
    )
    digest = hashlib.sha256()
    for number in [*range(40), 999_999]:
        digest.update(job_id(SEED, number).encode() + sample_reply(SEED, number))
    other = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert other.stdout.strip() == digest.hexdigest()


def test_the_order_of_asking_does_not_matter() -> None:
    """A job is the same whether it is asked for first, last or again."""
    forward = [sample_reply(SEED, number) for number in range(20)]
    backward = [sample_reply(SEED, number) for number in reversed(range(20))]
    assert forward == backward[::-1]
    assert sample_reply(SEED, 3) != sample_reply(SEED + 1, 3)


def test_leaving_results_out_changes_no_other() -> None:
    """Without ASR and OCR the other results are byte for byte what they were."""
    number = next(n for n in range(50) if {"ASR", "OCR"} <= {name for name, _ in clean_blobs(n)})
    full = json.loads(sample_reply(SEED, number, clean=True))["Results"]["result"]
    part = json.loads(sample_reply(SEED, number, Needs(asr=False, ocr=False), clean=True))[
        "Results"
    ]["result"]
    assert part == [item for item in full if item["Type"] not in ("ASR", "OCR")]
    assert part


def test_a_far_job_costs_no_more_than_a_near_one() -> None:
    """The ids and plans of jobs around a billion are found without walking there."""
    started = time.perf_counter()
    for number in range(10**9, 10**9 + 200):
        assert job_number(SEED, job_id(SEED, number)) == number
        sample_status(SEED, number)
    assert time.perf_counter() - started < 5


def test_ids_are_hex_distinct_and_reversible() -> None:
    """An id is 32 hex characters and leads back to its number under its own seed only."""
    ids = job_ids(SEED, 2000)
    assert len(set(ids)) == 2000
    assert all(len(text) == 32 and set(text) <= set("0123456789abcdef") for text in ids)
    assert [job_number(SEED, text) for text in ids] == list(range(2000))
    assert job_number(SEED, job_id(SEED, MAX_NUMBER)) == MAX_NUMBER
    assert {job_number(SEED + 1, text) for text in ids} == {None}
    assert {job_number(SEED, text) for text in ("", "0" * 32, ids[0].upper(), ids[0][:-1])} == {
        None
    }
