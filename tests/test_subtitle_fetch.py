"""Downloads of subtitle files: what is let through, and each thing that is not."""

from __future__ import annotations

import gzip
import ipaddress
import socket
import time
from collections.abc import Iterator

import pytest
from subtitle_server import (
    HOST,
    SECOND,
    UNPROVEN,
    Answer,
    FileServer,
    chunked,
    drips,
    is_silent,
    loopback,
    sends,
    serving,
    status,
    without_length,
)

from transforms.subtitles.fetch import Download, Network, fetch, resolve
from transforms.subtitles.guard import (
    HostRule,
    RefusedError,
    check_url,
    is_public,
    parse_hosts,
)
from transforms.subtitles.outcome import Outcome

FILE = b"1 0:01 --> 0:02 hello\n"
SIGNED = "?Expires=1&Signature=s3cr3t"
ALIYUN = parse_hosts("*.aliyuncs.com files.example:8443")


@pytest.fixture(scope="module")
def running() -> Iterator[FileServer]:
    """One server for all tests here."""
    with serving() as server:
        yield server


@pytest.fixture
def server(running: FileServer) -> FileServer:
    """The server, told nothing and asked nothing yet."""
    running.answers.clear()
    running.asked.clear()
    return running


def get(server: FileServer, answer: Answer, **limits: object) -> Download:
    """Returns what becomes of a file that the server answers in some way."""
    server.answers["/a.txt"] = answer
    return fetch(server.url(f"/a.txt{SIGNED}"), server.limits(**limits), loopback())


# --- which links --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://a.aliyuncs.com/x?s3cr3t", "not https"),
        ("ftp://a.aliyuncs.com/x?s3cr3t", "not https"),
        ("file:///etc/passwd", "not https"),
        ("a.aliyuncs.com/x?s3cr3t", "not https"),
        ("https://me:s3cr3t@a.aliyuncs.com/x", "user name"),
        ("https://a.aliyuncs.com@10.0.0.1/s3cr3t", "user name"),
        ("https://@a.aliyuncs.com/s3cr3t", "user name"),
        ("https:///x?s3cr3t", "names no host"),
        ("https://a..aliyuncs.com/s3cr3t", "names no host"),
        ("https://a.aliyuncs.com./s3cr3t", "names no host"),
        ("https://ⓐ.aliyuncs.com/s3cr3t", "names no host"),
        ("https://[::1]/s3cr3t", "names no host"),
        ("https://[::1/s3cr3t", "cannot be read"),
        ("https://a.aliyuncs.com:99999/s3cr3t", "cannot be read"),
        ("https://evilaliyuncs.com/s3cr3t", "evilaliyuncs.com is not in COGNITION_SUBTITLE_HOSTS"),
        ("https://aliyuncs.com/s3cr3t", "aliyuncs.com is not in"),
        ("https://a.aliyuncs.com.evil.example/s3cr3t", "evil.example is not in"),
        ("https://a.aliyuncs.com:8443/s3cr3t", "a.aliyuncs.com:8443 is not in"),
        ("https://a.aliyuncs.com:0/s3cr3t", "a.aliyuncs.com:0 is not in"),
        ("https://files.example/s3cr3t", "files.example is not in"),
        ("https://2130706433/s3cr3t", "2130706433 is not in"),
        ("https://a.aliyuncs.com\\@evil.example/s3cr3t", "backslashes"),
        ("https://a.aliyuncs.com/x\r\nHost: evil/s3cr3t", "control characters"),
        ("https://a.aliyuncs.com/x y?s3cr3t", "spaces"),
        ("https://a.aliyuncs.com/\ud800?s3cr3t", "half a character"),
    ],
)
def test_a_link_elsewhere_is_refused(url: str, reason: str) -> None:
    """Only https links to a host and port of the list pass; the reason never quotes the rest."""
    with pytest.raises(RefusedError, match=reason) as caught:
        check_url(url, ALIYUN)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://b.oss.aliyuncs.com/x?Expires=1&S=a%2Fb", ("b.oss.aliyuncs.com", 443)),
        ("HTTPS://B.Aliyuncs.COM:443/x?Expires=1&S=a%2Fb#y", ("b.aliyuncs.com", 443)),
        ("https://files.example:8443/x?Expires=1&S=a%2Fb", ("files.example", 8443)),
    ],
)
def test_a_link_to_a_listed_host_is_taken_as_it_is(url: str, place: tuple[str, int]) -> None:
    """Host and port are read as a browser would, path and query go out unchanged."""
    assert check_url(url, ALIYUN) == (*place, "/x?Expires=1&S=a%2Fb")


