"""Timing networks on this machine: a clock that is judged first, warm-up, and rounds that interleave the networks.

Everything takes its clock as an argument; only `open_network` touches LiteRT.
"""

from __future__ import annotations

import math
import platform
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np

from facerec_core.errors import StorageError

Clock = Callable[[], int]
"""A monotonic clock in nanoseconds, such as `time.perf_counter_ns`."""

LEAST_RUNS = 50
LEAST_SECONDS = 0.3
"""Without a stated number of runs, a network is timed at least so often and at least so long."""
ROUNDS = 10
WARM_UP_GROUP = 5
WARM_UP_AGREEMENT = 0.05
WARM_UP_LIMIT_NS = 2_000_000_000
CLOCK_READINGS = 10_000


@dataclass(frozen=True)
class ClockQuality:
    """The smallest step the clock was seen to make, and what a reading costs (the median), both in nanoseconds."""

    resolution_ns: int
    overhead_ns: float


@dataclass(frozen=True)
class Timing:
    """The inferences of one network: median, 5th and 95th percentile in ms.

    `drift` is the median of the last round over that of the first, less 1.
    """

    n: int
    median_ms: float
    low_ms: float
    high_ms: float
    drift: float

    @property
    def spread(self) -> float:
        """95th over 5th percentile, less 1."""
        return self.high_ms / self.low_ms - 1


def clock_quality(clock: Clock, readings: int = CLOCK_READINGS) -> ClockQuality:
    """Read the clock back to back; a clock that never moves within `readings` has resolution 0."""
    ticks = [clock() for _ in range(readings)]
    steps = [after - before for before, after in pairwise(ticks)]
    moved = [step for step in steps if step > 0]
    return ClockQuality(min(moved, default=0), float(median(steps)))


def warm_up(call: Callable[[], None], clock: Clock) -> int:
    """Call until two groups of five agree within 5 % in their medians, or for two seconds; the last median in ns."""
    end = clock() + WARM_UP_LIMIT_NS
    earlier = 0
    while True:
        latest = round(median(_timed(call, clock) for _ in range(WARM_UP_GROUP)))
        if abs(latest - earlier) <= WARM_UP_AGREEMENT * latest or clock() >= end:
            return latest
        earlier = latest


def _timed(call: Callable[[], None], clock: Clock) -> int:
    """Nanoseconds of one call, at least 1: a clock too coarse to see it is told by `clock_quality`."""
    start = clock()
    call()
    return max(clock() - start, 1)


def runs_needed(warm_ns: int, runs: int | None) -> int:
    """How often a network is timed: as stated, else `LEAST_RUNS` or what fills `LEAST_SECONDS`."""
    if runs is not None:
        return runs
    return max(LEAST_RUNS, math.ceil(LEAST_SECONDS * 1e9 / max(warm_ns, 1)))


def time_networks(
    calls: Sequence[Callable[[], None]],
    clock: Clock,
    runs: int | None = None,
    report: Callable[[int, int], None] | None = None,
) -> tuple[Timing, ...]:
    """Time every network in rounds, all of them in each, so that a slow phase of the machine meets them all.

    A round's first call of a network brings it back into the caches and is not counted.

    Args:
        calls: one inference each.
        clock: a monotonic clock in nanoseconds.
        runs: timed inferences a network, 3 or more; None lets the time of one inference decide.
        report: called with (rounds done, rounds).
    """
    needed = [runs_needed(warm_up(call, clock), runs) for call in calls]
    rounds = min(ROUNDS, *needed)
    samples: list[list[list[int]]] = [[] for _ in calls]
    for index in range(rounds):
        for call, total, taken in zip(calls, needed, samples, strict=True):
            call()
            share = total * (index + 1) // rounds - total * index // rounds
            taken.append([_timed(call, clock) for _ in range(share)])
        if report is not None:
            report(index + 1, rounds)
    return tuple(map(summarise, samples))


def summarise(rounds: Sequence[Sequence[int]]) -> Timing:
    """Median, percentiles and drift of the nanoseconds measured in each round."""
    every = np.concatenate([np.asarray(one, np.float64) for one in rounds]) / 1e6
    low, middle, high = (float(value) for value in np.percentile(every, (5, 50, 95)))
    drift = median(rounds[-1]) / median(rounds[0]) - 1
    return Timing(len(every), middle, low, high, float(drift))


def open_network(content: bytes, name: str) -> Callable[[], None]:
    """One inference of an int8 file as a call: batch 1, one thread, LiteRT's default kernels (XNNPACK).

    The input is filled once, with noise; int8 kernels take the same time whatever the pixels are.

    Raises:
        StorageError: LiteRT cannot load the file.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise StorageError(f"{name}: LiteRT cannot load this file ({error})") from error
    details = interpreter.get_input_details()[0]
    noise = np.random.default_rng(0).integers(-128, 128, details["shape"], dtype=np.int8)
    interpreter.set_tensor(details["index"], noise)
    call: Callable[[], None] = interpreter.invoke
    return call


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's model name in plain characters, such as `AMD EPYC`; else its architecture."""
    found = None
    if cpuinfo.is_file():
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
        found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    name = found.group(1) if found else platform.processor() or platform.machine()
    name = re.sub(r"\((?:R|TM|C)\)", "", name, flags=re.IGNORECASE)
    return " ".join(re.sub(r"[^A-Za-z0-9 .@_+-]", " ", name).split()) or "unknown processor"
