"""Reads a reply: the envelope around the results (vendor page: Response parameters).

The container of the results comes in three forms; all are brought to `Results.result`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from transforms.contract import Gate
from transforms.json_text import (
    MAX_DEPTH,
    cut_fragment,
    duplicate_key,
    is_nested_deeper,
    without_strings,
)
from transforms.validate import Finding, Unmapped, examine

CANONICAL = "/Results/result"


@dataclass(frozen=True, slots=True)
class Item:
    """One result of a reply, not yet checked; `data` is absent where the item was set aside."""

    index: int
    type: str | None
    data: Any
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """A reply, read; the fields are those of the table `jobs`."""

    state: str
    job_status: str | None = None
    reason: str | None = None
    error_code: str | None = None
    request_id: str | None = None
    user_data: str | None = None
    template_id: str | None = None
    params: str | None = None
    input_type: str | None = None
    input_media: str | None = None
    results_shape: str | None = None
    results_count: int | None = None
    items: tuple[Item, ...] = field(default=())
    findings: tuple[Finding, ...] = ()
    unmapped: tuple[Unmapped, ...] = ()


def read_reply(
    body: bytes, http_status: int | None, error_code: str | None, gate: Gate
) -> Envelope:
    """Reads one reply; never raises, whatever `body` holds.

    Args:
        body: The exact reply.
        http_status: Its HTTP status, or None for a saved reply.
        error_code: The service's error code as the source saw it, or None.
        gate: Validators of the reply schema.
    """
    try:
        document = orjson.loads(body)
    except ValueError as error:
        return _refused(_reply_finding("not_json", f"reply: {error}", body))
    if (wrong := _unfit(document, body)) is not None:
        return _refused(wrong)
    code = error_code or document.get("Code")
    if code and document.get("JobStatus") is None:
        return _read_error(document, str(code), http_status, body)
    facts = _facts(document)
    if document.get("JobStatus") == "Fail":
        return replace(facts, state="failed", reason=_fail_reason(document))
    return _read_success(document, facts, gate)


def _unfit(document: Any, body: bytes) -> Finding | None:  # noqa: ANN401 - any JSON
    """Tells why a decoded reply cannot be trusted to hold all that was sent."""
    if not isinstance(document, dict):
        return _reply_finding("contract", "a reply must be a JSON object", body, keyword="type")
    if is_nested_deeper(document):
        message = f"reply: nested more than {MAX_DEPTH} levels deep"
        return _reply_finding("unreadable", message, body)
    if (key := duplicate_key(without_strings(body, "Data", _data_texts(document)))) is not None:
        message = f"reply: the key {key!r} is given twice in one object"
        return _reply_finding("duplicate_key", message, body)
    return None


def _read_success(document: dict[str, Any], facts: Envelope, gate: Gate) -> Envelope:
    shape, prefix = _bring_to_one_form(document)
    examined = examine(document, gate)
    findings = tuple(_in_reply(finding, prefix) for finding in examined.findings)
    unmapped = tuple(replace(u, pointer=_moved(u.pointer, prefix)) for u in examined.unmapped)
    if examined.document is None:
        return replace(facts, state="quarantined", reason=findings[0].message, findings=findings)
    results = (document.get("Results") or {}).get("result")
    set_aside = {_index_of(f.pointer, prefix): f for f in findings}
    items = tuple(_item(place, item, set_aside) for place, item in enumerate(results or ()))
    count = None if results is None else len(results)
    return replace(facts, results_shape=shape, results_count=count, items=items, unmapped=unmapped)


def _data_texts(document: dict[str, Any]) -> Iterator[str]:
    """Yields Data where it is text, in the order of the reply."""
    results = document.get("Results")
    items = results if isinstance(results, list) else None
    if isinstance(results, dict):
        items = results.get("result") or results.get("Result")
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and isinstance(item.get("Data"), str):
            yield item["Data"]


def _item(place: int, item: Any, set_aside: dict[int, Finding]) -> Item:  # noqa: ANN401 - any JSON
    if item is None:
        return Item(place, None, None, set_aside[place])
    return Item(place, item["Type"], item.get("Data"))


def _bring_to_one_form(document: dict[str, Any]) -> tuple[str | None, str]:
    """Renames the container in place; returns its form and the pointer to its items."""
    results = document.get("Results")
    if isinstance(results, list):
        document["Results"] = {"result": results}
        return "Results", "/Results"
    if isinstance(results, dict) and results.get("result") is None and "Result" in results:
        results["result"] = results.pop("Result")
        return "Results.Result", "/Results/Result"
    return ("Results.result" if results is not None else None), CANONICAL


def _facts(document: dict[str, Any]) -> Envelope:
    given = document.get("Input")
    source = given if isinstance(given, dict) else {}
    status = document.get("JobStatus")
    request_id = _as_text(document.get("RequestId"))
    return Envelope(
        state="loaded",
        job_status=status if isinstance(status, str) else None,
        request_id=request_id.strip() if request_id is not None else None,
        user_data=_as_text(document.get("UserData")),
        template_id=_as_text(document.get("TemplateId")),
        params=_as_text(document.get("Params")),
        input_type=_as_text(source.get("Type")),
        input_media=_as_text(source.get("Media")),
    )


def _read_error(
    document: dict[str, Any], code: str, http_status: int | None, body: bytes
) -> Envelope:
    """Tells a job the service does not know from an error that came as a success."""
    said = _as_text(document.get("Message") or document.get("message")) or "no message"
    facts = replace(_facts(document), error_code=code, reason=f"{code}: {said}")
    if http_status is not None and http_status >= 400:  # noqa: PLR2004 - the HTTP error range
        return replace(facts, state="rejected")
    carrier = "saved reply" if http_status is None else f"HTTP {http_status}"
    message = f"{carrier} with error Code {code}: {said}"
    finding = _reply_finding("error_reply", message, body, pointer="/Code")
    return replace(facts, state="quarantined", findings=(finding,))


def _fail_reason(document: dict[str, Any]) -> str | None:
    """Returns the reason of a failed job: free text in the first Data, else Message."""
    _bring_to_one_form(document)
    results = document.get("Results")
    items = results.get("result") if isinstance(results, dict) else None
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and item.get("Data") not in (None, ""):
            return _as_text(item["Data"])
    return _as_text(document.get("Message"))


def _refused(finding: Finding) -> Envelope:
    return Envelope("quarantined", reason=finding.message, findings=(finding,))


def _reply_finding(
    reason: str, message: str, body: bytes, *, pointer: str = "", keyword: str | None = None
) -> Finding:
    return Finding(
        scope="reply",
        reason=reason,
        message=message,
        pointer=pointer,
        keyword=keyword,
        fragment=cut_fragment(body.decode(errors="replace")),
        fragment_bytes=len(body),
    )


def _in_reply(finding: Finding, prefix: str) -> Finding:
    scope = "reply" if finding.scope == "result" else "result"
    return replace(finding, scope=scope, table_name=None, pointer=_moved(finding.pointer, prefix))


def _moved(pointer: str, prefix: str) -> str:
    inside = pointer == CANONICAL or pointer.startswith(f"{CANONICAL}/")
    return prefix + pointer.removeprefix(CANONICAL) if inside else pointer


def _index_of(pointer: str, prefix: str) -> int:
    part = pointer.removeprefix(prefix).strip("/").split("/")[0]
    return int(part) if part.isdigit() else -1


def _as_text(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()
