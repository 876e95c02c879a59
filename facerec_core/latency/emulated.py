"""The model of a board that was hardly timed: instructions counted on an emulated core, turned into time by anchors.

    ms = instructions × (ms of the anchor / instructions of the anchor)

Counts rank networks well and say nothing of time; how many instructions a core completes in a cycle comes from one
published time, and is known to differ from board to board. The interval says so (docs/latency.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from facerec_core.errors import DataError, OptionError, require
from facerec_core.latency.board import BoardSpec
from facerec_core.latency.counts import RUNTIME, CountRow, CountTable
from facerec_core.latency.fit import Fit, fit, mac_features
from facerec_core.latency.model import (
    Band,
    KnownNetwork,
    LatencyModel,
    Span,
    half_spread,
    head_is_negligible,
    known_rows,
    mac_matrix,
    relative_scale,
    rounding_ms,
    times_ms,
)
from facerec_core.latency.table import LatencyTable, TimedRow

PACE_ERROR = math.log(1.18)
"""Instructions a cycle of the two published Cortex-M7 anchors: 1.04 (STM32H743, were it at 480 MHz) and 1.22."""
STAND_IN_ERROR = math.log(1.1)
"""A classifier of 1280 channels instead of a scaled one, where a source does not say, is 9 % more instructions."""
LEAST_ERROR = math.log(1.25)
SINGLE_ISSUE = ("Cortex-M0", "Cortex-M0+", "Cortex-M3", "Cortex-M4")
"""Cores that issue one instruction a cycle, which nearly bounds the time from below."""
FOLDED_ERROR = math.log(1.05)
"""Such a core may fold an IT instruction into the one before it, in no cycle of its own (Cortex-M3 and M4 technical
reference manuals, table of instruction timings). How many of the counted instructions that is was not counted."""


def emulated_model(board: BoardSpec, table: LatencyTable, counts: CountTable) -> LatencyModel:
    """Counts of the board's build, scaled by the table's own or stand-in rows.

    Raises:
        OptionError: a build that was not emulated, another core or other kernels, or an anchor of another runtime
            where nothing bounds what that means.
        DataError: no row to scale by, or too few counts.
    """
    build = _build(board, counts)
    _check_anchors(board, table, counts)
    anchors = table.with_role("own", "stand_in")
    fitted = _fit_counts(counts.name, build)
    million, doubts = _anchor_counts(anchors, counts, fitted)
    scale = relative_scale(million, times_ms(anchors))
    deviations = scale * _anchor_counts(table.rows, counts, fitted)[0] / times_ms(table.rows) - 1
    exact = _band(table, scale, max(doubts), float(np.max(np.abs(np.log1p(deviations)))))
    headless = [row for row in build if row.classes is None and row.model == "MobileNetV2"]
    source = _source(table, counts, build[0], scale, fitted)
    return LatencyModel(
        board=board,
        kind="emulated",
        runtime=f"{RUNTIME} {build[0].tflm_commit[:8]}",
        fit=fitted,
        scale=scale,
        alternatives=(),
        inside=_wider(exact, fitted.half_width),
        outside=_wider(exact, fitted.extrapolated_half_width),
        span=_span(headless),
        known=(
            *(_counted(row, scale, exact, source) for row in headless),
            *known_rows([row for row in table.with_role("own") if row.runtime == RUNTIME], "measured"),
        ),
        rows=table.rows,
        deviations=tuple(map(float, deviations)),
        source=source,
    )


def _build(board: BoardSpec, counts: CountTable) -> tuple[CountRow, ...]:
    require(
        board.runtime in (None, RUNTIME), "board.runtime", board.runtime, f"{RUNTIME}, whose instructions are counted"
    )
    build = counts.of_build(board.runtime_version) if board.runtime_version else ()
    builds = " or ".join(commit[:8] for commit in counts.builds)
    require(bool(build), "board.runtime_version", board.runtime_version, f"{builds}, the builds in {counts.name}")
    return build


def _check_anchors(board: BoardSpec, table: LatencyTable, counts: CountTable) -> None:
    first = table.rows[0]
    same_core = f"a table of {counts.rows[0].core} with {counts.rows[0].kernels}, as in {counts.name}"
    kernels = first.kernels.split(maxsplit=1)[0]
    agrees = first.core == counts.rows[0].core and kernels == counts.rows[0].kernels
    require(agrees, "board.table", f"{board.table} ({first.core}, {first.kernels})", same_core)
    if not table.with_role("own", "stand_in"):
        raise DataError(f"{table.name}: no row with role own or stand_in to turn {counts.name} into time; add one")
    bounded = first.core in SINGLE_ISSUE and first.clock_mhz is not None and not table.with_role("own")
    if first.runtime != RUNTIME and not bounded:
        allowed = (
            f"a table of {RUNTIME}; another runtime only as stand_in, on {', '.join(SINGLE_ISSUE)} at a stated clock"
        )
        raise OptionError("board.table", f"{board.table} ({first.runtime})", allowed)


def _fit_counts(name: str, build: Sequence[CountRow]) -> Fit:
    """Million instructions by millions of MACs, of MobileNetV2 alone."""
    rows = [row for row in build if row.model == "MobileNetV2"]
    matrix = np.array([mac_features(row.network) for row in rows]).reshape(-1, 3)
    try:
        instructions = np.array([row.instructions / 1e6 for row in rows])
        return fit(matrix, instructions, [row.width for row in rows], bodies=[row.body for row in rows])
    except ValueError as error:
        raise DataError(f"{name}: {error} for a fit of MobileNetV2; count more networks") from error


def _anchor_counts(
    rows: Sequence[TimedRow], counts: CountTable, fitted: Fit
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], list[float]]:
    """Million instructions of each row's network, float64 [rows], and how doubtful that and its time are."""
    found = [_counts_of(row, counts) for row in rows]
    known = [float(np.exp(np.mean(np.log(one)))) if one else None for one in found]
    predicted = mac_matrix(rows) @ fitted.coefficients
    million = [float(p) if k is None else k for k, p in zip(known, predicted, strict=True)]
    doubts = [_doubt(row, one, fitted) for row, one in zip(rows, found, strict=True)]
    return np.array(million), doubts


