"""A board's model as figures to be shown: the fit, what it is worth, and every row it rests on."""

from __future__ import annotations

from dataclasses import dataclass

from facerec_core.cost import macs_by_kind
from facerec_core.latency.board import BoardSpec
from facerec_core.latency.estimate import latency_model
from facerec_core.latency.model import Coefficients, Kind, LatencyModel
from facerec_core.latency.table import Role, TimedRow


@dataclass(frozen=True)
class RowSummary:
    """One row of the board's table.

    `macs` counts the head if one was timed. `predicted_ms` is what the model makes of the row; `left_out_error` is
    predicted / measured - 1 from the other rows alone, None for a row that is not part of the board's own fit.
    """

    label: str
    macs: int
    measured_ms: float
    predicted_ms: float
    left_out_error: float | None
    role: Role


@dataclass(frozen=True)
class ModelSummary:
    """What is known of a board's latencies.

    `coefficients` are in ms per million MACs (or weights, or per inference) on this board, in the order of
    `features`. `mean_error` and `worst_error` are the absolute leave-one-out errors of the fit it rests on: its own,
    its donor's, or that of the instruction counts. `bodies` counts the distinct networks, heads left out, that this
    fit was made from. `half_width` and `extrapolated_half_width` are halves of the interval on the natural logarithm.
    `scale` is what the donor's fit or the counts (million instructions) are multiplied by; None for a fit of the
    board's own rows.
    """

    board: str
    runtime: str
    kind: Kind
    coefficients: Coefficients
    features: tuple[str, ...]
    mean_error: float
    worst_error: float
    bodies: int
    half_width: float
    extrapolated_half_width: float
    scale: float | None
    rows: tuple[RowSummary, ...]
    source: str


def summary(board: BoardSpec) -> ModelSummary:
    """The model of a board as figures.

    Raises:
        OptionError: no such table, or a board that contradicts its table.
        DataError: a table that cannot be used, or with too few rows.
    """
    model = latency_model(board)
    return ModelSummary(
        board=board.name,
        runtime=model.runtime,
        kind=model.kind,
        coefficients=model.coefficients,
        features=model.fit.features,
        mean_error=model.fit.mean_error,
        worst_error=model.fit.worst_error,
        bodies=model.fit.bodies,
        half_width=model.half_width,
        extrapolated_half_width=model.extrapolated_half_width,
        scale=None if model.kind in ("fitted", "simulated") else model.scale,
        rows=_rows(model),
        source=model.source,
    )


def _rows(model: LatencyModel) -> tuple[RowSummary, ...]:
    role = {"fitted": "own", "simulated": "simulated"}.get(model.kind)
    left_out = iter(model.fit.errors)
    return tuple(
        RowSummary(
            label=row_label(row),
            macs=sum(macs_by_kind(row.timed_network).values()),
            measured_ms=row.latency_ms,
            predicted_ms=row.latency_ms * (1 + deviation),
            left_out_error=next(left_out) if row.role == role else None,
            role=row.role,
        )
        for row, deviation in zip(model.rows, model.deviations, strict=True)
    )


def row_label(row: TimedRow) -> str:
    """A row's network in words, such as `MobileNetV2 0.35@128, 1280-d, 5 classes`."""
    gray = ", 1 channel" if row.channels == 1 else ""
    head = "no head" if row.classes is None else f"{row.classes} classes"
    return f"{row.model} {row.width:g}@{row.resolution}{gray}, {row.embedding}-d, {head}"
