"""What the figures show, computed apart from drawing it, so that tests can compare it whole: colours and the front.

The rest is in `analysis.roc_data`, `analysis.curve_data` and `analysis.limit_data`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from analysis.comparison import Compared, against_best, interval, ties
from analysis.selection import Entry, Selection, Standing
from facerec_core.types import Interval, RunRecord, Scheme

# Okabe and Ito, "Color universal design" (2008): told apart with any kind of colour vision.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
PLAIN = "#b9bec4"
SCHEME_COLOURS: Mapping[Scheme, str] = {
    "float32": "#000000",
    "float32_control": "#009e73",
    "ptq_int8": "#d55e00",
    "qat_int8": "#0072b2",
}
MOST_CANDIDATES = 100
"""So many, the best, are drawn as lines: more hide each other, and a browser could not draw thousands."""


@dataclass(frozen=True)
class ParetoPoint:
    """One int8 variant: the metric (0-1, with its interval where known) against size, latency and RAM.

    `tied` says that it cannot be told from the recommended one; None where the two were not resampled alike. `unmet`
    names the limits that are exceeded or undecided, with what is wrong.
    """

    label: str
    standing: Standing
    scheme: Scheme
    value: float
    interval: Interval | None
    size_bytes: int
    latency_ms: float
    latency_low_ms: float
    latency_high_ms: float
    provenance: str
    ram_bytes: int
    recommended: bool
    tied: bool | None
    unmet: tuple[str, ...]


def ram_bytes(record: RunRecord) -> int:
    """The RAM of one inference: the arena where the board's runtime needs one, else the activations."""
    judged = {check.figure for check in record.feasibility.checks if check.name == "ram_bytes"}
    return record.cost.arena_bytes if "arena_bytes" in judged else record.cost.peak_activation_bytes


def pareto_points(selection: Selection, compared: Sequence[Compared] | None = None) -> tuple[ParetoPoint, ...]:
    """Every int8 variant with a value, best first.

    Args:
        selection: the judged sweep.
        compared: its `against_best`, where that is known already.
    """
    known = against_best(selection) if compared is None else compared
    tied = {id(one.entry) for one in ties(known)}
    told = tied | {id(one.entry) for one in known}
    return tuple(
        _point(entry, selection, (id(entry) in tied) if id(entry) in told else None)
        for entry in selection.having("front", "dominated", "undecided", "infeasible")
        if entry.variant and entry.value is not None
    )


def _point(entry: Entry, selection: Selection, tied: bool | None) -> ParetoPoint:
    record, variant = entry.record, entry.variant
    if variant is None or entry.value is None:
        raise ValueError(f"{entry.label} has no variant")
    return ParetoPoint(
        label=entry.label,
        standing=entry.standing,
        scheme=variant.scheme,
        value=entry.value,
        interval=interval(variant.validation, selection.metric),
        size_bytes=variant.file.size_bytes,
        latency_ms=record.latency.ms,
        latency_low_ms=record.latency.low_ms,
        latency_high_ms=record.latency.high_ms,
        provenance=record.latency.provenance,
        ram_bytes=ram_bytes(record),
        recommended=entry is selection.recommended,
        tied=tied,
        unmet=tuple(f"{check.name} {check.verdict}" for check in entry.checks if check.verdict != "ok"),
    )


def staircase(
    points: Sequence[ParetoPoint], cost: Callable[[ParetoPoint], float] = lambda point: point.size_bytes
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Costs and values of the front's points that beat every cheaper one, by cost; the cost is the file's size."""
    costs: list[float] = []
    values: list[float] = []
    for point in sorted(points, key=lambda p: (cost(p), -p.value)):
        if point.standing == "front" and (not values or point.value > values[-1]):
            costs.append(cost(point))
            values.append(point.value)
    return tuple(costs), tuple(values)


def candidate_colours(selection: Selection) -> Mapping[str, str]:
    """A colour for the keys of the best candidates, one each while colours last."""
    keys = list(dict.fromkeys(entry.record.key for entry in selection.having("front", "dominated")))
    return dict(zip(keys, COLOURS, strict=False))


def drawn_keys(selection: Selection) -> frozenset[str]:
    """Keys of the candidates that are drawn as lines: the best MOST_CANDIDATES, those within the limits first."""
    allowed = selection.having("front", "dominated")
    keys = dict.fromkeys(entry.record.key for entry in (*allowed, *selection.entries))
    return frozenset(list(keys)[:MOST_CANDIDATES])


@dataclass(frozen=True)
class CostAxis:
    """One of the costs that the metric is drawn over; `span` is what it may be, None where it is exact."""

    name: str
    title: str
    of: Callable[[ParetoPoint], float]
    span: Callable[[ParetoPoint], tuple[float, float]] | None = None


SIZE_AXIS = CostAxis("file size", "file size (kB, 1 kB = 1000 bytes)", lambda point: point.size_bytes / 1000)
LATENCY_AXIS = CostAxis(
    "latency",
    "latency (ms)",
    lambda point: point.latency_ms,
    lambda point: (point.latency_low_ms, point.latency_high_ms),
)
RAM_AXIS = CostAxis("RAM", "RAM of one inference (KiB)", lambda point: point.ram_bytes / 1024)
