"""Open-set identification as an HTML fragment with plotly; the data is that of `analysis.search_data`."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figure_data import SCHEME_COLOURS
from analysis.interactive import SYMBOLS, axis, fragment, lay_out, text
from analysis.search_data import SearchFigure, SearchLine
from facerec_core.types import OverDraws


def search_fragment(shown: SearchFigure) -> str:
    """FNIR above, rank 1 below, over the size of the gallery; a list chooses the candidate."""
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.08)
    owners: list[int] = []
    for number, panel in enumerate(shown.panels):
        for line in panel.lines:
            for row, rates in ((1, line.fnir), (2, line.rank_1)):
                trace = _trace(line, rates, legend=row == 2)
                trace.visible = number == 0
                figure.add_trace(trace, row=row, col=1)
                owners.append(number)
    buttons = [
        {
            "label": text(panel.label),
            "method": "restyle",
            "args": ["visible", [owner == number for owner in owners]],
        }
        for number, panel in enumerate(shown.panels)
    ]
    lay_out(figure, 560, buttons)
    figure.update_layout(updatemenus=[{"type": "dropdown", "direction": "down"}])
    ticks = {"tickvals": list(shown.galleries), "ticktext": [f"{size:,}" for size in shown.galleries]}
    figure.update_xaxes(axis("", type="log", **ticks))
    figure.update_xaxes(title_text=f"people enrolled, {shown.told}", row=2)
    figure.update_yaxes(axis(f"FNIR at FPIR {shown.fpir}", tickformat="~%", rangemode="tozero"), row=1)
    figure.update_yaxes(axis("rank 1", tickformat="~%"), row=2)
    return fragment(figure, "search")


def _trace(line: SearchLine, rates: Sequence[OverDraws | None], *, legend: bool) -> go.Scatter:
    colour, symbol = SCHEME_COLOURS[line.scheme], SYMBOLS[line.scheme]
    dash = "dot" if line.float_gallery else "dash" if line.scheme.startswith("float32") else "solid"
    spread = [rate.deviation if rate else 0.0 for rate in rates]
    return go.Scatter(
        x=line.galleries,
        y=[rate.mean if rate else None for rate in rates],
        error_y={"type": "data", "array": spread, "thickness": 1, "width": 3, "color": colour},
        mode="lines+markers",
        name=line.name,
        legendgroup=line.name,
        showlegend=legend,
        line={"color": colour, "width": 2, "dash": dash},
        marker={"symbol": f"{symbol}-open" if line.float_gallery else symbol, "size": 9},
        hovertemplate=f"{line.name}<br>%{{x:,}} enrolled: %{{y:.1%}}<extra></extra>",
    )
