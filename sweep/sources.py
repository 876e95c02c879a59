"""Who says what is carried through next: a list of points, or a search that learns from what came before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from facerec_core.types import RunRecord
from sweep.points import Point


class Source(Protocol):
    """Yields the points of a sweep one after the other and hears what came of each."""

    @property
    def expected(self) -> int:
        """How many points there will be in all, as far as is known, for the display."""

    @property
    def repeats(self) -> bool:
        """Whether a point may be asked for again, so that what came of it has to be kept."""

    def ask(self) -> Point | None:
        """The next point to be carried through; None: none now, and none at all once every asked one was told."""

    def tell(self, point: Point, record: RunRecord) -> None:
        """What came of a point that was asked for: complete, infeasible, pruned or failed. Called once a point."""

    def prunes(self, point: Point, epoch: int, value: float) -> bool:
        """Whether a point in training is to be given up, judged by its validation TAR after an epoch (from 1)."""


class Listed:
    """A fixed list: first what is not trained, then the longest training first, lest one ends up alone with it."""

    def __init__(self, points: Sequence[Point]) -> None:
        self.expected = len(points)
        self.repeats = len({point.key for point in points}) < len(points)
        self._waiting = sorted(points, key=lambda point: (not point.feasibility.feasible, point.cost.macs))

    def ask(self) -> Point | None:
        """The largest network that was not asked for yet; before it, those that do not fit."""
        return self._waiting.pop() if self._waiting else None

    def tell(self, point: Point, record: RunRecord) -> None:
        """Nothing depends on it."""

    def prunes(self, point: Point, epoch: int, value: float) -> bool:  # noqa: ARG002
        """Never."""
        return False
