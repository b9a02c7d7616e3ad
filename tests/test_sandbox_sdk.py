"""The real SDK against the sandbox: signatures it makes are accepted, faults are as documented."""

from __future__ import annotations

import os
from typing import Any

import pytest

from sandbox import Fault, Faults, Sandbox
from sandbox.samples import sample_reply
from sandbox.samples.dirt import Flaw
from sandbox.samples.ids import job_ids
from sandbox.server import DEFAULT_CREDENTIALS
from sandbox.signature import Credentials

ALL = '{"NeedAsr":true,"NeedOcr":true,"NeedProcess":true}'
CLIENT, THROTTLING, SERVER, UNRETRYABLE = (
    "ClientException",
    "ThrottlingException",
    "ServerException",
    "UnretryableException",
)
# Fault, exception, code, HTTP status, retry_after in ms, type and words of the inner exception.
EXPECTED = {
    Fault.THROTTLE_429: (CLIENT, "Throttling.User", 429, None, ""),
    Fault.THROTTLE_400: (CLIENT, "Throttling.User", 400, None, ""),
    Fault.THROTTLE_429_RETRY_AFTER: (THROTTLING, "Throttling.User", 429, 200, ""),
    Fault.THROTTLE_400_RETRY_AFTER: (THROTTLING, "Throttling.User", 400, 200, ""),
    Fault.INTERNAL_ERROR: (SERVER, "InternalError", 500, None, ""),
    Fault.FORBIDDEN: (CLIENT, "Forbidden.RAM", 403, None, ""),
    Fault.BAD_GATEWAY: (UNRETRYABLE, None, None, None, "RuntimeError"),
    Fault.EMPTY_503: (UNRETRYABLE, None, None, None, "RuntimeError"),
    Fault.CUT_OFF: (UNRETRYABLE, None, None, None, "RetryError"),
    Fault.HANG: (UNRETRYABLE, None, None, None, "RetryError"),
    Fault.RESET: (UNRETRYABLE, None, None, None, "RetryError"),
}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    # The SDK honours proxy variables and ignores NO_PROXY, even for loopback addresses.
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def ask(sandbox: Sandbox, job: str, key: Credentials = DEFAULT_CREDENTIALS) -> dict[str, Any]:
    """Returns what the SDK's `call_api` returns for `job`: body, headers and statusCode."""
    from alibabacloud_ice20201109.client import Client  # takes 2.6 s
    from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
    from darabonba.runtime import RuntimeOptions

    config = Config(
        access_key_id=key.access_key_id,
        access_key_secret=key.access_key_secret,
        security_token=key.security_token,
        endpoint=sandbox.endpoint,
        protocol="http",
    )
    params = Params(
        action="QueryVideoCognitionJob",
        version="2020-11-09",
        protocol="HTTPS",
        pathname="/",
        method="POST",
        auth_type="AK",
        style="RPC",
        req_body_type="formData",
        body_type="byte",
    )
    request = OpenApiRequest(query={"JobId": job, "IncludeResults": ALL})
    answer: dict[str, Any] = Client(config).call_api(
        params, request, RuntimeOptions(read_timeout=2000)
    )
    return answer


def failure(sandbox: Sandbox, job: str, key: Credentials = DEFAULT_CREDENTIALS) -> Exception:
    """Returns the exception the SDK raises for `job`."""
    with pytest.raises(Exception) as caught:  # noqa: PT011  # which one is what is asked
        ask(sandbox, job, key)
    return caught.value


@pytest.mark.slow
def test_the_sdk_gets_exact_bytes_and_documented_errors() -> None:
    """The SDK's own signature is let in, and every fault raises what is documented."""
    ids = job_ids(7, 200)
    truncated, *others = ids
    plan = {job: [fault] for job, fault in zip(others, EXPECTED, strict=False)}
    plan[truncated] = [Fault.TRUNCATED]
    with Sandbox(jobs=200, faults=Faults(plan=plan, hang_seconds=60)) as sandbox:
        for job in sandbox.ids_with(Flaw.NONE)[-3:]:
            answer = ask(sandbox, job)
            assert (answer["statusCode"], answer["body"]) == (200, sample_reply(7, ids.index(job)))
        body = sample_reply(7, 0)
        assert ask(sandbox, truncated)["body"] == body[: len(body) // 2]
        seen = {}
        for job, fault in zip(others, EXPECTED, strict=False):
            error = failure(sandbox, job)
            inner = getattr(error, "inner_exception", None)
            seen[fault] = (
                type(error).__name__,
                getattr(error, "code", None),
                getattr(error, "status_code", None),
                getattr(error, "retry_after", None),
                type(inner).__name__ if inner else "",
            )
        assert seen == EXPECTED
        missing = failure(sandbox, sandbox.ids_with(Flaw.UNKNOWN_JOB)[0])
        assert (missing.code, missing.status_code) == ("JobNotFound", 404)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_the_sdk_with_wrong_keys_is_refused() -> None:
    """A wrong key id, secret or token is turned away with its own code; the right one works."""
    right = Credentials("sts-id", "sts-secret", "sts-token")
    with Sandbox(jobs=1, clean=True, credentials=right) as sandbox:
        (job,) = sandbox.job_ids
        assert ask(sandbox, job, right)["body"] == sample_reply(7, 0, clean=True)
        wrong = (
            Credentials("other", "sts-secret", "sts-token"),
            Credentials("sts-id", "other", "sts-token"),
            Credentials("sts-id", "sts-secret", "other"),
            Credentials("sts-id", "sts-secret"),
        )
        errors = [failure(sandbox, job, key) for key in wrong]
        codes = [(error.status_code, error.code) for error in errors]  # type: ignore[attr-defined]
        assert codes == [
            (404, "InvalidAccessKeyId.NotFound"),
            (400, "SignatureDoesNotMatch"),
            (400, "InvalidSecurityToken.MismatchWithAccessKey"),
            (400, "MissingSecurityToken"),
        ]
        assert sandbox.calls[job] == 1
