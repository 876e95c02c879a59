"""The last finished epoch of a stage in training, on disk, so that who was interrupted goes on from there.

A checkpoint holds all that the next step depends on: weights with their statistics, the optimiser's moments and step
count, and the curves so far. The order of the images and the seeds of their augmentation follow from the step's
number, so a training that was interrupted ends with the same bits as one that was not.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_core.errors import StorageError
from facerec_core.record_json import dump_record, parse_record
from facerec_core.stages import hidden_mark, storage_error
from facerec_core.types import CurvePoint
from facerec_core.weights import UNREADABLE, read_plain_arrays, write_arrays

FORMAT = 1
"""Raise it when a checkpoint holds something else than before."""
_HEADER = "header"


@dataclass(frozen=True)
class _Header:
    """What a checkpoint says of itself: whose it is, and how far its stage has come."""

    format: int
    key: str
    phase: str
    epoch: int
    curves: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class State:
    """Where a stage stood when `epoch` (from 1) of `phase` had ended.

    `arrays` are the values of all variables in the order of training, `curves` every epoch of the stage so far.
    """

    phase: str
    epoch: int
    curves: tuple[CurvePoint, ...]
    arrays: Sequence[NDArray[Any]]

    def fits(self, variables: Sequence[Any]) -> bool:
        """Whether the arrays have the shapes and types of `variables`."""
        wanted = [(tuple(variable.shape), variable.dtype.as_numpy_dtype) for variable in variables]
        return wanted == [(array.shape, array.dtype.type) for array in self.arrays]

    def restore(self, variables: Sequence[Any]) -> None:
        """Give `variables` the values they had."""
        for variable, array in zip(variables, self.arrays, strict=True):
            variable.assign(array)


class Checkpoint:
    """The file of one stage.

    Args:
        path: where it lies or will lie.
        key: of the stage; a checkpoint of another one is foreign.
        say: called with a line when a checkpoint was found or had to be discarded.
    """

    def __init__(self, path: Path, key: str, say: Callable[[str], None]) -> None:
        self._path, self._key, self._say = path, key, say

    def read(self) -> State | None:
        """The state to go on from; None where there is none, or a damaged or foreign one, which is then discarded.

        Raises:
            StorageError: the folder cannot be read.
        """
        if not self._path.exists():
            return None
        try:
            arrays = read_plain_arrays(self._path)
            header = parse_record(_Header, str(arrays.pop(_HEADER)), self._path.name)
        except PermissionError as error:
            raise storage_error(self._path, error) from error
        except (*UNREADABLE, StorageError) as error:
            self.discard(f"it is damaged ({error})")
            return None
        if (header.format, header.key) != (FORMAT, self._key):
            self.discard("it belongs to another stage or version")
            return None
        self._say(f"going on after epoch {header.epoch} of {header.phase}")
        ordered = [arrays[name] for name in sorted(arrays)]
        return State(header.phase, header.epoch, header.curves, ordered)

    def write(self, state: State) -> None:
        """Replace the file by `state`: the old one or the new one is there at any time, and whole.

        Raises:
            StorageError: the folder cannot be written, or the disk is full.
        """
        header = _Header(FORMAT, self._key, state.phase, state.epoch, state.curves)
        named: Mapping[str, NDArray[Any]] = {f"{number:06d}": array for number, array in enumerate(state.arrays)}
        temporary = None
        try:
            stream, name = tempfile.mkstemp(prefix=hidden_mark(self._path.stem.lstrip(".")), dir=self._path.parent)
            os.close(stream)
            temporary = Path(name)
            write_arrays(temporary, {_HEADER: np.array(dump_record(header)), **named})
            temporary.replace(self._path)
        except OSError as error:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
            raise storage_error(self._path, error) from error

    def discard(self, reason: str) -> None:
        """Remove the file and say why; the stage begins anew."""
        self._path.unlink(missing_ok=True)
        self._say(f"the checkpoint {self._path.name} is not used, {reason}; starting from the first epoch")


class Journal:
    """One stage's training: where it goes on, its curves, and what is kept of every epoch.

    Args:
        checkpoint: where epochs are kept; None keeps them nowhere.
        passed: hears of every epoch once it is safe on disk, and may raise to end the training there.
    """

    def __init__(
        self, checkpoint: Checkpoint | None = None, passed: Callable[[Sequence[CurvePoint]], None] | None = None
    ) -> None:
        self._checkpoint, self._passed = checkpoint, passed
        self._state = checkpoint.read() if checkpoint else None
        self.curves: list[CurvePoint] = list(self._state.curves) if self._state else []

    @property
    def goes_on(self) -> bool:
        """Whether there is an epoch to go on from."""
        return self._state is not None

    def is_over(self, phase: str) -> bool:
        """Whether a phase is done and a later one has begun."""
        return self._state is not None and self._state.phase != phase and bool(self.of(phase))

    def of(self, phase: str) -> list[CurvePoint]:
        """The curve of one phase."""
        return [point for point in self.curves if point.phase == phase]

    def resume(self, phase: str, variables: Sequence[Any]) -> int:
        """Give `variables` the values they had after the last epoch of `phase` and return its number; 0: none is done.

        A checkpoint that does not fit them is discarded.

        Raises:
            StorageError: it does not fit them, and earlier phases had been skipped for it.
        """
        state = self._state
        if state is None or self._checkpoint is None or state.phase != phase:
            return 0
        self._state = None
        if state.fits(variables):
            state.restore(variables)
            return state.epoch
        self._checkpoint.discard("its arrays have other shapes")
        if len(self.of(phase)) < len(self.curves):
            raise StorageError(f"the checkpoint of {phase} did not fit and was removed; start the sweep again")
        self.curves.clear()
        return 0

    def add(self, point: CurvePoint, variables: Sequence[Any]) -> None:
        """Take note of an epoch that has ended, keep it, and tell who listens.

        Raises:
            StorageError: the checkpoint cannot be written.
        """
        self.curves.append(point)
        if self._checkpoint is not None:
            arrays = [variable.numpy() for variable in variables]
            self._checkpoint.write(State(point.phase, point.epoch, tuple(self.curves), arrays))
        if self._passed is not None:
            self._passed(self.curves)
