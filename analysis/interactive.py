"""Interactive figures as HTML fragments with plotly; what they show comes from `analysis.figure_data`.

Every text is escaped before plotly sees it, since plotly renders a subset of HTML in its labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go
from plotly.io import to_html
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from analysis.figure_data import PLAIN, LearningCurve, ParetoPoint, RocLine, Slope, staircase
from analysis.selection import SCHEME_NAMES, Metric
from facerec_core.types import SCHEMES, Scheme

INK = "#22272e"
GRID = "#e6e8eb"
RECOMMENDED = "#d55e00"
SYMBOLS: Mapping[Scheme, str] = {
    "float32": "square",
    "float32_control": "cross",
    "ptq_int8": "circle",
    "qat_int8": "diamond",
}
DASHES: Mapping[Scheme, str] = {
    "float32": "dash",
    "float32_control": "dashdot",
    "ptq_int8": "dot",
    "qat_int8": "solid",
}


def plotly_script() -> str:
    """The JavaScript that draws the fragments, to be put into the page itself."""
    return str(get_plotlyjs())


def _text(raw: str) -> str:
    """Escaped for plotly, which would show an escaped quotation mark as it is."""
    return escape(raw, quote=False)


def _axis(title: str, **more: object) -> dict[str, Any]:
    return {"title": {"text": title}, "gridcolor": GRID, "linecolor": INK, "zeroline": False, "automargin": True} | more


def _layout(figure: go.Figure, height: int) -> None:
    figure.update_layout(
        template=go.layout.Template(),
        height=height,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        paper_bgcolor="white",
        plot_bgcolor="white",
        font={"family": "system-ui, sans-serif", "size": 13, "color": INK},
        legend={"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0, "x": 0, "traceorder": "reversed"},
        hoverlabel={"bgcolor": "white", "font": {"color": INK}},
    )


def _fragment(figure: go.Figure, name: str) -> str:
    config = {"responsive": True, "displaylogo": False, "displayModeBar": False}
    html = to_html(figure, full_html=False, include_plotlyjs=False, config=config, div_id=name, default_height="auto")
    return str(html)


def _markers(points: Sequence[ParetoPoint], name: str, *, pale: bool, **marker: object) -> go.Scatter:
    figures = "%{y:.2%}<br>%{customdata[0]:,} bytes<br>%{customdata[1]:.1f} ms"
    hover = f"<b>%{{text}}</b><br>{figures}<extra>%{{customdata[2]}}</extra>"
    shared = {"color": [p.latency_ms for p in points], "coloraxis": "coloraxis", "opacity": 0.4 if pale else 1.0}
    return go.Scatter(
        x=[p.size_bytes / 1000 for p in points],
        y=[p.value for p in points],
        text=[_text(p.label) for p in points],
        customdata=[[p.size_bytes, p.latency_ms, "recommended" if p.recommended else p.standing] for p in points],
        mode="markers",
        name=name,
        hovertemplate=hover,
        marker=shared | marker,
    )


def _ring(point: ParetoPoint) -> go.Scatter:
    return go.Scatter(
        x=[point.size_bytes / 1000],
        y=[point.value],
        mode="markers",
        name="recommended",
        hoverinfo="skip",
        marker={"symbol": "circle-open", "size": 24, "color": RECOMMENDED, "line": {"width": 3}},
    )


def _point_traces(points: Sequence[ParetoPoint]) -> list[go.Scatter]:
    traces = []
    for scheme, symbol in SYMBOLS.items():
        for standing in ("dominated", "front"):
            chosen = [p for p in points if p.scheme == scheme and p.standing == standing]
            front = standing == "front"
            style = {"symbol": symbol, "size": 12 if front else 8, "line": {"color": INK, "width": 1 if front else 0}}
            if chosen:
                traces.append(_markers(chosen, f"{SCHEME_NAMES[scheme]}, {standing}", pale=not front, **style))
    barred = [p for p in points if p.standing in ("undecided", "infeasible")]
    if barred:
        traces.append(_markers(barred, "outside the limits, or undecided", pale=False, symbol="x", size=8))
    return traces


def pareto_fragment(points: Sequence[ParetoPoint], metric: Metric) -> str:
    """The metric against file size, latency as colour; details on hover."""
    figure = go.Figure(_point_traces(points))
    sizes, values = staircase(points)
    step = {"color": INK, "width": 1, "shape": "hv"}
    kilobytes = [size / 1000 for size in sizes]
    figure.add_scatter(x=kilobytes, y=values, mode="lines", line=step, name="best at this size", hoverinfo="skip")
    for point in points:
        if point.recommended:
            figure.add_trace(_ring(point))
    _layout(figure, 480)
    figure.update_layout(
        xaxis=_axis("file size (kB, 1 kB = 1000 bytes)"),
        yaxis=_axis(f"{metric.title} (validation)", tickformat=".0%"),
        coloraxis={"colorscale": "Viridis", "colorbar": {"title": {"text": "ms"}, "thickness": 12, "len": 0.9}},
    )
    return _fragment(figure, "pareto")


def _roc_trace(line: RocLine, *, visible: bool) -> go.Scatter:
    colour = line.colour or PLAIN
    return go.Scatter(
        x=line.far,
        y=line.tar,
        mode="lines",
        name=_text(line.label),
        visible=visible,
        showlegend=line.colour is not None,
        line={"color": colour, "width": 2.2 if line.colour else 0.8, "dash": DASHES[line.scheme]},
        hovertemplate="FAR %{x:.2g}, TAR %{y:.1%}" if line.colour else None,
        hoverinfo=None if line.colour else "skip",
    )


def _floor_trace(lines: Sequence[RocLine], *, visible: bool) -> go.Scatter:
    floor = max(line.far_floor for line in lines)
    style = {"color": INK, "width": 1, "dash": "dot"}
    return go.Scatter(x=[floor] * 2, y=[0, 1], mode="lines", name=f"FAR floor {floor:.1e}", line=style, visible=visible)


def roc_fragment(lines: Mapping[str, Sequence[RocLine]]) -> str:
    """ROC curves of each split over a logarithmic FAR, with buttons that switch between the splits."""
    figure, owners = go.Figure(), []
    first = next(iter(lines))
    for split, drawn in lines.items():
        for line in drawn:
            figure.add_trace(_roc_trace(line, visible=split == first))
        figure.add_trace(_floor_trace(drawn, visible=split == first))
        owners += [split] * (len(drawn) + 1)
    buttons = [
        {"label": f"{split} pairs", "method": "restyle", "args": ["visible", [owner == split for owner in owners]]}
        for split in lines
    ]
    _layout(figure, 500)
    figure.update_layout(
        xaxis=_axis("FAR (false accept rate)", type="log", range=[-4, 0], dtick=1, exponentformat="power"),
        yaxis=_axis("TAR (true accept rate)", tickformat=".0%", range=[0, 1.02]),
        margin={"t": 56},
        updatemenus=[
            {
                "type": "buttons",
                "direction": "right",
                "x": 0,
                "y": 1.03,
                "xanchor": "left",
                "yanchor": "bottom",
                "buttons": buttons,
            }
        ],
    )
    return _fragment(figure, "roc")


def slopes_fragment(slopes: Sequence[Slope], metric: Metric) -> str:
    """What the two ways of quantising do to every candidate."""
    figure = go.Figure()
    names = ["float32", "PTQ int8", "QAT int8"]
    for slope in slopes:
        figure.add_scatter(
            x=names[: len(SCHEMES)],
            y=slope.values,
            mode="lines+markers",
            name=_text(slope.label),
            showlegend=slope.colour is not None,
            line={"color": slope.colour or PLAIN, "width": 2.2 if slope.colour else 0.8},
            hovertemplate="%{x}: %{y:.2%}",
        )
    _layout(figure, 440)
    figure.update_layout(
        xaxis=_axis("", type="category"), yaxis=_axis(f"{metric.title} (validation)", tickformat=".0%")
    )
    return _fragment(figure, "slopes")


def learning_fragment(curves: Sequence[LearningCurve]) -> str:
    """A panel a phase: the loss of every candidate over its epochs."""
    phases = [phase for phase in ("train", "finetune", "qat") if any(curve.phase == phase for curve in curves)]
    metrics = {curve.phase: curve.metric for curve in curves}
    titles = [f"{phase}: {_text(metrics[phase])}" for phase in phases]
    figure = make_subplots(cols=len(phases), subplot_titles=titles, horizontal_spacing=0.1)
    labelled: set[str] = set()
    for curve in curves:
        figure.add_scatter(
            x=curve.epochs,
            y=curve.values,
            col=phases.index(curve.phase) + 1,
            row=1,
            mode="lines+markers" if len(curve.epochs) < 3 else "lines",
            name=_text(curve.label),
            legendgroup=_text(curve.label),
            showlegend=curve.colour is not None and curve.label not in labelled,
            line={"color": curve.colour or PLAIN, "width": 2 if curve.colour else 0.8},
            hovertemplate=f"epoch %{{x}}: {_text(curve.metric)} %{{y:.4g}}",
        )
        labelled.add(curve.label)
    _layout(figure, 400)
    figure.update_xaxes(_axis("epoch"))
    figure.update_yaxes(_axis(""))
    return _fragment(figure, "curves")
