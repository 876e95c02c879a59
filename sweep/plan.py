"""The plan of a grid: what each candidate costs and which limits it keeps, before anything is trained."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal, TextIO

from facerec_core.budget import check, memory_figures, ram_needed, room_for_model
from facerec_core.cost import cost
from facerec_core.footprint import fingerprints_that_fit
from facerec_core.latency import BoardSpec, estimate
from facerec_core.types import Cost, Feasibility, Provenance
from sweep.schema import Settings

HEAD_CLASSES = 1001
"""Identities of the head that `parameters` counts: the published tables' number of classes."""
MemoryProvenance = Literal["counted", "predicted"]
Forecast = Callable[[Settings, Cost], float | None]
"""Seconds that training a point will take, None where no earlier run tells."""


@dataclass(frozen=True)
class PlanRow:
    """One candidate on one board.

    `parameters` includes a head over 1001 classes, `macs` and everything else is of the network without its head.
    `file_bytes` and `arena_bytes` are predictions; `flash_bytes` and `ram_bytes` are what the candidate takes on this
    board and how that is known (counted off the architecture, or predicted of the file and of what a runtime will
    allocate), `ram_high_bytes` the most RAM it may take, and `fingerprints` how many then fit into the flash that is
    left.
    `training_seconds` is None where no earlier run with the same data and recipe is known. `violated` names the limits
    that are not kept without doubt, and `undecided` those of them that lie within what the figure may be.
    """

    width: float
    resolution: int
    embedding: int
    last: int | None
    parameters: int
    parameters_without_head: int
    parameters_without_batch_norm: int
    parameter_bytes: int
    file_bytes: int
    macs: int
    macs_conv: int
    macs_pointwise: int
    macs_depthwise: int
    peak_activation_bytes: int
    arena_bytes: int
    flash_bytes: int
    flash_provenance: MemoryProvenance
    ram_bytes: int
    ram_provenance: MemoryProvenance
    ram_high_bytes: int
    fingerprints: int | None
    latency_ms: float
    latency_low_ms: float
    latency_high_ms: float
    latency_provenance: Provenance
    latency_source: str
    board: str
    runtime: str
    training_seconds: float | None
    feasible: bool
    violated: tuple[str, ...]
    undecided: tuple[str, ...]


@dataclass(frozen=True)
class PlannedCandidate:
    """A row with the limit checks its verdict rests on."""

    row: PlanRow
    feasibility: Feasibility


def plan(points: Sequence[Settings], forecast: Forecast = lambda _point, _cost: None) -> tuple[PlannedCandidate, ...]:
    """Cost every point, points that differ only in their recipe once.

    Raises:
        OptionError: a board that contradicts its latency table.
        DataError: a latency table that cannot be used.
    """
    distinct = {(point.candidate, point.budget, point.board): point for point in reversed(points)}
    return tuple(_planned(point, forecast) for point in reversed(distinct.values()))


def _planned(point: Settings, forecast: Forecast) -> PlannedCandidate:
    candidate, board = point.candidate, point.board
    shape = (candidate.width, candidate.resolution, candidate.embedding)
    price = cost(*shape, HEAD_CLASSES, candidate.last)
    latency = estimate(board, *shape, candidate.last)
    feasibility = check(price, latency, point.budget, board)
    flash = getattr(price, memory_figures(board)[0])
    ram, ram_high = ram_needed(price, board)
    row = PlanRow(
        *shape,
        last=candidate.last,
        parameters=price.parameters,
        parameters_without_head=price.parameters_without_head,
        parameters_without_batch_norm=price.parameters_without_batch_norm,
        parameter_bytes=price.parameter_bytes,
        file_bytes=price.file_bytes,
        macs=price.macs,
        macs_conv=price.macs_by_kind["conv"],
        macs_pointwise=price.macs_by_kind["pointwise"],
        macs_depthwise=price.macs_by_kind["depthwise"],
        peak_activation_bytes=price.peak_activation_bytes,
        arena_bytes=price.arena_bytes,
        flash_bytes=flash,
        flash_provenance="counted" if board.deployed_as == "compiled" else "predicted",
        ram_bytes=ram,
        ram_provenance="predicted",
        ram_high_bytes=ram_high,
        fingerprints=_fingerprints(board, flash, candidate.embedding),
        latency_ms=latency.ms,
        latency_low_ms=latency.low_ms,
        latency_high_ms=latency.high_ms,
        latency_provenance=latency.provenance,
        latency_source=latency.source,
        board=latency.board,
        runtime=latency.runtime,
        training_seconds=forecast(point, price),
        feasible=feasibility.feasible,
        violated=tuple(c.name for c in feasibility.checks if c.verdict != "ok"),
        undecided=feasibility.undecided,
    )
    return PlannedCandidate(row, feasibility)


def _fingerprints(board: BoardSpec, flash_bytes: int, embedding: int) -> int | None:
    """How many fingerprints fit beside program and network; None where the board states no flash."""
    room = room_for_model(board)
    return None if room is None else fingerprints_that_fit(room - flash_bytes, embedding)


def write_json(candidates: Sequence[PlannedCandidate], out: TextIO) -> None:
    """A list of objects keyed like PlanRow, and nothing else."""
    json.dump([asdict(c.row) for c in candidates], out, indent=2, allow_nan=False)
    out.write("\n")


def write_csv(candidates: Sequence[PlannedCandidate], out: TextIO) -> None:
    """A header and a line a candidate, columns as in PlanRow; several limits are separated by spaces."""
    writer = csv.DictWriter(out, [f.name for f in fields(PlanRow)], lineterminator="\n")
    writer.writeheader()
    for candidate in candidates:
        cells = asdict(candidate.row)
        writer.writerow({k: " ".join(v) if isinstance(v, tuple) else v for k, v in cells.items()})
