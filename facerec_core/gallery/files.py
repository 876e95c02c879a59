"""Galleries on disk: read whole and checked, written whole, readable by their owner only."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 under another name and rename it; a link is followed, not replaced.

    Raises:
        StorageError: it cannot be written; what was there before is left as it was.
    """
    final = path.resolve()
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{final.name[:40]}-", dir=final.parent)
        os.close(descriptor)
        temporary = Path(name)
        try:
            write_file(temporary, content)
            temporary.replace(final)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}; free some space, or write elsewhere"
        ) from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one process at a time changes galleries of this folder; the others wait.

    Raises:
        StorageError: the folder does not exist or cannot be opened.
    """
    folder = path.resolve().parent
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise StorageError(
            f"--gallery: cannot open {folder}: {error.strerror or error}; make the folder first"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
