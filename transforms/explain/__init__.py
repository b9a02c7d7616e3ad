"""Leads a row of any table back to the exact text of the reply that it was made of.

It is found in raw, not in the tables: raw is the truth, and what is asked for may be in quarantine
or loaded no more. Of raw, only the columns of its index and one file are read. `keys` reads which
row is meant, `case` opens the reply it came from, `rows` and `system` find its place in there (by
`place` and `lines`), and `fragments` cuts that out.
"""

from transforms.explain.rows import explain

__all__ = ["explain"]
