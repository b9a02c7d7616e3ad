"""What is said, in short: chapters, summaries and minutes, as facts for NLP."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Any

from sandbox.samples.speakers import Paragraph, Sentence
from sandbox.samples.story import Story, chance
from sandbox.samples.values import Whole

Facts = dict[str, Any]
CHAPTER_MS = 4 * 60_000
MARKDOWN_SHARE = 0.4
"""Share of summaries that hold a Markdown list too, after `@#`."""
TIMED_MAP_SHARE = 0.5
"""Share of mind maps whose leaves say when they begin."""
LEVELS = (2, 4)
"""Fewest and most levels of a mind map."""
KEY_SENTENCES_SHARE = 0.9
MOST_KEY_SENTENCES = 12
PLACEHOLDER_SHARE = 0.25
"""Share of to-do items with 0 for both start and end, as the service writes where it knows none."""


def chapters(story: Story, rng: Random, paragraphs: Sequence[Paragraph]) -> list[Facts]:
    """Returns the chapters: a few sentences each, one after the other."""
    sentences = _sentences(paragraphs)
    parts = _parts(sentences, 1 + round(story.duration / CHAPTER_MS))
    return [
        {
            "end": part[-1].speech.end,
            "headline": _say(story, rng, rng.choice(story.minutes["headlines"])),
            "id": number,
            "start": part[0].speech.start,
            "summary": _retold(story, part[:2]),
        }
        for number, part in enumerate(parts, 1)
    ]


def summarization(story: Story, rng: Random, paragraphs: Sequence[Paragraph]) -> Facts:
    """Returns the summaries: of all, by speaker, as questions, and as a mind map."""
    sentences = _sentences(paragraphs)
    turns: dict[int, list[Sentence]] = {}
    for paragraph in paragraphs:
        turns.setdefault(paragraph.speaker, []).extend(paragraph.sentences)
    overview = _say(story, rng, story.minutes["overview"], len(turns))
    if chance(rng, MARKDOWN_SHARE):
        marked = sorted(rng.sample(sentences, min(3, len(sentences))))
        items = [f"- **{one.speech.told_in(story.language)}[{one.id}]**" for one in marked]
        overview += "@#\n\n" + "\n".join(items)
    return {
        "paragraphSummary": overview,
        "conversationalSummary": [
            {
                "speakerId": str(speaker),
                "speakerName": story.minutes["speaker"].format(number=speaker),
                "summary": _retold(story, said[:2]),
            }
            for speaker, said in sorted(turns.items())
        ],
        "questionsAnsweringSummary": _questions(story, rng, sentences),
        "mindMapSummary": [
            _MindMap(story, rng).topic(story.title, sentences, rng.randint(*LEVELS))
        ],
    }


def assistance(story: Story, rng: Random, paragraphs: Sequence[Paragraph]) -> Facts:
    """Returns the minutes: keywords, key sentences, to-do items, and the kind of scene."""
    sentences = _sentences(paragraphs)
    spoken = "".join(one.speech.told_in(story.language) for one in sentences)
    keywords = list(story.words["keywords"])
    random = rng.random
    facts = Whole(
        keywords=[word for word in keywords if word in spoken] or keywords[:1],
        actions=[_action(story, rng, number, sentences) for number in range(1, rng.randint(1, 5))],
        classifications={
            "interview": 0.0 if chance(rng, 0.3) else 0.4 * random(),
            "lecture": 0.6 * random(),
            "meeting": 0.4 * random(),
        },
    )
    if chance(rng, KEY_SENTENCES_SHARE):
        count = min(1 + len(sentences) // 8, MOST_KEY_SENTENCES)
        chosen = sorted(rng.sample(sentences, count))
        facts["keySentences"] = [
            {"id": n, **_place(one), "text": one.speech.text} for n, one in enumerate(chosen, 1)
        ]
    return facts


def _questions(story: Story, rng: Random, sentences: Sequence[Sentence]) -> list[Facts]:
    questions = []
    for _ in range(min(rng.randint(1, 2 * story.size), len(sentences) - 1)):
        at = rng.randrange(len(sentences) - 1)
        answer = sentences[at + 1 : at + rng.randint(2, 4)]
        questions.append(
            {
                "question": _say(story, rng, rng.choice(story.minutes["questions"])),
                "answer": _retold(story, answer),
                "sentenceIdsOfQuestion": [sentences[at].id],
                "sentenceIdsOfAnswer": [one.id for one in answer],
            }
        )
    return questions


class _MindMap:
    def __init__(self, story: Story, rng: Random) -> None:
        self._story = story
        self._rng = rng
        self._is_timed = chance(rng, TIMED_MAP_SHARE)

    def topic(self, title: str, sentences: Sequence[Sentence], levels: int) -> Facts:
        if levels == 1:
            start = {"beginTime": sentences[0].speech.start} if self._is_timed else {}
            return Whole(title=title, topic=[], **start)
        parts = _parts(sentences, self._rng.randint(1, 3))
        below = [self.topic(self._title(part, levels), part, levels - 1) for part in parts]
        return Whole(title=title, topic=below)

    def _title(self, sentences: Sequence[Sentence], levels: int) -> str:
        if levels == LEVELS[0]:  # what lies below are leaves
            return _retold(self._story, sentences[:1])
        return _say(self._story, self._rng, self._rng.choice(self._story.minutes["headlines"]))


def _action(story: Story, rng: Random, number: int, sentences: Sequence[Sentence]) -> Facts:
    place = _place(rng.choice(sentences))
    if chance(rng, PLACEHOLDER_SHARE):
        place |= {"start": 0, "end": 0}
    text = _say(story, rng, rng.choice(story.minutes["actions"]))
    return {"id": number, **place, "text": text}


def _place(sentence: Sentence) -> Facts:
    speech = sentence.speech
    return {"sentenceId": sentence.id, "start": speech.start, "end": speech.end}


def _parts(sentences: Sequence[Sentence], most: int) -> list[Sequence[Sentence]]:
    count = min(most, len(sentences))
    bounds = [len(sentences) * n // count for n in range(count + 1)]
    return [sentences[first:last] for first, last in pairwise(bounds)]


def _sentences(paragraphs: Sequence[Paragraph]) -> list[Sentence]:
    return [sentence for paragraph in paragraphs for sentence in paragraph.sentences]


def _retold(story: Story, sentences: Sequence[Sentence]) -> str:
    space = " " if story.language == "en" else ""
    return space.join(one.speech.told_in(story.language) for one in sentences)


def _say(story: Story, rng: Random, template: str, number: int = 0) -> str:
    return template.format(
        keyword=rng.choice(story.words["keywords"]),
        scene=rng.choice(story.words["scenes"]),
        person=story.name(story.cast[0][0]),
        organisation=story.name(story.organisation),
        title=story.title,
        number=number,
    )
