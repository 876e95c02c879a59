"""What a search maximises and minimises, out of a record or, before training, out of what is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.selection import choose_metric
from facerec_core.budget import for_file
from facerec_core.types import DEPLOYABLE, Cost, Latency, LimitCheck, RunRecord, VariantRecord
from sweep.search.feasible import violation

WORST_ACCURACY = 0.0
DIRECTIONS: Mapping[str, tuple[str, ...]] = {
    "multi": ("maximize", "minimize", "minimize"),
    "single": ("maximize",),
}
"""Optuna's words for the objectives: the metric, file size in bytes, latency in milliseconds."""
TITLES: Mapping[str, tuple[str, ...]] = {
    "multi": ("validation TAR at the target FAR", "file, bytes", "latency, ms"),
    "single": ("validation TAR at the target FAR",),
}


@dataclass(frozen=True)
class Judged:
    """A candidate as the search sees it: values in the order of the objectives, violations by the limit's name."""

    values: tuple[float, ...]
    violations: Mapping[str, float]


def judged_record(record: RunRecord, target_far: float, objective: str) -> Judged:
    """The candidate's best int8 file: the highest metric among those that keep every limit, then the smallest.

    The metric is that of the report (`analysis/selection.py`): validation TAR at `target_far` or, where the pairs do
    not resolve it, at the smallest listed FAR, else accuracy.
    """
    files = [variant for variant in record.variants if variant.scheme in DEPLOYABLE]
    if not files:
        return judged_cost(record.cost, record.latency, record.feasibility.checks, objective)
    metric = choose_metric([record], target_far)
    found = [
        (*_standing(record, variant), metric.of(variant.validation) or WORST_ACCURACY, variant) for variant in files
    ]
    _, limits, value, best = min(found, key=lambda one: (one[0], -one[2], one[3].file.size_bytes))
    return _judged(value, best.file.size_bytes, record.latency, limits, objective)


def judged_cost(cost: Cost, latency: Latency, limits: Sequence[LimitCheck], objective: str) -> Judged:
    """A candidate that is not trained: the worst accuracy, with the size that is predicted and its latency."""
    return _judged(WORST_ACCURACY, cost.file_bytes, latency, limits, objective)


def _standing(record: RunRecord, variant: VariantRecord) -> tuple[bool, tuple[LimitCheck, ...]]:
    """(whether a limit is not kept by this file, the limits judged by it)."""
    limits = for_file(record.feasibility.checks, variant.file.size_bytes)
    return any(limit.verdict != "ok" for limit in limits), limits


def _judged(accuracy: float, size_bytes: int, latency: Latency, limits: Sequence[LimitCheck], objective: str) -> Judged:
    every = (accuracy, float(size_bytes), latency.ms)
    return Judged(every[: len(DIRECTIONS[objective])], {limit.name: violation(limit) for limit in limits})
