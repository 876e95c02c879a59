"""Draws docs/images/latency_BOARD.svg for every board with a shipped table: `python docs/latency_plots.py`.

The same tables give the same bytes, and each picture holds the figures it was drawn from, so that a test can tell one
that is out of date. `--png FOLDER` writes pictures to look at instead.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from facerec_core.arch import resolve_embedding
from facerec_core.latency import (
    BoardSpec,
    ModelSummary,
    TimedRow,
    board_spec,
    estimate,
    latency_model,
    row_label,
    summary,
)
from facerec_core.types import Latency

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
COLOURS = {width: mpl.colormaps["viridis"](0.8 - 0.16 * index) for index, width in enumerate(WIDTHS)}
GREY = (0.4, 0.4, 0.4, 1.0)
SIDES = (96, 128, 160, 192, 224)
LIMIT_MS = 500.0
HALO = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}
LARGE_HEAD = 100
MARKERS = {"own": "o", "stand_in": "D", "check": "X"}
WORDS = {"own": "timed on this board", "stand_in": "timed, a stand-in", "check": "timed, only compared with"}


@dataclass(frozen=True)
class Curve:
    """The candidates of one width, headless, with a fingerprint that scales: their latency at each of `SIDES`."""

    width: float
    latencies: tuple[Latency, ...]

    def of(self, name: str) -> list[float]:
        """One figure of every latency, such as `low_ms`."""
        return [getattr(latency, name) for latency in self.latencies]


def curve(board: BoardSpec, width: float) -> Curve:
    """One width over all sides."""
    length = resolve_embedding("scaled", width)
    return Curve(width, tuple(estimate(board, width, side, length) for side in SIDES))


def shipped_boards() -> tuple[BoardSpec, ...]:
    """Every board of `conf/board` whose table ships with the package."""
    files = sorted((ROOT / "conf" / "board").glob("*.yaml"))
    boards = [board_spec(yaml.safe_load(file.read_text(encoding="utf-8"))) for file in files]
    return tuple(board for board in boards if "${" not in board.table)


def drawn(board: BoardSpec) -> dict[str, object]:
    """The figures of a picture, to four digits.

    `ms` has low end, estimate, high end and provenance of each candidate, `rows` network, role and time of each row.
    """
    candidates = {
        f"{one.width:g}@{side}": [*(f"{ms:.4g}" for ms in (of.low_ms, of.ms, of.high_ms)), of.provenance]
        for one in (curve(board, width) for width in WIDTHS)
        for side, of in zip(SIDES, one.latencies, strict=True)
    }
    rows = [[row_label(row), row.role, f"{row.latency_ms:.4g}"] for row in timed_rows(board)]
    return {"ms": candidates, "rows": rows}


def timed_rows(board: BoardSpec) -> list[TimedRow]:
    """The rows of a board's table that are drawn; simulated ones are the estimates themselves."""
    return [row for row in latency_model(board).rows if row.role in MARKERS]


def draw(board: BoardSpec) -> Figure:
    """Latency over the side of the input: estimates by width with their intervals, and the rows of the table."""
    told = summary(board)
    rows = timed_rows(board)
    figure = Figure(figsize=(7.2, 5.0), layout="constrained")
    axes = figure.add_subplot()
    axes.set(yscale="log", xlabel="side of the input (px)", ylabel="ms an inference", xticks=_ticks(rows))
    curves = [curve(board, width) for width in WIDTHS]
    for one in curves:
        _draw_curve(axes, one, told)
    _draw_rows(axes, rows)
    _draw_limit(axes)
    _finish(axes, told)
    provenances = {latency.provenance for one in curves for latency in one.latencies}
    figure.legend(
        handles=[*_curve_handles(told, "extrapolated" in provenances), *_row_handles(rows)],
        loc="outside lower center",
        ncols=2,
        fontsize=8.5,
        frameon=False,
    )
    return figure


def _ticks(rows: Sequence[TimedRow]) -> list[int]:
    return sorted({*SIDES, *(row.resolution for row in rows)})


