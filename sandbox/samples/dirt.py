"""The dirt of reality: which jobs are flawed, and how a flaw looks.

Flaws are dealt out by job number: each block of `BLOCK` jobs, from 0 on, holds exactly the counts
of `PER_BLOCK`, in an order that depends on the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from random import Random
from typing import Any

Json = Any
BLOCK = 200


class Flaw(StrEnum):
    """What is wrong with a job, or unusual about it."""

    NONE = "none"
    WRONG_TYPE = "wrong-type"
    """One field of one row has another JSON type than the schema says."""
    TRUNCATED_DATA = "truncated-data"
    """One `Data` is JSON that ends in the middle."""
    UNKNOWN_TYPE = "unknown-type"
    """One more result, of the Type `ShotDetect`."""
    REPEATED_TYPE = "repeated-type"
    """The last Type comes twice."""
    EXTRA_KEY = "extra-key"
    """One row has a key that no document mentions."""
    DATA_OBJECT = "data-object"
    """Every `Data` is an object in place of a JSON string."""
    WRONG_RESULTS = "wrong-results"
    """`Results` has another container shape: a list, `Result`, an object in `result`, a text."""
    FAILED = "failed"
    """JobStatus Fail; `Data` is free text."""
    SUBMITTED = "submitted"
    PROCESSING = "processing"
    UNKNOWN_JOB = "unknown-job"
    """In the ledger, yet the service answers 404 `JobNotFound`."""
    ERROR_IN_200 = "error-in-200"
    """HTTP 200 whose body is an error with a Code and no JobStatus."""
    WRONG_NLP = "wrong-nlp"
    """Up to three rows of NLP have another JSON type: the time of a word, a keyword, the title of a
    topic. A job that has none of them, such as an image, is `WRONG_TYPE`."""


PER_BLOCK: Mapping[Flaw, int] = {
    Flaw.WRONG_TYPE: 2,
    Flaw.TRUNCATED_DATA: 1,
    Flaw.UNKNOWN_TYPE: 2,
    Flaw.REPEATED_TYPE: 1,
    Flaw.EXTRA_KEY: 3,
    Flaw.DATA_OBJECT: 2,
    Flaw.WRONG_RESULTS: 1,
    Flaw.FAILED: 4,
    Flaw.SUBMITTED: 3,
    Flaw.PROCESSING: 4,
    Flaw.UNKNOWN_JOB: 2,
    Flaw.ERROR_IN_200: 1,
    Flaw.WRONG_NLP: 2,
}
"""Jobs with each flaw among 200; the other 172 have none."""
REQUEST_ID_NEWLINE_SHARE = 0.05
USER_DATA_SHARES: Mapping[str, float] = {"string": 0.7, "object": 0.1, "text": 0.05, "absent": 0.15}
ALIAS_SHARE = 0.03
"""Share of results under another wire name of their Type, where it has one."""
REASONS = (
    "InputFileDownloadFailed: the input file could not be downloaded",
    "UnsupportedFormat: the video stream cannot be decoded",
    "\u7b97\u6cd5\u5904\u7406\u8d85\u65f6",
)


def flaw_of(seed: int, number: int) -> Flaw:
    """Returns the flaw of job `number`."""
    return _block(seed, number // BLOCK)[number % BLOCK]


@lru_cache(maxsize=64)
def _block(seed: int, block: int) -> tuple[Flaw, ...]:
    flaws = [flaw for flaw, count in PER_BLOCK.items() for _ in range(count)]
    flaws += [Flaw.NONE] * (BLOCK - len(flaws))
    Random(f"{seed}/{block}/flaws").shuffle(flaws)
    return tuple(flaws)


def with_wrong_type(blob: Json, rng: Random) -> bool:
    """Changes a field of one row of `blob` to another JSON type; False when it has no row."""
    rows = [row for row in _rows(blob) if any(_is_scalar(value) for value in row.values())]
    if not rows:
        return False
    row = rng.choice(rows)
    key = rng.choice([key for key, value in row.items() if _is_scalar(value)])
    row[key] = [str(row[key])] if isinstance(row[key], str) else f"{row[key]}s"
    return True


def with_wrong_nlp(blob: Json, rng: Random) -> bool:
    """Gives a word, a keyword and a topic another JSON type; False when `blob` has none of them."""
    paragraphs = (blob.get("transcription") or {}).get("paragraphs") or []
    words = [word for part in paragraphs for word in part.get("words") or () if word.get("start")]
    topics = [row for row in _rows(blob) if row.get("title") and "topic" in row]
    keywords = (blob.get("meetingAssistance") or {}).get("keywords")
    if words:
        word = rng.choice(words)
        word["start"] = f"{word['start']}ms"
    if topics:
        topic = rng.choice(topics)
        topic["title"] = [topic["title"]]
    if keywords:
        keywords[rng.randrange(len(keywords))] = rng.randrange(2000, 2030)
    return bool(words or topics or keywords)


def with_extra_key(blob: Json, rng: Random) -> bool:
    """Adds an undocumented key to one row of `blob`; False when it has no row."""
    rows = list(_rows(blob))
    if not rows:
        return False
    key, value = rng.choice((("modelVersion", "3.1.0"), ("trackId", 17), ("debug", {"gpu": True})))
    rng.choice(rows)[key] = value
    return True


def unknown_result(rng: Random) -> dict[str, Json]:
    """Returns the blob of a result Type that nobody documented."""
    cuts = sorted(round(rng.uniform(0, 60), 3) for _ in range(4))
    return {"shots": [{"index": n, "cutTime": cut} for n, cut in enumerate(cuts)]}


def misshapen(results: list[Json], rng: Random) -> Json:
    """Returns `Results` in a container shape that the service does not document."""
    shapes: tuple[Callable[[], Json], ...] = (
        lambda: results,
        lambda: {"Result": results},
        lambda: {"result": results[0]},
        lambda: "the results are too large",
    )
    return rng.choice(shapes)()


SPOILS: Mapping[Flaw, Sequence[Callable[[Json, Random], bool]]] = {
    Flaw.WRONG_TYPE: (with_wrong_type,),
    Flaw.EXTRA_KEY: (with_extra_key,),
    Flaw.WRONG_NLP: (with_wrong_nlp, with_wrong_type),
}
"""What spoils one result of a job with a flaw; the next is tried where no result can be."""


def _rows(value: Json) -> Iterator[dict[str, Json]]:
    if isinstance(value, dict):
        for child in value.values():
            yield from _rows(child)
    elif isinstance(value, list):
        for child in value:
            if isinstance(child, dict):
                yield child
            yield from _rows(child)


def _is_scalar(value: Json) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
