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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.fs as pafs

from transforms.errors import ConfigurationError, LakeUnreachableError
from transforms.object_store import open_store

STAGING = "staging"
LOCKS = f"{STAGING}/locks"
STAGED_NAME = re.compile(r".+@(?P<host>.*)\.(?P<pid>\d+)")
FORGOTTEN_SECONDS = 24 * 3600
STORE_ERROR = re.compile(r"AWS Error ([A-Z_]+)")


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
            fs, root = open_store(uri)
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
        with self._explained(folder):
            found = self.fs.get_file_info(selector)
        return sorted(i.base_name for i in found if i.type == pafs.FileType.Directory)

    def list(self, folder: str, suffix: str = "") -> list[str]:
        """Returns the relative paths of all files below `folder`, sorted."""
        selector = pafs.FileSelector(self.path(folder), recursive=True, allow_not_found=True)
        with self._explained(folder):
            found = self.fs.get_file_info(selector)
        prefix = len(self.root) + 1
        paths = (info.path for info in found if info.type == pafs.FileType.File)
        return sorted(path[prefix:] for path in paths if path.endswith(suffix))

    def list_written(self, folder: str) -> dict[str, datetime]:
        """Returns when each file below `folder` was last written, naive UTC, by path, sorted.

        A filesystem that keeps no times gives the present.
        """
        selector = pafs.FileSelector(self.path(folder), recursive=True, allow_not_found=True)
        with self._explained(folder):
            found = self.fs.get_file_info(selector)
        prefix, now = len(self.root) + 1, datetime.now(UTC)
        times = {i.path[prefix:]: i.mtime or now for i in found if i.type == pafs.FileType.File}
        return {path: times[path].astimezone(UTC).replace(tzinfo=None) for path in sorted(times)}

    def exists(self, relative: str) -> bool:
        """Tells whether a file is there."""
        with self._explained(relative):
            info: pafs.FileInfo = self.fs.get_file_info(self.path(relative))
        return bool(info.type == pafs.FileType.File)

    def read(self, relative: str) -> pa.Buffer:
        """Returns the whole content of a file.

        Raises:
            FileNotFoundError: There is no such file.
        """
        with self._explained(relative), self.fs.open_input_file(self.path(relative)) as file:
            return file.read_buffer()

    def open(self, relative: str) -> pa.NativeFile:
        """Opens a file to read parts of it; use it in a `with` statement.

        Raises:
            FileNotFoundError: There is no such file.
        """
        with self._explained(relative):
            return self.fs.open_input_file(self.path(relative))

    def write(
        self, relative: str, fill: Callable[[pa.NativeFile], None], *, replace: bool = True
    ) -> None:
        """Writes a file so that it is seen whole or not at all.

        Args:
            relative: Where to.
            fill: Writes the content.
            replace: Take the place of a file that is there, or else leave that one; an object
                store can only replace.
        """
        if self.local is None:
            # A stream closed by an error would still put what it got: fill first, put at once.
            content = pa.BufferOutputStream()
            fill(content)
            path = self.path(relative)
            with self._explained(relative), self.fs.open_output_stream(path) as sink:
                sink.write(content.getvalue())
            return
        with self._explained(relative):
            self._write_local(self.local, relative, fill, replace=replace)

    def _write_local(
        self, root: Path, relative: str, fill: Callable[[pa.NativeFile], None], *, replace: bool
    ) -> None:
        target = root / relative
        writer = f"{socket.gethostname()}.{os.getpid()}"
        staged = root / STAGING / f"{relative.replace('/', '~')}@{writer}"
        _make_folder(staged.parent)
        _make_folder(target.parent)
        try:
            with self.fs.open_output_stream(str(staged)) as sink:
                fill(sink)
            _fsync(staged)
            if replace or not _link(staged, target):
                staged.replace(target)
        finally:
            staged.unlink(missing_ok=True)
        _fsync(target.parent)

    def write_bytes(
        self, relative: str, content: bytes | pa.Buffer, *, replace: bool = True
    ) -> None:
        """Writes a file whole; see `write`."""
        self.write(relative, lambda sink: sink.write(content) and None, replace=replace)

    def remove(self, relative: str) -> None:
        """Removes a file, for good before the next step; it may be gone already."""
        if not self.exists(relative):
            return
        with self._explained(relative), contextlib.suppress(FileNotFoundError):  # another did
            self.fs.delete_file(self.path(relative))
        if self.local is not None:
            _fsync((self.local / relative).parent)

    def remove_all(self, relatives: Iterable[str]) -> None:
        """Removes many files, for good before the next step; some may be gone already."""
        folders = set()
        for relative in relatives:
            with self._explained(relative), contextlib.suppress(FileNotFoundError):
                self.fs.delete_file(self.path(relative))
                folders.add(PurePosixPath(relative).parent)
        for folder in sorted(folders if self.local is not None else ()):
            _fsync(Path(self.root) / folder)

    def move_all(self, moves: Iterable[tuple[str, str]]) -> None:
        """Gives files that were written whole other names, as `(from, to)`, for good.

        An object store knows no renaming: there, a file is put again and then removed.
        """
        folders = set()
        for source, target in moves:
            if self.local is None:
                self.write_bytes(target, self.read(source))
                self.remove_all([source])
                continue
            place = self.local / target
            folders.add(place.parent)
            _make_folder(place.parent)
            with self._explained(target):
                (self.local / source).replace(place)
        for folder in sorted(folders):
            _fsync(folder)

    @contextlib.contextmanager
    def _explained(self, relative: str) -> Iterator[None]:
        """Gives an error of the system its file, and one of a store its remedy.

        A store's own text may quote a signed request: only the kind of trouble is passed on.
        """
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            if self.local is None and error.errno is None:  # as the stores' own errors are
                kind = STORE_ERROR.search(str(error))
                trouble = f" ({kind[1]})" if kind else ""
                raise LakeUnreachableError(
                    f"the lake {self.fs.type_name}://{self.root} cannot be reached{trouble}: check "
                    "COGNITION_LAKE, its keys and endpoint, and the network; then try again"
                ) from None
            if self.local is None or error.errno is None:
                raise
            file = error.filename or str(self.local / relative)
            raise OSError(error.errno, os.strerror(error.errno), file) from error

    def abandoned(self) -> tuple[Path, ...]:
        """Returns what writers that died have left in staging; files being written are not in it.

        A writer of this machine is dead when its process is; any is dead after a day.
        """
        if self.local is None:
            return ()
        return tuple(filter(_is_abandoned, (self.local / STAGING).glob("*@*")))

    def clean_staging(self) -> int:
        """Removes what writers that died have left in staging; returns how many files."""
        found = self.abandoned()
        for staged in found:
            staged.unlink(missing_ok=True)
        return len(found)


def sha256_of(content: pa.Buffer | bytes) -> str:
    """Returns the hex sha256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def name_of(relative: str) -> str:
    """Returns the file name without folders and last suffix."""
    return PurePosixPath(relative).stem


def without_secrets(uri: str) -> str:
    """Returns a URI without the keys and options it may carry, for messages."""
    scheme, mark, rest = uri.partition("://")
    if not mark:
        return uri
    place = rest.partition("?")[0].rpartition("@")[2]
    _, colon, port = place.partition("/")[0].partition(":")
    if colon and not port.isdigit():  # keys whose secret holds a question mark
        place = "..."
    return scheme + mark + place


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


def _link(staged: Path, target: Path) -> bool:
    """Gives a file its name unless there is one of that name; false where links are not known."""
    try:
        os.link(staged, target)
    except FileExistsError:
        return True
    except OSError:
        return False
    return True


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
