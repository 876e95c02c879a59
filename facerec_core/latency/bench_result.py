"""One network's line in a benchmark's log, and what a Cortex-M can do at most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from facerec_core.arch import layers
from facerec_core.cost import macs_by_kind
from facerec_core.errors import DataError, OptionError
from facerec_core.latency.table import CYCLES_PER_MAC, LONGEST_MS
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
CYCLES = ("cycles_min", "cycles_p5", "cycles_median", "cycles_p95", "cycles_max")
TEXTS = ("model", "core", "runtime", "runtime_version", "kernels")
NUMBERS = {
    "resolution": (32, 512),
    "embedding": (8, 4096),
    "channels": (3, 3),
    "clock_hz": CLOCK_HZ,
    "n": (1, 1_000_000),
    "cycles_median": (1, 2**63),
    "cycles_min": (1, 2**63),
    "cycles_p5": (1, 2**63),
    "cycles_p95": (1, 2**63),
    "cycles_max": (1, 2**63),
    "arena_used_bytes": (1, 2**32),
}


@dataclass(frozen=True)
class BenchResult:
    """One network as a board timed it: cycles of the core, and what they were counted on.

    `cycles` are the fewest, the 5th percentile, the median, the 95th percentile and the most. `line` is where the
    network stands in the log.
    """

    model: str
    candidate: Candidate
    core: str
    clock_hz: int
    runtime: str
    runtime_version: str
    kernels: str
    n: int
    cycles: tuple[int, int, int, int, int]
    arena_used_bytes: int
    line: int

    @property
    def times_ms(self) -> tuple[float, float, float]:
        """The 5th percentile, the median and the 95th percentile in ms."""
        low, middle, high = (1e3 * count / self.clock_hz for count in self.cycles[1:4])
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
    """A network the board could not time; `line` is where it stands in the log."""

    model: str
    error: str
    line: int


def parse_error(record: Mapping[str, Any], where: str, line: int) -> BenchError:
    """A line that reports an error.

    Raises:
        DataError: model or error are no text.
    """
    return BenchError(_text(record, "model", where), _text(record, "error", where), line)


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
    low, p5, median, p95, high = (numbers[key] for key in CYCLES)
    result = BenchResult(
        **texts,
        candidate=Candidate(_width(record, where), numbers["resolution"], numbers["embedding"]),
        clock_hz=numbers["clock_hz"],
        n=numbers["n"],
        cycles=(low, p5, median, p95, high),
        arena_used_bytes=numbers["arena_used_bytes"],
        line=line,
    )
    _check_possible(result, where)
    return result


def _check_possible(result: BenchResult, where: str) -> None:
    if list(result.cycles) != sorted(result.cycles):
        said = ", ".join(f"{key} {count}" for key, count in zip(CYCLES, result.cycles, strict=True))
        raise DataError(f"{where}: {result.model}: {said}, allowed: in this order")
    if result.core not in MOST_MACS_A_CYCLE:
        raise _bad(where, "core", result.core, ", ".join(MOST_MACS_A_CYCLE))
    macs, low = _macs(result.candidate, where), result.cycles[0]
    least, most = macs / MOST_MACS_A_CYCLE[result.core], macs * CYCLES_PER_MAC[1]
    if low < least:
        said = f"{low} cycles for {macs} multiply-adds"
        limit = f"{result.core} does at most {MOST_MACS_A_CYCLE[result.core]} a cycle, so {least:.0f} cycles or more"
        raise DataError(f"{where}: {result.model}: {said}; {limit}; does the counter count the core's own cycles?")
    if result.cycles[2] > most or result.median_ms > LONGEST_MS:
        said = f"a median of {result.cycles[2]} cycles, {result.median_ms:.6g} ms, for {macs} multiply-adds"
        limit = f"allowed: at most {most:.0f} cycles and {LONGEST_MS:.0f} ms"
        raise DataError(f"{where}: {result.model}: {said}; {limit}; is clock_hz the core's clock?")


def _macs(candidate: Candidate, where: str) -> int:
    try:
        return sum(macs_by_kind(layers(candidate.width, candidate.resolution, candidate.embedding)).values())
    except OptionError as error:
        raise DataError(f"{where}: no such network: {error}") from error


def _text(record: Mapping[str, Any], key: str, where: str) -> str:
    value = _present(record, key, where)
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_TEXT or not value.isprintable():
        raise _bad(where, key, value, f"some printable text of up to {LONGEST_TEXT} characters")
    return value.strip()


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
