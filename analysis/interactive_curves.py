"""Quantisation and limits as HTML fragments; the data is that of `analysis.curve_data` and `limit_data`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from analysis.curve_data import SCHEME_TICKS, Slope
from analysis.figure_data import PLAIN
from analysis.interactive import GREY, INK, RECOMMENDED, axis, fragment, lay_out, text
from analysis.limit_data import LimitMark, limit_name, mark_kinds, rows_of, span, spots

SHARES = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]


def slopes_fragment(slopes: Sequence[Slope], title: str) -> str:
    """What the two ways of quantising do to every candidate; `title` on the axis."""
    figure = go.Figure()
    for slope in slopes:
        figure.add_scatter(
            x=SCHEME_TICKS,
            y=slope.values,
            mode="lines+markers",
            name=text(slope.label),
            showlegend=slope.colour is not None,
            line={"color": slope.colour or PLAIN, "width": 2.2 if slope.colour else 0.8},
            hovertemplate="%{x}: %{y:.2%}",
        )
    lay_out(figure, 440)
    figure.update_layout(xaxis=axis("", type="category"), yaxis=axis(title, tickformat="~%"))
    return fragment(figure, "slopes")


def _marks(name: str, chosen: Sequence[tuple[LimitMark, float]], marker: dict[str, object]) -> go.Scatter:
    return go.Scatter(
        x=[mark.share for mark, _ in chosen],
        y=[height for _, height in chosen],
        mode="markers",
        name=name,
        marker=marker,
        text=[text(mark.label) for mark, _ in chosen],
        customdata=[[text(mark.text), text(limit_name(mark.limit))] for mark, _ in chosen],
        hovertemplate="<b>%{text}</b><br>%{customdata[0]}<extra>%{customdata[1]}</extra>",
    )


def _ranges(marks: Sequence[LimitMark], heights: Sequence[float]) -> go.Scatter:
    """All that is uncertain as one trace of separate lines."""
    x: list[float | None] = []
    y: list[float | None] = []
    for mark, height in zip(marks, heights, strict=True):
        if mark.high > mark.low:
            x += [mark.low, mark.high, None]
            y += [height, height, None]
    return go.Scatter(
        x=x, y=y, mode="lines", line={"color": PLAIN, "width": 1}, hoverinfo="skip", name="what the estimate spans"
    )


def limits_fragment(marks: Sequence[LimitMark]) -> str:
    """The share of each limit that each candidate takes; details on hover."""
    rows, heights = rows_of(marks), spots(marks)
    styles = {
        "fits": {"color": "#0072b2", "size": 6},
        "elsewhere": {"color": PLAIN, "size": 5},
        "undecided": {"color": GREY, "size": 7, "symbol": "circle-open"},
        "exceeded": {"color": GREY, "size": 7, "symbol": "x"},
        "recommended": {"color": RECOMMENDED, "size": 12},
    }
    kinds = mark_kinds(marks, heights)
    figure = go.Figure(
        [_ranges(marks, heights), *(_marks(name, found, styles[kind]) for kind, name, found in kinds if found)]
    )
    lay_out(figure, 190 + 80 * len(rows))
    ticks = {"tickvals": list(range(len(rows))), "ticktext": [text(limit_name(row)) for row in rows]}
    names, ends = [f"{100 * share:g} %" for share in SHARES], [math.log10(end) for end in span(marks)]
    figure.update_layout(
        xaxis=axis("share of the limit", type="log", tickvals=SHARES, ticktext=names, range=ends),
        yaxis=axis("", range=[-0.6, len(rows) - 0.4], **ticks),
        shapes=[
            {"type": "line", "x0": 1, "x1": 1, "yref": "paper", "y0": 0, "y1": 1, "line": {"color": INK, "width": 1.5}}
        ],
    )
    return fragment(figure, "limits")
