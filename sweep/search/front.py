"""The candidate that would add most to the front: its accuracy foretold from those trained, file and latency known.

Optuna's samplers are told three objectives and learn all of them; two are known of every candidate beforehand. Only
the accuracy is modelled here, by a Gaussian process on the axes and the multiply-adds (Rasmussen and Williams, 2006,
algorithm 2.1). Of the candidates that fit the one is taken whose accuracy, if it came out one standard deviation above
what is foretold, would enlarge the hypervolume most; with a single objective, the one that would be most accurate.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import NDArray

from sweep.search.feasible import Priced, Survey, Values, priced
from sweep.search.space import Axis, Choices

Floats = NDArray[np.float64]
START = 5
"""So many candidates are laid out over the space before anything is foretold: the ends, then the farthest from all."""
MOST_POOLED = 2000
NOISE = 0.05
"""Share of the accuracies' variance that is taken to be luck of the training."""
LENGTHS = (0.3, 0.5, 1.0, 2.0)
"""Distances over which accuracies are alike, of which the likeliest is taken; an axis is 1 long."""
REFERENCE = [1.1, 1.1, 1.1]
NOTHING = -np.inf
"""The accuracy of a training that failed or was given up."""


@dataclass(frozen=True)
class Trained:
    """What is known of a candidate, and whether its file keeps the limits.

    Its accuracy is None while it is trained, and `NOTHING` where that failed or was given up: it then counts as the
    worst that was seen, so that its neighbours are not tried one after the other.
    """

    values: Values
    accuracy: float | None
    fits: bool = True


def most_promising(ground: Ground, pool: Sequence[Values], trained: Sequence[Trained], objective: str) -> Values | None:
    """The values of `pool` that are worth a training most; None where the pool is empty.

    Args:
        ground: of the survey.
        pool: candidates that fit, to choose from.
        trained: every candidate that was or is being trained.
        objective: `multi` or `single`.
    """
    if not pool:
        return None
    told = [one for one in trained if one.accuracy is not None]
    reached = np.array([one.accuracy for one in told], float)
    seen = np.unique(reached[reached != NOTHING])
    if len(trained) < START or len(seen) < 2:
        return pool[_layout(ground, pool, trained)]
    features = ground.features([one.values for one in told])
    accuracies = np.maximum(reached, seen[0])
    mean, deviation = foretell(features, accuracies, ground.features(pool))
    hoped = mean + deviation
    if objective == "single":
        return pool[int(hoped.argmax())]
    awaited = [one.values for one in trained if one.accuracy is None]
    kept = [index for index, one in enumerate(told) if one.fits]
    front_values = [*(told[index].values for index in kept), *awaited]
    awaited_mean = foretell(features, accuracies, ground.features(awaited))[0] if awaited else np.empty(0)
    front = np.concatenate([accuracies[kept], awaited_mean])
    return pool[_largest_gain(front, ground.costs(front_values), hoped, ground.costs(pool))]


def draw_pool(survey: Survey, taken: set[str], seed: str) -> list[Values]:
    """Candidates that fit to choose from, those that are `taken` left out where the space can be listed."""
    dice = random.Random(seed)  # noqa: S311
    if survey.countable:
        left = [values for key, values in survey.candidates.items() if key not in taken]
        return left if len(left) <= MOST_POOLED else dice.sample(left, MOST_POOLED)
    return [
        {**dice.choice(survey.feasible).values, **{axis.key: axis.draw(dice) for axis in survey.space.recipe}}
        for _ in range(MOST_POOLED)
    ]


def foretell(known: Floats, figures: Floats, wanted: Floats) -> tuple[Floats, Floats]:
    """(mean, standard deviation) of a Gaussian process [m], given figures [n] at points [n, d], at points [m, d]."""
    centre, spread = float(figures.mean()), float(figures.std()) or 1.0
    scaled = (figures - centre) / spread
    length = max(LENGTHS, key=lambda one: _likelihood(known, scaled, one))
    lower = _factor(known, length)
    across = _alike(wanted, known, length)
    mean = across @ np.linalg.solve(lower.T, np.linalg.solve(lower, scaled))
    left = np.linalg.solve(lower, across.T)
    return centre + spread * mean, spread * np.sqrt(np.maximum(1 - (left**2).sum(axis=0), 0.0))


