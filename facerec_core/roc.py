"""Receiver operating characteristic of verification scores, exact and with ties counted.

Everywhere: a pair is accepted when its score >= threshold. FAR (false accept rate) is the share of accepted
impostor pairs, TAR (true accept rate) the share of accepted genuine pairs, FRR = 1 - TAR. Rates are 0-1.
Scores are floats [n]; their order does not matter, but sorting them takes most of the time: what is `ascending` already
is not sorted again.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_core.errors import DataError
from facerec_core.types import RocGrid

Floats = NDArray[np.floating[Any]]

MINIMUM_ERRORS = 30
LISTED_FARS: tuple[float, ...] = (1e-1, 1e-2, 1e-3, 1e-4)
LOG10_FAR_GRID: tuple[float, ...] = tuple(round(-4 + step / 10, 1) for step in range(41))


@dataclass(frozen=True)
class Roc:
    """Every operating point, from "accept nothing" (threshold +inf) to "accept everything".

    Three float64 [k] arrays: `threshold` falls strictly, `far` and `tar` never fall. Equal scores are one point.
    """

    threshold: NDArray[np.float64]
    far: NDArray[np.float64]
    tar: NDArray[np.float64]


def far_label(far: float) -> str:
    """The short name of a FAR in metric keys: 0.001 is "1e-3", 0.005 is "5e-3"."""
    mantissa, exponent = f"{far:e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def far_floor(impostor_pairs: int) -> float:
    """Lowest FAR that `impostor_pairs` can resolve: 30 expected errors, never above 1.

    The rule of 30: to be 90 % confident that the true error rate is within 30 % of the observed one there must be
    at least 30 errors (Doddington, RLA2C 1998; Doddington et al., Speech Communication 31, 2000; ISO/IEC 19795-1).
    """
    return min(1.0, MINIMUM_ERRORS / impostor_pairs) if impostor_pairs else 1.0


def resolves(far: float, impostor_pairs: int) -> bool:
    """Whether `far` is not below the FAR floor."""
    return far * impostor_pairs * (1 + 1e-12) >= MINIMUM_ERRORS


def _check_both(genuine: Floats, impostor: Floats) -> None:
    if not (genuine.size and impostor.size):
        message = f"a ROC needs genuine and impostor pairs, got {genuine.size} genuine and {impostor.size} impostor"
        raise DataError(message)


def _accepted_share(sorted_scores: Floats, thresholds: Floats) -> NDArray[np.float64]:
    below = np.searchsorted(sorted_scores, thresholds, side="left")
    return (sorted_scores.size - below) / sorted_scores.size


def ascending(scores: Floats) -> Floats:
    """Scores [n] in ascending order: themselves where they are already, else a sorted copy."""
    return scores if bool((scores[:-1] <= scores[1:]).all()) else np.sort(scores)


def roc(genuine: Floats, impostor: Floats) -> Roc:
    """Exact ROC of genuine [g] and impostor [m] scores.

    Raises:
        DataError: one of the two is empty.
    """
    _check_both(genuine, impostor)
    thresholds = np.unique(np.concatenate([genuine, impostor]))[::-1]
    start = [0.0]
    return Roc(
        threshold=np.concatenate([[np.inf], thresholds]).astype(np.float64),
        far=np.concatenate([start, _accepted_share(ascending(impostor), thresholds)]),
        tar=np.concatenate([start, _accepted_share(ascending(genuine), thresholds)]),
    )


def auc(genuine: Floats, impostor: Floats) -> float:
    """Probability that a genuine pair outscores an impostor pair, a tie counting one half.

    This is the area under the ROC (Hanley and McNeil, Radiology 143, 1982).

    Raises:
        DataError: one of the two is empty.
    """
    _check_both(genuine, impostor)
    ordered, genuine = ascending(impostor), ascending(genuine)
    beaten = np.searchsorted(ordered, genuine, side="left").sum(dtype=np.int64)
    beaten_or_tied = np.searchsorted(ordered, genuine, side="right").sum(dtype=np.int64)
    return float((int(beaten) + int(beaten_or_tied)) / (2 * genuine.size * impostor.size))


def eer(genuine: Floats, impostor: Floats) -> float:
    """Equal error rate: where the ROC, drawn with straight lines between its points, meets FAR = FRR.

    Raises:
        DataError: one of the two is empty.
    """
    _check_both(genuine, impostor)
    accepted, rejected = ascending(genuine), ascending(impostor)

    def rates(threshold: Any) -> tuple[float, float]:
        impostors, genuines = int(rejected.searchsorted(threshold)), int(accepted.searchsorted(threshold))
        return (rejected.size - impostors) / rejected.size, (accepted.size - genuines) / accepted.size

    return equal_errors(accepted, rejected, rates)


def equal_errors(genuine: Floats, impostor: Floats, rates: Callable[[Any], tuple[float, float]]) -> float:
    """FAR where the ROC that `rates` describes meets FAR = FRR, found by bisection instead of by drawing it.

    Args:
        genuine: ascending scores [g], not empty.
        impostor: ascending scores [m], not empty.
        rates: (FAR, TAR) at a threshold; neither rises with it, and both are 1 at the lowest score.
    """

    def reached(scores: Floats, from_top: int) -> bool:
        return sum(rates(scores[scores.size - 1 - from_top])) >= 1.0

    def highest(scores: Floats) -> Any:
        from_top = bisect_left(range(scores.size), True, key=lambda place: reached(scores, place))
        return scores[scores.size - 1 - from_top] if from_top < scores.size else -math.inf

    after = max(highest(genuine), highest(impostor))
    above = [scores[place] for scores in (genuine, impostor) if (place := _first_above(scores, after)) < scores.size]
    low_far, low_tar = rates(min(above)) if above else (0.0, 0.0)
    high_far, high_tar = rates(after)
    low_gap, high_gap = low_far + low_tar - 1.0, high_far + high_tar - 1.0
    return low_far + -low_gap / (high_gap - low_gap) * (high_far - low_far)


def _first_above(scores: Floats, score: Any) -> int:
    return int(scores.searchsorted(score, side="right"))


def allowed_accepts(far: float, impostor_pairs: int) -> int:
    """How many impostors a FAR lets in; the factor undoes 0.29 * 100 = 28.999999999999996."""
    return math.floor(far * impostor_pairs * (1 + 1e-12))


def threshold_at_far(impostor: Floats, far: float) -> float | None:
    """Smallest threshold, in the precision of the scores, that accepts no more than `far` of impostor [m].

    It lies one floating-point step above the first impostor that has to stay out, so a group of equal scores
    is let in whole or not at all. None where the impostors cannot resolve `far`; -inf where all may pass.
    """
    if not resolves(far, impostor.size):
        return None
    return threshold_accepting(impostor, allowed_accepts(far, impostor.size))


def threshold_accepting(impostor: Floats, allowed: int) -> float:
    """Smallest threshold, in the precision of the scores, that accepts no more than `allowed` of impostor [m]."""
    if allowed >= impostor.size:
        return -math.inf
    highest_out = ascending(impostor)[impostor.size - 1 - allowed]
    return float(np.nextafter(highest_out, impostor.dtype.type(np.inf)))


def tar_at_fars(genuine: Floats, impostor: Floats, fars: Sequence[float]) -> tuple[float | None, ...]:
    """TAR at the smallest threshold whose FAR <= each of `fars`; None below the FAR floor or without genuine pairs."""
    accepted, rejected = ascending(genuine), ascending(impostor)

    def tar(far: float) -> float | None:
        if not genuine.size or not resolves(far, impostor.size):
            return None
        allowed = allowed_accepts(far, impostor.size)
        if allowed >= impostor.size:
            return 1.0
        highest_out = rejected[impostor.size - 1 - allowed]
        return (genuine.size - int(np.searchsorted(accepted, highest_out, side="right"))) / genuine.size

    return tuple(tar(far) for far in fars)


def tar_at_far(genuine: Floats, impostor: Floats, far: float) -> float | None:
    """TAR at the smallest threshold whose FAR <= `far`; see `tar_at_fars`."""
    return tar_at_fars(genuine, impostor, (far,))[0]


def roc_grid(tars_at: Callable[[Sequence[float]], tuple[float | None, ...]]) -> RocGrid:
    """The ROC on LOG10_FAR_GRID, None below the FAR floor, so that curves of different candidates overlay.

    Args:
        tars_at: the TARs at given FARs, as `tar_at_fars` has them.
    """
    return RocGrid(LOG10_FAR_GRID, tars_at(tuple(10.0**exponent for exponent in LOG10_FAR_GRID)))


def realised(genuine: Floats, impostor: Floats, threshold: float) -> tuple[float | None, float | None]:
    """(FAR, TAR) that `threshold` gives on these scores; None where there are no pairs."""
    far = float(np.mean(impostor >= threshold)) if impostor.size else None
    tar = float(np.mean(genuine >= threshold)) if genuine.size else None
    return far, tar
