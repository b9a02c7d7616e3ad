"""What is seen and said, as labels: facts for CPVLabel, with tracks and knowledge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

import orjson

from sandbox.samples.story import Shot, Story, chance
from sandbox.samples.values import Whole, score
from sandbox.samples.world import Brand, Landmark, Person

Facts = dict[str, Any]
TRACK_STEP_MS = 400
LONG_SCORE_SHARE = 0.3
"""Share of scores written with all their digits, not three decimals."""
KNOWLEDGE_SHARE = 0.85
"""Share of entities the knowledge graph knows; the others get an empty text, null or nothing."""


class Label(NamedTuple):
    """A tag at its place in the hierarchy; level 2 and the name may be empty."""

    level1: str
    level2: str
    name: str


def cpv_label(story: Story, rng: Random) -> Facts:
    """Returns categories, tracked entities with knowledge, watch-list words and keywords."""
    kinds, (level1, level2) = story.kinds, story.words["category"]
    known = [
        *(
            (Label(kinds["location"], kinds["landmark"], story.name(it)), 0.12, _of_landmark(it))
            for it in story.landmarks
        ),
        *((Label(kinds["logo"], "", story.name(it)), 0.08, _of_brand(it)) for it in story.brands),
        *(
            (Label(kinds["person"], "", story.name(it)), share / 2, _of_person(it, story))
            for it, share in story.cast[:4]
        ),
    ]
    category = Label(level1, level2, "")
    watched = [story.name(it) for it in (story.organisation, *story.brands)]
    return {
        "type": rng.choices(("auto", "autp", "hmi"), (8, 1, 1))[0],
        "cates": [_label(story, rng, category, story.appearances(rng, 0.2))],
        "entities": [_entity(story, rng, *entity) for entity in known],
        "hotwords": _spoken(story, rng, watched),
        "freeTags": _spoken(story, rng, story.words["keywords"]),
    }


def _label(story: Story, rng: Random, label: Label, seen: Sequence[Shot]) -> Facts:
    return {
        "appearanceProbability": story.ratio(seen),
        "detailInfo": [
            {
                "endTime": shot.end / 1000,
                "score": _long_score(rng.random),
                "startTime": shot.start / 1000,
            }
            for shot in seen
        ],
        "label": label.name,
        "labelLevel1": label.level1,
        "labelLevel2": label.level2,
    }


def _entity(story: Story, rng: Random, label: Label, share: float, knowledge: Facts) -> Facts:
    seen = story.appearances(rng, share)
    facts = _label(story, rng, label, seen)
    for detail, shot in zip(facts["detailInfo"], seen, strict=True):
        detail["trackData"] = _track(story, rng, shot)
    if chance(rng, KNOWLEDGE_SHARE):
        return {**facts, "knowledgeInfo": orjson.dumps(knowledge).decode()}
    kind = rng.randrange(3)
    return Whole(facts) if kind == 0 else {**facts, "knowledgeInfo": None if kind == 1 else ""}


def _track(story: Story, rng: Random, shot: Shot) -> list[Facts]:
    random = rng.random
    width, height = story.frame
    left, top = random() * width * 0.5, random() * height * 0.5
    across, down = 40 + random() * width * 0.3, 40 + random() * height * 0.3
    dx, dy = (random() - 0.5) * 8, (random() - 0.5) * 6
    track = []
    for at in range(shot.start, shot.end + 1, TRACK_STEP_MS):
        x, y = max(0, int(left)), max(0, int(top))
        box = [x, y, int(x + across), int(y + down)]
        track.append({"bbox": box, "score": score(random), "timestamp": at / 1000})
        left, top = left + dx, top + dy
    return track


def _spoken(story: Story, rng: Random, words: Sequence[str]) -> list[Facts]:
    found = []
    for word in words:
        said = [Shot(said.start, said.end, "") for said in story.speech if word in said.text]
        if said:
            found.append(_label(story, rng, Label(story.kinds["hotword"], "", word), said))
    return found


def _of_landmark(landmark: Landmark) -> Facts:
    # The graph writes its numbers as text; some places it has as numbers.
    as_text = landmark["weight"] % 2 == 1
    longitude, latitude = landmark["lon"], landmark["lat"]
    return {
        "name": landmark["zh"],
        "nameEn": landmark["en"],
        "description": landmark["about"],
        "address": landmark["place"],
        "addressEn": landmark["placeEn"],
        "longitude": str(longitude) if as_text else longitude,
        "latitude": str(latitude) if as_text else latitude,
    }


def _of_brand(brand: Brand) -> Facts:
    return {"name": brand["zh"], "brandName": brand["en"], "finegrainName": brand["thing"]}


def _of_person(person: Person, story: Story) -> Facts:
    return {
        "name": story.name(person),
        "alias": person["en" if story.language == "zh" else "zh"],
        "description": person["about"],
        "occupation": person["occupation"],
    }


def _long_score(random: Callable[[], float]) -> float:
    value = 0.3 + 0.7 * random()
    return value if random() < LONG_SCORE_SHARE else round(value, 3)
