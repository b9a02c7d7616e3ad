"""Tells a chat room or a program, by a webhook, that a task or run has failed or needs a look.

`COGNITION_NOTIFY_CONN_ID` names an Airflow connection of any type; without it nobody is told. Its
password is the webhook's URL, which is a secret: whoever has it can write to the room. Its extra
has `format` (`slack`, `dingtalk`, `feishu` or `json`, the default) and, where a DingTalk or Feishu
robot asks for a signature, `secret`. A notification that fails is logged and fails nothing.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook, BaseNotifier
from airflow.sdk.log import mask_secret

from transforms.airflow_provider.webhook import Message, Webhook, send
from transforms.errors import CognitionError, RetryableError

if TYPE_CHECKING:
    from airflow.sdk import Context

NOTIFY = "COGNITION_NOTIFY_CONN_ID"
_ERROR_CHARACTERS = 800
_TASK_FAILED, _TIMED_OUT = "task_failure", "timed_out"  # Airflow's reasons for a failed run
_UNFINISHED_REMEDY = (
    "What to do: see in its tasks what they waited for. What they did stays, and the next run goes "
    "on from there."
)
_LINK = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]+")

log = logging.getLogger(__name__)


class WebhookNotifier(BaseNotifier):
    """Tells that a task has failed for good; of a mapped task once a run, not once an index.

    Args:
        conn_id: The connection; default: what the environment names when a task fails.
    """

    def __init__(self, conn_id: str | None = None) -> None:
        super().__init__()
        self.conn_id = conn_id

    def notify(self, context: Context) -> None:
        """Sends the notification; never raises."""
        conn_id = self.conn_id or os.environ.get(NOTIFY)
        if not conn_id:
            return
        if _has_failed_sibling(context):
            log.info("Another index of this task has failed before: nobody is told again.")
            return
        _tell(conn_id, _message("error", f"failed\n{_failure(context)}", context))


def notify_unfinished(context: Context) -> None:
    """Tells that a run ended before its tasks did; never raises.

    For a DAG's `on_failure_callback`, which the DAG processor calls. Airflow skips the tasks of a
    run that takes too long, so that none of them tells of it. Where a task failed, it has told.

    Args:
        context: The run's context; of a run that no task can be named of, `dag`, `run_id` and
            `reason` alone.
    """
    conn_id = os.environ.get(NOTIFY)
    reason = context.get("reason")
    if not conn_id or reason == _TASK_FAILED:
        return
    dag = context.get("dag")
    dag_id, run_id = str(getattr(dag, "dag_id", "")), str(context.get("run_id") or "")
    why = f"Airflow says why: {reason}."
    if reason == _TIMED_OUT:
        limit = getattr(dag, "dagrun_timeout", None)
        why = (
            f"It took longer than {limit}, so Airflow ended it and skipped the tasks that were not "
            "done."
        )
    text = f"cognition: {dag_id or 'a run'} ended too early\n{why}\n{_UNFINISHED_REMEDY}"
    _tell(conn_id, Message("error", dag_id, "", run_id, f"{text}{_line_of(run_id)}"))


def notify_warning(text: str, context: Mapping[str, Any] | None = None) -> None:
    """Sends a warning that needs a person, such as jobs about to expire; never raises.

    Args:
        text: What is the matter and what to do; links in it are left out.
        context: The running task's context, to name it.
    """
    conn_id = os.environ.get(NOTIFY)
    if conn_id:
        _tell(conn_id, _message("warning", f"needs a look\n{_without_links(text)}", context or {}))


def _tell(conn_id: str, message: Message) -> None:
    try:
        send(_webhook(conn_id), message)
    except Exception as error:  # noqa: BLE001 - the task's own outcome stands, whatever happens here
        # Of an error that is not ours only the kind: its text may hold the URL.
        why = str(error) if isinstance(error, CognitionError) else type(error).__name__
        log.warning("The notification through connection %s was not sent: %s", conn_id, why)
    else:
        log.info("The notification through connection %s was sent.", conn_id)


def _webhook(conn_id: str) -> Webhook:
    connection = BaseHook.get_connection(conn_id)
    extra = connection.extra_dejson
    webhook = Webhook(
        url=connection.password or "",
        format=str(extra.get("format") or "json").lower(),
        secret=str(extra.get("secret") or ""),
    )
    for secret in filter(None, (webhook.url, webhook.secret)):
        mask_secret(secret)
    return webhook


def _message(severity: str, text: str, context: Mapping[str, Any]) -> Message:
    ti = context.get("ti")
    dag_id, task_id, run_id = (
        str(getattr(ti, name, "")) for name in ("dag_id", "task_id", "run_id")
    )
    place = f"{dag_id}.{task_id}" if ti is not None else "a task"
    told = f"cognition: {place} {text}{_line_of(run_id)}"
    return Message(severity, dag_id, task_id, run_id, told)


def _line_of(run_id: str) -> str:
    return f"\nRun: {run_id}" if run_id else ""


def _failure(context: Mapping[str, Any]) -> str:
    """Returns the error, if it is ours, and what to do."""
    error = context.get("exception")
    if isinstance(error, RetryableError):
        remedy = "Its retries are used up; the next run tries again. See to what the error names."
    elif isinstance(error, CognitionError):
        remedy = "Correct what the error names, then clear the task."
    elif error is None:
        remedy = "It was ended from outside: see its log, then clear it."
    else:
        remedy = "See its log, then clear it."
    # An error that is not ours may quote anything, a key or a signed link.
    told = f": {_shortened(str(error))}" if isinstance(error, CognitionError) else ""
    said = f"Error: {type(error).__name__}{told}\n" if error is not None else ""
    return f"{said}What to do: {remedy}"


def _shortened(text: str) -> str:
    text = _without_links(text)
    return text if len(text) <= _ERROR_CHARACTERS else f"{text[: _ERROR_CHARACTERS - 3]}..."


def _without_links(text: str) -> str:
    return _LINK.sub("(link)", text)


def _has_failed_sibling(context: Mapping[str, Any]) -> bool:
    """Tells whether another index of this mapped task has failed in this run before."""
    ti = context.get("ti")
    if ti is None or getattr(ti, "map_index", -1) < 0:
        return False
    try:
        found = ti.get_task_states(dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id])
    except Exception:  # noqa: BLE001 - where Airflow cannot be asked, told twice is better than never
        return False
    own = f"{ti.task_id}_{ti.map_index}"
    states = found.get(ti.run_id, {})
    return any(name != own and str(state) == "failed" for name, state in states.items())
