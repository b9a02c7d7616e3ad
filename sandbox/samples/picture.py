"""What is seen: facts for VideoLabel and ImageLabel."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from sandbox.samples.story import SCENES, Story, chance
from sandbox.samples.values import score

Facts = dict[str, Any]
SUCCESS: Facts = {"message": "SUCCESS", "success": True}
UNKNOWN_SCORE = -1.0
TAG_SHARES = (0.3, 0.12, 0.06, 0.03)


def video_label(story: Story, rng: Random) -> Facts:
    """Returns who and what is seen when, named in the video's language."""
    persons = [
        _person(story, rng, story.name(person), person["category"], share)
        for person, share in story.cast
    ]
    persons += [
        # The service numbers the faces it cannot name, anew in every job.
        _person(story, rng, f"\u672a\u77e5\u4eba\u8138{n}", "unknown", 0.01 * rng.random())
        for n in range(1, story.unknown_faces + 1)
    ]
    return {
        "persons": persons,
        "tags": [_tag(story, rng, kind, name, n) for n, (kind, name) in enumerate(_things(story))],
        "classifications": [_classification(story, rng)],
        **SUCCESS,
    }


def image_label(story: Story, rng: Random) -> Facts:
    """Returns who and what is in one picture, the story's first."""
    cast = story.cast[: rng.randrange(4)]
    return {
        "persons": [
            {
                "category": person["category"],
                "name": story.name(person),
                "position": _face(story, rng.random),
                "scene": rng.choice(SCENES),
                "score": score(rng.random),
            }
            for person, _ in cast
        ],
        "tags": [
            {"mainTagName": kind, "score": score(rng.random), "subTagName": name}
            for kind, name in _things(story)
            if chance(rng, 0.6)
        ],
        **SUCCESS,
    }


def _person(story: Story, rng: Random, name: str, category: str, share: float) -> Facts:
    seen = story.appearances(rng, share)
    random = rng.random
    known = category != "unknown"
    return {
        "category": category,
        "name": name,
        "occurrences": [
            {
                "from": shot.start / 1000,
                "position": _face(story, random),
                "scene": shot.scene,
                "score": score(random) if known else UNKNOWN_SCORE,
                "timestamp": (shot.start + int(random() * (shot.end - shot.start))) / 1000,
                "to": shot.end / 1000,
            }
            for shot in seen
        ],
        "ratio": story.ratio(seen),
    }


def _things(story: Story) -> list[tuple[str, str]]:
    kinds, words = story.kinds, story.words
    return [
        *((kinds["scene"], name) for name in words["scenes"]),
        (kinds["logo"], story.channel),
        *((kinds["object"], name) for name in words["objects"]),
        *((kinds["logo"], story.name(brand)) for brand in story.brands),
        *((kinds["location"], story.name(landmark)) for landmark in story.landmarks),
        *((kinds["action"], name) for name in words["actions"]),
        *((kinds["expression"], name) for name in story.expressions),
    ]


def _tag(story: Story, rng: Random, kind: str, name: str, rank: int) -> Facts:
    seen = story.appearances(rng, TAG_SHARES[min(rank // 3, 3)] * (0.5 + rng.random()))
    random = rng.random
    return {
        "mainTagName": kind,
        "occurrences": [
            {"from": shot.start / 1000, "score": score(random), "to": shot.end / 1000}
            for shot in seen
        ],
        "ratio": story.ratio(seen),
        "subTagName": name,
    }


def _classification(story: Story, rng: Random) -> Facts:
    level1, level2 = story.words["category"]
    return {"category1": level1, "category2": level2, "score": score(rng.random)}


def _face(story: Story, random: Callable[[], float]) -> Facts:
    width, height = story.frame
    left, top = int(random() * width * 0.7), int(random() * height * 0.6)
    size = 40 + int(random() * height * 0.35)
    return {"leftTop": [left, top], "rightBottom": [left + size, top + size]}
