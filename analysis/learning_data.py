"""What the learning curves show: every metric that training recorded, by phase and epoch.

Of candidates that were given up, or failed while they trained, the curves end early; they are drawn up to there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.figure_data import MOST_CANDIDATES, candidate_colours, drawn_keys
from analysis.selection import Selection, candidate_names
from facerec_core.types import RunRecord

METRIC_ORDER = ("loss", "validation_tar", "accuracy")
"""What is drawn first; other metrics follow by name."""
METRIC_NAMES = {"loss": "loss", "validation_tar": "TAR on validation", "accuracy": "accuracy in training"}
PHASES = ("train", "finetune", "qat", "control")


@dataclass(frozen=True)
class LearningCurve:
    """One metric of one candidate in one phase over its epochs; `given_up` where the candidate was never finished."""

    label: str
    phase: str
    metric: str
    epochs: tuple[int, ...]
    values: tuple[float, ...]
    colour: str | None
    given_up: bool


def learning_curves(selection: Selection) -> tuple[LearningCurve, ...]:
    """Every metric of every candidate and phase, the best last; epochs whose value is not finite are left out.

    Of more than MOST_CANDIDATES the best are drawn, and as many of those that were given up.
    """
    colours = candidate_colours(selection)
    records = list({entry.record.key: entry.record for entry in selection.entries}.values())
    names, drawn = candidate_names(records), drawn_keys(selection)
    ended = [record.key for record in records if not record.variants and record.curves][:MOST_CANDIDATES]
    shown = [record for record in records if record.curves and (record.key in drawn or record.key in ended)]
    found = [curve for record in reversed(shown) for curve in _of(record, names[record.key], colours.get(record.key))]
    return tuple(sorted(found, key=lambda curve: (curve.colour is not None, curve.given_up)))


def _of(record: RunRecord, label: str, colour: str | None) -> list[LearningCurve]:
    found = []
    for phase in dict.fromkeys(point.phase for point in record.curves):
        points = [point for point in record.curves if point.phase == phase]
        for metric in sorted({name for point in points for name in point.metrics}):
            values = [(point.epoch, point.metrics.get(metric, math.nan)) for point in points]
            finite = [(epoch, value) for epoch, value in values if math.isfinite(value)]
            if finite:
                epochs, known = zip(*finite, strict=True)
                found.append(LearningCurve(label, phase, metric, epochs, known, colour, not record.variants))
    return found


def metrics_of(curves: Sequence[LearningCurve]) -> tuple[str, ...]:
    """The metrics there are, those of METRIC_ORDER first."""
    there = {curve.metric for curve in curves}
    return (*(name for name in METRIC_ORDER if name in there), *sorted(there.difference(METRIC_ORDER)))


def phases_of(curves: Sequence[LearningCurve]) -> tuple[str, ...]:
    """The phases there are, in the order in which they are gone through."""
    return tuple(phase for phase in PHASES if any(curve.phase == phase for curve in curves))


def joined(curves: Sequence[LearningCurve]) -> tuple[list[int | None], list[float | None]]:
    """Epochs and values of several curves as one line with gaps, which is far quicker to draw than many lines."""
    epochs: list[int | None] = []
    values: list[float | None] = []
    for curve in curves:
        epochs += [*curve.epochs, None]
        values += [*curve.values, None]
    return epochs, values
