"""What the lake's tables are like: `tables.json` beside `lake.json`, checked before any flattening.

It only ever grows. A lake from before it existed is taken to be as the schemas of the first
flattening say.
"""

from __future__ import annotations

import orjson

from transforms.compatibility import (
    Layouts,
    from_document,
    incompatible_changes,
    layouts_of,
    to_document,
)
from transforms.contract import Contracts
from transforms.errors import ConfigurationError, LakeFormatError
from transforms.lake import place_of
from transforms.storage import Storage

FORMAT = 1
FILE = "tables.json"


def require_compatible(storage: Storage, contracts: Contracts) -> None:
    """Checks that the schemas have a place for every row of the lake; writes nothing.

    Raises:
        ConfigurationError: A table or column of the lake is gone or changed its type or key.
        LakeFormatError: `tables.json` cannot be read.
    """
    _require(storage, _read(storage), layouts_of(contracts.tables.values()))


def keep_tables(storage: Storage, contracts: Contracts) -> None:
    """Notes what the lake's tables are like from now on; several processes may do so at once.

    Raises:
        ConfigurationError: The schemas have no place for rows of the lake; nothing was written.
        LakeFormatError: `tables.json` cannot be read.
    """
    held, wanted = _read(storage), layouts_of(contracts.tables.values())
    _require(storage, held, wanted)
    if held != wanted:
        document = {"format": FORMAT, "tables": to_document(wanted)}
        options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        storage.write_bytes(FILE, orjson.dumps(document, option=options))


def _require(storage: Storage, held: Layouts, wanted: Layouts) -> None:
    if changes := incompatible_changes(held, wanted):
        raise ConfigurationError(
            f"the lake {place_of(storage)} has rows the schemas have no place for: "
            f"{'; '.join(changes)}. Keep what is there (COGNITION_SCHEMAS may name the overlay "
            "that has it) and add a new column or table beside it, or start a new lake with "
            "--lake; nothing was written"
        )


def _read(storage: Storage) -> Layouts:
    try:
        document = orjson.loads(memoryview(storage.read(FILE)))
        found, layouts = document["format"], from_document(document["tables"])
    except FileNotFoundError:
        return {}
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError):
        raise LakeFormatError(
            f"{FILE} of {place_of(storage)} cannot be read: delete it, "
            "`cognition flatten` makes it again from the schemas"
        ) from None
    if found != FORMAT:
        raise LakeFormatError(
            f"{FILE} of {place_of(storage)} has format {str(found)[:12]}, this version reads "
            f"{FORMAT}: upgrade cognition-warehouse"
        )
    return layouts
