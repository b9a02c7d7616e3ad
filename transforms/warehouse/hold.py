"""A hold: the note that keeps a version published, whatever is loaded meanwhile.

`versions/hold.json` names the version. It is written before that version is put in place, so it
says what shall be published: a publish that finds something else finishes what a crash cut short.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from transforms.errors import ConfigurationError
from transforms.warehouse.folders import VERSIONS
from transforms.warehouse.swap import sync

HOLD = "hold.json"


@dataclass(frozen=True, slots=True)
class Hold:
    """A version that stays published until it is released.

    Attributes:
        version: Its name.
        held_at: Since when, ISO 8601 UTC.
        reason: What the operator said, or None.
    """

    version: str
    held_at: str
    reason: str | None = None


def read_hold(warehouse_dir: Path) -> Hold | None:
    """Returns the hold, or None.

    Raises:
        ConfigurationError: There is one, and it cannot be read.
    """
    path = warehouse_dir / VERSIONS / HOLD
    try:
        found = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except orjson.JSONDecodeError:
        found = None
    with suppress(TypeError):  # no object, or not these fields
        hold = Hold(**found)
        if all(isinstance(text, str) for text in (hold.version, hold.held_at, hold.reason or "")):
            return hold
    raise ConfigurationError(
        f"{path} cannot be read, so which version is held is not known: "
        "`cognition rollback --release`, or `cognition rollback VERSION`, puts that right"
    )


def write_hold(warehouse_dir: Path, hold: Hold) -> None:
    """Writes the hold, whole or not at all.

    Raises:
        OSError: It could not be written.
    """
    path = warehouse_dir / VERSIONS / HOLD
    part = path.with_name(f"{HOLD}.part")
    part.write_bytes(orjson.dumps(asdict(hold), option=orjson.OPT_APPEND_NEWLINE))
    sync(part)
    part.replace(path)
    sync(path.parent)


def remove_hold(warehouse_dir: Path) -> bool:
    """Removes the hold, be it readable or not; tells whether there was one."""
    path = warehouse_dir / VERSIONS / HOLD
    there = path.exists()
    if there:
        path.unlink()
        sync(path.parent)
    return there
