"""The model of a board with too few rows of its own: the shape of a donor's fit, scaled to them.

A row or two cannot tell what a depthwise MAC costs beside a pointwise one. That ratio is taken from the donor for
the estimate, and everything between the least and the largest ratio ever fitted goes into the interval; the
derivation is in docs/latency.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from facerec_core.errors import DataError, OptionError
from facerec_core.latency.board import BoardSpec
from facerec_core.latency.fit import Fit
from facerec_core.latency.model import (
    Band,
    Coefficients,
    LatencyModel,
    Vector,
    describe,
    fit_rows,
    half_spread,
    head_is_negligible,
    known_rows,
    mac_matrix,
    relative_scale,
    span_of,
    times_ms,
)
from facerec_core.latency.table import LatencyTable, TimedRow

DEPTHWISE_RATIOS = (6.5, 20.5)
"""Cost of a depthwise MAC over that of a pointwise one. Fits of shipped tables and of counts give 6.9 to 19.0; the
room beyond, 6 and 8 %, is a guess: seven fits, five of them of one board, are all that is known."""
OTHER_CORE = 2.0
"""A dual-issue core can gain at most a factor of two over a single-issue one, and on one kind of MAC alone."""
LEAST_TRANSFER_ERROR = math.log(1.08)
"""A scale from one network was seen to err by 7 % on another family (MobileNetV1 and V2 at 216 MHz)."""
FAMILY_ERROR = math.log(1.12)
"""A MobileNetV2 fit was seen to err by 11 % on MobileNetV1, where the donor did not time that very network."""
VERSION_ERROR = math.log(1.17)
"""Between two versions of X-CUBE-AI the ratio of 224 px to 128 px was seen to change by 17 % (STM32H747)."""


def borrowed_model(board: BoardSpec, table: LatencyTable, donor: LatencyTable) -> LatencyModel:
    """The donor's fit scaled to the board's own rows; every known error of doing so goes into the interval.

    Raises:
        OptionError: a donor of another runtime.
        DataError: no row to scale by, or a donor with too few rows.
    """
    if donor.rows[0].runtime != table.rows[0].runtime:
        allowed = f"a table of {table.rows[0].runtime}; the shape of another runtime does not carry over"
        raise OptionError("board.donor", f"{board.donor} ({donor.rows[0].runtime})", allowed)
    anchors = table.with_role("own", "stand_in")
    if not anchors:
        raise DataError(f"{table.name}: no row with role own or stand_in to scale {donor.name} by; add one")
    donors = donor.with_role("own")
    fitted = fit_rows(donor, donors, "name a larger table in board.donor")
    scale = relative_scale(_on_donor(anchors, donor, fitted), times_ms(anchors))
    deviations = scale * _on_donor(table.rows, donor, fitted) / times_ms(table.rows) - 1
    transfer = _transfer_error(table, donor, anchors, deviations)
    return LatencyModel(
        board=board,
        kind="borrowed",
        runtime=table.runtime,
        fit=fitted,
        scale=scale,
        alternatives=_alternatives(fitted, scale, anchors, table.core != donor.core),
        inside=Band(fitted.half_width + transfer, fitted.half_width + transfer),
        outside=Band(fitted.extrapolated_half_width + transfer, fitted.extrapolated_half_width + transfer),
        span=span_of([*donors, *(row for row in anchors if row.model == donors[0].model)]),
        known=known_rows(table.with_role("own"), "measured"),
        rows=table.rows,
        deviations=tuple(map(float, deviations)),
        source=_source(table, donor, fitted, scale, deviations),
    )


def _timed_there(row: TimedRow, donor: LatencyTable) -> float | None:
    """What the donor's board took for this very network, if it was timed there; heads that do not count left out."""
    if not head_is_negligible(row):
        return None
    times = (other.latency_ms for other in donor.rows if other.network == row.network and head_is_negligible(other))
    return next(times, None)


def _on_donor(rows: Sequence[TimedRow], donor: LatencyTable, fitted: Fit) -> Vector:
    """What each row's network takes on the donor's board, float64 [rows] in ms: timed there, else by its fit."""
    timed = [_timed_there(row, donor) for row in rows]
    return np.where(
        [ms is not None for ms in timed], np.array(timed, np.float64), mac_matrix(rows) @ fitted.coefficients
    )


def _transfer_error(table: LatencyTable, donor: LatencyTable, anchors: Sequence[TimedRow], deviations: Vector) -> float:
    """How far a scaled shape may be off, on the natural logarithm: what is known to go wrong adds up."""
    family = donor.with_role("own")[0].model
    foreign = any(row.model != family and _timed_there(row, donor) is None for row in anchors)
    least = FAMILY_ERROR if foreign else LEAST_TRANSFER_ERROR
    version = VERSION_ERROR if table.runtime != donor.runtime else 0.0
    return max(float(np.max(np.abs(np.log1p(deviations)))), least, half_spread(anchors)) + version


def _alternatives(fitted: Fit, scale: float, anchors: Sequence[TimedRow], other_core: bool) -> tuple[Coefficients, ...]:
    """Coefficients with the least and the largest depthwise ratio, scaled so that the anchors come out the same."""
    matrix, (a, b, c) = mac_matrix(anchors), fitted.coefficients
    least, largest = DEPTHWISE_RATIOS
    if other_core:
        least, largest = least / OTHER_CORE, largest * OTHER_CORE
    pointwise = a or b / largest
    shapes = [(pointwise, pointwise * ratio, c) for ratio in (least, largest)]
    factors = [scale * relative_scale(matrix @ shape, matrix @ fitted.coefficients) for shape in shapes]
    return tuple((f * a, f * b, f * c) for f, (a, b, c) in zip(factors, shapes, strict=True))


def _source(table: LatencyTable, donor: LatencyTable, fitted: Fit, scale: float, deviations: Vector) -> str:
    anchors = table.with_role("own", "stand_in")
    others = [
        f"{what} {here} is not the donor's {there}"
        for what, here, there in (("runtime", table.runtime, donor.runtime), ("core", table.core, donor.core))
        if here != there
    ]
    shape = f"shape of the donor's fit: {describe(donor, donor.with_role('own'), fitted)}"
    scaled = f"scaled x{scale:.3f} by {len(anchors)} row(s) of {table.runtime} at {table.clock} on {anchors[0].board}"
    if len(table.rows) > 1:  # a single anchor is met by construction
        scaled += f", worst misfit {float(np.max(np.abs(deviations))):.1%}"
    return "; ".join([shape, scaled, *others])
