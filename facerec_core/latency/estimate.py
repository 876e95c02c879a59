"""Latency of a candidate on a board: measured where it was, else from the board's own fit or a donor's."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facerec_core.arch import Layer, layers
from facerec_core.errors import DataError, OptionError, require
from facerec_core.latency.fit import Fit, fit, mac_features
from facerec_core.latency.table import LatencyTable, TimedRow, read_table, table_path
from facerec_core.types import Latency, Provenance

NEGLIGIBLE_HEAD = 0.001
"""Share of a measured network's MACs below which its head does not count: 5 classes are 0.04 % at 0.35@128."""
SPAN_MARGIN = 0.1
"""How far outside the measured MACs a network still counts as inside, as a share."""
LEAST_TRANSFER_ERROR = math.log(1.08)
"""A shape carried over to other networks has been seen to err by 8 % (see docs/cost_model.md)."""


@dataclass(frozen=True)
class BoardSpec:
    """A board and the runtime on it, as `conf/board/*.yaml` states them.

    `table` and `donor` are file names of shipped tables, or paths. With a donor, the board's own rows only scale
    the donor's fit. `runtime`, `runtime_version`, `core` and `clock_mhz` must be those of the table.
    """

    name: str
    core: str
    clock_mhz: float
    runtime: str
    runtime_version: str
    table: str
    donor: str | None = None
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    source: str = ""

    def __post_init__(self) -> None:
        for key in ("name", "core", "runtime", "runtime_version", "table"):
            value = getattr(self, key)
            require(isinstance(value, str) and bool(value), f"board.{key}", value, "some text")
        for key in ("clock_mhz", "flash_bytes", "ram_bytes"):
            value = getattr(self, key)
            if key != "clock_mhz" and value is None:
                continue
            positive = isinstance(value, int | float) and math.isfinite(value) and value > 0
            require(positive, f"board.{key}", value, "a finite number above 0")


@dataclass(frozen=True)
class LatencyModel:
    """Everything needed to predict a board: a fit, how it is scaled to the board, and the rows it rests on.

    `half_width` is half the 95 % interval on the natural logarithm of the latency, the scaling's uncertainty
    included. `deviations` holds predicted / measured - 1 of the board's own rows. `lowest` and `highest` are the
    span in millions of MACs (conv and pointwise, depthwise) that counts as measured.
    """

    board: BoardSpec
    fit: Fit
    scale: float
    half_width: float
    extrapolated_half_width: float
    deviations: tuple[float, ...]
    lowest: tuple[float, float]
    highest: tuple[float, float]
    rows: tuple[TimedRow, ...]
    source: str

    def measured(self, network: tuple[Layer, ...]) -> TimedRow | None:
        """The row that timed exactly this headless network on this board, if there is one."""
        for row in self.rows:
            if row.role == "own" and row.network == network and _head_share(row) <= NEGLIGIBLE_HEAD:
                return row
        return None

    def predict(self, network: tuple[Layer, ...]) -> Latency:
        """Latency of a headless network."""
        row = self.measured(network)
        if row is not None:
            return self._latency(row.latency_ms, 0.0, "measured", f"{row.source} {row.path} @ {row.commit}")
        millions = mac_features(network)
        ms = self.scale * self.fit.predict(millions)
        if not self._spans(millions):
            return self._latency(ms, self.extrapolated_half_width, "extrapolated", self.source)
        return self._latency(ms, self.half_width, "borrowed" if self.board.donor else "fitted", self.source)

    def _spans(self, millions: NDArray[np.float64]) -> bool:
        body = millions[:2]
        low, high = np.asarray(self.lowest), np.asarray(self.highest)
        return bool(np.all(body >= low * (1 - SPAN_MARGIN)) and np.all(body <= high * (1 + SPAN_MARGIN)))

    def _latency(self, ms: float, half_width: float, provenance: Provenance, source: str) -> Latency:
        return Latency(
            ms=ms,
            low_ms=ms * math.exp(-half_width),
            high_ms=ms * math.exp(half_width),
            provenance=provenance,
            board=self.board.name,
            runtime=f"{self.board.runtime} {self.board.runtime_version}",
            source=source,
        )


def board_spec(mapping: Mapping[str, object]) -> BoardSpec:
    """A board from the plain mapping of a composed `conf/board/NAME.yaml`.

    Raises:
        OptionError: an unknown or missing key, or a value out of range.
    """
    known = [field.name for field in fields(BoardSpec)]
    for key in mapping:
        near = difflib.get_close_matches(key, known, 1)
        require(key in known, f"board.{key}", mapping[key], ", ".join(known), f"nearest: {near[0]}" if near else "")
    for field in fields(BoardSpec):
        if field.default is MISSING:
            require(field.name in mapping, f"board.{field.name}", None, "a value; the board file must state it")
    return BoardSpec(**mapping)  # type: ignore[arg-type]  # BoardSpec checks its own values


def estimate(board: BoardSpec, width: float, resolution: int, embedding: int) -> Latency:
    """Latency of one inference of the headless network.

    Raises:
        OptionError: no such network, no such table, or a board that contradicts its table.
        DataError: a table that cannot be used.
    """
    return latency_model(board).predict(layers(width, resolution, embedding))


