"""The front as an HTML fragment with plotly, and what all fragments share; the data is that of `analysis.figure_data`.

Every text is escaped before plotly sees it, since plotly renders a subset of HTML in its labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go
from plotly.io import to_html
from plotly.offline import get_plotlyjs

from analysis.figure_data import LATENCY_AXIS, PLAIN, RAM_AXIS, SIZE_AXIS, CostAxis, ParetoPoint, staircase
from analysis.selection import SCHEME_NAMES
from facerec_core.types import Scheme

INK = "#22272e"
GRID = "#e6e8eb"
GREY = "#7c858f"
RECOMMENDED = "#d55e00"
AXES = (SIZE_AXIS, LATENCY_AXIS, RAM_AXIS)
MOST_BARS = 60
"""With more points only those of the front have error bars."""
SYMBOLS: Mapping[Scheme, str] = {
    "float32": "square",
    "float32_control": "cross",
    "ptq_int8": "circle",
    "qat_int8": "diamond",
}


def plotly_script() -> str:
    """The JavaScript that draws the fragments, to be put into the page itself."""
    return str(get_plotlyjs())


def text(raw: str) -> str:
    """Escaped for plotly, which would show an escaped quotation mark as it is."""
    return escape(raw, quote=False)


def axis(title: str, **more: object) -> dict[str, Any]:
    """An axis in the report's style."""
    return {"title": {"text": title}, "gridcolor": GRID, "linecolor": INK, "zeroline": False, "automargin": True} | more


