"""Galleries on disk: read whole and checked, written whole, readable by their owner only."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from facerec_core.errors import DataError, StorageError
from facerec_core.gallery.decoding import decode
from facerec_core.gallery.encoding import encode
from facerec_core.gallery.records import Gallery
from facerec_core.stages import write_file


def read_gallery(path: Path) -> Gallery:
    """The gallery of a file.

    Raises:
        DataError: there is none, or it is damaged.
        StorageError: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(
            f"--gallery: {path}: got no such file, allowed: an .fpdb; `python -m sweep enroll` makes one"
        ) from None
    except OSError as error:
        raise StorageError(f"--gallery: cannot read {path}: {error.strerror or error}") from error
    return decode(content, f"--gallery: {path}")


def write_gallery(path: Path, gallery: Gallery) -> None:
    """Replace the file in one step; nobody but its owner may read it (mode 0600).

    Raises:
        DataError: more than 4 GiB.
        StorageError: it cannot be written; what was there before is left as it was.
    """
    write_private(path, encode(gallery))


def write_galleries(galleries: Mapping[Path, Gallery]) -> None:
    """Replace several files, or none: each is written beside its place before the first is renamed.

    Raises:
        DataError: more than 4 GiB.
        StorageError: one cannot be written. All are as they were, or the message names those that are not.
    """
    contents = {path: encode(gallery) for path, gallery in galleries.items()}
    with ExitStack() as beside:
        new = {path: beside.enter_context(_beside(path, content)) for path, content in contents.items()}
        # Only a rename can fail from here on; the last file needs no way back.
        old = {path: beside.enter_context(_copy(path)) for path in list(contents)[:-1]}
        replaced: list[Path] = []
        try:
            for path, temporary in new.items():
                _rename(temporary, path)
                replaced.append(path)
        except StorageError as error:
            left = [path for path in replaced if not _put_back(old[path], path)]
            if not left:
                raise
            names = ", ".join(map(str, left))
            raise StorageError(f"{error}; could not be put back and holds the change: {names}") from error


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 under another name and rename it; a link is followed, not replaced.

    Raises:
        StorageError: it cannot be written; what was there before is left as it was.
    """
    with _beside(path, content) as temporary:
        _rename(temporary, path)


@contextmanager
def _beside(path: Path, content: bytes) -> Iterator[Path]:
    """A file of mode 0600 with that content in the same folder; it is gone afterwards unless it was renamed."""
    final = path.resolve()
    with ExitStack() as tidy:
        with _writing(path):
            descriptor, name = tempfile.mkstemp(prefix=f".{final.name[:40]}-", dir=final.parent)
            os.close(descriptor)
            tidy.callback(Path(name).unlink, missing_ok=True)
            write_file(Path(name), content)
        yield Path(name)


@contextmanager
def _copy(path: Path) -> Iterator[Path | None]:
    """A copy beside a file, or None where there is no file."""
    if not path.exists():
        yield None
        return
    with _writing(path):
        content = path.read_bytes()
    with _beside(path, content) as temporary:
        yield temporary


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}; free some space, or write elsewhere"
        ) from error


def _rename(temporary: Path, path: Path) -> None:
    with _writing(path):
        temporary.replace(path.resolve())


def _put_back(old: Path | None, path: Path) -> bool:
    """Whether what was there before is there again."""
    try:
        if old is None:
            path.resolve().unlink()
        else:
            old.replace(path.resolve())
    except OSError:
        return False
    return True


@contextmanager
def locked(*paths: Path) -> Iterator[None]:
    """Only one process at a time changes galleries of these folders; the others wait.

    Raises:
        StorageError: a folder does not exist or cannot be opened.
    """
    with ExitStack() as held:
        # In one order everywhere, so that no two processes wait for each other.
        for folder in sorted({path.resolve().parent for path in paths}):
            try:
                descriptor = os.open(folder, os.O_RDONLY)
            except OSError as error:
                raise StorageError(
                    f"--gallery: cannot open {folder}: {error.strerror or error}; make the folder first"
                ) from error
            held.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
