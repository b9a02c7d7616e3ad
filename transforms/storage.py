"""Files of the lake: a local folder or an object store, all through `pyarrow.fs`.

A write is whole or absent: locally staged, fsynced and renamed; on an object store one put.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.fs as pafs

from transforms.errors import ConfigurationError

STAGING = "staging"
LOCKS = f"{STAGING}/locks"
STAGED_NAME = re.compile(r".+@(?P<host>.*)\.(?P<pid>\d+)")
FORGOTTEN_SECONDS = 24 * 3600


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
        except (pa.ArrowException, OSError) as error:
            shown = without_secrets(uri)
            said = str(error).splitlines()[0] if shown == uri else "its options are wrong"
            raise ConfigurationError(
                f"cannot open the lake {shown}: {said}; give a folder or s3://bucket/prefix"
            ) from None
        local = Path(root) if isinstance(fs, pafs.LocalFileSystem) else None
        return cls(fs, root.rstrip("/"), local)

    def path(self, relative: str) -> str:
        """Returns the path inside `fs`."""
        return f"{self.root}/{relative}"

    def folders(self, folder: str) -> list[str]:
        """Returns the names of the folders right below `folder`, sorted."""
        selector = pafs.FileSelector(self.path(folder), allow_not_found=True)
        found = (i for i in self.fs.get_file_info(selector) if i.type == pafs.FileType.Directory)
        return sorted(info.base_name for info in found)

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
            # A stream closed by an error would still put what it got: fill first, put at once.
            content = pa.BufferOutputStream()
            fill(content)
            with self.fs.open_output_stream(self.path(relative)) as sink:
                sink.write(content.getvalue())
            return
        target = self.local / relative
        writer = f"{socket.gethostname()}.{os.getpid()}"
        staged = self.local / STAGING / f"{relative.replace('/', '~')}@{writer}"
        _make_folder(staged.parent)
        _make_folder(target.parent)
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
        """Removes a file, for good before the next step; it may be gone already."""
        if not self.exists(relative):
            return
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            self.fs.delete_file(self.path(relative))
        if self.local is not None:
            _fsync((self.local / relative).parent)

    def clean_staging(self) -> None:
        """Removes what writers that died have left in staging; files being written stay.

        A writer of this machine is dead when its process is; any is dead after a day.
        """
        if self.local is None:
            return
        for staged in (self.local / STAGING).glob("*@*"):
            if _is_abandoned(staged):
                staged.unlink(missing_ok=True)


def sha256_of(content: pa.Buffer | bytes) -> str:
    """Returns the hex sha256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def name_of(relative: str) -> str:
    """Returns the file name without folders and last suffix."""
    return PurePosixPath(relative).stem


def without_secrets(uri: str) -> str:
    """Returns a URI without the keys and options it may carry, for messages."""
    scheme, mark, rest = uri.partition("://")
    return scheme + mark + rest.rpartition("@")[2].partition("?")[0] if mark else uri


def _is_abandoned(staged: Path) -> bool:
    name = STAGED_NAME.fullmatch(staged.name)
    try:
        old = time.time() - staged.stat().st_mtime > FORGOTTEN_SECONDS
    except FileNotFoundError:
        return False
    ours = name is not None and name["host"] == socket.gethostname()
    return old or (name is not None and ours and not _is_running(int(name["pid"])))


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _make_folder(folder: Path) -> None:
    """Makes a folder, parents too, that a power cut does not take away again."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        _fsync(made.parent)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
