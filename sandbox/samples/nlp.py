"""What is understood of the speech: facts for NLP, with transcription and translation.

The parts link by ids: paragraphs by `paragraphId`, sentences by `sentenceId`. All times are whole
milliseconds, as the service writes them in this Type alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from random import Random
from typing import Any, NamedTuple

from sandbox.samples import minutes
from sandbox.samples.speakers import Paragraph, take_turns
from sandbox.samples.story import Language, Speech, Story, chance, other_language
from sandbox.samples.values import ABSENT, Whole

Facts = dict[str, Any]
PART_SHARES: Mapping[str, float] = {
    "transcription": 1.0,
    "autoChapters": 0.95,
    "summarization": 0.9,
    "meetingAssistance": 0.85,
    "translation": 0.6,
}
"""Share of jobs whose template asks for a part of the Type."""
CHAPTERS_ONLY_SHARE = 0.06
"""Share of jobs whose template asks for chapters and nothing else."""
AUDIO_SHARE = 0.9
"""Share of transcriptions with audioInfo and audioSegments beside the paragraphs."""
SEGMENT_GAP_MS = 400
"""A longer silence ends a stretch of speech."""
WORD_STEP = 10
SAMPLE_RATE = 16_000
# A Chinese word has up to 1, 2 or 3 characters and the marks after it; letters and digits of the
# West stay together.
_MARKS = "\u2014-\u2026\u3000-\u303f\uff00-\uff0f\uff1a-\uff20"
_CHINESE = tuple(
    re.compile(f"(?:[ -~]+|[^ -~{_MARKS}]{{1,{most}}})[{_MARKS}]*|[{_MARKS}]+")
    for most in (1, 2, 3)
)


class Word(NamedTuple):
    """One spoken word."""

    start: int
    end: int
    text: str


def nlp(story: Story, rng: Random) -> Facts:
    """Returns what the template of the job asked for; what it did not is left out."""
    paragraphs = take_turns(story, rng)
    tell: Mapping[str, Callable[[Story, Random, Sequence[Paragraph]], Any]] = {
        "transcription": _transcription,
        "autoChapters": minutes.chapters,
        "summarization": minutes.summarization,
        "meetingAssistance": minutes.assistance,
        "translation": _translation,
    }
    asked = {name for name, share in PART_SHARES.items() if chance(rng, share)}
    if chance(rng, CHAPTERS_ONLY_SHARE):
        asked = {"autoChapters"}
    return {
        name: part(story, rng, paragraphs) if name in asked else ABSENT
        for name, part in tell.items()
    }


def words(speech: Speech, rng: Random) -> Iterator[Word]:
    """Yields the words of a sentence; together they fill its time, by their length."""
    parts = _split(speech.text, speech.language, rng)
    letters = sum(map(len, parts))
    length, said, start = speech.end - speech.start, 0, speech.start
    for text in parts:
        said += len(text)
        end = speech.start + length * said // letters
        yield Word(start, end, text)
        start = end


def _split(text: str, language: Language, rng: Random) -> list[str]:
    if language == "en":
        return text.split()
    parts, at, random = [], 0, rng.random
    while match := _CHINESE[int(random() * 3)].match(text, at):
        parts.append(match.group())
        at = match.end()
    return parts


def _transcription(story: Story, rng: Random, paragraphs: Sequence[Paragraph]) -> Facts:
    ids = count(WORD_STEP, WORD_STEP)
    told = [
        {
            "paragraphId": paragraph.id,
            "speakerId": str(paragraph.speaker),
            "words": [
                {
                    "end": word.end,
                    "id": next(ids),
                    "sentenceId": sentence.id,
                    "start": word.start,
                    "text": word.text,
                }
                for sentence in paragraph.sentences
                for word in words(sentence.speech, rng)
            ],
        }
        for paragraph in paragraphs
    ]
    if not chance(rng, AUDIO_SHARE):
        return Whole(paragraphs=told)
    return {"audioInfo": _audio(story), "audioSegments": _segments(story), "paragraphs": told}


def _audio(story: Story) -> Facts:
    spoken = "fspk" if story.mixed else {"zh": "cn", "en": "en"}[story.language]
    return {
        "duration": story.duration,
        "language": spoken,
        "sampleRate": SAMPLE_RATE,
        "size": story.duration * SAMPLE_RATE * 2 // 1000,  # 16 bits a sample
    }


def _segments(story: Story) -> list[list[int]]:
    segments: list[list[int]] = []
    for said in story.speech:
        if segments and said.start - segments[-1][1] <= SEGMENT_GAP_MS:
            segments[-1][1] = said.end
        else:
            segments.append([said.start, said.end])
    return segments


def _translation(story: Story, rng: Random, paragraphs: Sequence[Paragraph]) -> Facts:
    del rng
    language = other_language(story.language)
    return {
        "paragraphs": [
            {
                "paragraphId": paragraph.id,
                "sentences": [
                    {
                        "end": sentence.speech.end,
                        "sentenceId": sentence.id,
                        "start": sentence.speech.start,
                        "text": sentence.speech.told_in(language),
                    }
                    for sentence in paragraph.sentences
                ],
            }
            for paragraph in paragraphs
        ]
    }
