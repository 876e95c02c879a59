"""Optuna's journal file, looked over before it is opened: what a killed process left of its last line is dropped.

Optuna itself reads past a last line without an end, but then appends to it, and the file is unreadable from there on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from facerec_core.errors import StorageError


def open_journal(path: Path) -> tuple[Any, int]:
    """(Optuna's storage on a journal file, bytes of a torn last line that were dropped).

    Raises:
        StorageError: the file cannot be read or written, or a line within it is damaged; it is left as it is.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

    path = path.absolute()
    lock = JournalFileSymlinkLock(str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        dropped = _mend(path, lock) if path.exists() else 0
        return JournalStorage(JournalFileBackend(str(path), lock_obj=lock)), dropped
    except OSError as error:
        hint = "free space, or set search.storage=FILE to another place"
        raise StorageError(f"{path}: {error.strerror or error}; {hint}") from error


def _mend(path: Path, lock: Any) -> int:
    """Check every line, and take away a last one that was never finished; nobody was told that it was written."""
    content = path.read_bytes()
    whole, _, tail = content.rpartition(b"\n")
    _check_lines(path, whole.split(b"\n") if whole else [])
    if not tail:
        return 0
    from optuna.storages.journal._file import get_lock_file

    with get_lock_file(lock), path.open("rb+") as stream:
        content = stream.read()  # again: another process may have been in the middle of that line
        tail = content.rpartition(b"\n")[2]
        if tail and _is_entry(tail):  # all but its end was written
            stream.write(b"\n")
            return 0
        stream.truncate(len(content) - len(tail))
    return len(tail)


def _check_lines(path: Path, lines: list[bytes]) -> None:
    for number, line in enumerate(lines, start=1):
        try:
            json.loads(line)
        except ValueError as error:
            column = getattr(error, "colno", 1)
            advice = "put a copy back, or move the file away: search.reuse=true then starts from what the tracker knows"
            raise StorageError(f"{path}:{number}:{column}: not a line of an Optuna journal; {advice}") from None


def _is_entry(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
