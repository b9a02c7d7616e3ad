"""Makes one ledger file of the many that a source appended in a day.

Only days that are over are touched. The merged file is whole and on disk before the others go, and
ids are a set: a crash in between leaves every id, and the next run makes the same file again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

import orjson

from transforms.errors import ConfigurationError
from transforms.ledger import APPENDED, FOLDER, appended_at
from transforms.ledger_files import SUBMITTED_AT
from transforms.storage import Storage, sha256_of


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What was merged, or would be: `files` became `merged`, one for each source and day."""

    files: int = 0
    merged: int = 0


def merge_ledger(
    storage: Storage, *, now: datetime | None = None, dry_run: bool = False
) -> MergeReport:
    """Merges the files of each source and day before today.

    Lines stay as they are, each once. One that does not say when its job was submitted is given the
    time of its file as `submitted_at`: since then at least the job is known, and the merged file is
    younger.

    Args:
        storage: The lake.
        now: A time that knows its zone; its day in UTC is not over. Default: the present.
        dry_run: Count only.

    Raises:
        ConfigurationError: A file is no JSON Lines; its day stays as it is.
    """
    today = f"{(now or datetime.now(UTC)).astimezone(UTC):%Y%m%d}"
    files = merged = 0
    for paths in _by_day(storage.list(FOLDER, ".jsonl"), today):
        if dry_run or _merge(storage, paths):
            files, merged = files + len(paths), merged + 1
    return MergeReport(files, merged)


def _by_day(paths: Sequence[str], today: str) -> Iterator[list[str]]:
    """Yields the files of a source and day where there are several, oldest first."""
    found = [match for path in paths if (match := APPENDED.fullmatch(path))]
    for _, group in groupby(found, key=lambda match: (match["place"], match["day"])):
        appended = list(group)
        if len(appended) > 1 and appended[0]["day"] < today:
            yield [match[0] for match in appended]


def _merge(storage: Storage, paths: Sequence[str]) -> bool:
    """Merges some files into one; false where another process has just done so."""
    lines: dict[bytes, None] = {}
    for path in paths:
        try:
            content = storage.read(path).to_pybytes()
        except FileNotFoundError:
            return False
        lines.update(dict.fromkeys(_dated(path, content)))
    content = b"".join(line + b"\n" for line in lines)
    stem = paths[0].rpartition("-")[0]  # place and time of the first keep the order of ids
    target = f"{stem}-{sha256_of(content)[:12]}.jsonl"
    storage.write_bytes(target, content)
    storage.remove_all(path for path in paths if path != target)
    return True


def _dated(path: str, content: bytes) -> Iterator[bytes]:
    """Yields the lines of a file, each with the time its job is known since."""
    time = appended_at(path)
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            document = orjson.loads(line)
            dated = {**document, SUBMITTED_AT: document.get(SUBMITTED_AT) or f"{time:%FT%TZ}"}
        except (ValueError, TypeError, AttributeError):
            raise ConfigurationError(
                f"{path} is no ledger: line {number} is no JSON object; correct it or move it away"
            ) from None
        yield orjson.dumps(dated)
