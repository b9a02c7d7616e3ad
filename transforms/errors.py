"""Errors by what the caller should do about them."""

from __future__ import annotations


class CognitionError(Exception):
    """Root of every error this package raises on purpose; the message ends with the remedy."""


class FatalError(CognitionError):
    """Nothing can go on: stop the run and do not retry it."""


class ConfigurationError(FatalError):
    """A setting, file or place is wrong; nothing was written."""


class SourceRefusedError(FatalError):
    """The service refused us as a caller: credentials, signature, permission or opening."""


class LakeFormatError(ConfigurationError):
    """A lake or warehouse was written by a newer version, or by something else."""


class RetryableError(CognitionError):
    """The same call may succeed later: throttling, 5xx, timeouts, a gateway's HTML page.

    Attributes:
        retry_after_seconds: What the service asked for, in seconds, or None.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class LakeUnreachableError(RetryableError):
    """The object store of the lake did not answer, or not us."""


class SourceUnavailableError(RetryableError):
    """The service throttled or failed call after call: the run ended, what was answered landed."""


class RejectedJobError(CognitionError):
    """The service will never answer this job: unknown or expired. It is recorded; the run goes on.

    Attributes:
        code: The service's error code, such as `JobNotFound`.
        http_status: Status of the reply, or None where the SDK did not pass it on.
        body: The error reply as JSON bytes, as exact as the SDK hands it out.
    """

    def __init__(self, message: str, *, code: str, http_status: int | None, body: bytes) -> None:
        super().__init__(message)
        self.code = code
        self.http_status = http_status
        self.body = body


class ConservationError(CognitionError):
    """Rows would be lost or made up: the batch does not commit."""
