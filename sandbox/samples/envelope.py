"""What is around the results of a sample reply: request, template, input and user data."""

from __future__ import annotations

from collections.abc import Collection
from random import Random
from typing import Any

import orjson

from sandbox.samples import dirt
from sandbox.samples.story import Story, chance

Json = Any
TEMPLATE = "S00000101-100060"
NLP_TEMPLATE = "S00000101-300080"
"""The template that includes a transcription."""
EVENTS_TEMPLATE = "S00000103-000003"


def envelope(
    rng: Random, number: int, story: Story, types: Collection[str], *, clean: bool
) -> dict[str, Json]:
    """Returns the keys of a reply but `JobStatus` and `Results`.

    Args:
        rng: Decides on ids and user data.
        number: Number of the job.
        story: What its video is about.
        types: What its template asks for.
        clean: Whether to leave the oddities of real replies out.
    """
    ended = request_id(rng)
    if chance(rng, dirt.REQUEST_ID_NEWLINE_SHARE) and not clean:
        ended += "\n"
    user = rng.randrange(10**11, 10**12)
    user_data: dict[str, Json] = {
        "string": f'{{"userId":"{user}"}}',
        "object": {"userId": user},
        "text": "\u201ca\u201d:\u201dtest\u201d",
    }
    (kind,) = rng.choices(list(dirt.USER_DATA_SHARES), list(dirt.USER_DATA_SHARES.values()))
    kind = "string" if clean else kind
    return {
        "RequestId": ended,
        **({} if kind == "absent" else {"UserData": user_data[kind]}),
        "TemplateId": _template(types),
        "Params": orjson.dumps(_parameters(story, types)).decode(),
        "Input": {"Type": "OSS", "Media": f"oss://sample-bucket/videos/{number:08d}.mp4"},
    }


def request_id(rng: Random) -> str:
    """Returns the id of a request."""
    digits = f"{rng.getrandbits(128):032X}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _template(types: Collection[str]) -> str:
    if "NLP" in types:
        return NLP_TEMPLATE
    return EVENTS_TEMPLATE if "EventSplit" in types else TEMPLATE


def _parameters(story: Story, types: Collection[str]) -> dict[str, Json]:
    language = "cn" if story.language == "zh" else "en"
    asked = {
        "NLP": {"nlpParams": {"sourceLanguage": language}},
        "EventSplit": {"clipSplitParams": {"splitType": "event"}},
    }
    return {key: value for name in asked if name in types for key, value in asked[name].items()}
