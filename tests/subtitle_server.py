"""A server on the loopback that hands out subtitle files over TLS, and misbehaves on request."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from transforms.subtitles.fetch import FetchLimits, Network
from transforms.subtitles.guard import parse_hosts

HOST, SECOND, UNPROVEN = "files.example", "more.example", "unproven.example"
"""Two names the server's certificate has, and one it has not."""

Answer = Callable[["Handler"], None]


@cache
def certificate() -> tuple[bytes, bytes]:
    """Returns a certificate that is its own issuer, and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    names = x509.SubjectAlternativeName([x509.DNSName(HOST), x509.DNSName(SECOND)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(encoding), private


class Handler(BaseHTTPRequestHandler):
    """Answers a path as the server was told to; notes what was asked."""

    protocol_version = "HTTP/1.1"
    server: FileServer

    def do_GET(self) -> None:
        """Answers."""
        self.server.asked.append((self.path, dict(self.headers)))
        self.server.answers.get(self.path.partition("?")[0], status(404))(self)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class FileServer(ThreadingHTTPServer):
    """The server.

    Attributes:
        answers: What it does, by path.
        asked: Path and headers of each request.
        ended: Set when the test is over; who answers slowly waits for it.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.ended = threading.Event()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with TemporaryDirectory() as folder:
            file = Path(folder, "pem")
            file.write_bytes(b"".join(certificate()))
            self._context.load_cert_chain(file)

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base has it
        """Shakes hands in the thread of the request, so that a bad client keeps nobody waiting."""
        with self._context.wrap_socket(request, server_side=True) as tls:
            super().finish_request(tls, client_address)
            tls.settimeout(1)
            tls.unwrap()

    def handle_error(self, *_: object) -> None:
        """Says nothing: clients break off here on purpose."""

    @property
    def port(self) -> int:
        """Returns where it listens."""
        return int(self.server_address[1])

    def url(self, path: str, host: str = HOST) -> str:
        """Returns the link to a path."""
        return f"https://{host}:{self.port}{path}"

    @property
    def hosts(self) -> str:
        """Returns an allow-list with the two names the server can prove."""
        return f"{HOST}:{self.port} {SECOND}:{self.port}"

    def limits(self, **changed: object) -> FetchLimits:
        """Returns limits that let the server be asked."""
        given: dict[str, Any] = {
            "hosts": parse_hosts(f"{self.hosts} {UNPROVEN}:{self.port}"),
            "max_bytes": 1000,
            "total_seconds": 20.0,
        }
        return FetchLimits(**given | changed)


@contextmanager
def serving() -> Iterator[FileServer]:
    """Runs a server."""
    with FileServer() as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()
            thread.join()


def loopback(resolve: Callable[[str, int], list[str]] | None = None) -> Network:
    """Returns a network where every name is this machine's, and only this machine is allowed."""
    trusted = certificate()[0].decode()
    return Network(
        resolve or (lambda host, port: ["127.0.0.1"]),
        lambda address: address == ipaddress.ip_address("127.0.0.1"),
        lambda: ssl.create_default_context(cadata=trusted),
    )


def sends(body: bytes, **headers: str) -> Answer:
    """Answers with a file."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        sent = {"Content-Length": str(len(body))}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in sent.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def status(code: int, **headers: str) -> Answer:
    """Answers with a status and no body."""

    def answer(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in {"Content-Length": "0", **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()

    return answer


def chunked(*chunks: bytes, ended: bool = True) -> Answer:
    """Answers in chunks, whose sum nobody knows beforehand."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for chunk in (*chunks, *([b""] if ended else [])):
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))

    return answer


def without_length(body: bytes, *, says_end: bool) -> Answer:
    """Answers with a file that ends where the connection does, told by TLS or not."""

    def answer(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        if not says_end:
            socket.socket.shutdown(handler.connection, socket.SHUT_RDWR)

    return answer


def drips(head: bytes) -> Answer:
    """Answers with some bytes at once, then one now and then, for ever."""

    def answer(handler: Handler) -> None:
        handler.wfile.write(head)
        while not handler.server.ended.wait(0.02):
            handler.wfile.write(b"x")

    return answer


def is_silent(handler: Handler) -> None:
    """Takes the question and says nothing."""
    handler.server.ended.wait()
