"""How long a candidate will take to train, from what earlier ones with the same data and recipe took.

A line a finished candidate is kept in `timings.jsonl` below `paths.root`. The time of a candidate is taken as a fixed
part and one in proportion to its multiply-adds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from facerec_core.errors import StorageError
from facerec_core.latency.fit import nonnegative_least_squares
from facerec_core.stages import content_key
from facerec_core.types import Cost
from sweep.plan import Forecast
from sweep.schema import Settings

FILE = "timings.jsonl"
MOST_MACS, MOST_SECONDS = 10**12, 1e8
"""Thousands of the largest networks, and three years."""


@dataclass(frozen=True)
class Timing:
    """One finished candidate: its task, the hash of its data and recipe, its MACs and how long it took."""

    task: str
    recipe: str
    macs: int
    seconds: float


def recipe_key(point: Settings) -> str:
    """What two points share whose training times can be compared."""
    return content_key(point.data, point.train, point.quant, point.eval)


def remember(point: Settings, task_key: str, cost: Cost, stage_seconds: Mapping[str, float]) -> None:
    """Keep what a finished candidate took; a line is appended in one write, so that two sweeps can share the file.

    Raises:
        StorageError: the file cannot be written.
    """
    path = point.paths.folder / FILE
    line = json.dumps(asdict(Timing(task_key, recipe_key(point), cost.macs, sum(stage_seconds.values()))))
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, f"{line}\n".encode())
        finally:
            os.close(handle)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}; set paths.root=PATH to another folder") from error


def forecaster(points: Sequence[Settings]) -> Forecast:
    """A forecast from the timings below the points' `paths.root`; a file that cannot be read tells nothing."""
    known = tuple(_read(points[0].paths.folder / FILE)) if points else ()
    fits = {recipe: _fit([one for one in known if one.recipe == recipe]) for recipe in {one.recipe for one in known}}

    def forecast(point: Settings, cost: Cost) -> float | None:
        if not fits:
            return None
        fitted = fits.get(recipe_key(point))
        return None if fitted is None else fitted[0] + fitted[1] * cost.macs / 1e6

    return forecast


def _read(path: Path) -> Iterator[Timing]:
    """The latest timing of each task; a line that a kill cut short, or that is no timing, is passed over."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else []
    except OSError:
        return
    found = filter(None, map(_timing, lines))
    yield from {timing.task: timing for timing in found}.values()


def _timing(line: str) -> Timing | None:
    """One line as a timing that can be; None for anything else."""
    try:
        timing = Timing(**json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return None
    texts = all(isinstance(text, str) for text in (timing.task, timing.recipe))
    numbers = type(timing.macs) is int and type(timing.seconds) in (int, float)
    possible = numbers and 0 < timing.macs <= MOST_MACS and 0 < timing.seconds <= MOST_SECONDS
    return timing if texts and possible else None


def _fit(timings: Sequence[Timing]) -> tuple[float, float]:
    """Seconds, and seconds per million MACs, that minimise the squared relative error."""
    seconds = np.array([one.seconds for one in timings])
    matrix = np.array([[1.0, one.macs / 1e6] for one in timings]) / seconds[:, None]
    if len({one.macs for one in timings}) == 1:  # one size says nothing of the fixed part
        return 0.0, float(np.mean(seconds) * 1e6 / timings[0].macs)
    fixed, rate = nonnegative_least_squares(matrix, np.ones(len(timings)))
    return float(fixed), float(rate)