def test_a_link_may_have_no_path_and_other_letters() -> None:
    """Letters beyond ASCII are sent as UTF-8 in percents, and no path is the root."""
    assert check_url("https://a.aliyuncs.com", ALIYUN).target == "/"
    assert check_url("https://a.aliyuncs.com/字?b", ALIYUN).target == "/%E5%AD%97?b"


@pytest.mark.parametrize(
    "text", ["", " , ", "*", "*.com", "*.", "a..b", "https://a.b", "a:0", "a:65536"]
)
def test_a_list_that_means_nothing_or_all_is_refused(text: str) -> None:
    """The list of hosts must name hosts, and cannot allow the whole internet."""
    with pytest.raises(ValueError, match=r"give|name"):
        parse_hosts(text)


def test_a_list_is_read_by_commas_and_spaces() -> None:
    """Names are lower case; a pattern is below its name; the port is 443 unless it says another."""
    assert parse_hosts("*.A.example,b.example:8443  c") == (
        HostRule("a.example", below=True),
        HostRule("b.example", port=8443),
        HostRule("c"),
    )


@pytest.mark.parametrize("answer", ["nowhere", "", "10.0.0.1.2"])
def test_what_is_no_address_is_refused(server: FileServer, answer: str) -> None:
    """A resolver that answers with something else has the file refused, and nobody is asked."""
    network = Network(resolve=lambda _host, _port: [answer])
    found = fetch(server.url(f"/a.txt{SIGNED}"), server.limits(), network)
    assert found == Download(Outcome.REFUSED, f"{HOST} resolves to what is no address")
    assert server.asked == []


# --- which addresses ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",  # where the cloud tells a machine its keys
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.9",  # public in the registry, and no host's
        "192.0.0.171",
        "192.0.2.1",
        "192.88.99.1",  # a relay to IPv6
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::10.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:192.88.99.1",
        "64:ff9b::c058:6301",
        "64:ff9b::a00:1",
        "64:ff9b:1::808:808",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
        "2001:db8::1",
        "2002:a00:1::",
        "2002:808:808::",
        "fc00::1",
        "fe80::1",
        "fe80::1%1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_no_address_but_a_public_one_is_allowed(address: str) -> None:
    """Private, shared, local, reserved and group addresses are not, in no disguise."""
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "47.100.1.1", "2400:3200::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    """Those of the public internet are, also as a network without IPv4 reaches them."""
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("found", [["10.0.0.1"], ["127.0.0.1", "8.8.8.8"], ["8.8.8.8", "::1"]])
def test_one_private_address_among_all_refuses_the_host(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, found: list[str]
) -> None:
    """A host with any address that is not public is not connected to at all."""
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("connected"))
    network = Network(resolve=lambda host, port: found)
    got = fetch(server.url("/a.txt"), server.limits(), network)
    assert got == Download(Outcome.REFUSED, f"{HOST} has an address that is not public")


def test_this_machine_is_no_host_of_the_internet(server: FileServer) -> None:
    """Without a network of a test's own, the loopback is refused even if the list names it."""
    limits = server.limits(hosts=parse_hosts(f"localhost:{server.port}"))
    got = fetch(f"https://localhost:{server.port}/a.txt", limits)
    assert got.outcome == Outcome.REFUSED
    assert server.asked == []


