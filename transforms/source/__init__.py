"""Asks the service for jobs; everything of the SDK stays in here.

`query` asks, `sdk` makes the one call, `pace`, `pace_state` and `errors` say how fast and how
often, `breaker` when to give up, `access` with which keys, `reply` what came back.
"""

from transforms.source.access import account_name, endpoint_of
from transforms.source.errors import ServiceError, Verdict, readable_code, verdict_of
from transforms.source.pace import QueryPace, StoppedError
from transforms.source.pace_state import SharedPace
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
    "QueryPace",
    "Reply",
    "ServiceError",
    "SharedPace",
    "SourceCounters",
    "StoppedError",
    "Unanswered",
    "Verdict",
    "account_name",
    "endpoint_of",
    "is_final",
    "readable_code",
    "reply_code",
    "reply_status",
    "verdict_of",
]
