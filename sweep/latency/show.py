"""`latency show`: every network's latency on a board, with its interval and how it is known."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace

from rich.table import Table

from facerec_core.latency import estimate
from facerec_core.types import Provenance, fingerprint_name
from sweep.latency import Request
from sweep.latency.printing import columns, plain_table, print_json, print_report, refuse_files, refuse_flags
from sweep.schema import Settings

_ROOMY_COLUMNS = 112
_MARKS: dict[Provenance, str] = {
    "measured": "m",
    "fitted": "f",
    "borrowed": "b",
    "emulated": "e",
    "simulated": "s",
    "extrapolated": "x",
}


@dataclass(frozen=True)
class ShownLatency:
    """One network on one board."""

    board: str
    runtime: str
    width: float
    resolution: int
    embedding: int
    last: int | None
    latency_ms: float
    latency_low_ms: float
    latency_high_ms: float
    latency_provenance: Provenance
    latency_source: str


def act(request: Request) -> int:
    """Print the latencies of the networks that were asked for, the whole default grid if none was.

    Raises:
        UsageError: a file or a flag was given that this action does not take, or a board's table cannot be used.
    """
    refuse_files(request, "show")
    refuse_flags(replace(request, form="table"), "show", out=request.out, runs=request.runs)
    shown = tuple(dict.fromkeys(map(_shown, request.points)))
    if request.form == "json":
        print_json(shown)
    elif request.form == "csv":
        _print_csv(shown)
    else:
        for board in dict.fromkeys(one.board for one in shown):
            _print_board([one for one in shown if one.board == board], last=board == shown[-1].board)
    return 0


def _shown(point: Settings) -> ShownLatency:
    candidate = point.candidate
    latency = estimate(point.board, candidate.width, candidate.resolution, candidate.embedding, candidate.last)
    return ShownLatency(
        latency.board,
        latency.runtime,
        candidate.width,
        candidate.resolution,
        candidate.embedding,
        candidate.last,
        latency.ms,
        latency.low_ms,
        latency.high_ms,
        latency.provenance,
        latency.source,
    )


def _print_csv(shown: Sequence[ShownLatency]) -> None:
    writer = csv.DictWriter(sys.stdout, [field.name for field in fields(ShownLatency)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(one) for one in shown)
    sys.stdout.flush()


def _print_board(shown: Sequence[ShownLatency], *, last: bool) -> None:
    """A matrix: a line a width, a column a resolution; then the legend and where the figures are from."""
    print_report(None, [f"{shown[0].board}, {shown[0].runtime}: ms (interval)"])
    sources = dict.fromkeys(f"from {one.latency_source}" for one in shown)
    print_report(
        _matrix(shown, " " if columns() >= _ROOMY_COLUMNS else "\n"), [_legend(shown), *sources, *[""] * (not last)]
    )


def _matrix(shown: Sequence[ShownLatency], separator: str) -> Table:
    resolutions = sorted({one.resolution for one in shown})
    cells = {(one.width, one.embedding, one.last, one.resolution): _cell(one, separator) for one in shown}
    table = plain_table(("width", "embedding", *(f"{resolution} px" for resolution in resolutions)))
    for network in dict.fromkeys((one.width, one.embedding, one.last) for one in shown):
        width, embedding, last = network
        row = (cells.get((*network, resolution), "") for resolution in resolutions)
        table.add_row(f"{width:g}", fingerprint_name(embedding, last), *row)
    return table


def _cell(one: ShownLatency, separator: str) -> str:
    digits = 2 if one.latency_ms < 1 else 1 if one.latency_ms < 10 else 0
    low, high = f"{one.latency_low_ms:.{digits}f}", f"{one.latency_high_ms:.{digits}f}"
    return f"{one.latency_ms:.{digits}f}{separator}({low}–{high}) {_MARKS[one.latency_provenance]}"


def _legend(shown: Sequence[ShownLatency]) -> str:
    used = {one.latency_provenance for one in shown}
    return ", ".join(f"{mark}: {provenance}" for provenance, mark in _MARKS.items() if provenance in used)
