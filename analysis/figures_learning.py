"""Learning curves as a static figure; what it shows comes from `analysis.learning_data`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figure_data import PLAIN
from analysis.figures import GREY, INK, empty, grid_figure, new_figure
from analysis.learning_data import METRIC_NAMES, LearningCurve, joined, metrics_of, phases_of

MOST_METRICS = 3


def draw_learning(curves: Sequence[LearningCurve]) -> Figure:
    """A row a metric, a column a phase; a cross ends what was given up."""
    metrics, phases = metrics_of(curves)[:MOST_METRICS], phases_of(curves)
    if not curves:
        figure, (axes,) = new_figure(height=3)
        empty(axes, "nothing was trained")
        return figure
    figure, rows = grid_figure(len(metrics), len(phases), height=0.9 + 2.1 * len(metrics), shared=False)
    for metric, row in zip(metrics, rows, strict=True):
        row[0].set_ylabel(METRIC_NAMES.get(metric, metric), parse_math=False)
        for phase, axes in zip(phases, row, strict=True):
            _panel(axes, [curve for curve in curves if (curve.metric, curve.phase) == (metric, phase)])
    for phase, axes in zip(phases, rows[0], strict=True):
        axes.set_title(phase, loc="left", fontsize=9, color=INK)
    for axes in rows[-1]:
        axes.set_xlabel("epoch")
    _legend(figure, rows)
    return figure


def _panel(axes: Axes, curves: Sequence[LearningCurve]) -> None:
    if not curves:
        empty(axes, "not recorded")
        return
    ended = [curve for curve in curves if curve.given_up]
    rest = [curve for curve in curves if not curve.given_up and curve.colour is None]
    for some, colour, dash in ((rest, PLAIN, "-"), (ended, GREY, ":")):
        epochs, values = (np.array(column, float) for column in joined(some))
        axes.plot(epochs, values, dash, color=colour, linewidth=0.7)
    for curve in (curve for curve in curves if curve.colour and not curve.given_up):
        style = "o-" if len(curve.epochs) < 3 else "-"
        axes.plot(curve.epochs, curve.values, style, color=curve.colour, linewidth=1.6, label=curve.label)
    if ended:
        last = [curve.epochs[-1] for curve in ended], [curve.values[-1] for curve in ended]
        axes.scatter(*last, marker="x", c=GREY, s=24, linewidths=1.2, zorder=3, label="given up or failed")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))


def _legend(figure: Figure, rows: Sequence[Sequence[Axes]]) -> None:
    every = [pair for row in rows for axes in row for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    marks = {label: mark for mark, label in every}
    if marks:
        handles, labels = list(marks.values()), list(marks)
        legend = figure.legend(
            handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8.5, reverse=True
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
