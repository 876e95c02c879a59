"""Reading files that a user names: never more than there is room for, and nothing that has no end."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from facerec_core.errors import StorageError

LARGEST_BYTES = 64 * 2**20
"""A log, a table or a network of this project is far smaller."""


def read_limited(path: Path, *, pipes: bool = False) -> bytes:
    """The whole content of a file.

    Args:
        path: a regular file.
        pipes: whether a pipe will do too, such as standard input or a shell's `<(command)`.

    Raises:
        StorageError: it cannot be read, is a folder or a device, or holds more than `LARGEST_BYTES`.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not (pipes and stat.S_ISFIFO(mode)):
            raise StorageError(f"cannot read {path}: not a file; name a regular file")
        with path.open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    if len(content) > LARGEST_BYTES:
        raise StorageError(f"cannot read {path}: larger than {LARGEST_BYTES // 2**20} MiB; is it the right file?")
    return content


def user_path(text: str) -> Path:
    """A path as typed; a `~` no shell has expanded is expanded if there is such a user."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - that of pathlib raises where there is no such user


def check_writable(path: Path, key: str = "--out") -> None:
    """Make sure that a file can be made or replaced, without leaving anything behind.

    Args:
        path: the file; folders above it may be missing.
        key: the flag or configuration key that names it, for the message.

    Raises:
        StorageError: something else than a regular file lies there, or its folder cannot be written.
    """
    if os.path.lexists(path) and not path.is_file():
        raise StorageError(f"cannot write {path}: not a regular file; name another place with {key}")
    folder = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    probe = folder / f".{path.name[:64]}.{os.getpid()}.probe"
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StorageError(f"cannot write {path}: {reason}; name another place with {key}") from error