def _counts_of(row: TimedRow, counts: CountTable) -> list[float]:
    """Million instructions of a row's network: of the build it was timed with, else of every build there is."""
    networks = [row.timed_network, *([row.network] if head_is_negligible(row) else [])]
    builds = counts.of_build(row.runtime_version) or counts.rows
    return [count.instructions / 1e6 for count in builds if count.network in networks]


def _doubt(row: TimedRow, found: Sequence[float], fitted: Fit) -> float:
    """What is not known of an anchor, on the natural logarithm of the pace it gives."""
    counting = (math.log(max(found) / min(found)) / 2) if found else fitted.half_width
    rounding = math.log1p(rounding_ms(row) / row.latency_ms)
    return counting + rounding + (STAND_IN_ERROR if row.role == "stand_in" else 0.0)


def _band(table: LatencyTable, scale: float, doubt: float, misfit: float) -> Band:
    """The interval of a network whose instructions were counted."""
    half = max(PACE_ERROR + doubt, misfit, LEAST_ERROR, half_spread(table.with_role("own", "stand_in")))
    first = table.rows[0]
    if first.core not in SINGLE_ISSUE or first.clock_mhz is None:
        return Band(half, half)
    cycles_an_instruction = scale * first.clock_mhz / 1000
    bound = math.log(cycles_an_instruction) + FOLDED_ERROR
    if bound < 0:
        told = f"{1 / cycles_an_instruction:.2f} instructions a cycle on a {first.core}"
        raise DataError(f"{table.name}: column latency_ms comes to {told}; allowed: about one; check time and clock")
    return Band(bound, max(half, bound)) if first.runtime != RUNTIME else Band(min(half, bound), half)


def _wider(band: Band, error: float) -> Band:
    return Band(band.below + error, band.above + error)


def _counted(row: CountRow, scale: float, band: Band, source: str) -> KnownNetwork:
    ms = row.instructions / 1e6 * scale
    return KnownNetwork(row.network, ms, *band.around(ms, ms), "emulated", source)


def _span(rows: Sequence[CountRow]) -> Span:
    body = np.array([mac_features(row.network)[:2] for row in rows])
    (low_a, low_b), (high_a, high_b) = body.min(axis=0), body.max(axis=0)
    return Span((float(low_a), float(low_b)), (float(high_a), float(high_b)))


def _source(table: LatencyTable, counts: CountTable, build: CountRow, scale: float, fitted: Fit) -> str:
    anchors = table.with_role("own", "stand_in")
    first = anchors[0]
    network = f"{first.model} {first.width:g}@{first.resolution}"
    stands_in = "" if all(row.role == "own" for row in anchors) else ", a stand-in"
    return (
        f"instructions of {RUNTIME} {build.tflm_commit[:8]} with {build.kernels} {build.cmsis_commit[:8]} on an "
        f"emulated {build.core} ({counts.name}; between them a fit, leave-one-out error {fitted.mean_error:.1%} mean, "
        f"{fitted.worst_error:.1%} worst); {scale:.3f} ms a million by {len(anchors)} row(s) of {table.runtime} at "
        f"{table.clock} on {first.board}: {network}, {first.latency_ms:g} ms{stands_in}"
    )
