"""HTTP/1.1 on a loopback port, with keep-alive: bytes in, bytes out, and a clean end."""

from __future__ import annotations

import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

from sandbox.gateway import Reply
from sandbox.signature import SignedRequest

HOST = "127.0.0.1"
MAX_BODY_BYTES = 1024 * 1024
IDLE_SECONDS = 60.0
# An active close with no time to linger makes the kernel send RST.
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class HangUp:
    """The connection ends without an answer; with `reset`, by RST."""

    reset: bool = False


Answer = Callable[[SignedRequest], Reply | HangUp]


class Listener(ThreadingHTTPServer):
    """Serves `answer` from its own thread; one more thread a connection.

    Raises:
        OSError: The port is taken.
    """

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, port: int, answer: Answer) -> None:
        self.answer = answer
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__((HOST, port), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="sandbox")

    def start(self) -> None:
        """Starts to accept connections."""
        self._thread.start()

    def stop(self) -> None:
        """Ends all connections and threads, and frees the port."""
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        with self._lock:
            for connection in self._connections:
                _shut(connection)
        self.server_close()

    def server_bind(self) -> None:
        """Binds without looking up the host's name, which may ask the network."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # as typeshed has it
        """Remembers the connection, so that `stop` can end it."""
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401  # as typeshed has it
        """Forgets and closes the connection; one marked for reset gets no orderly end."""
        with self._lock:
            self._connections.discard(request)
        linger = request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(_RESET))
        if linger == _RESET:
            request.close()
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # as typeshed has it
        """Reports faults of our own; a client that went away is none."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Listener
    protocol_version = "HTTP/1.1"
    server_version = "sandbox"
    sys_version = ""
    timeout: ClassVar[float] = IDLE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = -1  # one write for headers and small bodies

    def do_GET(self) -> None:  # the name is http.server's
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is http.server's
        """Logs nothing: headers hold signatures."""

    def _serve(self) -> None:
        length = self.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            self.send_error(413)
            return
        target = urlsplit(self.path)
        outcome = self.server.answer(
            SignedRequest(
                method=self.command,
                path=unquote(target.path),
                query=parse_qsl(target.query, keep_blank_values=True),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(int(length)),
            )
        )
        if isinstance(outcome, HangUp):
            self._hang_up(outcome)
        else:
            self._send(outcome)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", reply.content_type)
        promised = len(reply.body) if reply.promised is None else reply.promised
        self.send_header("Content-Length", str(promised))
        self.end_headers()
        self.wfile.write(reply.body)
        self.close_connection = self.close_connection or promised != len(reply.body)

    def _hang_up(self, outcome: HangUp) -> None:
        self.close_connection = True
        if outcome.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was faster
