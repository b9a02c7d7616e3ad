"""Downloads one file from an allowed host, within limits of time and size.

Every name is resolved here, every address it has must be public, and the connection goes to the
very address that was looked at: asking twice would let a name server answer twice (DNS rebinding).
The certificate is checked for the name. Proxies of the environment are not used: behind one, the
address that was looked at would not be the one that is reached.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from transforms.subtitles.guard import (
    HTTPS_PORT,
    Address,
    HostRule,
    Place,
    RefusedError,
    check_url,
    is_public,
)
from transforms.subtitles.outcome import Outcome

MAX_REDIRECTS = 3
CHUNK_BYTES = 64 * 1024

_OK = 200
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({401, 403, 404, 410})
_LATER = frozenset({408, 425, 429})
_SERVER_ERRORS = 500
_GZIP = frozenset({"gzip", "x-gzip"})
_GZIP_WINDOW = zlib.MAX_WBITS | 16


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What a download may do; times in seconds.

    Attributes:
        hosts: Hosts it may ask.
        max_bytes: Size of a file, on the wire and unpacked.
        total_seconds: Time for all of it, redirects included.
        connect_seconds: Time for one connection and its handshake.
        read_seconds: Time the server may be silent.
    """

    hosts: tuple[HostRule, ...]
    max_bytes: int
    total_seconds: float
    connect_seconds: float = 10.0
    read_seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class Download:
    """What became of a download.

    Attributes:
        outcome: How it ended.
        reason: Why there is no file, without a word of the link but its host.
        http_status: Status of the last answer, or None where there was none.
        body: The file.
    """

    outcome: Outcome
    reason: str = ""
    http_status: int | None = None
    body: bytes = b""


