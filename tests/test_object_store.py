"""Lake URIs: what Arrow's own cannot say, seen from the store's side."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from transforms.errors import ConfigurationError
from transforms.storage import Storage


class Store(ThreadingHTTPServer):
    """A store that holds nothing, and notes which host and path it was asked by."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    """Answers everything with 404."""

    def do_HEAD(self) -> None:
        """Notes the request."""
        assert isinstance(self.server, Store)
        self.server.asked.append((self.headers["Host"].partition(":")[0], self.path))
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD  # noqa: N815 - the library's name

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store on the loopback interface, reached without a proxy."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Store() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("&force_virtual_addressing=true", ("bucket.localhost", "/lake/lake.json")),
        ("&force_virtual_addressing=false", ("localhost", "/bucket/lake/lake.json")),
        ("", ("localhost", "/bucket/lake/lake.json")),
    ],
)
def test_the_bucket_stands_in_the_host_where_asked(
    store: Store, option: str, expected: tuple[str, str]
) -> None:
    """OSS takes virtual-hosted addresses only; other stores go on with the bucket in the path."""
    place = f"region=x&scheme=http&endpoint_override=localhost:{store.server_port}"
    storage = Storage.at(f"s3://AK:S3CRET@bucket/lake?{place}{option}")
    assert (storage.local, storage.root) == (None, "bucket/lake")
    assert not storage.exists("lake.json")
    assert store.asked[0] == expected


@pytest.mark.parametrize(
    "options", ["force_virtual_addressing=maybe", "force_virtual_addressing=true&acl=S3CRET"]
)
def test_a_wrong_option_is_refused_without_its_keys(options: str) -> None:
    """What cannot be right ends with the remedy; keys and options stay out of the message."""
    with pytest.raises(ConfigurationError, match="its options are wrong") as refused:
        Storage.at(f"s3://AK:S3CRET@bucket/lake?{options}")
    assert "S3CRET" not in str(refused.value)
