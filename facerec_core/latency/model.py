"""What is known of one board, and how it answers for a network: looked up where it was timed, else computed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facerec_core.arch import Layer
from facerec_core.errors import DataError
from facerec_core.latency.board import BoardSpec
from facerec_core.latency.fit import FEATURES, Fit, fit, mac_features
from facerec_core.latency.table import LatencyTable, TimedRow
from facerec_core.types import Latency, Provenance

Kind = Literal["fitted", "borrowed", "emulated", "simulated"]
Coefficients = tuple[float, ...]
Vector = NDArray[np.float64]

NEGLIGIBLE_HEAD = 0.001
"""Share of a measured network's MACs below which its head does not count: 5 classes are 0.04 % at 0.35@128."""
SPAN_MARGIN = 0.1
"""How far outside the known MACs a network still counts as inside, as a share."""


@dataclass(frozen=True)
class Band:
    """How far off an estimate may be, on the natural logarithm of the latency, below it and above."""

    below: float
    above: float

    def around(self, low_ms: float, high_ms: float) -> tuple[float, float]:
        """The interval around estimates from `low_ms` to `high_ms`."""
        return low_ms * math.exp(-self.below), high_ms * math.exp(self.above)


@dataclass(frozen=True)
class Span:
    """The networks an estimate rests on: least and most millions of MACs (conv and pointwise, depthwise)."""

    lowest: tuple[float, float]
    highest: tuple[float, float]

    def holds(self, millions: Vector) -> bool:
        """Whether a network is inside, up to `SPAN_MARGIN`."""
        body, low, high = millions[:2], np.asarray(self.lowest), np.asarray(self.highest)
        return bool(np.all(body >= low * (1 - SPAN_MARGIN)) and np.all(body <= high * (1 + SPAN_MARGIN)))


@dataclass(frozen=True)
class Known:
    """A headless network whose latency needs no fit: it was timed, simulated, or its instructions were counted."""

    network: tuple[Layer, ...]
    ms: float
    low_ms: float
    high_ms: float
    provenance: Provenance
    source: str


@dataclass(frozen=True)
class LatencyModel:
    """Everything needed to predict a board.

    `fit` is what the estimate rests on (of the board's own rows, of the donor's, or of instruction counts), `scale`
    turns it into ms on this board, and `alternatives` are other coefficients, in ms per million MACs, that explain
    the board's own rows as well. `inside` and `outside` are the intervals within `span` and beyond it. `deviations`
    holds predicted / measured - 1 of `rows`.
    """

    board: BoardSpec
    kind: Kind
    runtime: str
    fit: Fit
    scale: float
    alternatives: tuple[Coefficients, ...]
    inside: Band
    outside: Band
    span: Span
    known: tuple[Known, ...]
    rows: tuple[TimedRow, ...]
    deviations: tuple[float, ...]
    source: str

    @property
    def coefficients(self) -> Coefficients:
        """Milliseconds per million on this board, in the order of `fit.features`."""
        return tuple(self.scale * value for value in self.fit.coefficients)

    @property
    def half_width(self) -> float:
        """The wider half of the interval inside the span, on the natural logarithm of the latency."""
        return max(self.inside.below, self.inside.above)

    @property
    def extrapolated_half_width(self) -> float:
        """The same outside the span."""
        return max(self.outside.below, self.outside.above)

    def predict(self, network: tuple[Layer, ...]) -> Latency:
        """Latency of a headless network."""
        known = self._by_network.get(network)
        if known is not None:
            return self._latency(known.ms, (known.low_ms, known.high_ms), known.provenance, known.source)
        millions = mac_features(network, self.fit.features)
        inside = self.span.holds(millions)
        ms = self._between_known(network, millions, float(millions @ np.asarray(self.coefficients)))
        others = [float(millions @ np.asarray(alternative)) for alternative in self.alternatives]
        band = self.inside if inside else self.outside
        interval = band.around(min(ms, *others), max(ms, *others)) if others else band.around(ms, ms)
        return self._latency(ms, interval, self.kind if inside else "extrapolated", self.source)

    def _between_known(self, network: tuple[Layer, ...], millions: Vector, ms: float) -> float:
        """The estimate, kept between the known networks that are nowhere larger and those that are nowhere smaller.

        Without this a network could be estimated slower than a known one that contains it.
        """
        sizes, times = self._known_sizes
        if not len(times):
            return ms
        size = _size(network, millions)
        floor = float(np.max(times, where=np.all(sizes <= size, axis=1), initial=0.0))
        ceiling = float(np.min(times, where=np.all(sizes >= size, axis=1), initial=math.inf))
        return min(max(ms, floor), ceiling) if floor <= ceiling else ms

    @cached_property
    def _by_network(self) -> dict[tuple[Layer, ...], Known]:
        return {known.network: known for known in self.known}

    @cached_property
    def _known_sizes(self) -> tuple[Vector, Vector]:
        """Sizes, float64 [known, 1 + features], and milliseconds, float64 [known]."""
        features = self.fit.features
        sizes = [_size(known.network, mac_features(known.network, features)) for known in self.known]
        return np.array(sizes).reshape(-1, 1 + len(features)), np.array([known.ms for known in self.known])

    def _latency(self, ms: float, interval: tuple[float, float], provenance: Provenance, source: str) -> Latency:
        low_ms, high_ms = interval
        return Latency(ms, low_ms, high_ms, provenance, self.board.name, self.runtime, source)


