"""The front as a static figure, with matplotlib's Agg canvas; what it shows comes from `analysis.figure_data`."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Annotation, Text
from matplotlib.ticker import PercentFormatter
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from analysis.figure_data import LATENCY_AXIS, PLAIN, SIZE_AXIS, CostAxis, ParetoPoint, staircase
from analysis.selection import SCHEME_NAMES
from facerec_core.types import Scheme

MARKERS: Mapping[Scheme, str] = {"float32": "s", "float32_control": "X", "ptq_int8": "o", "qat_int8": "D"}
Boxes = NDArray[np.float64]
INK = "#22272e"
GREY = "#7c858f"
RECOMMENDED = "#d55e00"
LABELS = 12
MOST_BARS = 40
"""With more points only those of the front have error bars."""
MOST_VECTORS = 500
"""More marks than these are one image in an SVG, which would take megabytes and seconds."""
# Label positions to try around a point, in typographic points: (x, y).
_OFFSETS = tuple(
    (x * s, y * s) for s in (1, 1.6, 2.2) for x, y in ((9, 8), (9, -13), (-9, 8), (-9, -13), (0, 14), (0, -20))
)


def new_figure(rows: int = 1, width: float = 8.0, height: float = 5.2) -> tuple[Figure, list[Axes]]:
    """An empty figure in the report's style, with so many axes one above the other."""
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    panels = [figure.add_subplot(rows, 1, row + 1) for row in range(rows)]
    for axes in panels:
        _style(axes)
    return figure, panels


