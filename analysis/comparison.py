"""Differences between variants, formed on the same resampled people; which variants the best cannot be told from.

Validation figures only. Two variants tie when the 95 % interval of their paired difference holds 0
(`facerec_core.bootstrap.paired_difference`): other people of the same kind could have turned their order round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.selection import Entry, Metric, Selection, candidate_names
from facerec_core.bootstrap import Difference, Ratio, paired_difference, recovered
from facerec_core.types import Evaluation, Interval, RunRecord, Scheme


@dataclass(frozen=True)
class Compared:
    """An eligible entry against the recommended one; `difference` is its metric less the recommended's."""

    entry: Entry
    difference: Difference

    @property
    def tied(self) -> bool:
        """Whether the interval of the difference holds 0."""
        return self.difference.low <= 0 <= self.difference.high


@dataclass(frozen=True)
class Quantised:
    """One candidate under the three schemes; differences None where one is missing or nothing was resampled.

    `recovered` is the share of what PTQ lost that QAT wins back, None where PTQ lost nothing noticeable.
    """

    key: str
    label: str
    float32: float | None
    ptq: float | None
    qat: float | None
    qat_less_ptq: Difference | None
    qat_less_float: Difference | None
    recovered: Ratio | None


def interval(evaluation: Evaluation, metric: Metric) -> Interval | None:
    """The metric's 95 % interval on one split; None where nothing was resampled or the metric is undefined."""
    return evaluation.intervals.get(metric.name)


def paired(evaluations: Sequence[Evaluation], metric: Metric) -> bool:
    """Whether all have replicates of the metric that belong together one by one."""
    samples = {(e.split, e.genuine_pairs, e.impostor_pairs, e.resampling) for e in evaluations}
    return len(samples) == 1 and all(e.resampling and metric.name in e.replicates for e in evaluations)


def difference(a: Evaluation, b: Evaluation, metric: Metric) -> Difference | None:
    """`a` less `b` with its interval; None where the two were not resampled alike."""
    return paired_difference(a, b, metric.name) if paired((a, b), metric) else None


def against_best(selection: Selection) -> tuple[Compared, ...]:
    """Every other eligible entry that can be compared with the recommended one, best first."""
    best = selection.recommended
    if best is None or best.variant is None:
        return ()
    found = []
    for entry in selection.having("front", "dominated"):
        if entry is best or entry.variant is None:
            continue
        known = difference(entry.variant.validation, best.variant.validation, selection.metric)
        if known is not None:
            found.append(Compared(entry, known))
    return tuple(found)


def ties(compared: Sequence[Compared]) -> tuple[Compared, ...]:
    """Those that cannot be told from the recommended one."""
    return tuple(one for one in compared if one.tied)


def lighter_ties(selection: Selection, compared: Sequence[Compared]) -> tuple[Compared, ...]:
    """Of the other candidates that tie with the best: the smallest smaller file, and the fastest faster network."""
    best = selection.recommended
    if best is None or best.variant is None:
        return ()
    others = [one for one in ties(compared) if one.entry.record.key != best.record.key]
    smaller = [one for one in others if _size(one.entry) < best.variant.file.size_bytes]
    faster = [one for one in others if one.entry.record.latency.ms < best.record.latency.ms]
    chosen = [min(smaller, key=lambda one: _size(one.entry))] if smaller else []
    chosen += [min(faster, key=lambda one: one.entry.record.latency.ms)] if faster else []
    return tuple({id(one.entry): one for one in chosen}.values())


def _size(entry: Entry) -> int:
    return entry.variant.file.size_bytes if entry.variant else 0


def quantisation(selection: Selection) -> tuple[Quantised, ...]:
    """Float, PTQ and QAT of every trained candidate, in the order of the selection."""
    records = list({entry.record.key: entry.record for entry in selection.entries}.values())
    names = candidate_names(records)
    return tuple(_quantised(record, names[record.key], selection.metric) for record in records if record.variants)


def _quantised(record: RunRecord, label: str, metric: Metric) -> Quantised:
    known: dict[Scheme, Evaluation] = {variant.scheme: variant.validation for variant in record.variants}
    value = {scheme: metric.of(evaluation) for scheme, evaluation in known.items()}
    full, ptq, qat = (known.get(scheme) for scheme in ("float32", "ptq_int8", "qat_int8"))
    together = full is not None and ptq is not None and qat is not None and paired((full, ptq, qat), metric)
    return Quantised(
        key=record.key,
        label=label,
        float32=value.get("float32"),
        ptq=value.get("ptq_int8"),
        qat=value.get("qat_int8"),
        qat_less_ptq=difference(qat, ptq, metric) if qat and ptq else None,
        qat_less_float=difference(qat, full, metric) if qat and full else None,
        recovered=recovered(full, ptq, qat, metric.name) if together and full and ptq and qat else None,
    )
