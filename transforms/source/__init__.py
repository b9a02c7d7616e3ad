"""Asks the service for jobs; everything of the SDK stays in here.

`query` asks, `sdk` makes the one call, `pace` and `errors` say how fast and how often, `access`
with which keys, `reply` what came back.
"""

from transforms.source.pace import StoppedError
from transforms.source.query import CognitionSource
from transforms.source.reply import Reply, SourceCounters, Unanswered, is_final, reply_status

__all__ = [
    "CognitionSource",
    "Reply",
    "SourceCounters",
    "StoppedError",
    "Unanswered",
    "is_final",
    "reply_status",
]
