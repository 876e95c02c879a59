"""What is searched: keys of the configuration, each with a list of values or a range, and what they come to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache
from random import Random

from facerec_core.errors import OptionError, require
from facerec_core.stages import content_key
from sweep.schema import Settings, dotted_keys, make_settings, unknown_key

Value = bool | int | float | str | None
ARCHITECTURE = ("width", "res", "embedding", "last")
"""The keys that decide cost and latency; all others are of the recipe."""
SEARCHABLE = ("train.", "quant.")
"""Groups whose keys may be searched. Candidates of different data, seeds or evaluations would not compare."""
LATTICE = 33
"""Values that stand for a range without steps where candidates have to be counted."""
MOST_VALUES = 1000
MOST_KNOWN = 4096
"""Identities that are kept at hand."""
_RANGE_KEYS = {"low", "high", "step", "log"}
_DIGITS = 12


@dataclass(frozen=True)
class Choices:
    """A list of values; `ordered` when they are numbers."""

    key: str
    values: tuple[Value, ...]

    @property
    def finite(self) -> bool:
        """Whether the values can be counted: always."""
        return True

    @property
    def lattice(self) -> tuple[Value, ...]:
        """The values themselves."""
        return self.values

    def draw(self, dice: Random) -> Value:
        """One of the values."""
        return dice.choice(self.values)

    def position(self, value: Value) -> float | None:
        """Rank of a number among the others, 0 to 1; None where values have no order."""
        if len(self.values) < 2 or not all(_is_number(other) for other in self.values):
            return None
        numbers = sorted(self.values)  # type: ignore[type-var]
        return numbers.index(value) / (len(numbers) - 1)


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included, with steps (`step`), evenly, or evenly in their logarithm."""

    key: str
    low: float
    high: float
    step: float | None
    log: bool

    @property
    def whole(self) -> bool:
        """Whether all numbers are whole."""
        return all(isinstance(end, int) for end in (self.low, self.high, self.step or 1))

    @property
    def finite(self) -> bool:
        """Whether the values can be counted."""
        return self.step is not None or self.whole

    @property
    def lattice(self) -> tuple[Value, ...]:
        """Every value, or as many evenly laid ones as stand for them."""
        if not self.finite:
            return tuple(self._at(index / (LATTICE - 1)) for index in range(LATTICE))
        low, step = Decimal(repr(self.low)), Decimal(repr(self.step or 1))
        count = int((Decimal(repr(self.high)) - low) // step) + 1
        kind = int if self.whole else float
        return tuple(kind(low + index * step) for index in range(count))

    def draw(self, dice: Random) -> Value:
        """A value of the range."""
        return dice.choice(self.lattice) if self.finite else self._at(dice.random())

    def position(self, value: Value) -> float | None:
        """Where a number lies in the range, 0 to 1."""
        if self.low == self.high:
            return None
        scale = math.log if self.log else float
        return float((scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low)))  # type: ignore[arg-type]

    def _at(self, share: float) -> float:
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            return round(math.exp(low + share * (high - low)), _DIGITS)
        return round(self.low + share * (self.high - self.low), _DIGITS)


Axis = Choices | Range


@dataclass(frozen=True)
class Space:
    """The axes of a search around the settings that all its candidates share."""

    base: Settings
    axes: tuple[Axis, ...]

    @property
    def architecture(self) -> tuple[Axis, ...]:
        """The axes that decide cost and latency."""
        return tuple(axis for axis in self.axes if axis.key in ARCHITECTURE)

    @property
    def recipe(self) -> tuple[Axis, ...]:
        """The other axes."""
        return tuple(axis for axis in self.axes if axis.key not in ARCHITECTURE)

    def settings(self, values: Mapping[str, Value]) -> Settings:
        """The settings with these values of the axes, validated as if they had been typed.

        Raises:
            OptionError: values that do not go together.
        """
        wanted = tuple((key, _rounded(value), type(value)) for key, value in values.items())  # 1, 1.0 and True differ
        if wanted not in self._made:
            config = self.base.config
            for key, value, _ in wanted:
                _set(config, key, value)
            self._made[wanted] = make_settings(config)
        return self._made[wanted]

    @cached_property
    def _made(self) -> dict[tuple[object, ...], Settings]:
        """Settings that were made before: a search asks for the same ones again and again."""
        return {}

    def name(self, settings: Settings, values: Mapping[str, Value]) -> str:
        """What a candidate is called: its architecture, and the values of the other axes."""
        return " ".join([settings.candidate.name, *(f"{axis.key}={_short(values[axis.key])}" for axis in self.recipe)])


