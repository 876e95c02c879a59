"""ROC and DET as static figures; what they show comes from `analysis.roc_data`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from analysis.figure_data import PLAIN
from analysis.figures import INK, empty, new_figure
from analysis.roc_data import (
    DET_FARS,
    DET_FRRS,
    DET_LEAST,
    DET_MOST,
    DET_WIDEST,
    RocLine,
    banded,
    barred,
    det_band,
    det_points,
    deviate,
)
from facerec_core.types import Scheme

BAND = 0.16
"""How opaque a band is."""
DASHES: Mapping[Scheme, str] = {"float32": "--", "float32_control": "-.", "ptq_int8": ":", "qat_int8": "-"}


def _style(line: RocLine) -> dict[str, Any]:
    return {
        "linestyle": DASHES[line.scheme],
        "color": line.colour or PLAIN,
        "linewidth": 1.8 if line.colour else 0.6,
        "label": line.label if line.colour else None,
    }


def _roc_spread(axes: Axes, lines: Sequence[RocLine]) -> None:
    for line in banded(lines):
        axes.fill_between(line.far, line.low, line.high, color=line.colour, alpha=BAND, linewidth=0)
    for line, aside in barred(lines):
        x = [bar.far * aside for bar in line.bars]
        axes.vlines(x, [b.low for b in line.bars], [b.high for b in line.bars], color=line.colour, linewidth=1.4)


def _legend(axes: Axes, lines: Sequence[RocLine], place: Literal["lower right", "upper right"]) -> None:
    if any(line.colour for line in lines):
        legend = axes.legend(loc=place, reverse=True, frameon=True, framealpha=0.9, edgecolor="none", fontsize=8)
        for text in legend.get_texts():
            text.set_parse_math(False)


def draw_roc(lines: Sequence[RocLine], title: str) -> Figure:
    """ROC curves over a logarithmic FAR with their 95 % bands, and the lowest FAR the pairs resolve."""
    figure, (axes,) = new_figure()
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set(xscale="log", xlim=(0.8e-4, 1), ylim=(0, 1.02), xlabel="FAR (false accept rate)", ylabel="TAR")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    for line in lines:
        axes.plot(line.far, line.tar, **_style(line))
    if not lines:
        empty(axes)
        return figure
    _roc_spread(axes, lines)
    floor = max(line.far_floor for line in lines)
    if floor > 1e-4:
        axes.axvspan(0.8e-4, floor, color="#f0f1f3", zorder=0)
        axes.text(floor, 1.0, "below this FAR the pairs\nresolve nothing  ", ha="right", va="top", fontsize=7.5)
    _legend(axes, lines, "lower right")
    return figure


def _det_axis(rates: Sequence[float]) -> tuple[list[float], list[str]]:
    return [deviate(rate) for rate in rates], [f"{100 * rate:g} %" for rate in rates]


def draw_det(lines: Sequence[RocLine], title: str) -> Figure:
    """DET curves, FRR over FAR, both on normal-deviate axes: normally distributed scores give straight lines."""
    figure, (axes,) = new_figure(height=6.4)
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set(xlabel="FAR (false accept rate)", ylabel="FRR (false reject rate, 1 − TAR)")
    if not lines:
        empty(axes)
        return figure
    for line in lines:
        fars, frrs = det_points(line)
        axes.plot([deviate(far) for far in fars], [deviate(frr) for frr in frrs], **_style(line))
    _det_spread(axes, lines)
    least = min((frr for line in lines for frr in det_points(line)[1]), default=DET_LEAST)
    axes.set_xticks(*_det_axis(DET_FARS))
    axes.set_yticks(*_det_axis([rate for rate in DET_FRRS if rate >= least / 2]))
    axes.set_xlim(deviate(DET_LEAST) - 0.05, deviate(DET_WIDEST))
    axes.set_ylim(deviate(max(least / 2, DET_LEAST)), deviate(DET_MOST))
    _legend(axes, lines, "upper right")
    return figure


def _det_spread(axes: Axes, lines: Sequence[RocLine]) -> None:
    for line in banded(lines):
        fars, low, high = ([deviate(rate) for rate in ends] for ends in det_band(line))
        axes.fill_between(fars, low, high, color=line.colour, alpha=BAND, linewidth=0)
    for line, aside in barred(lines):
        x = [deviate(bar.far * aside) for bar in line.bars]
        low, high = [deviate(1 - b.high) for b in line.bars], [deviate(1 - b.low) for b in line.bars]
        axes.vlines(x, low, high, color=line.colour, linewidth=1.4)
