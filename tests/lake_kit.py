"""Replies, lakes and an object store in memory, for the tests of the lake's side."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pytest

from transforms import lake, raw
from transforms.settings import Settings
from transforms.storage import STAGING, Storage

NOON = datetime(2026, 1, 15, 12, 0, 0, tzinfo=UTC)
BATCH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Landing:
    """A final reply, ready to land."""

    job_id: str
    body: bytes
    queried_at: datetime = NOON
    origin: str = "api"
    http_status: int | None = 200
    error_code: str | None = None

    def later(self, **gap: float) -> Landing:
        """Returns the same reply, had so much later (`seconds=1`, `days=40`)."""
        return Landing(self.job_id, self.body, self.queried_at + timedelta(**gap))


def success(*results: tuple[str, object]) -> bytes:
    """Returns a reply whose results are `(Type, Data)`, Data as JSON in a string."""
    items = [{"Type": kind, "Data": json.dumps(data)} for kind, data in results]
    return json.dumps({"JobStatus": "Success", "Results": {"result": items}}).encode()


def titled(title: object) -> bytes:
    """Returns a reply with one Meta result; a title that is no text breaks the contract."""
    return success(("Meta", {"title": title}))


def land(storage: Storage, *replies: raw.ReplyLike, batch_bytes: int = BATCH_BYTES) -> list[str]:
    """Lands replies in raw; returns the files."""
    return list(raw.write_raw(storage, replies, batch_bytes))


def new_home(home: Path, *batches: Iterable[raw.ReplyLike]) -> Settings:
    """Returns the settings of a new home whose raw holds one file or more for each batch."""
    settings = Settings(home=home, batch_bytes=BATCH_BYTES)
    storage = lake.open_lake(settings.lake_root, create=True)
    for batch in batches:
        land(storage, *batch)
    return settings


def lake_of(settings: Settings) -> Storage:
    """Returns the lake of a home."""
    return lake.open_lake(settings.lake_root)


def write_version(warehouse: Path, name: str, content: bytes) -> None:
    """Writes something in the place of a version."""
    (warehouse / "versions" / name).mkdir()
    (warehouse / "versions" / name / "warehouse.duckdb").write_bytes(content)


def tree(folder: Path) -> dict[str, bytes]:
    """Returns every file below a folder by relative path, but for staging and the lake's own id."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    named = {path.relative_to(folder): without_id(path.read_bytes()) for path in files}
    return {path.as_posix(): body for path, body in named.items() if STAGING not in path.parts}


def without_id(content: bytes) -> bytes:
    """Returns what two lakes of the same raw have in common of a file: not the random id."""
    return re.sub(rb'"lake_id":"[0-9a-f]{32}"', b'"lake_id":""', content)


def staged(folder: Path) -> list[str]:
    """Returns the files a writer has under way, or has left, in a lake's staging."""
    return sorted(path.name for path in (folder / STAGING).glob("*") if path.is_file())


def rows_of(storage: Storage, table: str) -> list[dict[str, Any]]:
    """Returns the rows of a table over all committed batches."""
    found: list[dict[str, Any]] = []
    for commit in lake.read_commits(storage).values():
        for file in commit.files:
            if file.table == table:
                content = pa.BufferReader(storage.read(file.path))
                found += pa.parquet.read_table(content).to_pylist()
    return found


def require_whole(storage: Storage) -> dict[str, lake.Commit]:
    """Returns the commits, having checked that each one's files are there as it says."""
    commits = lake.read_commits(storage)
    for commit in commits.values():
        for file in commit.files:
            content = storage.read(file.path).to_pybytes()
            assert hashlib.sha256(content).hexdigest() == file.sha256, file.path
            assert len(content) == file.bytes, file.path
    return commits


def run_python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs Python code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env=child_environment(),
    )


def child_environment() -> dict[str, str]:
    """Returns the environment of a child that shall import what the tests import."""
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


class ObjectStore(pafs.FileSystemHandler):  # type: ignore[misc]  # pyarrow is untyped
    """An object store: keys and bytes, no folders; an object is there once its stream is closed.

    Attributes:
        objects: Content by key.
        puts: Number of objects put.
        before_put: Called with the key before each put; raises to make it fail.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts = 0
        self.before_put: Callable[[str], None] = lambda key: None

    def storage(self, root: str = "bucket/lake") -> Storage:
        """Returns a storage below a prefix of this store."""
        return Storage(pafs.PyFileSystem(self), root, None)

    def get_type_name(self) -> str:
        """Names the kind of store."""
        return "objects in memory"

    def normalize_path(self, path: str) -> str:
        """Leaves a key as it is."""
        return path

    def get_file_info(self, paths: list[str]) -> list[pafs.FileInfo]:
        """Describes keys; a prefix of other keys is a folder."""
        return [self._info(path.rstrip("/")) for path in paths]

    def get_file_info_selector(self, selector: pafs.FileSelector) -> list[pafs.FileInfo]:
        """Lists what lies below a prefix."""
        base = selector.base_dir.rstrip("/") + "/"
        below = [key[len(base) :] for key in self.objects if key.startswith(base)]
        if not selector.recursive:
            below = [name.partition("/")[0] for name in below]
        return [self._info(base + name) for name in sorted(set(below), reverse=True)]

    def open_input_file(self, path: str) -> pa.NativeFile:
        """Opens an object for reading."""
        if path not in self.objects:
            raise FileNotFoundError(path)
        return pa.PythonFile(io.BytesIO(self.objects[path]), mode="r")

    def open_output_stream(self, path: str, metadata: object) -> pa.NativeFile:
        """Opens a stream that puts its object when it is closed, as the real ones do."""
        return pa.PythonFile(_Put(self, path), mode="w")

    def delete_file(self, path: str) -> None:
        """Deletes an object."""
        if self.objects.pop(path, None) is None:
            raise FileNotFoundError(path)

    def put(self, path: str, content: bytes) -> None:
        """Puts an object whole."""
        self.before_put(path)
        self.puts += 1
        self.objects[path] = content

    def _info(self, path: str) -> pafs.FileInfo:
        if path in self.objects:
            return pafs.FileInfo(path, pafs.FileType.File, size=len(self.objects[path]))
        inside = any(key.startswith(f"{path}/") for key in self.objects)
        return pafs.FileInfo(path, pafs.FileType.Directory if inside else pafs.FileType.NotFound)

    def _unused(self, *_: object) -> None:
        raise NotImplementedError("the lake asks an object store for nothing else")

    create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = _unused
    move = copy_file = open_input_stream = open_append_stream = _unused


class _Put(io.BytesIO):
    def __init__(self, store: ObjectStore, path: str) -> None:
        super().__init__()
        self._store, self._path = store, path

    def close(self) -> None:
        """Puts what was written, once."""
        if not self.closed:
            content = self.getvalue()
            super().close()
            self._store.put(self._path, content)


def use_store(monkeypatch: pytest.MonkeyPatch, store: ObjectStore) -> str:
    """Makes `memory://lake` the URI of an object store; returns the URI."""
    monkeypatch.setattr(Storage, "at", staticmethod(lambda uri: store.storage()))
    return "memory://lake"
