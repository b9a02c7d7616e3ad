"""The sandbox's own check of `ACS3-HMAC-SHA256`."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.signature import (
    ALGORITHM,
    NONCE_LIFETIME,
    Credentials,
    NonceStore,
    SignedRequest,
    canonical_request,
    sign,
    verify,
)

# The example that the vendor publishes with the description of the algorithm.
SECRET = "YourAccessKeySecret"
KEY = Credentials("YourAccessKeyId", SECRET)
SIGNATURE = "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
NAMES = (
    "host",
    "x-acs-action",
    "x-acs-content-sha256",
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-version",
)
NOW = datetime(2023, 10, 26, 10, 22, 32, tzinfo=UTC)


def signed_like(request: SignedRequest, names: Sequence[str] = NAMES) -> SignedRequest:
    """Returns `request` with a right signature over `names`."""
    signature = sign(request, names, SECRET)
    listed = ";".join(names)
    value = f"{ALGORITHM} Credential=YourAccessKeyId,SignedHeaders={listed},Signature={signature}"
    return replace(request, headers={**request.headers, "authorization": value})


def with_headers(request: SignedRequest, **changes: str | None) -> SignedRequest:
    """Returns `request` with headers set, or taken away where None."""
    headers = dict(request.headers)
    for name, value in changes.items():
        headers.pop(name.replace("_", "-"), None)
        if value is not None:
            headers[name.replace("_", "-")] = value
    return replace(request, headers=headers)


EXAMPLE = SignedRequest(
    method="POST",
    path="/",
    query=[
        ("RegionId", "cn-shanghai"),
        ("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"),
    ],
    headers={
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": EMPTY_SHA256,
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2014-05-26",
        "authorization": f"{ALGORITHM} Credential=YourAccessKeyId,"
        f"SignedHeaders={';'.join(NAMES)},Signature={SIGNATURE}",
    },
)


def rejected(
    request: SignedRequest, key: Credentials = KEY, now: datetime = NOW
) -> tuple[int, str] | None:
    """Returns status and code of the rejection by a service that has seen no nonce yet."""
    rejection = verify(request, key, NonceStore(), now)
    return (rejection.status, rejection.code) if rejection else None


def test_the_published_example_has_the_published_signature() -> None:
    """The vendor's worked example gives the vendor's signature and is let in."""
    assert sign(EXAMPLE, NAMES, SECRET) == SIGNATURE
    assert rejected(EXAMPLE) is None


def test_canonical_request_escapes_and_sorts_as_described() -> None:
    """Query pairs are sorted and escaped by RFC 3986, headers trimmed and sorted, body hashed."""
    request = SignedRequest(
        method="post",
        path="/a b/c",
        query=[("b", "1 2*~"), ("a", ""), ("a+", "\u4e2d")],
        headers={"host": " example.com ", "x-acs-date": "d"},
    )
    assert canonical_request(request, ["x-acs-date", "Host"]) == (
        "POST\n"
        "/a%20b/c\n"
        "a=&a%2B=%E4%B8%AD&b=1%202%2A~\n"
        "host:example.com\n"
        "x-acs-date:d\n"
        "\n"
        "host;x-acs-date\n"
        f"{EMPTY_SHA256}"
    )


def test_a_body_is_covered() -> None:
    """A signed body is let in; another body with the same headers is not."""
    sha256_of_hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    request = with_headers(replace(EXAMPLE, body=b"hello"), x_acs_content_sha256=sha256_of_hello)
    assert rejected(signed_like(request)) is None
    assert rejected(signed_like(replace(request, body=b"jello"))) == (400, "SignatureDoesNotMatch")


@pytest.mark.parametrize(
    "changed",
    [
        replace(EXAMPLE, query=[("RegionId", "cn-beijing")]),
        replace(EXAMPLE, method="GET"),
        replace(EXAMPLE, path="/other"),
        with_headers(EXAMPLE, x_acs_version="2014-05-27"),
        with_headers(EXAMPLE, host="ecs.cn-beijing.aliyuncs.com"),
    ],
)
def test_whatever_is_changed_after_signing_is_noticed(changed: SignedRequest) -> None:
    """A signature holds for one method, path, query and set of headers only."""
    assert rejected(changed) == (400, "SignatureDoesNotMatch")


def test_a_wrong_secret_does_not_match() -> None:
    """A signature made with another secret is turned away."""
    key = Credentials("YourAccessKeyId", "another")
    assert rejected(EXAMPLE, key) == (400, "SignatureDoesNotMatch")


def test_an_unknown_key_is_not_found() -> None:
    """A key id that the service does not know is 404, whatever the signature."""
    key = Credentials("OtherKeyId", SECRET)
    assert rejected(EXAMPLE, key) == (404, "InvalidAccessKeyId.NotFound")


@pytest.mark.parametrize("name", NAMES)
def test_every_piece_must_be_there(name: str) -> None:
    """Without one of the headers that the algorithm needs, a request is incomplete."""
    request = with_headers(EXAMPLE, **{name: None})
    assert rejected(request) == (400, "IncompleteSignature")


@pytest.mark.parametrize("name", NAMES)
def test_every_piece_must_be_signed(name: str) -> None:
    """A header that is there but not signed could have been changed on the way."""
    request = signed_like(EXAMPLE, [other for other in NAMES if other != name])
    assert rejected(request) == (400, "IncompleteSignature")


@pytest.mark.parametrize(
    "value",
    [
        None,
        "Basic YTpi",
        f"{ALGORITHM} Credential=YourAccessKeyId,Signature={SIGNATURE}",
        f"{ALGORITHM} Credential=YourAccessKeyId,SignedHeaders=host,Signature=12ab",
        f"ACS3-HMAC-SM3 Credential=YourAccessKeyId,SignedHeaders=host,Signature={SIGNATURE}",
    ],
)
def test_an_authorization_of_another_kind_is_incomplete(value: str | None) -> None:
    """No, half or another algorithm's Authorization header is turned away."""
    assert rejected(with_headers(EXAMPLE, authorization=value)) == (400, "IncompleteSignature")


