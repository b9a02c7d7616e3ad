"""Sample replies: deterministic by seed and number, of any number, made from the schemas.

A `story` says what a video shows; the `walker` follows a Type's schema and fills it with what the
story and the `world` know; `dirt` breaks a few replies as real ones are broken; `written` gives
some results the other forms in which the service is known to write them.
"""

from sandbox.samples.ids import job_id, job_ids, job_number
from sandbox.samples.reply import Needs, not_found, sample_reply, sample_status

__all__ = [
    "Needs",
    "job_id",
    "job_ids",
    "job_number",
    "not_found",
    "sample_reply",
    "sample_status",
]
