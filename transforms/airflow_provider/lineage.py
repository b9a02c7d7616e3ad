"""Emits OpenLineage events for the tables a task wrote, down to the JSON pointer of a column.

Where the provider is not installed, or no transport is configured, nothing is imported and nothing
happens. Lineage never fails a task.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

if TYPE_CHECKING:
    from transforms.settings import Settings

P = ParamSpec("P")

log = logging.getLogger(__name__)


def is_on() -> bool:
    """Tells whether OpenLineage is installed and has a transport."""
    try:
        from airflow.providers.openlineage import conf  # noqa: PLC0415 - an extra
    except ImportError:
        return False
    return not conf.is_disabled()


def _harmless(tell: Callable[P, None]) -> Callable[P, None]:
    """Does nothing where OpenLineage is off, and logs what goes wrong where it is on."""

    @wraps(tell)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            if is_on():
                tell(*args, **kwargs)
        except Exception as error:
            log.warning("No lineage was emitted: %s", type(error).__name__)
            log.debug("No lineage was emitted", exc_info=True)

    return wrapped


@_harmless
def tell_flattened(settings: Settings, report: Mapping[str, Any]) -> None:
    """Tells that the tables of a flatten report were made of raw replies.

    Args:
        settings: Where the lake lies.
        report: The report as a dict.
    """
    from transforms.airflow_provider import lineage_events  # noqa: PLC0415 - half a second

    lineage_events.emit_flattened(settings, report["rows"])


@_harmless
def tell_published(
    settings: Settings, loaded: Mapping[str, Any], published: Mapping[str, Any]
) -> None:
    """Tells that tables of the published warehouse were made of the lake's.

    Args:
        settings: Where lake and warehouse lie.
        loaded: The report of the load as a dict.
        published: The report of the publish as a dict; a warehouse that is unchanged, or held and
            so not made of what was loaded, is not told of.
    """
    from transforms.airflow_provider import lineage_events  # noqa: PLC0415 - half a second

    if published["changed"] and not published["held"]:
        batches = [*loaded["loaded"], *loaded["replaced"]]
        lineage_events.emit_published(settings, batches, loaded["rows"])
