"""The vendor's queue: Message Service (MNS, now Simple Message Queue) through its own SDK.

What the SDK (`aliyun-mns-sdk` 1.3) does, and what is done about it:

- Its own Base64 decoding spoils a whole batch over one message that is none: it is off, and
  `body` decodes.
- Over TLS it verifies certificates, but has no timeout at all, and its way to set one falls back
  to plain HTTP: the timeout is set on its connection.
- It knows no proxies, those of the environment are passed over.
- It says nothing of itself as long as it gets no logger, so it gets none. Its errors quote the
  texts of messages and of signed requests: of these only the code is passed on.
- An empty security token must be an empty text: None breaks every request.
"""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from transforms.errors import CognitionError, ConfigurationError, RetryableError, SourceRefusedError
from transforms.messages.queue import BATCH_LIMIT, Message
from transforms.settings import QueueSettings, SourceSettings
from transforms.source.access import KeyPair, key_pair_of
from transforms.source.errors import CREDENTIALS_REMEDY, readable_code

QUEUE_NOT_SET: Final = (
    "COGNITION_QUEUE_NAME is not set: give it the name of the queue of completion messages."
)
"""Said to who asks for a queue where none is configured."""
_ENDPOINT_FORM: Final = (
    "the endpoint of Message Service, such as https://<account id>.mns.cn-shanghai.aliyuncs.com"
)
_ENDPOINT = re.compile(r"(https?)://((?:[A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?)/?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,255}")
_EMPTY: Final = "MessageNotExist"
_TRANSIENT: Final = ("QpsLimitExceeded", "Throttling", "InternalError", "InternalServerError")
_NO_QUEUE: Final = ("QueueNotExist", "InvalidQueueName", "QueueNameLengthError")
_CLOCK: Final = ("TimeExpired", "InvalidDateHeader")
_KEYS = re.compile(r"AccessKey|Signature|Authorization|Token")
_DENIED: Final = ("AccessDenied", "Forbidden", "NoPermission")
_CLOCK_REMEDY: Final = "Set this machine's clock by a time server."
_PERMISSION_REMEDY: Final = (
    "Grant this account the RAM actions mns:BatchReceiveMessage and mns:BatchDeleteMessage on "
    "acs:mns:*:*:/queues/<queue>/messages."
)
_TROUBLES: Final = {
    "timed out": "timed out",
    "CERTIFICATE": "its certificate is not trusted",
    "SSL": "the TLS handshake failed",
    "refused": "connection refused",
    "reset": "connection reset",
    "Name or service": "its name cannot be resolved",
    "name resolution": "its name cannot be resolved",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the queue is.

    Attributes:
        url: Endpoint with its scheme.
        host: The same without it, for messages.
        name: The queue's name.
    """

    url: str
    host: str
    name: str


def place_of(settings: QueueSettings) -> Place:
    """Returns where the queue is.

    Raises:
        ConfigurationError: Endpoint or name is missing or cannot be one, or plain HTTP is asked of
            the real service.
    """
    endpoint, name = settings.queue_endpoint, settings.queue_name
    if not name:
        raise ConfigurationError(QUEUE_NOT_SET)
    if not endpoint:
        raise ConfigurationError(f"COGNITION_QUEUE_ENDPOINT is not set: give it {_ENDPOINT_FORM}.")
    if "://" not in endpoint:
        endpoint = f"https://{endpoint}"
    found = _ENDPOINT.fullmatch(endpoint)
    if found is None:
        raise ConfigurationError(
            f"COGNITION_QUEUE_ENDPOINT must be {_ENDPOINT_FORM}, without a path."
        )
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            "COGNITION_QUEUE_NAME must be the name of a queue: letters, digits, - and _."
        )
    scheme, host = found.groups()
    if scheme == "http" and (urlsplit(f"//{host}").hostname or "").endswith("aliyuncs.com"):
        raise ConfigurationError(f"{host} is asked over https:// only: correct the endpoint.")
    return Place(f"{scheme}://{host}", host, name)


class MnsQueue:
    """A queue of Message Service; for one thread at a time.

    Keys are those of the source settings, or else what the default credential chain finds anew
    for each request, so that temporary keys are renewed.

    Args:
        settings: Where the queue is.
        source: The key pair, if one is given.

    Raises:
        ConfigurationError: The SDK is not installed, or endpoint, name or key pair cannot be right.
        SourceRefusedError: The credential chain cannot even be built.
    """

    def __init__(self, settings: QueueSettings, source: SourceSettings) -> None:
        self._place = place_of(settings)
        pair = key_pair_of(source)
        account, self._errors = _import_sdk()
        client = account(
            self._place.url, "", "", credentials_provider=_Keys(pair) if pair else _ChainKeys()
        )
        self._queue = client.get_queue(self._place.name)
        self._queue.set_encoding(False)
        connection = client.mns_client.http.conn
        silence = settings.queue_wait_seconds + settings.queue_timeout_seconds
        connection.timeout = silence  # what HTTPSConnection goes by
        connection.connection_timeout = silence  # what the SDK's plain HTTP goes by

    def receive(self, wait_seconds: int, limit: int) -> list[Message]:
        """Returns the next messages; see `MessageQueue`."""
        failure: CognitionError
        try:
            found = self._queue.batch_receive_message(min(limit, BATCH_LIMIT), wait_seconds)
            return [Message(each.message_body, each.receipt_handle) for each in found]
        except self._errors as error:
            if error.type == _EMPTY:
                return []
            failure = _error_of(error, self._place)
        raise failure  # out here it does not carry the SDK's exception along

    def acknowledge(self, receipts: Sequence[str]) -> int:
        """Removes messages for good; see `MessageQueue`."""
        return sum(self._delete(batch) for batch in _batches(receipts))

    def _delete(self, receipts: Sequence[str]) -> int:
        failure: CognitionError
        try:
            self._queue.batch_delete_message(list(receipts))
        except self._errors as error:
            failed = getattr(error, "sub_errors", None)
            if failed:  # their loan is over: they come again
                return len(receipts) - len(failed)
            failure = _error_of(error, self._place)
        else:
            return len(receipts)
        raise failure


def _batches(receipts: Sequence[str]) -> Iterator[Sequence[str]]:
    return (receipts[at : at + BATCH_LIMIT] for at in range(0, len(receipts), BATCH_LIMIT))


def _import_sdk() -> tuple[Any, Any]:
    """Returns the SDK's `Account` and the root of its exceptions."""
    try:
        account = importlib.import_module("mns.account").Account
        errors = importlib.import_module("mns.mns_exception").MNSExceptionBase
    except ImportError:
        raise ConfigurationError(
            "The SDK of Message Service is not installed: pip install 'cognition-warehouse[mns]'."
        ) from None
    return account, errors


def _error_of(error: Any, place: Place) -> CognitionError:  # noqa: ANN401  untyped SDK
    """Returns an exception of the SDK as one of ours, without its text."""
    code, queue = str(error.type), f"Queue {place.name} at {place.host}"
    if code == "NetWorkException":
        said = str(error.message)
        trouble = next((ours for mark, ours in _TROUBLES.items() if mark in said), "broken off")
        return RetryableError(
            f"{queue} cannot be reached ({trouble}). Messages stay in it; check "
            "COGNITION_QUEUE_ENDPOINT and the network, then try again."
        )
    if code == "RespDataDamaged":
        return RetryableError(f"{queue} gave an unreadable answer. Messages stay in it; try again.")
    shown = readable_code(code)
    if code in _NO_QUEUE:
        return ConfigurationError(
            f"{queue} does not exist ({shown}). Create it, or correct COGNITION_QUEUE_NAME and "
            "COGNITION_QUEUE_ENDPOINT."
        )
    if not code.startswith(_TRANSIENT) and (remedy := _refusal_remedy(code)):
        return SourceRefusedError(f"{queue} refused us ({shown}). {remedy}")
    return RetryableError(
        f"{queue} is not ready to answer ({shown}). Messages stay in it; try again later."
    )


def _refusal_remedy(code: str) -> str | None:
    if code.startswith(_CLOCK):
        return _CLOCK_REMEDY
    if code.startswith(_DENIED):
        return _PERMISSION_REMEDY
    return CREDENTIALS_REMEDY if _KEYS.search(code) else None


class _Credentials(Protocol):
    def get_access_key_id(self) -> str: ...
    def get_access_key_secret(self) -> str: ...
    def get_security_token(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Keys:
    """A key pair in the SDK's words, provider and credentials in one."""

    pair: KeyPair = field(repr=False)

    def get_credentials(self) -> _Credentials:
        return self

    def get_access_key_id(self) -> str:
        return self.pair.key_id

    def get_access_key_secret(self) -> str:
        return self.pair.secret

    def get_security_token(self) -> str:
        return self.pair.token or ""


class _ChainKeys:
    """The default credential chain in the SDK's words; it renews temporary keys in time."""

    def __init__(self) -> None:
        self._refused: SourceRefusedError | None = None
        self._client: Any = None
        module = importlib.import_module("alibabacloud_credentials.client")
        # The chain prints a traceback for each place without keys.
        logger = logging.getLogger("credentials")
        logger.handlers.clear()
        logger.setLevel(logging.CRITICAL)
        try:
            self._client = module.Client()
        except Exception:  # noqa: BLE001 - its exceptions have no common root; none holds a remedy
            self._refused = SourceRefusedError(
                f"The credential chain is unusable. {CREDENTIALS_REMEDY}"
            )
        if self._refused is not None:
            raise self._refused

    def get_credentials(self) -> _Credentials:
        try:
            found = self._client.get_credential()
            pair = KeyPair(
                found.get_access_key_id(),
                found.get_access_key_secret(),
                found.get_security_token(),
            )
        except Exception:  # noqa: BLE001 - as above
            pair = None
        if pair is None:
            raise SourceRefusedError(f"No credentials for the queue. {CREDENTIALS_REMEDY}")
        return _Keys(pair)