def test_the_address_that_was_checked_is_the_one_connected_to(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name is resolved once: what a name server would answer the second time is never asked."""
    answers, looked_up = [["127.0.0.1"]], []
    really = socket.getaddrinfo

    def spied(host: str, *rest: object, **more: object) -> object:
        looked_up.append(host)
        return really(host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", spied)
    server.answers["/a.txt"] = sends(FILE)
    network = loopback(lambda host, port: answers.pop())
    assert fetch(server.url("/a.txt"), server.limits(), network).body == FILE
    assert set(looked_up) <= {"127.0.0.1"}


def test_an_address_out_of_reach_gives_way_to_the_next(server: FileServer) -> None:
    """Of several allowed addresses the first that answers is taken."""
    server.answers["/a.txt"] = sends(FILE)
    network = Network(
        lambda host, port: ["127.0.0.2", "127.0.0.1"],
        lambda address: address.is_loopback,
        loopback().context,
    )
    assert fetch(server.url("/a.txt"), server.limits(), network).outcome == Outcome.ARCHIVED


def test_addresses_come_from_the_system_each_once() -> None:
    """The default resolver gives a host's addresses in their order."""
    assert resolve("127.0.0.1", 443) == ["127.0.0.1"]


# --- the download -------------------------------------------------------------------------------


def test_a_file_arrives_byte_for_byte(server: FileServer) -> None:
    """The file comes as it is; the server is asked by its name, with the query, unpacked."""
    assert get(server, sends(FILE)) == Download(Outcome.ARCHIVED, "", 200, FILE)
    [(path, headers)] = server.asked
    assert path == f"/a.txt{SIGNED}"
    assert headers["Host"] == f"{HOST}:{server.port}"
    assert headers["Accept-Encoding"] == "identity"
    assert set(headers) == {"Host", "Accept-Encoding", "Connection"}


def test_proxies_of_the_environment_are_not_used(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would reach an address nobody checked, so it is not asked."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert get(server, sends(FILE)).body == FILE


@pytest.mark.parametrize(
    "answer",
    [
        chunked(FILE[:5], FILE[5:]),
        sends(gzip.compress(FILE), Content_Encoding="gzip"),
        sends(FILE, Content_Encoding="identity"),
        without_length(FILE, says_end=True),
    ],
    ids=["chunked", "gzip", "identity", "without length"],
)
def test_a_file_may_be_sent_in_other_ways(server: FileServer, answer: Answer) -> None:
    """Chunks are put together, and what was stored packed is unpacked."""
    assert get(server, answer).body == FILE


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (401, Outcome.EXPIRED),
        (403, Outcome.EXPIRED),
        (404, Outcome.EXPIRED),
        (410, Outcome.EXPIRED),
        (408, Outcome.FAILED),
        (429, Outcome.FAILED),
        (500, Outcome.FAILED),
        (503, Outcome.FAILED),
        (204, Outcome.REFUSED),
        (206, Outcome.REFUSED),
        (304, Outcome.REFUSED),
        (400, Outcome.REFUSED),
        (416, Outcome.REFUSED),
    ],
)
def test_a_status_says_whether_to_ask_again(
    server: FileServer, code: int, outcome: Outcome
) -> None:
    """Gone is final, trouble of the server is not, and anything else breaks the rules."""
    assert get(server, status(code)) == Download(outcome, f"{HOST} answered {code}", code)


# --- redirects ----------------------------------------------------------------------------------


def test_redirects_to_allowed_places_are_followed(server: FileServer) -> None:
    """Three redirects are followed, relative ones and such to another host of the list too."""
    server.answers["/b"] = status(302, Location="/c?x")
    server.answers["/c"] = status(307, Location=server.url("/d", SECOND))
    server.answers["/d"] = sends(FILE)
    assert get(server, status(301, Location="b")).body == FILE
    assert [path for path, _ in server.asked] == [f"/a.txt{SIGNED}", "/b", "/c?x", "/d"]


