"""Which links may be followed, and which addresses their hosts may have.

A link comes from a reply, so whoever can write into a reply could make us ask hosts of our own
network. A link is followed only over https, to a host of the allow-list, at a public address.
"""

from __future__ import annotations

import ipaddress
import re
import string
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias
from urllib.parse import quote, urlsplit

from transforms.plain import plain

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

HTTPS_PORT = 443
HOSTS_SETTING = "COGNITION_SUBTITLE_HOSTS"
_LABEL = r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_PATTERN = re.compile(r"(?P<below>\*\.)?(?P<host>[^*:]+)(?::(?P<port>[0-9]{1,5}))?")
_NO_URL = re.compile(r"[\x00-\x20\x7f\\]")
_MOST_PORT = 65535
# What carries an IPv4 address that may be a private one, or leads through someone's relay.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST = ipaddress.IPv6Network("2000::/3")
_TUNNELS = (ipaddress.IPv6Network("2001::/32"), ipaddress.IPv6Network("2002::/16"))
# For protocols, and for relays from IPv4 to IPv6: no host of the public internet is there.
_NO_HOSTS = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv4Network("192.88.99.0/24"))


class RefusedError(Exception):
    """A link must not be followed; the message says why and never quotes the link."""


@dataclass(frozen=True, slots=True)
class HostRule:
    """One entry of the allow-list.

    Attributes:
        host: Name of the host, in lower case.
        below: Whether the names below `host` are meant, and not `host` itself.
        port: The only port allowed.
    """

    host: str
    below: bool = False
    port: int = HTTPS_PORT

    def allows(self, host: str, port: int) -> bool:
        """Tells whether a host and port are what the entry means."""
        named = host.endswith(f".{self.host}") if self.below else host == self.host
        return named and port == self.port


class Place(NamedTuple):
    """Where a link leads: host, port, and the path with the query, as it goes over the wire."""

    host: str
    port: int
    target: str


def parse_hosts(text: str) -> tuple[HostRule, ...]:
    """Returns the entries of an allow-list, separated by commas or spaces.

    >>> parse_hosts("*.aliyuncs.com, files.example:8443")[1].port
    8443

    Raises:
        ValueError: An entry is no host name, or a pattern that would allow a whole top domain.
    """
    entries = [entry for entry in re.split(r"[,\s]+", text) if entry]
    if not entries:
        raise ValueError("names no host: give at least one, such as *.aliyuncs.com")
    return tuple(_parse_host(entry) for entry in entries)


def check_url(url: str, hosts: Iterable[HostRule]) -> Place:
    """Returns where a link leads, if it may be followed.

    Raises:
        RefusedError: It may not: no https, a user in it, or a host or port that is not allowed.
    """
    if _NO_URL.search(url):
        raise RefusedError("the link holds spaces, control characters or backslashes")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise RefusedError("the link cannot be read as a URL") from None
    if parts.scheme != "https":
        to = f" to {plain(host)}" if host else ""
        raise RefusedError(f"the link{to} is not https")
    if "@" in parts.netloc:
        raise RefusedError("the link holds a user name")
    if not _HOST.fullmatch(host):
        raise RefusedError("the link names no host as it should")
    port = HTTPS_PORT if port is None else port
    if not any(rule.allows(host, port) for rule in hosts):
        shown = plain(host) if port == HTTPS_PORT else f"{plain(host)}:{port}"
        raise RefusedError(f"{shown} is not in {HOSTS_SETTING}")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        return Place(host, port, quote(target, safe=string.punctuation))
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON may hold
        raise RefusedError("the link holds half a character") from None


def is_public(address: Address) -> bool:
    """Tells whether an address is one of the public internet, for one host, in any disguise.

    >>> is_public(ipaddress.ip_address("8.8.8.8")), is_public(ipaddress.ip_address("10.0.0.1"))
    (True, False)
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped
        if address in _NAT64:  # how a network without IPv4 reaches it
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address not in _UNICAST or any(address in network for network in _TUNNELS):
            return False
    elif any(address in network for network in _NO_HOSTS):
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_private
    )


def _parse_host(entry: str) -> HostRule:
    found = _PATTERN.fullmatch(entry.lower())
    if found is None or not _HOST.fullmatch(found["host"]):
        raise ValueError(f"{plain(entry)} is no host: give a name, *.name or name:port")
    port = int(found["port"] or HTTPS_PORT)
    if not 0 < port <= _MOST_PORT:
        raise ValueError(f"{plain(entry)} has no such port: give one up to {_MOST_PORT}")
    if found["below"] and "." not in found["host"]:
        raise ValueError(f"{plain(entry)} would allow a whole top domain: name one below it")
    return HostRule(found["host"], found["below"] is not None, port)
