"""What of a space fits the limits: known without data or training, and used to steer proposals to where they count."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod

from facerec_core.errors import OptionError
from facerec_core.types import Cost, Feasibility, Latency, LimitCheck
from sweep.points import price
from sweep.search.space import Space, Value, identity

MOST_ARCHITECTURES = 20_000
MOST_CANDIDATES = 20_000
UNDECIDED = 1e-3
"""The violation of a limit that is neither kept nor exceeded as far as is known."""
Values = Mapping[str, Value]


@dataclass(frozen=True)
class Priced:
    """An architecture of the space, and what is known of it without training."""

    values: Values
    cost: Cost
    latency: Latency
    feasibility: Feasibility


@dataclass(frozen=True)
class Survey:
    """Every architecture of a space, priced; where a range has no steps, of a lattice that stands for it."""

    space: Space
    architectures: tuple[Priced, ...]

    @cached_property
    def feasible(self) -> tuple[Priced, ...]:
        """Those that keep every limit without doubt."""
        return tuple(one for one in self.architectures if one.feasibility.feasible)

    @property
    def countable(self) -> bool:
        """Whether the whole space is finite, and small enough to be listed."""
        combinations = prod(len(axis.lattice) for axis in self.space.recipe)
        finite = all(axis.finite for axis in self.space.axes)
        return finite and combinations * len(self.feasible) <= MOST_CANDIDATES

    @cached_property
    def candidates(self) -> dict[str, Values]:
        """The distinct feasible candidates of a countable space by identity, the largest network first."""
        largest = sorted(self.feasible, key=lambda one: -one.cost.macs)
        recipes = list(_products(self.space.recipe))
        found: dict[str, Values] = {}
        for one, recipe in product(largest, recipes):
            values = {**one.values, **recipe}
            found.setdefault(identity(self.space.settings(values)), values)
        return found

    def nearest(self, proposal: Values, taken: Collection[str]) -> Values | None:
        """The feasible candidate nearest to a proposal that is not `taken`; None where there is none left.

        Where the space cannot be listed, only the architecture moves and the recipe stays as proposed.
        """
        if self.countable:
            left = [values for key, values in self.candidates.items() if key not in taken]
        else:
            recipe = {axis.key: proposal[axis.key] for axis in self.space.recipe}
            every = ({**one.values, **recipe} for one in self.feasible)
            left = [values for values in every if identity(self.space.settings(values)) not in taken]
        return min(left, key=lambda values: self._distance(values, proposal), default=None)

    def _distance(self, one: Values, other: Values) -> float:
        """Sum over the axes of how far two values lie apart, 0 to 1; values without an order are 1 apart."""
        total = 0.0
        for axis in self.space.axes:
            here, there = axis.position(one[axis.key]), axis.position(other[axis.key])
            apart = float(one[axis.key] != other[axis.key]) if here is None or there is None else abs(here - there)
            total += apart
        return total


def survey(space: Space) -> Survey:
    """Price every architecture of a space.

    Raises:
        OptionError: too many architectures to be listed, values that do not go together, or limits nobody meets.
    """
    count = prod(len(axis.lattice) for axis in space.architecture)
    if count > MOST_ARCHITECTURES:
        allowed = f"at most {MOST_ARCHITECTURES:,} architectures"
        raise OptionError("search.space", f"{count:,} architectures", allowed, "take larger steps")
    found = Survey(space, tuple(priced(space, values) for values in _products(space.architecture)))
    if not found.feasible:
        raise _nobody_fits(found)
    return found


def _products(axes: tuple[object, ...]) -> Iterator[dict[str, Value]]:
    keys = [axis.key for axis in axes]  # type: ignore[attr-defined]
    for values in product(*(axis.lattice for axis in axes)):  # type: ignore[attr-defined]
        yield dict(zip(keys, values, strict=True))


def priced(space: Space, values: Values) -> Priced:
    """What is known without training of the candidate with these values."""
    return Priced(values, *price(space.settings(values)))


def _nobody_fits(found: Survey) -> OptionError:
    """Which limits alone exclude everybody, and who comes nearest."""
    first = {check.name: check for check in found.architectures[0].feasibility.checks}
    failing = [{c.name for c in one.feasibility.checks if c.verdict != "ok"} for one in found.architectures]
    alone = set.intersection(*failing)
    blame = ", ".join(f"{name} {_amount(first[name])}" for name in sorted(alone))
    why = f"{blame} excludes every one" if alone else "no limit excludes every one, but together they do"
    nearest = sorted(found.architectures, key=_worst_share)[:3]
    near = "; ".join(f"{found.space.settings(one.values).candidate.name}: {_misses(one)}" for one in nearest)
    keys = "budget.* or board"
    received = f"{len(found.architectures)} architectures of which none fits"
    return OptionError(
        "search.space", received, f"limits that some candidate keeps ({why})", f"nearest: {near}; {keys}"
    )


def _amount(check: LimitCheck) -> str:
    return f"{check.limit:,.0f} {check.unit}"


def _worst_share(one: Priced) -> float:
    return max((violation(check) for check in one.feasibility.checks), default=0.0)


def _misses(one: Priced) -> str:
    """Every limit a candidate does not keep, with the margin."""
    checks = [check for check in one.feasibility.checks if check.verdict != "ok"]
    return ", ".join(
        f"{c.name} {c.value:,.0f} of {_amount(c)} ({c.excess / c.limit:+.1%}, {c.verdict})" for c in checks
    )


def violation(check: LimitCheck) -> float:
    """By how much of the limit it is exceeded; at most 0 just where it is kept without doubt.

    Optuna adds the violations of a candidate up to compare it with others, so bytes and milliseconds have to become
    shares. What is undecided although its figure is below the limit (`judge=measured_only`) counts as a little over.
    """
    share = check.excess / check.limit
    return share if check.verdict == "ok" else max(share, UNDECIDED)
