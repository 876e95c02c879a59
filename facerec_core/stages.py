"""What the stages of a candidate leave on disk: one folder a stage, written once under the hash of its inputs.

A stage is built in a temporary folder and renamed, so a folder under its final name is complete. Two processes that
build the same stage both succeed; the second finds the first one's folder and keeps it.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path

from facerec_core.errors import StorageError

CHECKPOINT = ".resume-"
"""What the name of a checkpoint begins with."""


def content_key(*parts: object) -> str:
    """Hash of plain values and dataclasses, the same in every process: 20 hexadecimal digits."""
    plain = [asdict(part) if is_dataclass(part) and not isinstance(part, type) else part for part in parts]
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class StageStore:
    """Finished stages under one root folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, name: str, key: str) -> Path:
        """Where the stage lies or will lie."""
        return self._root / f"{name}-{key}"

    def has(self, name: str, key: str) -> bool:
        """Whether the stage is finished."""
        return self.folder(name, key).is_dir()

    def checkpoint(self, name: str, key: str) -> Path:
        """The file in which a stage in training keeps its last epoch; outside of its folder, which dies with it."""
        return self._root / f"{CHECKPOINT}{name}-{key}.npz"

    def discard(self, name: str, key: str) -> None:
        """Forget a stage, finished or begun, so that it is built again; a folder half removed never looks finished.

        Raises:
            StorageError: the folder cannot be moved away.
        """
        self.checkpoint(name, key).unlink(missing_ok=True)
        folder = self.folder(name, key)
        condemned = self._root / f"{hidden_mark(folder.name)}discarded"
        try:
            folder.rename(condemned)
        except FileNotFoundError:
            return
        except OSError as error:
            raise storage_error(folder, error) from error
        shutil.rmtree(condemned, ignore_errors=True)

    @contextmanager
    def create(self, name: str, key: str) -> Iterator[Path]:
        """Yield a temporary folder that becomes the stage when the block ends without an error.

        Raises:
            StorageError: the folder cannot be written, or the disk is full.
        """
        final = self.folder(name, key)
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=hidden_mark(name), dir=self._root))
        except OSError as error:
            raise storage_error(final, error) from error
        try:
            yield temporary
            if not final.is_dir():
                temporary.rename(final)
        except OSError as error:
            if not final.is_dir():
                raise storage_error(final, error) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def clear_leftovers(self) -> None:
        """Remove what processes of this machine left unfinished when they were killed.

        Checkpoints stay, for their stages to go on from, but for those of stages that are finished.
        """
        for path in self._root.glob(f".*-{glob.escape(socket.gethostname())}-*-*"):
            process = path.name.rsplit("-", 2)[1]
            if process.isdecimal() and not _is_alive(int(process)):
                _remove(path)
        for path in self._root.glob(f"{CHECKPOINT}*.npz"):
            if (self._root / path.stem.removeprefix(CHECKPOINT)).is_dir():
                path.unlink(missing_ok=True)


def hidden_mark(name: str) -> str:
    """What the name of something unfinished begins with: hidden, and telling which machine's and process's it is."""
    return f".{name}-{socket.gethostname()}-{os.getpid()}-"


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def write_file(path: Path, content: bytes) -> None:
    """Write a file and wait until it is on the disk."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def storage_error(path: Path, error: OSError) -> StorageError:
    """What to say when `path` cannot be written."""
    reason = error.strerror or str(error)
    return StorageError(
        f"cannot write {path}: {reason}; free some space, or set paths.root=PATH to a folder that can be written"
    )
