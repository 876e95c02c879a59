"""What the figures show, computed apart from drawing it, so that tests can compare it whole."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.selection import Entry, Selection, Standing, candidate_names
from facerec_core.types import SCHEMES, RunRecord, Scheme, Split

# Okabe and Ito, "Color universal design" (2008): told apart with any kind of colour vision.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
PLAIN = "#b9bec4"
ROC_COLOURS = 4


@dataclass(frozen=True)
class ParetoPoint:
    """One int8 variant: the metric against size (bytes) and latency (ms)."""

    label: str
    standing: Standing
    scheme: Scheme
    value: float
    size_bytes: int
    latency_ms: float
    recommended: bool


@dataclass(frozen=True)
class RocLine:
    """One variant's ROC on one split, from its FAR floor upwards; `colour` None is drawn as background."""

    label: str
    scheme: Scheme
    far: tuple[float, ...]
    tar: tuple[float, ...]
    far_floor: float
    colour: str | None


@dataclass(frozen=True)
class Slope:
    """A candidate's metric as float32, ptq_int8 and qat_int8, None where there is no such variant."""

    label: str
    values: tuple[float | None, ...]
    colour: str | None


@dataclass(frozen=True)
class LearningCurve:
    """One metric of one candidate in one phase over its epochs."""

    label: str
    phase: str
    metric: str
    epochs: tuple[int, ...]
    values: tuple[float, ...]
    colour: str | None


def pareto_points(selection: Selection) -> tuple[ParetoPoint, ...]:
    """Every int8 variant with a value, best first."""
    return tuple(
        ParetoPoint(
            label=entry.label,
            standing=entry.standing,
            scheme=entry.variant.scheme,
            value=entry.value,
            size_bytes=entry.variant.file.size_bytes,
            latency_ms=entry.record.latency.ms,
            recommended=entry is selection.recommended,
        )
        for entry in selection.having("front", "dominated", "undecided", "infeasible")
        if entry.variant and entry.value is not None
    )


def staircase(points: Sequence[ParetoPoint]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Sizes and values of the front's points that beat every smaller file, by size."""
    sizes: list[int] = []
    values: list[float] = []
    for point in sorted(points, key=lambda p: (p.size_bytes, -p.value)):
        if point.standing == "front" and (not values or point.value > values[-1]):
            sizes.append(point.size_bytes)
            values.append(point.value)
    return tuple(sizes), tuple(values)


def roc_line(entry: Entry, split: Split, colour: str | None) -> RocLine:
    """The ROC of an entry that has a variant."""
    if entry.variant is None:
        raise ValueError(f"{entry.label} has no variant")
    evaluation = entry.variant.validation if split == "validation" else entry.variant.test
    drawn = [
        (10**x, tar) for x, tar in zip(evaluation.roc.log10_far, evaluation.roc.tar, strict=True) if tar is not None
    ]
    return RocLine(
        label=entry.label,
        scheme=entry.variant.scheme,
        far=tuple(far for far, _ in drawn),
        tar=tuple(tar for _, tar in drawn),
        far_floor=evaluation.far_floor,
        colour=colour,
    )


def candidate_colours(selection: Selection) -> Mapping[str, str]:
    """A colour for the keys of the best candidates, one each while colours last."""
    keys = list(dict.fromkeys(entry.record.key for entry in selection.having("front", "dominated")))
    return dict(zip(keys, COLOURS, strict=False))


def roc_lines(selection: Selection, split: Split) -> tuple[RocLine, ...]:
    """All int8 variants and the recommended candidate's float32, worst first so that the best lies on top.

    The variants of the best ROC_COLOURS candidates are coloured by candidate, the rest are background.
    """
    colours = dict(list(candidate_colours(selection).items())[:ROC_COLOURS])
    best = selection.recommended
    shown = [
        entry
        for entry in selection.entries
        if entry.variant
        and (entry.standing != "reference" or (best is not None and entry.record.key == best.record.key))
    ]
    lines = [roc_line(entry, split, colours.get(entry.record.key)) for entry in reversed(shown)]
    return tuple(sorted(lines, key=lambda line: line.colour is not None))


def slopes(selection: Selection) -> tuple[Slope, ...]:
    """Each trained candidate's metric under the three schemes, best candidate last so that it lies on top."""
    colours = candidate_colours(selection)
    trained = list(dict.fromkeys(entry.record.key for entry in selection.entries if entry.variant))
    names = candidate_names([entry.record for entry in _one_each(selection)])
    values = {(e.record.key, e.variant.scheme): e.value for e in selection.entries if e.variant}
    found = [Slope(names[key], tuple(values.get((key, s)) for s in SCHEMES), colours.get(key)) for key in trained]
    return tuple(reversed(found))


def _one_each(selection: Selection) -> list[Entry]:
    return list({entry.record.key: entry for entry in selection.entries}.values())


def _metric_of(record: RunRecord, phase: str) -> str:
    """The loss where it was recorded, else the first metric by name."""
    names = {name for point in record.curves if point.phase == phase for name in point.metrics}
    return "loss" if "loss" in names else min(names, default="loss")


def learning_curves(selection: Selection) -> tuple[LearningCurve, ...]:
    """The loss of every candidate and phase; epochs whose value is not finite are left out."""
    colours = candidate_colours(selection)
    records = [entry.record for entry in _one_each(selection)]
    names = candidate_names(records)
    found = []
    for record in reversed(records):
        for phase in dict.fromkeys(point.phase for point in record.curves):
            metric = _metric_of(record, phase)
            points = [(p.epoch, p.metrics.get(metric, math.nan)) for p in record.curves if p.phase == phase]
            finite = [(epoch, value) for epoch, value in points if math.isfinite(value)]
            if finite:
                epochs, values = zip(*finite, strict=True)
                found.append(LearningCurve(names[record.key], phase, metric, epochs, values, colours.get(record.key)))
    return tuple(found)
