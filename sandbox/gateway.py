"""What the API gateway answers, without a socket: request in, reply out.

The order of checks is that of the real gateway: action, version, signature, flow control,
parameters, and then the service itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl

import orjson

from sandbox.faults import THROTTLES, Fault
from sandbox.samples import Needs, not_found
from sandbox.signature import Credentials, NonceStore, Rejection, SignedRequest, verify

ACTION = "QueryVideoCognitionJob"
VERSION = "2020-11-09"
_FLOW_CONTROL = "Request was denied due to user flow control."
_UNKNOWN_ERROR = "The request processing has failed due to some unknown error."
_NOT_AUTHORIZED = "User not authorized to operate on the specified resource."
_HTML = b"<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply; `headers` are those beyond length and type.

    Attributes:
        promised: Content-Length when it is not the body's own length.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json;charset=utf-8"
    promised: int | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A request that passed the gateway's checks."""

    job_id: str
    needs: Needs


class Gateway:
    """Checks requests for one key pair; thread-safe."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._nonces = NonceStore()

    def admit(self, request: SignedRequest, now: datetime) -> Rejection | None:
        """Returns why the request is turned away, or None."""
        action = request.headers.get("x-acs-action", "")
        if action != ACTION:
            return Rejection(
                404, "InvalidAction.NotFound", "Specified api is not found, please check your url."
            )
        if request.headers.get("x-acs-version") != VERSION:
            return Rejection(400, "InvalidVersion", "Specified parameter Version is not valid.")
        return verify(request, self._credentials, self._nonces, now)


def read_query(request: SignedRequest) -> Query | Rejection:
    """Returns what is asked for, or why it cannot be told."""
    parameters = dict(request.query)
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        parameters |= dict(parse_qsl(request.body.decode(errors="replace")))
    job = parameters.get("JobId")
    if not job:
        return Rejection(
            400, "MissingParameter", "The input parameter JobId that is mandatory is not supplied."
        )
    needs = _needs(parameters.get("IncludeResults") or "{}")
    if needs is None:
        return Rejection(
            400, "InvalidParameter.JsonFormatInvalid", "IncludeResults is not a JSON object."
        )
    return Query(job, needs)


def rejected(rejection: Rejection, request_id: str) -> Reply:
    """Returns the reply that turns a request away."""
    return _error(rejection.status, rejection.code, rejection.message, request_id)


def unknown_job(request_id: str) -> Reply:
    """Returns the reply for an id the service does not know."""
    return Reply(404, not_found("JobNotFound", request_id), {"x-acs-request-id": request_id})


def throttled(request_id: str, retry_after_ms: int | None, status: int = 429) -> Reply:
    """Returns `Throttling.User`, with `x-acs-retry-after` in milliseconds unless that is None."""
    headers = {} if retry_after_ms is None else {"x-acs-retry-after": str(retry_after_ms)}
    return _error(status, "Throttling.User", _FLOW_CONTROL, request_id, headers)


def faulty(fault: Fault, answer: Reply, request_id: str, retry_after_ms: int) -> Reply:
    """Returns what `fault` makes of `answer`; `HANG` and `RESET` are not replies.

    Raises:
        KeyError: The fault ends the connection instead of changing the reply.
    """
    if fault in THROTTLES:
        status = 429 if "429" in fault.value else 400
        asked = retry_after_ms if fault.value.endswith("retry-after") else None
        return throttled(request_id, asked, status)
    half = answer.body[: len(answer.body) // 2]
    return {
        Fault.INTERNAL_ERROR: _error(500, "InternalError", _UNKNOWN_ERROR, request_id),
        Fault.FORBIDDEN: _error(403, "Forbidden.RAM", _NOT_AUTHORIZED, request_id),
        Fault.BAD_GATEWAY: Reply(502, _HTML, content_type="text/html"),
        Fault.EMPTY_503: Reply(503, b"", content_type="text/plain"),
        Fault.TRUNCATED: Reply(200, half, answer.headers),
        Fault.CUT_OFF: Reply(200, half, answer.headers, promised=len(answer.body)),
    }[fault]


def _needs(text: str) -> Needs | None:
    try:
        flags = json.loads(text)
    except ValueError:
        return None
    if not isinstance(flags, dict):
        return None
    # ASR, OCR and Process are "not returned by default".
    names = ("NeedAsr", "NeedOcr", "NeedProcess")
    return Needs(*(flags.get(name) in (True, "true") for name in names))


def _error(
    status: int,
    code: str,
    message: str,
    request_id: str,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    body = {"RequestId": request_id, "HostId": "127.0.0.1", "Code": code, "Message": message}
    return Reply(status, orjson.dumps(body), {"x-acs-request-id": request_id, **(headers or {})})