def _draw_curve(axes: Axes, one: Curve, told: ModelSummary) -> None:
    colour = COLOURS[one.width]
    axes.fill_between(SIDES, one.of("low_ms"), one.of("high_ms"), color=colour, alpha=0.17, linewidth=0)
    axes.plot(SIDES, one.of("ms"), color=colour, linewidth=1.6)
    for side, latency in zip(SIDES, one.latencies, strict=True):
        face = "white" if latency.provenance == "extrapolated" else colour
        shape = "s" if told.kind == "simulated" else "o"
        axes.plot(side, latency.ms, shape, color=colour, markerfacecolor=face, markersize=4.5)
    place = (SIDES[-1], one.latencies[-1].ms)
    shift = (7, 3) if one.width == 1.4 else (7, -4) if one.width == 1.3 else (7, 0)
    text = {"xytext": shift, "textcoords": "offset points", "va": "center", "weight": "bold", "fontsize": 9}
    axes.annotate(f"{one.width:g}", place, color=colour, bbox=HALO, **text)


def _draw_rows(axes: Axes, rows: Sequence[TimedRow]) -> None:
    """Black where the width is one of the curves, grey and named where it is another network."""
    named = set()
    for row in rows:
        known = row.model == "MobileNetV2" and row.width in WIDTHS
        colour = "black" if known else GREY
        face = "white" if (row.classes or 0) > LARGE_HEAD else colour
        axes.plot(row.resolution, row.latency_ms, MARKERS[row.role], color=colour, markerfacecolor=face, zorder=5)
        name = f"{'V1 ' if row.model == 'MobileNetV1' else ''}{row.width:g}"
        if not known and (name, row.resolution) not in named:
            named.add((name, row.resolution))
            aside = (-7, 0, "right") if row.resolution == SIDES[-1] else (7, 0, "left")
            text = {"xytext": aside[:2], "textcoords": "offset points", "ha": aside[2], "va": "center", "fontsize": 8}
            axes.annotate(name, (row.resolution, row.latency_ms), color=GREY, **text)


def _draw_limit(axes: Axes) -> None:
    low, high = axes.get_ylim()
    if low < LIMIT_MS < high:
        axes.axhline(LIMIT_MS, color="black", linewidth=1, linestyle=(0, (5, 3)))
        text = {"xytext": (4, 0), "textcoords": "offset points", "va": "center", "fontsize": 9}
        axes.annotate("500 ms", (1, LIMIT_MS), xycoords=("axes fraction", "data"), **text)


def _finish(axes: Axes, told: ModelSummary) -> None:
    axes.set_title(f"{told.board}: {told.runtime}, {told.kind}", loc="left", fontsize=11, weight="bold")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.09)
    axes.grid(which="major", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)


def _curve_handles(told: ModelSummary, extrapolated: bool) -> list[Line2D | Patch]:
    shape = "s" if told.kind == "simulated" else "o"
    style = {"color": COLOURS[1.0], "markersize": 4.5}
    handles: list[Line2D | Patch] = [Line2D([], [], marker=shape, label=f"{told.kind}, by width", **style)]
    if extrapolated:
        handles.append(Line2D([], [], marker="o", markerfacecolor="white", label="extrapolated", **style))
    simulated = ", of trained weights and of the fit; not of the simulation"
    label = f"interval{simulated if told.kind == 'simulated' else ''}"
    return [*handles, Patch(color=COLOURS[1.0], alpha=0.17, label=label)]


def _row_handles(rows: Sequence[TimedRow]) -> list[Line2D]:
    handles = [_mark(MARKERS[role], "black", WORDS[role]) for role in dict.fromkeys(row.role for row in rows)]
    if any((row.classes or 0) > LARGE_HEAD for row in rows):
        handles.append(_mark("o", "white", "hollow: timed with a head of 1000 classes"))
    if any(row.model == "MobileNetV1" or row.width not in WIDTHS for row in rows):
        handles.append(_mark("o", GREY, "grey: another width, or MobileNetV1 (V1)"))
    return handles


def _mark(marker: str, face: str | tuple[float, ...], label: str) -> Line2D:
    edge = "black" if face == "white" else face
    return Line2D([], [], linestyle="", marker=marker, color=edge, markerfacecolor=face, label=label)


def main(arguments: Sequence[str]) -> None:
    """Write every picture, as SVG for the pages or as PNG to look at."""
    style = {"svg.hashsalt": "latency", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10}
    folder, suffix = (Path(arguments[1]), "png") if arguments[:1] == ["--png"] else (IMAGES, "svg")
    folder.mkdir(parents=True, exist_ok=True)
    for board in shipped_boards():
        with mpl.rc_context(style):
            description = json.dumps(drawn(board), separators=(",", ":"))
            metadata = {"Date": None, "Description": description} if suffix == "svg" else None
            draw(board).savefig(folder / f"latency_{board.name}.{suffix}", dpi=110, metadata=metadata)


if __name__ == "__main__":
    main(sys.argv[1:])
