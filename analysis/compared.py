"""Two networks, or two sweeps, side by side: the new one (B) less the old one (A), with paired intervals.

Which of several files stands for a candidate is decided on validation, whichever split is shown. Differences and their
intervals are those of `facerec_core.bootstrap.paired_difference`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.selection import SCHEME_NAMES, Metric, candidate_names
from facerec_core.bootstrap import TAR_KEY, paired_difference
from facerec_core.errors import DataError
from facerec_core.types import DEPLOYABLE, Candidate, Evaluation, Interval, RunRecord, Scheme, Split, VariantRecord

Unit = Literal["rate", "far", "bytes", "ms", "count"]
Verdict = Literal["regressed", "held", "unknown"]
Place = tuple[Candidate, int]
"""Architecture and seed, by which the candidates of two sweeps are matched."""


@dataclass(frozen=True)
class Side:
    """One evaluated file, and the sweep and label it is known by."""

    sweep: str
    label: str
    record: RunRecord
    variant: VariantRecord

    def evaluation(self, split: Split) -> Evaluation:
        """The file's evaluation on one split."""
        return self.variant.validation if split == "validation" else self.variant.test


@dataclass(frozen=True)
class Figure:
    """One figure of both sides; None where it is undefined or was not measured.

    `a_interval` and `b_interval` are their own 95 % intervals (of a latency: of the estimate); `interval` is that of
    the difference, None unless both were resampled alike.
    """

    name: str
    unit: Unit
    a: float | None
    b: float | None
    a_interval: Interval | None = None
    b_interval: Interval | None = None
    interval: Interval | None = None

    @property
    def difference(self) -> float | None:
        """B less A."""
        return None if self.a is None or self.b is None else self.b - self.a


@dataclass(frozen=True)
class Comparison:
    """Two files; `metric` is the figure that is judged, `figures` are all others.

    `unpaired` says why the metric's difference has no interval; empty where it has one. `notes` are what else a reader
    has to know before believing a difference.
    """

    a: Side
    b: Side
    split: Split
    metric: Figure
    figures: tuple[Figure, ...]
    unpaired: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Matched:
    """Two sweeps; `pairs` are the candidates that both have, by architecture and seed.

    `recommended` compares what each recommends, None where one recommends nothing; `only_a` and `only_b` are the
    labels of candidates that the other has no evaluated file of.
    """

    recommended: Comparison | None
    pairs: tuple[Comparison, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]


def side_of(records: Sequence[RunRecord], record: RunRecord, sweep: str, variant: VariantRecord) -> Side:
    """A file, labelled as the report of its sweep labels it."""
    return Side(sweep, f"{candidate_names(records)[record.key]} {SCHEME_NAMES[variant.scheme]}", record, variant)


def file_of(record: RunRecord, metric: Metric, scheme: Scheme | None) -> VariantRecord | None:
    """The candidate's variant of that scheme, or its int8 one with the higher metric on validation, then smaller."""
    fitting = (scheme,) if scheme else DEPLOYABLE
    found = [variant for variant in record.variants if variant.scheme in fitting]
    return max(found, key=lambda one: (_value(metric, one), -one.file.size_bytes), default=None)


def _value(metric: Metric, variant: VariantRecord) -> float:
    value = metric.of(variant.validation)
    return -1.0 if value is None else value


def compare_files(a: Side, b: Side, metric: Metric, split: Split) -> Comparison:
    """Every figure of two files."""
    own, other = a.evaluation(split), b.evaluation(split)
    judged, unpaired = _rate(own, other, metric.name, metric.of(own), metric.of(other))
    keys = [key for key in _rate_keys(own, other) if key != metric.name]
    rates = [_rate(own, other, key, _rate_of(own, key), _rate_of(other, key))[0] for key in keys]
    return Comparison(a, b, split, judged, (*rates, *_costs(a, b)), unpaired, tuple(_notes(a, b, metric)))


def _rate_keys(a: Evaluation, b: Evaluation) -> list[str]:
    """TAR where either side has one, and the single figures."""
    labels = [
        one for one in dict.fromkeys((*a.tar_at_far, *b.tar_at_far)) if (_tar(a, one), _tar(b, one)) != (None, None)
    ]
    labels.sort(key=float, reverse=True)
    return [*(TAR_KEY + label for label in labels), "eer", "accuracy", "realised_far", "realised_tar"]


def _tar(evaluation: Evaluation, label: str) -> float | None:
    return evaluation.tar_at_far.get(label)


