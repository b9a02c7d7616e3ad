"""What is said and written: facts for ASR, OCR, TextLabel and Meta."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import Any

from sandbox.samples.story import Speech, Story, chance

Facts = dict[str, Any]
Line = tuple[str, Facts]
FRAME_STEP_MS = 1250
SIGN_SHARE = 0.3
"""Share of times at which a sign comes into view; it stays for a few frames."""
BLANK_SHARE = 0.004
"""Share of lines that were seen but not read: their content is empty."""
_CLAUSE = re.compile("[\uff0c,\uff1a:]")
_END = "\u3002\uff1f\uff01.?!"


def asr(story: Story, rng: Random) -> Facts:
    """Returns the sentences of the story."""
    del rng
    return {
        "details": [
            {"content": said.text, "from": said.start / 1000, "to": said.end / 1000}
            for said in story.speech
        ]
    }


def ocr(story: Story, rng: Random) -> Facts:
    """Returns the frames with text: channel mark, subtitles of what is being said, and signs."""
    return {"details": list(_frames(story, rng))}


def text_label(story: Story, rng: Random) -> Facts:
    """Returns what the words of the video name, as comma-separated values by kind."""
    del rng
    spoken = "".join(said.text for said in story.speech)
    candidates = {
        "person": [story.name(person) for person, _ in story.cast],
        "keyword": list(story.words["keywords"]),
        "organisation": [story.name(story.organisation)],
        "logo": [story.name(brand) for brand in story.brands],
        "location": [story.name(landmark) for landmark in story.landmarks],
    }
    comma = "," if story.language == "zh" else ", "
    found = {kind: [word for word in words if word in spoken] for kind, words in candidates.items()}
    return {
        "message": "SUCCESS",
        "success": True,
        "tags": [
            {"name": story.kinds[kind], "value": comma.join(words)}
            for kind, words in found.items()
            if words
        ],
    }


def meta(story: Story, rng: Random) -> Facts:
    """Returns the title as the owner wrote it."""
    styles = ("{}", "{}", "{}", "\u300a{}\u300b", '"{}" \U0001f3ac', "{}\n(1080p\\final)")
    return {"title": rng.choice(styles).format(story.title)}


def _frames(story: Story, rng: Random) -> Iterator[Facts]:
    random = rng.random
    # The same dicts serve in every frame: what follows reads them only.
    mark: Line = (story.channel, _box(story, 0.04, 0.05, 8))
    sign: Line | None = None
    sign_until = 0
    captions = _captions(story, rng)
    speech, caption = next(captions, _NOTHING)
    for at in range(FRAME_STEP_MS // 3, story.duration, FRAME_STEP_MS):
        while speech.end <= at and speech is not _SILENCE:
            speech, caption = next(captions, _NOTHING)
        if at >= sign_until:
            sign = _sign(story, rng) if random() < SIGN_SHARE else None
            sign_until = at + FRAME_STEP_MS * (2 + int(random() * 5))
        lines = [mark]
        if speech.start <= at:
            lines.append(caption)
        if sign:
            lines.append(sign)
        yield {
            "info": [
                {
                    "content": content if random() >= BLANK_SHARE else "",
                    "position": box,
                    "score": round(0.7 + 0.3 * random(), 3),
                }
                for content, box in lines
            ],
            "timestamp": at / 1000,
        }


_SILENCE = Speech(2**62, 2**62, "", "zh", "")
_NOTHING: tuple[Speech, Line] = (_SILENCE, ("", {}))


def _captions(story: Story, rng: Random) -> Iterator[tuple[Speech, Line]]:
    if not story.subtitled:
        return
    for speech in story.speech:
        text = speech.text.rstrip(_END)
        if chance(rng, 0.3):
            text = _CLAUSE.split(text)[0]
        if chance(rng, 0.95):
            yield speech, (text, _box(story, 0.2, 0.88, len(text)))


def _sign(story: Story, rng: Random) -> Line:
    text = story.tell(rng, rng.choice(story.words["signs"]), story.language)
    return text, _box(story, 0.1 + 0.4 * rng.random(), 0.2 + 0.5 * rng.random(), len(text))


def _box(story: Story, x: float, y: float, letters: int) -> Facts:
    width, height = story.frame
    left, top, size = int(x * width), int(y * height), height // 24
    return {
        "leftTop": [left, top],
        "rightBottom": [min(width, left + letters * size // 2), top + size],
    }
