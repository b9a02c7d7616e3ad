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


@lru_cache(maxsize=64)
def clean_blobs(number: int) -> tuple[tuple[str, Json], ...]:
    """Returns the results of clean job `number`, decoded."""
    reply = json.loads(sample_reply(SEED, number, clean=True))
    return tuple((item["Type"], json.loads(item["Data"])) for item in reply["Results"]["result"])


def objects(value: Json) -> Iterator[dict[str, Json]]:
    """Yields every object inside `value`, itself included."""
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from objects(child)
    elif isinstance(value, list):
        for child in value:
            yield from objects(child)
