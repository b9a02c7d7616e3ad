"""A plain HTTP client that signs its own requests to the sandbox."""

from __future__ import annotations

import http.client
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from sandbox import Sandbox
from sandbox.signature import ALGORITHM, SignedRequest, sign

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
ALL = '{"NeedAsr":true,"NeedOcr":true,"NeedProcess":true}'


class Answered(NamedTuple):
    """What a call brought back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """Returns the error code of the body."""
        return str(json.loads(self.body)["Code"])


def call(  # noqa: PLR0913  # each changes one thing about an otherwise right request
    sandbox: Sandbox,
    job: str | None,
    *,
    include: str | None = ALL,
    action: str = "QueryVideoCognitionJob",
    version: str = "2020-11-09",
    method: str = "POST",
    age: timedelta = timedelta(0),
    nonce: str | None = None,
    connection: http.client.HTTPConnection | None = None,
) -> Answered:
    """Returns the answer to a signed query for `job`."""
    query = {"JobId": job, "IncludeResults": include}
    pairs = [(name, value) for name, value in query.items() if value is not None]
    headers = {
        "host": sandbox.endpoint,
        "x-acs-action": action,
        "x-acs-content-sha256": EMPTY_SHA256,
        "x-acs-date": (datetime.now(UTC) - age).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce or uuid.uuid4().hex,
        "x-acs-version": version,
    }
    signature = sign(
        SignedRequest(method, "/", pairs, headers), list(headers), sandbox.access_key_secret
    )
    headers["Authorization"] = (
        f"{ALGORITHM} Credential={sandbox.access_key_id},"
        f"SignedHeaders={';'.join(headers)},Signature={signature}"
    )
    own = connection or http.client.HTTPConnection(sandbox.endpoint, timeout=20)
    try:
        own.request(method, f"/?{urlencode(pairs)}", headers=headers)
        response = own.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answered(response.status, names, response.read())
    finally:
        if connection is None:
            own.close()
