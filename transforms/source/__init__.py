"""Asks the service for jobs; everything of the SDK stays in here.

`query` asks, `sdk` makes the one call, `pace` and `errors` say how fast and how often, `access`
with which keys, `reply` what came back.
"""

from transforms.source.access import endpoint_of
from transforms.source.errors import ServiceError, Verdict, readable_code, verdict_of
from transforms.source.pace import StoppedError
from transforms.source.query import CognitionSource
from transforms.source.reply import (
    KNOWN_STATUSES,
    Reply,
    SourceCounters,
    Unanswered,
    is_final,
    reply_code,
    reply_status,
)

__all__ = [
    "KNOWN_STATUSES",
    "CognitionSource",
    "Reply",
    "ServiceError",
    "SourceCounters",
    "StoppedError",
    "Unanswered",
    "Verdict",
    "endpoint_of",
    "is_final",
    "readable_code",
    "reply_code",
    "reply_status",
    "verdict_of",
]
