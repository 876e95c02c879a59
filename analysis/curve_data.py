"""What the figures of quantisation and of training show."""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.figure_data import candidate_colours, drawn_keys
from analysis.selection import Entry, Selection, candidate_names
from facerec_core.types import SCHEMES, RunRecord

SCHEME_TICKS = ("float32", "PTQ int8", "QAT int8")
"""What the places of `Slope.values` are called."""


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


def slopes(selection: Selection) -> tuple[Slope, ...]:
    """Each trained candidate's metric under the three schemes, best candidate last so that it lies on top."""
    colours = candidate_colours(selection)
    drawn = drawn_keys(selection)
    trained = list(dict.fromkeys(e.record.key for e in selection.entries if e.variant and e.record.key in drawn))
    names = candidate_names([entry.record for entry in _one_each(selection)])
    values = {(e.record.key, e.variant.scheme): e.value for e in selection.entries if e.variant}
    found = [Slope(names[key], tuple(values.get((key, s)) for s in SCHEMES), colours.get(key)) for key in trained]
    found.reverse()
    return tuple(sorted(found, key=lambda slope: slope.colour is not None))


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
    names, drawn = candidate_names(records), drawn_keys(selection)
    found = []
    for record in reversed([record for record in records if record.key in drawn]):
        for phase in dict.fromkeys(point.phase for point in record.curves):
            metric = _metric_of(record, phase)
            points = [(p.epoch, p.metrics.get(metric, math.nan)) for p in record.curves if p.phase == phase]
            finite = [(epoch, value) for epoch, value in points if math.isfinite(value)]
            if finite:
                epochs, values = zip(*finite, strict=True)
                found.append(LearningCurve(names[record.key], phase, metric, epochs, values, colours.get(record.key)))
    return tuple(sorted(found, key=lambda curve: curve.colour is not None))
