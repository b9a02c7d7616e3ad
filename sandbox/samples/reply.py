"""Sample jobs: the exact reply body of any job, made from the schemas when it is asked for.

A job depends on the seed and its own number only, so job 999,999 costs no more than job 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import orjson

from sandbox.samples import cpv, dirt, files, nlp, picture, text
from sandbox.samples.dirt import Flaw
from sandbox.samples.envelope import envelope, request_id
from sandbox.samples.ids import draw
from sandbox.samples.story import Family, Story, chance
from sandbox.samples.walker import ResultSchema, load_result_schemas
from sandbox.samples.written import written
from transforms.paths import schemas_dir

Json = Any
FACTS: Mapping[str, Callable[[Story, Random], dict[str, Json]]] = {
    "VideoLabel": picture.video_label,
    "ImageLabel": picture.image_label,
    "CPVLabel": cpv.cpv_label,
    "TextLabel": text.text_label,
    "ASR": text.asr,
    "OCR": text.ocr,
    "Meta": text.meta,
    "NLP": nlp.nlp,
    "Subtitle": files.subtitle,
    "Process": files.process,
    "EventSplit": files.event_split,
}
_VIDEO: Mapping[str, float] = {"NLP": 0.22, "Subtitle": 0.2, "Process": 0.3, "EventSplit": 0.1}
# Types of a family, each with the share of its jobs that have it.
FAMILIES: Mapping[Family, Mapping[str, float]] = {
    "v1": {"VideoLabel": 1.0, "TextLabel": 0.95, "ASR": 0.85, "OCR": 0.85, "Meta": 0.3, **_VIDEO},
    "v2": {"CPVLabel": 1.0, "Meta": 0.9, "ASR": 0.85, "OCR": 0.85, **_VIDEO},
    "image": {"ImageLabel": 1.0},
}
OTHER_TYPE_SHARE = 0.25
"""Share of video jobs that have a Type of which there is a schema and no story."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What `IncludeResults` asks for."""

    asr: bool = True
    ocr: bool = True
    process: bool = True

    def includes(self, type_name: str) -> bool:
        """Returns whether results of the Type belong into the reply."""
        asked = {"ASR": self.asr, "OCR": self.ocr, "Process": self.process}
        return asked.get(type_name, True)


def sample_reply(
    seed: int,
    number: int,
    needs: Needs | None = None,
    *,
    clean: bool = False,
    schemas: Path | None = None,
) -> bytes:
    """Returns the exact reply body of job `number`: UTF-8 JSON.

    Args:
        seed: Which world of jobs.
        number: Which job, from 0.
        needs: Which results to include; all when None.
        clean: True for a world without flaws: every job succeeds and is valid.
        schemas: Folder of schemas in place of the shipped ones.
    """
    flaw = _flaw(seed, number, clean=clean)
    rng = Random(f"{seed}/{number}/reply")
    if flaw in (Flaw.UNKNOWN_JOB, Flaw.ERROR_IN_200):
        code = "JobNotFound" if flaw is Flaw.UNKNOWN_JOB else "InvalidParameter.ResourceNotFound"
        return not_found(code, request_id(rng))
    story, known = Story(seed, number), _schemas(schemas or schemas_dir())
    types = _types(seed, number, story, known, flaw)
    around = envelope(rng, number, story, types, clean=clean)
    if flaw in (Flaw.SUBMITTED, Flaw.PROCESSING):
        return orjson.dumps({"JobStatus": flaw.value.capitalize(), **around})
    if flaw is Flaw.FAILED:
        reason = [{"Type": "VideoLabel", "Data": rng.choice(dirt.REASONS)}]
        results: Json = {"result": reason if chance(rng, 0.7) else []}
        return orjson.dumps({"JobStatus": "Fail", **around, "Results": results})
    asked = needs or Needs()
    told = [_tell(seed, number, known[name], story) for name in types if asked.includes(name)]
    items = _spoilt(told, flaw, Random(f"{seed}/{number}/{flaw}"))
    results = {"result": items}
    if flaw is Flaw.WRONG_RESULTS:
        results = dirt.misshapen(items, rng)
    return orjson.dumps({"JobStatus": "Success", **around, "Results": results})


