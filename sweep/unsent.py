"""Records on their way to the tracker, kept until they are there as `unsent/SWEEP/KEY.json` below `paths.root`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from facerec_core.errors import StorageError
from facerec_core.record_json import dump_record, parse_record
from facerec_core.stages import write_file
from facerec_core.types import RunRecord

FOLDER = "unsent"


@dataclass(frozen=True)
class Unsent:
    """A record with where it belongs: the tracker's address, the experiment, and the run of the sweep.

    `model_dir` is what the paths of the variants' files are relative to; below the root, it is itself relative to it.
    """

    tracker: str
    experiment_id: str
    sweep: str
    sweep_run_id: str
    model_dir: str
    record: RunRecord


class Outbox:
    """The records below one root that one tracker has not confirmed yet."""

    def __init__(self, root: Path, tracker: str, experiment_id: str) -> None:
        self._root = root.absolute()
        self._tracker = tracker
        self._experiment_id = experiment_id

    def put(self, sweep: str, sweep_run_id: str, record: RunRecord, model_dir: Path) -> Path:
        """Keep a record before it is sent; the file appears whole or not at all.

        Raises:
            OSError: the folder cannot be written, or the disk is full.
        """
        path = self._root / FOLDER / sweep / f"{record.key}.json"
        unsent = Unsent(self._tracker, self._experiment_id, sweep, sweep_run_id, self._relative(model_dir), record)
        content = dump_record(unsent).encode()
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            _write_below(temporary, content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        return path

    def remove(self, path: Path) -> None:
        """Forget a record that has arrived, and the folders it leaves empty."""
        path.unlink(missing_ok=True)
        with suppress(OSError):  # others are still there
            path.parent.rmdir()
            path.parent.parent.rmdir()

    def waiting(self, say: Callable[[str], None]) -> Iterator[tuple[Path, Unsent]]:
        """What was left behind for this tracker; files for another one stay where they are, as do unreadable ones.

        Args:
            say: told which file cannot be read, and why.
        """
        for path in sorted((self._root / FOLDER).glob("*/*.json")):
            try:
                unsent = parse_record(Unsent, path.read_text(encoding="utf-8"), "its content")
            except FileNotFoundError:  # another process has just sent it
                continue
            except (OSError, UnicodeDecodeError, StorageError) as error:
                say(f"{path} cannot be sent and stays there until it is moved away: {error}")
                continue
            if (unsent.tracker, unsent.experiment_id) == (self._tracker, self._experiment_id):
                yield path, unsent

    def model_dir(self, unsent: Unsent) -> Path:
        """What the paths of the record's variants are relative to, should the root have been moved."""
        return self._root / unsent.model_dir

    def _relative(self, folder: Path) -> str:
        absolute = folder.absolute()
        return str(absolute.relative_to(self._root) if absolute.is_relative_to(self._root) else absolute)


def _write_below(path: Path, content: bytes) -> None:
    """Write a file, and its folder again should another driver remove it, empty as it was, in between."""
    for last in (False, True):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_file(path, content)
        except FileNotFoundError:
            if last:
                raise
        else:
            return
