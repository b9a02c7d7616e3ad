"""Job ids: 32 hex characters that carry their number, so that no table of jobs is needed."""

from __future__ import annotations

import hashlib
import re

MAX_NUMBER = 2**64 - 1
_ID = re.compile(r"[0-9a-f]{32}")


def job_id(seed: int, number: int) -> str:
    """Returns the id of job `number` (0 up to 2**64 - 1) of the world of `seed`."""
    tag = _digest(seed, "tag", number.to_bytes(8))
    return (tag + _xor(number.to_bytes(8), _digest(seed, "mask", tag))).hex()


def job_number(seed: int, text: str) -> int | None:
    """Returns the number that `job_id` turned into `text`, or None when `text` is no such id."""
    if not _ID.fullmatch(text):
        return None
    raw = bytes.fromhex(text)
    tag = raw[:8]
    number = _xor(raw[8:], _digest(seed, "mask", tag))
    return int.from_bytes(number) if _digest(seed, "tag", number) == tag else None


def job_ids(seed: int, count: int) -> list[str]:
    """Returns the ids of jobs 0 to `count - 1`, in order."""
    return [job_id(seed, number) for number in range(count)]


def draw(*parts: object) -> float:
    """Returns a number in [0, 1) that depends on `parts` alone, in every process alike."""
    return int.from_bytes(_hash("/".join(map(str, parts)).encode())) / 2**64


def _digest(seed: int, purpose: str, data: bytes) -> bytes:
    return _hash(f"{seed}/{purpose}/".encode() + data)


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=8).digest()


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left) ^ int.from_bytes(right)).to_bytes(8)
