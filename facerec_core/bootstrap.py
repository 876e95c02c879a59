"""How far a rate, or the difference of two, may be off because other people could have been drawn.

The people are what was sampled, not the pairs: pairs share people and vary together. So people are resampled
(`facerec_core/replicates.py`), and 95 % intervals are read off the replicates' percentiles (Efron and Tibshirani, "An
Introduction to the Bootstrap", 1993, chapter 13). Resampling people instead of pairs: Bolle, Ratha, Pankanti, "Error
analysis of pattern recognition systems - the subsets bootstrap", Computer Vision and Image Understanding 93, 2004; both
people of an impostor pair at once, as here: close to the vertex bootstrap of Fogliato, Patil, Perona, "Confidence
intervals for error rates in 1:1 matching tasks", https://arxiv.org/abs/2306.01198.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from facerec_core import roc
from facerec_core.errors import DataError
from facerec_core.replicates import (
    EXACT_IMPOSTORS,
    THINNED_IMPOSTORS,
    Chunk,
    Ints,
    Listed,
    Scores,
    Weights,
    draw_weights,
    rates_of,
)
from facerec_core.types import Evaluation, Interval, RocGrid

CONFIDENCE = 0.95
DECIMALS = 5
TAR_KEY = "tar_at_far_"
_GRID = {f"log10_far_{exponent}": 10.0**exponent for exponent in roc.LOG10_FAR_GRID}
"""The FARs of a ROC by the keys that their replicates have here; the replicates themselves are not kept."""


@dataclass(frozen=True)
class Resampled:
    """Intervals and replicates of one evaluation by key, and what was resampled; see `Evaluation`.

    `band` are the intervals on `roc.LOG10_FAR_GRID`, None below the FAR floor; empty where nothing was resampled.
    """

    intervals: Mapping[str, Interval] = field(default_factory=dict)
    replicates: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    resampling: str = ""
    band: tuple[Interval | None, ...] = ()

    def banded(self, grid: RocGrid) -> RocGrid:
        """The ROC with the intervals of its TARs."""
        low = tuple(None if one is None else round(one.low, DECIMALS) for one in self.band)
        high = tuple(None if one is None else round(one.high, DECIMALS) for one in self.band)
        return replace(grid, low=low, high=high)


def percentile_interval(values: NDArray[np.float64]) -> Interval:
    """The 95 % percentile interval of replicates [r]: it ends at replicates, the next ones outwards."""
    ordered, tail = np.sort(values), (1 - CONFIDENCE) / 2
    low, high = math.floor(tail * (values.size - 1)), math.ceil((1 - tail) * (values.size - 1))
    return Interval(float(ordered[low]), float(ordered[high]))


def resample(
    chunks: Callable[[], Iterable[Chunk]],
    threshold_accepting: Callable[[int], float],
    labels: Ints,
    listed: Listed,
    *,
    target_far: float,
    threshold: float | None,
    replicates: int,
) -> Resampled:
    """Intervals of every rate that the pairs resolve; nothing where `replicates` is 0 or too few people have pairs.

    Args:
        chunks: all pairs of the images, people as in `labels`.
        threshold_accepting: see `roc.threshold_accepting`, of all impostor pairs.
        labels: int64 [n], the person of each image, from 0 without gaps.
        listed: the pairs of the accuracy, people as in `labels`.
        target_far: a FAR to give the TAR at besides the listed ones.
        threshold: the one a device has, or None.
        replicates: how many.
    """
    images_each = np.bincount(labels).astype(np.int64)
    weights = draw_weights(images_each, listed, replicates) if replicates else None
    if weights is None:
        return Resampled()
    impostor_pairs = (labels.size**2 - int((images_each**2).sum())) // 2
    scores = Scores.of(
        chunks(), threshold_accepting(EXACT_IMPOSTORS), max(1, math.ceil(impostor_pairs / THINNED_IMPOSTORS))
    )
    fars = {TAR_KEY + roc.far_label(far): far for far in rated_fars(target_far)} | _GRID
    resolved = {key: far for key, far in fars.items() if roc.resolves(far, impostor_pairs)}
    found = dict(rates_of(scores, listed, images_each, weights, resolved, threshold))
    band = [found.pop(key, None) for key in _GRID]
    return Resampled(
        intervals={key: percentile_interval(values) for key, values in found.items()},
        replicates={key: tuple(values.round(DECIMALS).tolist()) for key, values in found.items() if key != "auc"},
        resampling=_identity(labels, listed, weights),
        band=tuple(None if values is None else percentile_interval(values) for values in band),
    )


def rated_fars(target_far: float) -> tuple[float, ...]:
    """The FARs that a TAR is given at: those listed, and the target."""
    labels = map(roc.far_label, roc.LISTED_FARS)
    return roc.LISTED_FARS if roc.far_label(target_far) in labels else (*roc.LISTED_FARS, target_far)


def _identity(labels: Ints, listed: Listed, weights: Weights) -> str:
    digest = hashlib.sha256()
    for column in (labels, listed.first, listed.second, listed.fold, listed.same, weights):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Difference:
    """A difference of two rates and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Ratio:
    """A ratio of two rates, or of two differences, and its 95 % interval; an end may be infinite."""

    value: float
    low: float
    high: float