def _size(network: tuple[Layer, ...], millions: Vector) -> Vector:
    """Side of the input, and what the network has of each feature, float64 [1 + features]."""
    return np.array([network[0].side_in, *millions])


def head_is_negligible(row: TimedRow) -> bool:
    """Whether a row's time is as good as that of its network without the head."""
    millions = mac_features(row.timed_network)
    return bool(millions[2] <= NEGLIGIBLE_HEAD * millions.sum())


def known_rows(rows: Sequence[TimedRow], provenance: Provenance) -> tuple[Known, ...]:
    """Those rows whose head does not count, as known networks; a row without a spread has an interval of no width."""
    return tuple(
        Known(
            row.network, row.latency_ms, row.low_ms or row.latency_ms, row.high_ms or row.latency_ms, provenance, cited
        )
        for row in rows
        for cited in [row.citation]
        if head_is_negligible(row)
    )


def mac_matrix(rows: Sequence[TimedRow], features: tuple[str, ...] = FEATURES) -> Vector:
    """What each row's network has of each feature, its head included, float64 [rows, features]."""
    return np.array([mac_features(row.timed_network, features) for row in rows]).reshape(-1, len(features))


def times_ms(rows: Sequence[TimedRow]) -> Vector:
    """The times in ms, float64 [rows]."""
    return np.array([row.latency_ms for row in rows])


def span_of(rows: Sequence[TimedRow]) -> Span:
    """The span of some rows, heads left out."""
    body = mac_matrix(rows)[:, :2]
    (low_a, low_b), (high_a, high_b) = body.min(axis=0), body.max(axis=0)
    return Span((float(low_a), float(low_b)), (float(high_a), float(high_b)))


def fit_rows(table: LatencyTable, rows: Sequence[TimedRow], remedy: str, features: tuple[str, ...] = FEATURES) -> Fit:
    """The fit of some rows of a table.

    Raises:
        DataError: too few rows; `remedy` says what the user can do.
    """
    try:
        widths = [f"{row.model} {row.width:g}" for row in rows]
        return fit(mac_matrix(rows, features), times_ms(rows), widths, features)
    except ValueError as error:
        raise DataError(f"{table.name}: {error} for a fit; {remedy}") from error


def relative_scale(predicted: Vector, measured: Vector) -> float:
    """The factor on predictions that minimises the squared relative error, both float64 [rows]."""
    ratios = predicted / measured
    return float(ratios.sum() / (ratios**2).sum())


def describe(table: LatencyTable, rows: Sequence[TimedRow], fitted: Fit) -> str:
    """A fit in words: where it is from and what it is worth."""
    errors = f"leave-one-out error {fitted.mean_error:.1%} mean, {fitted.worst_error:.1%} worst"
    return f"{len(rows)} rows of {table.runtime} on {rows[0].board} ({table.name}), {errors}"
