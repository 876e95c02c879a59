"""The points of a sweep, with all that is known of them before anything is trained."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facerec_core.budget import check
from facerec_core.cost import cost
from facerec_core.data.loader import load_faces
from facerec_core.latency import estimate
from facerec_core.options import DataOptions
from facerec_core.pipeline import Task
from facerec_core.stages import content_key
from facerec_core.types import Cost, DataSummary, Feasibility, Latency, Progress
from sweep.console import Display
from sweep.schema import Settings
from sweep.tracking_keys import candidate_name


@dataclass(frozen=True)
class Point:
    """One candidate of the sweep, costed and checked against its limits."""

    settings: Settings
    task: Task
    data: DataSummary
    cost: Cost
    latency: Latency
    feasibility: Feasibility

    @property
    def key(self) -> str:
        """Identity of its record: equal keys mean equal records, times aside."""
        return content_key(self.task.key, self.settings.board, self.settings.budget)

    @property
    def name(self) -> str:
        """How it is called on the terminal."""
        seed = f" seed {self.settings.seed}" if self.settings.seed else ""
        return candidate_name(self.task.candidate) + seed


def make_points(settings: Sequence[Settings], root: Path, display: Display) -> tuple[Point, ...]:
    """Open the data once for every source and resolution that is needed, then cost every candidate.

    Raises:
        UsageError: the data, the initial weights or the cache folder cannot be used.
    """
    summaries: dict[DataOptions, DataSummary] = {}
    for data, resolution, folds in dict.fromkeys((s.data, s.res, s.eval.folds) for s in settings):
        summaries[data] = _open_data(data, resolution, folds, root, display)
    return tuple(_point(one, summaries[one.data], root) for one in settings)


def _open_data(data: DataOptions, resolution: int, folds: int, root: Path, display: Display) -> DataSummary:
    key = f"data-{resolution}"
    display.name(key, f"{data.kind} faces at {resolution} px")

    def report(done: int, total: int) -> None:
        display.progress(Progress(key, "images", done, total))

    summary = load_faces(data, resolution, root / "cache", report, folds=folds).summary
    display.drop(key)
    return summary


def _point(settings: Settings, data: DataSummary, root: Path) -> Point:
    candidate = settings.candidate
    shape = (candidate.width, candidate.resolution, candidate.embedding)
    price = cost(*shape, classes=data.train_identities)
    latency = estimate(settings.board, *shape)
    feasibility = check(price, latency, settings.budget, ram_bytes=settings.board.ram_bytes)
    threads = max((os.cpu_count() or 1) // settings.workers, 1)
    task = Task(candidate, settings.recipe, data.fingerprint, str(root / "stages"), str(root / "cache"), threads)
    return Point(settings, task, data, price, latency, feasibility)
