"""Verifies `ACS3-HMAC-SHA256` signatures, written from the vendor's description of the algorithm.

CanonicalRequest = method, URI, query, headers, signed header names, SHA-256 of the body, joined by
line feeds; StringToSign = algorithm and the SHA-256 of that; signature = HMAC-SHA256 in hex.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

ALGORITHM = "ACS3-HMAC-SHA256"
MAX_CLOCK_DIFFERENCE = timedelta(minutes=15)
# A date may lie 15 minutes ahead and then stays fresh for 15 more.
NONCE_LIFETIME = 2 * MAX_CLOCK_DIFFERENCE
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} +Credential=([^,\s]+), *SignedHeaders=([^,\s]+), *Signature=([0-9a-fA-F]{{64}})"
)
_MUST_BE_SIGNED = (
    "host",
    "x-acs-action",
    "x-acs-content-sha256",
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-version",
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The key pair the service knows; with a token it is a temporary (STS) key pair."""

    access_key_id: str
    access_key_secret: str
    security_token: str | None = None


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a signature covers: header names in lower case, the query decoded, in any order."""

    method: str
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why the gateway turns a request away."""

    status: int
    code: str
    message: str


class NonceStore:
    """Remembers nonces for their lifetime; thread-safe and never more than `capacity` of them."""

    def __init__(self, capacity: int = 100_000) -> None:
        self._capacity = capacity
        self._seen: OrderedDict[str, datetime] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._seen)

    def claim(self, nonce: str, now: datetime) -> bool:
        """Returns True when `nonce` is new, and remembers it; False when it was used before."""
        with self._lock:
            while self._seen and next(iter(self._seen.values())) < now - NONCE_LIFETIME:
                self._seen.popitem(last=False)
            if nonce in self._seen:
                return False
            self._seen[nonce] = now
            if len(self._seen) > self._capacity:
                self._seen.popitem(last=False)
            return True


def verify(
    request: SignedRequest, credentials: Credentials, nonces: NonceStore, now: datetime
) -> Rejection | None:
    """Returns why `request` is turned away, or None when its signature holds.

    Args:
        request: The request as it arrived.
        credentials: The only key pair the service knows.
        nonces: Nonces seen before; the request's own is claimed only once all else holds.
        now: Aware time of arrival.
    """
    parsed = _AUTHORIZATION.fullmatch(request.headers.get("authorization", "").strip())
    if parsed is None:
        return Rejection(
            400,
            "IncompleteSignature",
            f"The request needs an Authorization header of {ALGORITHM}"
            " with Credential, SignedHeaders and Signature.",
        )
    access_key_id, names, signature = parsed.groups()
    signed = names.lower().split(";")
    return (
        _missing_piece(request, signed)
        or _wrong_key(request, credentials, access_key_id)
        or _stale_date(request.headers["x-acs-date"], now)
        or _wrong_signature(request, signed, signature, credentials.access_key_secret)
        or _used_nonce(request.headers["x-acs-signature-nonce"], nonces, now)
    )


def sign(request: SignedRequest, signed_headers: Sequence[str], secret: str) -> str:
    """Returns the signature of `request` over `signed_headers`, as 64 hex digits."""
    digest = hashlib.sha256(canonical_request(request, signed_headers).encode()).hexdigest()
    string_to_sign = f"{ALGORITHM}\n{digest}"
    return hmac.new(secret.encode(), string_to_sign.encode(), hashlib.sha256).hexdigest()


def canonical_request(request: SignedRequest, signed_headers: Sequence[str]) -> str:
    """Returns the canonical request: the text both sides must agree on."""
    names = sorted(name.lower() for name in signed_headers)
    headers = "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in names)
    query = "&".join(f"{_encode(key)}={_encode(value)}" for key, value in sorted(request.query))
    return "\n".join(
        (
            request.method.upper(),
            quote(request.path or "/", safe="/-_.~"),
            query,
            headers,
            ";".join(names),
            hashlib.sha256(request.body).hexdigest(),
        )
    )


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")


def _missing_piece(request: SignedRequest, signed: Sequence[str]) -> Rejection | None:
    for name in _MUST_BE_SIGNED:
        if not request.headers.get(name):
            return Rejection(400, "IncompleteSignature", f"The header {name} is missing.")
    unsigned = [
        name
        for name in request.headers
        if (name.startswith("x-acs-") or name in ("host", "content-type")) and name not in signed
    ]
    if unsigned:
        return Rejection(400, "IncompleteSignature", f"The header {unsigned[0]} is not signed.")
    return None


def _wrong_key(
    request: SignedRequest, credentials: Credentials, access_key_id: str
) -> Rejection | None:
    if access_key_id != credentials.access_key_id:
        return Rejection(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
    token = request.headers.get("x-acs-security-token")
    if token == credentials.security_token:
        return None
    if token is None:
        return Rejection(400, "MissingSecurityToken", "SecurityToken is mandatory for this action.")
    return Rejection(
        400,
        "InvalidSecurityToken.MismatchWithAccessKey",
        "Specified SecurityToken mismatch with the AccessKey.",
    )


def _stale_date(text: str, now: datetime) -> Rejection | None:
    try:
        date = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return Rejection(
            400, "InvalidTimeStamp.Format", "Specified time stamp is not like 2026-01-31T08:30:00Z."
        )
    if abs(now - date) > MAX_CLOCK_DIFFERENCE:
        return Rejection(
            400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."
        )
    return None


def _wrong_signature(
    request: SignedRequest, signed: Sequence[str], signature: str, secret: str
) -> Rejection | None:
    if request.headers["x-acs-content-sha256"] != hashlib.sha256(request.body).hexdigest():
        return Rejection(
            400, "SignatureDoesNotMatch", "The body does not have the hash x-acs-content-sha256."
        )
    if not hmac.compare_digest(sign(request, signed, secret), signature.lower()):
        return Rejection(
            400, "SignatureDoesNotMatch", "Specified signature does not match our calculation."
        )
    return None


def _used_nonce(nonce: str, nonces: NonceStore, now: datetime) -> Rejection | None:
    if nonces.claim(nonce, now):
        return None
    return Rejection(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