def rate(evaluation: Evaluation, metric: str) -> float | None:
    """The rate itself by its key in `Evaluation.intervals`; None where the evaluation has none.

    Raises:
        DataError: there is no such key.
    """
    label = metric.removeprefix(TAR_KEY)
    if label != metric and label in evaluation.tar_at_far:
        return evaluation.tar_at_far[label]
    allowed = ("accuracy", "auc", "eer", "realised_far", "realised_tar")
    if metric not in allowed:
        known = ", ".join((*(TAR_KEY + name for name in evaluation.tar_at_far), *allowed))
        raise DataError(f"metric: got {metric!r}, allowed: {known}")
    value: float | None = getattr(evaluation, metric)
    return value


def paired_difference(a: Evaluation, b: Evaluation, metric: str) -> Difference:
    """`a` minus `b` in one rate, with the interval of the difference formed replicate by replicate.

    What both owe to the same people cancels, so it is far narrower than two intervals side by side suggest.

    Raises:
        DataError: the two were not resampled alike, or one has no replicates of `metric`.
    """
    (own, other), (own_replicates, other_replicates) = _paired((a, b), metric)
    interval = percentile_interval(own_replicates - other_replicates)
    return Difference(own - other, interval.low, interval.high)


def paired_ratio(a: Evaluation, b: Evaluation, metric: str) -> Ratio:
    """`a` divided by `b` in one rate, with its interval: a low end of 0.98 is "at most 2 % of `b` lost".

    Raises:
        DataError: as for `paired_difference`; or `b` is 0.
    """
    (own, other), (own_replicates, other_replicates) = _paired((a, b), metric)
    if not other:
        raise DataError(f"{metric}: got 0 to divide by, allowed: a rate above 0; compare by difference")
    return _ratio(own / other, own_replicates, other_replicates)


def recovered(float_: Evaluation, ptq: Evaluation, qat: Evaluation, metric: str) -> Ratio | None:
    """The share of what PTQ lost that QAT wins back: 0 nothing, 1 all of it, beyond that more or less than nothing.

    None where PTQ lost nothing noticeable, that is where the interval of the loss reaches 0. For a rate that is an
    error, such as the EER, a loss is a rise, and the formula is the same.

    Raises:
        DataError: as for `paired_difference`.
    """
    (full, after, regained), (full_all, after_all, regained_all) = _paired((float_, ptq, qat), metric)
    sign = -1.0 if metric in ("eer", "realised_far") else 1.0
    losses = sign * (full_all - after_all)
    loss = sign * (full - after)
    if loss <= 0 or percentile_interval(losses).low <= 0:
        return None
    return _ratio(sign * (regained - after) / loss, sign * (regained_all - after_all), losses)


def _ratio(value: float, above: NDArray[np.float64], below: NDArray[np.float64]) -> Ratio:
    """A replicate whose divisor is not above 0 says nothing of the ratio and counts against both ends."""
    usable = below > 0
    divided = np.divide(above, below, out=np.zeros_like(above), where=usable)
    low = percentile_interval(np.where(usable, divided, -np.inf)).low
    return Ratio(value, low, percentile_interval(np.where(usable, divided, np.inf)).high)


def _paired(evaluations: Sequence[Evaluation], metric: str) -> tuple[list[float], list[NDArray[np.float64]]]:
    """Rate and replicates of `metric` in each."""
    first = evaluations[0]
    for other in evaluations[1:]:
        if not first.resampling or _sample(first) != _sample(other):
            raise DataError(
                f"{metric}: got evaluations of {_sample(first)} and {_sample(other)}, allowed: two that were resampled "
                "alike; evaluate both on the same split with the same eval.replicates above 0"
            )
    values = [rate(evaluation, metric) for evaluation in evaluations]
    known = [value for value in values if value is not None]
    if len(known) < len(values) or any(metric not in evaluation.replicates for evaluation in evaluations):
        raise DataError(f"{metric}: got no replicates of it, allowed: {', '.join(first.replicates)}")
    return known, [np.array(evaluation.replicates[metric]) for evaluation in evaluations]


def _sample(evaluation: Evaluation) -> str:
    counts = f"{evaluation.genuine_pairs} genuine and {evaluation.impostor_pairs} impostor pairs"
    return f"{evaluation.split}, {counts}, resampling {evaluation.resampling or 'none'}"
