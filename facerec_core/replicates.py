"""Verification rates of resampled people: the replicates of the bootstrap in `facerec_core/bootstrap.py`.

A replicate draws as many people as there are, with replacement. Whoever was drawn w times counts w times: a genuine
pair of person i weighs w_i, an impostor pair of i and j weighs w_i * w_j. Scores stay where they are and weights
change, so a replicate costs one pass over the sorted scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_core import roc
from facerec_core.folds import fold_accuracy

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Weights = NDArray[np.uint16]

SEED = 2004
"""One seed for all, so that every variant on the same split meets the same resampled people."""

TRIES = 20
"""Draws a replicate that may fail for want of a kind of pairs."""

EXACT_IMPOSTORS = 1 << 19
"""So many of the highest impostor scores are kept one by one: on LFW's 6.8 million pairs, all above FAR 0.077."""

THINNED_IMPOSTORS = 1 << 18
"""About so many stand for all impostor scores below those."""


@dataclass(frozen=True)
class Chunk:
    """Some scored pairs of two people or of one.

    `genuine` float [g] and `impostor` float [m] are scores, `person` int64 [g] is who a genuine pair shows, and
    `people(places)` are the two that the impostor pairs at these places show, int64 [k] each.
    """

    genuine: Floats
    person: Ints
    impostor: Floats
    people: Callable[[Ints], tuple[Ints, Ints]]


@dataclass(frozen=True)
class Scores:
    """The scores a replicate weighs, each kind ascending, with the people they are of.

    `genuine` float [g], `person` int64 [g]; `impostor` float [k], `first` and `second` int64 [k]. The lowest `thinned`
    impostors stand for all that lie there, the others are each themselves.
    """

    genuine: Floats
    person: Ints
    impostor: Floats
    first: Ints
    second: Ints
    thinned: int

    @classmethod
    def of(cls, chunks: Iterable[Chunk], cut: float, step: int) -> Scores:
        """Every genuine score, every impostor score >= `cut`, and of the others one at random of each `step`."""
        stream = np.random.RandomState(SEED)
        genuine: list[tuple[Any, ...]] = []
        high: list[tuple[Any, ...]] = []
        low: list[tuple[Any, ...]] = []
        for chunk in chunks:
            genuine.append((chunk.genuine, chunk.person))
            picked = _one_of_each(step, chunk.impostor.size, stream)
            picked = picked[chunk.impostor[picked] < cut]
            for places, kept in ((np.flatnonzero(chunk.impostor >= cut), high), (picked, low)):
                kept.append((chunk.impostor[places], *chunk.people(places)))
        sorted_low, sorted_high = _ascending(low), _ascending(high)
        scores, first, second = (np.concatenate(both) for both in zip(sorted_low, sorted_high, strict=True))
        own, person = _ascending(genuine)
        return cls(own, person, scores, first, second, sorted_low[0].size)


def _one_of_each(step: int, count: int, stream: np.random.RandomState) -> Ints:
    """Of each run of `step` among `count` places one at random: spread evenly, and in step with nothing."""
    starts = np.arange(0, count, step)
    picks = starts + stream.randint(0, step, starts.size)
    return picks[picks < count]


