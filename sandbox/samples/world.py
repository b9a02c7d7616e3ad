"""The people, brands, places and topics that the sample videos are about.

All people are figures of old books and history. The content itself lies in `world.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TypedDict


class Named(TypedDict):
    """Something with a Chinese and an English name."""

    zh: str
    en: str


class Person(Named):
    """Somebody a face can be recognised as."""

    category: str
    occupation: str
    about: str


class Brand(Named):
    """A brand, the thing it makes and how often it is seen."""

    thing: str
    weight: int


class Landmark(Named):
    """A place with coordinates in degrees and how often it is visited."""

    about: str
    place: str
    placeEn: str
    lon: float
    lat: float
    weight: int


class Wording(TypedDict):
    """A topic in one language; `{slots}` name what a story puts in."""

    titles: Sequence[str]
    category: Sequence[str]
    scenes: Sequence[str]
    objects: Sequence[str]
    actions: Sequence[str]
    keywords: Sequence[str]
    signs: Sequence[str]
    lines: Sequence[str]


class Topic(TypedDict):
    """What a video is about."""

    key: str
    zh: Wording
    en: Wording


class Minutes(TypedDict):
    """How a summary or minutes speak in one language; slots as in `Wording`, and a few more."""

    speaker: str
    headlines: Sequence[str]
    overview: str
    questions: Sequence[str]
    actions: Sequence[str]


class World(TypedDict):
    """Everything a story is drawn from."""

    people: Sequence[Person]
    brands: Sequence[Brand]
    landmarks: Sequence[Landmark]
    organisations: Sequence[Named]
    channels: Sequence[str]
    tagKinds: Mapping[str, Mapping[str, str]]
    minutes: Mapping[str, Minutes]
    expressions: Mapping[str, Sequence[str]]
    topics: Sequence[Topic]


@cache
def load_world() -> World:
    """Returns the world, read once a process."""
    text = Path(__file__).with_name("world.json").read_text(encoding="utf-8")
    world: World = json.loads(text)
    return world
