"""What the benchmarks share: a clock, the machine's load, and the way results are printed."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Comparison:
    """Seconds of ours and of the baseline for one task, each the best of its repeats."""

    task: str
    ours_seconds: float
    baseline_seconds: float
    agreement: str

    @property
    def ratio(self) -> float:
        """How many times longer the baseline takes."""
        return self.baseline_seconds / self.ours_seconds


def find_project() -> None:
    """Let a benchmark that is run as a script import the packages of its checkout."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def best_of(repeats: int, run: Callable[[], T]) -> tuple[float, T]:
    """Wall-clock seconds of the fastest repeat, and the last result."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - started)
    return min(seconds), result


def publish(comparisons: Sequence[Comparison], setting: Mapping[str, object], *, as_json: bool) -> None:
    """Print the comparisons, with the load of the last minute at the end of the run."""
    machine = {**setting, "cores": os.cpu_count(), "load_1min": round(os.getloadavg()[0], 2)}
    if as_json:
        rows = [{**asdict(c), "ratio": c.ratio} for c in comparisons]
        print(json.dumps({"setting": machine, "comparisons": rows}, indent=1))
        return
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print(f"{'task':34}{'ours s':>10}{'baseline s':>12}{'ratio':>8}  agreement")
    for c in comparisons:
        print(f"{c.task:34}{c.ours_seconds:10.3f}{c.baseline_seconds:12.3f}{c.ratio:8.1f}  {c.agreement}")
