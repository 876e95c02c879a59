"""Fit of latency to MACs by kind: `a * (conv + pointwise) + b * depthwise + c * dense`, in milliseconds.

The coefficients are not negative and minimise the squared relative error, so that a network of 100 ms weighs as
much as one of 2 s. Three kinds are enough on a Cortex-M: one figure for all MACs is off by up to a third, because
a depthwise MAC costs several times a pointwise one. A neural processing unit computes faster than it reads its
weights, so its fits have the weights and the inference itself as terms instead of the head.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from facerec_core.arch import Layer
from facerec_core.cost import layer_weights, macs_by_kind

Vector = NDArray[np.float64]

FEATURES = ("conv_and_pointwise", "depthwise", "dense")
"""Terms of a fit of timed networks: millions of MACs."""
NPU_FEATURES = ("conv_and_pointwise", "depthwise", "weights", "inference")
"""Terms of a fit of simulated ones: millions of MACs, millions of weights, and 1."""
OPTIMALITY = 1e-12
"""How far below zero a gradient may be, and how far above zero a coefficient must be, to count as such."""
T_QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""0.975 quantiles of Student's t for 1 to 10 degrees of freedom; beyond 10 the last one errs on the wide side."""


@dataclass(frozen=True)
class Fit:
    """Coefficients in ms per unit of each of `features`, and what they were found to be worth.

    `errors` holds predicted / measured - 1 of each row, predicted from all the others. `half_width` is half the
    95 % prediction interval on the natural logarithm of the latency; `extrapolated_half_width` replaces it
    outside the span of the fitted rows. `bodies` counts the distinct networks that the rows are, heads left out, and
    `freedom` the degrees of freedom they leave.
    """

    coefficients: tuple[float, ...]
    errors: tuple[float, ...]
    half_width: float
    extrapolated_half_width: float
    bodies: int
    freedom: int
    features: tuple[str, ...] = FEATURES

    @property
    def mean_error(self) -> float:
        """Mean of the absolute leave-one-out errors."""
        return float(np.mean(np.abs(self.errors)))

    @property
    def worst_error(self) -> float:
        """Largest absolute leave-one-out error."""
        return float(np.max(np.abs(self.errors)))


def mac_features(network: Sequence[Layer], features: Sequence[str] = FEATURES) -> Vector:
    """What a network has of each feature, float64 [features]; MACs and weights in millions."""
    kinds = macs_by_kind(network)
    values = {
        "conv_and_pointwise": (kinds["conv"] + kinds["pointwise"]) / 1e6,
        "depthwise": kinds["depthwise"] / 1e6,
        "dense": kinds["dense"] / 1e6,
        "weights": sum(map(layer_weights, network)) / 1e6 if "weights" in features else 0.0,
        "inference": 1.0,
    }
    return np.array([values[feature] for feature in features])


def nonnegative_least_squares(matrix: Vector, target: Vector) -> Vector:
    """The x >= 0 that minimises |matrix @ x - target|, for a matrix [rows, few columns].

    With few columns, trying every set of non-zero coefficients is exact: the optimum is the unconstrained
    solution on its own support. The largest sets are tried first, and the first solution that meets the optimality
    conditions ends the search. Among equally good solutions the one with fewer coefficients is returned.
    """
    columns = matrix.shape[1]
    best, best_residual = np.zeros(columns), math.inf
    for count in range(columns, -1, -1):
        for support in combinations(range(columns), count):
            chosen = list(support)
            solution, _, rank, _ = np.linalg.lstsq(matrix[:, chosen], target, rcond=None)
            if rank < count or (solution < 0).any():
                continue
            candidate = np.zeros(columns)
            candidate[chosen] = solution
            miss = matrix @ candidate - target
            if (solution > OPTIMALITY).all() and (matrix.T @ miss >= -OPTIMALITY).all():
                return candidate
            residual = float(miss @ miss)
            if residual < best_residual + 1e-12:
                best, best_residual = candidate, residual
    return best


def fit(
    millions: Vector,
    measured_ms: Vector,
    widths: Sequence[object],
    features: tuple[str, ...] = FEATURES,
    bodies: Sequence[object] | None = None,
) -> Fit:
    """Fit a table and find out how far its predictions are off.

    Rows that differ in their head alone repeat one network: together they tell what a head costs, but not twice how
    well the rest is predicted. So a body counts once: with the root mean square of its rows' errors when it is left
    out. The interval inside the span is Student's t (0.975) times the root mean square over the bodies; the degrees of
    freedom are the bodies less the coefficients that their differences determine. Outside the span it is at least the
    worst error on a width none of whose rows was used.

    Args:
        millions: float64 [rows, features], what each network has of them.
        measured_ms: float64 [rows], above 0.
        widths: width multiplier of each row, or whatever else tells one width of one family from another.
        features: what the columns are.
        bodies: the network of each row without its head; None when all differ.

    Raises:
        ValueError: no more rows than features, a single width or too few bodies, which leave nothing to judge the
            fit by.
    """
    rows, needed = len(measured_ms), len(features) + 1
    if rows < needed or len(set(widths)) == 1:
        raise ValueError(f"{rows} rows of {len(set(widths))} widths; at least {needed} rows of 2 widths are needed")
    coefficients = _relative_fit(millions, measured_ms)
    index = np.arange(rows)
    errors = np.concatenate([_errors_without(index == row, millions, measured_ms) for row in index])
    groups = _groups(range(rows) if bodies is None else bodies)
    freedom = _freedom(millions[:, coefficients > 0], groups)
    if freedom < 1:
        raise ValueError(f"{rows} rows of {len(groups)} networks, heads left out; more of these are needed")
    quantile = T_QUANTILES[min(freedom, len(T_QUANTILES)) - 1]
    left_out = [errors[one] if one.sum() == 1 else _errors_without(one, millions, measured_ms) for one in groups]
    half_width = quantile * math.sqrt(np.mean([np.mean(np.log1p(one) ** 2) for one in left_out]))
    unseen = [_errors_without(group, millions, measured_ms) for group in _groups(widths)]
    worst_unseen = max(float(np.max(np.abs(np.log1p(one)))) for one in unseen)
    extrapolated = max(half_width, worst_unseen)
    found = (tuple(map(float, coefficients)), tuple(map(float, errors)), half_width, extrapolated)
    return Fit(*found, len(groups), freedom, features)


def _groups(labels: Sequence[object]) -> list[NDArray[np.bool_]]:
    """For each distinct label which rows have it, bool [rows]."""
    numbers: dict[object, int] = {}
    of_row = np.array([numbers.setdefault(label, len(numbers)) for label in labels])
    return [of_row == number for number in numbers.values()]


def _freedom(used: Vector, groups: Sequence[NDArray[np.bool_]]) -> int:
    """Bodies less the coefficients that are found by comparing bodies; heads of one body determine their own."""
    within = np.concatenate([used[group] - used[group][0] for group in groups])
    by_heads, columns = int(np.linalg.matrix_rank(within)), int(used.shape[1])
    return len(groups) - (columns - by_heads)


def _relative_fit(millions: Vector, measured_ms: Vector) -> Vector:
    return nonnegative_least_squares(millions / measured_ms[:, None], np.ones(len(measured_ms)))


def _errors_without(left_out: NDArray[np.bool_], millions: Vector, measured_ms: Vector) -> Vector:
    """Relative errors on the rows left out, predicted from the others."""
    coefficients = _relative_fit(millions[~left_out], measured_ms[~left_out])
    return millions[left_out] @ coefficients / measured_ms[left_out] - 1
