"""The points of a sweep, with all that is known of them before anything is trained."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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

    @cached_property
    def key(self) -> str:
        """Identity of its record: equal keys mean equal records, times aside."""
        known = (self.cost, self.latency, self.feasibility)  # a latency table may have changed under the same board
        return content_key(self.task.key, self.settings.board, self.settings.budget, *known)


class Points:
    """Makes points one after the other; the data of a source is opened once a resolution, when it is first needed."""

    def __init__(self, root: Path, display: Display) -> None:
        self._root = root
        self._display = display
        self._summaries: dict[tuple[DataOptions, int, int], DataSummary] = {}

    def open_data(self, settings: Settings) -> DataSummary:
        """What the candidate would be trained and evaluated on.

        Raises:
            UsageError: the data or the cache folder cannot be used.
        """
        wanted = (settings.data, settings.res, settings.eval.folds)
        if wanted not in self._summaries:
            self._summaries[wanted] = _open_data(*wanted, self._root, self._display)
        return self._summaries[wanted]

    def make(self, name: str, settings: Settings, otherwise: Settings | None = None) -> Point:
        """The point of that name; errors as for `open_data`.

        Args:
            name: what it is called on the terminal.
            settings: what it is made of.
            otherwise: settings whose data is opened instead where the point does not fit: nothing is trained then,
                and the same source at another resolution need not be decoded.
        """
        trained = otherwise is None or price(settings)[2].feasible
        data = self.open_data(settings if trained or otherwise is None else otherwise)
        return _point(name, settings, data, self._root)


def make_points(settings: Sequence[Settings], root: Path, display: Display) -> tuple[Point, ...]:
    """Open the data once for every source and resolution that is needed, then cost every candidate.

    Settings that come to the same candidate, such as embedding=scaled,448 at width 0.35, make one point.

    Raises:
        UsageError: the data, the initial weights or the cache folder cannot be used.
    """
    for one in settings:
        price(one)  # a board that cannot be used is refused before the data, which may take minutes
    check_initial_weights(settings)
    points = Points(root, display)
    made = [points.make(name, one) for name, one in zip(point_names(settings), settings, strict=True)]
    return tuple({point.key: point for point in made}.values())


def check_initial_weights(settings: Sequence[Settings]) -> None:
    """Raise UsageError where a candidate that will be trained cannot start from its `train.init`."""
    given = [one for one in settings if one.train.init != "none"]
    for init in dict.fromkeys(one.train.init for one in given):
        init_identity(init)
    trained = (one for one in given if price(one)[2].feasible)
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


def price(settings: Settings, classes: int = 1) -> tuple[Cost, Latency, Feasibility]:
    """What a candidate costs and which limits it keeps; no data is needed, and `classes` decides only its head.

    Raises:
        UsageError: the board's tables cannot be used.
    """
    candidate = settings.candidate
    shape = (candidate.width, candidate.resolution, candidate.embedding)
    costs = cost(*shape, classes, candidate.last)
    latency = estimate(settings.board, *shape, candidate.last)
    return costs, latency, check(costs, latency, settings.budget, settings.board)


def _point(name: str, settings: Settings, data: DataSummary, root: Path) -> Point:
    side_by_side = settings.workers if settings.executor.kind == "local" else 1
    threads = max((os.cpu_count() or 1) // side_by_side, 1)
    folders = (str(root / "stages"), str(root / "cache"))
    task = Task(settings.candidate, settings.recipe, data.fingerprint, *folders, threads)
    return Point(name, settings, task, data, *price(settings, data.train_identities))
