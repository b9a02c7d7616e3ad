"""Cuts what a row was made of out of the reply, and says where it lay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from transforms.explain.case import Case
from transforms.explain.place import DataText
from transforms.json_text import from_pointer, to_pointer
from transforms.locate import locate
from transforms.reports import Explanation, SetAside

LOADED, QUARANTINED = "loaded", "quarantined"

Notes = tuple[str, ...]


def whole_reply(case: Case, set_aside: SetAside | None = None) -> Explanation:
    """Returns the explanation of what was made of a reply as a whole."""
    notes: Notes = ()
    if case.reply.shape is None:
        notes = ("the reply is no JSON object; bytes that are no UTF-8 are shown as \ufffd",)
    made = explanation(case, case.reply.text, "the whole reply", set_aside)
    return replace(made, reply_pointer="", notes=notes)


def in_reply(case: Case, pointer: str, set_aside: SetAside | None = None) -> Explanation:
    """Returns the explanation of what lies at a pointer into the reply.

    Raises:
        ConfigurationError: Nothing does.
    """
    try:
        start, end = locate(case.reply.text, from_pointer(pointer))
    except LookupError:
        raise case.lost() from None
    made = explanation(case, case.reply.text[start:end], pointer, set_aside)
    return replace(made, reply_pointer=pointer)


def in_result(case: Case, index: int, set_aside: SetAside | None = None) -> Explanation:
    """Returns the explanation of what was made of the Data of a result; of all where it has none.

    Raises:
        ConfigurationError: There is no such result.
    """
    data = case.data_of(index)
    if data is not None:
        return in_data(case, data, (), set_aside, tuple(data.notes(())))
    keys = case.reply.shape.results_path if case.reply.shape is not None else ()
    made = in_reply(case, to_pointer((*keys, index)), set_aside)
    return replace(made, type=case.type_of(index), notes=("the result has no Data with a Type",))


def in_data(
    case: Case,
    data: DataText,
    path: Sequence[str | int],
    set_aside: SetAside | None = None,
    notes: Notes = (),
) -> Explanation:
    """Returns the explanation of what lies at a path of Data, as it was written.

    Raises:
        ConfigurationError: Nothing does.
    """
    pointer = to_pointer(path)
    try:
        fragment = data.cut(path)
    except LookupError:
        raise case.lost() from None
    return replace(
        explanation(case, fragment, data.place_of(pointer), set_aside),
        type=data.type,
        reply_pointer=data.reply_pointer,
        data_pointer=pointer,
        notes=notes,
    )


def explanation(
    case: Case, fragment: str, place: str, set_aside: SetAside | None = None
) -> Explanation:
    """Returns an explanation that holds a fragment and where it lies."""
    state = LOADED if set_aside is None else QUARANTINED
    return Explanation(case.table.name, case.keys, state, fragment, place, set_aside=set_aside)
