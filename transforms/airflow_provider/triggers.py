"""Starts ingest as soon as there is something to ask: watches the ledger, and the message queue.

Runs in Airflow's triggerer. Nothing is lost when it does not run: the schedule asks for the same
jobs later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from transforms.airflow_provider.telling import log_report
from transforms.errors import CognitionError
from transforms.settings import QueueSettings, Settings

Written = dict[str, datetime]
"""When each ledger file was written, by path."""


class LedgerTrigger(BaseEventTrigger):
    """Fires when files have come to the ledger, or been written anew, since the last look.

    Before each look it moves the ids of completion messages into the ledger, where a queue is
    configured. Its first look fires if there is any file: what came while nobody watched is among
    them, and a run with nothing to ask costs little.

    Args:
        poll_seconds: Time between two looks; a burst of files within it is one event.
    """

    def __init__(self, poll_seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow is untyped there
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Returns where the class is, and its arguments."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {"poll_seconds": self.poll_seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Looks again and again; yields how many files were new."""
        seen: Written = {}
        while True:
            try:
                found = await sync_to_async(look, thread_sensitive=False)()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may do
                # A trigger that ends is begun anew, and would then fire for every file there is.
                said = (
                    error if isinstance(error, CognitionError | OSError) else type(error).__name__
                )
                self.log.warning("Could not look at the ledger; looking again later. %s", said)
            else:
                fresh = sum(seen.get(path) != written for path, written in found.items())
                seen = found
                if fresh:
                    yield TriggerEvent({"files": fresh})  # type: ignore[no-untyped-call]
            await asyncio.sleep(self.poll_seconds)


def look() -> Written:
    """Moves waiting messages into the ledger and returns its files.

    It logs what no job id came of: the triggerer has no page of its own to tell it.

    Raises:
        CognitionError: The queue or the lake cannot be reached, or a setting is wrong.
    """
    from transforms import ledger, pipeline  # noqa: PLC0415 - loads engines: not at parse time
    from transforms.airflow_provider.hook import source_settings  # noqa: PLC0415 - as above
    from transforms.storage import Storage  # noqa: PLC0415 - as above

    settings = Settings()
    if QueueSettings().has_queue:
        report = pipeline.drain(settings, source_settings())
        if report is not None and (report.ignored or report.unreadable or report.unfinished):
            log_report("from_queue", asdict(report))
    return Storage.at(settings.lake_root).list_written(ledger.FOLDER)
