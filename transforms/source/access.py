"""Whom to ask and as whom: endpoint and key pair, checked before the SDK is even imported."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from transforms.errors import ConfigurationError
from transforms.settings import SourceSettings

if TYPE_CHECKING:
    from pydantic import SecretStr

_HOST = re.compile(r"(?:[A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_REGION = re.compile(r"[a-z0-9\-]+")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An explicit key pair, and the STS token that belongs to it if it is a temporary one."""

    key_id: str = field(repr=False)
    secret: str = field(repr=False)
    token: str | None = field(repr=False)


def endpoint_of(settings: SourceSettings) -> str:
    """Returns the host to ask, with its port if it was given one.

    Raises:
        ConfigurationError: Region or endpoint is not a plain name, or plain HTTP is asked of the
            real service.
    """
    if not _REGION.fullmatch(settings.region):
        raise ConfigurationError("COGNITION_REGION must be a region id such as cn-shanghai.")
    # The SDK's own table sends most regions to a global host, so the host is always said.
    host = settings.endpoint or f"ice.{settings.region}.aliyuncs.com"
    if not _HOST.fullmatch(host):
        raise ConfigurationError(
            "COGNITION_ENDPOINT must be a host with an optional port, without https:// or a path; "
            "for a sandbox without TLS set COGNITION_PROTOCOL=http."
        )
    name = (urlsplit(f"//{host}").hostname or "").lower()
    if settings.protocol == "http" and name.endswith("aliyuncs.com"):
        raise ConfigurationError(f"{host} is asked over HTTPS only: unset COGNITION_PROTOCOL.")
    return host


def key_pair_of(settings: SourceSettings) -> KeyPair | None:
    """Returns the explicit key pair, or None where the SDK's credential chain is to be used.

    Raises:
        ConfigurationError: Only a part of a key pair is given.
    """
    key_id = _revealed(settings.access_key_id)
    secret = _revealed(settings.access_key_secret)
    token = _revealed(settings.security_token)
    if key_id and secret:
        return KeyPair(key_id, secret, token)
    if key_id or secret or token:
        raise ConfigurationError(
            "The key pair is only half given: set both COGNITION_ACCESS_KEY_ID and "
            "COGNITION_ACCESS_KEY_SECRET (and COGNITION_SECURITY_TOKEN with them), or none."
        )
    return None


def account_name(settings: SourceSettings) -> str:
    """Returns a file name for whom we ask and as whom; it does not tell the key id.

    Temporary keys of one role change by the hour, and those of the credential chain are not known
    here: of either there is one name a host.
    """
    key_id = None if _revealed(settings.security_token) else _revealed(settings.access_key_id)
    told = f"{endpoint_of(settings).lower()} {key_id or ''}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _revealed(secret: SecretStr | None) -> str | None:
    return (secret.get_secret_value() or None) if secret else None
