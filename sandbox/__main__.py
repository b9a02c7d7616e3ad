"""`python -m sandbox`: runs the sandbox until it is interrupted, or writes its replies to files."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from sandbox.faults import Faults
from sandbox.samples import sample_reply, sample_status
from sandbox.samples.ids import job_id
from sandbox.server import DEFAULT_CREDENTIALS, Sandbox
from sandbox.signature import Credentials

USAGE_ERROR = 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_ERROR, f"sandbox: {message}; see python -m sandbox --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 0 done, 2 wrong use."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        faults = Faults(
            throttle_share=options.throttle_share,
            error_share=options.error_share,
            max_queries_per_second=options.max_queries_per_second,
            seed=options.seed,
        )
        if options.ledger:
            _write_ledger(options.ledger, options.seed, options.jobs)
        if options.dump:
            _dump(options.dump, options.seed, options.jobs)
            return 0
        sandbox = Sandbox(
            jobs=options.jobs,
            seed=options.seed,
            faults=faults,
            port=options.port,
            credentials=Credentials(options.access_key_id, options.access_key_secret),
        )
    except (ValueError, OSError, OverflowError) as error:
        parser.error(str(error))
    _serve(sandbox, options.ready_file)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m sandbox",
        description="A local stand-in for the IMS API with sample jobs, for the real SDK.",
    )
    add = parser.add_argument
    add("--jobs", type=whole_number, default=200, metavar="N", help="number of jobs (200)")
    add("--seed", type=int, default=7, metavar="N", help="which world of jobs (7)")
    add("--port", type=whole_number, default=0, help="port on 127.0.0.1 (0: any free one)")
    add("--ledger", type=Path, metavar="FILE", help="write the job ids there, one a line")
    add("--ready-file", type=Path, metavar="FILE", help="write a JSON file once it serves")
    add("--dump", type=Path, metavar="DIR", help="write DIR/<job id>.json and end, without serving")
    add("--throttle-share", type=float, default=0.0, metavar="0-1", help="share of throttled calls")
    add("--error-share", type=float, default=0.0, metavar="0-1", help="share of 5xx calls")
    add(
        "--max-queries-per-second", type=whole_number, metavar="N", help="throttle what comes above"
    )
    add("--access-key-id", default=DEFAULT_CREDENTIALS.access_key_id, metavar="ID")
    add("--access-key-secret", default=DEFAULT_CREDENTIALS.access_key_secret, metavar="SECRET")
    return parser


def whole_number(text: str) -> int:
    """Returns a number of zero or more, or refuses it in argparse's words."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value


whole_number.__name__ = "whole number"  # argparse names the type in its message


def _write_ledger(path: Path, seed: int, jobs: int) -> None:
    with path.open("w", encoding="ascii") as file:
        file.writelines(f"{job_id(seed, number)}\n" for number in range(jobs))


def _dump(folder: Path, seed: int, jobs: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(jobs):
        # Nobody has a saved reply of a job that the service does not know.
        if sample_status(seed, number) == 200:  # noqa: PLR2004  # HTTP OK
            path = folder / f"{job_id(seed, number)}.json"
            path.write_bytes(sample_reply(seed, number))


def _serve(sandbox: Sandbox, ready_file: Path | None) -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with sandbox:
        variables = {
            "COGNITION_PROTOCOL": "http",
            "COGNITION_ENDPOINT": sandbox.endpoint,
            "COGNITION_ACCESS_KEY_ID": sandbox.access_key_id,
            "COGNITION_ACCESS_KEY_SECRET": sandbox.access_key_secret,
        }
        if ready_file:
            _write_ready(ready_file, sandbox, variables)
        words = " ".join(f"{name}={value}" for name, value in variables.items())
        sys.stdout.write(f"Sandbox with {sandbox.jobs} jobs on {sandbox.url}; set {words}\n")
        sys.stdout.flush()
        stop.wait()


def _write_ready(path: Path, sandbox: Sandbox, variables: dict[str, str]) -> None:
    ready = {"url": sandbox.url, "pid": os.getpid(), "environment": variables}
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(ready, indent=2) + "\n", encoding="utf-8")
    part.replace(path)  # whoever waits for the file never reads half of it


if __name__ == "__main__":
    sys.exit(main())