def _rate_of(evaluation: Evaluation, key: str) -> float | None:
    if key.startswith(TAR_KEY):
        return _tar(evaluation, key.removeprefix(TAR_KEY))
    value: float | None = getattr(evaluation, key)
    return value


def _rate(a: Evaluation, b: Evaluation, key: str, own: float | None, other: float | None) -> tuple[Figure, str]:
    """The figure, and why its difference has no interval."""
    interval, unpaired = None, ""
    try:
        spread = paired_difference(b, a, key)
        interval = Interval(spread.low, spread.high)
    except DataError as error:
        unpaired = str(error)
    unit: Unit = "far" if key == "realised_far" else "rate"
    return Figure(key, unit, own, other, a.intervals.get(key), b.intervals.get(key), interval), unpaired


def _costs(a: Side, b: Side) -> Iterator[Figure]:
    """What the files take and how long they run."""
    own, other = a.record, b.record
    yield Figure("file_bytes", "bytes", a.variant.file.size_bytes, b.variant.file.size_bytes)
    yield Figure("arena_bytes", "bytes", _arena(a), _arena(b))
    yield Figure("latency_ms", "ms", own.latency.ms, other.latency.ms, _latency(own), _latency(other))
    yield Figure("parameters", "count", own.cost.parameters_without_head, other.cost.parameters_without_head)
    yield Figure("macs", "count", own.cost.macs, other.cost.macs)


def _arena(side: Side) -> int | None:
    """As measured in TensorFlow Lite Micro's interpreter."""
    arena = side.variant.file.arena
    return None if arena is None else arena.total_bytes


def _latency(record: RunRecord) -> Interval:
    return Interval(record.latency.low_ms, record.latency.high_ms)


def _notes(a: Side, b: Side, metric: Metric) -> Iterator[str]:
    """Where the two differ in how they were judged, and why by this metric where it is not the one asked for."""
    if metric.fallback:
        yield f"judged by {metric.title}, since {metric.fallback}"
    before, after = a.record.latency, b.record.latency
    if (before.board, before.runtime) != (after.board, after.runtime):
        yield f"latencies are of {before.board} ({before.runtime}) and of {after.board} ({after.runtime})"
    if a.variant.kernels != b.variant.kernels:
        yield f"A was judged with {a.variant.kernels} kernels, B with {b.variant.kernels} ones"
    if a.variant.validation.target_far != b.variant.validation.target_far:
        yield "the deployed thresholds are for different target FARs, so realised_far and realised_tar do not compare"
    if a.record.data and b.record.data and a.record.data.fingerprint != b.record.data.fingerprint:
        yield (
            f"the data differ ({a.record.data.name} {a.record.data.fingerprint[:8]}, {b.record.data.name} "
            f"{b.record.data.fingerprint[:8]}); paired intervals hold only if the people judged on are the same"
        )


def judge(comparison: Comparison, max_drop: float, allow_unpaired: bool) -> Verdict:
    """Whether B's metric is lower than A's by more than `max_drop`, beyond noise.

    With a paired interval it has regressed when the whole interval lies below -max_drop. Without one nothing is
    known, unless `allow_unpaired` has the plain difference decide.
    """
    figure = comparison.metric
    if figure.interval is not None:
        return "regressed" if figure.interval.high < -max_drop else "held"
    if figure.difference is None or not allow_unpaired:
        return "unknown"
    return "regressed" if figure.difference < -max_drop else "held"


def best_files(records: Sequence[RunRecord], sweep: str, metric: Metric, scheme: Scheme | None) -> dict[Place, Side]:
    """For every architecture and seed the best file on validation; several recipes of one are told apart by it."""
    found: dict[Place, Side] = {}
    names = candidate_names(records)
    for record in records:
        variant = file_of(record, metric, scheme)
        place = (record.candidate, record.seed)
        if variant is None or (place in found and _value(metric, found[place].variant) >= _value(metric, variant)):
            continue
        found[place] = Side(sweep, f"{names[record.key]} {SCHEME_NAMES[variant.scheme]}", record, variant)
    return found


def match(
    a: Mapping[Place, Side], b: Mapping[Place, Side], recommended: Comparison | None, metric: Metric, split: Split
) -> Matched:
    """Two sweeps' candidates, those of the same architecture and seed compared."""
    return Matched(
        recommended,
        tuple(compare_files(a[place], b[place], metric, split) for place in a if place in b),
        tuple(side.label for place, side in a.items() if place not in b),
        tuple(side.label for place, side in b.items() if place not in a),
    )
