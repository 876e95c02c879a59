"""One candidate's ROC curves as a small SVG, drawn by hand: a plotting library would take longer than tracking it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

from analysis.figure_data import COLOURS
from analysis.roc_data import RocLine, roc_line
from analysis.selection import SCHEME_NAMES, Entry
from facerec_core.types import RunRecord, Split

WIDTH, HEIGHT = 640, 420
LEFT, RIGHT, TOP, BOTTOM = 60, 16, 34, 48
DECADES = 4
INK, GRID = "#22272e", "#e6e8eb"
DASHES = {"float32": "6 4", "float32_control": "8 3 2 3", "ptq_int8": "2 3", "qat_int8": "none"}


def candidate_roc_svg(record: RunRecord, split: Split = "validation") -> bytes:
    """SVG of one candidate's ROC curves, all its variants overlaid: TAR over FAR, 1e-4 to 1, logarithmic."""
    lines = [
        roc_line(Entry(variant.scheme, "reference", record, variant, None, ()), split, colour)
        for variant, colour in zip(record.variants, COLOURS, strict=False)
    ]
    parts = [*_frame(f"{record.candidate.name}: ROC, {split} pairs"), *_curves(lines)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">'
    return "\n".join([head, *parts, "</svg>", ""]).encode()


def _x(far: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (1 + math.log10(far) / DECADES)


def _y(tar: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * tar


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="13" fill="{INK}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{GRID}"/>'


def _frame(title: str) -> Iterator[str]:
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    yield _text(LEFT, TOP - 14, title, "start")
    for exponent in range(-DECADES, 1):
        x = _x(10.0**exponent)
        yield _line(x, TOP, x, HEIGHT - BOTTOM)
        yield _text(x, HEIGHT - BOTTOM + 18, f"1e{exponent}" if exponent else "1")
    for share in range(0, 101, 20):
        y = _y(share / 100)
        yield _line(LEFT, y, WIDTH - RIGHT, y)
        yield _text(LEFT - 8, y + 4, f"{share} %", "end")
    yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "FAR (false accept rate); upwards: TAR")


def _curves(lines: list[RocLine]) -> Iterator[str]:
    for number, line in enumerate(lines):
        style = f'stroke="{line.colour}" stroke-width="2" stroke-dasharray="{DASHES[line.scheme]}"'
        shown = ((far, tar) for far, tar in zip(line.far, line.tar, strict=True) if far >= 10.0**-DECADES)
        points = " ".join(f"{_x(far):.1f},{_y(tar):.1f}" for far, tar in shown)
        yield f'<polyline fill="none" {style} points="{points}"/>'
        y = HEIGHT - BOTTOM - 14 - 18 * number
        yield f'<line x1="{WIDTH - 190}" y1="{y - 4}" x2="{WIDTH - 150}" y2="{y - 4}" {style}/>'
        yield _text(WIDTH - 142, y, SCHEME_NAMES[line.scheme], "start")
