"""Quantisation and limits as static figures; the data is that of `analysis.curve_data` and `analysis.limit_data`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from analysis.curve_data import SCHEME_TICKS, Slope
from analysis.figure_data import PLAIN
from analysis.figures import GREY, INK, MOST_VECTORS, RECOMMENDED, empty, new_figure
from analysis.limit_data import LimitMark, limit_name, mark_kinds, rows_of, span, spots

STYLES: Mapping[str, Mapping[str, Any]] = {
    "fits": {"s": 16, "c": "#0072b2"},
    "elsewhere": {"s": 12, "c": PLAIN},
    "undecided": {"s": 20, "facecolors": "white", "edgecolors": GREY},
    "exceeded": {"s": 20, "c": GREY, "marker": "x"},
    "recommended": {"s": 60, "c": RECOMMENDED, "zorder": 4},
}


def draw_slopes(slopes: Sequence[Slope], title: str) -> Figure:
    """Each candidate's metric under the three schemes, `title` on the axis."""
    figure, (axes,) = new_figure(height=4.6)
    axes.set_xticks(range(3), SCHEME_TICKS)
    axes.set(xlim=(-0.15, 2.15), ylabel=title)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    if not slopes:
        empty(axes)
        return figure
    for slope in slopes:
        known = [(x, value) for x, value in enumerate(slope.values) if value is not None]
        style: dict[str, Any] = {
            "color": slope.colour or PLAIN,
            "linewidth": 1.8 if slope.colour else 0.6,
            "markersize": 4,
        }
        label = slope.label if slope.colour else None
        axes.plot([x for x, _ in known], [value for _, value in known], "o-", label=label, **style)
    if any(slope.colour for slope in slopes):
        legend = figure.legend(loc="outside right upper", reverse=True, frameon=False, fontsize=8)
        for text in legend.get_texts():
            text.set_parse_math(False)
    return figure


def draw_limits(marks: Sequence[LimitMark]) -> Figure:
    """The share of each limit that each candidate takes; 100 % is the limit."""
    rows = rows_of(marks)
    figure, (axes,) = new_figure(height=1.4 + 0.95 * max(1, len(rows)))
    if not marks:
        empty(axes, "no limit was set")
        return figure
    axes.set(xscale="log", xlabel="share of the limit (logarithmic)", xlim=span(marks), ylim=(-0.6, len(rows) - 0.4))
    axes.set_yticks(range(len(rows)), [limit_name(row) for row in rows])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.axvline(1, color=INK, linewidth=1.2)
    heights, rasterized = spots(marks), len(marks) > MOST_VECTORS
    uncertain = [(mark, y) for mark, y in zip(marks, heights, strict=True) if mark.high > mark.low]
    lows, highs = [mark.low for mark, _ in uncertain], [mark.high for mark, _ in uncertain]
    axes.hlines([y for _, y in uncertain], lows, highs, PLAIN, linewidth=0.7, rasterized=rasterized)
    for kind, name, chosen in mark_kinds(marks, heights):
        if chosen:
            x, y = [mark.share for mark, _ in chosen], [height for _, height in chosen]
            axes.scatter(x, y, label=name, rasterized=rasterized and kind != "recommended", **STYLES[kind])
    figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=8.5, handletextpad=0.3)
    return figure