def resolve(host: str, port: int) -> Sequence[str]:
    """Returns the addresses of a host, as the system's resolver orders them.

    Raises:
        OSError: It has none, or nobody can tell.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True)
class Network:
    """How hosts are found and believed; only tests have a reason to give another.

    Attributes:
        resolve: Returns the addresses of a host.
        is_allowed: Tells whether an address may be reached.
        context: Makes the TLS context that verifies certificates.
    """

    resolve: Callable[[str, int], Sequence[str]] = resolve
    is_allowed: Callable[[Address], bool] = is_public
    context: Callable[[], ssl.SSLContext] = ssl.create_default_context


INTERNET = Network()


def fetch(url: str, limits: FetchLimits, network: Network = INTERNET) -> Download:
    """Downloads a file; whatever goes wrong is told, not raised."""
    deadline = time.monotonic() + limits.total_seconds
    host, status = "", None
    try:
        for _ in range(MAX_REDIRECTS + 1):
            place = check_url(url, limits.hosts)
            host = place.host
            with _answer(place, limits, network, deadline) as response:
                if response.status not in _REDIRECTS:
                    return _take(response, host, limits.max_bytes)
                status = response.status
                url = _next_url(url, host, response)
        return Download(
            Outcome.REFUSED, f"{host} redirected more than {MAX_REDIRECTS} times", status
        )
    except RefusedError as error:
        return Download(Outcome.REFUSED, str(error), status)
    except TimeoutError:
        return Download(Outcome.FAILED, f"{host} did not answer in time", status)
    except (OSError, http.client.HTTPException, zlib.error) as error:
        return Download(Outcome.FAILED, _trouble(error, host), status)


@contextmanager
def _answer(
    place: Place, limits: FetchLimits, network: Network, deadline: float
) -> Iterator[http.client.HTTPResponse]:
    """Asks for a file; the body is still to be read."""
    addresses = _checked_addresses(place, network)
    with _connect(place, addresses, limits, network, deadline) as tls:
        connection = http.client.HTTPConnection(place.host, place.port)
        wire: Any = _Wire(tls, limits.read_seconds, deadline)
        connection.sock = wire
        name = place.host if place.port == HTTPS_PORT else f"{place.host}:{place.port}"
        asked = {"Host": name, "Accept-Encoding": "identity", "Connection": "close"}
        connection.request("GET", place.target, headers=asked)
        with connection.getresponse() as response:
            yield response


def _checked_addresses(place: Place, network: Network) -> list[Address]:
    """Returns the addresses of a host, all of them allowed."""
    found = network.resolve(place.host, place.port)
    try:
        addresses = [ipaddress.ip_address(address) for address in found]
    except ValueError:
        raise RefusedError(f"{place.host} resolves to what is no address") from None
    if not addresses:
        raise OSError
    if not all(map(network.is_allowed, addresses)):
        raise RefusedError(f"{place.host} has an address that is not public")
    return addresses


def _connect(
    place: Place,
    addresses: Sequence[Address],
    limits: FetchLimits,
    network: Network,
    deadline: float,
) -> ssl.SSLSocket:
    """Connects to one of the addresses and has the host prove its name."""
    context, error = network.context(), OSError()
    for address in addresses:
        try:
            seconds = _left(limits.connect_seconds, deadline)
            plain = socket.create_connection((str(address), place.port), timeout=seconds)
        except OSError as other:
            error = other
            continue
        try:
            plain.settimeout(_left(limits.connect_seconds, deadline))
            return context.wrap_socket(
                plain, server_hostname=place.host, suppress_ragged_eofs=False
            )
        except BaseException:
            plain.close()
            raise
    raise error


class _Wire(io.RawIOBase):
    """The part of a socket that http.client uses; no wait goes beyond the deadline."""

    def __init__(self, tls: ssl.SSLSocket, read_seconds: float, deadline: float) -> None:
        self._tls, self._read_seconds, self._deadline = tls, read_seconds, deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Returns the answer as a file."""
        return io.BufferedReader(self)

    def sendall(self, data: bytes) -> None:
        """Sends the question."""
        self._tls.settimeout(_left(self._read_seconds, self._deadline))
        self._tls.sendall(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any buffer
        """Waits for some bytes, once."""
        self._tls.settimeout(_left(self._read_seconds, self._deadline))
        return self._tls.recv_into(buffer)

    def close(self) -> None:
        """Leaves the socket to whoever opened it: http.client closes before the body is read."""


def _left(seconds: float, deadline: float) -> float:
    """Returns how long one step may take."""
    left = min(seconds, deadline - time.monotonic())
    if left <= 0:
        raise TimeoutError
    return left


def _next_url(url: str, host: str, response: http.client.HTTPResponse) -> str:
    location = response.getheader("Location")
    if not location:
        raise RefusedError(f"{host} answered {response.status} and not where to go")
    try:
        return urljoin(url, location)
    except ValueError:
        raise RefusedError(f"the link that {host} redirected to cannot be read") from None


def _take(response: http.client.HTTPResponse, host: str, max_bytes: int) -> Download:
    """Returns the file, or why the server did not give it."""
    status = response.status
    if status in _GONE:
        return Download(Outcome.EXPIRED, f"{host} answered {status}", status)
    if status in _LATER or status >= _SERVER_ERRORS:
        return Download(Outcome.FAILED, f"{host} answered {status}", status)
    if status != _OK:
        return Download(Outcome.REFUSED, f"{host} answered {status}", status)
    try:
        return Download(Outcome.ARCHIVED, "", status, _read(response, max_bytes))
    except RefusedError as error:
        return Download(Outcome.REFUSED, f"{host}: {error}", status)


def _read(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    """Returns the whole body, unpacked if the server packed it in spite of our asking."""
    coding = (response.getheader("Content-Encoding") or "identity").strip().lower()
    if coding != "identity" and coding not in _GZIP:
        raise RefusedError("the server packed the file in a way it was not asked to")
    expected, wire, body = response.length, 0, bytearray()
    if expected is not None and expected > max_bytes:
        raise _too_large(max_bytes)
    unpack = zlib.decompressobj(_GZIP_WINDOW) if coding in _GZIP else None
    # One byte more than there is room for tells that there is more; a bomb gets no further.
    while chunk := response.read(min(CHUNK_BYTES, max_bytes - wire + 1)):
        wire += len(chunk)
        body += chunk if unpack is None else unpack.decompress(chunk, max_bytes - len(body) + 1)
        if max(wire, len(body)) > max_bytes:
            raise _too_large(max_bytes)
    if (expected is not None and wire != expected) or (unpack is not None and not unpack.eof):
        raise http.client.IncompleteRead(b"")
    if unpack is not None and unpack.unused_data:
        raise RefusedError("bytes follow the end of the packed file")
    return bytes(body)


def _too_large(max_bytes: int) -> RefusedError:
    return RefusedError(f"the file has more than COGNITION_SUBTITLE_MAX_BYTES ({max_bytes})")


def _trouble(error: Exception, host: str) -> str:
    """Returns in words what the system or the server did; their own texts may quote the link."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {host} cannot be verified"
    if isinstance(error, ssl.SSLError):
        return f"the encrypted connection to {host} broke off"
    if isinstance(error, socket.gaierror):
        return f"{host} cannot be resolved"
    if isinstance(error, http.client.IncompleteRead | zlib.error):
        return f"the file from {host} broke off"
    if isinstance(error, http.client.HTTPException):
        return f"the answer of {host} was not HTTP"
    return f"{host} cannot be reached"