def _alike(one: Floats, other: Floats, length: float) -> Floats:
    squares = ((one[:, None] - other[None]) ** 2).sum(axis=-1)
    return np.asarray(np.exp(-0.5 * squares / length**2))


def _factor(known: Floats, length: float) -> Floats:
    return np.asarray(np.linalg.cholesky(_alike(known, known, length) + NOISE * np.eye(len(known))))


def _likelihood(known: Floats, scaled: Floats, length: float) -> float:
    lower = _factor(known, length)
    return float(-0.5 * (np.linalg.solve(lower, scaled) ** 2).sum() - np.log(np.diag(lower)).sum())


def _layout(ground: Ground, pool: Sequence[Values], trained: Sequence[Trained]) -> int:
    """The largest network first, then the smallest, then what is farthest from all that there is."""
    macs = ground.macs(pool)
    if len(trained) < 2:
        return int((macs.argmax, macs.argmin)[len(trained)]())
    there = ground.features([one.values for one in trained])
    squares = ((ground.features(pool)[:, None] - there[None]) ** 2).sum(axis=-1)
    return int(squares.min(axis=1).argmax())


def _largest_gain(front: Floats, front_costs: Floats, hoped: Floats, costs: Floats) -> int:
    """Which of the hoped-for points enlarges the hypervolume of the front most."""
    best, worst = max(front.max(initial=-np.inf), hoped.max()), min(front.min(initial=np.inf), hoped.min())
    span = max(best - worst, 1e-9)
    here = np.column_stack([(best - front) / span, front_costs])
    whole = moocore.hypervolume(here, ref=REFERENCE) if len(here) else 0.0
    there = np.column_stack([(best - hoped) / span, costs])
    gains = [moocore.hypervolume(np.vstack([here, point]), ref=REFERENCE) - whole for point in there]
    return int(np.argmax(gains))


class Ground:
    """Where candidates lie, and what they cost, each between 0 and 1."""

    def __init__(self, survey: Survey) -> None:
        self._space, self._architecture = survey.space, [axis.key for axis in survey.space.architecture]
        self._priced = {self._key(one.values): one for one in survey.architectures}
        macs = [np.log(one.cost.macs) for one in survey.feasible]
        self._macs = min(macs), max(macs)
        figures = np.array([_costs(one) for one in survey.feasible])
        self._lowest, self._spans = figures.min(axis=0), np.maximum(np.ptp(figures, axis=0), 1e-9)

    def _key(self, values: Values) -> tuple[object, ...]:
        return tuple(values[key] for key in self._architecture)

    def _of(self, values: Values) -> Priced:
        """The architecture, priced now if another sampler has proposed it between the values that stand for a range."""
        key = self._key(values)
        if key not in self._priced:
            self._priced[key] = priced(self._space, values)
        return self._priced[key]

    def macs(self, pool: Sequence[Values]) -> Floats:
        """Multiply-adds [n]."""
        return np.array([float(self._of(values).cost.macs) for values in pool])

    def costs(self, pool: Sequence[Values]) -> Floats:
        """File and latency [n, 2] as shares of what there is between the least and the most that fit."""
        figures = np.array([_costs(self._of(values)) for values in pool]).reshape(-1, 2)
        return np.asarray((figures - self._lowest) / self._spans)

    def features(self, pool: Sequence[Values]) -> Floats:
        """The axes and the logarithm of the multiply-adds [n, d]."""
        low, high = self._macs
        work = (np.log(self.macs(pool)) - low) / max(high - low, 1e-9)
        places = [[place for axis in self._space.axes for place in _places(axis, values)] for values in pool]
        return np.column_stack([np.array(places, float).reshape(len(pool), -1), work])


def _costs(one: Priced) -> tuple[float, float]:
    return float(one.cost.file_bytes), one.latency.ms


def _places(axis: Axis, values: Values) -> list[float]:
    """A number's place on its axis; a corner for each of the values that have no order, all 1 apart."""
    position = axis.position(values[axis.key])
    if position is not None:
        return [position]
    return [0.5**0.5 * (values[axis.key] == one) for one in axis.values] if isinstance(axis, Choices) else []
