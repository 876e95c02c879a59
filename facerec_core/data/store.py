"""Files in a folder, a .zip or a .tar, listed and read alike; nothing is ever extracted to a path."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
import tempfile
import threading
import weakref
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from facerec_core.errors import DataError, StorageError

TAR_SUFFIXES = (".tar", ".tgz", ".tar.gz")
ARCHIVE_SUFFIXES = (".zip", *TAR_SUFFIXES)

_MAX_DEPTH = 4
"""How deep folders are looked into; also ends a loop of symbolic links."""

_TAR_ERRORS = (tarfile.TarError, EOFError, zlib.error)


class UnreadableError(Exception):
    """A file's bytes cannot be had; the message is the reason, without the name."""


@dataclass(frozen=True)
class Member:
    """A file: its path below the root, with slashes, and its size."""

    path: str
    size_bytes: int


class Store(Protocol):
    """A tree of files. `read` may be called from several threads."""

    def members(self) -> tuple[Member, ...]:
        """All files but hidden ones, sorted by path."""

    def content(self, paths: Sequence[str]) -> str:
        """Hash of the paths and the bytes of these files."""

    def read(self, path: str) -> bytes:
        """The bytes of one file.

        Raises:
            UnreadableError: it is larger than the store's limit, damaged or no regular file.
        """


def open_store(path: Path, key: str, suffixes: tuple[str, ...], max_bytes: int) -> Store:
    """Open a folder, or an archive whose name ends in one of `suffixes`.

    Args:
        path: the folder or archive.
        key: the configuration key that named it, for messages.
        suffixes: of ARCHIVE_SUFFIXES those that are welcome.
        max_bytes: `data.max_image_bytes`; larger files are not read.

    Raises:
        DataError: absent, not readable, or of another kind.
    """
    allowed = f"a folder or a {', '.join(suffixes)} file with one folder an identity"
    if not path.exists():
        raise DataError(f"{key}: {path} does not exist; needed: {allowed}")
    if path.is_dir():
        return FolderStore(path, key, max_bytes)
    name = path.name.lower()
    if not name.endswith(suffixes):
        raise DataError(f"{key}: {path} is a file; needed: {allowed}")
    return (ZipStore if name.endswith(".zip") else TarStore)(path, key, max_bytes)


def is_hidden(path: str) -> bool:
    """Whether a path has a part that starts with a dot, or is what macOS adds to archives."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.split("/"))


def _check_size(size_bytes: int, max_bytes: int) -> None:
    if size_bytes > max_bytes:
        raise UnreadableError(f"{size_bytes:,} bytes are more than data.max_image_bytes={max_bytes}")


def _digest(lines: Iterator[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


@dataclass(frozen=True)
class FolderStore:
    """A folder. Symbolic links are followed: a data set is often a folder of links."""

    root: Path
    key: str
    max_bytes: int

    def members(self) -> tuple[Member, ...]:
        """All files but hidden ones, at most four folders deep, sorted by path."""
        return self._members

    @cached_property
    def _members(self) -> tuple[Member, ...]:
        try:
            return tuple(sorted(self._walk(self.root, "", _MAX_DEPTH), key=lambda member: member.path))
        except OSError as error:
            raise DataError(f"{self.key}: cannot read {error.filename}: {error.strerror}") from error

    def _walk(self, folder: Path, prefix: str, depth: int) -> Iterator[Member]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_hidden(entry.name):
                    continue
                if not entry.is_dir():
                    yield Member(prefix + entry.name, _size_of(entry))
                elif depth > 1:
                    yield from self._walk(folder / entry.name, f"{prefix}{entry.name}/", depth - 1)

    def content(self, paths: Sequence[str]) -> str:
        """Hash of the paths and the bytes of these files; what cannot be read counts by its reason."""
        return _digest(f"{path}\0{self._hash(path)}" for path in sorted(paths))

    def _hash(self, path: str) -> str:
        try:
            return hashlib.sha256(self.read(path)).hexdigest()
        except UnreadableError as error:
            return f"unreadable: {error}"

    def read(self, path: str) -> bytes:
        """The bytes of one file; raises UnreadableError."""
        file = self.root / path
        try:
            status = file.stat()
            # Asked before opening: to open a named pipe is to wait for its writer.
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableError("not a regular file")
            _check_size(status.st_size, self.max_bytes)
            return file.read_bytes()
        except OSError as error:
            raise UnreadableError(error.strerror or str(error)) from error


def _size_of(entry: os.DirEntry[str]) -> int:
    """The size in bytes; 0 for a link that leads nowhere, which is found broken when it is read."""
    try:
        return entry.stat().st_size
    except OSError:
        return 0


def _checked_path(archive: Path, key: str, name: str) -> str:
    """The member's path with plain slashes; an archive that points outside itself is refused as a whole."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        raise DataError(f"{key}: {archive} holds {name!r}, a path that leads out of the archive; it is refused")
    return str(path)


