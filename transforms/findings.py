"""What is told of a document beside its rows: parts set aside, unknown keys, other forms."""

from __future__ import annotations

from dataclasses import dataclass

from transforms.json_text import cut_fragment, write_json

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A part set aside, with the reason; see the table `quarantine` for the meaning of each."""

    scope: str
    reason: str
    message: str
    pointer: str = ""
    row_pointer: str | None = None
    keyword: str | None = None
    table_name: str | None = None
    errors_count: int = 1
    fragment: str | None = None
    fragment_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A key the schema does not name: JSON pointer and value as JSON."""

    pointer: str
    value: str


@dataclass(frozen=True, slots=True)
class SourceForm:
    """A place that was written in another form than the schema's; see the table `source_forms`."""

    pointer: str
    form: str
    written_as: str | None = None


def whole_finding(reason: str, message: str, data: object) -> Finding:
    """Returns the finding that sets a whole result aside; `data` is what was sent of it."""
    text = data.decode(errors="replace") if isinstance(data, bytes) else data
    if not isinstance(text, str):
        try:
            text = write_json(text).decode()
        except TypeError:  # nested deeper than it writes
            return Finding("result", reason, message)
    whole = text.encode(errors="replace")
    fragment = cut_fragment(whole.decode())
    return Finding("result", reason, message, fragment=fragment, fragment_bytes=len(whole))
