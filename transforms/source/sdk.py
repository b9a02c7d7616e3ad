"""The one module that imports the Alibaba Cloud SDK: builds its client, calls it, reads its errors.

Import it late: the SDK costs a second and 75 MB, and `--help` needs none of it. Its typed models
are bypassed, for they drop unexpected fields without a word: replies are taken as bytes.
"""

from __future__ import annotations

import ipaddress
import json
import logging
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from alibabacloud_credentials.client import Client as CredentialClient
from alibabacloud_credentials.exceptions import CredentialException
from alibabacloud_ice20201109.client import Client
from alibabacloud_tea_openapi.utils_models import Config, OpenApiRequest, Params
from darabonba.core import DaraCore
from darabonba.exceptions import RetryError
from darabonba.request import DaraRequest
from darabonba.runtime import RuntimeOptions
from requests.exceptions import RequestException
from requests.utils import should_bypass_proxies
from Tea.exceptions import TeaException

from transforms.errors import ConfigurationError, SourceRefusedError
from transforms.settings import SourceSettings
from transforms.source.access import endpoint_of, key_pair_of
from transforms.source.errors import (
    CREDENTIALS_REMEDY,
    Failure,
    ServiceError,
    failure_of,
    no_answer,
)

_CHATTY_LOGGERS: Final = ("darabonba-core", "alibabacloud-tea", "credentials")
_TRACING_LOGGER: Final = "credentials"
_CALL: Final = Params(
    action="QueryVideoCognitionJob",
    version="2020-11-09",
    protocol="HTTPS",  # the client's own protocol goes first
    pathname="/",
    method="POST",
    auth_type="AK",
    style="RPC",
    req_body_type="formData",
    body_type="byte",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP reply below 400: its status and its exact bytes."""

    http_status: int
    body: bytes


class ServiceClient:
    """Asks the service for one job at a time; safe to share between threads.

    Raises:
        ConfigurationError: Endpoint, region or key pair cannot be right.
        SourceRefusedError: The credential chain cannot even be built.
    """

    def __init__(self, settings: SourceSettings) -> None:
        self.host = endpoint_of(settings)
        self._include = json.dumps(
            {
                "NeedAsr": settings.need_asr,
                "NeedOcr": settings.need_ocr,
                "NeedProcess": settings.need_process,
            },
            separators=(",", ":"),
        )
        self._client = _build_client(settings, self.host)

    def call(self, job_id: str) -> Answer | Failure:
        """Asks once, without retry.

        A failure is returned, not raised: raised from the SDK's exception it would carry along
        the request with its signature.

        Args:
            job_id: The job to ask for.
        """
        request = OpenApiRequest(query={"JobId": job_id, "IncludeResults": self._include})
        try:
            reply = self._client.call_api(_CALL, request, RuntimeOptions())
        except TeaException as error:
            return read_failure(job_id, self.host, error)
        return Answer(reply["statusCode"], reply["body"])


def read_failure(job_id: str, host: str, error: Any) -> Failure:  # noqa: ANN401  untyped SDK
    """Returns an exception of the SDK as a failure of ours.

    Args:
        job_id: The job that was asked for.
        host: The endpoint that was asked.
        error: A `TeaException`; whatever happened inside the SDK is wrapped in one.
    """
    inner = getattr(error, "inner_exception", None)
    if inner is not None:
        return _read_inner(job_id, host, inner)
    data = error.data if isinstance(error.data, dict) else {}
    # `statusCode` was put there by the SDK; a missing code becomes the string 'None'.
    wire = {key: value for key, value in data.items() if key != "statusCode"}
    body = json.dumps(wire, ensure_ascii=False, separators=(",", ":"))
    retry_after = getattr(error, "retry_after", None)
    seen = ServiceError(
        code=error.code if isinstance(error.code, str) and error.code != "None" else None,
        http_status=getattr(error, "status_code", None),
        retry_after_seconds=None if retry_after is None else retry_after / 1000,
    )
    return failure_of(job_id, host, seen, body.encode(errors="backslashreplace"))


def _read_inner(job_id: str, host: str, inner: BaseException) -> Failure:
    if isinstance(inner, CredentialException):
        return Failure(SourceRefusedError(f"No credentials for {host}. {CREDENTIALS_REMEDY}"), None)
    if isinstance(inner, RetryError):
        return no_answer(job_id, host, f"no answer ({_network_trouble(inner.message)})")
    if isinstance(inner, RequestException):
        remedy = "Check COGNITION_ENDPOINT."
        return Failure(ConfigurationError(f"{host} cannot be addressed. {remedy}"), None)
    return no_answer(job_id, host, f"an unreadable error page ({type(inner).__name__})")


def _network_trouble(message: str) -> str:
    """Returns the kind of trouble; the SDK's text names the URL and is not passed on."""
    kinds = {
        "ProxyError": "the proxy cannot be reached",
        "timed out": "timed out",
        "refused": "connection refused",
        "reset": "connection reset",
        "CERTIFICATE": "its certificate is not trusted",
        "SSL": "the TLS handshake failed",
        "resolve": "its name cannot be resolved",
        "redirects": "it redirects elsewhere",
    }
    return next((plain for mark, plain in kinds.items() if mark in message), "connection broken")


def _build_client(settings: SourceSettings, host: str) -> Any:  # noqa: ANN401  untyped SDK
    _quieten()
    pair = key_pair_of(settings)
    config = Config(
        access_key_id=pair.key_id if pair else None,
        access_key_secret=pair.secret if pair else None,
        security_token=pair.token if pair else None,
        credential=None if pair else _default_chain(),
        region_id=settings.region,
        endpoint=host,
        protocol=settings.protocol,
        connect_timeout=max(1, round(settings.connect_timeout_seconds * 1000)),
        read_timeout=max(1, round(settings.read_timeout_seconds * 1000)),
        max_idle_conns=settings.concurrency,
    )
    client = Client(config)
    _go_direct_where_told(settings, host)
    return client


def _default_chain() -> Any:  # noqa: ANN401  untyped SDK
    try:
        return CredentialClient()
    except (CredentialException, ValueError):
        trouble = SourceRefusedError(f"The credential chain is unusable. {CREDENTIALS_REMEDY}")
    raise trouble


def _quieten() -> None:
    """Takes back the DEBUG handlers the SDK installs on import: they print signed headers."""
    for name in _CHATTY_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        # The chain prints a traceback for each place without keys; we say what to do in one line.
        logger.setLevel(logging.CRITICAL if name == _TRACING_LOGGER else logging.WARNING)


def _go_direct_where_told(settings: SourceSettings, host: str) -> None:
    """Makes the SDK's session for `host` obey NO_PROXY and refuse redirects.

    The SDK passes HTTP_PROXY and HTTPS_PROXY on and ignores NO_PROXY, in the environment and in
    its own options. It keeps one session per host; ours is made ahead of its first use, which
    also spares the threads a race for it.
    """
    key = f"{settings.protocol}://{host}:{DaraRequest().port}:pool={settings.concurrency}"
    session = DaraCore._get_session(  # noqa: SLF001  no public way leads past its proxies
        session_key=key, protocol=settings.protocol, pool_size=settings.concurrency
    )
    session.max_redirects = 0  # a redirect would take the security token to another host
    prefix = f"{settings.protocol}://"
    inner = session.get_adapter(prefix + host)
    if not isinstance(inner, _NoProxyAdapter):
        session.mount(prefix, _NoProxyAdapter(inner))


class _NoProxyAdapter:
    """Sends by another adapter, without its proxies where loopback or NO_PROXY says so."""

    def __init__(self, inner: Any) -> None:  # noqa: ANN401  a requests adapter
        self._inner = inner

    def send(self, request: Any, **options: Any) -> Any:  # noqa: ANN401  requests' signature
        """Sends `request` as the inner adapter does."""
        if goes_direct(request.url):
            options["proxies"] = {}
        return self._inner.send(request, **options)

    def close(self) -> None:
        """Closes the inner adapter."""
        self._inner.close()


def goes_direct(url: str) -> bool:
    """Returns whether `url` must be reached without a proxy: loopback, or named in NO_PROXY."""
    name = urlsplit(url).hostname or ""
    try:
        loopback = ipaddress.ip_address(name).is_loopback
    except ValueError:
        loopback = name == "localhost" or name.endswith(".localhost")
    return loopback or bool(should_bypass_proxies(url, no_proxy=None))
