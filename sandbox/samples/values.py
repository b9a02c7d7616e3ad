"""Single values for what no story tells: by expected values, unit, type and the property's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from sandbox.samples.story import Story, chance

Json = Any
Schema = Mapping[str, Any]


ABSENT: Final = object()
"""Stands for a root key that is to be left out."""


class Whole(dict[str, Json]):
    """Facts that are all there is: what they lack stays absent in place of being invented."""


@dataclass(frozen=True, slots=True)
class Context:
    """Where in a blob a value is made.

    Attributes:
        window: Start and end in ms of the time range that times fall in, None at the root.
        depth: Number of lists around the value.
    """

    rng: Random
    story: Story
    window: tuple[int, int] | None = None
    depth: int = 0

    def inner(self) -> Context:
        """Returns the context of one row: a time range inside this one."""
        low, high = self.window or (0, self.story.duration)
        start = self.rng.randint(low, high)
        return replace(self, window=(start, self.rng.randint(start, high)))


def make(name: str, types: frozenset[str], schema: Schema, context: Context) -> Json:
    """Returns a value of one of `types` that suits the property `name`."""
    expected = schema.get("enum") or schema.get("x-expect", {}).get("enum")
    if expected:
        return context.rng.choice(expected)
    if "const" in schema:
        return schema["const"]
    for kind, maker in _BY_TYPE.items():
        if kind in types:
            return _within(maker(name, schema, context), schema)
    return None


def score(random: Callable[[], float]) -> float:
    """Returns a confidence from 0.5 to 1 with 3 decimals."""
    return round(0.5 + 0.5 * random(), 3)


def pair(name: str, context: Context) -> list[int] | None:
    """Returns a corner in pixels when `name` is that of a box's corner, else None."""
    width, height = context.story.frame
    if name == "leftTop":
        return [context.rng.randrange(width // 2), context.rng.randrange(height // 2)]
    if name == "rightBottom":
        return [context.rng.randint(width // 2, width), context.rng.randint(height // 2, height)]
    return None


def _string(name: str, schema: Schema, context: Context) -> str:
    if "x-split" in schema:
        words = context.story.words["keywords"]
        chosen = context.rng.sample(words, context.rng.randint(1, 3))
        return str(schema["x-split"]["separator"]).join(chosen)
    lower = name.lower()
    for fragment, maker in _BY_NAME.items():
        if fragment in lower:
            return maker(context)
    return _keyword(context)


def _number(name: str, schema: Schema, context: Context) -> float:
    unit = schema.get("x-unit")
    if unit == "s":
        return _moment(name, context) / 1000
    if unit == "ms":
        return float(_moment(name, context))
    if unit in ("ratio", None):
        return _ratio(context.rng)
    return round(context.rng.uniform(0, 90), 3)


def _integer(name: str, schema: Schema, context: Context) -> int:
    unit = schema.get("x-unit")
    if unit in ("s", "ms"):
        return _moment(name, context) // (1000 if unit == "s" else 1)
    return context.rng.randint(0, 999)


def _boolean(name: str, schema: Schema, context: Context) -> bool:
    del schema
    return name == "success" or chance(context.rng, 0.5)


def _moment(name: str, context: Context) -> int:
    start, end = context.window or (0, context.story.duration)
    lower = name.lower()
    if lower.startswith(("from", "start", "begin")):
        return start
    if lower.startswith(("to", "end")):
        return end
    if "duration" in lower:
        return context.story.duration
    return (start + end) // 2


def _within(value: Json, schema: Schema) -> Json:
    if isinstance(value, str):
        return value[: schema.get("maxLength")]
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and value < low:
        return low
    return high if high is not None and value > high else value


def _ratio(rng: Random) -> float:
    value = 0.3 + 0.7 * rng.random()
    return value if chance(rng, 0.2) else round(value, 3)


def _person(context: Context) -> str:
    return context.story.name(context.rng.choice(context.story.cast)[0])


def _line(context: Context) -> str:
    story = context.story
    return story.tell(context.rng, context.rng.choice(story.words["lines"]), story.language)


def _keyword(context: Context) -> str:
    return context.rng.choice(context.story.words["keywords"])


def _digits(context: Context) -> str:
    return str(context.rng.randrange(10**18, 10**19))


def _url(context: Context) -> str:
    return f"https://results.example/{context.rng.getrandbits(64):016x}.json"


def _title(context: Context) -> str:
    return context.story.title


_BY_TYPE: Mapping[str, Callable[[str, Schema, Context], Json]] = {
    "string": _string,
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
}
# The first fragment found in the lower-cased name decides.
_BY_NAME: Mapping[str, Callable[[Context], str]] = {
    "message": lambda _: "SUCCESS",
    "url": _url,
    "name": _person,
    "title": _title,
    "headline": _title,
    "text": _line,
    "content": _line,
    "summary": _line,
    "description": _line,
    "question": _line,
    "answer": _line,
    "id": _digits,
}
