"""A local stand-in for a Message Service queue: loans, redelivery, signatures, faults on demand.

The vendor's SDK talks to it over HTTP on the loopback interface; nothing leaves the machine. A
message is delivered at least once: it is on loan for the visibility timeout and comes again unless
it is deleted by the receipt of its last delivery.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from sandbox import listener
from sandbox.gateway import Reply
from sandbox.listener import HOST, MAX_BODY_BYTES, HangUp, Listener
from sandbox.signature import Credentials, SignedRequest

NAMESPACE = "http://mns.aliyuncs.com/doc/v1/"
MAX_MESSAGE_BYTES = 64 * 1024
MAX_MESSAGES = 100_000
BATCH_LIMIT = 16
MAX_WAIT_SECONDS = 30
MAX_CLOCK_DIFFERENCE = timedelta(minutes=15)
DEFAULT_CREDENTIALS = Credentials("sandbox-key-id", "sandbox-key-secret")

_AUTHORIZATION = re.compile(r"MNS ([^:\s]+):(\S+)")
_RECEIPT = re.compile(r"<ReceiptHandle>([^<]+)</ReceiptHandle>")
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_HTML = b"<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"


class QueueFault(StrEnum):
    """One way a call can fail; it is not carried out, but for `LOST_ANSWER`."""

    THROTTLE = "throttle"
    INTERNAL_ERROR = "internal-error"
    BAD_GATEWAY = "bad-gateway"
    """502 with an HTML page."""
    RESET = "reset"
    """The connection is reset instead of an answer."""
    LOST_ANSWER = "lost-answer"
    """The call is carried out, then the connection ends without an answer."""
    DENIED = "denied"
    """403 `AccessDenied`: the caller lacks the permission."""


@dataclass(slots=True)
class _Held:
    """A message in the queue; `visible_at` and `deliveries` change with each delivery."""

    number: str
    body: str
    enqueued_at: float
    visible_at: float
    receipt: str = ""
    deliveries: int = 0
    first_at: float = 0.0


class SandboxQueue:
    """A running queue; use it in a `with` statement. Thread-safe.

    Args:
        name: The queue's name.
        visibility_seconds: How long a delivered message is on loan.
        faults: What happens to the first, second, ... call; None and later calls are answered.
        clock: Seconds, for loans only; a test moves it on to end them.
        credentials: The key pair (and STS token) it accepts.
        port: Port on 127.0.0.1; 0 for any free one.

    Attributes:
        calls: Method of each call that was let in, faults included.
    """

    def __init__(  # noqa: PLR0913  # all keyword-only, each with a default
        self,
        *,
        name: str = "completions",
        visibility_seconds: float = 30.0,
        faults: Sequence[QueueFault | None] = (),
        clock: Callable[[], float] = time.time,
        credentials: Credentials = DEFAULT_CREDENTIALS,
        port: int = 0,
    ) -> None:
        self.name = name
        self.calls: list[str] = []
        self._visibility = visibility_seconds
        self._faults = list(faults)
        self._clock = clock
        self._credentials = credentials
        self._messages: dict[str, _Held] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._listener = Listener(port, self._answer)
        self._listener.RequestHandlerClass = _Handler

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._listener.stop()

    @property
    def endpoint(self) -> str:
        """Returns its address, as the SDK's `Account` wants it."""
        return f"http://{HOST}:{self._listener.server_port}"

    @property
    def credentials(self) -> Credentials:
        """Returns the key pair it accepts."""
        return self._credentials

    @property
    def bodies(self) -> list[str]:
        """Returns the messages that are not deleted, on loan or not, oldest first."""
        with self._changed:
            return [held.body for held in self._messages.values()]

    def send(self, body: str) -> None:
        """Puts a message in.

        Raises:
            ValueError: It is empty, too long, holds what XML cannot, or the queue is full.
        """
        if not 0 < len(body.encode()) <= MAX_MESSAGE_BYTES or _NOT_IN_XML.search(body):
            raise ValueError(f"A message has 1 to {MAX_MESSAGE_BYTES} bytes that XML can hold.")
        with self._changed:
            if len(self._messages) >= MAX_MESSAGES:
                raise ValueError(f"The queue holds {MAX_MESSAGES} messages, its most.")
            number = uuid.uuid4().hex.upper()
            now = self._clock()
            self._messages[number] = _Held(number, body, enqueued_at=now, visible_at=now)
            self._changed.notify_all()

    def _answer(self, request: SignedRequest) -> Reply | HangUp:
        refusal = _refusal(request, self._credentials, datetime.now(UTC))
        if refusal is not None:
            return refusal
        with self._changed:
            self.calls.append(request.method)
            fault = self._faults.pop(0) if self._faults else None
        if fault is None:
            return self._carry_out(request)
        if fault is QueueFault.LOST_ANSWER:
            self._carry_out(request)
            return HangUp()
        return HangUp(reset=True) if fault is QueueFault.RESET else _faulty(fault)

    def _carry_out(self, request: SignedRequest) -> Reply:
        target = urlsplit(request.path)
        if target.path != f"/queues/{self.name}/messages":
            return _error(404, "QueueNotExist", "The queue name you provided is not exist.")
        if request.method == "DELETE":
            return self._delete(_RECEIPT.findall(request.body.decode(errors="replace")))
        asked = parse_qs(target.query)
        count, wait = asked.get("numOfMessages", ["1"])[0], asked.get("waitseconds", ["0"])[0]
        if not (count.isdecimal() and 1 <= int(count) <= BATCH_LIMIT):
            return _error(400, "InvalidArgument", "The value of numOfMessages should be 1 to 16.")
        if not (wait.isdecimal() and int(wait) <= MAX_WAIT_SECONDS):
            return _error(400, "InvalidArgument", "The value of waitseconds should be 0 to 30.")
        return self._receive(int(count), int(wait))

    def _receive(self, count: int, wait: int) -> Reply:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._visible(), timeout=wait)
            found = self._visible()[:count]
            for held in found:
                self._lend(held)
            if found:
                listed = "".join(map(_message, found))
                return _xml(200, f'<Messages xmlns="{NAMESPACE}">{listed}</Messages>')
        return _error(404, "MessageNotExist", "Message not exist.")

    def _visible(self) -> list[_Held]:
        now = self._clock()
        return [held for held in self._messages.values() if held.visible_at <= now]

    def _lend(self, held: _Held) -> None:
        now = self._clock()
        held.deliveries += 1
        held.first_at = held.first_at or now
        held.visible_at = now + self._visibility
        held.receipt = f"{held.deliveries}-{held.number}"

    def _delete(self, receipts: Sequence[str]) -> Reply:
        if not 1 <= len(receipts) <= BATCH_LIMIT:
            return _error(400, "InvalidArgument", "1 to 16 receipt handles are required.")
        failed = []
        with self._changed:
            now = self._clock()
            lent = {h.receipt: h for h in self._messages.values() if h.visible_at > now}
            for receipt in receipts:
                if receipt in lent:
                    self._messages.pop(lent.pop(receipt).number)
                else:
                    failed.append(receipt)
        return _xml(404, _failures(failed)) if failed else _xml(204, "")


