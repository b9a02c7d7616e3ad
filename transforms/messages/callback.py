"""Who may call back: the signature of IMS event callbacks, and the address they are sent to.

The vendor signs `X-ICE-SIGNATURE = md5("<CallbackURL>|<timestamp>|<AuthKey>")` and sends the
timestamp as `X-ICE-TIMESTAMP`. The text of a callback is not signed: whoever records one can send
another text within five minutes, and so make us ask for job ids of his own, no more.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from transforms.errors import ConfigurationError
from transforms.settings import CallbackSettings

WINDOW_SECONDS: Final = 300
"""How far a timestamp may be from our clock, either way."""
HEALTH_PATH: Final = "/healthz"

_MOST_KEYS: Final = 2
_SECONDS = re.compile(r"\d{1,12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Signer:
    """What the service signs its callbacks with.

    Attributes:
        url: The callback address as it is registered.
        keys: The authentication key; while it is being changed, the old and the new one.
    """

    url: str
    keys: tuple[str, ...] = field(repr=False)

    def sign(self, timestamp: str, key: str) -> str:
        """Returns the signature of a time, in hex.

        >>> Signer("https://example.com", ()).sign("1", "key")
        '3eed36cda64a47aaca1422776008e502'
        """
        text = f"{self.url}|{timestamp}|{key}".encode()
        return hashlib.md5(text, usedforsecurity=False).hexdigest()  # the vendor's choice

    def refusal(self, timestamp: str, signature: str, now: float) -> str | None:
        """Returns why a callback is not the service's, or None.

        Args:
            timestamp: Header `X-ICE-TIMESTAMP`, "" where there is none.
            signature: Header `X-ICE-SIGNATURE`, the same.
            now: Seconds since 1970.
        """
        if not timestamp or not signature:
            return "it is not signed: switch authentication on where the callback is registered"
        if not _SECONDS.fullmatch(timestamp):
            return "its timestamp is no number of seconds"
        # In constant time, before the clock: a wrong clock must not hide a wrong key.
        given = signature.lower().encode(errors="replace")
        ours = [self.sign(timestamp, key).encode() for key in self.keys]
        if not sum(hmac.compare_digest(each, given) for each in ours):
            return "its signature is for another key or address: compare both with the console"
        if abs(now - int(timestamp)) > WINDOW_SECONDS:
            return f"its time is more than {WINDOW_SECONDS} seconds from ours: check the clock"
        return None


def signer_of(settings: CallbackSettings) -> Signer:
    """Returns what callbacks are signed with.

    Raises:
        ConfigurationError: Key or address is missing, or there are too many keys.
    """
    keys = settings.callback_key.get_secret_value().split() if settings.callback_key else []
    if not keys:
        raise ConfigurationError(
            "COGNITION_CALLBACK_KEY is not set: give it the authentication key of the event "
            "callback (SetEventCallback); --no-signature takes anything, on a loopback host only"
        )
    if len(keys) > _MOST_KEYS:
        raise ConfigurationError(
            f"COGNITION_CALLBACK_KEY holds {len(keys)} keys: give it the one in use, or the old "
            "and the new one while it is being changed"
        )
    if not settings.callback_url:
        raise ConfigurationError(
            "COGNITION_CALLBACK_URL is not set: give it, or --url, the callback address word for "
            "word as it is registered, for the signature covers it"
        )
    return Signer(settings.callback_url, tuple(keys))


def path_of(settings: CallbackSettings) -> str:
    """Returns the path callbacks are sent to, "/" where no address is set.

    Raises:
        ConfigurationError: The address is none of a callback.
    """
    url = settings.callback_url
    if url is None:
        return "/"
    try:
        parts = urlsplit(url)
        wrong = parts.scheme not in {"http", "https"} or not parts.hostname or bool(parts.fragment)
    except ValueError:
        wrong = True
    if wrong or (path := unquote(parts.path) or "/") == HEALTH_PATH:
        raise ConfigurationError(
            "COGNITION_CALLBACK_URL must be the callback address as it is registered, such as "
            f"https://example.com/ims/callbacks; its path must not be {HEALTH_PATH}"
        )
    return path


def is_loopback(host: str) -> bool:
    """Tells whether a host is this machine, as nobody else can reach it."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
