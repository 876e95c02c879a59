"""Quantisation health as a static figure; what it shows comes from `analysis.health_data`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figure_data import COLOURS
from analysis.figures import INK, MARKERS, empty, new_figure
from analysis.health_data import NAMED, HealthLine, HealthPanel, blocks
from analysis.selection import SCHEME_NAMES
from facerec_core.types import Scheme

LINE_COLOURS: Mapping[Scheme, str] = {"ptq_int8": COLOURS[0], "qat_int8": COLOURS[1]}
STRIPE = "#f1f3f5"


def draw_health(panels: Sequence[HealthPanel]) -> Figure:
    """SQNR over the layers in order, a panel a candidate; the worst layers ringed, the worst of them named."""
    figure, axes = new_figure(rows=max(1, len(panels)), height=1.1 + 2.1 * max(1, len(panels)))
    if not panels:
        empty(axes[0], "no layers were compared with float32")
        return figure
    for each, panel in zip(axes, panels, strict=True):
        _panel(each, panel)
    axes[-1].set_xlabel("layers in order, by block: expansion, depthwise, projection, addition")
    named = {label: handle for each in axes for handle, label in zip(*each.get_legend_handles_labels(), strict=True)}
    figure.legend(named.values(), named, loc="outside lower center", ncols=4, frameon=False, fontsize=8.5)
    return figure


def _panel(axes: Axes, panel: HealthPanel) -> None:
    axes.set_title(panel.label, loc="left", fontsize=9, color=INK, parse_math=False)
    axes.set_ylabel("SQNR (dB)")
    axes.grid(visible=False, axis="x")
    groups = blocks(panel.lines[0].health)
    for group in groups[1::2]:
        axes.axvspan(group.first - 0.5, group.first + group.count - 0.5, color=STRIPE, zorder=0)
    axes.set_xticks([group.first + (group.count - 1) / 2 for group in groups], [group.label for group in groups])
    axes.tick_params(axis="x", length=0, labelsize=8)
    # The stem is one layer wide, and its neighbour hardly more.
    axes.get_xticklabels()[0].set_horizontalalignment("right")
    axes.set_xlim(-0.8, len(panel.lines[0].health.layers) - 0.2)
    axes.margins(y=0.18)
    for line in panel.lines:
        _line(axes, line)
    _name_worst(axes, panel)


def _line(axes: Axes, line: HealthLine) -> None:
    """Hollow marks are layers compared after a factor a channel."""
    colour, marker = LINE_COLOURS[line.scheme], MARKERS[line.scheme]
    known = [(x, y, line.health.layers[x].fitted) for x, y in enumerate(line.values) if y is not None]
    axes.plot(*_apart([(x, y) for x, y, _ in known]), color=colour, linewidth=1.0)
    for fitted, label in ((False, SCHEME_NAMES[line.scheme]), (True, f"{SCHEME_NAMES[line.scheme]}, after factors")):
        x, y = _apart([(x, y) for x, y, was_fitted in known if was_fitted == fitted])
        if x:
            face = "white" if fitted else colour
            axes.scatter(x, y, s=14, marker=marker, c=face, edgecolors=colour, label=label, zorder=3)
    x, y = _apart(_worst(line))
    axes.scatter(x, y, s=70, facecolors="none", edgecolors=colour, linewidths=1.1, zorder=4)


def _apart(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _worst(line: HealthLine) -> list[tuple[int, float]]:
    """Place and SQNR of the worst layers, the worst first."""
    places = {layer.layer: place for place, layer in enumerate(line.health.layers)}
    return [(places[one.layer], one.sqnr_db) for one in line.health.worst(NAMED) if one.sqnr_db is not None]


def _name_worst(axes: Axes, panel: HealthPanel) -> None:
    """The name of each file's worst layer below its mark, once where files agree, above where another name is near."""
    worst = sorted((_worst(line)[0] for line in panel.lines if _worst(line)), key=lambda place: place[1])
    low, high = axes.get_ylim()
    for x, y in {x: (x, y) for x, y in reversed(worst)}.values():
        near = any(abs(x - other) < 18 and 0 < y - floor < 0.15 * (high - low) for other, floor in worst)
        right = x > len(panel.lines[0].values) / 2
        axes.annotate(
            panel.lines[0].health.layers[x].layer,
            (x, y),
            xytext=(-7 if right else 7, 6 if near else -11),
            textcoords="offset points",
            ha="right" if right else "left",
            fontsize=7.5,
            color=INK,
            parse_math=False,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.4},
            zorder=5,
        )