def read_space(base: Settings) -> Space:
    """The space that `search.space` states, every value checked by itself.

    Raises:
        OptionError: a value or range that is not allowed, or a key that cannot be searched.
        UsageError: a key that does not exist.
    """
    axes = tuple(_axis(key, stated) for key, stated in _stated(base.search.space))
    require(bool(axes), "search.space", dict(base.search.space), "at least one key with values")
    space, known = Space(base, axes), list(dotted_keys(base.config))
    for axis in axes:
        _check_key(axis.key, known)
        for value in axis.lattice:
            space.settings({axis.key: value})
    return space


@lru_cache(maxsize=MOST_KNOWN)
def identity(settings: Settings) -> str:
    """Equal for settings that come to the same candidate of one search, such as embedding=scaled and its number."""
    return content_key(settings.candidate, settings.recipe)


def _stated(space: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Dotted keys with what is stated for them; nested groups are opened."""
    for key, stated in space.items():
        if isinstance(stated, Mapping) and not _RANGE_KEYS & set(stated):
            yield from _stated(stated, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", stated


def _axis(key: str, stated: object) -> Axis:
    if isinstance(stated, Mapping):
        return _range(key, stated)
    values = tuple(stated) if isinstance(stated, Sequence) and not isinstance(stated, str) else (stated,)
    plain = all(value is None or isinstance(value, bool | int | float | str) for value in values)
    require(bool(values) and plain, f"search.space.{key}", stated, "a list of values, or {low, high, step or log}")
    return Choices(key, tuple(dict.fromkeys(values)))


def _range(key: str, stated: Mapping[str, object]) -> Range:
    where = f"search.space.{key}"
    require({"low", "high"} <= set(stated) <= _RANGE_KEYS, where, dict(stated), "low, high, and step or log")
    low, high, step, log = (stated.get(name) for name in ("low", "high", "step", "log"))
    numbers = [number for number in (low, high, step) if number is not None]
    require(all(_is_number(number) for number in numbers), where, dict(stated), "numbers as low, high and step")
    found = Range(key, low, high, step, bool(log))  # type: ignore[arg-type]
    require(found.low <= found.high, where, dict(stated), "low no larger than high")
    require(found.step is None or found.step > 0, where, dict(stated), "a step above 0")
    require(not (found.log and found.step), where, dict(stated), "step or log, not both")
    require(not found.log or found.low > 0, where, dict(stated), "low above 0 with log")
    few = not found.finite or (found.high - found.low) / (found.step or 1) < MOST_VALUES
    require(few, where, dict(stated), f"at most {MOST_VALUES} values", "take a larger step")
    return found


def _check_key(key: str, known: Sequence[str]) -> None:
    if key not in known:
        raise unknown_key(key, [name for name in known if name in ARCHITECTURE or name.startswith(SEARCHABLE)])
    if key not in ARCHITECTURE and not key.startswith(SEARCHABLE):
        allowed = f"{', '.join(ARCHITECTURE)}, and keys of train and quant"
        raise OptionError("search.space", key, allowed, "candidates have to share everything else to be compared")


def _set(config: dict[str, object], key: str, value: Value) -> None:
    *groups, last = key.split(".")
    inner: dict[str, object] = config
    for group in groups:
        inner = inner[group]  # type: ignore[assignment]
    inner[last] = value


def _rounded(value: Value) -> Value:
    return round(value, _DIGITS) if isinstance(value, float) else value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _short(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