def test_a_fourth_redirect_is_refused(server: FileServer) -> None:
    """Who sends us in circles is left after three redirects."""
    got = get(server, status(302, Location="/a.txt"))
    assert got == Download(Outcome.REFUSED, f"{HOST} redirected more than 3 times", 302)
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://files.example/x?s3cr3t", "the link to files.example is not https"),
        ("https://evil.example/x?s3cr3t", "evil.example is not in COGNITION_SUBTITLE_HOSTS"),
        ("//evil.example/x?s3cr3t", "evil.example is not in COGNITION_SUBTITLE_HOSTS"),
        ("https://files.example/x", "files.example is not in COGNITION_SUBTITLE_HOSTS"),
        ("https://me@files.example/x", "the link holds a user name"),
        ("https://[::1/s3cr3t", "the link that files.example redirected to cannot be read"),
        ("file:///etc/passwd", "the link is not https"),
        ("", "files.example answered 302 and not where to go"),
    ],
)
def test_a_redirect_elsewhere_is_refused(server: FileServer, location: str, reason: str) -> None:
    """Where a server sends us must pass the same rules as the link itself."""
    assert get(server, status(302, Location=location)) == Download(Outcome.REFUSED, reason, 302)
    assert len(server.asked) == 1


def test_the_address_behind_a_redirect_is_checked_too(server: FileServer) -> None:
    """A listed host whose address is private is refused after a redirect as before one."""
    server.answers["/a.txt"] = status(302, Location=server.url("/b", SECOND))
    network = loopback(lambda host, port: ["10.0.0.1" if host == SECOND else "127.0.0.1"])
    got = fetch(server.url("/a.txt"), server.limits(), network)
    assert got == Download(Outcome.REFUSED, f"{SECOND} has an address that is not public", 302)


# --- size and time ------------------------------------------------------------------------------

BOMB = gzip.compress(b"1" * 1_000_000)


@pytest.mark.parametrize(
    ("answer", "limit"),
    [
        (sends(b"x" * 1001), 1000),
        (sends(b"", Content_Length="5000000000"), 1000),
        (chunked(b"x" * 600, b"x" * 600), 1000),
        (sends(BOMB, Content_Encoding="gzip"), len(BOMB) + 1),
        (chunked(b"x" * 5000, ended=False), 1000),
    ],
    ids=["one byte more", "announced", "in chunks", "bomb", "without an end"],
)
def test_a_file_that_is_too_long_is_refused(server: FileServer, answer: Answer, limit: int) -> None:
    """Announced, sent or unpacked: more bytes than allowed are not taken."""
    got = get(server, answer, max_bytes=limit)
    reason = f"{HOST}: the file has more than COGNITION_SUBTITLE_MAX_BYTES ({limit})"
    assert got == Download(Outcome.REFUSED, reason, 200)


def test_a_file_of_just_the_size_is_taken(server: FileServer) -> None:
    """The limit itself is allowed, packed or not."""
    full = b"x" * 1000
    assert get(server, sends(full)).body == full
    assert get(server, sends(gzip.compress(full), Content_Encoding="gzip")).body == full


