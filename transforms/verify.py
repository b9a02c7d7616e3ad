"""Proves on a user's own data that nothing was lost: makes every result again from its rows.

Every result that raw holds is looked for: what its rows give is compared value by value, null and
absent being one; one that was set aside whole must be in quarantine, one of an unknown Type must be
kept as it was sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from transforms import lake, raw
from transforms.commit import make_plan, without_superseded
from transforms.contract import Contracts
from transforms.decode import decode_data
from transforms.envelope import Item, read_reply
from transforms.errors import ConfigurationError
from transforms.findings import Path
from transforms.json_text import read_exactly, read_json, to_pointer, write_json
from transforms.kept_tables import require_compatible
from transforms.merged.rows import Unmerged
from transforms.reports import Progress, ResultDifference, VerifyReport, no_progress
from transforms.storage import Storage
from transforms.unflatten import FragmentCutError, Rebuilt, RowsMissingError, unflatten_batch
from transforms.validate import gc_paused

Place = tuple[str, int, str]
"""Job, position of the result in its reply, and Type."""


def verify_lake(
    storage: Storage, contracts: Contracts, progress: Progress = no_progress
) -> VerifyReport:
    """Compares every result of the lake with what was sent.

    Args:
        storage: The lake.
        contracts: The schemas its batches were made with.
        progress: Called with `verify`, batches done and batches to do.

    Raises:
        ConfigurationError: Batches are out of date, or of other schemas.
        LakeFormatError: A file is missing or damaged.
    """
    require_compatible(storage, contracts)
    plan = make_plan(storage, contracts)
    if plan.stale:
        raise ConfigurationError(
            f"not up to date with today's schemas: {plan.stale[0]} and "
            f"{len(plan.stale) - 1} more raw files; run `cognition flatten` first"
        )
    found = VerifyReport()
    with Unmerged(storage) as unmerged:
        for done, commit in enumerate(plan.commits.values()):
            progress("verify", done, len(plan.commits))
            found = found.plus(_verify_batch(storage, commit, contracts, unmerged))
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


def _verify_batch(
    storage: Storage, commit: lake.Commit, contracts: Contracts, unmerged: Unmerged
) -> VerifyReport:
    raw_file = commit.inputs["raw_file"]
    replies = without_superseded(raw.read_raw(storage, raw_file), commit.inputs["superseded"])
    files = {file.table: file for file in commit.files}
    tables = {
        name: lake.read_rows(storage, commit, file, unmerged=unmerged)
        for name, file in files.items()
    }
    found = Counter[str]()
    different: list[ResultDifference] = []
    with gc_paused():
        for place, fate in _fates(replies, tables, contracts):
            found[fate if isinstance(fate, str) else "different"] += 1
            if not isinstance(fate, str):
                different.append(ResultDifference(*place, to_pointer(fate)))
    return VerifyReport(
        batches=1,
        results=found.total() - found["reply"],
        equal=found["equal"],
        whole=found["whole"],
        cut=found["cut"],
        different=tuple(different),
    )


def _fates(
    replies: pa.Table, tables: Mapping[str, pa.Table], contracts: Contracts
) -> Iterator[tuple[Place, Path | str]]:
    """Yields what became of every result raw has, and of rows raw does not have.

    That is `equal`, `whole` or `cut`, or the path of the first difference; `reply` for a reply
    without results.
    """
    held = _Held(tables)
    made = groupby(unflatten_batch(tables, contracts), key=lambda rebuilt: rebuilt.job_id)
    of_job = next(made, None)
    columns = [replies[name] for name in ("job_id", "body", "http_status", "error_code")]
    for row in zip(*columns, strict=True):
        job_id, body, status, code = (scalar.as_py() for scalar in row)
        items = read_reply(body, status, code, contracts.reply).items
        rebuilt: dict[int, Rebuilt] = {}
        if of_job is not None and of_job[0] == job_id:
            rebuilt = {each.result_index: each for each in of_job[1]}
            of_job = next(made, None)
        if not items or job_id not in held.jobs:
            yield (job_id, -1, "reply"), "reply" if job_id in held.jobs else ()
        for item in items:
            place = (job_id, item.index, item.type or "")
            again = rebuilt.pop(item.index, None)
            if again is None:
                yield place, held.fate_of(job_id, item)
            else:
                yield place, _compared(again, item, contracts)
        for extra in rebuilt.values():
            yield (job_id, extra.result_index, extra.type), ()
    if of_job is not None:
        yield (of_job[0], -1, "reply"), ()


def _compared(again: Rebuilt, item: Item, contracts: Contracts) -> Path | str:
    if isinstance(again.document, FragmentCutError):
        return "cut"
    if isinstance(again.document, RowsMissingError):
        return ()
    _, line, sent = decode_data(item.data, contracts.types[again.type])
    path = first_difference(again.document, read_exactly(line, sent))
    return "equal" if path is None else path


class _Held:
    """What a batch holds of results that have no rows."""

    def __init__(self, tables: Mapping[str, pa.Table]) -> None:
        self.jobs = set(tables["jobs"]["job_id"].to_pylist()) if "jobs" in tables else set()
        self._states = _by_result(tables, "results", "state")
        self._unknown = _by_result(tables, "unknown_results", "data")
        aside = tables.get("quarantine")
        if aside is not None:
            aside = aside.filter(pc.equal(aside["scope"], "result"))
        of_results = {} if aside is None else {"quarantine": aside}
        self._aside = _by_result(of_results, "quarantine", "fragment")
        self._sizes = _by_result(of_results, "quarantine", "fragment_bytes")

    def fate_of(self, job_id: str, item: Item) -> Path | str:
        """Returns `whole` if a result is kept as it was sent, `cut` if raw alone has all of it."""
        key = (job_id, item.index)
        state = self._states.get(key)
        data = item.data
        sent = data if isinstance(data, str | None) else write_json(data).decode()
        if state == "unknown_type":
            return "whole" if self._unknown.get(key) == sent else ()
        if state != "quarantined" or key not in self._aside:
            return ()
        fragment = self._aside[key]
        if item.finding is not None or sent is None or fragment == sent:
            return "whole"
        if fragment is None or len(fragment.encode()) != self._sizes[key]:
            return "cut"
        path = first_difference(_decoded(fragment), _decoded(sent))
        return "whole" if path is None else path


def _decoded(text: str) -> Any:  # noqa: ANN401 - any JSON
    """Returns what a text holds: JSON, JSON in a text, or the text itself."""
    try:
        document = read_json(text)
    except ValueError:
        return text
    return _decoded(document) if isinstance(document, str) else document


def _by_result(
    tables: Mapping[str, pa.Table], table: str, column: str
) -> dict[tuple[str, int], Any]:
    if table not in tables:
        return {}
    columns = [tables[table][name].to_pylist() for name in ("job_id", "result_index", column)]
    return {(job, index): value for job, index, value in zip(*columns, strict=True)}
