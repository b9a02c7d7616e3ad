"""What went wrong, as one line and an exit code."""

from __future__ import annotations

import errno
import os
import re
import traceback
from collections.abc import Mapping
from pathlib import Path

from typer import TyperException

from transforms.errors import CognitionError, SourceRefusedError

DONE = 0
IMPERFECT = 1
"""`verify` found a difference; or, with `--strict`, the outcome of some command is imperfect."""
NOT_DONE = 2
"""Usage, configuration, or anything else on our side that kept the work from being done."""
SOURCE_FAILED = 3
"""The service refused us, or answered none of our questions."""
INTERRUPTED = 130
TERMINATED = 143
READER_GONE = 141
"""Whoever read our output closed it; what a shell reports for SIGPIPE."""

_ELSEWHERE = "choose another place with --home, --lake or --warehouse"
_REMEDIES = (
    ({errno.EACCES, errno.EPERM, errno.EROFS}, f"give this user access to it or {_ELSEWHERE}"),
    ({errno.ENOSPC, errno.EDQUOT, errno.EFBIG}, f"free some space there or {_ELSEWHERE}"),
    ({errno.EEXIST, errno.ENOTDIR, errno.EISDIR}, f"move what is in the way or {_ELSEWHERE}"),
    ({errno.EMFILE, errno.ENFILE}, "raise the limit of open files (ulimit -n)"),
)
_QUOTED = re.compile(r"'([^']+)'")

DEBUG = "COGNITION_DEBUG"
STOPPED = "stopped; what was finished is kept: run the same command again to go on"


def exit_code(error: BaseException) -> int:
    """Returns the exit code an error ends the program with."""
    return SOURCE_FAILED if isinstance(error, SourceRefusedError) else NOT_DONE


def describe(error: BaseException, options: Mapping[str, str]) -> str:
    """Returns one line that says what is wrong and what to do about it.

    Values of settings and texts of unexpected errors are left out: either may hold a secret or a
    signed URL.

    Args:
        error: What was raised.
        options: Option by setting, for the settings that came from the command line; the others
            are named by their environment variable.
    """
    if isinstance(error, TyperException):
        text = _usage_problem(error)
    elif isinstance(error, CognitionError):
        text = str(error)
    elif isinstance(error, OSError) and error.errno:
        text = _system_problem(error)
    else:
        text = _setting_problem(error, options) or _unexpected(error)
    return " ".join(text.split())


def wants_traceback() -> bool:
    """Tells whether the user asked for tracebacks, by COGNITION_DEBUG=1."""
    return os.environ.get(DEBUG, "") not in {"", "0"}


def _usage_problem(error: TyperException) -> str:
    """Returns what is wrong with the words given, and where the right ones are told."""
    said = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)  # an error of no command has none
    command = context.command_path if context is not None else "cognition"
    return f"{said[:1].lower()}{said[1:]}; see `{command} --help`"


def _system_problem(error: OSError) -> str:
    """Returns place, reason and remedy of what the operating system refused."""
    quoted = _QUOTED.search(error.strerror or "")  # Arrow has no file name but in its text
    place = error.filename or (quoted[1] if quoted else None)
    reason = os.strerror(error.errno or 0)
    remedy = next((remedy for numbers, remedy in _REMEDIES if error.errno in numbers), None)
    return (f"{place}: " if place else "") + reason + (f"; {remedy}" if remedy else "")


def _setting_problem(error: BaseException, options: Mapping[str, str]) -> str | None:
    from pydantic import ValidationError  # noqa: PLC0415 - only a failing command pays for it

    if not isinstance(error, ValidationError):
        return None
    problems = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        setting = str(problem["loc"][0]) if problem["loc"] else "settings"
        place = options.get(setting, f"COGNITION_{setting.upper()}")
        problems.append(f"{place}: {problem['msg'][:1].lower()}{problem['msg'][1:]}")
    return "; ".join(problems)


def _unexpected(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return (
        f"unexpected {type(error).__name__}{place}, a defect of cognition: "
        f"run it again with {DEBUG}=1 and report the traceback"
    )
