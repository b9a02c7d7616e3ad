"""Who speaks when: the sentences of a story as paragraphs, each of one speaker."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from sandbox.samples.story import Speech, Story

LONGEST_TURN = 6
"""Most sentences a speaker says before another one speaks."""
FIRST_ID = 17 * 10**17
"""Ids of paragraphs count nanoseconds, so they have 19 digits: more than a double holds."""


class Sentence(NamedTuple):
    """A spoken sentence and its id, counted from 1 over the whole video."""

    id: int
    speech: Speech


class Paragraph(NamedTuple):
    """What one speaker, counted from 1, says at a stretch."""

    id: str
    speaker: int
    sentences: Sequence[Sentence]


def take_turns(story: Story, rng: Random) -> list[Paragraph]:
    """Returns all sentences of the story, in order, dealt out to its speakers in turn."""
    sentences = [Sentence(number, speech) for number, speech in enumerate(story.speech, 1)]
    speakers = rng.randint(1, 1 + story.size)
    number = FIRST_ID + rng.randrange(10**17)
    paragraphs: list[Paragraph] = []
    speaker = at = 0
    while at < len(sentences):
        turn = sentences[at : at + rng.randint(1, LONGEST_TURN)]
        paragraphs.append(Paragraph(str(number), speaker + 1, turn))
        at += len(turn)
        number += rng.randrange(10**6, 10**9)
        speaker = (speaker + rng.randint(1, max(1, speakers - 1))) % speakers
    return paragraphs
