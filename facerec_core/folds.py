"""Accuracy over folds: each is judged at the threshold that is best on all others.

Every function takes `counts`, how often each pair counts, as a bootstrap needs it; None is once each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_core.errors import DataError

Floats = NDArray[np.floating[Any]]
Counts = NDArray[np.int64]


def best_threshold(scores: Floats, same: NDArray[np.bool_], counts: Counts | None = None) -> float:
    """Threshold with the highest accuracy on scores [n]: half-way between neighbouring scores, or +-inf.

    Of several equally good ones the middle one, so that neither side is favoured. `counts`, int64 [n], are above 0.
    """
    order = np.argsort(scores, kind="stable")
    ranked, genuine = scores[order].astype(np.float64), same[order]
    times = np.ones(genuine.size, np.int64) if counts is None else counts[order]
    balance = np.cumsum(np.where(genuine, -times, times))
    correct = np.concatenate([[0], balance]) + int(times[genuine].sum())
    edges = np.concatenate([[-np.inf], ranked, [np.inf]])
    correct[edges[:-1] == edges[1:]] = -1
    best = np.flatnonzero(correct == correct.max())
    cut = int(best[len(best) // 2])
    return float((edges[cut] + edges[cut + 1]) / 2)


def fold_accuracy(
    scores: Floats, same: NDArray[np.bool_], fold: NDArray[np.int64], counts: Counts | None = None
) -> float:
    """Mean over folds of the accuracy at the threshold that is best on all other folds.

    The protocol of Huang et al., "Labeled Faces in the Wild" (2007), View 2. Inputs are [n] each; pairs whose count
    is 0 are as if they were not there.

    Raises:
        DataError: fewer than two folds, or pairs of one kind only, for which an accuracy says nothing.
    """
    if counts is not None:
        there = counts > 0
        scores, same, fold, counts = scores[there], same[there], fold[there], counts[there]
    folds = np.unique(fold)
    if folds.size < 2 or same.all() or not same.any():
        kinds = f"{int(same.sum())} same and {int((~same).sum())} different pairs in {folds.size} fold(s)"
        raise DataError(
            f"pairs: got {kinds}, allowed: both kinds and at least 2 folds; check data.pairs and eval.folds"
        )
    accuracies = []
    for held_out in folds:
        inside, others = fold == held_out, fold != held_out
        threshold = best_threshold(scores[others], same[others], None if counts is None else counts[others])
        correct = (scores[inside] >= threshold) == same[inside]
        accuracies.append(float(np.average(correct, weights=None if counts is None else counts[inside])))
    return float(np.mean(accuracies))
