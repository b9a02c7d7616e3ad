"""Sample jobs: the exact reply body of any job, made from the schemas when it is asked for.

A job depends on the seed and its own number only, so job 999,999 costs no more than job 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import orjson

from sandbox.samples import cpv, dirt, picture, text
from sandbox.samples.dirt import Flaw
from sandbox.samples.ids import draw
from sandbox.samples.story import Family, Story, chance
from sandbox.samples.walker import ResultSchema, load_result_schemas
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
}
# Types of a family, each with the share of its jobs that have it.
FAMILIES: Mapping[Family, Mapping[str, float]] = {
    "v1": {"VideoLabel": 1.0, "TextLabel": 0.95, "ASR": 0.85, "OCR": 0.85, "Meta": 0.3},
    "v2": {"CPVLabel": 1.0, "Meta": 0.9, "ASR": 0.85, "OCR": 0.85},
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
        return not_found(code, _request_id(rng))
    envelope = _envelope(rng, number, clean=clean)
    if flaw in (Flaw.SUBMITTED, Flaw.PROCESSING):
        return orjson.dumps({"JobStatus": flaw.value.capitalize(), **envelope})
    if flaw is Flaw.FAILED:
        reason = [{"Type": "VideoLabel", "Data": rng.choice(dirt.REASONS)}]
        results: Json = {"result": reason if chance(rng, 0.7) else []}
        return orjson.dumps({"JobStatus": "Fail", **envelope, "Results": results})
    chosen = Flaw.NONE if clean else flaw
    items = _results(seed, number, needs or Needs(), chosen, schemas or schemas_dir())
    results = {"result": items}
    if flaw is Flaw.WRONG_RESULTS:
        results = dirt.misshapen(items, rng)
    return orjson.dumps({"JobStatus": "Success", **envelope, "Results": results})


def sample_status(seed: int, number: int, *, clean: bool = False) -> int:
    """Returns the HTTP status of the reply: 404 for a job the service does not know, else 200."""
    return 404 if _flaw(seed, number, clean=clean) is Flaw.UNKNOWN_JOB else 200


def not_found(code: str, request_id: str) -> bytes:
    """Returns the body of an error that says there is no such job."""
    message = "The specified job does not exist."
    return orjson.dumps({"Code": code, "Message": message, "RequestId": request_id})


def _flaw(seed: int, number: int, *, clean: bool) -> Flaw:
    return Flaw.NONE if clean else dirt.flaw_of(seed, number)


def _envelope(rng: Random, number: int, *, clean: bool) -> dict[str, Json]:
    request_id = _request_id(rng)
    if chance(rng, dirt.REQUEST_ID_NEWLINE_SHARE) and not clean:
        request_id += "\n"
    user = rng.randrange(10**11, 10**12)
    user_data: dict[str, Json] = {
        "string": f'{{"userId":"{user}"}}',
        "object": {"userId": user},
        "text": "\u201ca\u201d:\u201dtest\u201d",
    }
    (kind,) = rng.choices(list(dirt.USER_DATA_SHARES), list(dirt.USER_DATA_SHARES.values()))
    kind = "string" if clean else kind
    return {
        "RequestId": request_id,
        **({} if kind == "absent" else {"UserData": user_data[kind]}),
        "TemplateId": "S00000101-300080",
        "Params": "{}",
        "Input": {"Type": "OSS", "Media": f"oss://sample-bucket/videos/{number:08d}.mp4"},
    }


def _request_id(rng: Random) -> str:
    digits = f"{rng.getrandbits(128):032X}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _results(seed: int, number: int, needs: Needs, flaw: Flaw, schemas: Path) -> list[Json]:
    story = Story(seed, number)
    known = _schemas(schemas)
    names = [name for name in _types(seed, number, story, known) if needs.includes(name)]
    blobs = [
        (_wire_name(seed, number, known[name]), _blob(seed, number, known[name], story))
        for name in names
    ]
    rng = Random(f"{seed}/{number}/{flaw}")
    if flaw is Flaw.REPEATED_TYPE and names:
        blobs.append((blobs[-1][0], _blob(seed, number, known[names[-1]], story, copy=1)))
    if flaw is Flaw.UNKNOWN_TYPE:
        blobs.append(("ShotDetect", dirt.unknown_result(rng)))
    spoil = {Flaw.WRONG_TYPE: dirt.with_wrong_type, Flaw.EXTRA_KEY: dirt.with_extra_key}.get(flaw)
    if spoil:
        next((True for _, blob in blobs if spoil(blob, rng)), False)
    if flaw is Flaw.DATA_OBJECT:
        return [{"Type": name, "Data": blob} for name, blob in blobs]
    data = [orjson.dumps(blob, option=orjson.OPT_SORT_KEYS).decode() for _, blob in blobs]
    if flaw is Flaw.TRUNCATED_DATA and data:
        data[0] = data[0][: len(data[0]) * 2 // 3]
    return [{"Type": name, "Data": item} for (name, _), item in zip(blobs, data, strict=True)]


def _types(seed: int, number: int, story: Story, known: Mapping[str, ResultSchema]) -> list[str]:
    shares = dict(FAMILIES[story.family])
    if story.family != "image":
        shares |= {name: OTHER_TYPE_SHARE for name in known if name not in FACTS}
    return [
        name
        for name, share in shares.items()
        if name in known and draw(seed, number, "has", name) < share
    ]


def _wire_name(seed: int, number: int, schema: ResultSchema) -> str:
    if schema.aliases and draw(seed, number, "alias", schema.type_name) < dirt.ALIAS_SHARE:
        return schema.aliases[0]
    return schema.type_name


def _blob(seed: int, number: int, schema: ResultSchema, story: Story, copy: int = 0) -> Json:
    rng = Random(f"{seed}/{number}/{schema.type_name}/{copy}")
    tell = FACTS.get(schema.type_name)
    return schema.blob(tell(story, rng) if tell else {}, story, rng)


@cache
def _schemas(folder: Path) -> dict[str, ResultSchema]:
    return load_result_schemas(folder)