def sample_status(seed: int, number: int, *, clean: bool = False) -> int:
    """Returns the HTTP status of the reply: 404 for a job the service does not know, else 200."""
    return 404 if _flaw(seed, number, clean=clean) is Flaw.UNKNOWN_JOB else 200


def not_found(code: str, request_id: str) -> bytes:
    """Returns the body of an error that says there is no such job."""
    message = "The specified job does not exist."
    return orjson.dumps({"Code": code, "Message": message, "RequestId": request_id})


def _flaw(seed: int, number: int, *, clean: bool) -> Flaw:
    return Flaw.NONE if clean else dirt.flaw_of(seed, number)


@dataclass(frozen=True, slots=True)
class _Told:
    """A result, told in its schema's form, and how to write and to tell it again."""

    name: str
    blob: Json
    as_written: Callable[[Json], Json] = field(default=lambda blob: blob)
    again: Callable[[], _Told] | None = None


def _tell(seed: int, number: int, schema: ResultSchema, story: Story, copy: int = 0) -> _Told:
    key = f"{seed}/{number}/{schema.type_name}/{copy}"
    rng = Random(key)
    tell = FACTS.get(schema.type_name)
    return _Told(
        _wire_name(seed, number, schema),
        schema.blob(tell(story, rng) if tell else {}, story, rng),
        lambda blob: written(blob, schema.root, Random(f"{key}/written")),
        lambda: _tell(seed, number, schema, story, copy + 1),
    )


def _spoilt(told: Sequence[_Told], flaw: Flaw, rng: Random) -> list[Json]:
    results = list(told)
    if flaw is Flaw.REPEATED_TYPE and results and results[-1].again:
        results.append(results[-1].again())
    if flaw is Flaw.UNKNOWN_TYPE:
        results.append(_Told("ShotDetect", dirt.unknown_result(rng)))
    for spoil in dirt.SPOILS.get(flaw, ()):
        if any(spoil(result.blob, rng) for result in results):
            break
    sent = [(result.name, result.as_written(result.blob)) for result in results]
    if flaw is Flaw.DATA_OBJECT:
        return [{"Type": name, "Data": blob} for name, blob in sent]
    data = [_as_text(blob) for _, blob in sent]
    if flaw is Flaw.TRUNCATED_DATA and data:
        data[0] = data[0][: len(data[0]) * 2 // 3]
    return [{"Type": name, "Data": item} for (name, _), item in zip(sent, data, strict=True)]


def _as_text(blob: Json) -> str:
    # A bare link is sent as it is, not as a JSON text.
    return (
        blob if isinstance(blob, str) else orjson.dumps(blob, option=orjson.OPT_SORT_KEYS).decode()
    )


def _types(
    seed: int, number: int, story: Story, known: Mapping[str, ResultSchema], flaw: Flaw
) -> list[str]:
    shares = dict(FAMILIES[story.family])
    if story.family != "image":
        shares |= {name: OTHER_TYPE_SHARE for name in known if name not in FACTS}
        shares |= {"NLP": 1.0} if flaw is Flaw.WRONG_NLP else {}
    return [
        name
        for name, share in shares.items()
        if name in known and draw(seed, number, "has", name) < share
    ]


def _wire_name(seed: int, number: int, schema: ResultSchema) -> str:
    names = schema.aliases
    chosen = int(draw(seed, number, "alias", schema.type_name) / dirt.ALIAS_SHARE * len(names))
    return names[chosen] if chosen < len(names) else schema.type_name


@cache
def _schemas(folder: Path) -> dict[str, ResultSchema]:
    return load_result_schemas(folder)
