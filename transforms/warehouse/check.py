"""What a check is: a question, how bad it is where the answer is no, and the rows that say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["fail", "warn"]


@dataclass(frozen=True, slots=True)
class Check:
    """One check; `sql` returns the rows that fail it."""

    name: str
    severity: Severity
    description: str
    sql: str
