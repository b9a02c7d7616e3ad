"""Where files lie, and what happens: facts for Subtitle, Process and EventSplit."""

from __future__ import annotations

from base64 import b64encode
from itertools import pairwise
from random import Random
from typing import Any
from urllib.parse import urlencode

from sandbox.samples.story import Story, chance
from sandbox.samples.values import Whole, score

Facts = dict[str, Any]
BUCKET = "https://sample-bucket.oss-cn-shanghai.aliyuncs.example"
"""A host that cannot be: names under `.example` are reserved."""
EXPIRES = 1_900_000_000
SECOND_SET_SHARE = 0.15
EMPTY_LINK_SHARE = 0.5
"""Share of missing languages whose link is an empty text, not absent."""
EVENT_SHOTS = 12
"""About how many shots make an event."""


def subtitle(story: Story, rng: Random) -> Facts:
    """Returns the links of the subtitle files: for all, for Chinese and for English lines."""
    if not story.subtitled:
        return {"details": []}
    sets = 2 if chance(rng, SECOND_SET_SHARE) else 1
    return {"details": [_files(story, rng) for _ in range(sets)]}


def process(story: Story, rng: Random) -> Facts:
    """Returns the link of the raw output."""
    del story
    return {"url": signed_link(rng, "process", "result.json")}


def event_split(story: Story, rng: Random) -> Facts:
    """Returns the events of the video, one after the other; times are seconds."""
    shots, lines = story.shots, story.minutes["headlines"]
    count = 1 + len(shots) // EVENT_SHOTS
    bounds = [len(shots) * n // count for n in range(count + 1)]
    return {
        "events": [
            {
                "eventId": number,
                "startTime": shots[first].start / 1000,
                "endTime": shots[last - 1].end / 1000,
                "title": rng.choice(lines).format(
                    keyword=rng.choice(story.words["keywords"]),
                    scene=rng.choice(story.words["scenes"]),
                ),
                "score": score(rng.random),
            }
            for number, (first, last) in enumerate(pairwise(bounds), 1)
        ]
    }


def signed_link(rng: Random, folder: str, name: str) -> str:
    """Returns a link as the object store signs it; it leads nowhere."""
    query = {
        "Expires": EXPIRES,
        "OSSAccessKeyId": "sandbox-key-id",
        "Signature": b64encode(rng.randbytes(20)).decode(),
    }
    return f"{BUCKET}/{folder}/{rng.getrandbits(64):016x}/{name}?{urlencode(query)}"


def _files(story: Story, rng: Random) -> Facts:
    spoken = {said.language for said in story.speech}
    files = Whole(allResultUrl=signed_link(rng, "subtitles", "all.srt"))
    for language, key in (("zh", "chResultUrl"), ("en", "engResultUrl")):
        if language in spoken:
            files[key] = signed_link(rng, "subtitles", f"{language}.srt")
        elif chance(rng, EMPTY_LINK_SHARE):
            files[key] = ""
    return files
