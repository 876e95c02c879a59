"""Sweep overrides to points: the product of everything a command line lists.

Hydra parses its own grammar; only the product is made here, because `hydra.compose` refuses sweeps and Hydra's
launcher would run every point in one process.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from itertools import product

import yaml
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException

from facerec_core.errors import OptionError


def expand(overrides: Sequence[Override]) -> list[tuple[str, ...]]:
    """Every combination of the listed values, as sweep-free override lines; the last key varies fastest.

    Raises:
        OptionError: a sweep that lists no value, or one that cannot be enumerated.
    """
    return list(product(*map(_lines, overrides)))


def searched(overrides: Sequence[Override]) -> tuple[list[str], dict[str, object], list[str]]:
    """Overrides as a search takes them: the lines without a sweep, the axes of those with one, and the keys fixed.

    An axis is a list of values, or for `interval(low,high)` a range, even in its logarithm with `tag(log,…)`.

    Raises:
        OptionError: a sweep that lists no value.
    """
    constant: list[Override] = []
    axes: dict[str, object] = {}
    for override in overrides:
        if not override.is_sweep_override():
            constant.append(override)
        elif override.is_interval_sweep():
            axes[override.key_or_group] = _interval(override)
        else:
            values = [_typed(value) for value in _values(override)]
            if not values:
                raise _refused(override, "at least one value")
            axes[override.key_or_group] = values
    fixed = [o.key_or_group for o in constant if not o.is_delete()]
    return [str(o.input_line) for o in constant], axes, fixed


def _typed(text: str) -> object:
    """A value as typed, as what it means; YAML alone takes 1e-4 for text."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return yaml.safe_load(text)


def _interval(override: Override) -> dict[str, object]:
    sweep = override.value()
    if not isinstance(sweep, IntervalSweep):
        raise TypeError(sweep)
    ends: dict[str, object] = {"low": sweep.start, "high": sweep.end}
    return ends | ({"log": True} if "log" in sweep.tags else {})


def _lines(override: Override) -> tuple[str, ...]:
    if not override.is_sweep_override():
        return (str(override.input_line),)
    lines = tuple(f"{override.get_key_element()}={value}" for value in _values(override))
    if not lines:
        raise _refused(override, "at least one value")
    return lines


def _values(override: Override) -> list[str]:
    if override.is_interval_sweep():
        raise _refused(override, "values one can count, such as choice(…) or range(…)")
    sweep = override.value()
    if isinstance(sweep, RangeSweep):
        override = replace(override, _value=_exact(sweep))
    try:
        return list(override.sweep_string_iterator())
    except (HydraException, ValueError):  # a step of zero
        raise _refused(override, "a range with a step other than 0") from None


def _exact(sweep: RangeSweep) -> RangeSweep:
    """The range in the decimals that were typed.

    Hydra adds up binary fractions: range(0.35,0.55,0.05) would give 0.39999999999999997, and 0.55 as well.
    """
    ends = (sweep.start, sweep.stop, sweep.step)
    if all(isinstance(end, int) for end in ends):
        return sweep
    start, stop, step = (Decimal(repr(end)) for end in ends)
    return replace(sweep, start=start, stop=stop, step=step)  # type: ignore[arg-type]  # FloatRange takes Decimals


def _refused(override: Override, allowed: str) -> OptionError:
    typed = str(override.input_line).partition("=")[2]
    return OptionError(override.key_or_group, typed, allowed)