class _Handler(listener._Handler):  # noqa: SLF001  # the queue needs one method more
    """Hands on the target as it was signed, undivided."""

    def do_DELETE(self) -> None:  # noqa: N802  # the name is http.server's
        self._serve()

    def _serve(self) -> None:
        length = self.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            self.send_error(413)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(length))
        outcome = self.server.answer(SignedRequest(self.command, self.path, [], headers, body))
        if isinstance(outcome, HangUp):
            self._hang_up(outcome)
        else:
            self._send(outcome)


def sign(request: SignedRequest, secret: str) -> str:
    """Returns the signature of a request: Base64 of HMAC-SHA1 over what the vendor lists.

    Method, Content-MD5, Content-Type and Date, then the `x-mns-` headers in order of name, then
    the target, query included; joined by line feeds.
    """
    headers = request.headers
    lines = [request.method]
    lines += [headers.get(name, "") for name in ("content-md5", "content-type", "date")]
    lines += [f"{name}:{headers[name]}" for name in sorted(headers) if name.startswith("x-mns-")]
    text = "\n".join([*lines, request.path]).encode()
    return base64.b64encode(hmac.digest(secret.encode(), text, hashlib.sha1)).decode()


def _refusal(request: SignedRequest, credentials: Credentials, now: datetime) -> Reply | None:
    given = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if given is None:
        return _error(400, "InvalidAuthorizationHeader", "The format is invalid.")
    try:
        date = parsedate_to_datetime(request.headers.get("date", ""))
    except ValueError:
        return _error(400, "InvalidDateHeader", "The Date header format is invalid.")
    if abs(now - date) > MAX_CLOCK_DIFFERENCE:
        return _error(408, "TimeExpired", "The http request you sent is expired.")
    return _wrong_key(request, credentials, given[1], given[2])


