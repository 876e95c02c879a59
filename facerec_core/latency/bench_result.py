"""One network's line in a benchmark's log, and what a Cortex-M can do at most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from facerec_core.arch import layers
from facerec_core.cost import macs_by_kind
from facerec_core.errors import DataError, OptionError
from facerec_core.types import Candidate

MOST_MACS_A_CYCLE = {
    "Cortex-M0": 1,
    "Cortex-M0+": 1,
    "Cortex-M3": 1,
    "Cortex-M23": 1,
    "Cortex-M4": 2,
    "Cortex-M7": 2,
    "Cortex-M33": 2,
    "Cortex-M35P": 2,
    "Cortex-M52": 16,
    "Cortex-M55": 16,
    "Cortex-M85": 16,
}
"""8-bit multiply-adds one instruction does at most, and no core issues two such instructions in a cycle.

1: MULS or MLA. 2: SMLAD of the DSP extension, two 16-bit products (Armv7-M Architecture Reference Manual, DDI 0403,
and Armv8-M, DDI 0553). 16: VMLADAV of Helium on the 16 bytes of a vector register (DDI 0553); the cores spread it over
one to four beats, so this bound is generous.
"""
CLOCK_HZ = (1_000_000, 2_000_000_000)
LONGEST_TEXT = 200
TEXTS = ("model", "core", "runtime", "runtime_version", "kernels")
NUMBERS = {
    "resolution": (32, 512),
    "embedding": (8, 4096),
    "channels": (3, 3),
    "clock_hz": CLOCK_HZ,
    "n": (1, 1_000_000),
    "cycles_median": (1, 2**63),
    "cycles_min": (1, 2**63),
    "cycles_max": (1, 2**63),
    "arena_used_bytes": (1, 2**32),
}


@dataclass(frozen=True)
class BenchResult:
    """One network as a board timed it: cycles of the core, and what they were counted on. `line` is where it stands."""

    model: str
    candidate: Candidate
    core: str
    clock_hz: int
    runtime: str
    runtime_version: str
    kernels: str
    n: int
    cycles: tuple[int, int, int]
    arena_used_bytes: int
    line: int

    @property
    def times_ms(self) -> tuple[float, float, float]:
        """Fastest, median and slowest inference in ms."""
        low, middle, high = (1e3 * count / self.clock_hz for count in self.cycles)
        return low, middle, high

    @property
    def median_ms(self) -> float:
        """The median inference in ms."""
        return self.times_ms[1]

    @property
    def setup(self) -> dict[str, object]:
        """What must be the same in a whole log."""
        return {key: getattr(self, key) for key in ("core", "clock_hz", "runtime", "runtime_version", "kernels")}

    @property
    def figures(self) -> tuple[object, ...]:
        """What was measured."""
        return (self.n, self.cycles, self.arena_used_bytes)


@dataclass(frozen=True)
class BenchError:
    """A network the board could not time."""

    model: str
    error: str


def parse_error(record: Mapping[str, Any], where: str) -> BenchError:
    """A line that reports an error.

    Raises:
        DataError: model or error are no text.
    """
    return BenchError(_text(record, "model", where), _text(record, "error", where))


def parse_result(record: Mapping[str, Any], where: str, line: int) -> BenchResult:
    """A line that reports a network's cycles; keys beyond the known ones are left alone.

    Args:
        record: the JSON object.
        where: file, line and column, for messages.
        line: the line's number.

    Raises:
        DataError: a key is missing, of the wrong kind or out of range, or the figures cannot be.
    """
    texts = {key: _text(record, key, where) for key in TEXTS}
    numbers = {key: _whole(record, key, where) for key in NUMBERS}
    cycles = (numbers["cycles_min"], numbers["cycles_median"], numbers["cycles_max"])
    result = BenchResult(
        **texts,
        candidate=Candidate(_width(record, where), numbers["resolution"], numbers["embedding"]),
        clock_hz=numbers["clock_hz"],
        n=numbers["n"],
        cycles=cycles,
        arena_used_bytes=numbers["arena_used_bytes"],
        line=line,
    )
    _check_possible(result, where)
    return result


def _check_possible(result: BenchResult, where: str) -> None:
    low, middle, high = result.cycles
    if not low <= middle <= high:
        said = f"cycles_min {low}, cycles_median {middle}, cycles_max {high}"
        raise DataError(f"{where}: {result.model}: {said}, allowed: in this order")
    if result.core not in MOST_MACS_A_CYCLE:
        raise _bad(where, "core", result.core, ", ".join(MOST_MACS_A_CYCLE))
    least = _macs(result.candidate, where) / MOST_MACS_A_CYCLE[result.core]
    if low < least:
        said = f"{low} cycles for {_macs(result.candidate, where)} multiply-adds"
        limit = f"{result.core} does at most {MOST_MACS_A_CYCLE[result.core]} a cycle, so {least:.0f} cycles or more"
        raise DataError(f"{where}: {result.model}: {said}; {limit}; does the counter count the core's own cycles?")


def _macs(candidate: Candidate, where: str) -> int:
    try:
        return sum(macs_by_kind(layers(candidate.width, candidate.resolution, candidate.embedding)).values())
    except OptionError as error:
        raise DataError(f"{where}: no such network: {error}") from error


def _text(record: Mapping[str, Any], key: str, where: str) -> str:
    value = _present(record, key, where)
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_TEXT or not value.isprintable():
        raise _bad(where, key, value, f"some printable text of up to {LONGEST_TEXT} characters")
    return value


def _whole(record: Mapping[str, Any], key: str, where: str) -> int:
    value, (low, high) = _present(record, key, where), NUMBERS[key]
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _bad(where, key, value, f"a whole number from {low} to {high}" if low < high else f"{low}")
    return value


def _width(record: Mapping[str, Any], where: str) -> float:
    value = _present(record, "width", where)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.05 <= value <= 2:
        raise _bad(where, "width", value, "a number from 0.05 to 2")
    return float(value)


def _present(record: Mapping[str, Any], key: str, where: str) -> object:
    if key not in record:
        raise DataError(f"{where}: no {key} in this line; build the benchmark anew and measure again")
    return record[key]


def _bad(where: str, key: str, received: object, allowed: str) -> DataError:
    return DataError(f"{where}: {key}: got {received!r}, allowed: {allowed}")