@pytest.mark.parametrize(
    "answer",
    [
        is_silent,
        drips(b"HTTP/1.1 200 "),
        drips(b"HTTP/1.1 200 OK\r\nX: "),
        drips(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"),
        drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n200\r\n"),
        drips(b"HTTP/1.1 200 OK\r\n\r\n"),
    ],
    ids=["silent", "status", "header", "body", "chunk", "without an end"],
)
def test_a_slow_server_is_left_at_the_deadline(server: FileServer, answer: Answer) -> None:
    """However a server spreads its bytes, a download ends in time; it is tried again later."""
    began = time.monotonic()
    got = get(server, answer, total_seconds=0.15, read_seconds=20.0)
    assert got == Download(Outcome.FAILED, f"{HOST} did not answer in time")
    assert time.monotonic() - began < 5


def test_a_silent_server_is_left_before_the_deadline(server: FileServer) -> None:
    """A server that says nothing for so long is not waited for to the end."""
    began = time.monotonic()
    assert get(server, is_silent, read_seconds=0.1).reason == f"{HOST} did not answer in time"
    assert time.monotonic() - began < 10


def test_a_handshake_has_its_time_too() -> None:
    """A listener that never speaks TLS costs no more than the time to connect."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with serving() as other:
            limits = other.limits(hosts=parse_hosts(f"{HOST}:{port}"), connect_seconds=0.1)
        got = fetch(f"https://{HOST}:{port}/a.txt", limits, loopback())
    assert got == Download(Outcome.FAILED, f"{HOST} did not answer in time")


# --- what breaks --------------------------------------------------------------------------------


def breaks_off(handler: object) -> None:
    """Sends less than it announced."""
    sends(FILE, Content_Length="500")(handler)  # type: ignore[arg-type]


def says_nonsense(handler: object) -> None:
    """Answers with something that is no HTTP."""
    handler.wfile.write(b"220 ready\r\n")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (breaks_off, f"the file from {HOST} broke off"),
        (chunked(FILE, ended=False), f"the file from {HOST} broke off"),
        (
            sends(gzip.compress(FILE)[:-4], Content_Encoding="gzip"),
            f"the file from {HOST} broke off",
        ),
        (sends(b"not packed", Content_Encoding="gzip"), f"the file from {HOST} broke off"),
        (says_nonsense, f"the answer of {HOST} was not HTTP"),
        (without_length(FILE, says_end=False), f"the encrypted connection to {HOST} broke off"),
    ],
    ids=["short", "chunks", "gzip", "not gzip", "nonsense", "cut"],
)
def test_half_a_file_is_none(server: FileServer, answer: Answer, reason: str) -> None:
    """A file that did not come whole is not kept; it is asked for again."""
    got = get(server, answer)
    assert (got.outcome, got.reason, got.body) == (Outcome.FAILED, reason, b"")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (sends(FILE, Content_Encoding="br"), "packed the file in a way it was not asked to"),
        (sends(gzip.compress(FILE) + b"more", Content_Encoding="gzip"), "bytes follow the end"),
    ],
    ids=["brotli", "more"],
)
def test_packed_in_a_way_we_do_not_read_is_refused(
    server: FileServer, answer: Answer, reason: str
) -> None:
    """We say that we take the file plain; gzip is all that is read in spite of that."""
    got = get(server, answer)
    assert got.outcome == Outcome.REFUSED
    assert reason in got.reason


def test_a_server_must_prove_its_name(server: FileServer) -> None:
    """A certificate of another name, or of an issuer unknown to us, ends the matter for now."""
    server.answers["/a.txt"] = sends(FILE)
    reason = "the certificate of {} cannot be verified".format
    got = fetch(server.url("/a.txt", UNPROVEN), server.limits(), loopback())
    assert got == Download(Outcome.FAILED, reason(UNPROVEN))
    stranger = Network(lambda host, port: ["127.0.0.1"], lambda address: True)
    got = fetch(server.url("/a.txt"), server.limits(), stranger)
    assert got == Download(Outcome.FAILED, reason(HOST))
    assert server.asked == []


def test_what_the_system_refuses_is_tried_again(server: FileServer) -> None:
    """No name, no address and no listener are told apart, and none of them is final."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    limits = server.limits(hosts=parse_hosts(f"{HOST}:{port}"))

    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, f"no {host}")

    url = f"https://{HOST}:{port}/a.txt{SIGNED}"
    ways = (loopback(unknown), loopback(lambda host, port: []), loopback())
    found = [fetch(url, limits, way) for way in ways]
    unreachable = Download(Outcome.FAILED, f"{HOST} cannot be reached")
    nameless = Download(Outcome.FAILED, f"{HOST} cannot be resolved")
    assert found == [nameless, unreachable, unreachable]
