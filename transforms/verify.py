"""Proves on a user's own data that nothing was lost: makes every result again from its rows.

What comes out is compared with what raw holds, value by value; null and absent are one. A result
that was set aside whole has no rows and is counted as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from transforms import lake, raw
from transforms.commit import make_plan, without_superseded
from transforms.contract import Contracts
from transforms.decode import decode_data
from transforms.envelope import Item, read_reply
from transforms.errors import ConfigurationError
from transforms.json_text import to_pointer
from transforms.reports import Progress, ResultDifference, VerifyReport, no_progress
from transforms.storage import Storage
from transforms.unflatten import FragmentCutError, Rebuilt, unflatten_batch
from transforms.validate import gc_paused

Path = tuple[str | int, ...]


def verify_lake(
    storage: Storage, contracts: Contracts, progress: Progress = no_progress
) -> VerifyReport:
    """Compares every result of the lake with what was sent.

    Args:
        storage: The lake.
        contracts: The schemas its batches were made with.
        progress: Called with `verify`, batches done and batches to do.

    Raises:
        ConfigurationError: Batches are out of date.
        LakeFormatError: A file is missing or damaged.
    """
    plan = make_plan(storage, contracts)
    if plan.stale:
        raise ConfigurationError(
            f"{len(plan.stale)} raw files have no batch of today's schemas: "
            "run `cognition flatten` first"
        )
    found = VerifyReport()
    for done, commit in enumerate(plan.commits.values()):
        progress("verify", done, len(plan.commits))
        found = found.plus(_verify_batch(storage, commit, contracts))
    progress("verify", len(plan.commits), len(plan.commits))
    return found


def first_difference(left: Any, right: Any, path: Path = ()) -> Path | None:  # noqa: ANN401 - any JSON
    """Returns the path of the first value that two documents do not share, or None.

    >>> first_difference({"a": [1, {"b": None}]}, {"a": [1.0, {}]})
    >>> first_difference({"a": [1, 2]}, {"a": [1, "2"]})
    ('a', 1)
    """
    pairs: Iterable[tuple[str | int, Any, Any]]
    if isinstance(left, dict) and isinstance(right, dict):
        pairs = [(key, left.get(key), right.get(key)) for key in left | right]
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        pairs = zip(range(len(left)), left, right, strict=True)
    else:
        same = left == right and isinstance(left, bool) == isinstance(right, bool)
        return None if same else path
    for key, one, other in pairs:
        if (found := first_difference(one, other, (*path, key))) is not None:
            return found
    return None


def _verify_batch(storage: Storage, commit: lake.Commit, contracts: Contracts) -> VerifyReport:
    raw_file = commit.inputs["raw_file"]
    replies = without_superseded(raw.read_raw(storage, raw_file), commit.inputs["superseded"])
    files = {file.table: file for file in commit.files}
    tables = {name: lake.read_rows(storage, commit, file) for name, file in files.items()}
    equal, cut, different = 0, 0, []
    with gc_paused():
        for rebuilt, item in _paired(unflatten_batch(tables, contracts), replies, contracts):
            if isinstance(rebuilt.document, FragmentCutError):
                cut += 1
                continue
            _, _, sent = decode_data(item.data, contracts.types[rebuilt.type])
            path = first_difference(rebuilt.document, sent)
            if path is None:
                equal += 1
            else:
                place = (rebuilt.job_id, rebuilt.result_index, rebuilt.type, to_pointer(path))
                different.append(ResultDifference(*place))
    results = tables["results"].num_rows if "results" in tables else 0
    whole = results - equal - cut - len(different)
    return VerifyReport(1, results, equal, whole, cut, tuple(different))


def _paired(
    rebuilt: Iterator[Rebuilt], replies: pa.Table, contracts: Contracts
) -> Iterator[tuple[Rebuilt, Item]]:
    """Yields each result with what was sent of it; both come job by job."""
    columns = [replies[name] for name in ("job_id", "body", "http_status", "error_code")]
    rows = zip(*columns, strict=True)
    job_id: str | None = None
    items: tuple[Item, ...] = ()
    for result in rebuilt:
        while job_id != result.job_id:
            job_id, body, status, code = (scalar.as_py() for scalar in next(rows))
            if job_id == result.job_id:
                items = read_reply(body, status, code, contracts.reply).items
        yield result, items[result.result_index]
