"""Searches without data, training or tracker: real settings, costs, limits and studies; made-up accuracies."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from facerec_core.task import Task
from facerec_core.types import RunRecord, Scheme
from sweep import records
from sweep.points import Point, price
from sweep.schema import Settings
from sweep.search.feasible import survey
from sweep.search.source import SearchSource
from sweep.search.space import read_space
from sweep.search.storage import open_storage
from sweep.search.study import Study, open_study
from tests.records import make_variant
from tests.settings import SUMMARY, composer

SCHEMES: tuple[Scheme, ...] = ("float32", "ptq_int8", "qat_int8")


def make_point(name: str, settings: Settings) -> Point:
    task = Task(settings.candidate, settings.recipe, SUMMARY.fingerprint, "stages", "cache", 1)
    return Point(name, settings, task, SUMMARY, *price(settings, SUMMARY.train_identities))


def trained(point: Point) -> RunRecord:
    """What training a point would come to; what does not fit is not trained."""
    untrained = records.infeasible_record(point)
    if not point.feasibility.feasible:
        return untrained
    variants = tuple(make_variant(untrained.candidate, untrained.cost, scheme, 1_500_000) for scheme in SCHEMES)
    return dataclasses.replace(untrained, status="complete", variants=variants)


@dataclasses.dataclass
class Search:
    """A search as one process sees it."""

    source: SearchSource
    study: Study
    said: list[str]

    def carry_through(self, record: Callable[[Point], RunRecord] = trained, most: int = 1000) -> list[Point]:
        """Ask and tell, one at a time, until nothing comes or `most` were handed out."""
        handed: list[Point] = []
        while len(handed) < most and (point := self.source.ask()) is not None:
            handed.append(point)
            self.source.tell(point, record(point))
        return handed


def search(root: Path, *lines: str, name: str = "s", fingerprint: str = SUMMARY.fingerprint) -> Search:
    space = read_space(composer().searching(lines))
    storage, where, _ = open_storage(root, space.base.search.storage)
    study, said = open_study(storage, where, name, space, fingerprint), []
    return Search(SearchSource(study, survey(space), make_point, said.append), study, said)


def names(points: list[Point]) -> list[str]:
    return [point.name for point in points]
