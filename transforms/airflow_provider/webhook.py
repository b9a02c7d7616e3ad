"""Posts a short text to a webhook, in the form of Slack, DingTalk, Feishu (Lark) or plain JSON."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from transforms.errors import CognitionError, ConfigurationError

TIMEOUT_SECONDS = 5.0
FORMATS = ("json", "slack", "dingtalk", "feishu")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_REPLY_BYTES = 64 * 1024
_REFUSALS = ("errcode", "code", "StatusCode")
"""What DingTalk and Feishu call the number that is not 0 where they refuse, with HTTP 200."""


class NotificationError(CognitionError):
    """A webhook did not take a message."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where to post: the URL and the signing secret are secrets."""

    url: str = field(repr=False)
    format: str = "json"
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """What to say: `severity` is error or warning, `text` is for people."""

    severity: str
    dag_id: str
    task_id: str
    run_id: str
    text: str


def send(webhook: Webhook, message: Message, *, now: float | None = None) -> None:
    """Posts a message; does not follow redirects.

    Args:
        webhook: Where to.
        message: What to say.
        now: Time for the signature, in seconds of the epoch; default: the present.

    Raises:
        ConfigurationError: The URL or the format is not one.
        NotificationError: The webhook did not answer, or refused the message.
    """
    moment = time.time() if now is None else now
    url, body = _checked_url(webhook, moment), _body(webhook, message, moment)
    request = urllib.request.Request(  # noqa: S310 - the scheme has been checked
        url, json.dumps(body).encode(), {"Content-Type": "application/json; charset=utf-8"}
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_SECONDS) as got:
            reply = got.read(_REPLY_BYTES)
    except urllib.error.HTTPError as error:
        error.close()
        raise NotificationError(f"the webhook answered HTTP {error.code}") from None
    except OSError as error:
        raise NotificationError(f"the webhook did not answer ({type(error).__name__})") from None
    if code := _refusal(reply):
        raise NotificationError(f"the webhook refused the message with code {code}")


def _checked_url(webhook: Webhook, moment: float) -> str:
    parts = urlsplit(webhook.url)
    if not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)):
        raise ConfigurationError("the connection's password must be the webhook's https URL")
    if webhook.format == "dingtalk" and webhook.secret:
        stamp = str(int(moment * 1000))
        key, text = webhook.secret, f"{stamp}\n{webhook.secret}"
        signed = urlencode({"timestamp": stamp, "sign": _signature(key, text)})
        return f"{webhook.url}{'&' if parts.query else '?'}{signed}"
    return webhook.url


def _body(webhook: Webhook, message: Message, moment: float) -> dict[str, Any]:
    text = message.text
    if webhook.format == "slack":
        for sign, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):  # else `<!channel>`
            text = text.replace(sign, escaped)
        return {"text": text}
    if webhook.format == "dingtalk":
        return {"msgtype": "text", "text": {"content": text}}
    if webhook.format == "feishu":
        stamp = str(int(moment))
        signature = {"timestamp": stamp, "sign": _signature(f"{stamp}\n{webhook.secret}", "")}
        sent = {"msg_type": "text", "content": {"text": text}}
        return signature | sent if webhook.secret else sent
    if webhook.format == "json":
        return asdict(message)
    raise ConfigurationError(f"the connection's format must be one of {', '.join(FORMATS)}")


def _signature(key: str, text: str) -> str:
    digest = hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _refusal(reply: bytes) -> int:
    """Returns the code a robot refused the message with, or 0."""
    try:
        said = json.loads(reply)
    except ValueError:  # Slack says "ok"
        return 0
    codes = (said.get(name) for name in _REFUSALS) if isinstance(said, dict) else ()
    return next((code for code in codes if isinstance(code, int) and code), 0)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves a redirect an error: the message must not go to another host."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Follows none."""
        return
