"""Reads a reply: the envelope around the results (vendor page: Response parameters).

What a reply is wrapped in and the container of its results come in several forms; see
`transforms.reply_shape`. Pointers lead into the reply as it was sent or saved.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from transforms.contract import Gate
from transforms.findings import Finding, Unmapped
from transforms.json_text import (
    MAX_DEPTH,
    cut_fragment,
    duplicate_key,
    has_long_integers,
    is_nested_deeper,
    to_pointer,
    without_strings,
    write_json,
)
from transforms.plain import plain
from transforms.reply_shape import ReplyShape, read_shape
from transforms.validate import examine, unknown_keys

EXPIRED = "cognition:Expired"
"""`error_code` in raw of a reply that is not final and landed all the same, its job's time with the
service being over. No code of the service holds a colon."""

USAGES = "usages"
"""Table of what a job was charged for, and where findings say their row would have gone."""


@dataclass(frozen=True, slots=True)
class Item:
    """One result of a reply, not yet checked; `data` is absent where the item was set aside."""

    index: int
    type: str | None
    data: Any
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """One kind of usage a job was charged for; the fields are those of the table `usages`."""

    usage_index: int
    usage_type: str | None
    quota: int | None


@dataclass(frozen=True, slots=True)
class Envelope:
    """A reply, read; the fields are those of the table `jobs`."""

    state: str
    job_status: str | None = None
    reason: str | None = None
    error_code: str | None = None
    message: str | None = None
    request_id: str | None = None
    user_data: str | None = None
    template_id: str | None = None
    params: str | None = None
    input_type: str | None = None
    input_media: str | None = None
    results_shape: str | None = None
    results_count: int | None = None
    usages_count: int | None = None
    items: tuple[Item, ...] = field(default=())
    usages: tuple[Usage, ...] = ()
    findings: tuple[Finding, ...] = ()
    unmapped: tuple[Unmapped, ...] = ()


def read_reply(
    body: bytes, http_status: int | None, error_code: str | None, gate: Gate
) -> Envelope:
    """Reads one reply; never raises, whatever `body` holds.

    Args:
        body: The exact reply.
        http_status: Its HTTP status, or None for a saved reply.
        error_code: The service's error code as the source saw it, `EXPIRED`, or None.
        gate: Validators of the reply schema.
    """
    try:
        document = orjson.loads(body)
    except ValueError as error:
        return _refused(_reply_finding("not_json", f"reply: {error}", body))
    if not isinstance(document, dict):
        message = "a reply must be a JSON object"
        return _refused(_reply_finding("contract", message, body, keyword="type"))
    shape = read_shape(document)
    short = without_strings(body, "Data", _data_texts(shape))
    if (wrong := _unfit(document, shape, body, short)) is not None:
        return _refused(wrong)
    if has_long_integers(short):  # which the fast parser would round
        shape = read_shape(json.loads(body))
    code = error_code or shape.reply.get("Code")
    if code and shape.reply.get("JobStatus") is None:
        return _read_error(shape, str(code), http_status, body)
    read = _read_job(shape, _facts(shape.reply), gate)
    return _as_expired(read) if error_code == EXPIRED else read


def results_pointer(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the keys that lead from a reply to the array of its results.

    Where there is no such array, they lead to where the vendor page has it.

    >>> results_pointer({"JobStatus": "Success", "Results": {"Result": []}})
    ('Results', 'Result')
    """
    return read_shape(document).results_path


def _data_texts(shape: ReplyShape) -> Iterator[str]:
    """Yields Data where it is text, in the order of the reply."""
    data = (item.get("Data") for item in shape.items if isinstance(item, dict))
    return (each for each in data if isinstance(each, str))


def _unfit(
    document: dict[str, Any], shape: ReplyShape, body: bytes, short: bytes
) -> Finding | None:
    """Tells why a decoded reply cannot be trusted to hold all that was sent."""
    if is_nested_deeper(document):
        message = f"reply: nested more than {MAX_DEPTH} levels deep"
        return _reply_finding("unreadable", message, _shown(shape, body))
    if (key := duplicate_key(short)) is not None:
        message = f"reply: the key {key!r} is given twice in one object"
        return _reply_finding("duplicate_key", message, _shown(shape, body))
    return None


