"""The model of a board whose own table is large enough for a fit: timed rows, or simulated ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from facerec_core.latency.board import BoardSpec
from facerec_core.latency.fit import FEATURES, NPU_FEATURES
from facerec_core.latency.model import (
    Band,
    KnownNetwork,
    LatencyModel,
    describe,
    fit_rows,
    known_rows,
    mac_matrix,
    span_of,
    times_ms,
)
from facerec_core.latency.table import LatencyTable, TimedRow

SIMULATED_SPREAD = 0.02
"""Share by which a simulated row may be off: trained weights were simulated up to 1.9 % from the untrained ones that
the tables were made with (docs/ethos_u.md). How far Vela itself is from silicon is published nowhere."""


def _simulated_rows(rows: Sequence[TimedRow]) -> tuple[KnownNetwork, ...]:
    """Simulated rows as known networks, the difference of trained weights as their interval."""
    return tuple(
        replace(one, low_ms=one.ms * (1 - SIMULATED_SPREAD), high_ms=one.ms * (1 + SIMULATED_SPREAD))
        for one in known_rows(rows, "simulated")
    )


def fitted_model(board: BoardSpec, table: LatencyTable) -> LatencyModel:
    """The fit of the table's own or simulated rows; rows of other roles are only compared with.

    Raises:
        DataError: too few rows.
    """
    simulated = table.with_role("simulated")
    rows = simulated or table.with_role("own")
    features = NPU_FEATURES if simulated else FEATURES
    fitted = fit_rows(table, rows, "time more networks, or name a table in board.donor to borrow its shape", features)
    predicted = mac_matrix(table.rows, features) @ fitted.coefficients
    return LatencyModel(
        board=board,
        kind="simulated" if simulated else "fitted",
        runtime=table.runtime,
        fit=fitted,
        scale=1.0,
        alternatives=(),
        inside=Band(fitted.half_width, fitted.half_width),
        outside=Band(fitted.extrapolated_half_width, fitted.extrapolated_half_width),
        span=span_of(rows),
        known=_simulated_rows(rows) if simulated else known_rows(rows, "measured"),
        rows=table.rows,
        deviations=tuple(map(float, predicted / times_ms(table.rows) - 1)),
        source=describe(table, rows, fitted),
    )
