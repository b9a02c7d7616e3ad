"""The links in `subtitle_files`: which files a result names, and what each is known by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

TABLE = "subtitle_files"
URL_COLUMNS = {"all": "all_url", "chinese": "chinese_url", "english": "english_url"}
"""Column of the link, by language."""


class FileKey(NamedTuple):
    """Which file of which result: position of its set in the result, and its language."""

    job_id: str
    result_index: int
    file_index: int
    language: str


def links_in(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[FileKey, str]]:
    """Yields each file and its link; a language without a file has none, or an empty one.

    Args:
        rows: Rows of `subtitle_files`.
    """
    for row in rows:
        for language, column in URL_COLUMNS.items():
            if link := (row.get(column) or "").strip():
                yield FileKey(row["job_id"], row["result_index"], row["file_index"], language), link


def digest_of(link: str) -> str:
    """Returns what a link is known by: the sha256 of all before its query.

    A link signed anew is the same file.

    >>> digest_of("https://a.example/b?c") == digest_of("https://a.example/b?d")
    True
    """
    place = link.partition("?")[0].partition("#")[0]
    return hashlib.sha256(place.encode(errors="replace")).hexdigest()
