"""Static figures with matplotlib's Agg canvas; what they show comes from `analysis.figure_data`."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.ticker import PercentFormatter
from matplotlib.transforms import Bbox

from analysis.figure_data import COLOURS, PLAIN, ParetoPoint, RocLine, roc_line, staircase
from analysis.selection import Entry, Metric
from facerec_core.types import RunRecord, Scheme, Split

MARKERS: Mapping[Scheme, str] = {"float32": "s", "float32_control": "X", "ptq_int8": "o", "qat_int8": "D"}
INK = "#22272e"
RECOMMENDED = "#d55e00"
LABELS = 12
# Label positions to try around a point, in typographic points: (x, y).
_OFFSETS = tuple(
    (x * s, y * s) for s in (1, 2, 3.2) for x, y in ((9, 8), (9, -13), (-9, 8), (-9, -13), (0, 14), (0, -20))
)


def _figure(width: float = 8.0, height: float = 5.2) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e8eb", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK)
    return figure, axes


def _empty(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=INK)


def _marker_box(axes: Axes, point: ParetoPoint) -> Bbox:
    x, y = axes.transData.transform((point.size_bytes / 1000, point.value))
    return Bbox.from_bounds(x - 9, y - 9, 18, 18)


def _place(axes: Axes, point: ParetoPoint, taken: list[Bbox], frame: Bbox) -> Annotation | None:
    """Write the point's label where nothing lies yet, or not at all."""
    for dx, dy in _OFFSETS:
        note = axes.annotate(
            point.label,
            (point.size_bytes / 1000, point.value),
            xytext=(dx, dy),
            textcoords="offset points",
            ha="left" if dx > 0 else "right" if dx < 0 else "center",
            fontsize=8.5 if point.recommended else 7.5,
            fontweight="bold" if point.recommended else "normal",
            color=INK,
            arrowprops={"arrowstyle": "-", "color": "#8b939c", "linewidth": 0.5, "shrinkB": 4},
        )
        note.get_window_extent()
        box = Text.get_window_extent(note).padded(2)
        inside = frame.containsx(box.x0) and frame.containsx(box.x1) and frame.containsy(box.y0)
        if inside and frame.containsy(box.y1) and not box.count_overlaps(taken):
            taken.append(box)
            return note
        note.remove()
    return None


