"""The ids that the ledger knows, for those who add to it and must not stop over a wrong file."""

from __future__ import annotations

import logging

from transforms import ledger
from transforms.errors import ConfigurationError
from transforms.storage import Storage

_log = logging.getLogger(__name__)


def known_ids(storage: Storage) -> set[str]:
    """Returns the job ids of the ledger; none, with a warning, while one of its files is wrong.

    An id that is appended though known counts once. One that is sent away may never come again.

    Raises:
        RetryableError: The lake did not answer.
    """
    try:
        return set(ledger.read_ledger(storage))
    except ConfigurationError as error:
        _log.warning("ids that the ledger knows are added again as long as this is so: %s", error)
        return set()