def _unreadable_archive(archive: Path, key: str, error: Exception) -> DataError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return DataError(f"{key}: {archive} is not a readable archive, perhaps cut short: {reason}")


@dataclass(frozen=True)
class ZipStore:
    """A .zip file, read in place."""

    root: Path
    key: str
    max_bytes: int

    @cached_property
    def _archive(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.root)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise _unreadable_archive(self.root, self.key, error) from error

    @cached_property
    def _infos(self) -> dict[str, zipfile.ZipInfo]:
        infos = {_checked_path(self.root, self.key, info.filename): info for info in self._archive.infolist()}
        return {path: info for path, info in sorted(infos.items()) if not info.is_dir() and not is_hidden(path)}

    def members(self) -> tuple[Member, ...]:
        """All files but hidden ones, sorted by path."""
        return tuple(Member(path, info.file_size) for path, info in self._infos.items())

    def content(self, paths: Sequence[str]) -> str:
        """Hash of the paths, sizes and checksums in the archive's directory; no file is read."""
        infos = ((path, self._infos[path]) for path in sorted(paths))
        return _digest(f"{path}\0{info.file_size}\0{info.CRC}" for path, info in infos)

    def read(self, path: str) -> bytes:
        """The bytes of one file; raises UnreadableError."""
        info = self._infos[path]
        _check_size(info.file_size, self.max_bytes)
        try:
            return self._archive.read(info)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError) as error:
            raise UnreadableError(" ".join(str(error).split()) or "damaged") from error
        except (RuntimeError, NotImplementedError) as error:
            raise UnreadableError("encrypted, or compressed in a way that cannot be read") from error


def _check_end(archive: tarfile.TarFile) -> None:
    """Raise ReadError where the closing block of zeros was never read: tarfile takes a cut there for the end."""
    if archive.fileobj is None or archive.fileobj.tell() - archive.offset < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("the end marker is missing")


class TarStore:
    """A .tar or .tgz file. One pass lists it; the first read unpacks it into a nameless temporary file.

    A compressed stream cannot be read in any order but its own, and faces are read by name.
    """

    def __init__(self, root: Path, key: str, max_bytes: int) -> None:
        self.root = root
        self.key = key
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._spool: IO[bytes] | None = None
        self._offsets: dict[str, int] = {}

    @cached_property
    def _infos(self) -> dict[str, tarfile.TarInfo]:
        return {path: info for path, info, _ in sorted(self._stream(), key=lambda visited: visited[0])}

    def _stream(self) -> Iterator[tuple[str, tarfile.TarInfo, tarfile.TarFile]]:
        """Each file that is not hidden, in the archive's order."""
        try:
            with tarfile.open(self.root, "r|*") as archive:
                for info in archive:
                    path = _checked_path(self.root, self.key, info.name)
                    if not info.isdir() and not is_hidden(path):
                        yield path, info, archive
                _check_end(archive)
        except (*_TAR_ERRORS, OSError) as error:
            raise _unreadable_archive(self.root, self.key, error) from error

    def members(self) -> tuple[Member, ...]:
        """All files but hidden ones, sorted by path."""
        return tuple(Member(path, info.size) for path, info in self._infos.items())

    def content(self, paths: Sequence[str]) -> str:
        """Hash of the paths and of the archive file as a whole."""
        try:
            with self.root.open("rb") as file:
                whole = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _unreadable_archive(self.root, self.key, error) from error
        return _digest(iter([whole, *sorted(paths)]))

    def read(self, path: str) -> bytes:
        """The bytes of one file; raises UnreadableError, or StorageError where there is no room to unpack."""
        info = self._infos[path]
        if not info.isreg():
            raise UnreadableError("not a regular file")
        _check_size(info.size, self.max_bytes)
        with self._lock:
            self._spool = self._spool or self._unpack()
        return os.pread(self._spool.fileno(), info.size, self._offsets[path])

    def _unpack(self) -> IO[bytes]:
        spool = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the store)
        weakref.finalize(self, spool.close)
        for path, info, archive in self._stream():
            if info.isreg() and info.size <= self.max_bytes:
                self._offsets[path] = spool.tell()
                self._copy(archive, info, spool)
        spool.flush()
        return spool

    def _copy(self, archive: tarfile.TarFile, info: tarfile.TarInfo, spool: IO[bytes]) -> None:
        source = archive.extractfile(info)
        data = source.read() if source else b""
        try:
            spool.write(data)
        except OSError as error:
            raise StorageError(
                f"cannot unpack {self.root} in {tempfile.gettempdir()}: {error.strerror}; free some space, or set the "
                "environment variable TMPDIR to a roomier folder"
            ) from error