def label_front(figure: Figure, axes: Axes, points: Sequence[ParetoPoint]) -> list[Annotation]:
    """Name up to LABELS of the front, those on the staircase first; a name that finds no free place is left out."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    taken = [_marker_box(axes, point) for point in points]
    steps = set(zip(*staircase(points), strict=True))
    front = [point for point in points if point.standing == "front"]
    front.sort(key=lambda point: (not point.recommended, (point.size_bytes, point.value) not in steps))
    placed = (_place(axes, point, taken, axes.get_window_extent()) for point in front[:LABELS])
    return [note for note in placed if note is not None]


def _legend_mark(axes: Axes, name: str, marker: str, face: str, edge: str, size: float = 45) -> None:
    axes.scatter([], [], s=size, marker=marker, c=face, edgecolors=edge, label=name)


def _legend(figure: Figure, axes: Axes, points: Sequence[ParetoPoint]) -> None:
    standings = {point.standing for point in points}
    _legend_mark(axes, "PTQ int8", MARKERS["ptq_int8"], "white", INK)
    _legend_mark(axes, "QAT int8", MARKERS["qat_int8"], "white", INK)
    if any(point.recommended for point in points):
        _legend_mark(axes, "recommended", "o", "none", RECOMMENDED, 150)
    if "dominated" in standings:
        _legend_mark(axes, "dominated (pale)", "o", PLAIN, PLAIN)
    if standings & {"undecided", "infeasible"}:
        axes.scatter([], [], s=34, marker="x", c=INK, label="outside the limits, or undecided")
    figure.legend(loc="outside lower center", ncols=6, frameon=False, fontsize=8.5)


def _scatter(figure: Figure, axes: Axes, points: Sequence[ParetoPoint]) -> None:
    """Colour is latency; the front is opaque, the dominated pale, what may not be shipped a cross."""
    latencies = [point.latency_ms for point in points]
    scale = Normalize(min(latencies), max(latencies))
    for point in sorted(points, key=lambda p: p.standing == "front"):
        x, y, colour = point.size_bytes / 1000, point.value, colormaps["viridis"](float(scale(point.latency_ms)))
        marker = MARKERS[point.scheme]
        if point.standing == "front":
            axes.scatter(x, y, s=62, marker=marker, facecolors=[colour], edgecolors=INK, zorder=3)
        elif point.standing == "dominated":
            axes.scatter(x, y, s=38, marker=marker, color=[colour], alpha=0.35, linewidths=0)
        else:
            axes.scatter(x, y, s=34, marker="x", color=[colour], linewidths=1.3)
        if point.recommended:
            axes.scatter(x, y, s=230, marker="o", facecolors="none", edgecolors=RECOMMENDED, linewidths=2, zorder=4)
    figure.colorbar(ScalarMappable(scale, "viridis"), ax=axes, label="latency (ms)", pad=0.02)


def draw_pareto(points: Sequence[ParetoPoint], metric: Metric) -> Figure:
    """The metric against file size, latency as colour, the front named."""
    figure, axes = _figure()
    axes.set_xlabel("file size (kB, 1 kB = 1000 bytes)")
    axes.set_ylabel(f"{metric.title} (validation)")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    if not points:
        _empty(axes, "no candidate was trained to the end")
        return figure
    _scatter(figure, axes, points)
    sizes, values = staircase(points)
    axes.step([size / 1000 for size in sizes], values, where="post", color=INK, linewidth=0.9, zorder=2)
    axes.margins(0.1, 0.12)
    _legend(figure, axes, points)
    label_front(figure, axes, points)
    return figure


def draw_roc(lines: Sequence[RocLine], title: str) -> Figure:
    """ROC curves over a logarithmic FAR, with the lowest FAR that the pairs resolve."""
    figure, axes = _figure()
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set(xscale="log", xlim=(1e-4, 1), ylim=(0, 1.02), xlabel="FAR (false accept rate)", ylabel="TAR")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    for line in lines:
        dash = "--" if line.scheme == "float32" else ":" if line.scheme == "ptq_int8" else "-"
        width = 1.8 if line.colour else 0.6
        label = line.label if line.colour else None
        axes.plot(line.far, line.tar, dash, label=label, color=line.colour or PLAIN, linewidth=width)
    if not lines:
        _empty(axes, "no candidate was trained to the end")
        return figure
    floor = max(line.far_floor for line in lines)
    if floor > 1e-4:
        axes.axvspan(1e-4, floor, color="#f0f1f3", zorder=0)
        axes.text(floor, 1.0, "below this FAR the pairs\nresolve nothing  ", ha="right", va="top", fontsize=7.5)
    if any(line.colour for line in lines):
        axes.legend(loc="lower right", reverse=True, frameon=False, fontsize=8)
    return figure


def candidate_roc_png(record: RunRecord, split: Split = "validation") -> bytes:
    """PNG of one candidate's ROC curves, float32, ptq_int8 and qat_int8 overlaid."""
    lines = [
        roc_line(Entry(variant.scheme, "reference", record, variant, None, ()), split, colour)
        for variant, colour in zip(record.variants, COLOURS, strict=False)
    ]
    return image_bytes(draw_roc(lines, f"ROC, {split} pairs"), "png")


def image_bytes(figure: Figure, kind: str) -> bytes:
    """The figure as "png" or "svg", without dates or versions, so that equal figures are equal files."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata={"Software": None} if kind == "png" else {"Date": None})
    return buffer.getvalue()