def _wrong_key(
    request: SignedRequest, credentials: Credentials, key_id: str, signature: str
) -> Reply | None:
    if key_id != credentials.access_key_id:
        return _error(403, "InvalidAccessKeyId", "The AccessKey Id you provided is not exist.")
    if request.headers.get("security-token") != credentials.security_token:
        return _error(403, "InvalidSecurityToken", "The security token is wrong.")
    if not hmac.compare_digest(sign(request, credentials.access_key_secret), signature):
        signed = escape(request.path)  # the real service quotes what it signed, too
        return _error(403, "SignatureDoesNotMatch", f"The signature of {signed} does not match.")
    return None


def _faulty(fault: QueueFault) -> Reply:
    return {
        QueueFault.THROTTLE: _error(503, "QpsLimitExceeded", "The qps of queue exceeds."),
        QueueFault.INTERNAL_ERROR: _error(500, "InternalError", "Internal error."),
        QueueFault.BAD_GATEWAY: Reply(502, _HTML, content_type="text/html"),
        QueueFault.DENIED: _error(403, "AccessDenied", "The OwnerId is forbidden."),
    }[fault]


def _message(held: _Held) -> str:
    facts = {
        "MessageId": held.number,
        "ReceiptHandle": held.receipt,
        "MessageBody": escape(held.body),
        "MessageBodyMD5": hashlib.md5(held.body.encode(), usedforsecurity=False).hexdigest(),
        "EnqueueTime": round(held.enqueued_at * 1000),
        "NextVisibleTime": round(held.visible_at * 1000),
        "FirstDequeueTime": round(held.first_at * 1000),
        "DequeueCount": held.deliveries,
        "Priority": 8,
    }
    return f"<Message>{''.join(f'<{k}>{v}</{k}>' for k, v in facts.items())}</Message>"


def _failures(receipts: Sequence[str]) -> str:
    listed = "".join(
        f"<Error><ErrorCode>MessageNotExist</ErrorCode><ErrorMessage>Message not exist."
        f"</ErrorMessage><ReceiptHandle>{escape(each)}</ReceiptHandle></Error>"
        for each in receipts
    )
    return f'<Errors xmlns="{NAMESPACE}">{listed}</Errors>'


def _error(status: int, code: str, message: str) -> Reply:
    return _xml(
        status,
        f'<Error xmlns="{NAMESPACE}"><Code>{code}</Code><Message>{message}</Message>'
        f"<RequestId>{uuid.uuid4().hex.upper()}</RequestId><HostId>{HOST}</HostId></Error>",
    )


def _xml(status: int, document: str) -> Reply:
    body = f'<?xml version="1.0" encoding="UTF-8"?>{document}'.encode() if document else b""
    return Reply(status, body, {"x-mns-request-id": uuid.uuid4().hex}, "text/xml;charset=utf-8")
