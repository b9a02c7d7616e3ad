"""What the tests of the sandbox's jobs share: decoded blobs and validators."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from referencing import Registry, Resource

from sandbox.samples import sample_reply
from transforms.contract import load_contracts
from transforms.forms import reshape

SEED = 7
Json = Any


@cache
def validators(folder: Path) -> dict[str, Validator]:
    """Returns a validator for each wire name, aliases included."""
    schemas = {
        path: json.loads(path.read_bytes()) for path in sorted(folder.rglob("*.schema.json"))
    }
    registry: Registry[Any] = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in schemas.values()
    )
    return {
        name: Draft202012Validator(schema, registry=registry)
        for path, schema in schemas.items()
        if path.parent.name == "results"
        for name in (schema["x-type"], *schema.get("x-aliases", ()))
    }


def decoded(data: Json) -> Json:
    """Returns what a `Data` holds: JSON, or a bare link."""
    if not isinstance(data, str) or data.startswith("https://"):
        return data
    return json.loads(data)


def in_schema_form(name: str, blob: Json) -> Json:
    """Returns a blob as its schema describes it, however the service wrote it."""
    shape = load_contracts().types[name].shape
    return reshape(blob, shape).document if shape else blob


def sent_blobs(number: int) -> Iterator[tuple[str, Json]]:
    """Yields wire names and results of clean job `number`, decoded, as they were sent."""
    reply = json.loads(sample_reply(SEED, number, clean=True))
    for item in reply["Results"]["result"]:
        yield item["Type"], decoded(item["Data"])


@lru_cache(maxsize=64)
def clean_blobs(number: int) -> tuple[tuple[str, Json], ...]:
    """Returns the results of clean job `number`, decoded, in the form of their schemas."""
    return tuple((name, in_schema_form(name, blob)) for name, blob in sent_blobs(number))


def objects(value: Json) -> Iterator[dict[str, Json]]:
    """Yields every object inside `value`, itself included."""
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from objects(child)
    elif isinstance(value, list):
        for child in value:
            yield from objects(child)
