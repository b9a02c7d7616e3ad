"""What happens in one sample video: who and what is seen when, and what is said.

Every result Type of a job is told from the same story, so they agree with each other. All times are
whole milliseconds until they are written, so that no time has more than three decimals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from random import Random
from typing import Literal, NamedTuple, TypeVar

from sandbox.samples.world import (
    Brand,
    Landmark,
    Minutes,
    Named,
    Person,
    Topic,
    Wording,
    load_world,
)

Language = Literal["zh", "en"]
Family = Literal["v1", "v2", "image"]
_T = TypeVar("_T")

FAMILY_SHARES: tuple[tuple[Family, float], ...] = (("v1", 0.46), ("v2", 0.46), ("image", 0.08))
# Share, shortest and longest in seconds: clips, programmes, whole films.
DURATIONS: tuple[tuple[float, int, int], ...] = (
    (0.56, 30, 180),
    (0.29, 180, 900),
    (0.15, 2400, 4500),
)
ENGLISH_SHARE = 0.3
MIXED_SHARE = 0.15
SUBTITLED_SHARE = 0.7
FRAMES = ((1920, 1080), (1280, 720), (1080, 1920))
SCENES = ("closeUp", "medium-closeUp", "medium", "medium-long")


class Shot(NamedTuple):
    """One camera shot."""

    start: int
    end: int
    scene: str


class Speech(NamedTuple):
    """One spoken sentence, and the same in the other language."""

    start: int
    end: int
    text: str
    language: Language
    translation: str

    def told_in(self, language: Language) -> str:
        """Returns the sentence in `language`."""
        return self.text if self.language == language else self.translation


class Drawn(NamedTuple):
    """What the slots of a line stand for this time."""

    landmark: Landmark
    person: Person
    brand: Brand
    organisation: Named
    number: int

    def put_in(self, template: str, language: Language) -> str:
        """Returns `template` with this in its slots."""
        return template.format(
            landmark=self.landmark[language],
            place=self.landmark["place" if language == "zh" else "placeEn"],
            person=self.person[language],
            brand=self.brand[language],
            organisation=self.organisation[language],
            number=self.number,
        )


class Story:
    """The story of one video; parts that take time are told when first asked for.

    Attributes:
        family: Which group of result Types the job has.
        duration: Length of the video in ms.
        language: Language of tags and title; with `mixed`, sentences come in both.
        cast: People seen, from the most to the least seen, with their share of the shots.
    """

    def __init__(self, seed: int, number: int) -> None:
        self._key = f"{seed}/{number}"
        rng = Random(f"{self._key}/story")
        world = load_world()
        self.family: Family = _by_share(rng, FAMILY_SHARES)
        shortest, longest = _by_share(rng, [((low, high), w) for w, low, high in DURATIONS])
        self.duration = rng.randrange(shortest * 1000, longest * 1000)
        self.language: Language = "en" if chance(rng, ENGLISH_SHARE) else "zh"
        self.mixed = chance(rng, MIXED_SHARE)
        self.subtitled = chance(rng, SUBTITLED_SHARE)
        self.frame = rng.choice(FRAMES)
        self.topic: Topic = rng.choice(world["topics"])
        self.cast: list[tuple[Person, float]] = self._draw_cast(rng, world["people"])
        self.unknown_faces = rng.choice((0, 1, 2, 3, 5, 9))
        self.brands: Sequence[Brand] = _some_weighted(rng, world["brands"], 1 + self.size)
        self.landmarks: Sequence[Landmark] = _some_weighted(rng, world["landmarks"], 1 + self.size)
        self.organisation: Named = rng.choice(world["organisations"])
        self.channel = rng.choice(world["channels"])
        self.words: Wording = self.topic[self.language]
        self.minutes: Minutes = world["minutes"][self.language]
        self.kinds = world["tagKinds"][self.language]
        self.expressions = world["expressions"][self.language]
        title = rng.choice(self.words["titles"])
        self.title = self.tell(rng, title, self.language, leads=True)

    @property
    def size(self) -> int:
        """Returns 1 for a clip, 2 for a programme, 3 for a film."""
        return 1 + sum(self.duration >= low * 1000 for _, low, _ in DURATIONS[1:])

    @cached_property
    def shots(self) -> Sequence[Shot]:
        """Returns the shots, one after the other, over the whole video."""
        random = Random(f"{self._key}/shots").random
        shots, start = [], 0
        while start < self.duration - 2000:
            end = min(self.duration, start + 2000 + int(random() * 6000))
            shots.append(Shot(start, end, SCENES[int(random() * 4)]))
            start = end
        return shots

    @cached_property
    def speech(self) -> Sequence[Speech]:
        """Returns the sentences in the order they are spoken; they do not overlap."""
        rng = Random(f"{self._key}/speech")
        said: list[Speech] = []
        start = 200 + int(rng.random() * 2000)
        for rank in self._order_of_lines(rng):
            language = self._language_of_line(rng)
            text, translation = self._tell_line(rng, rank, language, leads=not said)
            end = start + 400 + len(text) * (170 if language == "zh" else 62)
            if end > self.duration:
                break
            said.append(Speech(start, end, text, language, translation))
            start = end + int(rng.random() * 1500)
        return said

    def tell(self, rng: Random, template: str, language: Language, *, leads: bool = False) -> str:
        """Returns `template` with this story's people, brands and places put in.

        With `leads` those are the ones seen most.
        """
        return (
            self._draw(rng, leads=leads).put_in(template, language) if "{" in template else template
        )

    def name(self, named: Named) -> str:
        """Returns the name in the video's language."""
        return named[self.language]

    def appearances(self, rng: Random, share: float) -> Sequence[Shot]:
        """Returns when something is seen: parts of about `share` of the shots, in time order."""
        shots = self.shots
        chosen = sorted(rng.sample(range(len(shots)), max(1, round(share * len(shots)))))
        random = rng.random
        seen = []
        for index in chosen:
            start, end, scene = shots[index]
            slack = (end - start) // 4
            begin = start + int(random() * slack)
            seen.append(Shot(begin, end - int(random() * slack), scene))
        return seen

    def ratio(self, appearances: Sequence[Shot]) -> float:
        """Returns the share of the video that `appearances` cover, with 3 decimals."""
        return round(sum(shot.end - shot.start for shot in appearances) / self.duration, 3)

    def _tell_line(
        self, rng: Random, rank: int, language: Language, *, leads: bool
    ) -> tuple[str, str]:
        line = self.topic[language]["lines"][rank]
        other = other_language(language)
        translation = self.topic[other]["lines"][rank]
        if "{" not in line:
            return line, translation
        drawn = self._draw(rng, leads=leads)
        return drawn.put_in(line, language), drawn.put_in(translation, other)

    def _draw(self, rng: Random, *, leads: bool) -> Drawn:
        luck = 0.0 if leads else 1.0
        return Drawn(
            landmark=_mostly_first(rng, self.landmarks, luck),
            person=_mostly_first(rng, self.cast, luck)[0],
            brand=_mostly_first(rng, self.brands, luck),
            organisation=self.organisation,
            number=3 + int(rng.random() * 96),
        )

    def _draw_cast(self, rng: Random, people: Sequence[Person]) -> list[tuple[Person, float]]:
        # Leading roles go to the first names of the list more often than to the last.
        luck = {person["en"]: rank / 20 + 2 * rng.random() for rank, person in enumerate(people)}
        chosen = sorted(people, key=lambda person: luck[person["en"]])[: 2 + 2 * self.size]
        lead = 0.2 + 0.3 * rng.random()
        return [(person, lead / (rank + 1)) for rank, person in enumerate(chosen)]

    def _order_of_lines(self, rng: Random) -> Iterator[int]:
        order = list(range(min(len(self.topic["zh"]["lines"]), len(self.topic["en"]["lines"]))))
        yield from order[:1]  # every video opens with the same words
        while True:
            rng.shuffle(order)
            yield from order

    def _language_of_line(self, rng: Random) -> Language:
        if self.mixed and chance(rng, 0.5):
            return other_language(self.language)
        return self.language


def other_language(language: Language) -> Language:
    """Returns the language that `language` is translated to."""
    return "en" if language == "zh" else "zh"


def chance(rng: Random, share: float) -> bool:
    """Returns True for about `share` of the draws."""
    return rng.random() < share


def _by_share(rng: Random, choices: Sequence[tuple[_T, float]]) -> _T:
    left = rng.random()
    for choice, share in choices:
        left -= share
        if left < 0:
            return choice
    return choices[-1][0]


def _some_weighted(rng: Random, choices: Sequence[_T], count: int) -> list[_T]:
    # Each key is uniform to the power 1/weight: sampling without replacement by weight.
    def key(choice: _T) -> float:
        weight: int = choice["weight"]  # type: ignore[index]  # only brands and landmarks come here
        return float(-(rng.random() ** (1 / weight)))

    return sorted(choices, key=key)[:count]


def _mostly_first(rng: Random, choices: Sequence[_T], luck: float) -> _T:
    draw = luck * rng.random()
    return choices[int(draw * draw * len(choices))]
