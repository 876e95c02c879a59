"""The points of a sweep, with all that is known of them before anything is trained."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facerec_core.budget import check
from facerec_core.cost import cost
from facerec_core.data.loader import load_faces
from facerec_core.initial import check_init, init_identity
from facerec_core.latency import estimate
from facerec_core.options import DataOptions
from facerec_core.stages import content_key
from facerec_core.task import Task
from facerec_core.types import Cost, DataSummary, Feasibility, Latency
from sweep.console import Display
from sweep.schema import Settings
from sweep.tracking_keys import flatten

_IN_THE_NAME = ("width", "res", "embedding", "last")


@dataclass(frozen=True)
class Point:
    """One candidate of the sweep, costed and checked against its limits; `name` tells it from the others."""

    name: str
    settings: Settings
    task: Task
    data: DataSummary
    cost: Cost
    latency: Latency
    feasibility: Feasibility

    @property
    def key(self) -> str:
        """Identity of its record: equal keys mean equal records, times aside."""
        known = (self.cost, self.latency, self.feasibility)  # a latency table may have changed under the same board
        return content_key(self.task.key, self.settings.board, self.settings.budget, *known)


def make_points(settings: Sequence[Settings], root: Path, display: Display) -> tuple[Point, ...]:
    """Open the data once for every source and resolution that is needed, then cost every candidate.

    Settings that come to the same candidate, such as embedding=scaled,448 at width 0.35, make one point.

    Raises:
        UsageError: the data, the initial weights or the cache folder cannot be used.
    """
    for one in settings:
        _price(one, classes=1)  # a board that cannot be used is refused before the data, which may take minutes
    _check_initial_weights(settings)
    summaries: dict[DataOptions, DataSummary] = {}
    for data, resolution, folds in dict.fromkeys((s.data, s.res, s.eval.folds) for s in settings):
        summaries[data] = _open_data(data, resolution, folds, root, display)
    named = zip(point_names(settings), settings, strict=True)
    points = (_point(name, one, summaries[one.data], root) for name, one in named)
    return tuple({point.key: point for point in points}.values())


def _check_initial_weights(settings: Sequence[Settings]) -> None:
    """Raise UsageError where a candidate that will be trained cannot start from its `train.init`."""
    given = [one for one in settings if one.train.init != "none"]
    for init in dict.fromkeys(one.train.init for one in given):
        init_identity(init)
    trained = (one for one in given if _price(one, classes=1)[2].feasible)
    for init, candidate in dict.fromkeys((one.train.init, one.candidate) for one in trained):
        check_init(init, candidate)


def point_names(settings: Sequence[Settings]) -> tuple[str, ...]:
    """What each is called on the terminal: its candidate, and those other keys that the sweep varies."""
    configs = [dict(flatten(one.config)) for one in settings]
    varied = [key for key in configs[0] if key not in _IN_THE_NAME and len({config.get(key) for config in configs}) > 1]
    return tuple(
        " ".join([one.candidate.name, *_stated(config, varied)]) for one, config in zip(settings, configs, strict=True)
    )


def _stated(config: Mapping[str, str], keys: Sequence[str]) -> list[str]:
    return [f"{key}={config[key]}" for key in keys if key in config]


def _open_data(data: DataOptions, resolution: int, folds: int, root: Path, display: Display) -> DataSummary:
    what = f"{data.kind} faces at {resolution} px"
    display.doing(f"reading {what}")

    def report(done: int, total: int) -> None:
        display.doing(f"{what}: image {done} of {total}")

    return load_faces(data, resolution, root / "cache", report, folds=folds).summary


def _price(settings: Settings, classes: int) -> tuple[Cost, Latency, Feasibility]:
    candidate = settings.candidate
    shape = (candidate.width, candidate.resolution, candidate.embedding)
    price = cost(*shape, classes, candidate.last)
    latency = estimate(settings.board, *shape, candidate.last)
    return price, latency, check(price, latency, settings.budget, settings.board)


def _point(name: str, settings: Settings, data: DataSummary, root: Path) -> Point:
    threads = max((os.cpu_count() or 1) // settings.workers, 1)
    folders = (str(root / "stages"), str(root / "cache"))
    task = Task(settings.candidate, settings.recipe, data.fingerprint, *folders, threads)
    return Point(name, settings, task, data, *_price(settings, data.train_identities))
