"""Listens for callbacks: ledger, intake, receiver and server as one thing to start and stop."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, Self

from waitress import create_server, wasyncore  # type: ignore[import-untyped]  # it ships no types

from transforms import ledger
from transforms.errors import ConfigurationError
from transforms.messages.body import LIMIT_BYTES
from transforms.messages.callback import Signer, is_loopback, path_of, signer_of
from transforms.messages.intake import PATIENCE_SECONDS, Intake
from transforms.messages.known import known_ids
from transforms.messages.receiver import ListenReport, Receiver
from transforms.settings import CallbackSettings
from transforms.storage import Storage

ORIGIN = "callbacks"
DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8098

_CONNECTIONS: Final = 256
_THREADS: Final = _CONNECTIONS
"""A caller's patience begins with the request, so none may wait for a thread."""
_BACKLOG: Final = 1024
_IDLE_SECONDS: Final = 30
_HEADER_BYTES: Final = 16 * 1024
_GRACE_SECONDS: Final = PATIENCE_SECONDS + 1
"""Requests under way at the end are answered within their patience."""

_log = logging.getLogger(__name__)


class Listening:
    """A listener that runs.

    Attributes:
        url: Address callbacks are taken at, on this machine.
    """

    def __init__(self, url: str, receiver: Receiver, server: _Server) -> None:
        self.url = url
        self._receiver = receiver
        self._server = server

    def report(self) -> ListenReport:
        """Returns what became of the callbacks so far."""
        return self._receiver.report()

    def wait(self, seconds: float | None = None) -> bool:
        """Tells whether the server has ended, which it does by itself only over a defect.

        Args:
            seconds: Longest wait for that; default: until then.

        Raises:
            Exception: What ended it.
        """
        return self._server.wait(seconds)


@contextmanager
def listening(
    storage: Storage,
    settings: CallbackSettings,
    *,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    signed: bool = True,
) -> Iterator[Listening]:
    """Takes callbacks while the body runs; at its end, those under way are answered first.

    The ids the ledger knows are read once: what others add meanwhile may be written twice, which
    changes nothing.

    Args:
        storage: The lake.
        settings: Address, key and types that count.
        host: Name or address of this machine to listen at.
        port: Port; 0 for any free one.
        signed: Take only what is signed by the service.

    Yields:
        The running listener.

    Raises:
        ConfigurationError: Key or address is missing or wrong, unsigned callbacks would be taken
            from other machines, or the port is taken.
    """
    signer, path = _signer(settings, host, signed=signed), path_of(settings)
    known = known_ids(storage)

    def append(records: Sequence[Mapping[str, object]]) -> None:
        written = ledger.append(storage, records, ORIGIN)
        _log.info("added to the ledger: %d, in %s", len(records), written)

    with _bound_socket(host, port) as bound, Intake(append, known) as intake:
        receiver = Receiver(path, signer, settings.counted_types, intake)
        with _Server(receiver, bound) as server:
            name, number = bound.getsockname()[:2]
            shown = f"[{name}]" if ":" in name else name
            yield Listening(f"http://{shown}:{number}{path}", receiver, server)


def _signer(settings: CallbackSettings, host: str, *, signed: bool) -> Signer | None:
    if signed:
        return signer_of(settings)
    if settings.callback_key is not None:
        raise ConfigurationError(
            "COGNITION_CALLBACK_KEY is set and --no-signature given: drop one of them"
        )
    if not is_loopback(host):
        raise ConfigurationError(
            "--no-signature takes anything from anybody: use it with --host 127.0.0.1 only, or "
            "set COGNITION_CALLBACK_KEY"
        )
    return None


def _bound_socket(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        said = str(getattr(error, "strerror", None) or error)
        reason = said.partition(" (while")[0]  # create_server adds the address
        raise ConfigurationError(
            f"cannot listen at {host}, port {port}: {reason}; choose others with --host and --port"
        ) from None


class _Server:
    """waitress with an orderly end: its own cancels requests that wait, and flushes no answers."""

    def __init__(self, application: Receiver, bound: socket.socket) -> None:
        # Requests that wait for a thread for a moment are no news.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._server = create_server(
            application,
            sockets=[bound],
            threads=_THREADS,
            backlog=_BACKLOG,
            connection_limit=_CONNECTIONS,
            channel_timeout=_IDLE_SECONDS,
            max_request_body_size=LIMIT_BYTES + 1,  # the first size that waitress refuses
            max_request_header_size=_HEADER_BYTES,
            asyncore_use_poll=True,
            log_socket_errors=False,  # a caller that hangs up is no news either
            ident=None,
        )
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="callback-server")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._server.pull_trigger()  # wakes it
        self._thread.join()

    def wait(self, seconds: float | None) -> bool:
        self._thread.join(seconds)
        if self._failure is not None:
            raise self._failure
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._turn(1.0)
            wasyncore.dispatcher.close(self._server)  # nobody else comes
            ends = time.monotonic() + _GRACE_SECONDS
            while self._is_answering() and time.monotonic() < ends:
                self._turn(0.05)
        except BaseException as error:  # noqa: BLE001 - told by `wait` in the main thread
            self._failure = error
        finally:
            self._server.task_dispatcher.shutdown()
            wasyncore.close_all(self._server._map)  # noqa: SLF001 - as its own `run` does

    def _turn(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._server._map, count=1)  # noqa: SLF001 - as above

    def _is_answering(self) -> bool:
        channels = list(self._server.active_channels.values())
        return any(each.requests or each.total_outbufs_len for each in channels)
