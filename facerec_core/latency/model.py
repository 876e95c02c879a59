"""What is known of one board, and how it answers for a network: looked up where it was timed, else computed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
Times = tuple[float, float, float]
"""Low end of the interval, estimate, high end, in ms."""

NEGLIGIBLE_HEAD = 0.001
"""Share of a measured network's MACs below which its head does not count: 5 classes are 0.04 % at 0.35@128."""
SPAN_MARGIN = 0.1
"""How far outside the known MACs a network still counts as inside, as a share."""
ROUNDING_MS = 0.5
"""How far a time may be off that a source prints in whole milliseconds."""


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

    def nearest(self, millions: Vector) -> Vector:
        """The same network with as much of its body added or taken away as brings it inside."""
        low, high = np.asarray(self.lowest) * (1 - SPAN_MARGIN), np.asarray(self.highest) * (1 + SPAN_MARGIN)
        return np.concatenate([np.clip(millions[:2], low, high), millions[2:]])


@dataclass(frozen=True)
class KnownNetwork:
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
    known: tuple[KnownNetwork, ...]
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
            return self._latency((known.low_ms, known.ms, known.high_ms), known.provenance, known.source)
        size = _size(network, mac_features(network, self.fit.features))
        inside = self.span.holds(size[1:])
        times = self._inside(size) if inside else self._outside(size)
        return self._latency(times, self.kind if inside else "extrapolated", self.source)

    def _inside(self, size: Vector) -> Times:
        return self._computed(size, self.inside)

    def _outside(self, size: Vector) -> Times:
        """An estimate beyond the span; an end of its interval is no worse than that of the span's edge.

        Crossing the edge changes the width of the interval. Without this a network just below the span could reach
        higher than a larger one just within, and one just above it lower than a smaller one.
        """
        low_ms, ms, high_ms = self._computed(size, self.outside)
        edge = np.concatenate([size[:1], self.span.nearest(size[1:])])
        edge_low_ms, _, edge_high_ms = self._inside(edge)
        if (edge >= size).all():
            high_ms = min(high_ms, edge_high_ms)
        if (edge <= size).all():
            low_ms = max(low_ms, edge_low_ms)
        return low_ms, ms, high_ms

    def _computed(self, size: Vector, band: Band) -> Times:
        """Low end, estimate and high end, each kept between those of the known networks around this one.

        Without this a network could be estimated slower than a known one that contains it, or its interval reach
        higher.
        """
        floors, ceilings = self._bounds(size)
        ms = float(np.clip(size[1:] @ np.asarray(self.coefficients), floors[1], ceilings[1]))
        others = [float(size[1:] @ np.asarray(alternative)) for alternative in self.alternatives]
        low_ms, high_ms = band.around(min([ms, *others]), max([ms, *others]))
        kept = np.clip((low_ms, ms, high_ms), floors, ceilings)
        return float(kept[0]), float(kept[1]), float(kept[2])

    def _bounds(self, size: Vector) -> tuple[Vector, Vector]:
        """Between which times a network must lie: float64 [3] of low end, time and high end, at least and at most.

        At least the most of the known networks that are nowhere larger, at most the least of those that are nowhere
        smaller; 0 and infinite where the known ones contradict each other.
        """
        sizes, times = self._known_sizes
        floors = times[np.all(sizes <= size, axis=1)].max(axis=0, initial=0.0)
        ceilings = times[np.all(sizes >= size, axis=1)].min(axis=0, initial=math.inf)
        if (floors > ceilings).any():
            return np.zeros(3), np.full(3, math.inf)
        return floors, ceilings

    @cached_property
    def _by_network(self) -> dict[tuple[Layer, ...], KnownNetwork]:
        return {known.network: known for known in self.known}

    @cached_property
    def _known_sizes(self) -> tuple[Vector, Vector]:
        """Sizes, float64 [known, 1 + features], and low end, time and high end in ms, float64 [known, 3]."""
        features = self.fit.features
        sizes = [_size(known.network, mac_features(known.network, features)) for known in self.known]
        times = [(known.low_ms, known.ms, known.high_ms) for known in self.known]
        return np.array(sizes).reshape(-1, 1 + len(features)), np.array(times).reshape(-1, 3)

    def _latency(self, times: Times, provenance: Provenance, source: str) -> Latency:
        low_ms, ms, high_ms = times
        return Latency(ms, low_ms, high_ms, provenance, self.board.name, self.runtime, source)


def _size(network: tuple[Layer, ...], millions: Vector) -> Vector:
    """Side of the input, and what the network has of each feature, float64 [1 + features]."""
    return np.array([network[0].side_in, *millions])


def head_is_negligible(row: TimedRow) -> bool:
    """Whether a row's time is as good as that of its network without the head."""
    millions = mac_features(row.timed_network)
    return bool(millions[2] <= NEGLIGIBLE_HEAD * millions.sum())


def rounding_ms(row: TimedRow) -> float:
    """How far a row's time may be off by rounding: a whole number of milliseconds is taken to be rounded."""
    return ROUNDING_MS if row.latency_ms.is_integer() else 0.0


def known_rows(rows: Sequence[TimedRow], provenance: Provenance) -> tuple[KnownNetwork, ...]:
    """Those rows whose head does not count, as known networks; a row without a spread is as sure as it is printed."""
    return tuple(_known(row, provenance) for row in rows if head_is_negligible(row))


def _known(row: TimedRow, provenance: Provenance) -> KnownNetwork:
    ms, rounding = row.latency_ms, rounding_ms(row)
    low_ms, high_ms = row.low_ms or ms - rounding, row.high_ms or ms + rounding
    return KnownNetwork(row.network, ms, low_ms, high_ms, provenance, row.citation)


def half_spread(rows: Sequence[TimedRow]) -> float:
    """Half of what the median row's repeats span, on the natural logarithm; 0 where no row states its spread."""
    halves = [math.log(row.high_ms / row.low_ms) / 2 for row in rows if row.low_ms and row.high_ms]
    return float(np.median(halves)) if halves else 0.0


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
    """The fit of some rows of a table; its intervals are no narrower than the spread of the rows themselves.

    Raises:
        DataError: too few rows; `remedy` says what the user can do.
    """
    try:
        widths = [f"{row.model} {row.width:g}" for row in rows]
        found = fit(mac_matrix(rows, features), times_ms(rows), widths, features, [row.network for row in rows])
    except ValueError as error:
        raise DataError(f"{table.name}: {error} for a fit; {remedy}") from error
    least = half_spread(rows)
    outside = max(found.extrapolated_half_width, least)
    return replace(found, half_width=max(found.half_width, least), extrapolated_half_width=outside)


def relative_scale(predicted: Vector, measured: Vector) -> float:
    """The factor on predictions that minimises the squared relative error, both float64 [rows]."""
    ratios = predicted / measured
    return float(ratios.sum() / (ratios**2).sum())


def describe(table: LatencyTable, rows: Sequence[TimedRow], fitted: Fit) -> str:
    """A fit in words: where it is from and what it is worth."""
    errors = f"leave-one-out error {fitted.mean_error:.1%} mean, {fitted.worst_error:.1%} worst"
    found = f"{len(rows)} rows of {table.runtime} on {rows[0].board} ({table.name}), {errors}"
    return f"{found}; {table.remark}" if table.remark else found
