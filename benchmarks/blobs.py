"""Blobs to measure with: four big Types, deterministic, about 0.85 MB a job."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import orjson

Blob = dict[str, Any]
SCENES = ["closeUp", "medium-closeUp", "medium", "medium-long"]


def jobs(count: int, seed: int = 7) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yields `(job id, [(Type, Data as JSON text), ...])`."""
    rng = random.Random(seed)  # noqa: S311 - measurements need a seed, not secrecy
    makers = {"VideoLabel": _video_label, "CPVLabel": _cpv_label, "OCR": _ocr, "ASR": _asr}
    for number in range(count):
        yield (
            f"job{number:06d}",
            [(name, orjson.dumps(make(rng)).decode()) for name, make in makers.items()],
        )


def _position(rng: random.Random) -> Blob:
    x, y = rng.randint(0, 1200), rng.randint(0, 600)
    return {
        "leftTop": [x, y],
        "rightBottom": [x + rng.randint(10, 300), y + rng.randint(10, 300)],
    }


def _span(rng: random.Random) -> Blob:
    start = rng.random() * 3600
    return {"score": rng.random(), "from": start, "to": start + rng.random() * 9}


def _video_label(rng: random.Random) -> Blob:
    def occurrence() -> Blob:
        span = _span(rng)
        place = {"position": _position(rng), "timestamp": span["from"] + 0.5}
        return span | place | {"scene": rng.choice(SCENES)}

    return {
        "persons": [
            {
                "name": f"Person {rng.randint(1, 5000)}",
                "category": rng.choice(["celebrity", "politician", "sensitive", "unknown"]),
                "ratio": rng.random(),
                "occurrences": [occurrence() for _ in range(60)],
            }
            for _ in range(20)
        ],
        "tags": [
            {
                "mainTagName": rng.choice(["Object", "Scene", "Action", "Logo"]),
                "subTagName": f"tag{rng.randint(1, 900)}",
                "ratio": rng.random(),
                "occurrences": [_span(rng) for _ in range(15)],
            }
            for _ in range(40)
        ],
        "classifications": [
            {"score": rng.random(), "category1": "Lifestyle", "category2": "health"}
            for _ in range(3)
        ],
    }


def _cpv_label(rng: random.Random) -> Blob:
    def detail(tracks: int) -> Blob:
        start = rng.random() * 3600
        found: Blob = {"score": rng.random(), "startTime": start, "endTime": start + 8}
        if tracks:
            found["trackData"] = [
                {
                    "score": rng.random(),
                    "bbox": [rng.randint(0, 1900) for _ in range(4)],
                    "timestamp": start + step * 0.04,
                }
                for step in range(tracks)
            ]
        return found

    def label(level1: str, details: int, tracks: int = 0) -> Blob:
        return {
            "labelLevel1": level1,
            "labelLevel2": "Scenery",
            "label": f"L{rng.randint(1, 999)}",
            "appearanceProbability": rng.random(),
            "detailInfo": [detail(tracks) for _ in range(details)],
        }

    known = orjson.dumps(
        {
            "name": "Huangguoshu Waterfall",
            "nameEn": "Huangguoshu Waterfall",
            "description": "One of the four largest waterfalls in Asia",
        }
    ).decode()
    return {
        "type": "autp",
        "cates": [label("Travel", 5) for _ in range(5)],
        "entities": [label("Location", 10, 20) | {"knowledgeInfo": known} for _ in range(20)],
        "hotwords": [label("Hotword", 3) for _ in range(4)],
        "freeTags": [label("Hotword", 3) for _ in range(10)],
    }


def _ocr(rng: random.Random) -> Blob:
    return {
        "details": [
            {
                "timestamp": float(second),
                "info": [
                    {
                        "score": rng.random(),
                        "position": _position(rng),
                        "content": f"中央气象台 weather {rng.randint(1, 9999)}",
                    }
                    for _ in range(6)
                ],
            }
            for second in range(200)
        ]
    }


def _asr(_: random.Random) -> Blob:
    said = "the quick brown fox jumps over the lazy dog 今天天气很好"
    return {
        "details": [
            {"from": start * 3.0, "to": start * 3 + 2.7, "content": said} for start in range(400)
        ]
    }