def _read_job(shape: ReplyShape, facts: Envelope, gate: Gate) -> Envelope:
    """Holds a reply to its contract; of a failed job only what it was charged for."""
    failed = facts.job_status == "Fail"
    held = {"JobStatus", "Usages"} if failed else shape.reply.keys()
    odd = _odd_usages(shape)
    reply = {key: shape.reply[key] for key in shape.reply if key in held}
    if odd is not None:
        del reply["Usages"]
    examined = examine(reply, gate)
    findings = [_in_reply(finding, shape) for finding in examined.findings]
    beside = [] if odd is None else [odd]
    kept = examined.document
    if kept is None:
        reason, found = findings[0].message, (*findings, *beside)
        return replace(facts, state="quarantined", reason=reason, findings=found)
    beside += [finding for finding in findings if finding.table_name == USAGES]
    charged = (kept.get("Usages") or {}).get("Usage")
    facts = replace(
        facts,
        usages=tuple(_usages(charged or ())),
        usages_count=None if charged is None else len(charged),
        findings=tuple(beside),
        unmapped=tuple(replace(u, pointer=shape.as_sent(u.pointer)) for u in examined.unmapped),
    )
    if failed:
        return _with_reason(facts, shape, gate)
    of_results = [finding for finding in findings if finding.table_name != USAGES]
    return _with_items(facts, kept.get("Results"), shape, of_results)


def _as_expired(envelope: Envelope) -> Envelope:
    """Returns a readable reply, with what results it has, as the last of its job."""
    if envelope.state != "loaded":
        return envelope
    status = plain(envelope.job_status or "")
    reason = f"no final answer in the retention period; the last JobStatus was {status}"
    return replace(envelope, state="expired", reason=reason)


def _with_items(
    facts: Envelope,
    container: dict[str, Any] | None,
    shape: ReplyShape,
    findings: Iterable[Finding],
) -> Envelope:
    results = None if container is None else container.get("result")
    prefix = to_pointer(shape.results_path)
    set_aside = {_index_of(finding.pointer, prefix): finding for finding in findings}
    unknown = (Unmapped(to_pointer(path), _dumped(value)) for path, value in shape.unknown)
    return replace(
        facts,
        results_shape=None if container is None else ".".join(shape.results_path),
        results_count=None if results is None else len(results),
        items=tuple(_item(place, item, set_aside) for place, item in enumerate(results or ())),
        unmapped=(*facts.unmapped, *unknown),
    )


def _item(place: int, item: Any, set_aside: dict[int, Finding]) -> Item:  # noqa: ANN401 - any JSON
    if item is None:
        return Item(place, None, None, set_aside[place])
    return Item(place, item["Type"], item.get("Data"))


def _usages(charged: Iterable[dict[str, Any] | None]) -> Iterable[Usage]:
    for place, each in enumerate(charged):
        if each is not None:
            quota = each.get("Quota")
            yield Usage(place, each.get("Type"), None if quota is None else int(quota))


def _odd_usages(shape: ReplyShape) -> Finding | None:
    """Sets a container of usages aside that is none: it must not cost the results beside it."""
    usages = shape.reply.get("Usages")
    place, inner = "/Usages", usages
    if isinstance(usages, dict):
        place, inner = "/Usages/Usage", usages.get("Usage")
    if inner is None or isinstance(inner, list):
        return None
    pointer = shape.as_sent(place)
    message = "Usages must be a list, or an object with the list Usage"
    shown = write_json(usages)
    finding = _reply_finding("contract", message, shown, pointer=pointer, keyword="type")
    return replace(finding, scope="row", table_name=USAGES, row_pointer=pointer)


