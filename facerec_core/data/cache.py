"""Arrays of images on disk: written whole or not at all, checked when opened, shared between processes.

An entry is a folder `<cache>/<key>/` with one .npy file an array and a manifest. It is built in a folder beside it
and renamed, under a lock that dies with its process, so a killed build leaves nothing that is taken for an entry.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from facerec_core.errors import StorageError

Images = NDArray[np.uint8]
MANIFEST = "manifest.json"
FORMAT = 1
"""Goes into every key: raise it when what is stored changes."""

_POLL_SECONDS = 0.1
_READ_BYTES = 1 << 22


@dataclass(frozen=True)
class ArraySpec:
    """An array to be written: uint8 [count, side, side, 3], its rows delivered in chunks [k, side, side, 3]."""

    count: int
    side: int
    chunks: Iterable[Images]


@dataclass(frozen=True)
class Entry:
    """An opened cache entry: memory-mapped arrays by name, and the notes its builder left."""

    arrays: Mapping[str, Images]
    notes: Mapping[str, str]


@dataclass(frozen=True)
class _Stored:
    """What the manifest says of one array file."""

    count: int
    side: int
    size_bytes: int
    mtime_ns: int
    crc32: int


class _DamagedError(Exception):
    """The entry is absent, incomplete or altered, and has to be built again."""


def open_or_build(
    folder: Path,
    specs: Callable[[], Mapping[str, ArraySpec]],
    notes: Callable[[], Mapping[str, str]],
    waiting: Callable[[], None],
) -> Entry:
    """Open the entry at `folder`, building it first when it is absent or damaged.

    Args:
        folder: the entry; its name is the key of its content.
        specs: makes the arrays by name; called only to build.
        notes: called after all chunks were written; kept in the manifest.
        waiting: called several times a second while another process builds the same entry.

    Raises:
        StorageError: the cache folder cannot be written, or the disk is full.
    """
    try:
        return _open(folder)
    except _DamagedError:
        pass
    with _storage_errors(folder), _lock(folder, waiting):
        try:
            return _open(folder)
        except _DamagedError:
            _build(folder, specs, notes)
        return _open(folder)


def release(images: NDArray[np.uint8]) -> None:
    """Give back the memory of the pages of memory-mapped images that were read; they stay readable.

    Without it a pass over a large set ends with all of it in the process's memory, which the system takes back only
    when it is short. Arrays that are not memory-mapped stay as they are.
    """
    owner: object = images
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap):
        owner.madvise(mmap.MADV_DONTNEED)


@contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(
            f"cannot write the image cache {folder}: {reason}; free some space, or set paths.root=PATH to a folder "
            "that can be written"
        ) from error


@contextmanager
def _lock(folder: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the entry's lock; the system releases it when the process ends, however it ends."""
    path = folder.with_name(f".{folder.name}.lock")
    with _locked(path, waiting):
        try:
            yield
        except BaseException:
            path.unlink(missing_ok=True)  # what could not be built leaves nothing behind
            raise


def _locked(path: Path, waiting: Callable[[], None]) -> IO[str]:
    """The lock's file, locked, and not one that a failed build has removed meanwhile."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
        while not _try_lock(file.fileno()):
            waiting()
            time.sleep(_POLL_SECONDS)
        if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
            return file
        file.close()


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _build(folder: Path, specs: Callable[[], Mapping[str, ArraySpec]], notes: Callable[[], Mapping[str, str]]) -> None:
    # The lock is held: whatever lies here was left by a build that was killed, or is damaged.
    temporary = folder.with_name(f".{folder.name}.tmp")
    for leftover in (temporary, folder):
        if leftover.exists():
            shutil.rmtree(leftover)
    temporary.mkdir()
    try:
        stored = {name: _write(temporary / f"{name}.npy", spec) for name, spec in specs().items()}
        manifest = {
            "format": FORMAT,
            "arrays": {name: asdict(array) for name, array in stored.items()},
            "notes": dict(notes()),
        }
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(path: Path, spec: ArraySpec) -> _Stored:
    """Write through the file, not through a memory map, which kills the process when the disk is full."""
    shape = (spec.count, spec.side, spec.side, 3)
    crc = 0
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for chunk in spec.chunks:
            data = np.ascontiguousarray(chunk).data
            crc = zlib.crc32(data, crc)
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    stat = path.stat()
    return _Stored(spec.count, spec.side, stat.st_size, stat.st_mtime_ns, crc)


def _open(folder: Path) -> Entry:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise _DamagedError
        stored = {name: _Stored(**fields) for name, fields in manifest["arrays"].items()}
        arrays = {name: _open_array(folder / f"{name}.npy", spec) for name, spec in stored.items()}
        return Entry(arrays, manifest["notes"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _DamagedError from error


def _open_array(path: Path, stored: _Stored) -> Images:
    stat = path.stat()
    shape = (stored.count, stored.side, stored.side, 3)
    if stat.st_size != stored.size_bytes:
        raise _DamagedError
    array: np.memmap[tuple[int, int, int, int], np.dtype[np.uint8]]
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.shape != shape or array.dtype != np.uint8:
        raise _DamagedError
    # Reading all of it takes a second a gigabyte, so the content is checked only where the file was touched since.
    if stat.st_mtime_ns != stored.mtime_ns and _crc32(path, array.offset) != stored.crc32:
        raise _DamagedError
    return array


def _crc32(path: Path, offset: int) -> int:
    crc = 0
    with path.open("rb") as file:
        file.seek(offset)
        while data := file.read(_READ_BYTES):
            crc = zlib.crc32(data, crc)
    return crc
