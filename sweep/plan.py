"""The plan of a grid: what each candidate costs and which limits it keeps, before anything is trained."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from facerec_core.budget import check
from facerec_core.cost import cost
from facerec_core.latency import estimate
from facerec_core.types import Feasibility, LimitCheck, Provenance
from sweep.schema import Settings

HEAD_CLASSES = 1001
"""Identities of the head that `parameters` counts: the published tables' number of classes."""
_PIPE_COLUMNS = 160
_ROOMY_COLUMNS = 120
_STYLES = {"exceeded": "red", "undecided": "yellow"}
_FOOTNOTE = "* without the head; one byte each by the published rule, the .tflite file is larger"


@dataclass(frozen=True)
class PlanRow:
    """One candidate on one board.

    `parameters` includes a head over 1001 classes, `macs` and everything else is of the network without its head;
    `file_bytes` is None until there is a file. `violated` and `undecided` name limits.
    """

    width: float
    resolution: int
    embedding: int
    parameters: int
    parameters_without_head: int
    parameter_bytes: int
    file_bytes: int | None
    macs: int
    peak_activation_bytes: int
    latency_ms: float
    latency_low_ms: float
    latency_high_ms: float
    latency_provenance: Provenance
    board: str
    feasible: bool
    violated: tuple[str, ...]
    undecided: tuple[str, ...]


@dataclass(frozen=True)
class PlannedCandidate:
    """A row with the limit checks its verdict rests on."""

    row: PlanRow
    feasibility: Feasibility


def plan(points: Sequence[Settings]) -> tuple[PlannedCandidate, ...]:
    """Cost every point, points that differ only in their recipe once.

    Raises:
        OptionError: a board that contradicts its latency table.
        DataError: a latency table that cannot be used.
    """
    return tuple(dict.fromkeys(map(_planned, points)))


def _planned(point: Settings) -> PlannedCandidate:
    candidate = point.candidate
    shape = (candidate.width, candidate.resolution, candidate.embedding)
    price = cost(*shape, classes=HEAD_CLASSES)
    latency = estimate(point.board, *shape)
    feasibility = check(price, latency, point.budget, ram_bytes=point.board.ram_bytes)
    row = PlanRow(
        *shape,
        parameters=price.parameters,
        parameters_without_head=price.parameters_without_head,
        parameter_bytes=price.parameter_bytes,
        file_bytes=None,
        macs=price.macs,
        peak_activation_bytes=price.peak_activation_bytes,
        latency_ms=latency.ms,
        latency_low_ms=latency.low_ms,
        latency_high_ms=latency.high_ms,
        latency_provenance=latency.provenance,
        board=latency.board,
        feasible=feasibility.feasible,
        violated=feasibility.violated,
        undecided=feasibility.undecided,
    )
    return PlannedCandidate(row, feasibility)


def write_json(candidates: Sequence[PlannedCandidate], out: TextIO) -> None:
    """A list of objects keyed like PlanRow, and nothing else."""
    json.dump([asdict(c.row) for c in candidates], out, indent=2)
    out.write("\n")


def write_csv(candidates: Sequence[PlannedCandidate], out: TextIO) -> None:
    """A header and a line a candidate, columns as in PlanRow; several limits are separated by spaces."""
    writer = csv.DictWriter(out, [f.name for f in fields(PlanRow)], lineterminator="\n")
    writer.writeheader()
    for candidate in candidates:
        cells = asdict(candidate.row)
        writer.writerow({k: " ".join(v) if isinstance(v, tuple) else v for k, v in cells.items()})


def write_table(candidates: Sequence[PlannedCandidate], out: TextIO) -> None:
    """A table for people; it fits 80 columns, and a pipe gets all the room it needs."""
    console = Console(file=out, width=None if out.isatty() else _PIPE_COLUMNS, highlight=False)
    roomy = console.width >= _ROOMY_COLUMNS
    boards = list(dict.fromkeys(c.row.board for c in candidates))
    table = Table(box=None, pad_edge=False, collapse_padding=not roomy, header_style="bold")
    for heading in _NUMBERS:
        table.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
    for heading in _WORDS if len(boards) == 1 else ("board", *_WORDS):
        table.add_column(heading, vertical="bottom")
    for candidate in candidates:
        board = [] if len(boards) == 1 else [escape(candidate.row.board)]
        limits = _verdict(candidate.feasibility, ", " if roomy else "\n")
        table.add_row(*_numbers(candidate.row), *board, candidate.row.latency_provenance, limits)
    with console.capture() as capture:  # written below, because Rich answers a closed pipe by leaving the program
        console.print(table)
        console.print(_summary(candidates, boards), markup=False)
    out.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))


_NUMBERS = ("width", "res", "embed-\nding", "para-\nmeters*", "MMACs", "RAM\nKiB", "latency\nms")
_WORDS = ("known by", "limits")


def _numbers(row: PlanRow) -> tuple[str, ...]:
    return (
        f"{row.width:g}",
        str(row.resolution),
        str(row.embedding),
        f"{row.parameters_without_head:,}",
        f"{row.macs / 1e6:.1f}",
        f"{row.peak_activation_bytes / 1024:.0f}",
        f"{row.latency_ms:.0f} ({row.latency_low_ms:.0f}–{row.latency_high_ms:.0f})",
    )


def _verdict(feasibility: Feasibility, separator: str) -> str:
    """The limits that are not met, each with its margin, in Rich's markup; `ok` when all are."""
    unmet = [c for c in feasibility.checks if c.verdict != "ok"]
    return separator.join(f"[{_STYLES[c.verdict]}]{_margin(c)}[/]" for c in unmet) or "[green]ok[/]"


def _margin(limit: LimitCheck) -> str:
    name = limit.name.partition("_")[0]
    if limit.verdict == "undecided":
        return f"{name} undecided"
    if limit.unit == "bytes":
        return f"{name} +{limit.excess / 1024:,.0f} KiB"
    return f"{name} +{limit.excess:,.0f} {limit.unit}"


def _summary(candidates: Sequence[PlannedCandidate], boards: Sequence[str]) -> str:
    feasible = [c.row for c in candidates if c.row.feasible]
    found = f"{len(feasible)} of {len(candidates)} candidates meet every limit"
    if feasible:
        largest = max(feasible, key=lambda row: row.macs)
        found += f"; the largest is width={largest.width:g} res={largest.resolution}"
    return f"\nboard: {', '.join(boards)}\n{_FOOTNOTE}\n{found}"