def _ascending(parts: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Columns (scores, ...) of all parts, in ascending order of score."""
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return tuple(column[order] for column in columns)


@dataclass(frozen=True)
class Listed:
    """Listed pairs with scores float [n]; `first` and `second`, int64 [n], are the people they show."""

    scores: Floats
    same: NDArray[np.bool_]
    fold: Ints
    first: Ints
    second: Ints

    def counts(self, weights: Weights) -> Ints:
        """How often each pair counts when the people count `weights`: int64 [n]."""
        own = weights.astype(np.int64)
        return np.where(self.same, own[self.first], own[self.first] * own[self.second])


def impostor_weight(images_each: Ints, weights: Weights) -> int:
    """Summed weight of all impostor pairs, from images and weight of each person, [i] each."""
    counted = images_each * weights.astype(np.int64)
    return (int(counted.sum()) ** 2 - int((counted**2).sum())) // 2


def draw_weights(images_each: Ints, listed: Listed, count: int) -> Weights | None:
    """How often each person is drawn, uint16 [count, i]; it depends on people and pairs, never on a score.

    Draws that leave no genuine or no impostor pair, or listed pairs of one kind or in one fold, are drawn again; None
    where that happens nearly always.

    Args:
        images_each: int64 [i], images of each person.
        listed: the pairs an accuracy is made of.
        count: how many replicates.
    """
    # NumPy promises the numbers of RandomState for good, those of default_rng not from version to version.
    stream = np.random.RandomState(SEED)
    people, drawn = images_each.size, []
    for _ in range(TRIES * count):
        weights = np.bincount(stream.randint(0, people, people), minlength=people).astype(np.uint16)
        if _has_both_kinds(images_each, listed, weights):
            drawn.append(weights)
        if len(drawn) == count:
            return np.stack(drawn)
    return None


def _has_both_kinds(images_each: Ints, listed: Listed, weights: Weights) -> bool:
    there = listed.counts(weights) > 0
    return bool(
        weights[images_each > 1].any()
        and impostor_weight(images_each, weights)
        and listed.same[there].any()
        and not listed.same[there].all()
        and np.unique(listed.fold[there]).size > 1
    )


@dataclass(frozen=True)
class _Weighed:
    """Ascending scores [k], and the weight below each and of all: float64 [k + 1]."""

    scores: Floats
    below: NDArray[np.float64]

    @property
    def total(self) -> float:
        return float(self.below[-1])

    def share_from(self, place: Any) -> float:
        return float((self.total - self.below[place]) / self.total)

    def share_reaching(self, threshold: Any) -> float:
        return self.share_from(self.scores.searchsorted(threshold))


def _weigh_genuine(scores: Scores, weights: NDArray[np.float64]) -> _Weighed:
    below = np.zeros(scores.genuine.size + 1)
    np.cumsum(weights[scores.person], out=below[1:])
    return _Weighed(scores.genuine, below)


def _weigh_impostors(scores: Scores, weights: NDArray[np.float64], total: int) -> _Weighed:
    """The weights above the thinned part are exact; it is scaled to what is left of the exact `total`."""
    product = weights[scores.first]
    product *= weights[scores.second]
    low, high = product[: scores.thinned], product[scores.thinned :]
    below = np.zeros(product.size + 1)
    if low.size:
        rest, sampled = total - high.sum(), low.sum()
        np.cumsum(low, out=below[1 : low.size + 1])
        below[1 : low.size + 1] *= rest / sampled if sampled else 0.0
        below[low.size] = rest
        high[:1] += rest
    np.cumsum(high, out=below[low.size + 1 :])
    return _Weighed(scores.impostor, below)


def _tar_at_far(genuine: _Weighed, impostor: _Weighed, far: float) -> float:
    """See `roc.tar_at_fars`; its threshold is found anew for these weights."""
    total = round(impostor.total)
    allowed = roc.allowed_accepts(far, total)
    if allowed >= total:
        return 1.0
    highest_out = impostor.scores[impostor.below[1:].searchsorted(total - allowed)]
    return genuine.share_from(genuine.scores.searchsorted(highest_out, side="right"))


def _auc(genuine: _Weighed, impostor: _Weighed, tied: Sequence[Ints]) -> float:
    """See `roc.auc`; `tied` is where each genuine score would stand among the impostors, before and after equals."""
    beaten = impostor.below[tied[0]] + impostor.below[tied[1]]
    return float((np.diff(genuine.below) * beaten).sum() / (2 * genuine.total * impostor.total))


def rates_of(
    scores: Scores,
    listed: Listed,
    images_each: Ints,
    weights: Weights,
    fars: Mapping[str, float],
    threshold: float | None,
) -> dict[str, NDArray[np.float64]]:
    """Every rate in every replicate, float64 [r] each, by the keys of `Evaluation.intervals`.

    Args:
        scores: of all pairs.
        listed: the pairs of the accuracy.
        images_each: int64 [i], images of each person.
        weights: uint16 [r, i], see `draw_weights`.
        fars: the FARs at which to give the TAR, by key.
        threshold: the one a device has; None leaves out the realised rates.
    """
    tied = [scores.impostor.searchsorted(scores.genuine, side="left").astype(np.int64)]
    tied.append(scores.impostor.searchsorted(scores.genuine, side="right").astype(np.int64))
    order = np.argsort(listed.scores, kind="stable")
    ordered = Listed(*(column[order] for column in vars(listed).values()))

    def rates(own: Weights) -> dict[str, float]:
        wide = own.astype(np.float64)
        genuine = _weigh_genuine(scores, wide)
        impostor = _weigh_impostors(scores, wide, impostor_weight(images_each, own))
        found = {key: _tar_at_far(genuine, impostor, far) for key, far in fars.items()}
        found["eer"] = roc.equal_errors(
            genuine.scores, impostor.scores, lambda t: (impostor.share_reaching(t), genuine.share_reaching(t))
        )
        found["auc"] = _auc(genuine, impostor, tied)
        found["accuracy"] = fold_accuracy(ordered.scores, ordered.same, ordered.fold, ordered.counts(own))
        if threshold is not None:
            found["realised_far"] = impostor.share_reaching(threshold)
            found["realised_tar"] = genuine.share_reaching(threshold)
        return found

    every = [rates(own) for own in weights]
    return {key: np.array([one[key] for one in every]) for key in every[0]}
