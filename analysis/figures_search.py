"""Open-set identification as a static figure; what it shows comes from `analysis.search_data`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from analysis.figure_data import SCHEME_COLOURS
from analysis.figures import INK, MARKERS, empty, grid_figure, new_figure
from analysis.search_data import SearchFigure, SearchLine
from facerec_core.types import OverDraws

ASIDE = 0.035
"""Powers of ten between neighbouring lines: their marks would hide each other."""


def draw_search(shown: SearchFigure | None) -> Figure:
    """A column a candidate: FNIR above, rank 1 below, over the size of the gallery; bars are deviations over draws."""
    if shown is None:
        figure, (axes,) = new_figure(height=3)
        empty(axes, "no file was searched with: too few people with names, or records of an earlier version")
        return figure
    figure, rows = grid_figure(2, len(shown.panels), height=5.4)
    for column, panel in enumerate(shown.panels):
        rows[0][column].set_title(panel.label, loc="left", fontsize=9, color=INK, parse_math=False)
        for place, line in enumerate(panel.lines):
            aside = 10 ** (ASIDE * (place - (len(panel.lines) - 1) / 2))
            _line(rows[0][column], line, line.fnir, aside)
            _line(rows[1][column], line, line.rank_1, aside)
    for axes in (axes for row in rows for axes in row):
        _axes(axes, shown.galleries)
    rows[0][0].set_ylabel(f"FNIR at FPIR {shown.fpir}")
    rows[1][0].set_ylabel("rank 1")
    figure.supxlabel(f"people enrolled, {shown.told}", fontsize=10, color=INK)
    every = [axes.get_legend_handles_labels() for row in rows for axes in row]
    marks = {label: mark for handles, labels in every for mark, label in zip(handles, labels, strict=True)}
    style: dict[str, Any] = {"loc": "outside upper center", "ncols": 5, "frameon": False, "fontsize": 8.5}
    figure.legend(list(marks.values()), list(marks), **style)
    return figure


def _line(axes: Axes, line: SearchLine, rates: Sequence[OverDraws | None], aside: float) -> None:
    known = [(size * aside, rate) for size, rate in zip(line.galleries, rates, strict=True) if rate is not None]
    colour = SCHEME_COLOURS[line.scheme]
    style: dict[str, Any] = {
        "color": colour,
        "linestyle": ":" if line.float_gallery else "--" if line.scheme.startswith("float32") else "-",
        "marker": MARKERS[line.scheme],
        "markersize": 5,
        "markerfacecolor": "white" if line.float_gallery else colour,
        "linewidth": 1.4,
        "elinewidth": 0.8,
    }
    middle, spread = [rate.mean for _, rate in known], [rate.deviation for _, rate in known]
    axes.errorbar([size for size, _ in known], middle, spread, label=line.name, **style)


def _axes(axes: Axes, galleries: Sequence[int]) -> None:
    axes.set(xscale="log", xlim=(galleries[0] / 1.6, galleries[-1] * 1.6))
    axes.xaxis.set_major_locator(FixedLocator(list(galleries)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:,.0f}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