@lru_cache(maxsize=32)
def latency_model(board: BoardSpec) -> LatencyModel:
    """The model of a board, made once a process; a table changed on disk afterwards is not read again.

    Raises:
        OptionError: no such table, or a board that contradicts its table.
        DataError: a table that cannot be used, or with too few rows.
    """
    table = read_table(table_path(board.table))
    _check_agreement(board, table)
    if board.donor is None:
        return _own_model(board, table)
    return _borrowed_model(board, table, read_table(table_path(board.donor)))


def _own_model(board: BoardSpec, table: LatencyTable) -> LatencyModel:
    own = _with_role(table, "own")
    fitted = _fit_rows(table, own, "name a table in board.donor to borrow its shape")
    lowest, highest = _span(own)
    return LatencyModel(
        board=board,
        fit=fitted,
        scale=1.0,
        half_width=fitted.half_width,
        extrapolated_half_width=fitted.extrapolated_half_width,
        deviations=_deviations(fitted, 1.0, table.rows),
        lowest=lowest,
        highest=highest,
        rows=table.rows,
        source=_describe(table, own, fitted),
    )


def _borrowed_model(board: BoardSpec, table: LatencyTable, donor: LatencyTable) -> LatencyModel:
    """The donor's fit scaled to the board's own rows; its error and the worst misfit of those rows add up."""
    if donor.rows[0].runtime != board.runtime:
        allowed = f"a table of {board.runtime}; the shape of another runtime does not carry over"
        raise OptionError("board.donor", f"{board.donor} ({donor.runtime})", allowed)
    anchors = _with_role(table, "own", "stand_in")
    if not anchors:
        raise DataError(f"{table.name}: no row with role own or stand_in to scale {donor.name} by; add one")
    donors = _with_role(donor, "own")
    fitted = _fit_rows(donor, donors, "name a larger table in board.donor")
    scale = _scale(fitted, anchors)
    deviations = _deviations(fitted, scale, table.rows)
    misfit = max(abs(math.log1p(deviation)) for deviation in deviations)
    transfer = max(misfit, LEAST_TRANSFER_ERROR)
    lowest, highest = _span([*donors, *anchors])
    source = (
        f"shape of {_describe(donor, donors, fitted)}; scaled x{scale:.3f} by {len(anchors)} row(s) of "
        f"{table.runtime} at {board.clock_mhz:g} MHz on {anchors[0].board}, worst misfit {math.expm1(misfit):.1%}"
    )
    return LatencyModel(
        board=board,
        fit=fitted,
        scale=scale,
        half_width=fitted.half_width + transfer,
        extrapolated_half_width=fitted.extrapolated_half_width + transfer,
        deviations=deviations,
        lowest=lowest,
        highest=highest,
        rows=table.rows,
        source=source,
    )


def _check_agreement(board: BoardSpec, table: LatencyTable) -> None:
    for key in ("core", "clock_mhz", "runtime", "runtime_version"):
        in_table = getattr(table.rows[0], key)
        hint = "or name another table in board.table"
        require(getattr(board, key) == in_table, f"board.{key}", getattr(board, key), f"{in_table}, as measured", hint)


def _with_role(table: LatencyTable, *roles: str) -> list[TimedRow]:
    return [row for row in table.rows if row.role in roles]


def _fit_rows(table: LatencyTable, rows: Sequence[TimedRow], remedy: str) -> Fit:
    try:
        return fit(_matrix(rows), np.array([row.latency_ms for row in rows]), [row.width for row in rows])
    except ValueError as error:
        raise DataError(f"{table.name}: {error} of role own to fit; {remedy}") from error


def _matrix(rows: Sequence[TimedRow]) -> NDArray[np.float64]:
    """MACs in millions, float64 [rows, 3], each row's head included."""
    networks = (layers(row.width, row.resolution, row.embedding, row.classes) for row in rows)
    return np.array([mac_features(network) for network in networks]).reshape(-1, 3)


def _scale(fitted: Fit, anchors: Sequence[TimedRow]) -> float:
    """The factor on the fit that minimises the squared relative error on the anchors."""
    ratios = np.array([1 + deviation for deviation in _deviations(fitted, 1.0, anchors)])
    return float(ratios.sum() / (ratios**2).sum())


def _deviations(fitted: Fit, scale: float, rows: Sequence[TimedRow]) -> tuple[float, ...]:
    measured = np.array([row.latency_ms for row in rows])
    return tuple(map(float, scale * (_matrix(rows) @ np.array(fitted.coefficients)) / measured - 1))


def _span(rows: Sequence[TimedRow]) -> tuple[tuple[float, float], tuple[float, float]]:
    body = _matrix(rows)[:, :2]
    (low_a, low_b), (high_a, high_b) = body.min(axis=0), body.max(axis=0)
    return (float(low_a), float(low_b)), (float(high_a), float(high_b))


def _head_share(row: TimedRow) -> float:
    network = layers(row.width, row.resolution, row.embedding, row.classes)
    millions = mac_features(network)
    return float(millions[2] / millions.sum())


def _describe(table: LatencyTable, rows: Sequence[TimedRow], fitted: Fit) -> str:
    errors = f"leave-one-out error {fitted.mean_error:.1%} mean, {fitted.worst_error:.1%} worst"
    return f"{len(rows)} rows of {table.runtime} on {rows[0].board} ({table.name}), {errors}"
