"""Optuna's samplers and pruners as the configuration names them, and its distributions for the axes of a space."""

from __future__ import annotations

import random
from importlib.util import find_spec
from typing import Any

from facerec_core.errors import OptionError, require
from sweep.schema import SearchSettings
from sweep.search.space import Axis, Choices, Space

STARTUP_TRIALS = 10
POPULATION = (8, 50)
REDUCTION = 3


def make_sampler(search: SearchSettings, number: int) -> Any:
    """The sampler for the proposal of that number.

    One is made for each proposal, seeded by it, so that a search that was stopped goes on with the proposals it would
    have had. Samplers keep what they learn from in the study, not in themselves.

    Raises:
        OptionError: a sampler whose packages are not installed.
    """
    from optuna import samplers

    seed = random.Random(f"{search.seed}-{number}").getrandbits(32)  # noqa: S311
    population = min(max(search.trials // 4, POPULATION[0]), POPULATION[1])
    startup = min(STARTUP_TRIALS, max(search.trials // 4, 2))
    match search.sampler:
        case "tpe":
            return samplers.TPESampler(seed=seed, n_startup_trials=startup)
        case "nsga2":
            return samplers.NSGAIISampler(seed=seed, population_size=population)
        case "nsga3":
            return samplers.NSGAIIISampler(seed=seed, population_size=population)
        case "gp":
            return samplers.GPSampler(seed=seed, n_startup_trials=startup, deterministic_objective=True)
        case _:  # grid and front choose their candidates themselves
            return samplers.RandomSampler(seed=seed)


def check_sampler(search: SearchSettings, space: Space) -> None:
    """Refuse a sampler that cannot do what it is asked for.

    Raises:
        OptionError: packages that are not installed, or a grid of something that cannot be counted.
    """
    missing = [name for name in ("torch", "scipy") if find_spec(name) is None] if search.sampler == "gp" else []
    if missing:
        hint = f"`pip install {' '.join(missing)}` (Gaussian processes need them), or take tpe"
        raise OptionError("search.sampler", "gp", f"gp with {' and '.join(missing)} installed", hint)
    endless = [axis.key for axis in space.axes if not axis.finite]
    counted = search.sampler != "grid" or not endless
    hint = f"give search.space.{''.join(endless[:1])} a step or a list"
    require(counted, "search.sampler", search.sampler, "tpe, nsga2, nsga3, gp or random for ranges without steps", hint)


def make_pruner(search: SearchSettings, epochs: int) -> Any:
    """The pruner for trainings of so many epochs."""
    from optuna import pruners

    match search.pruner:
        case "hyperband":
            return pruners.HyperbandPruner(min_resource=1, max_resource=max(epochs, 1), reduction_factor=REDUCTION)
        case "median":
            return pruners.MedianPruner()
        case _:
            return pruners.NopPruner()


def distributions(space: Space) -> dict[str, Any]:
    """Optuna's distribution for every axis, by key."""
    return {axis.key: _distribution(axis) for axis in space.axes}


def _distribution(axis: Axis) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(axis, Choices):
        return CategoricalDistribution(axis.values)
    high = axis.lattice[-1]  # the last step may end below the range
    if axis.whole:
        return IntDistribution(axis.low, high, log=axis.log, step=int(axis.step or 1))
    return FloatDistribution(axis.low, high if axis.step else axis.high, log=axis.log, step=axis.step)
