"""How a sweep stands, in a file that another shell can read: `status/SWEEP.json` below `paths.root`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facerec_core.errors import StorageError
from facerec_core.record_json import dump_record, parse_record
from sweep.owner import Owner

FOLDER = "status"
BEAT_SECONDS = 1.0
"""A file is written no more often than this."""
State = Literal["running", "finished", "failed", "interrupted"]


@dataclass(frozen=True)
class RunningStage:
    """A candidate under way: the stage it is in, how far, and for how long; `total` 0: the length is not known."""

    candidate: str
    stage: str
    done: int
    total: int
    note: str
    seconds: float
    steps_a_second: float | None


@dataclass(frozen=True)
class Beat:
    """A sweep at one moment; `counts` are finished candidates by their status, `doing` what goes on beside them.

    `expected` is how many candidates there will be, as far as is known. The rate and the seconds left are None while
    nothing tells.
    """

    sweep: str
    command: str
    owner: Owner
    state: State
    started_unix: float
    updated_unix: float
    expected: int
    counts: Mapping[str, int]
    running: tuple[RunningStage, ...]
    doing: str
    candidates_a_minute: float | None
    seconds_left: float | None

    @property
    def done(self) -> int:
        """How many candidates are finished, one way or another."""
        return sum(self.counts.values())

    @property
    def waiting(self) -> int:
        """How many have not begun."""
        return max(self.expected - self.done - len(self.running), 0)


def beat_path(root: Path, sweep: str) -> Path:
    """Where the file of a sweep lies."""
    return root / FOLDER / f"{sweep}.json"


def write_beat(root: Path, beat: Beat) -> None:
    """Write the file of a sweep; a reader sees the old one or the new one, never a part.

    Raises:
        OSError: it cannot be written, or the disk is full.
    """
    path = beat_path(root, beat.sweep)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        # Not waited for until it is on the disk: after a power cut nobody asks how the sweep stood.
        temporary.write_text(dump_record(beat), encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_beat(root: Path, sweep: str) -> Beat | None:
    """How a sweep stands; None where it has left no file.

    Raises:
        StorageError: the file cannot be read.
    """
    path = beat_path(root, sweep)
    try:
        return parse_record(Beat, path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"cannot read {path}: {error}; remove it") from error


def read_beats(root: Path) -> tuple[Beat, ...]:
    """Every sweep that has left a file, the one started last first; errors as for `read_beat`."""
    found = (read_beat(root, path.stem) for path in (root / FOLDER).glob("[!.]*.json"))
    return tuple(sorted((beat for beat in found if beat), key=lambda beat: beat.started_unix, reverse=True))
