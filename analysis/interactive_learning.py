"""Learning curves as an HTML fragment with plotly; the data is that of `analysis.learning_data`."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figure_data import PLAIN
from analysis.interactive import GREY, axis, fragment, lay_out, text
from analysis.learning_data import METRIC_NAMES, LearningCurve, joined, metrics_of, phases_of

FEW_EPOCHS = 6
"""So few are named one by one: an axis would name halves of epochs."""


def learning_fragment(curves: Sequence[LearningCurve]) -> str:
    """A panel a phase; buttons choose the metric, a cross ends what was given up."""
    metrics, phases = metrics_of(curves), phases_of(curves)
    figure = make_subplots(cols=len(phases), subplot_titles=list(phases), horizontal_spacing=0.1)
    owners: list[str] = []
    for metric in metrics:
        for column, phase in enumerate(phases, 1):
            for trace in _traces([curve for curve in curves if (curve.metric, curve.phase) == (metric, phase)]):
                trace.update(visible=metric == metrics[0])
                figure.add_trace(trace, row=1, col=column)
                owners.append(metric)
    _name_once(figure, owners)
    buttons = [
        {
            "label": text(METRIC_NAMES.get(metric, metric)),
            "method": "restyle",
            "args": ["visible", [owner == metric for owner in owners]],
        }
        for metric in metrics
    ]
    lay_out(figure, 440, buttons)
    figure.update_layout(margin_t=84, updatemenus=[{"y": 1.1}])
    figure.update_xaxes(axis("epoch"))
    for column, phase in enumerate(phases, 1):
        if max(curve.epochs[-1] for curve in curves if curve.phase == phase) <= FEW_EPOCHS:
            figure.update_xaxes(dtick=1, col=column)
    figure.update_yaxes(axis(""))
    return fragment(figure, "curves")


def _name_once(figure: go.Figure, owners: Sequence[str]) -> None:
    """One entry of each name in the legend for each metric, however many panels it has lines in."""
    named: set[tuple[str, str]] = set()
    for trace, owner in zip(figure.data, owners, strict=True):
        if trace.showlegend is not False:
            trace.showlegend = (owner, trace.name) not in named
            named.add((owner, trace.name))


def _traces(curves: Sequence[LearningCurve]) -> list[go.Scatter]:
    ended = [curve for curve in curves if curve.given_up]
    rest = [curve for curve in curves if not curve.given_up and curve.colour is None]
    found = [_background(some, dash) for some, dash in ((rest, "solid"), (ended, "dot")) if some]
    found += [_line(curve) for curve in curves if curve.colour and not curve.given_up]
    return found + ([_ends(ended)] if ended else [])


def _background(curves: Sequence[LearningCurve], dash: str) -> go.Scatter:
    epochs, values = joined(curves)
    line = {"color": GREY if dash == "dot" else PLAIN, "width": 1, "dash": dash}
    return go.Scatter(x=epochs, y=values, mode="lines", line=line, hoverinfo="skip", showlegend=False)


def _line(curve: LearningCurve) -> go.Scatter:
    return go.Scatter(
        x=curve.epochs,
        y=curve.values,
        mode="lines+markers" if len(curve.epochs) < 3 else "lines",
        name=text(curve.label),
        legendgroup=text(curve.label),
        line={"color": curve.colour, "width": 2},
        hovertemplate="epoch %{x}: %{y:.4g}",
    )


def _ends(curves: Sequence[LearningCurve]) -> go.Scatter:
    return go.Scatter(
        x=[curve.epochs[-1] for curve in curves],
        y=[curve.values[-1] for curve in curves],
        mode="markers",
        name="given up or failed",
        legendgroup="given up",
        marker={"symbol": "x", "size": 8, "color": GREY},
        text=[text(curve.label) for curve in curves],
        hovertemplate="%{text}<br>ended after epoch %{x}: %{y:.4g}<extra></extra>",
    )