def lay_out(figure: go.Figure, height: int, buttons: Sequence[Mapping[str, object]] = ()) -> None:
    """Give a figure the report's style; the legend stands below, the last trace first, the buttons above."""
    figure.update_layout(
        template=go.layout.Template(),
        height=height,
        margin={"l": 8, "r": 8, "t": 56 if buttons else 28, "b": 8},
        paper_bgcolor="white",
        plot_bgcolor="white",
        font={"family": "system-ui, sans-serif", "size": 13, "color": INK},
        legend={"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0, "x": 0, "traceorder": "reversed"},
        hoverlabel={"bgcolor": "white", "font": {"color": INK}},
    )
    place = {"x": 0, "y": 1.03, "xanchor": "left", "yanchor": "bottom", "direction": "right"}
    if buttons:
        figure.update_layout(updatemenus=[{"type": "buttons", "buttons": list(buttons), "bgcolor": "white", **place}])


def fragment(figure: go.Figure, name: str) -> str:
    """The figure as HTML without the library."""
    config = {"responsive": True, "displaylogo": False, "displayModeBar": False}
    html = to_html(figure, full_html=False, include_plotlyjs=False, config=config, div_id=name, default_height="auto")
    return str(html)


def _status(point: ParetoPoint) -> str:
    told: list[str] = ["recommended" if point.recommended else point.standing]
    told += ["tied with the recommended"] if point.tied else []
    return "<br>".join([*told, *map(text, point.unmet)])


def _row(point: ParetoPoint) -> list[object]:
    known = point.interval
    spread = f"95 % interval {known.low:.1%} to {known.high:.1%}" if known else "no interval"
    latency = f"{point.latency_ms:,.1f} ms ({point.latency_low_ms:,.1f} to {point.latency_high_ms:,.1f}"
    return [
        point.size_bytes,
        f"{latency}, {text(point.provenance)})",
        f"{point.ram_bytes / 1024:,.0f}",
        spread,
        _status(point),
    ]


def _error(points: Sequence[ParetoPoint], *, shown: bool) -> dict[str, Any]:
    above = [p.interval.high - p.value if p.interval else 0.0 for p in points]
    below = [p.value - p.interval.low if p.interval else 0.0 for p in points]
    return _thin(above, below, points) | {"visible": shown}


def _thin(above: Sequence[float], below: Sequence[float], points: Sequence[ParetoPoint]) -> dict[str, Any]:
    """A thin error bar, paler unless its points are on the front."""
    colour = INK if all(point.standing == "front" for point in points) else PLAIN
    return {"type": "data", "array": above, "arrayminus": below, "thickness": 1, "width": 0, "color": colour}


def _spans(points: Sequence[ParetoPoint], cost: CostAxis) -> tuple[list[float], list[float]]:
    """How far the cost may lie above and below its estimate."""
    spans = [cost.span(p) if cost.span else (cost.of(p), cost.of(p)) for p in points]
    pairs = list(zip(points, spans, strict=True))
    return [high - cost.of(p) for p, (_, high) in pairs], [cost.of(p) - low for p, (low, _) in pairs]


def _markers(points: Sequence[ParetoPoint], name: str, *, bars: bool, **marker: object) -> go.Scatter:
    figures = "%{y:.2%}, %{customdata[3]}<br>%{customdata[0]:,} bytes<br>%{customdata[1]}<br>RAM %{customdata[2]} KiB"
    return go.Scatter(
        x=[SIZE_AXIS.of(p) for p in points],
        y=[p.value for p in points],
        error_y=_error(points, shown=bars),
        error_x=_thin([], [], points) | {"visible": bars},
        text=[text(p.label) for p in points],
        customdata=[_row(p) for p in points],
        mode="markers",
        name=name,
        hovertemplate=f"<b>%{{text}}</b><br>{figures}<extra>%{{customdata[4]}}</extra>",
        marker=marker,
    )


def _coloured(points: Sequence[ParetoPoint], *, pale: bool) -> dict[str, object]:
    return {
        "color": [p.latency_ms for p in points],
        "coloraxis": "coloraxis",
        "opacity": 0.4 if pale else 1.0,
        "size": 8 if pale else 12,
        "line": {"color": INK, "width": 1},
    }


def _ring(points: Sequence[ParetoPoint], name: str, colour: str, size: int, width: float) -> go.Scatter:
    return go.Scatter(
        x=[SIZE_AXIS.of(point) for point in points],
        y=[point.value for point in points],
        error_x={"visible": False},  # the buttons give every trace the spans of its points
        mode="markers",
        name=name,
        hoverinfo="skip",
        marker={"symbol": "circle-open", "size": size, "color": colour, "line": {"width": width}},
    )


def _groups(points: Sequence[ParetoPoint]) -> list[tuple[go.Scatter, Sequence[ParetoPoint]]]:
    """Every trace of points with the points it shows, what lies on top last."""
    few, found = len(points) <= MOST_BARS, []
    outside = [p for p in points if p.standing == "infeasible"]
    found.append((_markers(outside, "outside a limit", bars=few, symbol="x", size=8, color=GREY), outside))
    for scheme, symbol in SYMBOLS.items():
        chosen = [p for p in points if p.scheme == scheme and p.standing == "undecided"]
        style = {"symbol": f"{symbol}-open", "size": 8, "color": GREY}
        found.append((_markers(chosen, f"{SCHEME_NAMES[scheme]}, undecided", bars=few, **style), chosen))
    for scheme, symbol in SYMBOLS.items():
        for standing in ("dominated", "front"):
            chosen = [p for p in points if p.scheme == scheme and p.standing == standing]
            style = {"symbol": symbol, **_coloured(chosen, pale=standing != "front")}
            title = f"{SCHEME_NAMES[scheme]}, {standing}"
            found.append((_markers(chosen, title, bars=few or standing == "front", **style), chosen))
    tied, best = [p for p in points if p.tied], [p for p in points if p.recommended]
    found.append((_ring(tied, "tied with the recommended", INK, 18, 1), tied))
    found.append((_ring(best, "recommended", RECOMMENDED, 24, 3), best))
    return [(trace, shown) for trace, shown in found if shown]


def _button(
    cost: CostAxis, groups: Sequence[tuple[go.Scatter, Sequence[ParetoPoint]]], points: Sequence[ParetoPoint]
) -> dict[str, Any]:
    """Draw everything over one cost: the staircase, which is the first trace, and each group."""
    spans = [_spans(shown, cost) for _, shown in groups]
    stairs = staircase(points, cost.of)
    changes = {
        "x": [stairs[0], *([cost.of(p) for p in shown] for _, shown in groups)],
        "y": [stairs[1], *([p.value for p in shown] for _, shown in groups)],
        "error_x.array": [[], *(above for above, _ in spans)],
        "error_x.arrayminus": [[], *(below for _, below in spans)],
    }
    return {
        "label": cost.name,
        "method": "update",
        "args": [changes, {"xaxis.title.text": cost.title, "xaxis.autorange": True, "yaxis.autorange": True}],
    }


def pareto_fragment(points: Sequence[ParetoPoint], title: str) -> str:
    """The metric against file size, latency or RAM, latency as colour; details on hover.

    Args:
        points: what to show.
        title: what the metric is called on the axis.
    """
    groups = _groups(points)
    sizes, values = staircase(points, SIZE_AXIS.of)
    step = {"color": INK, "width": 1, "shape": "hv"}
    unspanned = {"error_x": {"visible": False}, "hoverinfo": "skip"}
    stairs = go.Scatter(x=sizes, y=values, mode="lines", line=step, name="best at this cost", **unspanned)
    figure = go.Figure([stairs, *(trace for trace, _ in groups)])
    lay_out(figure, 520, [_button(cost, groups, points) for cost in AXES])
    figure.update_layout(
        xaxis=axis(SIZE_AXIS.title),
        yaxis=axis(title, tickformat="~%"),
        coloraxis={"colorscale": "Viridis", "colorbar": {"title": {"text": "ms"}, "thickness": 12, "len": 0.9}},
    )
    return fragment(figure, "pareto")