@pytest.mark.parametrize(
    ("minutes", "code"),
    [(15, None), (-15, None), (15.1, "Expired"), (-15.1, "Expired"), (60 * 24 * 365, "Expired")],
)
def test_a_date_is_good_for_fifteen_minutes(minutes: float, code: str | None) -> None:
    """A clock may differ by a quarter of an hour either way, not more."""
    expected = code and (400, f"InvalidTimeStamp.{code}")
    assert rejected(EXAMPLE, now=NOW + timedelta(minutes=minutes)) == expected


def test_a_date_in_another_form_is_refused() -> None:
    """Only UTC to the second, as the algorithm writes it, is a date."""
    request = signed_like(with_headers(EXAMPLE, x_acs_date="Thu, 26 Oct 2023 10:22:32 GMT"))
    assert rejected(request) == (400, "InvalidTimeStamp.Format")


def test_a_nonce_works_once() -> None:
    """The same request a second time is a replay."""
    nonces = NonceStore()
    assert verify(EXAMPLE, KEY, nonces, NOW) is None
    second = verify(EXAMPLE, KEY, nonces, NOW)
    assert second is not None
    assert (second.status, second.code) == (400, "SignatureNonceUsed")


def test_a_forged_request_does_not_burn_the_nonce() -> None:
    """Somebody without the secret cannot use up the nonce of somebody who has it."""
    nonces = NonceStore()
    forged = with_headers(
        EXAMPLE, authorization=EXAMPLE.headers["authorization"].replace(SIGNATURE, "0" * 64)
    )
    assert verify(forged, KEY, nonces, NOW) is not None
    assert verify(EXAMPLE, KEY, nonces, NOW) is None


@pytest.mark.parametrize(
    ("sent", "known", "expected"),
    [
        ("token-1", "token-1", None),
        ("token-2", "token-1", (400, "InvalidSecurityToken.MismatchWithAccessKey")),
        ("token-1", None, (400, "InvalidSecurityToken.MismatchWithAccessKey")),
        (None, "token-1", (400, "MissingSecurityToken")),
    ],
)
def test_a_temporary_key_needs_its_own_token(
    sent: str | None, known: str | None, expected: tuple[int, str] | None
) -> None:
    """A temporary key pair is accepted with its token alone, and a lasting one without any."""
    names = [*NAMES, "x-acs-security-token"] if sent else NAMES
    request = signed_like(with_headers(EXAMPLE, x_acs_security_token=sent), names)
    assert rejected(request, Credentials("YourAccessKeyId", SECRET, known)) == expected


def test_the_nonce_store_forgets_what_can_no_longer_be_replayed() -> None:
    """A nonce is remembered for as long as its date can be fresh, and no longer."""
    nonces = NonceStore()
    assert nonces.claim("a", NOW)
    assert timedelta(minutes=30) == NONCE_LIFETIME  # a date may be 15 minutes ahead, then behind
    assert not nonces.claim("a", NOW + NONCE_LIFETIME)
    assert nonces.claim("b", NOW + NONCE_LIFETIME + timedelta(seconds=1))
    assert len(nonces) == 1


def test_the_nonce_store_is_bounded() -> None:
    """However many nonces arrive, only the newest `capacity` are kept."""
    nonces = NonceStore(capacity=3)
    assert all(nonces.claim(str(n), NOW) for n in range(100))
    assert len(nonces) == 3
    assert not nonces.claim("99", NOW)


def test_one_nonce_claimed_by_many_threads_is_given_once() -> None:
    """Of threads that claim one nonce at the same moment exactly one succeeds."""
    nonces = NonceStore()
    start = threading.Barrier(8)
    won: list[bool] = []

    def claim() -> None:
        start.wait()
        won.extend(nonces.claim(str(n), NOW) for n in range(50))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 350 + [True] * 50
