"""What the service's errors mean to us: ask again, give the job up, or stop the whole run.

Pure functions over error codes and HTTP statuses. The texts built here name the job, the host and
the remedy; the service's own message is left out, because a signature error quotes signed headers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from transforms.errors import CognitionError, RejectedJobError, RetryableError, SourceRefusedError

PERMISSION: Final = "ice:QueryVideoCognitionJob"

CREDENTIALS_REMEDY: Final = (
    "Set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or "
    "COGNITION_ACCESS_KEY_ID and COGNITION_ACCESS_KEY_SECRET, or put a valid key pair into the "
    "Airflow connection."
)
_PERMISSION_REMEDY = f"Grant this account the RAM action {PERMISSION} on resource *."
_CLOCK_REMEDY = "Set this machine's clock by a time server: signatures are valid for 15 minutes."
_TOKEN_REMEDY = "The STS token is wrong or has expired: get a new one."  # noqa: S105  a remedy
_OPENING_REMEDY = "Open Intelligent Media Services for this account and settle its bill."
_ENDPOINT_REMEDY = "Check COGNITION_REGION and COGNITION_ENDPOINT: the host lacks this API."

_REFUSALS: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (("Forbidden", "NoPermission", "PermissionDenied"), _PERMISSION_REMEDY),
    (("InvalidTimeStamp",), _CLOCK_REMEDY),
    (("InvalidSecurityToken", "MissingSecurityToken", "SecurityToken"), _TOKEN_REMEDY),
    (
        ("InvalidAccessKeyId", "MissingAccessKeyId", "InvalidCredentials"),
        CREDENTIALS_REMEDY,
    ),
    (
        ("Signature", "IncompleteSignature"),
        "The access key secret does not fit the key id. " + CREDENTIALS_REMEDY,
    ),
    (("InvalidIdentity", "ServiceNotOpen"), _OPENING_REMEDY),
    (("InvalidAction", "InvalidApi", "InvalidVersion"), _ENDPOINT_REMEDY),
)

_THROTTLED = "Throttling"
_TRANSIENT = ("ServiceUnavailable", "InternalError", "SignatureNonceUsed")
_TRANSIENT_STATUSES = frozenset({408, 429})
_READABLE_CODE = re.compile(r"[\w.\-]{1,100}", re.ASCII)


_ABOUT_JOB = re.compile(r"NotFound|NotExist|Expired|InvalidParameter|MissingParameter|InvalidJob")
"""Codes that say this one job cannot be answered (QuerySmarttagJob, MPS common list)."""


class Verdict(Enum):
    """What to do about an error."""

    RETRY = "retry"
    REFUSED = "refused"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class ServiceError:
    """What an error reply says, however it came.

    Attributes:
        code: The service's `Code`, or None where it gave none.
        http_status: Status of the reply, or None where the SDK lost it.
        retry_after_seconds: How long the service asked us to wait, or None.
    """

    code: str | None
    http_status: int | None
    retry_after_seconds: float | None = None

    @property
    def throttled(self) -> bool:
        """Whether the service refused this call only because of its rate."""
        return (
            (self.code or "").startswith(_THROTTLED)
            or self.retry_after_seconds is not None
            or self.http_status in _TRANSIENT_STATUSES
        )

    def __str__(self) -> str:
        """Returns code and status for a message; an unreadable code is not quoted."""
        code = readable_code(self.code)
        return code if self.http_status is None else f"{code}, HTTP {self.http_status}"


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that gave no reply worth keeping, as counters and callers need it."""

    error: CognitionError
    http_status: int | None
    throttled: bool = False


def readable_code(code: str | None) -> str:
    """Returns a code as a message may show it; an unreadable one, which may be anything, is not."""
    return code if code and _READABLE_CODE.fullmatch(code) else "no clear code"


def verdict_of(error: ServiceError) -> Verdict:
    """Returns what to do about `error`, by its code first and its HTTP status second."""
    code, status = error.code or "", error.http_status or 0
    if code.startswith(_TRANSIENT):
        return Verdict.RETRY
    if _refusal_remedy(code) is not None:
        return Verdict.REFUSED
    if error.throttled or status >= 500:  # noqa: PLR2004  server errors begin at 500
        return Verdict.RETRY
    if status in (401, 403):
        return Verdict.REFUSED
    # An error nobody documented may concern the account, not the job: closing every pending job
    # over it could not be taken back, so the job stays pending. In a 200 it is a reply to keep.
    about_job = status < 400 or _ABOUT_JOB.search(code) is not None  # noqa: PLR2004  errors begin there
    return Verdict.REJECTED if about_job else Verdict.RETRY


def failure_of(job_id: str, host: str, error: ServiceError, body: bytes) -> Failure:
    """Returns the failed call as an error of ours.

    Args:
        job_id: The job that was asked for.
        host: The endpoint that answered.
        error: What the reply says.
        body: The error reply as JSON bytes; kept only where the job is rejected.
    """
    return Failure(_error_of(job_id, host, error, body), error.http_status, error.throttled)


def no_answer(job_id: str, host: str, what: str) -> Failure:
    """Returns the failure of a call that brought no usable answer; `what` says how."""
    return Failure(RetryableError(f"Job {job_id!r}: {what} from {host}. {_STAYS}"), None)


_STAYS = "Until it is answered the job stays pending; the next run asks again."


def _error_of(job_id: str, host: str, error: ServiceError, body: bytes) -> CognitionError:
    match verdict_of(error):
        case Verdict.RETRY:
            slower = (
                " If it goes on, lower COGNITION_QUERIES_PER_SECOND." if error.throttled else ""
            )
            return RetryableError(
                f"Job {job_id!r}: {host} is not ready to answer ({error}). {_STAYS}{slower}",
                retry_after_seconds=error.retry_after_seconds,
            )
        case Verdict.REFUSED:
            remedy = _refusal_remedy(error.code or "") or _PERMISSION_REMEDY
            return SourceRefusedError(f"Job {job_id!r}: {host} refused us ({error}). {remedy}")
        case Verdict.REJECTED:
            return RejectedJobError(
                f"Job {job_id!r}: {host} does not answer this job ({error}). "
                "Check the id and region in the ledger; results are kept about 180 days.",
                code=error.code or "",
                http_status=error.http_status,
                body=body,
            )


def _refusal_remedy(code: str) -> str | None:
    return next((remedy for prefixes, remedy in _REFUSALS if code.startswith(prefixes)), None)
