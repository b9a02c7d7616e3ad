"""Files of the lake: a local folder or an object store, all through `pyarrow.fs`.

A write is whole or absent: locally staged, fsynced and renamed; on an object store one put.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.fs as pafs

from transforms.errors import ConfigurationError

STAGING = "staging"


@dataclass(frozen=True, slots=True)
class Storage:
    """A root folder or bucket prefix; every path is relative to it, with `/`.

    Attributes:
        fs: Filesystem of the root.
        root: Root inside `fs`.
        local: Local folder of the root, or None on an object store.
    """

    fs: pafs.FileSystem
    root: str
    local: Path | None

    @classmethod
    def at(cls, uri: str) -> Storage:
        """Returns the storage of a folder or a URI such as `s3://bucket/prefix`.

        Raises:
            ConfigurationError: The URI names no filesystem we can reach.
        """
        if "://" not in uri:
            folder = Path(uri).absolute()
            return cls(pafs.LocalFileSystem(), str(folder), folder)
        try:
            fs, root = pafs.FileSystem.from_uri(uri)
        except (pa.ArrowInvalid, OSError) as error:
            raise ConfigurationError(f"cannot open the lake {uri}: {error}") from None
        local = Path(root) if isinstance(fs, pafs.LocalFileSystem) else None
        return cls(fs, root.rstrip("/"), local)

    def path(self, relative: str) -> str:
        """Returns the path inside `fs`."""
        return f"{self.root}/{relative}"

    def list(self, folder: str, suffix: str = "") -> list[str]:
        """Returns the relative paths of all files below `folder`, sorted."""
        selector = pafs.FileSelector(self.path(folder), recursive=True, allow_not_found=True)
        found = (i.path for i in self.fs.get_file_info(selector) if i.type == pafs.FileType.File)
        prefix = len(self.root) + 1
        return sorted(path[prefix:] for path in found if path.endswith(suffix))

    def exists(self, relative: str) -> bool:
        """Tells whether a file is there."""
        info: pafs.FileInfo = self.fs.get_file_info(self.path(relative))
        return bool(info.type == pafs.FileType.File)

    def read(self, relative: str) -> pa.Buffer:
        """Returns the whole content of a file.

        Raises:
            FileNotFoundError: There is no such file.
        """
        with self.fs.open_input_file(self.path(relative)) as file:
            return file.read_buffer()

    def write(self, relative: str, fill: Callable[[pa.NativeFile], None]) -> None:
        """Writes a file so that it is seen whole or not at all; replaces one that is there."""
        if self.local is None:
            with self.fs.open_output_stream(self.path(relative)) as sink:
                fill(sink)
            return
        target = self.local / relative
        staged = self.local / STAGING / f"{relative.replace('/', '~')}.{os.getpid()}"
        staged.parent.mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.fs.open_output_stream(str(staged)) as sink:
                fill(sink)
            _fsync(staged)
            staged.replace(target)
        finally:
            staged.unlink(missing_ok=True)
        _fsync(target.parent)

    def write_bytes(self, relative: str, content: bytes) -> None:
        """Writes a small file whole."""
        self.write(relative, lambda sink: sink.write(content) and None)

    def remove(self, relative: str) -> None:
        """Removes a file; it may be gone already."""
        if self.exists(relative):
            self.fs.delete_file(self.path(relative))


def sha256_of(content: pa.Buffer | bytes) -> str:
    """Returns the hex sha256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def name_of(relative: str) -> str:
    """Returns the file name without folders and last suffix."""
    return PurePosixPath(relative).stem


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
