"""`latency fit`: what a board's estimates rest on: coefficients, errors, rows."""

from __future__ import annotations

import math
from dataclasses import replace

from rich.markup import escape
from rich.table import Table

from facerec_core.latency import ModelSummary, summary
from sweep.latency import Request
from sweep.latency.printing import plain_table, print_json, print_report, refuse_files, refuse_flags

_ERRORS = {"borrowed": "the donor's leave-one-out error", "emulated": "leave-one-out error of the fit between counts"}


def act(request: Request) -> int:
    """Print the fit of each board that was named.

    Raises:
        UsageError: a file or a flag was given that this action does not take, or a table cannot be used.
    """
    refuse_files(request, "fit")
    csv = "" if request.form == "csv" else None
    refuse_flags(replace(request, form="table"), "fit", out=request.out, runs=request.runs, csv=csv)
    found = [summary(board) for board in dict.fromkeys(point.board for point in request.points)]
    if request.form == "json":
        print_json(found)
        return 0
    for one in found:
        print_report(None, [f"{one.board}, {one.runtime}: {one.kind}", *_figures(one)])
        print_report(_rows(one), [""] * (one is not found[-1]))
    return 0


def _figures(one: ModelSummary) -> list[str]:
    """Coefficients, errors and intervals in words."""
    terms = (
        f"{value:.3g} {name.replace('_', ' ')}"
        for name, value in zip(one.features, one.coefficients, strict=True)
        if value
    )
    inside, outside = _percent(one.half_width), _percent(one.extrapolated_half_width)
    lines = [
        f"ms a million: {', '.join(terms)}",
        f"{_ERRORS.get(one.kind, 'leave-one-out error')}: {one.mean_error:.1%} mean, {one.worst_error:.1%} worst, of "
        f"{one.bodies} networks",
        f"interval: {inside} inside the measured span, {outside} outside",
    ]
    if one.scale is not None:
        lines.append(f"scale: x{one.scale:.4g}")
    return [*lines, f"from {one.source}"]


def _percent(half_width: float) -> str:
    return f"{math.expm1(-half_width):+.0%} to {math.expm1(half_width):+.0%}"


def _rows(one: ModelSummary) -> Table:
    table = plain_table(("MMACs", "table ms", "model ms", "error", "left out"), ("role", "network"))
    for row in one.rows:
        error = row.predicted_ms / row.measured_ms - 1
        left_out = "" if row.left_out_error is None else f"{row.left_out_error:+.1%}"
        figures = (f"{row.macs / 1e6:.1f}", f"{row.measured_ms:.4g}", f"{row.predicted_ms:.4g}", f"{error:+.1%}")
        table.add_row(*figures, left_out, row.role, escape(row.label))
    return table