def _facts(document: Mapping[str, Any]) -> Envelope:
    given = document.get("Input")
    source = given if isinstance(given, dict) else {}
    status = document.get("JobStatus")
    request_id = _as_text(document.get("RequestId"))
    return Envelope(
        state="loaded",
        job_status=status if isinstance(status, str) else None,
        message=_as_text(document.get("Message")),
        request_id=request_id.strip() if request_id is not None else None,
        user_data=_as_text(document.get("UserData")),
        template_id=_as_text(document.get("TemplateId")),
        params=_as_text(document.get("Params")),
        input_type=_as_text(source.get("Type")),
        input_media=_as_text(source.get("Media")),
    )


def _read_error(shape: ReplyShape, code: str, http_status: int | None, body: bytes) -> Envelope:
    """Tells a job the service does not know from an error that came as a success."""
    reply = shape.reply
    said = _as_text(reply.get("Message") or reply.get("message")) or "no message"
    facts = replace(_facts(reply), error_code=code, reason=f"{code}: {said}")
    if http_status is not None and http_status >= 400:  # noqa: PLR2004 - the HTTP error range
        return replace(facts, state="rejected")
    carrier = "saved reply" if http_status is None else f"HTTP {http_status}"
    message = f"{carrier} with error Code {code}: {said}"
    pointer = shape.as_sent("/Code")
    finding = _reply_finding("error_reply", message, _shown(shape, body), pointer=pointer)
    return replace(facts, state="quarantined", findings=(finding,))


def _with_reason(facts: Envelope, shape: ReplyShape, gate: Gate) -> Envelope:
    """Adds why a job failed: free text in the first Data, else Message; all else is unmapped."""
    items = {place: item for place, item in enumerate(shape.items) if item is not None}
    told = next((at for at, item in items.items() if _data_of(item) not in (None, "")), None)
    reason = facts.message if told is None else _as_text(_data_of(items.pop(told)))
    told_apart = {"Results", "Usages"}
    outside = {key: value for key, value in shape.reply.items() if key not in told_apart}
    found = [(shape.as_sent(to_pointer(p)), v) for p, v in unknown_keys(outside, gate.schema)]
    found += [(to_pointer((*shape.results_path, place)), item) for place, item in items.items()]
    found += [(to_pointer(path), value) for path, value in shape.unknown]
    return replace(
        facts,
        state="failed",
        reason=reason,
        unmapped=(
            *facts.unmapped,
            *(Unmapped(pointer, _dumped(value)) for pointer, value in found),
        ),
    )


def _data_of(item: Any) -> Any:  # noqa: ANN401 - any JSON
    return item.get("Data") if isinstance(item, dict) else None


def _refused(finding: Finding) -> Envelope:
    return Envelope("quarantined", reason=finding.message, findings=(finding,))


def _reply_finding(
    reason: str, message: str, shown: bytes | None, *, pointer: str = "", keyword: str | None = None
) -> Finding:
    return Finding(
        scope="reply",
        reason=reason,
        message=message,
        pointer=pointer,
        keyword=keyword,
        fragment=None if shown is None else cut_fragment(shown.decode(errors="replace")),
        fragment_bytes=None if shown is None else len(shown),
    )


def _shown(shape: ReplyShape, body: bytes) -> bytes | None:
    """Returns what a fragment may hold of a reply: of GetMediaInfo no links to the media."""
    if not shape.is_media:
        return body
    try:
        return write_json(shape.reply)
    except TypeError:  # nested deeper than it writes
        return None


def _in_reply(finding: Finding, shape: ReplyShape) -> Finding:
    pointer = shape.as_sent(finding.pointer)
    if finding.table_name == USAGES:
        return replace(
            finding, pointer=pointer, row_pointer=shape.as_sent(finding.row_pointer or "")
        )
    scope = "reply" if finding.scope == "result" else "result"
    return replace(finding, scope=scope, table_name=None, pointer=pointer, row_pointer=None)


def _index_of(pointer: str, prefix: str) -> int:
    part = pointer.removeprefix(prefix).strip("/").split("/")[0]
    return int(part) if part.isdigit() else -1


def _as_text(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    if value is None or isinstance(value, str):
        return value
    return _dumped(value)


def _dumped(value: Any) -> str:  # noqa: ANN401 - any JSON
    return write_json(value).decode()