def grid_figure(rows: int, columns: int, *, height: float, shared: bool = True) -> tuple[Figure, list[list[Axes]]]:
    """An empty figure with rows of axes; with `shared` those of a row have the same scale upwards."""
    figure = Figure(figsize=(8.0, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    found = figure.subplots(rows, columns, squeeze=False, sharex=shared, sharey="row" if shared else "none")
    for axes in found.flat:
        _style(axes)
    return figure, [list(row) for row in found]


def _style(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e8eb", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK)


def empty(axes: Axes, text: str = "no candidate was trained to the end") -> None:
    """Say in the figure why it shows nothing."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=INK)


def _marker_boxes(axes: Axes, points: Sequence[ParetoPoint], cost: CostAxis) -> Boxes:
    """Left, lower, right and upper end of each mark in pixels: float64 [n, 4]; marks on one spot count once."""
    places = axes.transData.transform([(cost.of(point), point.value) for point in points])
    return np.unique(np.hstack([places - 9, places + 9]).round(), axis=0)


def _is_free(box: Bbox, taken: Boxes) -> bool:
    left, lower, right, upper = taken.T
    return not ((left < box.x1) & (right > box.x0) & (lower < box.y1) & (upper > box.y0)).any()


def _place(axes: Axes, point: ParetoPoint, cost: CostAxis, taken: Boxes, frame: Bbox) -> Annotation | None:
    """Write the point's label where nothing lies yet, or not at all."""
    note = axes.annotate(
        point.label,
        (cost.of(point), point.value),
        xytext=_OFFSETS[0],
        textcoords="offset points",
        fontsize=8.5 if point.recommended else 7.5,
        fontweight="bold" if point.recommended else "normal",
        color=INK,
        parse_math=False,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
        arrowprops={"arrowstyle": "-", "color": "#8b939c", "linewidth": 0.5, "shrinkB": 4},
    )
    for dx, dy in _OFFSETS:
        note.xyann = (dx, dy)
        note.set_horizontalalignment("left" if dx > 0 else "right" if dx < 0 else "center")
        note.get_window_extent()
        box = Text.get_window_extent(note).padded(2)
        inside = frame.containsx(box.x0) and frame.containsx(box.x1) and frame.containsy(box.y0)
        if inside and frame.containsy(box.y1) and _is_free(box, taken):
            return note
    note.remove()
    return None


def label_front(axes: Axes, points: Sequence[ParetoPoint], cost: CostAxis) -> list[Annotation]:
    """Name up to LABELS of the front, those on the staircase first; a name that finds no free place is left out."""
    taken = _marker_boxes(axes, points, cost)
    steps = set(zip(*staircase(points, cost.of), strict=True))
    front = [point for point in points if point.standing == "front"]
    front.sort(key=lambda point: (not point.recommended, (cost.of(point), point.value) not in steps))
    placed: list[Annotation] = []
    for point in front[:LABELS]:
        note = _place(axes, point, cost, taken, axes.get_window_extent())
        if note is not None:
            placed.append(note)
            taken = np.vstack([taken, Text.get_window_extent(note).padded(2).extents])
    return placed


def _legend_mark(axes: Axes, name: str, marker: str, face: str, edge: str, size: float = 45) -> None:
    axes.scatter([], [], s=size, marker=marker, facecolors=face, edgecolors=edge, label=name)


def _legend(figure: Figure, axes: Axes, points: Sequence[ParetoPoint]) -> None:
    standings = {point.standing for point in points}
    for scheme in dict.fromkeys(sorted(point.scheme for point in points)):
        _legend_mark(axes, SCHEME_NAMES[scheme], MARKERS[scheme], "white", INK)
    if any(point.recommended for point in points):
        _legend_mark(axes, "recommended", "o", "none", RECOMMENDED, 150)
    if any(point.tied for point in points):
        axes.scatter([], [], s=110, facecolors="none", edgecolors=INK, linestyle=":", label="tied with it")
    if "dominated" in standings:
        _legend_mark(axes, "dominated (pale)", "o", PLAIN, PLAIN)
    if "undecided" in standings:
        _legend_mark(axes, "undecided", "o", "none", GREY)
    if "infeasible" in standings:
        axes.scatter([], [], s=34, marker="x", c=GREY, label="outside a limit")
    figure.legend(loc="outside lower center", ncols=6, frameon=False, fontsize=8.5, handletextpad=0.3)


def _bars(axes: Axes, points: Sequence[ParetoPoint], cost: CostAxis) -> None:
    """Intervals of the metric, and of the cost where it is an estimate."""
    shown = [p for p in points if len(points) <= MOST_BARS or p.standing == "front"]
    for front in (False, True):
        chosen = [p for p in shown if (p.standing == "front") == front]
        style: dict[str, Any] = {
            "colors": "#5c6570" if front else PLAIN,
            "linewidth": 0.9 if front else 0.6,
            "zorder": 1.5,
        }
        known = [(cost.of(p), p.interval.low, p.interval.high) for p in chosen if p.interval]
        axes.vlines([x for x, _, _ in known], [low for _, low, _ in known], [high for _, _, high in known], **style)
        if cost.span is not None and chosen:
            lows, highs = zip(*(cost.span(p) for p in chosen), strict=True)
            axes.hlines([p.value for p in chosen], lows, highs, **style)


def _scatter(axes: Axes, points: Sequence[ParetoPoint], cost: CostAxis, scale: Normalize) -> None:
    """Colour is RAM; the front is opaque, the dominated pale, what may not be shipped grey."""
    many: dict[str, Any] = {"rasterized": len(points) > MOST_VECTORS}
    # One call a kind of mark: thousands of calls of one mark each would take a minute.
    for kind in dict.fromkeys((point.scheme, point.standing) for point in points):
        chosen = [point for point in points if (point.scheme, point.standing) == kind]
        x, y, marker = [cost.of(p) for p in chosen], [p.value for p in chosen], MARKERS[kind[0]]
        colours = colormaps["viridis"](scale([p.ram_bytes / 1024 for p in chosen]))
        if kind[1] == "front":
            axes.scatter(x, y, c=colours, marker=marker, s=62, edgecolors=INK, zorder=3)
        elif kind[1] == "dominated":
            axes.scatter(x, y, c=colours, marker=marker, s=38, alpha=0.35, edgecolors=INK, linewidths=0.6, **many)
        elif kind[1] == "undecided":
            axes.scatter(x, y, facecolors="none", edgecolors=GREY, marker=marker, s=34, **many)
        else:
            axes.scatter(x, y, c=GREY, marker="x", s=34, linewidths=1.2, **many)
    tied = [point for point in points if point.tied]
    ring: dict[str, Any] = {"facecolors": "none", "edgecolors": INK, "linestyle": ":", "linewidths": 1.0}
    axes.scatter([cost.of(p) for p in tied], [p.value for p in tied], s=150, zorder=2.5, **ring)
    for point in (point for point in points if point.recommended):
        axes.scatter(
            cost.of(point), point.value, s=230, facecolors="none", edgecolors=RECOMMENDED, linewidths=2, zorder=4
        )


def _panel(axes: Axes, points: Sequence[ParetoPoint], cost: CostAxis, title: str, scale: Normalize) -> None:
    axes.set(xlabel=cost.title, ylabel=title)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    _bars(axes, points, cost)
    _scatter(axes, points, cost, scale)
    costs, values = staircase(points, cost.of)
    axes.step(costs, values, where="post", color=INK, linewidth=0.9, zorder=2)
    axes.margins(0.1, 0.12)


def draw_pareto(points: Sequence[ParetoPoint], title: str) -> Figure:
    """The metric against file size and against latency, RAM as colour, the front named.

    Args:
        points: what to show.
        title: what the metric is called on the axis.
    """
    figure, panels = new_figure(rows=2 if points else 1, height=8.6 if points else 4)
    if not points:
        empty(panels[0])
        return figure
    coloured = [point for point in points if point.standing in ("front", "dominated")]
    memory = [point.ram_bytes / 1024 for point in coloured or points]
    scale, costs = Normalize(min(memory), max(memory)), (SIZE_AXIS, LATENCY_AXIS)
    for axes, cost in zip(panels, costs, strict=True):
        _panel(axes, points, cost, title, scale)
    figure.colorbar(
        ScalarMappable(scale, "viridis"), ax=panels, label="RAM of one inference (KiB)", pad=0.02, aspect=40
    )
    _legend(figure, panels[0], points)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes, cost in zip(panels, costs, strict=True):
        label_front(axes, points, cost)
    return figure


def image_bytes(figure: Figure, kind: str) -> bytes:
    """The figure as "png" or "svg", without dates or versions, so that equal figures are equal files."""
    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        # Once for all kinds: finding the layout takes longer than drawing.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "sweep"}):  # else the names of an SVG's parts are drawn by lot
        figure.savefig(buffer, format=kind, metadata={"Software": None} if kind == "png" else {"Date": None})
    return buffer.getvalue()
