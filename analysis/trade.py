"""What the front as a whole is worth, and what moving a limit would buy."""

from __future__ import annotations

from dataclasses import dataclass

import moocore
import numpy as np

from analysis.selection import Entry, Selection
from facerec_core.budget import unmeasured
from facerec_core.types import LimitCheck

BEYOND_LARGEST = 1.1


@dataclass(frozen=True)
class Hypervolume:
    """Share of the box (metric 0 to 1, size 0 to `size_bytes`, latency 0 to `latency_ms`) that the front dominates.

    The far corner is where the limits on the file and on latency lie; where there is none, 1.1 times the largest
    figure of any trained int8 file.
    """

    share: float
    size_bytes: float
    latency_ms: float


@dataclass(frozen=True)
class Relaxation:
    """One candidate that only one limit keeps out: what the limit would have to be, and what that would buy.

    `gain` is its metric less the recommended one's, None where it was not trained or nothing is recommended.
    """

    check: LimitCheck
    entry: Entry
    gain: float | None


def hypervolume(selection: Selection) -> Hypervolume | None:
    """The front's hypervolume (moocore), None where nothing is on it.

    Shares of two sweeps compare when metric, validation split and far corner are the same.
    """
    front = selection.having("front")
    if not front:
        return None
    size, latency = _corner(selection)
    points = [(e.value or 0.0, e.variant.file.size_bytes, e.record.latency.ms) for e in front if e.variant]
    volume = moocore.hypervolume(np.array(points, float), ref=[0.0, size, latency], maximise=[True, False, False])
    return Hypervolume(float(volume) / (size * latency), size, latency)


def _corner(selection: Selection) -> tuple[float, float]:
    trained = [entry for entry in selection.entries if entry.variant and entry.standing != "reference"]
    checks = [check for entry in trained for check in entry.checks]
    sizes = [check.limit for check in checks if check.figure == "file_bytes"]
    times = [check.limit for check in checks if check.name == "latency_ms"]
    largest = BEYOND_LARGEST * max(entry.variant.file.size_bytes for entry in trained if entry.variant)
    slowest = BEYOND_LARGEST * max(entry.record.latency.ms for entry in trained)
    return min(sizes, default=largest), min(times, default=slowest)


def relaxations(selection: Selection) -> tuple[Relaxation, ...]:
    """For each limit that alone keeps candidates out: the best of them if it beats the recommended, and the nearest.

    The nearest is the one that exceeds the limit least.
    """
    alone: dict[str, list[tuple[LimitCheck, Entry]]] = {}
    for entry in selection.having("infeasible", "undecided"):
        unmet = [check for check in entry.checks if check.verdict != "ok"]
        if len(unmet) == 1 and not unmeasured(unmet[0]):
            alone.setdefault(unmet[0].name, []).append((unmet[0], entry))
    return tuple(found for held in alone.values() for found in _bought(held, selection.recommended))


def _bought(held: list[tuple[LimitCheck, Entry]], best: Entry | None) -> list[Relaxation]:
    floor = best.value if best is not None and best.value is not None else -1.0
    nearest = min(held, key=lambda pair: pair[0].excess)
    better = [pair for pair in held if pair[1].value is not None and pair[1].value > floor]
    chosen = [max(better, key=lambda pair: pair[1].value or 0.0)] if better else []
    if not chosen or chosen[0][1].record.key != nearest[1].record.key:
        chosen.append(nearest)
    return [Relaxation(check, entry, _gain(entry, best)) for check, entry in chosen]


def _gain(entry: Entry, best: Entry | None) -> float | None:
    return None if entry.value is None or best is None or best.value is None else entry.value - best.value
