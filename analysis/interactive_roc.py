"""ROC and DET as HTML fragments with plotly; the data is that of `analysis.roc_data`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import plotly.graph_objects as go

from analysis.figure_data import PLAIN
from analysis.interactive import INK, axis, fragment, lay_out, text
from analysis.roc_data import (
    DET_FARS,
    DET_FRRS,
    DET_LEAST,
    DET_MOST,
    DET_WIDEST,
    RocLine,
    background,
    banded,
    barred,
    det_band,
    det_points,
    deviate,
)
from facerec_core.types import Scheme

DASHES: Mapping[Scheme, str] = {
    "float32": "dash",
    "float32_control": "dashdot",
    "ptq_int8": "dot",
    "qat_int8": "solid",
}
BAND = "29"
"""How opaque a band is, as hexadecimal digits behind its colour."""
Points = Callable[[RocLine], tuple[Sequence[float], Sequence[float]]]
Traces = Callable[[Sequence[RocLine]], list[go.Scatter]]


def _curve(line: RocLine, x: Sequence[float], y: Sequence[float], hover: str, **more: object) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        mode="lines",
        name=text(line.label),
        legendgroup=text(line.label),
        line={"color": line.colour, "width": 2.2, "dash": DASHES[line.scheme]},
        hovertemplate=hover,
        **more,
    )


def _backgrounds(lines: Sequence[RocLine], points: Points) -> list[go.Scatter]:
    """All lines without a colour, a trace a scheme: hundreds of traces would make the page slow."""
    found = []
    for scheme, plain in background(lines):
        x: list[float | None] = []
        y: list[float | None] = []
        for line in plain:
            places = points(line)
            x += [*places[0], None]
            y += [*places[1], None]
        style = {"color": PLAIN, "width": 0.8, "dash": DASHES[scheme]}
        found.append(go.Scatter(x=x, y=y, mode="lines", line=style, hoverinfo="skip", showlegend=False))
    return found


def _band(line: RocLine, x: Sequence[float], low: Sequence[float], high: Sequence[float]) -> go.Scatter:
    return go.Scatter(
        x=[*x, *reversed(x)],
        y=[*high, *reversed(low)],
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=f"{line.colour}{BAND}",
        legendgroup=text(line.label),
        showlegend=False,
        hoverinfo="skip",
    )


def _bars(
    line: RocLine, x: Sequence[float], y: Sequence[float], above: Sequence[float], below: Sequence[float]
) -> go.Scatter:
    spread = {"type": "data", "array": above, "arrayminus": below, "thickness": 1.6, "width": 3, "color": line.colour}
    marker = {"size": 1, "color": line.colour}
    style = {"showlegend": False, "hoverinfo": "skip", "legendgroup": text(line.label)}
    return go.Scatter(x=x, y=y, mode="markers", marker=marker, error_y=spread, **style)


def _floor(lines: Sequence[RocLine]) -> list[go.Scatter]:
    """The FAR floor, where it is on the axis."""
    floor = max(line.far_floor for line in lines)
    style = {"color": INK, "width": 1, "dash": "dot"}
    line = go.Scatter(x=[floor] * 2, y=[0, 1], mode="lines", name=f"FAR floor {floor:.1e}", line=style)
    return [line] if floor > 1e-4 else []


def _roc_traces(lines: Sequence[RocLine]) -> list[go.Scatter]:
    drawn = _backgrounds(lines, lambda line: (line.far, line.tar))
    drawn += [_band(line, line.far, line.low, line.high) for line in banded(lines)]
    coloured = [line for line in lines if line.colour]
    drawn += [_curve(line, line.far, line.tar, "FAR %{x:.2g}, TAR %{y:.1%}") for line in coloured]
    for line, aside in barred(lines):
        above, below = [b.high - b.tar for b in line.bars], [b.tar - b.low for b in line.bars]
        drawn.append(_bars(line, [b.far * aside for b in line.bars], [b.tar for b in line.bars], above, below))
    return [*drawn, *_floor(lines)]


def _det_places(line: RocLine) -> tuple[list[float], list[float]]:
    fars, frrs = det_points(line)
    return [deviate(far) for far in fars], [deviate(frr) for frr in frrs]


def _det_traces(lines: Sequence[RocLine]) -> list[go.Scatter]:
    drawn = _backgrounds(lines, _det_places)
    drawn += [_band(line, *([deviate(rate) for rate in ends] for ends in det_band(line))) for line in banded(lines)]
    for line in (line for line in lines if line.colour):
        rates = [[far, frr] for far, frr in zip(*det_points(line), strict=True)]
        hover = "FAR %{customdata[0]:.2g}, FRR %{customdata[1]:.2%}"
        drawn.append(_curve(line, *_det_places(line), hover, customdata=rates))
    for line, aside in barred(lines):
        middle = [deviate(1 - bar.tar) for bar in line.bars]
        above = [deviate(1 - b.low) - y for b, y in zip(line.bars, middle, strict=True)]
        below = [y - deviate(1 - b.high) for b, y in zip(line.bars, middle, strict=True)]
        drawn.append(_bars(line, [deviate(b.far * aside) for b in line.bars], middle, above, below))
    return drawn


def _switched(lines: Mapping[str, Sequence[RocLine]], traces: Traces, height: int) -> go.Figure:
    """The traces of each split, with buttons that switch between the splits."""
    figure, owners, first = go.Figure(), [], next(iter(lines))
    for split, drawn in lines.items():
        for trace in traces(drawn):
            trace.visible = split == first
            figure.add_trace(trace)
            owners.append(split)
    shown = {split: [owner == split for owner in owners] for split in lines}
    buttons = [{"label": f"{s} pairs", "method": "restyle", "args": ["visible", shown[s]]} for s in lines]
    lay_out(figure, height, buttons)
    return figure


def roc_fragment(lines: Mapping[str, Sequence[RocLine]]) -> str:
    """ROC curves of each split over a logarithmic FAR."""
    figure = _switched(lines, _roc_traces, 540)
    figure.update_layout(
        xaxis=axis("FAR (false accept rate)", type="log", range=[-4.1, 0], dtick=1, exponentformat="power"),
        yaxis=axis("TAR (true accept rate)", tickformat=".0%", range=[0, 1.02]),
    )
    return fragment(figure, "roc")


def _ticks(rates: Sequence[float]) -> dict[str, object]:
    return {"tickvals": [deviate(rate) for rate in rates], "ticktext": [f"{100 * rate:g} %" for rate in rates]}


def det_fragment(lines: Mapping[str, Sequence[RocLine]]) -> str:
    """DET curves of each split, both axes on the normal deviate's scale."""
    figure = _switched(lines, _det_traces, 580)
    least = min((frr for drawn in lines.values() for line in drawn for frr in det_points(line)[1]), default=DET_LEAST)
    lowest = max(least / 2, DET_LEAST)
    figure.update_layout(
        xaxis=axis(
            "FAR (false accept rate)", range=[deviate(DET_LEAST) - 0.1, deviate(DET_WIDEST)], **_ticks(DET_FARS)
        ),
        yaxis=axis("FRR (1 − TAR)", range=[deviate(lowest), deviate(DET_MOST)], **_ticks(DET_FRRS)),
    )
    return fragment(figure, "det")
